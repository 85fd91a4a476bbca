//! Requests that ask for something else than HTTP: asked, allowed, settled, running.

use std::{pin::pin, sync::Arc};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header,
    request::Parts,
};
use hyper::ext::{self, ReasonPhrase};
use usher_rules::{
    fields::{Reader, reader, wants_udp, wants_websocket},
    names::{Authority, Origin, UDP_PREFIX, udp_target},
    plan::{Carried, Route},
};

use super::{
    Body, Door,
    accept::{Connection, Duplex, Protocol},
    authorize::Standing,
    caught::caught,
    forward::{
        ForwardError, Handshake, Key, Opened, Sent, SharedRecheck, UnderWay, Upgraded, relay,
        relay_datagrams, upstream_fields,
    },
    identify::Identified,
    record::Closing,
    refusal::Refusal,
    route::AsksForUdp,
};

/// What a client asks to speak instead of HTTP, and its side of that.
pub(super) enum Upgrade {
    /// WebSocket (RFC 6455).
    WebSocket(WebSocket),
    /// Bytes (CONNECT, RFC 9110 §9.3.6); the client's side.
    Tunnel(Duplex),
    /// Datagrams of UDP in capsules (RFC 9298).
    Datagrams(Datagrams),
}

/// A client that asks to carry UDP.
pub(super) struct Datagrams {
    client: Duplex,
    granted: Granted,
}

/// How it hears that it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Granted {
    /// 101 on HTTP/1.1 (RFC 9298 §3.3).
    Switching,
    /// 200 to extended CONNECT (RFC 9298 §3.5).
    Ok,
    /// 200 on HTTP/1.1: what Pomerium answers, and all that its clients understand.
    AsPomerium,
}

/// A client that asks to speak WebSocket.
pub(super) struct WebSocket {
    client: Duplex,
    by: AskedBy,
    handshake: Handshake,
    subprotocols: Vec<HeaderValue>,
}

/// How an upgrade is asked for, and so how it is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AskedBy {
    /// GET with `Upgrade` (RFC 9110 §7.8): by 101.
    Field,
    /// Extended CONNECT (RFC 8441 §4): by any 2xx.
    Connect,
}

/// Both sides of an upgraded connection, to be joined once the answer is out.
pub(super) struct Running {
    client: Duplex,
    upstream: Far,
    standing: Standing,
    under_way: UnderWay,
}

/// The upstream's side.
enum Far {
    /// What it made of its connection.
    Upgraded(Upgraded),
    /// A connection of its own.
    Opened(Opened),
}

impl Upgrade {
    /// Takes the client's side out of a request that asks for a tunnel, or for a WebSocket: `Upgrade`
    /// on HTTP/1.1, extended CONNECT on HTTP/2 (RFC 8441 §4), which for everybody else becomes a GET.
    ///
    /// Any other `Upgrade` is ignored, as RFC 9110 §7.8 lets a server do.
    pub(super) fn take(head: &mut Parts, protocol: Protocol) -> Option<Self> {
        if head.method == Method::CONNECT && head.extensions.get::<ext::Protocol>().is_none() {
            let has_content = has_body(&head.headers); // RFC 9110 §9.3.6: it has none
            let client = (!has_content).then(|| Duplex::of_request(&mut head.extensions));
            return client.flatten().map(Self::Tunnel);
        }
        if let Some(granted) = asks_for_udp(head, protocol) {
            let client =
                (!has_body(&head.headers)).then(|| Duplex::of_request(&mut head.extensions));
            head.method = Method::GET;
            head.extensions.remove::<ext::Protocol>();
            head.extensions.insert(AsksForUdp);
            return client.flatten().map(|client| Self::Datagrams(Datagrams { client, granted }));
        }
        let (by, wanted) = match protocol {
            Protocol::Http1 => (
                AskedBy::Field,
                head.method == Method::GET
                    && wants_websocket(&head.headers)
                    && !has_body(&head.headers),
            ),
            Protocol::Http2 => {
                let asked = head.extensions.get::<ext::Protocol>();
                let is_websocket = asked.is_some_and(|asked| asked.as_str() == "websocket");
                (AskedBy::Connect, head.method == Method::CONNECT && is_websocket)
            }
        };
        let client = wanted.then(|| Duplex::of_request(&mut head.extensions)).flatten()?;
        head.method = Method::GET;
        head.extensions.remove::<ext::Protocol>();
        // RFC 8441 §5: it is there. Apps tell by it that this is no page.
        let version = HeaderValue::from_static("13");
        head.headers.entry(header::SEC_WEBSOCKET_VERSION).or_insert(version);
        let subprotocols = head.headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
        let subprotocols = subprotocols.iter().cloned().collect();
        let handshake = Handshake { accept: HeaderValue::from_static("") };
        Some(Self::WebSocket(WebSocket { client, by, handshake, subprotocols }))
    }

    /// Does every 2xx say that the socket is open (RFC 8441 §5.1)? Then a page must be none.
    pub(super) const fn is_a_tunnel(&self) -> bool {
        match self {
            Self::WebSocket(WebSocket { by, .. }) => matches!(by, AskedBy::Connect),
            Self::Tunnel(_) | Self::Datagrams(_) => true,
        }
    }

    /// Who reads an answer that opens nothing. In a socket's place a page would be noise; programs
    /// that open tunnels know by a redirect that somebody has to sign in.
    pub(super) fn reader(&self, fields: &HeaderMap) -> Reader {
        match self {
            Self::WebSocket(_) => Reader::Program,
            Self::Tunnel(_) | Self::Datagrams(_) => reader(&Method::GET, fields),
        }
    }

    /// Writes the question to the upstream.
    pub(super) fn ask(&mut self, head: &mut Parts) {
        match self {
            Self::WebSocket(socket) => {
                let key = match socket.by {
                    AskedBy::Field => Key::Sent,
                    AskedBy::Connect => Key::Made(uuid::Uuid::new_v4().into_bytes()),
                };
                socket.handshake = upstream_fields(&mut head.headers, key);
            }
            Self::Tunnel(_) | Self::Datagrams(_) => {}
        }
    }

    /// May it be opened on that route?
    fn is_open_on(&self, route: &Route) -> bool {
        let carries = |carried| route.tunnel.as_ref().is_some_and(|it| it.carried == carried);
        match self {
            Self::WebSocket(_) => route.websockets,
            Self::Tunnel(_) => carries(Carried::Tcp),
            Self::Datagrams(_) => carries(Carried::Udp),
        }
    }
}

/// Does that head ask for a tunnel, from which [`Upgrade::take`] has taken the client's side?
pub(super) fn is_for_a_tunnel(head: &Parts) -> bool {
    head.method == Method::CONNECT || head.extensions.get::<AsksForUdp>().is_some()
}

/// Does that head ask to carry UDP, at the place where that is asked for? Pomerium's clients name the
/// tunnel as their host, where others name the proxy.
fn asks_for_udp(head: &Parts, protocol: Protocol) -> Option<Granted> {
    if !head.uri.path().starts_with(UDP_PREFIX) {
        return None;
    }
    match protocol {
        Protocol::Http1 => {
            let asks = head.method == Method::GET && wants_udp(&head.headers);
            let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
            let host = host.and_then(|host| Authority::parse(host).ok());
            let is_target = host.is_some() && host == udp_target(head.uri.path());
            asks.then_some(if is_target { Granted::AsPomerium } else { Granted::Switching })
        }
        Protocol::Http2 => {
            let asked = head.extensions.get::<ext::Protocol>();
            let asks = asked.is_some_and(|asked| asked.as_str() == "connect-udp");
            (head.method == Method::CONNECT && asks).then_some(Granted::Ok)
        }
    }
}

/// May this route's visitors open a socket, and does it come from a page of ours?
///
/// # Errors
///
/// 403: before anybody is asked who they are, as the real server does it; 400 where a tunnel's
/// bytes could not follow.
pub(super) fn allowed(
    upgrade: Option<Upgrade>,
    route: &Route,
    request: &Identified<'_>,
) -> Result<Option<Upgrade>, Refusal> {
    let Some(upgrade) = upgrade else {
        return match route.tunnel {
            Some(_) => Err(Refusal::Malformed("a request for a tunnel has no body")),
            None => Ok(None),
        };
    };
    if !upgrade.is_open_on(route) {
        return Err(Refusal::NoWebSockets);
    }
    if request.identity.session().is_some() && !is_from_our_pages(request, route) {
        return Err(Refusal::ForeignOrigin);
    }
    Ok(Some(upgrade))
}

/// The bytes behind an upgrade are no body: a request that has one stays an ordinary request.
fn has_body(fields: &HeaderMap) -> bool {
    let mut lengths = fields.get_all(header::CONTENT_LENGTH).iter();
    fields.contains_key(header::TRANSFER_ENCODING) || lengths.any(|length| length != "0")
}

/// A browser sends cookies along when a foreign page opens a socket, and no CORS stands in the
/// way; its `Origin` tells (RFC 6455 §10.2). It is the route's own, scheme and port included, or one
/// that the route names: a neighbour on the same domain is a stranger too. Programs send none.
fn is_from_our_pages(request: &Identified<'_>, route: &Route) -> bool {
    let mut origins = request.head.headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    let Ok(text) = origin.to_str() else { return false };
    let own = Origin::of(&request.routed.authority).to_string();
    let is_named = || route.socket_origins.iter().any(|named| named.eq_ignore_ascii_case(text));
    // Browsers leave 443 out; some libraries write it (RFC 6454 §4: it is the same origin).
    let plain = text.strip_suffix(":443").unwrap_or(text);
    origins.next().is_none() && (own.eq_ignore_ascii_case(plain) || is_named())
}

/// The upstream has answered: an ordinary response, or both sides are ready to be joined.
///
/// # Errors
///
/// The upstream's answer to the handshake is not one.
pub(super) fn settle(
    sent: Sent,
    upgrade: Option<Upgrade>,
) -> Result<(Response<Body>, Option<Box<Running>>), Refusal> {
    match (sent, upgrade) {
        (Sent::Response(response), _) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            Err(ForwardError::NotWebSocket.into()) // nobody asked: it would be a tunnel past policy
        }
        (Sent::Response(response), Some(upgrade))
            if upgrade.is_a_tunnel() && response.status().is_success() =>
        {
            Err(ForwardError::NotWebSocket.into())
        }
        (Sent::Response(response), _) => Ok((response.map(Body::Upstream), None)),
        (Sent::Opened { upstream, standing, under_way }, Some(Upgrade::Tunnel(client))) => {
            let upstream = Far::Opened(upstream);
            let running = Box::new(Running { client, upstream, standing, under_way });
            Ok((Response::new(Body::Empty), Some(running)))
        }
        (Sent::Opened { upstream, standing, under_way }, Some(Upgrade::Datagrams(asked))) => {
            let upstream = Far::Opened(upstream);
            let client = asked.client;
            let running = Box::new(Running { client, upstream, standing, under_way });
            Ok((carries_udp(asked.granted), Some(running)))
        }
        (Sent::Upgraded { .. }, None | Some(Upgrade::Tunnel(_) | Upgrade::Datagrams(_)))
        | (Sent::Opened { .. }, _) => Err(ForwardError::NotWebSocket.into()),
        (
            Sent::Upgraded { mut response, upstream, standing, under_way },
            Some(Upgrade::WebSocket(socket)),
        ) => {
            if !answers(response.headers(), &socket) {
                return Err(ForwardError::NotWebSocket.into());
            }
            if socket.by == AskedBy::Connect {
                response.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
                *response.status_mut() = StatusCode::OK; // RFC 8441 §5.1
                *response.version_mut() = Version::HTTP_2;
            }
            let (client, upstream) = (socket.client, Far::Upgraded(upstream));
            let running = Box::new(Running { client, upstream, standing, under_way });
            Ok((response.map(|()| Body::Empty), Some(running)))
        }
    }
}

/// Is this 101 the answer to the very upgrade that was sent (RFC 6455 §4.1)? The protocol is
/// `websocket`, the key was read, and a subprotocol is one that the client offered.
fn answers(fields: &HeaderMap, socket: &WebSocket) -> bool {
    let only = |name| {
        let mut lines = fields.get_all(name).iter();
        lines.next().filter(|_| lines.next().is_none())
    };
    let is_websocket = only(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let key_was_read = !socket.handshake.accept.is_empty()
        && only(header::SEC_WEBSOCKET_ACCEPT) == Some(&socket.handshake.accept);
    let offered = |name: &[u8]| {
        let lines =
            socket.subprotocols.iter().flat_map(|line| line.as_bytes().split(|b| *b == b','));
        lines.map(<[u8]>::trim_ascii).any(|offered| offered == name)
    };
    let protocol_was_offered = !fields.contains_key(header::SEC_WEBSOCKET_PROTOCOL)
        || only(header::SEC_WEBSOCKET_PROTOCOL).is_some_and(|name| offered(name.as_bytes()));
    is_websocket && wants_websocket(fields) && key_was_read && protocol_was_offered
}

/// On a 101 of ours that its reader sees as a 200. An upstream's may bring any reason phrase.
#[derive(Clone, Copy)]
struct ToldAsOk;

/// Says that capsules follow (RFC 9297 §3.4).
fn carries_udp(granted: Granted) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    let field = HeaderName::from_static("capsule-protocol");
    response.headers_mut().insert(field, HeaderValue::from_static("?1"));
    if granted != Granted::Ok {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    }
    if granted == Granted::AsPomerium {
        response.extensions_mut().insert(ReasonPhrase::from_static(b"OK"));
        response.extensions_mut().insert(ToldAsOk);
    }
    response
}

/// The status that a client reads.
pub(super) fn status_told(response: &Response<Body>) -> StatusCode {
    if is_told_as_ok(response) { StatusCode::OK } else { response.status() }
}

/// Is it a 101 here, and a 200 to its client (decision 0094)?
fn is_told_as_ok(response: &Response<Body>) -> bool {
    response.status() == StatusCode::SWITCHING_PROTOCOLS
        && response.extensions().get::<ToldAsOk>().is_some()
}

/// What an upgrade's answer says about the connection, which shaping removed as hop-by-hop.
pub(super) fn say_upgraded(response: &mut Response<Body>, route: &Route, connection: &Connection) {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    let is_ok = is_told_as_ok(response);
    let protocol = if route.tunnel.is_some() { "connect-udp" } else { "websocket" };
    let fields = response.headers_mut();
    if is_ok {
        connection.pulse.tell_as_ok(); // the body goes on to the end of the connection (RFC 9112 §6.3)
        fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
    } else {
        fields.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        fields.insert(header::UPGRADE, HeaderValue::from_static(protocol));
    }
}

impl Running {
    /// Joins both sides for as long as they live and the permit holds.
    pub(super) fn start(self, door: &Arc<Door>, mut closing: Closing) {
        let Self { client, upstream, standing, under_way } = self;
        let recheck: SharedRecheck = Arc::<super::door::InForce>::clone(&door.in_force);
        let idle = standing.route().idle_timeout;
        let must_go = closing.must_go();
        closing.lasts();
        door.tasks.spawn_upgraded(async move {
            let _until_it_ends = under_way;
            let joined = async {
                match upstream {
                    Far::Upgraded(upstream) => {
                        let client = client.opened().await?;
                        Some(relay(client, upstream, idle, &standing, &recheck).await)
                    }
                    Far::Opened(Opened::Bytes(upstream)) => {
                        let client = client.opened().await?;
                        Some(relay(client, upstream, idle, &standing, &recheck).await)
                    }
                    Far::Opened(Opened::Datagrams(socket)) => {
                        let client = client.opened().await?;
                        Some(relay_datagrams(client, socket, idle, &standing, &recheck).await)
                    }
                }
            };
            let joined = pin!(Some(joined));
            let relayed = tokio::select! {
                relayed = caught(joined) => relayed,
                () = must_go => return,
            };
            match relayed {
                Ok(relayed) => relayed.into_iter().for_each(|relayed| closing.relayed(relayed)),
                Err(panicked) => closing.panicked(&panicked),
            }
        });
    }
}
