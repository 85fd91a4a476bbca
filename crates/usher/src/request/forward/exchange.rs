use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use tokio::time::{Instant, Sleep, sleep_until};
use usher_rules::{
    names::{Scheme, Upstream},
    plan::{Action, UpstreamTls},
};

use super::{
    ForwardError, RequestBody, SharedRecheck, StreamLimits, Upload, UpstreamBody, UpstreamIo,
    body::Unpooled, dial, pool::Lease, tls::ClientConfigs,
};
use crate::request::authorize::{Permitted, Standing};

/// Response heads from upstreams: as large as we take them from clients.
const HEAD_BYTES: usize = 128 * 1024;

/// What one read from an upstream may bring; a larger one costs memory and saves nothing.
const READ_BUFFER: usize = 256 * 1024;

/// Fields in a response head.
const FIELDS: usize = 100;

/// How often a permit is looked at again while an upstream is silent.
pub(super) const RECHECK: Duration = Duration::from_secs(2);

/// A kept connection that was idle for longer may be about to be closed by the upstream: the
/// request is copied before it is sent there, to be sent again. Under load none is idle so long.
const LONG_IDLE: Duration = Duration::from_millis(50);

/// Sends permitted requests to their upstreams.
#[derive(Debug)]
pub struct Forwarder {
    configs: ClientConfigs,
    recheck: RecheckHandle,
    turn: AtomicUsize,
}

struct RecheckHandle(SharedRecheck);

impl std::fmt::Debug for RecheckHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recheck")
    }
}

/// An upstream's answer.
#[derive(Debug)]
pub enum Sent {
    /// A response whose body streams.
    Response(Response<UpstreamBody>),
    /// 101: the head for the client, and the upstream's side of the connection.
    Upgraded {
        /// The head.
        response: Response<()>,
        /// Becomes the byte stream.
        upgrade: hyper::upgrade::OnUpgrade,
        /// What the permit rests on.
        standing: Standing,
    },
}

impl Forwarder {
    /// Verifies upstreams against `roots`; asks `recheck` whether permits still hold.
    pub fn new(roots: RootCertStore, recheck: SharedRecheck) -> Self {
        let recheck = RecheckHandle(recheck);
        Self { configs: ClientConfigs::new(roots), recheck, turn: AtomicUsize::new(0) }
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// # Errors
    ///
    /// [`ForwardError`]; nothing of an answer was passed on then.
    pub async fn send(
        &self,
        permitted: Permitted<Request<RequestBody>>,
        upload: Option<Arc<Upload>>,
        read_patience: Option<Duration>,
    ) -> Result<Sent, ForwardError> {
        let (mut request, standing) = permitted.into_parts();
        let route = Arc::clone(standing.route());
        let upstream = self.choose(&route.action).ok_or(ForwardError::NotWebSocket)?;
        let upgrades = request.headers().contains_key(header::UPGRADE);
        *request.version_mut() = http::Version::HTTP_11;

        let began = Instant::now();
        let pooled = if upgrades { None } else { Lease::take(upstream, &route.tls, began) };
        let lease = match pooled {
            Some(lease) => lease,
            None => self.connect(upstream, &route.tls).await?,
        };
        if upgrades {
            return self.send_upgrade(lease, request, standing).await;
        }
        let may_be_stale = lease.idle_for.is_some_and(|idle| idle >= LONG_IDLE);
        let retry = may_be_stale.then(|| retry_of(&request, upload.is_some())).flatten();
        let wait = Wait {
            began,
            timeout: route.timeout,
            idle: route.idle_timeout,
            read: read_patience,
            upload: upload.clone(),
            standing: &standing,
            recheck: &self.recheck.0,
            generation: AtomicU64::new(self.recheck.0.generation()),
        };
        let answered = match (exchange(lease, request, &wait).await, retry) {
            // A kept connection that the upstream had just closed: once more, on a new one.
            (Err((ForwardError::Closed { .. }, Stale::Yes)), Some(again)) => {
                let lease = self.connect(upstream, &route.tls).await?;
                exchange(lease, again, &wait).await
            }
            (other, _) => other,
        };
        let (response, lease) = answered.map_err(|(error, _)| error)?;
        let recheck = Arc::clone(&self.recheck.0);
        let deadline = route.timeout.map(|timeout| Instant::now() + timeout);
        let limits = StreamLimits { deadline, idle: route.idle_timeout };
        let response = response
            .map(|incoming| UpstreamBody::new(incoming, lease, standing, recheck, limits, upload));
        Ok(Sent::Response(response))
    }

    /// Several upstreams take turns.
    fn choose<'a>(&self, action: &'a Action) -> Option<&'a Upstream> {
        let Action::Forward(upstreams) = action else { return None };
        match upstreams.as_slice() {
            [only] => Some(only),
            several => {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed);
                several.get(turn % several.len().max(1))
            }
        }
    }

    async fn connect(&self, upstream: &Upstream, tls: &UpstreamTls) -> Result<Lease, ForwardError> {
        let secure = match upstream.scheme {
            Scheme::Http => None,
            Scheme::Https => {
                let config = self.configs.for_route(tls).map_err(|why| {
                    ForwardError::TlsSettings { upstream: upstream.authority().into(), why }
                })?;
                Some((config, tls.server_name.as_deref()))
            }
        };
        let io: UpstreamIo = dial::dial(upstream, secure).await?;
        let (sender, connection) = http1::Builder::new()
            .max_header_size(HEAD_BYTES)
            .max_headers(FIELDS)
            .max_buf_size(READ_BUFFER)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|source| ForwardError::Closed { source })?;
        Ok(Lease::new(sender, connection, upstream, tls))
    }

    /// A request that asks to upgrade gets a connection of its own, which is never pooled.
    async fn send_upgrade(
        &self,
        lease: Lease,
        request: Request<RequestBody>,
        standing: Standing,
    ) -> Result<Sent, ForwardError> {
        let Lease { mut sender, connection, .. } = lease;
        let mut connection: Option<Unpooled> = Some(Box::pin(connection.with_upgrades()));
        let timeout = standing.route().timeout;
        let mut answer = pin!(sender.send_request(request));
        let mut answered = pin!(poll_fn(|cx: &mut Context<'_>| {
            let driven = drive(&mut connection, cx);
            match (answer.as_mut().poll(cx), driven) {
                (Poll::Ready(answer), _) => Poll::Ready(answer),
                (Poll::Pending, Err(error)) => Poll::Ready(Err(error)),
                (Poll::Pending, Ok(())) => Poll::Pending,
            }
        }));
        let patience = timeout.unwrap_or(Duration::from_secs(60));
        let response = tokio::time::timeout(patience, answered.as_mut())
            .await
            .map_err(|_| ForwardError::HeadTimeout { after: patience })?
            .map_err(classify)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            // Refused: an ordinary answer. Its connection is driven by its body, unpooled.
            let recheck = Arc::clone(&self.recheck.0);
            let limits = StreamLimits { deadline: None, idle: standing.route().idle_timeout };
            let connection = connection.unwrap_or_else(|| Box::pin(std::future::ready(Ok(()))));
            let body =
                |incoming| UpstreamBody::unpooled(incoming, connection, standing, recheck, limits);
            return Ok(Sent::Response(response.map(body)));
        }
        let (head, _) = response.into_parts();
        let mut response = Response::from_parts(head, ());
        let upgrade = hyper::upgrade::on(&mut response);
        // After a 101 the connection has only to let go of the stream.
        let _let_go = poll_fn(|cx| Poll::Ready(drive(&mut connection, cx))).await;
        Ok(Sent::Upgraded { response, upgrade, standing })
    }
}

/// Moves a connection's bytes, until it is over.
fn drive(connection: &mut Option<Unpooled>, cx: &mut Context<'_>) -> hyper::Result<()> {
    let Some(running) = connection else { return Ok(()) };
    match running.as_mut().poll(cx) {
        Poll::Ready(over) => {
            *connection = None;
            over
        }
        Poll::Pending => Ok(()),
    }
}

/// Was the connection a kept one?
enum Stale {
    Yes,
    No,
}

/// What bounds the wait for a head.
struct Wait<'a> {
    began: Instant,
    timeout: Option<Duration>,
    idle: Option<Duration>,
    read: Option<Duration>,
    upload: Option<Arc<Upload>>,
    standing: &'a Standing,
    recheck: &'a SharedRecheck,
    /// The plan's, when the permit was last looked at.
    generation: AtomicU64,
}

impl Wait<'_> {
    /// Does the permit still hold? Asked every few seconds while an upload runs.
    fn holds(&self) -> bool {
        if self.standing.is_revoked() {
            return false;
        }
        let generation = self.recheck.generation();
        generation == self.generation.swap(generation, Ordering::Relaxed)
            || self.recheck.still_holds(self.standing, false)
    }
}

/// A copy to send again, for requests that are safe (RFC 9110 §9.2.1) and have no body.
fn retry_of(request: &Request<RequestBody>, has_body: bool) -> Option<Request<RequestBody>> {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    (is_safe && !has_body).then(|| {
        let mut again = Request::new(RequestBody::Empty);
        *again.method_mut() = request.method().clone();
        *again.uri_mut() = request.uri().clone();
        *again.headers_mut() = request.headers().clone();
        again
    })
}

/// One request and the head of its answer, driven on this very task.
async fn exchange(
    mut lease: Lease,
    request: Request<RequestBody>,
    wait: &Wait<'_>,
) -> Result<(Response<Incoming>, Lease), (ForwardError, Stale)> {
    let stale = if lease.idle_for.is_some() { Stale::Yes } else { Stale::No };
    let answered = {
        let Lease { sender, connection, timer, .. } = &mut lease;
        let mut answer = pin!(sender.send_request(request));
        let mut patience = Patience::new(wait, timer);
        let mut broken = None;
        poll_fn(|cx| {
            if broken.is_none()
                && let Poll::Ready(Err(error)) = Pin::new(&mut *connection).poll(cx)
            {
                broken = Some(error); // the answer may have come before the end did
            }
            match answer.as_mut().poll(cx) {
                Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
                Poll::Ready(Err(error)) => {
                    Poll::Ready(Err(broken.take().map_or_else(|| classify(error), classify)))
                }
                Poll::Pending => patience.poll(cx).map(Err),
            }
        })
        .await
    };
    match answered {
        Ok(response) => Ok((response, lease)),
        Err(error) => Err((blame(error, wait), stale)),
    }
}

/// A broken exchange is the client's doing when its body broke or stalled.
fn blame(error: ForwardError, wait: &Wait<'_>) -> ForwardError {
    match &wait.upload {
        Some(upload) if upload.is_stalled() => {
            ForwardError::ClientStalled { after: wait.read.unwrap_or_default() }
        }
        Some(upload) if upload.is_broken() => ForwardError::ClientGone,
        Some(_) | None => error,
    }
}

fn classify(source: hyper::Error) -> ForwardError {
    if source.is_parse() || source.is_parse_status() || source.is_parse_too_large() {
        ForwardError::Protocol { source }
    } else {
        ForwardError::Closed { source }
    }
}

/// How long the head may take: `timeout` from the end of the upload on, `idle_timeout` of
/// silence, and only as long as the permit holds.
struct Patience<'a> {
    wait: &'a Wait<'a>,
    since: Instant,
    uploaded: u64,
    timer: &'a mut Option<Pin<Box<Sleep>>>,
    is_set: bool,
}

impl<'a> Patience<'a> {
    fn new(wait: &'a Wait<'a>, timer: &'a mut Option<Pin<Box<Sleep>>>) -> Self {
        Self { wait, since: wait.began, uploaded: 0, timer, is_set: false }
    }

    /// The timer, to go off a tick after `from`.
    fn set(&mut self, from: Instant, tick: Duration) {
        let at = from + tick;
        match self.timer {
            Some(timer) => timer.as_mut().reset(at),
            None => *self.timer = Some(Box::pin(sleep_until(at))),
        }
        self.is_set = true;
    }

    /// Ready when patience is at its end. The timer is set only where there is waiting to do.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ForwardError> {
        let limit = match (self.wait.timeout, self.wait.idle) {
            (None, None) => RECHECK,
            (Some(limit), None) | (None, Some(limit)) => limit,
            (Some(timeout), Some(idle)) => timeout.min(idle),
        };
        let tick = limit.min(RECHECK);
        if !self.is_set {
            self.set(self.wait.began, tick);
        }
        loop {
            let Some(timer) = self.timer else { return Poll::Pending };
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if !self.wait.holds() {
                return Poll::Ready(ForwardError::PermitEnded);
            }
            let now = Instant::now();
            self.set(now, tick);
            let uploaded = self.wait.upload.as_ref().map_or(0, |upload| upload.bytes());
            let uploading = self.wait.upload.as_ref().is_some_and(|upload| !upload.is_complete());
            if uploaded != self.uploaded || uploading {
                // The upload has a limit of its own on silence (`timeout_read`).
                self.uploaded = uploaded;
                self.since = now;
                continue;
            }
            if let Some(after) = self.wait.timeout.filter(|after| now - self.since >= *after) {
                return Poll::Ready(ForwardError::HeadTimeout { after });
            }
            if let Some(after) = self.wait.idle.filter(|after| now - self.since >= *after) {
                return Poll::Ready(ForwardError::IdleTimeout { after });
            }
        }
    }
}
