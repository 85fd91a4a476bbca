//! Why a request goes no further, and what that means to everybody who hears of it.

use usher_pages::{
    BadRequest, ClockUnset, Contact, CookiesTooLarge, ErrorPage, HeadersTooLarge, InternalError,
    Link, Misdirected, NotFound, NotImplemented, Receipt, Refused, RequestTimeout, TooLarge,
    Unauthenticated, UpgradeRefused, UpstreamDown, UpstreamSlow, UpstreamUnavailable,
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
    /// A body that an app has to read, and can't; why.
    Malformed(&'static str),
    /// A body for one of our own pages that doesn't come.
    Slow,
    /// What the upstream has to be told cannot be: no signature, or a target that does not write.
    Unsayable,
    /// The client's share, or the process's budget, is full.
    Busy,
    /// This machine's clock is not set: nothing that depends on the time can be decided.
    ClockUnset,
    /// The store of sessions can't say who is asking: they are neither let in nor signed out.
    Store(StoreError),
    /// Some part of us panicked.
    Panicked(Panicked),
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

/// What a page may name.
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
            Self::Malformed(why) => (
                Box::new(BadRequest { why: Some((*why).into()), receipt }),
                Details::BadRequest,
                None,
            ),
            Self::Slow => (Box::new(RequestTimeout { receipt }), Details::RequestTimeout, None),
            Self::Unsayable => (
                Box::new(InternalError { receipt }),
                Details::InternalError,
                Some(PathRule::Internal),
            ),
            Self::Busy => (
                Box::new(UpstreamUnavailable { host, try_again: try_again(), receipt }),
                Details::Overload,
                Some(PathRule::Internal),
            ),
            Self::ClockUnset => (
                Box::new(ClockUnset { try_again: try_again(), receipt }),
                Details::ClockUnset,
                None,
            ),
            Self::Store(error) => {
                let heading = "Nobody can tell right now who you are.";
                let page = Box::new(error.page(heading, try_again(), receipt));
                (page, Details::SessionStore, Some(PathRule::Internal))
            }
            Self::Panicked(_) => {
                (Box::new(InternalError { receipt }), Details::InternalPanic, None)
            }
        };
        ErrorResponse { page, details, rule }
    }
}

fn misrouted<'a>(error: &RouteError, Named { host, receipt, .. }: Named<'a>) -> ErrorResponse<'a> {
    let (page, rule, details): (Box<dyn ErrorPage + Send + 'a>, _, _) = match error {
        RouteError::Misdirected => {
            (Box::new(Misdirected { host, receipt }), PathRule::OtherHost, Details::Misdirected)
        }
        RouteError::TooManyFields => {
            (Box::new(HeadersTooLarge { receipt }), PathRule::BadRequest, Details::HeadersTooLarge)
        }
        RouteError::TransferCoding => (
            Box::new(NotImplemented {
                why: "The request's transfer coding is not spoken here.",
                receipt,
            }),
            PathRule::BadRequest,
            Details::BadRequest,
        ),
        RouteError::Protocol => (
            Box::new(NotImplemented {
                why: "Only WebSockets can be opened by extended CONNECT.",
                receipt,
            }),
            PathRule::BadRequest,
            Details::BadRequest,
        ),
        RouteError::Trace => (
            Box::new(NotImplemented { why: "Requests are not traced here.", receipt }),
            PathRule::BadRequest,
            Details::BadRequest,
        ),
        RouteError::NoAuthority
        | RouteError::BadAuthority(_)
        | RouteError::BadPath(_)
        | RouteError::TwoReadings
        | RouteError::Method
        | RouteError::Connect
        | RouteError::Underscore
        | RouteError::Lengths(_) => (
            Box::new(BadRequest { why: Some(error.to_string().into()), receipt }),
            PathRule::BadRequest,
            Details::BadRequest,
        ),
    };
    ErrorResponse { page, details, rule: Some(rule) }
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
mod tests {
    use std::{io, time::Duration};

    use http_body_util::{BodyExt as _, Empty};
    use hyper::body::Bytes;
    use hyper_util::rt::TokioIo;
    use tokio::io::AsyncWriteExt as _;
    use usher_pages::Receipt;
    use usher_rules::{
        fields::Preference,
        names::{Authority, RequestPath},
    };

    use super::{
        ForwardError, Named, Oversize, Panicked, PermitEnd, Refusal, RouteError, StoreError,
    };
    use crate::request::{error_page, forward::Unreadable};

    /// What a client says about an upstream that says `bytes` and hangs up.
    async fn said(bytes: &[u8]) -> hyper::Error {
        let (near, mut far) = tokio::io::duplex(1024);
        far.write_all(bytes).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(near)).await.unwrap();
        let request = http::Request::new(Empty::<Bytes>::new());
        let (_, answer, ()) =
            tokio::join!(connection, sender.send_request(request), async { drop(far) });
        answer.unwrap_err()
    }

    async fn not_forwarded() -> Vec<(u16, ForwardError)> {
        let upstream = || Box::<str>::from("127.0.0.1:1");
        let (source, after) = (|| io::Error::other("x"), Duration::from_secs(1));
        vec![
            (503, ForwardError::Resolve { upstream: upstream(), source: source() }),
            (503, ForwardError::Connect { upstream: upstream(), source: source() }),
            (503, ForwardError::ConnectTimeout { upstream: upstream(), after }),
            (503, ForwardError::Tls { upstream: upstream(), source: source() }),
            (503, ForwardError::TlsSettings { upstream: upstream(), why: "x".into() }),
            (503, ForwardError::Closed { source: said(b"").await }),
            (503, ForwardError::Refused { source: said(b"").await }),
            (503, ForwardError::Overflow { limit: "max_requests" }),
            (503, ForwardError::NoneWell),
            (502, ForwardError::NoUpstream),
            (502, ForwardError::Protocol { source: said(b"no HTTP\r\n\r\n").await }),
            (502, ForwardError::Invalid { why: "x" }),
            (504, ForwardError::HeadTimeout { after }),
            (504, ForwardError::IdleTimeout { after }),
            (408, ForwardError::ClientStalled { after }),
            (400, ForwardError::ClientGone),
            (401, ForwardError::PermitEnded(PermitEnd::SessionEnded)),
            (401, ForwardError::PermitEnded(PermitEnd::SessionExpired)),
            (403, ForwardError::PermitEnded(PermitEnd::PolicyChanged)),
            (404, ForwardError::PermitEnded(PermitEnd::RouteGone)),
            (502, ForwardError::NotWebSocket),
            (502, ForwardError::Unreadable { why: Unreadable::Coded }),
            (502, ForwardError::Unreadable { why: Unreadable::Part }),
            (502, ForwardError::Unreadable { why: Unreadable::TooLarge { at_most: 1 } }),
            (502, ForwardError::Unreadable { why: Unreadable::Malformed("x") }),
            (502, ForwardError::Unreadable { why: Unreadable::Slow }),
            (502, ForwardError::Unreadable { why: Unreadable::Broke(source()) }),
        ]
    }

    fn misrouted() -> Vec<(u16, RouteError)> {
        vec![
            (400, RouteError::NoAuthority),
            (400, RouteError::BadAuthority(Authority::parse("a b").unwrap_err())),
            (400, RouteError::BadPath(RequestPath::parse("/%2f").unwrap_err())),
            (400, RouteError::TwoReadings),
            (400, RouteError::Method),
            (400, RouteError::Connect),
            (501, RouteError::Trace),
            (400, RouteError::Underscore),
            (400, RouteError::Lengths(usher_rules::fields::DifferentLengths)),
            (501, RouteError::Protocol),
            (431, RouteError::TooManyFields),
            (501, RouteError::TransferCoding),
            (421, RouteError::Misdirected),
        ]
    }

    /// Every refusal, and its status.
    async fn every() -> Vec<(u16, Refusal)> {
        let mut every = vec![
            (404, Refusal::NotFound),
            (431, Refusal::Oversize(Oversize::Cookies)),
            (431, Refusal::Oversize(Oversize::Other)),
            (400, Refusal::Climbs),
            (403, Refusal::NoWebSockets),
            (403, Refusal::ForeignOrigin),
            (413, Refusal::TooLarge),
            (400, Refusal::Malformed("x")),
            (408, Refusal::Slow),
            (500, Refusal::Unsayable),
            (503, Refusal::Busy),
            (503, Refusal::ClockUnset),
            (503, Refusal::Store(StoreError::Unavailable("x".into()))),
            (503, Refusal::Store(StoreError::Full("x".into()))),
            (500, Refusal::Store(StoreError::Damaged("x".into()))),
            (403, Refusal::Store(StoreError::Refused("x".into()))),
            (500, Refusal::Panicked(Panicked { place: "a.rs:1".into(), words: "x" })),
        ];
        every.extend(not_forwarded().await.into_iter().map(|(s, e)| (s, Refusal::Forward(e))));
        every.extend(misrouted().into_iter().map(|(s, e)| (s, Refusal::Route(e))));
        every
    }

    /// Names each variant; who adds one is told here to add it to the list above, too.
    fn variant(refusal: &Refusal) -> String {
        match refusal {
            Refusal::Route(error) => match error {
                RouteError::NoAuthority
                | RouteError::BadAuthority(_)
                | RouteError::BadPath(_)
                | RouteError::TwoReadings
                | RouteError::Method
                | RouteError::Trace
                | RouteError::Underscore
                | RouteError::Lengths(_)
                | RouteError::Protocol
                | RouteError::TooManyFields
                | RouteError::TransferCoding
                | RouteError::Connect
                | RouteError::Misdirected => format!("Route {error}"),
            },
            Refusal::Forward(error) => match error {
                ForwardError::Unreadable { why } => format!("Unreadable {why}"),
                error => format!("Forward {error}"),
            },
            Refusal::NotFound
            | Refusal::Oversize(Oversize::Cookies | Oversize::Other)
            | Refusal::Climbs
            | Refusal::NoWebSockets
            | Refusal::ForeignOrigin
            | Refusal::TooLarge
            | Refusal::Slow
            | Refusal::Unsayable
            | Refusal::Busy
            | Refusal::ClockUnset
            | Refusal::Store(
                StoreError::Unavailable(_)
                | StoreError::Full(_)
                | StoreError::Damaged(_)
                | StoreError::Refused(_),
            )
            | Refusal::Malformed(_)
            | Refusal::Panicked(_) => format!("{refusal:?}"),
        }
    }

    /// 403 over a document that says 400 helps nobody.
    #[tokio::test]
    async fn status_page_and_document_of_every_refusal_agree() {
        let receipt = Receipt { request_id: "7f3a", at_seconds: 0 };
        let named = Named {
            host: "tv.test",
            sign_in: "https://tv.test/.pomerium/",
            page: Some("/"),
            contact: None,
            person: Some("ann@example.com"),
            receipt,
        };
        let mut seen = std::collections::HashSet::new();
        for (status, refusal) in every().await {
            assert!(seen.insert(variant(&refusal)), "twice: {refusal:?}");
            let page = refusal.error_response(named).page;
            let of = |wanted| error_page(&*page, wanted, &[]);
            let (html, json, text) =
                (of(Preference::Html), of(Preference::Json), of(Preference::Text));
            for response in [&html, &json, &text] {
                assert_eq!(response.status().as_u16(), status, "{refusal:?}");
            }
            let body = json.into_body().collect().await.unwrap().to_bytes();
            let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(document["status"], status, "{refusal:?}: {document}");
            let body = text.into_body().collect().await.unwrap().to_bytes();
            assert!(body.starts_with(format!("{status} ").as_bytes()), "{refusal:?}");
        }
        assert_eq!(seen.len(), 57, "every variant");
    }
}
