use std::fmt;

use regex::Regex;

use crate::policy::Certificate;

/// A kind of alternative name (RFC 5280 §4.2.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// A DNS name.
    Dns,
    /// An address.
    Email,
    /// An IP address, as text.
    IpAddress,
    /// A URI.
    Uri,
    /// A user principal name, which Active Directory writes as an other name.
    UserPrincipalName,
}

impl NameKind {
    /// Every one of them.
    pub const ALL: [Self; 5] =
        [Self::Dns, Self::Email, Self::IpAddress, Self::Uri, Self::UserPrincipalName];

    /// The word in the config.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Email => "email",
            Self::IpAddress => "ip_address",
            Self::Uri => "uri",
            Self::UserPrincipalName => "user_principal_name",
        }
    }

    fn of(self, certificate: &Certificate) -> &[Box<str>] {
        match self {
            Self::Dns => &certificate.san_dns,
            Self::Email => &certificate.san_email,
            Self::IpAddress => &certificate.san_ip,
            Self::Uri => &certificate.san_uri,
            Self::UserPrincipalName => &certificate.san_upn,
        }
    }
}

/// A pattern for names of one kind (`match_subject_alt_names`).
#[derive(Clone)]
pub struct NamePattern {
    kind: NameKind,
    written: Box<str>,
    /// INVARIANT: anchored at both ends, each pattern by itself. Several joined by `|` inside of one
    /// pair of anchors let `good.example.com.evil.test` in (`pomerium-policy-measured.md` 9).
    whole: Regex,
}

impl NamePattern {
    /// A pattern as it was written, and compiled to match the whole of a name.
    pub fn new(kind: NameKind, written: &str, whole: Regex) -> Self {
        Self { kind, written: written.into(), whole }
    }

    /// For which names it is.
    pub const fn kind(&self) -> NameKind {
        self.kind
    }

    /// As it was written.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Does one of the certificate's names match?
    pub fn takes(&self, certificate: &Certificate) -> bool {
        self.kind.of(certificate).iter().any(|name| self.whole.is_match(name))
    }
}

impl fmt::Debug for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.word(), self.written)
    }
}
