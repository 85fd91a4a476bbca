//! One request on its way: which upstream, over which connection, and where it goes on to when
//! that one can't take it.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use http::{HeaderValue, Request, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;
use usher_rules::{
    names::Scheme,
    plan::{Action, Balance, HostField, Route, Target, UpstreamTls},
};

use super::{
    ForwardError, RequestBody, Sent, StreamLimits, Upload, UpstreamBody,
    again::{again_or_not, copy, for_carrier, may_repeat, repeatable},
    choose::{Busy, Chooser, Health, Patience, Pick, key_of},
    dial::dial,
    exchange::{Failure, Forwarder, Wait, valid},
    pool::Lease,
    shared::{Repeatable, Stream},
    tls::{Alpn, ClientConfigs},
};
use crate::request::{
    accept::{Beside, Tasks},
    authorize::{Permitted, Standing},
};

/// Response heads from upstreams: as large as we take them from clients.
const HEAD_BYTES: u32 = 128 * 1024;

/// What one read from an upstream may bring; a larger one costs memory and saves nothing.
const READ_BUFFER: usize = 256 * 1024;

/// Fields in a response head.
const FIELDS: usize = 100;

/// How long one address may take to accept a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(10);

/// The same where another upstream can take the request.
const ELSEWHERE: Duration = Duration::from_secs(3);

/// The same for one that is known not to answer, while somebody else is trying.
const LITTLE: Duration = Duration::from_secs(2);

/// A request that can't be repeated takes a kept connection only when it was used as recently as
/// this: many servers close after 5 s.
const RECENT: Duration = Duration::from_secs(1);

/// How long such a request waits for a new connection at most, in steps, while very many are made.
const WAIT_FOR_FRESH: Duration = Duration::from_millis(100);
const WAITS: usize = 20;

/// The field by which Pomerium's hashing policies choose; set where the session is known.
const ROUTING_KEY: header::HeaderName = header::HeaderName::from_static("x-pomerium-routing-key");

/// What a request needs beside itself.
#[derive(Debug)]
pub struct Asking {
    /// How far the client's body has come.
    pub upload: Option<Arc<Upload>>,
    /// `timeout_read`.
    pub read_patience: Option<Duration>,
    /// The client's address.
    pub visitor: IpAddr,
}

/// What became of a request on its way; true whether or not it is answered.
#[derive(Debug, Default)]
pub struct Course {
    /// What the upstream that was asked last got as `Host`.
    pub authority: Option<HeaderValue>,
    /// Upstreams that were found dead on the way, and are let alone for a while.
    pub passed_over: Vec<ForwardError>,
}

/// A connection with room for one request.
#[derive(Debug)]
pub(super) enum Carrier {
    /// For this request alone.
    Http1(Lease),
    /// Beside others.
    Http2(Stream),
}

impl Forwarder {
    /// Sends a request and waits for the head of the answer.
    ///
    /// A connection that could not be made has sent nothing: whatever the method, the request goes
    /// on to the next upstream. What was sent is sent again only where the method is idempotent
    /// and no body is lost (RFC 9110 §9.2.2), and once.
    ///
    /// # Errors
    ///
    /// [`ForwardError`]; nothing of an answer was passed on then.
    pub async fn send(
        &self,
        permitted: Permitted<Request<RequestBody>>,
        asking: Asking,
        course: &mut Course,
    ) -> Result<Sent, ForwardError> {
        let (mut request, standing) = permitted.into_parts();
        let route = Arc::clone(standing.route());
        let Action::Forward(targets) = &route.action else {
            return Err(ForwardError::NotWebSocket);
        };
        let began = Instant::now();
        let chooser = self.choosers.of(&route, targets);
        self.try_the_due(&route, &chooser, began);
        let mut tried = Vec::new(); // takes memory only when the first fails
        let mut failed = None;
        let key = key(&request, targets.balance, asking.visitor);
        while let Some(pick) = chooser.pick(targets, &tried, || key, Instant::now()) {
            let (Some(target), Some(health)) = (targets.all.get(pick.at), chooser.health(pick.at))
            else {
                break;
            };
            course.passed_over.extend(failed.take());
            aim(&mut request, &route, target, course);
            let busy = (targets.balance == Balance::LeastRequest).then(|| Busy::at(health));
            let attempt = Attempt {
                forwarder: self,
                route: &route,
                target,
                health,
                pick,
                can_go_on: tried.len() + 1 < targets.all.len(),
            };
            let failure = if request.headers().contains_key(header::UPGRADE) {
                match attempt.connect(Speaks::Http1).await {
                    Ok(Carrier::Http1(lease)) => {
                        return self.send_upgrade(lease, request, standing, busy).await;
                    }
                    Ok(Carrier::Http2(_)) => return Err(ForwardError::NotWebSocket),
                    Err(error) => Failure { error, unsent: Some(Box::new(request)) },
                }
            } else {
                let wait = wait(&route, &standing, &asking, began, &self.recheck.0);
                match attempt.exchange(request, &wait).await {
                    Ok((response, _))
                        if response.status() == http::StatusCode::SWITCHING_PROTOCOLS =>
                    {
                        return Err(ForwardError::NotWebSocket); // nobody asked; its connection goes
                    }
                    Ok((response, carrier)) => {
                        let response = valid(response)?;
                        let recheck = Arc::clone(&self.recheck.0);
                        let limits = limits(&route);
                        let response = response.map(|incoming| {
                            let carried = (carrier, busy);
                            let upload = asking.upload;
                            UpstreamBody::new(incoming, carried, standing, recheck, limits, upload)
                        });
                        return Ok(Sent::Response(response));
                    }
                    Err(failure) => failure,
                }
            };
            let Some(unsent) = failure.unsent else { return Err(failure.error) };
            request = *unsent;
            tried.push(pick.at);
            failed = Some(failure.error);
        }
        Err(failed.unwrap_or(ForwardError::NotWebSocket))
    }

    /// Upstreams that were let alone for long enough are tried beside the request and not by it:
    /// nobody waits for a dead one while others answer.
    fn try_the_due(&self, route: &Arc<Route>, chooser: &Arc<Chooser>, now: Instant) {
        let Some(at) = chooser.due(now) else { return };
        let (configs, route) = (Arc::clone(&self.configs), Arc::clone(route));
        let chooser = Arc::clone(chooser);
        let Action::Forward(targets) = &route.action else { return };
        let Some(target) = targets.all.get(at) else { return };
        let beside = Beside::Upstream(target.upstream.authority().into());
        self.tasks.spawn_upstream(beside, async move {
            let Action::Forward(targets) = &route.action else { return };
            let (Some(target), Some(health)) = (targets.all.get(at), chooser.health(at)) else {
                return;
            };
            match dialled(&configs, target, &route.tls, Speaks::of(&route), CONNECT).await {
                Ok(_closed_again) => health.reached(),
                Err(_) => {
                    health.unreachable(Instant::now());
                }
            }
        });
    }
}

/// One try at one upstream.
struct Attempt<'a> {
    forwarder: &'a Forwarder,
    route: &'a Route,
    target: &'a Target,
    health: &'a Arc<Health>,
    pick: Pick,
    can_go_on: bool,
}

/// What may be spoken with an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    /// HTTP/1.1 only: sockets need it.
    Http1,
    /// What ALPN or the scheme says.
    Any,
}

impl Speaks {
    /// `allow_websockets` keeps the whole route on HTTP/1.1, as in Pomerium.
    pub(super) const fn of(route: &Route) -> Self {
        if route.websockets { Self::Http1 } else { Self::Any }
    }
}

impl Attempt<'_> {
    async fn exchange(
        &self,
        mut request: Request<RequestBody>,
        wait: &Wait<'_>,
    ) -> Result<(http::Response<hyper::body::Incoming>, Carrier), Failure> {
        let repeatable = repeatable(&request);
        let mut is_first = true;
        if let Some(kept) = self.kept(repeatable).await {
            let again = copy(&request);
            let request_for = for_carrier(request, &kept, self.target);
            match kept.exchange(request_for, wait).await {
                Ok(answered) => {
                    self.health.answered();
                    return Ok(answered);
                }
                // A kept connection that the upstream had just closed: once more, on a new one.
                Err(failure) => {
                    is_first = failure.unsent.is_some();
                    request = again_or_not(failure, again, repeatable)?;
                }
            }
        }
        let again = is_first.then(|| copy(&request)).flatten();
        match self.on_a_new_one(request, again, repeatable, wait).await {
            // Not begun, and nobody else to ask: once more here (RFC 9113 §8.7).
            Err(Failure { error: ForwardError::Refused { .. }, unsent: Some(again) })
                if is_first && !self.can_go_on =>
            {
                self.on_a_new_one(*again, None, repeatable, wait).await
            }
            answered => answered,
        }
    }

    /// Over a connection that is made for it. What failed comes back where it may be sent again, if
    /// there is a copy of it, `again`.
    async fn on_a_new_one(
        &self,
        request: Request<RequestBody>,
        again: Option<Request<RequestBody>>,
        repeatable: Repeatable,
        wait: &Wait<'_>,
    ) -> Result<(http::Response<hyper::body::Incoming>, Carrier), Failure> {
        let fresh = match self.connect(Speaks::of(self.route)).await {
            Ok(fresh) => fresh,
            Err(error) => return Err(Failure { error, unsent: Some(Box::new(request)) }),
        };
        let request = for_carrier(request, &fresh, self.target);
        match fresh.exchange(request, wait).await {
            Ok(answered) => {
                self.health.answered();
                Ok(answered)
            }
            Err(failure) => {
                if matches!(failure.error, ForwardError::Closed { .. }) {
                    self.health.hung_up(Instant::now());
                }
                let Failure { error, unsent } = failure;
                let again = again.filter(|_| may_repeat(&error, repeatable));
                Err(Failure { error, unsent: unsent.or(again.map(Box::new)) })
            }
        }
    }

    /// A connection from before. A request that can't be repeated takes none that may be stale:
    /// the upstream may be closing it at this very moment.
    async fn kept(&self, repeatable: Repeatable) -> Option<Carrier> {
        let (upstream, tls, now) = (&self.target.upstream, &self.route.tls, Instant::now());
        if Speaks::of(self.route) == Speaks::Any
            && upstream.scheme != Scheme::Http
            && let Some(stream) = Stream::take(upstream, tls, repeatable, now)
        {
            return Some(Carrier::Http2(stream));
        }
        let lease = Lease::take(upstream, tls, now)?;
        if repeatable == Repeatable::Yes {
            return Some(Carrier::Http1(lease));
        }
        drop(lease); // closed: a new one comes in its place
        if self.has_room_for_fresh().await {
            return None;
        }
        let recent = |lease: &Lease| lease.idle_for.is_some_and(|idle| idle <= RECENT);
        Lease::take(upstream, tls, Instant::now()).filter(recent).map(Carrier::Http1)
    }

    /// So many at once that new connections would use up the ports wait a little.
    async fn has_room_for_fresh(&self) -> bool {
        for _ in 0..WAITS {
            if self.health.may_open_fresh(Instant::now()) {
                return true;
            }
            tokio::time::sleep(WAIT_FOR_FRESH).await;
        }
        false
    }

    async fn connect(&self, speaks: Speaks) -> Result<Carrier, ForwardError> {
        let limit = match self.pick.patience {
            Patience::Last => CONNECT,
            Patience::Others => ELSEWHERE,
            Patience::Little => LITTLE,
        };
        let Forwarder { configs, tasks, .. } = self.forwarder;
        let connected = async {
            let io = dialled(configs, self.target, &self.route.tls, speaks, limit).await?;
            over(io, self.target, &self.route.tls, speaks, tasks).await
        };
        match connected.await {
            Ok(carrier) => {
                self.health.reached();
                Ok(carrier)
            }
            Err(error) => {
                self.health.unreachable(Instant::now());
                Err(error)
            }
        }
    }
}

pub(super) async fn dialled(
    configs: &ClientConfigs,
    target: &Target,
    tls: &UpstreamTls,
    speaks: Speaks,
    limit: Duration,
) -> Result<super::UpstreamIo, ForwardError> {
    let upstream = &target.upstream;
    let secure = match upstream.scheme {
        Scheme::Http | Scheme::H2c => None,
        Scheme::Https => {
            let alpn = match speaks {
                Speaks::Http1 => Alpn::Http1,
                Speaks::Any => Alpn::Http2OrHttp1,
            };
            let config = configs.for_route(tls, alpn).map_err(|why| ForwardError::TlsSettings {
                upstream: upstream.authority().into(),
                why,
            })?;
            Some((config, tls.server_name.as_deref()))
        }
    };
    dial(upstream, secure, limit).await
}

/// HTTP over a connection that was just made.
async fn over(
    io: super::UpstreamIo,
    target: &Target,
    tls: &UpstreamTls,
    speaks: Speaks,
    tasks: &Tasks,
) -> Result<Carrier, ForwardError> {
    let upstream = &target.upstream;
    let is_h2c = upstream.scheme == Scheme::H2c && speaks == Speaks::Any;
    if is_h2c || io.is_http2() {
        return Stream::open(io, upstream, tls, HEAD_BYTES, tasks).await.map(Carrier::Http2);
    }
    let (sender, connection) = http1::Builder::new()
        .max_header_size(HEAD_BYTES as usize)
        .max_headers(FIELDS)
        .allow_spaces_after_header_name_in_responses(true) // RFC 9112 §5.1
        .max_buf_size(READ_BUFFER)
        .handshake(TokioIo::new(io))
        .await
        .map_err(|source| ForwardError::Closed { source })?;
    Ok(Carrier::Http1(Lease::new(sender, connection, upstream, tls)))
}

/// What the chosen upstream sees as `Host`.
fn aim(request: &mut Request<RequestBody>, route: &Route, target: &Target, course: &mut Course) {
    match route.host_field {
        HostField::Upstream => {
            request.headers_mut().insert(header::HOST, target.host.clone());
            course.authority = Some(target.host.clone());
        }
        HostField::Preserve | HostField::Literal(_) => {
            course.authority = request.headers().get(header::HOST).cloned();
        }
    }
}

/// A number for the visitor where the policy goes by it: the same session, else the same address.
fn key(request: &Request<RequestBody>, balance: Balance, visitor: IpAddr) -> u64 {
    match (balance, request.headers().get(ROUTING_KEY)) {
        (Balance::RoundRobin | Balance::Random | Balance::LeastRequest, _) => 0,
        (Balance::Hash, Some(session)) => key_of(session.as_bytes()),
        (Balance::Hash, None) => match visitor {
            IpAddr::V4(four) => key_of(&four.octets()),
            IpAddr::V6(six) => key_of(&six.octets()),
        },
    }
}

fn wait<'a>(
    route: &Route,
    standing: &'a Standing,
    asking: &Asking,
    began: Instant,
    recheck: &'a super::SharedRecheck,
) -> Wait<'a> {
    Wait {
        began,
        timeout: route.timeout,
        idle: route.idle_timeout,
        read: asking.read_patience,
        upload: asking.upload.clone(),
        standing,
        recheck,
        generation: AtomicU64::new(recheck.generation()),
    }
}

fn limits(route: &Route) -> StreamLimits {
    let deadline = route.timeout.map(|timeout| Instant::now() + timeout);
    StreamLimits { deadline, idle: route.idle_timeout }
}
