//! Room 3: authority and path → the route, once; or 400, 404, 421.
//!
//! | takes | what is seen of a request, and its head |
//! |---|---|
//! | gives | [`Routed`]: authority, canonical path, [`Destination`] |
//! | never | asks who it is: 400, 404 and 421 are the same for everybody |
//!
//! INVARIANT: the path is made canonical here, before anything looks at it, and policy, rewriting
//! and the upstream see these same bytes.

use std::sync::Arc;

use http::{HeaderValue, Method, header, request::Parts, uri::Uri};
use hyper::ext;
use usher_rules::{
    fields::DifferentLengths,
    names::{
        Authority, AuthorityError, Host, PathError, Reading, RequestPath, is_registered, udp_target,
    },
    openid::{DISCOVERY, OAUTH_METADATA},
    plan::{Carried, Plan, Route, Underscores},
};

use super::{
    accept::{Protocol, limits},
    seen::Seen,
};

/// A request that knows where it belongs.
#[derive(Debug)]
pub struct Routed {
    /// Whom it is for, as it is compared.
    pub authority: Authority,
    /// Whom it is for, as the client wrote it.
    pub authority_field: HeaderValue,
    /// Its path in canonical form.
    pub path: RequestPath,
    /// Where it belongs.
    pub to: Destination,
}

impl Routed {
    /// The route, where it belongs to an app.
    pub fn route(&self) -> Option<&Arc<Route>> {
        match &self.to {
            Destination::Route(route) => Some(route),
            Destination::Own(_) | Destination::Nowhere => None,
        }
    }

    /// The host on which whoever asks has signed in: a tunnel's may be another than it is asked for by.
    pub fn sign_in_host(&self) -> &Host {
        let tunnel = self.route().and_then(|route| route.tunnel.as_ref());
        let elsewhere = tunnel.and_then(|tunnel| tunnel.sign_in.as_ref());
        &elsewhere.unwrap_or(&self.authority).host
    }

    /// Is it one of our own pages that is about whoever asks, so that somebody has to be signed in
    /// (`pomerium-policy-measured.md` 35)?
    pub fn is_about_somebody(&self) -> bool {
        let path = self.path.wire();
        matches!(self.to, Destination::Own(_)) && PAGES_ABOUT_SOMEBODY.contains(&path)
    }

    /// Is it asked by machines, which want to know whether we answer?
    pub fn is_probe(&self) -> bool {
        is_probe(self.path.wire())
    }
}

/// Exactly these: what is below them is another page, or none.
const PAGES_ABOUT_SOMEBODY: [&str; 6] = [
    "/.pomerium/jwt",
    "/.pomerium/user",
    "/.pomerium/webauthn",
    "/.pomerium/routes",
    "/.pomerium/api/v1/routes",
    "/.pomerium/api/v1/session",
];

/// Where a request belongs.
#[derive(Debug)]
pub enum Destination {
    /// To an app.
    Route(Arc<Route>),
    /// To one of our own pages; the route is the host's first, if any.
    Own(Option<Arc<Route>>),
    /// No route answers for host and path: 404.
    Nowhere,
}

impl Destination {
    /// A wildcard is compared as the authority was written, as Pomerium does it: capitals match none.
    /// Browsers send small letters.
    fn spelled(self, authority: &str) -> Self {
        let is_wildcard = matches!(&self, Self::Route(route) if route.from.is_wildcard());
        let has_capitals = || authority.bytes().any(|byte| byte.is_ascii_uppercase());
        if is_wildcard && has_capitals() { Self::Nowhere } else { self }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Route(one), Self::Route(other)) => Arc::ptr_eq(one, other),
            (Self::Own(_), Self::Own(_)) | (Self::Nowhere, Self::Nowhere) => true,
            (Self::Route(_) | Self::Own(_) | Self::Nowhere, _) => false,
        }
    }
}

/// Why a request belongs nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// HTTP/1.1 without `Host`, or with more than one, or one that disagrees with the target.
    #[error("the request does not say clearly whom it is for")]
    NoAuthority,
    /// The authority is none.
    #[error("the request is for something that is no host: {0}")]
    BadAuthority(#[from] AuthorityError),
    /// The path can be read in two ways.
    #[error(transparent)]
    BadPath(#[from] PathError),
    /// Others read another path, which belongs elsewhere.
    #[error("some servers read another path there than others do")]
    TwoReadings,
    /// A method that is neither registered nor configured, or not in capitals (RFC 9110 §9.1).
    #[error("the method is none that is known here; methods are written in capitals")]
    Method,
    /// TRACE: an app that answers it sends back what it was told, and we tell it who is asking, with
    /// an assertion and cookies that no script may read (RFC 9110 §9.3.8, cross-site tracing).
    #[error("requests are not traced here")]
    Trace,
    /// CONNECT to something else than a host and a port (RFC 9110 §9.3.6).
    #[error("CONNECT names a host and a port")]
    Connect,
    /// Extended CONNECT for something else than a WebSocket or UDP (RFC 8441 §4).
    #[error("only WebSockets and UDP can be opened by extended CONNECT")]
    Protocol,
    /// `headers_with_underscores_action: reject_request`.
    #[error("the request has a field with `_` in its name")]
    Underscore,
    /// Two lengths, or one that is no number (RFC 9112 §6.3).
    #[error(transparent)]
    Lengths(#[from] DifferentLengths),
    /// More fields than [`limits::FIELDS`].
    #[error("the request has more than {} fields", limits::FIELDS)]
    TooManyFields,
    /// Another transfer coding than `chunked`, which would be lost on the way (RFC 9112 §6.1).
    #[error("the request's transfer coding is not spoken here")]
    TransferCoding,
    /// The request is for a host that the connection's certificate does not speak for
    /// (RFC 9110 §7.4).
    #[error("the request is for another host than the connection")]
    Misdirected,
}

/// Stands in a head that asks to carry UDP (RFC 9298), whatever its protocol: it is a GET then.
#[derive(Clone, Copy, Debug)]
pub struct AsksForUdp;

/// Where a CONNECT-UDP belongs: to the route that names the host and port in its path. Its authority
/// is the proxy's, or in Pomerium's clients that of the tunnel, and decides nothing.
fn datagrams(seen: &Seen, head: &Parts) -> Result<Routed, RouteError> {
    let (plan, _the_proxy_s) = (&seen.plan, authority_field(seen, head)?);
    let path = RequestPath::parse_as(target_path(&head.uri), plan.escaped_slashes)?;
    let authority = udp_target(target_path(&head.uri)).ok_or(RouteError::Connect)?;
    let authority_field = HeaderValue::try_from(authority.to_string());
    let authority_field = authority_field.map_err(|_| RouteError::Connect)?;
    let to = tunnel_to(plan, &authority, Carried::Udp);
    Ok(Routed { authority, authority_field, path, to })
}

/// Where a CONNECT belongs: to the route that names this very host and port. The name in the
/// handshake is the proxy's, which may be another one.
fn tunnel(seen: &Seen, head: &Parts) -> Result<Routed, RouteError> {
    if head.uri.path_and_query().is_some() {
        return Err(RouteError::Connect);
    }
    let authority_field = authority_field(seen, head)?;
    let text = authority_field.to_str().map_err(|_| RouteError::NoAuthority)?;
    let authority = Authority::parse(text).map_err(|_| RouteError::Connect)?;
    if authority.port.is_none() {
        return Err(RouteError::Connect);
    }
    let to = tunnel_to(&seen.plan, &authority, Carried::Tcp).spelled(text);
    Ok(Routed { authority, authority_field, path: RequestPath::none(), to })
}

/// The tunnel that CONNECT or CONNECT-UDP asks for by that plan. A page of ours is none.
pub fn tunnel_to(plan: &Plan, authority: &Authority, carried: Carried) -> Destination {
    plan.tunnel_at(authority, carried)
        .map_or(Destination::Nowhere, |route| Destination::Route(Arc::clone(route)))
}

/// Finds where a request belongs.
///
/// # Errors
///
/// [`RouteError`]: 400 or 421, before anybody is asked who they are.
pub fn find(seen: &Seen, head: &Parts) -> Result<Routed, RouteError> {
    let Seen { plan, connection, .. } = seen;
    if head.headers.len() > limits::FIELDS {
        return Err(RouteError::TooManyFields);
    }
    let method = head.method.as_str();
    let is_known = || plan.additional_methods.iter().any(|known| **known == *method);
    if !is_registered(method) && !is_known() {
        return Err(RouteError::Method);
    }
    if head.method == Method::TRACE {
        return Err(RouteError::Trace);
    }
    if head.extensions.get::<ext::Protocol>().is_some() {
        return Err(RouteError::Protocol); // a WebSocket's was taken out before
    }
    if plan.underscores == Underscores::Reject
        && head.headers.keys().any(|name| name.as_str().contains('_'))
    {
        return Err(RouteError::Underscore);
    }
    let coding = head.headers.get_all(header::TRANSFER_ENCODING).iter();
    if coding.into_iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Err(RouteError::TransferCoding);
    }
    if head.method == Method::CONNECT {
        return tunnel(seen, head); // an app's 200 to it would have no end
    }
    if head.extensions.get::<AsksForUdp>().is_some() {
        return datagrams(seen, head);
    }
    let authority_field = authority_field(seen, head)?;
    let text = authority_field.to_str().map_err(|_| RouteError::NoAuthority)?;
    let authority = connection.asked_for.authority(text)?;
    if let Some(name) = &connection.server_name
        && **name != *authority.host.as_str()
        && !connection.shown.covers(authority.host.as_str())
    {
        return Err(RouteError::Misdirected);
    }
    let path = RequestPath::parse_as(target_path(&head.uri), plan.escaped_slashes)?;
    let to = belongs(plan, &authority, &path)?.spelled(text);
    Ok(Routed { authority, authority_field, path, to })
}

/// Where host and path belong by that plan, by every reading of the path.
///
/// # Errors
///
/// [`RouteError::TwoReadings`].
pub fn belongs(
    plan: &Plan,
    authority: &Authority,
    path: &RequestPath,
) -> Result<Destination, RouteError> {
    let to = destination(plan, authority, path.wire());
    let agrees = |reading: &Reading| to.is_same(&destination(plan, authority, reading.wire()));
    if !matches!(to, Destination::Nowhere) && !path.other_readings().iter().all(agrees) {
        return Err(RouteError::TwoReadings);
    }
    Ok(to)
}

/// The authority as written: `:authority`, or the one `Host` field; an absolute-form target must
/// agree with it (RFC 9112 §3.2).
fn authority_field(seen: &Seen, head: &Parts) -> Result<HeaderValue, RouteError> {
    if head.uri.scheme_str().is_some_and(|scheme| !matches!(scheme, "https" | "http")) {
        return Err(RouteError::NoAuthority); // RFC 9110 §4.2: an origin of HTTP, or none
    }
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    let is_clear = match (head.uri.authority(), host) {
        (Some(target), Some(host)) => {
            host.as_bytes().eq_ignore_ascii_case(target.as_str().as_bytes())
        }
        (Some(_), None) => seen.connection.protocol() == Protocol::Http2,
        (None, Some(_)) => true,
        (None, None) => false,
    };
    match is_clear && another.is_none() {
        true => Ok(seen.host.clone()),
        false => Err(RouteError::NoAuthority),
    }
}

/// The path of a target as it came.
pub fn target_path(uri: &Uri) -> &str {
    uri.path_and_query().map_or("", |target| target.path())
}

fn destination(plan: &Plan, authority: &Authority, path: &str) -> Destination {
    let signs_in = plan.sign_in.is_at(&authority.host);
    let only_signs_in = signs_in && plan.sign_in.dedicated_host;
    if is_own(path)
        || signs_in && plan.sign_in.providers.is_callback_path(path)
        || only_signs_in && matches!(path, "/" | "/robots.txt" | DISCOVERY | OAUTH_METADATA)
    {
        return Destination::Own(plan.routes_of(authority).next().cloned());
    }
    if only_signs_in {
        return Destination::Nowhere; // no app lives on the host for signing in
    }
    plan.route_at(authority, path)
        .map_or(Destination::Nowhere, |route| Destination::Route(Arc::clone(route)))
}

/// Do machines ask there whether we answer?
pub fn is_probe(path: &str) -> bool {
    matches!(path, "/ping" | "/healthz")
}

/// Paths that no app can own (`pomerium-protocols.md` §2.0).
fn is_own(path: &str) -> bool {
    is_probe(path)
        || matches!(path, "/.pomerium" | "/.well-known/pomerium")
        || path.starts_with("/.pomerium/")
        || path.starts_with("/.well-known/pomerium/")
}
