use std::{net::IpAddr, time::Duration};

use crate::{
    session::{Means, SignedIn},
    time::UnixTime,
};

/// Everything a policy may look at, and nothing else: no clock, no I/O, no globals.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who signed in; `None` when nobody did.
    pub who: Option<&'a SignedIn>,
    /// How long ago they showed who they are; `None` where nobody vouches for a moment.
    pub since_sign_in: Option<Duration>,
    /// What is asked.
    pub request: RequestFacts<'a>,
    /// What the client's certificate is worth to the route.
    pub certificate: ClientCertificate<'a>,
    /// The devices that the session was proven on.
    pub devices: &'a [Device],
}

/// The request, as far as a policy may look at it.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// The method, upper case.
    pub method: &'a str,
    /// The decoded canonical path; never the query.
    pub path: &'a str,
    /// The TCP peer, whatever `X-Forwarded-For` says.
    pub source: IpAddr,
    /// `Origin`, when the request has one that is not empty.
    pub origin: Option<&'a str>,
    /// `Access-Control-Request-Method`, when the request has one that is not empty.
    pub access_control_request_method: Option<&'a str>,
}

/// What a client's certificate is worth, worked out where there is a clock and the authorities
/// that a route trusts: chains end and lists of revoked ones are renewed.
#[derive(Clone, Copy, Debug, Default)]
pub enum ClientCertificate<'a> {
    /// The route trusts no authority of clients, so that none is asked for.
    #[default]
    NotAsked,
    /// None was shown.
    Absent,
    /// It is vouched for by an authority that the route trusts.
    Valid(&'a Certificate),
    /// It is not.
    Wrong(&'a Certificate, WrongCertificate),
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

/// A device that somebody enrolled (WebAuthn).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The credential's id.
    pub credential: Box<str>,
    /// Of which kind of devices it is.
    pub kind: Box<str>,
    /// Did an operator approve it?
    pub approval: Approval,
}

/// What an operator said of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// Yes.
    Approved,
    /// Nothing yet.
    Pending,
}

impl<'a> Facts<'a> {
    /// Of a request without certificate and devices, at no known moment.
    pub fn of(who: Option<&'a SignedIn>, request: RequestFacts<'a>) -> Self {
        let certificate = ClientCertificate::default();
        Self { who, since_sign_in: None, request, certificate, devices: &[] }
    }

    /// The same at this moment.
    #[must_use]
    pub fn at(self, now: UnixTime) -> Self {
        let at = self.who.and_then(|who| who.session.sign_in.moment(now));
        Self { since_sign_in: at.map(|at| now.since(at)), ..self }
    }

    /// What would be true if whoever asks signed in again; `None` where nobody can: a program
    /// that an operator gave its token does not sign in.
    pub(super) fn after_sign_in(&self) -> Option<Self> {
        let means = self.who?.session.sign_in.means;
        let since_sign_in = Some(Duration::ZERO);
        (means != Means::ServiceAccount).then_some(Self { since_sign_in, ..*self })
    }
}
