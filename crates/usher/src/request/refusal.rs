//! Why a request goes no further, and what that means to everybody who hears of it.

use usher_pages::{
    BadRequest, CertificateNeeded, ClockUnset, ClosedHere, Contact, CookiesTooLarge, ErrorPage,
    HeadersTooLarge, InternalError, Lack, Link, Misdirected, NotFound, NotImplemented, Receipt,
    Refused, RequestTimeout, TooLarge, Unauthenticated, UpgradeRefused, UpstreamDown, UpstreamSlow,
    UpstreamUnavailable,
};

use super::{
    Details, PathRule, authorize::PermitEnd, caught::Panicked, forward::ForwardError,
    identify::StoreError, oversize::Oversize, route::RouteError,
};

/// Why a request goes no further, whoever asks. What a policy says depends on who reads it, and is
/// an [`authorize::Refused`](super::authorize::Refused).
#[derive(Debug)]
pub(super) enum Refusal {
    /// It does not say clearly where it belongs.
    Route(RouteError),
    /// Its head is longer than we take.
    Oversize(Oversize),
    /// It belongs nowhere.
    NotFound,
    /// The upstream gave no answer.
    Forward(ForwardError),
    /// The route's rewriting makes a dot segment of it.
    Climbs,
    /// A socket on a route without `allow_websockets`.
    NoWebSockets,
    /// A socket opened by a page that is none of ours.
    ForeignOrigin,
    /// A body that has to be read here, for a page of ours or by an app, and is too large.
    TooLarge,
    /// The route's app lets it go no further.
    ByApp(AppRefusal),
    /// A body that an app has to read, and can't; why.
    Malformed(&'static str),
    /// A body for one of our own pages that doesn't come.
    Slow,
    /// What the upstream has to be told cannot be: no signature, or a target that does not write.
    Unsayable,
    /// The client's share, or the process's budget, is full.
    Busy,
    /// A log can't be written, and no request is served without a record (`unrecorded_requests`).
    Unrecorded,
    /// The client showed a certificate that is none, and the route wants a good one.
    UnreadableCertificate,
    /// This machine's clock is not set: nothing that depends on the time can be decided.
    ClockUnset,
    /// The store of sessions can't say who is asking: they are neither let in nor signed out.
    Store(StoreError),
    /// Some part of us panicked.
    Panicked(Panicked),
}

/// Why an app lets a request go no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppRefusal {
    /// What stands on its record. Stable.
    pub rule: &'static str,
    /// For whoever asks, in a sentence.
    pub why: &'static str,
    /// What of it is wrong.
    pub wrong: Wrong,
}

/// What is wrong with a request that its app refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It can be read in two ways: 400.
    Itself,
    /// Nobody may ask this: 403.
    Asked,
    /// Whoever asks this has to be somebody: 401.
    Nobody,
    /// The app can't take it now: 503.
    Now,
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<RouteError> for Refusal {
    fn from(error: RouteError) -> Self {
        Self::Route(error)
    }
}

impl From<ForwardError> for Refusal {
    fn from(error: ForwardError) -> Self {
        Self::Forward(error)
    }
}

impl From<Panicked> for Refusal {
    fn from(panicked: Panicked) -> Self {
        Self::Panicked(panicked)
    }
}

const CLIMBS: &str = "the path leads out of the place that the route is for";

/// All that a page may name: nothing of the plan beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    pub host: &'a str,
    /// Where a person signs in.
    pub sign_in: &'a str,
    /// The page that was asked for, if it was one.
    pub page: Option<&'a str>,
    /// Whom to ask.
    pub contact: Option<&'a str>,
    /// Who is signed in, as they are called.
    pub person: Option<&'a str>,
    pub receipt: Receipt<'a>,
}

/// What a refusal is answered with. Status, page, problem document and text all come from `page`,
/// so that they can't disagree.
pub(super) struct ErrorResponse<'a> {
    pub page: Box<dyn ErrorPage + Send + 'a>,
    pub details: Details,
    /// What decided; `None` where what was decided before stays.
    pub rule: Option<PathRule>,
}

impl Refusal {
    /// Status, page, problem document, details and rule.
    pub(super) fn error_response<'a>(&'a self, named: Named<'a>) -> ErrorResponse<'a> {
        let Named { host, receipt, .. } = named;
        let try_again = || named.page.map(Link::new);
        let (page, details, rule): (Box<dyn ErrorPage + Send + 'a>, _, _) = match self {
            Self::Route(error) => return misrouted(error, named),
            Self::Forward(error) => return not_forwarded(error, named),
            Self::Oversize(why) => {
                let page: Box<dyn ErrorPage + Send + 'a> = match why {
                    Oversize::Cookies => {
                        Box::new(CookiesTooLarge { try_again: try_again(), receipt })
                    }
                    Oversize::Other => Box::new(HeadersTooLarge { receipt }),
                };
                (page, Details::HeadersTooLarge, Some(PathRule::BadRequest))
            }
            Self::NotFound => (
                Box::new(NotFound { host, receipt }),
                Details::RouteNotFound,
                Some(PathRule::NoRoute),
            ),
            Self::Climbs => (
                Box::new(BadRequest { why: Some(CLIMBS.into()), receipt }),
                Details::BadRequest,
                Some(PathRule::BadRequest),
            ),
            Self::NoWebSockets => (
                Box::new(UpgradeRefused { why: "WebSockets are not open on this route.", receipt }),
                Details::UpgradeFailed,
                Some(PathRule::NoWebSockets),
            ),
            Self::ForeignOrigin => (
                Box::new(UpgradeRefused {
                    why: "A page of another site opened this socket.",
                    receipt,
                }),
                Details::UpgradeFailed,
                Some(PathRule::ForeignOrigin),
            ),
            Self::TooLarge => (Box::new(TooLarge { receipt }), Details::PayloadTooLarge, None),
            Self::ByApp(refusal) => return refused_by_app(refusal, named),
            Self::Malformed(why) => (
                Box::new(BadRequest { why: Some((*why).into()), receipt }),
                Details::BadRequest,
                None,
            ),
            Self::Slow => (Box::new(RequestTimeout { receipt }), Details::RequestTimeout, None),
            Self::Unsayable => (Box::new(InternalError { receipt }), Details::InternalError, None),
            Self::UnreadableCertificate => (
                Box::new(InternalError { receipt }),
                Details::InternalError,
                Some(PathRule::ClientCertificate),
            ),
            Self::Busy => (
                Box::new(UpstreamUnavailable { host, try_again: try_again(), receipt }),
                Details::Overload,
                Some(PathRule::Overload),
            ),
            Self::Unrecorded => (
                Box::new(UpstreamUnavailable { host, try_again: try_again(), receipt }),
                Details::Unrecorded,
                Some(PathRule::Unrecorded),
            ),
            Self::ClockUnset => (
                Box::new(ClockUnset { try_again: try_again(), receipt }),
                Details::ClockUnset,
                None,
            ),
            Self::Store(error) => {
                let heading = "Nobody can tell right now who you are.";
                let page = Box::new(error.page(heading, try_again(), receipt));
                (page, Details::SessionStore, Some(PathRule::SessionStore))
            }
            Self::Panicked(_) => {
                (Box::new(InternalError { receipt }), Details::InternalPanic, None)
            }
        };
        ErrorResponse { page, details, rule }
    }
}

/// The rule of what belongs nowhere, on its record and where it is foretold.
pub(super) fn rule_of(error: &RouteError) -> PathRule {
    match error {
        RouteError::Misdirected => PathRule::OtherHost,
        RouteError::BadAuthority(error) if error.is_no_name() => PathRule::NoRoute,
        RouteError::NoAuthority
        | RouteError::BadAuthority(_)
        | RouteError::BadPath(_)
        | RouteError::TwoReadings
        | RouteError::Method
        | RouteError::Trace
        | RouteError::Connect
        | RouteError::Protocol
        | RouteError::Underscore
        | RouteError::Lengths(_)
        | RouteError::TooManyFields
        | RouteError::TransferCoding => PathRule::BadRequest,
    }
}

fn refused_by_app<'a>(refusal: &AppRefusal, named: Named<'a>) -> ErrorResponse<'a> {
    let Named { host, sign_in, page, contact, receipt, .. } = named;
    let why = refusal.why;
    let (page, details): (Box<dyn ErrorPage + Send + 'a>, _) = match refusal.wrong {
        Wrong::Itself => {
            (Box::new(BadRequest { why: Some(why.into()), receipt }), Details::BadRequest)
        }
        Wrong::Asked => (Box::new(ClosedHere { why, receipt }), Details::Denied),
        Wrong::Nobody => {
            let (sign_in, contact) = (Link::new(sign_in), contact.map(Contact));
            (Box::new(Unauthenticated { sign_in, contact, receipt }), Details::Denied)
        }
        Wrong::Now => {
            let try_again = page.map(Link::new);
            (Box::new(UpstreamUnavailable { host, try_again, receipt }), Details::Denied)
        }
    };
    ErrorResponse { page, details, rule: None }
}

fn misrouted<'a>(error: &RouteError, Named { host, receipt, .. }: Named<'a>) -> ErrorResponse<'a> {
    type Answer<'a> = (Box<dyn ErrorPage + Send + 'a>, Details);
    let not_spoken =
        |why| -> Answer<'a> { (Box::new(NotImplemented { why, receipt }), Details::BadRequest) };
    let (page, details): Answer<'a> = match error {
        RouteError::Misdirected => (Box::new(Misdirected { host, receipt }), Details::Misdirected),
        RouteError::BadAuthority(error) if error.is_no_name() => {
            (Box::new(NotFound { host, receipt }), Details::RouteNotFound)
        }
        RouteError::TooManyFields => {
            (Box::new(HeadersTooLarge { receipt }), Details::HeadersTooLarge)
        }
        RouteError::TransferCoding => {
            not_spoken("The request's transfer coding is not spoken here.")
        }
        RouteError::Protocol => {
            not_spoken("Only WebSockets and UDP can be opened by extended CONNECT.")
        }
        RouteError::Trace => not_spoken("Requests are not traced here."),
        RouteError::NoAuthority
        | RouteError::BadAuthority(_)
        | RouteError::Connect
        | RouteError::BadPath(_)
        | RouteError::TwoReadings
        | RouteError::Method
        | RouteError::Underscore
        | RouteError::Lengths(_) => (
            Box::new(BadRequest { why: Some(error.to_string().into()), receipt }),
            Details::BadRequest,
        ),
    };
    ErrorResponse { page, details, rule: Some(rule_of(error)) }
}

fn not_forwarded<'a>(error: &ForwardError, named: Named<'a>) -> ErrorResponse<'a> {
    let Named { host, sign_in, page, contact, person, receipt } = named;
    let try_again = page.map(Link::new);
    let contact = contact.map(Contact);
    let page: Box<dyn ErrorPage + Send + 'a> = match error {
        ForwardError::HeadTimeout { .. } | ForwardError::IdleTimeout { .. } => {
            Box::new(UpstreamSlow { host, try_again, receipt })
        }
        // which cause gives which is the real server's (`pomerium-measured.md` §2.6)
        ForwardError::Resolve { .. }
        | ForwardError::Connect { .. }
        | ForwardError::ConnectTimeout { .. }
        | ForwardError::Tls { .. } // a handshake that fails has made no connection
        | ForwardError::TlsSettings { .. }
        | ForwardError::Refused { .. }
        | ForwardError::Closed { .. }
        | ForwardError::Overflow { .. }
        | ForwardError::NoneWell => Box::new(UpstreamUnavailable { host, try_again, receipt }),
        ForwardError::Protocol { .. }
        | ForwardError::Unreadable { .. }
        | ForwardError::Invalid { .. }
        | ForwardError::NotWebSocket
        | ForwardError::NoUpstream => Box::new(UpstreamDown { host, try_again, receipt }),
        ForwardError::ClientStalled { .. } => Box::new(RequestTimeout { receipt }),
        ForwardError::ClientGone => Box::new(BadRequest { why: None, receipt }),
        // What would be said to the same request if it came now.
        ForwardError::PermitEnded(PermitEnd::RouteGone) => Box::new(NotFound { host, receipt }),
        ForwardError::PermitEnded(PermitEnd::CertificateOver) => {
            Box::new(CertificateNeeded { lacks: Lack::Validity, host, contact, receipt })
        }
        ForwardError::PermitEnded(PermitEnd::PolicyChanged) if person.is_some() => {
            Box::new(Refused { person, host, switch_account: None, reasons: &[], contact, receipt })
        }
        ForwardError::PermitEnded(
            PermitEnd::SessionEnded | PermitEnd::SessionExpired | PermitEnd::PolicyChanged,
        ) => Box::new(Unauthenticated { sign_in: Link::new(sign_in), contact, receipt }),
    };
    ErrorResponse { page, details: error.details(), rule: None }
}

#[cfg(test)]
mod tests;
