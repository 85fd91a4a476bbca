use std::time::Duration;

use usher_rules::{renewal::OrderOutcome, time::UnixTime};

use super::dns::DnsError;
use crate::certs::CertError;

/// Why there is no certificate yet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcmeError {
    /// No connection, no answer, or none that is ACME.
    #[error("{directory} can't be reached: {cause}")]
    Unreached {
        /// The authority.
        directory: Box<str>,
        /// Why.
        cause: Box<str>,
        /// When it wants to be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// The authority refuses.
    #[error("the authority refuses: {detail} ({kind})")]
    Refused {
        /// The problem's type, after `urn:ietf:params:acme:error:`.
        kind: Box<str>,
        /// Its own words.
        detail: Box<str>,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The authority looked, and did not find our answer to its challenge.
    #[error("the authority did not find proof by {challenge}: {detail}")]
    NotProven {
        /// The challenge's type.
        challenge: &'static str,
        /// The authority's own words.
        detail: Box<str>,
    },
    /// It offers no challenge that we could answer.
    #[error("the authority offers only challenges that can't be answered here: {offered}")]
    NoChallenge {
        /// The kinds of challenges that it has.
        offered: Box<str>,
    },
    /// It takes too long.
    #[error("the authority did not finish in time; the order goes on at the next attempt")]
    Slow,
    /// What came is not what was ordered.
    #[error("what the authority sent can't be used: {0}")]
    Unusable(&'static str),
    /// Our own disk.
    #[error(transparent)]
    Disk(#[from] CertError),
    /// A key or a request could not be made.
    #[error("a key or a request can't be made: {0}")]
    Crypto(#[from] rcgen::Error),
    /// A TXT record could not be set.
    #[error("the DNS record can't be set: {0}")]
    Dns(#[from] DnsError),
}

impl AcmeError {
    /// What kind of problem it is, in a word that stays the same: for figures.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Unreached { .. } => "unreached",
            Self::Refused { .. } => "refused",
            Self::NotProven { .. } => "not-proven",
            Self::NoChallenge { .. } => "no-challenge",
            Self::Slow => "slow",
            Self::Unusable(_) => "unusable",
            Self::Disk(_) => "disk",
            Self::Crypto(_) => "key",
            Self::Dns(_) => "dns",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreached { cause, .. } if cause.contains("this machine's clock") => {
                "compare `date -u` with the true time, and set this machine's clock (`timedatectl \
                 set-ntp true`); if it is right, the authority has to renew its own certificate"
            }
            Self::Unreached { cause, .. } if cause.contains("certificate") => {
                "name the authority's root in `autocert_trusted_ca_file`"
            }
            Self::Unreached { .. } => {
                "nothing to do if it is an outage; else check the address in `autocert_ca`, DNS and \
                 the firewall for outgoing connections"
            }
            Self::Refused { kind, .. } => match &**kind {
                "rateLimited" => {
                    "nothing to do: the next attempt is late enough; try things out with \
                     `autocert_use_staging: true`"
                }
                "externalAccountRequired" => {
                    "this authority wants `autocert_eab_key_id` and `autocert_eab_mac_key`: copy \
                     them from its page"
                }
                "unauthorized" | "malformed" => {
                    "check `autocert_eab_key_id` and `autocert_eab_mac_key`, if the authority gave \
                     you some; see the detail"
                }
                "rejectedIdentifier" => "this authority signs for no such name: see the detail",
                "caa" => "a CAA record of the domain forbids it: add this authority, or delete it",
                "invalidProfile" => "`autocert_profile` names none that this authority has",
                "invalidContact" | "unsupportedContact" => "write an address in `autocert_email`",
                _ => "see the detail; the next attempt is made by itself",
            },
            Self::NotProven { challenge: "dns-01", .. } => {
                "look whether the TXT record can be seen from outside: dig TXT _acme-challenge.HOST"
            }
            Self::NotProven { challenge: "http-01", .. } => {
                "the name must lead to this machine, and port 80 from outside to \
                 `http_redirect_addr`: check DNS (A and AAAA), router and firewall"
            }
            Self::NotProven { .. } => {
                "the name must lead to this machine, and port 443 from outside to `address`: check \
                 DNS (A and AAAA), router and firewall"
            }
            Self::NoChallenge { .. } => {
                "a wildcard needs `autocert_dns_provider`; else choose another authority"
            }
            Self::Slow => "nothing to do; if it stays so, choose another authority",
            Self::Unusable(_) | Self::Crypto(_) => "tell the authority, or choose another",
            Self::Disk(error) => error.hint(),
            Self::Dns(DnsError::Hook { .. }) => "run the program of `autocert_dns_command` by hand",
            Self::Dns(DnsError::NoZone { .. }) => {
                "name the zone in `autocert_dns_zone`, or check that the server has it"
            }
            Self::Dns(_) => "check the `autocert_dns_*` keys and the DNS server's log",
        }
    }

    /// For the renewal schedule.
    pub fn settled(&self, now: UnixTime) -> OrderOutcome {
        let at = |span: &Option<Duration>| span.map(|span| now.plus(span));
        match self {
            Self::Unreached { retry_after, .. } => {
                OrderOutcome::Unreached { retry_after: at(retry_after) }
            }
            // Not the authority's fault, and nothing that it counts.
            Self::Slow | Self::Disk(_) | Self::Dns(DnsError::Unreached { .. }) => {
                OrderOutcome::Unreached { retry_after: None }
            }
            Self::Refused { retry_after, .. } => {
                OrderOutcome::Failed { retry_after: at(retry_after) }
            }
            Self::NotProven { .. }
            | Self::NoChallenge { .. }
            | Self::Unusable(_)
            | Self::Crypto(_)
            | Self::Dns(_) => OrderOutcome::Failed { retry_after: None },
        }
    }

    /// Would the same thing, done again at once, end better?
    pub fn is_bad_nonce(&self) -> bool {
        matches!(self, Self::Refused { kind, .. } if &**kind == "badNonce")
    }

    /// Does the authority say that the account's key is not this one?
    pub fn is_wrong_key(&self) -> bool {
        matches!(self, Self::Refused { kind, detail, .. }
            if matches!(&**kind, "malformed" | "unauthorized") && detail.contains("JWS"))
    }

    /// May it be about what the order asked for beside its names, so that a plain one is taken?
    /// Authorities say so in several ways.
    pub fn may_be_about_the_order(&self) -> bool {
        matches!(self, Self::Refused { kind, .. }
            if !matches!(&**kind, "rateLimited" | "badNonce" | "accountDoesNotExist"))
    }

    /// Does the authority not know our account (any more)?
    pub fn is_unknown_account(&self) -> bool {
        matches!(self, Self::Refused { kind, .. } if &**kind == "accountDoesNotExist")
    }
}
