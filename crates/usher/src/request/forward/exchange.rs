use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::client::conn::TrySendError;
use tokio::net::UdpSocket;
use tokio::time::{Instant, Sleep, sleep_until};
use usher_rules::plan::Plan;

use super::{
    ForwardError, RequestBody, SharedRecheck, StreamLimits, Upgraded, Upload, UpstreamBody,
    UpstreamIo,
    again::{copy, origin_form},
    attempt::Carrier,
    body::Source,
    choose::{Choosers, UnderWay},
    pool::Lease,
    shared::Http2Stream,
    tls::ClientConfigs,
    trust::Trust,
};
use crate::request::{
    accept::Tasks,
    authorize::{PermitEnd, Standing, Stream},
};

/// How often a permit is looked at again while an upstream is silent.
pub const RECHECK: Duration = Duration::from_secs(2);

/// Sends permitted requests to their upstreams.
#[derive(Debug)]
pub struct Forwarder {
    pub(super) configs: Arc<ClientConfigs>,
    pub(super) choosers: Choosers,
    pub(super) tasks: Tasks,
    pub(super) recheck: RecheckHandle,
}

pub(super) struct RecheckHandle(pub SharedRecheck);

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
        /// The upstream's side.
        upstream: Upgraded,
        /// Decided again for as long as the socket lives.
        standing: Standing,
        /// Held for as long as the socket lives.
        under_way: UnderWay,
    },
    /// A connection to what a tunnel leads to.
    Opened {
        /// The upstream's side.
        upstream: Opened,
        /// What the permit rests on.
        standing: Standing,
        /// Held for as long as the tunnel lives.
        under_way: UnderWay,
    },
}

/// What a tunnel leads to.
#[derive(Debug)]
pub enum Opened {
    /// Over TCP.
    Bytes(UpstreamIo),
    /// Over UDP.
    Datagrams(UdpSocket),
}

impl Forwarder {
    /// Verifies upstreams against `trust`; asks `recheck` whether permits still hold.
    pub fn new(trust: Trust, recheck: SharedRecheck, tasks: Tasks) -> Self {
        let (configs, recheck) = (Arc::new(ClientConfigs::new(trust)), RecheckHandle(recheck));
        Self { configs, choosers: Choosers::default(), tasks, recheck }
    }

    /// Makes ready for the routes of a plan that is about to be put in force.
    pub fn prepare(&self, plan: &Plan) {
        self.configs.adopt(plan.outbound.clone());
        self.choosers.prepare(plan);
    }

    /// A request that asks to upgrade gets a connection of its own, which is never pooled.
    pub(super) async fn send_upgrade(
        &self,
        mut lease: Lease,
        request: Box<Request<RequestBody>>,
        standing: Standing,
        mut under_way: UnderWay,
    ) -> Result<Sent, ForwardError> {
        let patience = standing.route().timeout.unwrap_or(Duration::from_secs(60));
        let mut asked = Asked::new(request);
        let answered = poll_fn(|cx| asked.poll(&mut lease, cx));
        let response = tokio::time::timeout(patience, answered)
            .await
            .map_err(|_| ForwardError::HeadTimeout { after: patience })?
            .map_err(|failure| failure.error)?;
        let response = valid(response)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            // Refused: an ordinary answer. No other follows it on this connection.
            let recheck = Arc::clone(&self.recheck.0);
            let limits = StreamLimits { deadline: None, idle: standing.route().idle_timeout };
            return Ok(Sent::Response(response.map(|()| {
                let source = Source::Http1(lease);
                UpstreamBody::new(source, under_way, standing, recheck, limits, None)
            })));
        }
        let Lease { connection, place, .. } = lease;
        under_way.connection = place;
        let upstream = Upgraded::new(connection.into_stream());
        Ok(Sent::Upgraded { response, upstream, standing, under_way })
    }
}

/// A request for an HTTP/1.1 connection, which writes from it: so it is still there where it has to
/// be sent again.
struct Asked {
    /// Until it has failed, or was begun with and has a body.
    request: Option<Box<Request<RequestBody>>>,
    /// Has it a body? That is gone once it was begun with.
    has_body: bool,
    is_begun: bool,
}

impl Asked {
    fn new(request: Box<Request<RequestBody>>) -> Self {
        let has_body = !matches!(request.body(), RequestBody::Empty);
        Self { request: Some(request), has_body, is_begun: false }
    }

    /// The head of the answer. First the request is begun with, if it was not: a connection on which
    /// something has happened meanwhile takes nothing of it.
    fn poll(
        &mut self,
        lease: &mut Lease,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<()>, Failure>> {
        if !self.is_begun
            && let Some(request) = &mut self.request
        {
            if let Err(error) = lease.connection.start(request, cx) {
                let error = ForwardError::Closed { source: error.into() };
                let unsent = self.request.take();
                return Poll::Ready(Err(Failure { error, unsent, begun: None }));
            }
            self.is_begun = true;
            if self.has_body {
                self.request = None; // without it there is nothing to send again
            }
        }
        lease.connection.poll_head(cx).map_err(|error| {
            let is_protocol = error.is_protocol();
            let source = error.into();
            let error = match is_protocol {
                true => ForwardError::Protocol { source },
                false => ForwardError::Closed { source },
            };
            Failure { error, unsent: None, begun: self.request.take() }
        })
    }
}

/// An exchange that gave no answer.
pub(super) struct Failure {
    pub error: ForwardError,
    /// The request, where nothing of it was sent or it may be sent again.
    pub unsent: Option<Box<Request<RequestBody>>>,
    /// The request, where some of it may have been sent; none that had a body.
    pub begun: Option<Box<Request<RequestBody>>>,
}

/// The limits of the wait for a head; each has its own error.
pub(super) struct Wait<'a> {
    pub began: Instant,
    pub timeout: Option<Duration>,
    pub idle: Option<Duration>,
    pub read: Option<Duration>,
    pub upload: Option<Arc<Upload>>,
    pub standing: &'a Standing,
    pub recheck: &'a SharedRecheck,
    /// The plan's, when the permit was last looked at.
    pub generation: AtomicU64,
}

impl Wait<'_> {
    /// Does the permit still hold? Asked every few seconds while an upload runs.
    fn holds(&self) -> Result<(), PermitEnd> {
        self.standing.session_goes_on()?;
        let generation = self.recheck.generation(self.standing);
        if generation == self.generation.swap(generation, Ordering::Relaxed) {
            return Ok(());
        }
        self.recheck.still_holds(self.standing, Stream::Body)
    }
}

impl Carrier {
    /// One request and the head of its answer.
    pub(super) async fn exchange(
        self,
        request: Box<Request<RequestBody>>,
        wait: &Wait<'_>,
    ) -> Result<Response<Source>, Failure> {
        let answered = match self {
            Self::Http1(lease) => driven(lease, request, wait).await,
            Self::Http2(stream) => multiplexed(stream, request, wait).await,
        };
        answered.map_err(|Failure { error, unsent, begun }| Failure {
            error: blame(error, wait),
            unsent: unsent.map(origin_form),
            begun: begun.map(origin_form),
        })
    }
}

/// Over HTTP/1.1, driven on this very task.
async fn driven(
    mut lease: Lease,
    request: Box<Request<RequestBody>>,
    wait: &Wait<'_>,
) -> Result<Response<Source>, Failure> {
    let (mut asked, mut timer) = (Asked::new(request), lease.timer.take());
    let response = {
        let mut patience = HeadTimer::new(wait, &mut timer);
        poll_fn(|cx| match asked.poll(&mut lease, cx) {
            Poll::Ready(answered) => Poll::Ready(answered),
            Poll::Pending => patience.poll(cx).map(|error| Err(error.into())),
        })
        .await?
    };
    lease.timer = timer;
    Ok(response.map(|()| Source::Http1(lease)))
}

/// As one of many streams over HTTP/2.
async fn multiplexed(
    mut stream: Http2Stream,
    request: Box<Request<RequestBody>>,
    wait: &Wait<'_>,
) -> Result<Response<Source>, Failure> {
    let (mut timer, again) = (None, copy(&request));
    let answered = {
        let mut answer = pin!(stream.sender.try_send_request(*request));
        let mut patience = HeadTimer::new(wait, &mut timer);
        poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(failure(error))),
            Poll::Pending => patience.poll(cx).map(|error| Err(error.into())),
        })
        .await
    };
    let answered = answered.map_err(|failure| match failure.unsent {
        Some(_) => failure,
        None => Failure { begun: again, ..failure },
    })?;
    Ok(answered.map(|incoming| Source::Http2 { incoming, _stream: stream }))
}

fn failure(mut error: TrySendError<Request<RequestBody>>) -> Failure {
    let unsent = error.take_message().map(Box::new);
    Failure { error: classify(error.into_error()), unsent, begun: None }
}

impl Failure {
    /// Nothing of `request` was sent. Another upstream may take it, but not where the limits of the
    /// route itself are reached.
    pub(super) fn unsent(error: ForwardError, request: Box<Request<RequestBody>>) -> Self {
        let is_full = matches!(error, ForwardError::Overflow { .. });
        Self { error, unsent: (!is_full).then_some(request), begun: None }
    }
}

impl From<ForwardError> for Failure {
    fn from(error: ForwardError) -> Self {
        Self { error, unsent: None, begun: None }
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

pub(super) fn classify(error: hyper::Error) -> ForwardError {
    if error.is_parse() || error.is_parse_status() || error.is_parse_too_large() {
        return ForwardError::Protocol { source: error.into() };
    }
    match http2_error(&error) {
        // REFUSED_STREAM, or a GOAWAY that leaves this stream out: the upstream has not begun with
        // it, and any method may be sent again (RFC 9113 §8.7).
        Some(cause)
            if cause.reason() == Some(h2::Reason::REFUSED_STREAM)
                || (cause.is_go_away()
                    && cause.is_remote()
                    && cause.reason() == Some(h2::Reason::NO_ERROR)) =>
        {
            ForwardError::Refused { source: error.into() }
        }
        Some(cause) if cause.is_library() => ForwardError::Protocol { source: error.into() },
        Some(_) | None => ForwardError::Closed { source: error.into() },
    }
}

/// An answer that says what it is. A status outside of 100 to 599 means nothing (RFC 9110 §15); and a
/// body in a transfer coding that nobody asked for would reach the client as if it were in none
/// (RFC 9112 §6.1, §7). `identity` is what it was called once, and changes nothing.
pub(super) fn valid<B>(response: Response<B>) -> Result<Response<B>, ForwardError> {
    if !(100..600).contains(&response.status().as_u16()) {
        return Err(ForwardError::Invalid { why: "has a status that is none" });
    }
    let mut codings = response.headers().get_all(header::TRANSFER_ENCODING).iter();
    let is_known = |coding: &HeaderValue| {
        [&b"chunked"[..], b"identity"]
            .iter()
            .any(|known| coding.as_bytes().eq_ignore_ascii_case(known))
    };
    if codings.next().is_some_and(|first| !is_known(first) || codings.next().is_some()) {
        return Err(ForwardError::Invalid { why: "is in a transfer coding that is not spoken" });
    }
    Ok(response)
}

fn http2_error(error: &hyper::Error) -> Option<&h2::Error> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        source = error.source();
    }
    None
}

/// How long the head may take: `timeout` from the end of the upload on, `idle_timeout` of
/// silence, and only as long as the permit holds.
struct HeadTimer<'a> {
    wait: &'a Wait<'a>,
    since: Instant,
    uploaded: u64,
    timer: &'a mut Option<Pin<Box<Sleep>>>,
    is_set: bool,
}

impl<'a> HeadTimer<'a> {
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
            if let Err(why) = self.wait.holds() {
                return Poll::Ready(ForwardError::PermitEnded(why));
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
