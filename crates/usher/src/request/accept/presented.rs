use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use usher_rules::{
    client_certificate::{ClientChain, ClientTrust, Judged},
    policy::ClientCertificate,
    time::UnixTime,
};

/// What a client showed on its connection, and what that was found to be worth.
///
/// It is judged on each request, by the route that takes it, at that moment and by the config that is
/// in force then: a session that was resumed brings the certificate along and nothing that was found
/// of it, and one that ends or is taken back while its connection lives counts no more.
#[derive(Default)]
pub struct Presented {
    chain: Option<ClientChain>,
    asked: Asked,
    found: Mutex<Vec<Found>>,
}

/// Was the client asked for a certificate? Who was not has shown none, and may have one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Asked {
    Yes,
    #[default]
    No,
}

/// What one trust found. Holds the trust, so that no other one gets its address.
struct Found {
    by: Arc<ClientTrust>,
    at: UnixTime,
    judged: Judged,
}

/// So many trusts are remembered at most; few configs have more than one.
const REMEMBERED: usize = 4;

/// For so long a certificate is not looked at again that was found wrong: verifying signatures costs
/// more than asking for it.
const WRONG_FOR: Duration = Duration::from_secs(10);

impl Presented {
    /// What a handshake brought that asked for a certificate; `None` where it brought nothing. The
    /// default is of one that did not ask.
    pub fn new(chain: Option<ClientChain>) -> Self {
        Self { chain, asked: Asked::Yes, found: Mutex::default() }
    }

    /// Is it known what the client has to show?
    pub fn was_asked_for(&self) -> bool {
        self.asked == Asked::Yes
    }

    /// The certificates, leaf first; `None` where none was shown.
    pub const fn chain(&self) -> Option<&ClientChain> {
        self.chain.as_ref()
    }

    /// Was something shown that is no certificate?
    pub fn is_unreadable(&self) -> bool {
        self.chain.as_ref().is_some_and(|chain| chain.certificate().is_none())
    }

    /// Its worth to a route that trusts these, at a moment.
    pub fn standing(
        &self,
        trust: Option<&Arc<ClientTrust>>,
        now: UnixTime,
    ) -> ClientCertificate<'_> {
        match (trust, &self.chain) {
            (None, None) => ClientCertificate::Unjudged(None),
            (None, Some(chain)) => ClientCertificate::Unjudged(chain.certificate()),
            (Some(_), None) => ClientCertificate::Absent,
            (Some(trust), Some(chain)) => self.judged(trust, chain, now).standing(chain),
        }
    }

    fn judged(&self, by: &Arc<ClientTrust>, chain: &ClientChain, now: UnixTime) -> Judged {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let known = found.iter().position(|one| Arc::ptr_eq(&one.by, by));
        if let Some(known) = known.and_then(|at| found.get(at)).filter(|known| known.holds(now)) {
            return known.judged;
        }
        let judged = by.judge(chain, now);
        known.map(|at| found.swap_remove(at));
        if found.len() >= REMEMBERED {
            found.remove(0);
        }
        found.push(Found { by: Arc::clone(by), at: now, judged });
        judged
    }
}

impl Found {
    /// Would the same be found now? A clock that was set back knows nothing of before.
    fn holds(&self, now: UnixTime) -> bool {
        let until = match self.judged.wrong {
            None => self.judged.until,
            Some(_) => self.at.plus(WRONG_FOR),
        };
        self.at <= now && now <= until
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.chain.is_some() { "Presented(..)" } else { "Presented(none)" })
    }
}
