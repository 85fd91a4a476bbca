use std::{net::IpAddr, time::Duration};

use http::HeaderMap;

use super::matcher::Spelt;
use crate::{session::SignedIn, time::UnixTime};

/// Everything a policy may look at, and nothing else: no clock, no I/O, no globals.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who signed in; `None` when nobody did.
    pub who: Option<&'a SignedIn>,
    /// How long ago they showed who they are; `None` where nobody vouches for a moment.
    pub since_sign_in: Option<Duration>,
    /// How long ago they showed a passkey of the built-in provider; `None` where the session has none.
    pub since_passkey: Option<Duration>,
    /// When; `None` where no moment is known, as by a clock that is not set.
    pub now: Option<UnixTime>,
    /// What is asked.
    pub request: RequestFacts<'a>,
    /// What the client's certificate is worth to the route.
    pub certificate: ClientCertificate<'a>,
    /// The rest of the request, which no criterion looks at; `None` where nobody asks for it.
    pub whole: Option<WholeRequest<'a>>,
    /// How else what names them is spelt; `None` where every criterion works it out for itself.
    pub(super) spelt: Option<&'a SpeltPerson>,
}

/// Other spellings of what names a person, as far as they were asked for in one decision.
#[derive(Debug, Default)]
pub(super) struct SpeltPerson {
    pub(super) email: Spelt,
    pub(super) domain: Spelt,
    pub(super) id: Spelt,
}

/// The request, as far as a policy may look at it.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// The method, upper case.
    pub method: &'a str,
    /// The decoded canonical path; never the query.
    pub path: &'a str,
    /// The TCP peer, whatever `X-Forwarded-For` says; `None` where it has no address.
    pub source: Option<IpAddr>,
    /// `Origin`, when the request has one that is not empty.
    pub origin: Option<&'a str>,
    /// `Access-Control-Request-Method`, when the request has one that is not empty.
    pub access_control_request_method: Option<&'a str>,
    /// The tool that the MCP message in its body calls: the empty text for a call that names none,
    /// `None` for all else. Only routes that are MCP servers are asked so.
    pub tool: Option<&'a str>,
}

/// What else a request says, for modules alone.
#[derive(Clone, Copy, Debug)]
pub struct WholeRequest<'a> {
    /// Host and port as written.
    pub authority: &'a str,
    /// The canonical path, escaped.
    pub raw_path: &'a str,
    /// Without its `?`.
    pub query: &'a str,
    /// The fields of its head.
    pub fields: &'a HeaderMap,
}

/// What a client's certificate is worth, worked out where there is a clock and the authorities
/// that a route trusts: chains end and lists of revoked ones are renewed.
#[derive(Clone, Copy, Debug)]
pub enum ClientCertificate<'a> {
    /// The route trusts no authority of clients. Who shows one has its key, and nobody vouches for
    /// what else it says.
    Unjudged(Option<&'a Certificate>),
    /// None was shown.
    Absent,
    /// It is vouched for by an authority that the route trusts.
    Valid(&'a Certificate),
    /// It is not; `None` where it can't be read.
    Wrong(Option<&'a Certificate>, WrongCertificate),
    /// It is not, and nothing that it says lets anybody in.
    Distrusted(&'a Certificate),
}

impl Default for ClientCertificate<'_> {
    fn default() -> Self {
        Self::Unjudged(None)
    }
}

/// What a policy may compare of a certificate (RFC 5280).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of the whole.
    pub fingerprint: [u8; 32],
    /// SHA-256 of the public key.
    pub spki_hash: [u8; 32],
    /// Addresses among its alternative names (§4.2.1.6).
    pub san_email: Box<[Box<str>]>,
    /// DNS names among them.
    pub san_dns: Box<[Box<str>]>,
    /// URIs among them.
    pub san_uri: Box<[Box<str>]>,
    /// IP addresses among them.
    pub san_ip: Box<[Box<str>]>,
    /// User principal names among them.
    pub san_upn: Box<[Box<str>]>,
    /// Whose it is, for records.
    pub subject: Box<str>,
    /// Who signed it, for records.
    pub issuer: Box<str>,
}

impl Certificate {
    /// [`Self::fingerprint`] in hexadecimal, as configs and records have it.
    pub fn fingerprint_hex(&self) -> String {
        self.fingerprint.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

impl<'a> ClientCertificate<'a> {
    /// What may be told to others: nobody vouches for a wrong one.
    pub const fn told(self) -> Option<&'a Certificate> {
        match self {
            Self::Unjudged(shown) => shown,
            Self::Valid(certificate) => Some(certificate),
            Self::Absent | Self::Wrong(..) | Self::Distrusted(_) => None,
        }
    }
}

/// Why a certificate is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongCertificate {
    /// It can't be read.
    Unreadable,
    /// No trusted authority vouches for it, or for too many in between.
    Untrusted,
    /// It is not valid yet, or no longer.
    OutOfTime,
    /// It was taken back (§5).
    Revoked,
    /// It is for something else than clients (§4.2.1.12), or for none of the names asked for.
    OtherUse,
}

impl WrongCertificate {
    /// What is wrong with it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unreadable => "which can't be read",
            Self::Untrusted => "which no authority of the route vouches for",
            Self::OutOfTime => "which does not count now",
            Self::Revoked => "which was taken back",
            Self::OtherUse => "which is not for clients, or for other names",
        }
    }
}

impl<'a> Facts<'a> {
    /// Of a request without certificate, at no known moment.
    pub fn of(who: Option<&'a SignedIn>, request: RequestFacts<'a>) -> Self {
        let certificate = ClientCertificate::default();
        let (since_sign_in, since_passkey, now) = (None, None, None);
        let (whole, spelt) = (None, None);
        Self { who, since_sign_in, since_passkey, now, request, certificate, whole, spelt }
    }

    /// The same at this moment; at none where it can't be the present.
    #[must_use]
    pub fn at(self, now: UnixTime) -> Self {
        let since = |at: Option<UnixTime>| at.map(|at| now.since(at));
        let since_sign_in = since(self.who.and_then(|who| who.session.sign_in.moment(now)));
        let since_passkey = since(self.who.and_then(|who| who.session.passkey_shown(now)));
        let known = now.is_plausible().then_some(now);
        Self { since_sign_in, since_passkey, now: known, ..self }
    }

    /// The same, of whom one decision keeps what it worked out.
    pub(super) const fn spelt<'s>(self, spelt: &'s SpeltPerson) -> Facts<'s>
    where
        'a: 's,
    {
        Facts { spelt: Some(spelt), ..self }
    }

    /// The same with the rest of the request.
    #[must_use]
    pub const fn with_whole(self, whole: Option<WholeRequest<'a>>) -> Self {
        Self { whole, ..self }
    }

    /// The same with a certificate that is worth this.
    #[must_use]
    pub const fn with_certificate(self, certificate: ClientCertificate<'a>) -> Self {
        Self { certificate, ..self }
    }

    /// The same where a wrong certificate lets nobody in; `None` where there is no wrong one.
    pub(super) const fn distrusting(&self) -> Option<Self> {
        match self.certificate {
            ClientCertificate::Wrong(Some(certificate), _) => {
                Some(Self { certificate: ClientCertificate::Distrusted(certificate), ..*self })
            }
            ClientCertificate::Unjudged(_)
            | ClientCertificate::Absent
            | ClientCertificate::Valid(_)
            | ClientCertificate::Wrong(None, _)
            | ClientCertificate::Distrusted(_) => None,
        }
    }

    /// What would be true if whoever asks signed in again, by whatever they like; `None` where nobody
    /// can: a program that an operator gave its token does not sign in.
    pub(super) fn after_sign_in(&self) -> Option<Self> {
        let is_of_program = self.who?.session.is_of_program();
        let (since_sign_in, since_passkey) = (Some(Duration::ZERO), None);
        (!is_of_program).then_some(Self { since_sign_in, since_passkey, ..*self })
    }

    /// What would be true if whoever asks showed a passkey, which signs them in again; `None` where
    /// nobody can.
    pub(super) fn after_passkey(&self) -> Option<Self> {
        let has_passkeys = self.who?.session.is_own_person_s_browser();
        let (since_sign_in, since_passkey) = (Some(Duration::ZERO), Some(Duration::ZERO));
        has_passkeys.then_some(Self { since_sign_in, since_passkey, ..*self })
    }
}
