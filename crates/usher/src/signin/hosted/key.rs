use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash as _, Hasher as _},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use usher_rules::{
    plan::Plan,
    signin::hosted::{PUBLIC_KEY, PublicKey},
    time::Now,
};

use crate::{
    request::Remembered,
    signin::provider::{Http, ProviderError, SERVICE_KEY},
};

/// How long a key is taken as it is: what its `Cache-Control` says.
const FRESH: Duration = Duration::from_secs(60);
/// How long to wait after a fetch that failed, while the last good key goes on being used.
const RETRY: Duration = Duration::from_secs(30);
/// How long everybody gets the error of a fetch that failed, while no key is known at all: nobody
/// waits in a queue behind a service that is silent.
const GIVEN_UP: Duration = Duration::from_secs(5);
/// How often an answer with another key may make us ask for it at once.
const AGAIN: Duration = Duration::from_secs(10);

/// The key of the authenticate service: whoever has it says who people are. It is fetched over
/// TLS that is verified (the real proxy does not), kept on the disk as the last good one, and
/// asked for again when an answer comes with another.
pub(crate) struct ServiceKeys {
    patience: Duration,
    remembered: Arc<dyn Remembered>,
    known: ArcSwapOption<ServiceKey>,
    asking: tokio::sync::Mutex<Option<Instant>>,
    /// Which service gave no key lately, when, and why.
    failed: Mutex<Option<(u64, Instant, Box<str>)>>,
}

struct ServiceKey {
    /// Which service, and with which roots it was verified.
    of: u64,
    key: PublicKey,
    /// `None`: it is from the disk.
    fetched_at: Option<Instant>,
    failed_at: Mutex<Option<Instant>>,
}

/// A key, and what went wrong if it is only the last good one.
pub(crate) struct Found {
    pub key: PublicKey,
    pub failure: Option<ProviderError>,
}

impl ServiceKeys {
    pub(crate) fn new(patience: Duration, remembered: Arc<dyn Remembered>) -> Self {
        let asking = tokio::sync::Mutex::default();
        Self {
            patience,
            remembered,
            known: ArcSwapOption::empty(),
            asking,
            failed: Mutex::default(),
        }
    }

    /// Makes this the key for good.
    #[cfg(test)]
    pub fn pin(&self, plan: &Plan, key: PublicKey) {
        let far = Instant::now() + Duration::from_secs(100 * 365 * 24 * 3600);
        let (of, failed_at) = (identify(plan), Mutex::default());
        self.known.store(Some(Arc::new(ServiceKey { of, key, fetched_at: Some(far), failed_at })));
    }

    /// The key of the service that the plan names. While the service is silent, the last good one.
    pub(crate) async fn find(&self, plan: &Plan, now: Now) -> Result<Found, ProviderError> {
        let of = identify(plan);
        let before = self.known.load_full().filter(|known| known.of == of);
        if let Some(known) = before.as_ref().filter(|known| known.is_usable(now)) {
            return Ok(Found { key: known.key, failure: None });
        }
        let asking = match &before {
            None => {
                self.given_up(of, now)?;
                let asking = self.asking.lock().await;
                self.given_up(of, now)?; // by whoever asked meanwhile
                Some(asking)
            }
            Some(_) => self.asking.try_lock().ok(),
        };
        let known = self.known.load_full().filter(|known| known.of == of);
        if let Some(known) = known.filter(|known| asking.is_none() || known.is_usable(now)) {
            return Ok(Found { key: known.key, failure: None }); // somebody else asks or has asked
        }
        match fetch(plan, self.patience).await {
            Ok(key) => {
                self.keep(plan, of, key, now).await;
                Ok(Found { key, failure: None })
            }
            Err(error) => self.last_good(plan, of, error, now).await,
        }
    }

    /// The key as it is published now, for an answer that was sealed with another one than
    /// `known`; asked for at most once in [`AGAIN`].
    pub(crate) async fn find_newer(&self, plan: &Plan, known: PublicKey, now: Now) -> PublicKey {
        let of = identify(plan);
        let mut asked_at = self.asking.lock().await;
        if let Some(newer) = self.known.load_full().filter(|newer| newer.of == of)
            && newer.key != known
        {
            return newer.key; // somebody else has asked meanwhile
        }
        let lately = |at: Instant| now.monotonic.saturating_duration_since(at) < AGAIN;
        if asked_at.is_some_and(lately) {
            return known;
        }
        *asked_at = Some(now.monotonic);
        match fetch(plan, self.patience).await {
            Ok(key) => {
                self.keep(plan, of, key, now).await;
                key
            }
            Err(_) => known,
        }
    }

    /// # Errors
    ///
    /// Nobody has a key of this service, and it gave none a moment ago.
    fn given_up(&self, of: u64, now: Now) -> Result<(), ProviderError> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match failed.as_ref() {
            Some((known, at, cause))
                if *known == of && now.monotonic.saturating_duration_since(*at) < GIVEN_UP =>
            {
                Err(ProviderError::Lately(cause.clone()))
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn keep(&self, plan: &Plan, of: u64, key: PublicKey, now: Now) {
        let before = self.known.load_full();
        let changed = before.is_none_or(|known| known.key != key || known.of != of);
        let known =
            ServiceKey { of, key, fetched_at: Some(now.monotonic), failed_at: Mutex::default() };
        self.known.store(Some(Arc::new(known)));
        if changed {
            // Without it on the disk only a restart during an outage is worse off.
            let _kept = self.remembered.remember(&name(plan), key.octets()).await;
        }
    }

    async fn last_good(
        &self,
        plan: &Plan,
        of: u64,
        error: ProviderError,
        now: Now,
    ) -> Result<Found, ProviderError> {
        let known = match self.known.load_full().filter(|known| known.of == of) {
            Some(known) => known,
            None => {
                // A damaged row is as good as none: what it held can be learnt again.
                let octets = self.remembered.recall(&name(plan)).await.ok().flatten();
                let key = octets.and_then(|octets| PublicKey::from_octets(&octets));
                let Some(key) = key else {
                    // From when the failure is known, not from when it was asked.
                    let failed_at = now.monotonic.max(Instant::now());
                    *self.failed.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some((of, failed_at, error.to_string().into()));
                    return Err(error);
                };
                Arc::new(ServiceKey { of, key, fetched_at: None, failed_at: Mutex::default() })
            }
        };
        *known.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(now.monotonic);
        self.known.store(Some(Arc::clone(&known)));
        Ok(Found { key: known.key, failure: Some(error) })
    }
}

impl ServiceKey {
    fn is_usable(&self, now: Now) -> bool {
        let age = |at: Instant| now.monotonic.saturating_duration_since(at);
        let failed_at = *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        self.fetched_at.is_some_and(|at| age(at) < FRESH)
            || failed_at.is_some_and(|at| age(at) < RETRY)
    }
}

/// Does the service show its key, without which it can't be spoken with?
///
/// # Errors
///
/// [`ProviderError`]: nobody could sign in now.
pub(crate) async fn try_service(plan: &Plan, patience: Duration) -> Result<(), ProviderError> {
    fetch(plan, patience).await.map(drop)
}

async fn fetch(plan: &Plan, patience: Duration) -> Result<PublicKey, ProviderError> {
    let http = Http::new(plan, true, patience)?;
    let url = format!("{}{PUBLIC_KEY}", plan.sign_in.authenticate);
    let answer = http.get_once(&url, None).await?;
    let status = answer.status().as_u16();
    if status != 200 {
        return Err(ProviderError::Status { document: SERVICE_KEY, status });
    }
    let octets = answer.into_body();
    let key = PublicKey::from_octets(&octets).filter(PublicKey::takes_seals);
    key.ok_or(ProviderError::Unreadable("the service's key"))
}

fn name(plan: &Plan) -> String {
    format!("hosted key {}", plan.sign_in.authenticate)
}

fn identify(plan: &Plan) -> u64 {
    let mut hasher = DefaultHasher::new();
    (plan.sign_in.authenticate.to_string(), &plan.extra_roots).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use usher_rules::{
        names::Origin,
        people::BoxFuture,
        plan::{HostedService, Provider},
        secret::Secret,
        signin::hosted::HostedKey,
        time::UnixTime,
    };

    use super::*;
    use crate::request::identify::StoreError;

    /// A disk, and how often it was written.
    #[derive(Default)]
    struct Disk(Mutex<(BTreeMap<String, Vec<u8>>, usize)>);

    impl Remembered for Disk {
        fn recall<'a>(
            &'a self,
            name: &'a str,
        ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
            Box::pin(async move { Ok(self.0.lock().unwrap().0.get(name).cloned()) })
        }

        fn remember<'a>(
            &'a self,
            name: &'a str,
            value: &'a [u8],
        ) -> BoxFuture<'a, Result<(), StoreError>> {
            Box::pin(async move {
                let mut disk = self.0.lock().unwrap();
                disk.0.insert(name.into(), value.into());
                disk.1 += 1;
                Ok(())
            })
        }
    }

    /// A plan whose service is not there.
    fn plan(service: &str) -> Plan {
        let provider = Provider::Hosted(HostedService {
            id: "an-id".into(),
            address: "https://auth.example".into(),
        });
        Plan::sketch(Origin::parse(service).unwrap(), provider, Vec::new())
    }

    fn key(n: u8) -> PublicKey {
        HostedKey::derive(&Secret::new([n; 32])).public()
    }

    fn at(start: Instant, seconds: u64) -> Now {
        let monotonic = start + Duration::from_secs(seconds);
        Now { wall: UnixTime::from_seconds(1_700_000_000 + seconds), wall_millis: 0, monotonic }
    }

    /// Whoever has the key says who people are: the key of one service is never another's, neither
    /// after a reload nor from the disk.
    #[tokio::test]
    async fn a_key_is_of_the_service_that_gave_it() {
        let (one, two) = (plan("https://127.0.0.1:1"), plan("https://127.0.0.1:2"));
        let (disk, start) = (Arc::new(Disk::default()), Instant::now());
        let keys = ServiceKeys::new(Duration::from_secs(5), Arc::clone(&disk) as _);
        let written = || disk.0.lock().unwrap().1;
        for (plan, given, times) in
            [(&one, key(1), 1), (&one, key(1), 1), (&one, key(2), 2), (&two, key(2), 3)]
        {
            keys.keep(plan, identify(plan), given, at(start, 0)).await;
            assert_eq!(written(), times, "kept when it is another key, or another's");
        }
        keys.keep(&one, identify(&one), key(1), at(start, 0)).await;
        assert_eq!(keys.find(&one, at(start, 59)).await.unwrap().key, key(1));
        assert_eq!(keys.find_newer(&two, key(9), at(start, 0)).await, key(9), "not that of one");
        let found = keys.find(&two, at(start, 0)).await.unwrap();
        assert_eq!((found.key, found.failure.is_some()), (key(2), true), "its own, of the disk");
        let found = keys.find(&two, at(start, 29)).await.unwrap();
        assert!(found.failure.is_none(), "nobody is asked for half a minute");
        let found = keys.find(&two, at(start, 31)).await.unwrap();
        assert_eq!((found.key, found.failure.is_some()), (key(2), true), "and then again");

        let three = plan("https://127.0.0.1:3");
        assert!(keys.find(&three, at(start, 0)).await.is_err(), "it never gave one");
        let again = keys.find(&three, at(start, 1)).await;
        assert!(matches!(again, Err(ProviderError::Lately(_))), "and is not asked at once");
        assert!(keys.find(&two, at(start, 31)).await.is_ok(), "which says nothing of another");
    }
}
