//! One try of a request at one upstream: over a connection that was kept, or one that is made.

use std::{sync::Arc, time::Duration};

use http::{Request, Response};
use tokio::time::Instant;
use usher_rules::{
    names::Scheme,
    plan::{CircuitBreakers, Route, Target, UpstreamTls},
};

use super::{
    ForwardError, Opened, RequestBody, UpstreamIo,
    again::for_carrier,
    body::Source,
    breakers::{Breakers, Full, Taken},
    choose::{ConnectTimeout, Health, Pick},
    dial::{dial, dial_udp},
    exchange::{Failure, Forwarder, Wait},
    pool::Lease,
    shared::{Http2Stream, Repeatable},
    tls::{Alpn, ClientConfigs},
};
use crate::request::{accept::Tasks, boxed::boxed};

/// Response heads from upstreams: as large as we take them from clients.
const HEAD_BYTES: u32 = 128 * 1024;

/// How long one address may take to accept a connection, TLS included.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

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

/// How long a request waits for a connection (`max_connections`) where its route has no `timeout`.
const PENDING: Duration = Duration::from_secs(60);

/// A connection with room for one request.
#[derive(Debug)]
pub(super) enum Carrier {
    /// For this request alone.
    Http1(Lease),
    /// TaskOwner others.
    Http2(Http2Stream),
}

/// One try at one upstream.
pub(super) struct Attempt<'a> {
    pub forwarder: &'a Forwarder,
    pub route: &'a Route,
    pub target: &'a Target,
    pub health: &'a Arc<Health>,
    pub limits: (&'a Breakers, CircuitBreakers),
    pub pick: Pick,
    pub can_go_on: bool,
}

/// Protocols that may be spoken with an upstream.
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
    /// The request and the head of its answer. Whether it may still be repeated is `left` after it.
    pub(super) async fn exchange(
        &self,
        mut request: Box<Request<RequestBody>>,
        left: &mut Repeatable,
        wait: &Wait<'_>,
    ) -> Result<Response<Source>, Failure> {
        let mut is_first = true;
        let (kept, place) = self.kept(*left).await?;
        if let Some(kept) = kept {
            let request_for = for_carrier(request, &kept, self.target);
            match kept.exchange(request_for, wait).await {
                Ok(answered) => {
                    self.health.answered();
                    return Ok(answered);
                }
                // A kept connection that the upstream had just closed: once more, on a new one.
                Err(failure) => {
                    is_first = failure.unsent.is_some();
                    let mut failure = failure.into_repeated(left);
                    request = failure.unsent.take().ok_or(failure)?;
                }
            }
        }
        let again = is_first.then_some(left);
        // On the heap: most requests find a connection.
        match boxed(|| self.on_a_new_one(request, again, place, wait)).await {
            // Not begun, and nobody else to ask: once more here (RFC 9113 §8.7).
            Err(Failure { error: ForwardError::Refused { .. }, unsent: Some(again), .. })
                if is_first && !self.can_go_on =>
            {
                boxed(|| self.on_a_new_one(again, None, None, wait)).await
            }
            answered => answered,
        }
    }

    /// Over a connection that is made for it. What failed comes back where it may be sent `again`.
    async fn on_a_new_one(
        &self,
        request: Box<Request<RequestBody>>,
        again: Option<&mut Repeatable>,
        place: Option<Taken>,
        wait: &Wait<'_>,
    ) -> Result<Response<Source>, Failure> {
        let fresh = match self.connect(Speaks::of(self.route), place).await {
            Ok(fresh) => fresh,
            Err(error) => return Err(Failure::unsent(error, request)),
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
                Err(match again {
                    Some(left) => failure.into_repeated(left),
                    None => failure,
                })
            }
        }
    }

    /// A connection from before; where there is none, a place for a new one.
    async fn kept(
        &self,
        repeatable: Repeatable,
    ) -> Result<(Option<Carrier>, Option<Taken>), ForwardError> {
        let (upstream, tls) = (&self.target.upstream, &self.route.tls);
        if Speaks::of(self.route) == Speaks::Any
            && upstream.scheme != Scheme::Http
            && let Some(stream) = Http2Stream::take(upstream, tls, repeatable, Instant::now())
        {
            return Ok((Some(Carrier::Http2(stream)), None));
        }
        let place = self.place().await?;
        Ok(match self.kept_http1(repeatable).await {
            Some(lease) => (Some(Carrier::Http1(lease.at(place))), None),
            None => (None, Some(place)),
        })
    }

    /// A request that can't be repeated takes none that may be stale: the upstream may be closing it
    /// at this very moment.
    async fn kept_http1(&self, repeatable: Repeatable) -> Option<Lease> {
        let (upstream, tls) = (&self.target.upstream, &self.route.tls);
        let lease = Lease::take(upstream, tls, Instant::now())?;
        if repeatable == Repeatable::Yes {
            return Some(lease);
        }
        drop(lease); // closed: a new one comes in its place
        if self.has_room_for_fresh().await {
            return None;
        }
        let recent = |lease: &Lease| lease.idle_for.is_some_and(|idle| idle <= RECENT);
        Lease::take(upstream, tls, Instant::now()).filter(recent)
    }

    /// A place among the route's connections (`max_connections`), as soon as there is one.
    async fn place(&self) -> Result<Taken, ForwardError> {
        let (breakers, limits) = self.limits;
        if let Ok(place) = breakers.connections.take(limits.max_connections) {
            return Ok(place);
        }
        let _pending = self.pending()?;
        let patience = self.route.timeout.unwrap_or(PENDING);
        let waited = breakers.connections.wait(limits.max_connections, patience).await;
        waited.map_err(|Full| ForwardError::Overflow { limit: "max_connections" })
    }

    /// Is counted among those that wait for a connection, until it is dropped.
    fn pending(&self) -> Result<Taken, ForwardError> {
        let (breakers, limits) = self.limits;
        let pending = breakers.pending.take(limits.max_pending_requests);
        pending.map_err(|Full| ForwardError::Overflow { limit: "max_pending_requests" })
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

    /// A new connection, for which there may be a place already.
    pub(super) async fn connect(
        &self,
        speaks: Speaks,
        place: Option<Taken>,
    ) -> Result<Carrier, ForwardError> {
        let connected = async {
            let io = self.dialled(speaks).await?;
            over(io, self.target, &self.route.tls, speaks, &self.forwarder.tasks).await
        };
        let (carrier, place) = self.reached(connected, place).await?;
        Ok(match carrier {
            Carrier::Http1(lease) => Carrier::Http1(lease.at(place)),
            Carrier::Http2(stream) => Carrier::Http2(stream), // shared: it takes no place
        })
    }

    /// A connection for bytes or datagrams, with its place among the route's.
    pub(super) async fn open(&self) -> Result<(Opened, Taken), ForwardError> {
        let upstream = &self.target.upstream;
        if upstream.scheme == Scheme::Udp {
            let outbound = self.forwarder.configs.outbound();
            let (socket, place) = self.reached(dial_udp(upstream, &outbound), None).await?;
            return Ok((Opened::Datagrams(socket), place));
        }
        let (io, place) = self.reached(self.dialled(Speaks::Http1), None).await?;
        io.keep_alive();
        Ok((Opened::Bytes(io), place))
    }

    async fn reached<T>(
        &self,
        connected: impl Future<Output = Result<T, ForwardError>>,
        place: Option<Taken>,
    ) -> Result<(T, Taken), ForwardError> {
        let place = match place {
            Some(place) => place,
            None => self.place().await?,
        };
        let _pending = self.pending()?;
        let made = connected.await.inspect_err(|_| self.health.unreachable(Instant::now()))?;
        self.health.reached();
        Ok((made, place))
    }

    async fn dialled(&self, speaks: Speaks) -> Result<UpstreamIo, ForwardError> {
        let limit = match self.pick.connect {
            ConnectTimeout::Last => CONNECT,
            ConnectTimeout::Others => ELSEWHERE,
            ConnectTimeout::Little => LITTLE,
        };
        dialled(&self.forwarder.configs, self.target, &self.route.tls, speaks, limit).await
    }
}

pub(super) async fn dialled(
    configs: &ClientConfigs,
    target: &Target,
    tls: &UpstreamTls,
    speaks: Speaks,
    limit: Duration,
) -> Result<UpstreamIo, ForwardError> {
    let upstream = &target.upstream;
    let secure = match upstream.scheme {
        Scheme::Http | Scheme::H2c | Scheme::Tcp | Scheme::Udp => None,
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
    dial(upstream, secure, &configs.outbound(), limit).await
}

/// HTTP over a connection that was just made.
async fn over(
    io: UpstreamIo,
    target: &Target,
    tls: &UpstreamTls,
    speaks: Speaks,
    tasks: &Tasks,
) -> Result<Carrier, ForwardError> {
    let upstream = &target.upstream;
    let is_h2c = upstream.scheme == Scheme::H2c && speaks == Speaks::Any;
    if is_h2c || io.is_http2() {
        return Http2Stream::open(io, upstream, tls, HEAD_BYTES, tasks).await.map(Carrier::Http2);
    }
    Ok(Carrier::Http1(Lease::new(io, upstream, tls)))
}
