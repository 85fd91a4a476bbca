//! WebSockets on their way through: asked for, allowed, settled, running.

use std::sync::Arc;

use http::{HeaderMap, Method, Response, StatusCode, Version, header, request::Parts};
use hyper::{ext::Protocol, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use usher_rules::{
    fields::wants_websocket,
    names::Origin,
    plan::{Plan, Route},
};

use super::{
    Body, Door,
    authorize::Standing,
    caught::caught,
    forward::{Busy, ForwardError, Handshake, Sent, SharedRecheck, relay, upstream_fields},
    record::Closing,
    refusal::Refusal,
    trail::Trail,
};

/// A client that asks to speak WebSocket.
pub(super) struct Upgrade {
    client: OnUpgrade,
    from_http2: bool,
    handshake: Handshake,
}

/// Both sides of an upgraded connection, to be joined once the answer is out.
pub(super) struct Running {
    client: OnUpgrade,
    upstream: OnUpgrade,
    standing: Standing,
    busy: Option<Busy>,
}

impl Upgrade {
    /// Takes the client's side out of a request that asks for a WebSocket: `Upgrade` on HTTP/1.1,
    /// extended CONNECT on HTTP/2 (RFC 8441 §4), which for everybody else becomes a GET.
    ///
    /// Any other `Upgrade` is ignored, as RFC 9110 §7.8 lets a server do.
    pub fn take(head: &mut Parts) -> Option<Self> {
        let from_http2 = head.version == Version::HTTP_2;
        let wanted = if from_http2 {
            let protocol = head.extensions.get::<Protocol>();
            head.method == Method::CONNECT && protocol.is_some_and(|p| p.as_str() == "websocket")
        } else {
            head.method == Method::GET && wants_websocket(&head.headers)
        };
        let client = wanted.then(|| head.extensions.remove::<OnUpgrade>()).flatten()?;
        head.method = Method::GET;
        Some(Self { client, from_http2, handshake: Handshake::Through })
    }

    /// Writes the question to the upstream.
    pub fn ask(&mut self, head: &mut Parts) {
        let nonce = uuid::Uuid::new_v4().into_bytes();
        self.handshake = upstream_fields(&mut head.headers, self.from_http2, nonce);
    }
}

/// May this route's visitors open a socket, and does it come from a page of ours?
///
/// # Errors
///
/// 403: before anybody is asked who they are, as the real server does it.
pub(super) fn allowed(
    upgrade: Option<Upgrade>,
    route: &Route,
    plan: &Plan,
    trail: &Trail,
    head: &Parts,
) -> Result<Option<Upgrade>, Refusal> {
    let Some(upgrade) = upgrade else { return Ok(None) };
    if !route.websockets {
        return Err(Refusal::NoWebSockets);
    }
    if trail.identity.session().is_some() && !is_from_our_pages(&head.headers, plan, trail.host()) {
        return Err(Refusal::ForeignOrigin);
    }
    Ok(Some(upgrade))
}

/// A browser sends cookies along when a foreign page opens a socket, and no CORS stands in the
/// way; its `Origin` tells (RFC 6455 §10.2). Programs send none.
fn is_from_our_pages(fields: &HeaderMap, plan: &Plan, host: &str) -> bool {
    let Some(origin) = fields.get(header::ORIGIN) else { return true };
    let text = origin.to_str().unwrap_or_default();
    let text = text
        .strip_prefix("http://")
        .map_or_else(|| text.to_owned(), |rest| format!("https://{rest}"));
    Origin::parse(&text).is_ok_and(|origin| {
        origin.host.as_str() == host || plan.hosts.exact_hosts().any(|ours| *ours == origin.host)
    })
}

/// The upstream has answered: an ordinary response, or both sides are ready to be joined.
///
/// # Errors
///
/// The upstream's answer to the handshake is not one.
pub(super) fn settle(
    sent: Sent,
    upgrade: Option<Upgrade>,
) -> Result<(Response<Body>, Option<Running>), Refusal> {
    match (sent, upgrade) {
        (Sent::Response(response), _) => Ok((response.map(Body::Upstream), None)),
        (Sent::Upgraded { .. }, None) => Err(ForwardError::NotWebSocket.into()),
        (Sent::Upgraded { mut response, upgrade: upstream, standing, busy }, Some(upgrade)) => {
            match &upgrade.handshake {
                Handshake::Through => {}
                Handshake::Ours { accept } => {
                    if response.headers().get(header::SEC_WEBSOCKET_ACCEPT) != Some(accept) {
                        return Err(ForwardError::NotWebSocket.into());
                    }
                    response.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
                    *response.status_mut() = StatusCode::OK; // RFC 8441 §5.1
                    *response.version_mut() = Version::HTTP_2;
                }
            }
            let running = Running { client: upgrade.client, upstream, standing, busy };
            Ok((response.map(|()| Body::Empty), Some(running)))
        }
    }
}

/// What an upgrade's answer says about the connection, which shaping removed as hop-by-hop.
pub(super) fn say_upgraded(response: &mut Response<Body>) {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let fields = response.headers_mut();
        fields.insert(header::CONNECTION, http::HeaderValue::from_static("Upgrade"));
        fields.insert(header::UPGRADE, http::HeaderValue::from_static("websocket"));
    }
}

impl Running {
    /// Joins both sides for as long as they live and the permit holds.
    pub fn start(self, door: &Arc<Door>, mut closing: Closing) {
        let Self { client, upstream, standing, busy } = self;
        let recheck: SharedRecheck = Arc::<super::door::InForce>::clone(&door.in_force);
        let idle = standing.route().idle_timeout;
        door.tasks.spawn_upgraded(async move {
            let _until_it_ends = busy;
            let (Ok(client), Ok(upstream)) = tokio::join!(client, upstream) else { return };
            let (client, upstream) = (TokioIo::new(client), TokioIo::new(upstream));
            match caught(relay(client, upstream, idle, &standing, &recheck)).await {
                Ok(relayed) => closing.relayed(relayed),
                Err(panicked) => closing.panicked(&panicked),
            }
        });
    }
}
