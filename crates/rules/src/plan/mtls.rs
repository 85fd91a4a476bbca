use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};

use crate::{
    client_certificate::{ClientChain, ClientTrust, Constraints, Judged},
    policy::WrongCertificate,
    time::UnixTime,
};

/// What is asked of clients' certificates (`downstream_mtls`).
#[derive(Clone, Debug)]
pub struct DownstreamMtls {
    /// What becomes of who has none that counts.
    pub enforcement: Enforcement,
    /// What holds for every certificate, whoever signed it.
    pub constraints: Arc<Constraints>,
    /// Whom routes trust that name nobody themselves.
    pub trust: Option<Arc<ClientTrust>>,
    /// What each handshake asks; `None` where none asks anything.
    pub asked: Option<Arc<ClientAuth>>,
}

/// `downstream_mtls.enforcement`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforcement {
    /// Every route denies them.
    #[default]
    PolicyWithDefaultDeny,
    /// Routes deny them whose policy says so.
    Policy,
    /// The handshake fails, and every route denies them.
    RejectConnection,
}

impl Enforcement {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::PolicyWithDefaultDeny, Self::Policy, Self::RejectConnection];

    /// The word in the config.
    pub const fn word(self) -> &'static str {
        match self {
            Self::PolicyWithDefaultDeny => "policy_with_default_deny",
            Self::Policy => "policy",
            Self::RejectConnection => "reject_connection",
        }
    }

    /// Does every route deny them?
    pub const fn denies_by_default(self) -> bool {
        match self {
            Self::PolicyWithDefaultDeny | Self::RejectConnection => true,
            Self::Policy => false,
        }
    }
}

/// What every handshake asks a client for. All ask the same: a connection carries requests for
/// several hosts (RFC 9113 §9.1.1), and what it was not asked for can't be asked later.
#[derive(Debug)]
pub struct ClientAuth {
    id: [u8; 32],
    enforcement: Enforcement,
    trusts: Vec<Arc<ClientTrust>>,
    hints: Vec<Box<[u8]>>,
}

impl ClientAuth {
    /// For these trusts. `hinted`: whether names of authorities are told, so that a browser offers
    /// only what comes from them.
    pub fn new(enforcement: Enforcement, trusts: Vec<Arc<ClientTrust>>, hinted: Hinted) -> Self {
        let mut hints: Vec<Box<[u8]>> = Vec::new();
        if hinted == Hinted::Authorities {
            let subjects = trusts.iter().flat_map(|trust| trust.subjects());
            hints = subjects.map(Into::into).collect();
            hints.sort();
            hints.dedup();
        }
        let mut digest = Context::new(&SHA256);
        digest.update(enforcement.word().as_bytes());
        for trust in &trusts {
            digest.update(&trust.fingerprint());
        }
        hints.iter().for_each(|hint| digest.update(hint));
        let mut id = [0; 32];
        id.copy_from_slice(digest.finish().as_ref());
        Self { id, enforcement, trusts, hints }
    }

    /// Over everything that it asks and by which an answer is judged.
    pub const fn id(&self) -> &[u8; 32] {
        &self.id
    }

    /// Names of authorities, each as the inside of its SEQUENCE.
    pub fn hints(&self) -> &[Box<[u8]>] {
        &self.hints
    }

    /// Is a connection refused whose certificate does not count?
    pub fn refuses(&self) -> bool {
        self.enforcement == Enforcement::RejectConnection && !self.trusts.is_empty()
    }

    /// Is there an authority by which a chain counts?
    ///
    /// # Errors
    ///
    /// What the last of them finds wrong with it.
    pub fn judge(&self, chain: &ClientChain, now: UnixTime) -> Result<(), WrongCertificate> {
        let mut wrong = WrongCertificate::Untrusted;
        for trust in &self.trusts {
            match trust.judge(chain, now) {
                Judged { wrong: None, .. } => return Ok(()),
                Judged { wrong: Some(found), .. } => wrong = found,
            }
        }
        Err(wrong)
    }
}

/// Which certificates a client is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hinted {
    /// Those of the authorities that are trusted.
    Authorities,
    /// Any: a rule names a key, whoever signed for it.
    Nothing,
}
