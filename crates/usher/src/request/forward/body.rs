use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use super::{
    Cut, SharedRecheck, Upload, choose::UnderWay, exchange::RECHECK, pool::Lease,
    shared::Http2Stream,
};
use crate::request::authorize::{Standing, Stream};

/// Times after which a stream is cut off.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// `timeout`: the response must be complete by then. `None` for films and event streams.
    pub deadline: Option<Instant>,
    /// `idle_timeout`: longest silence of the upstream.
    pub idle: Option<Duration>,
}

/// Where the rest of a body comes from.
#[derive(Debug)]
pub(super) enum Source {
    /// A connection that carries nothing else.
    Http1(Lease),
    /// One of many streams, which a task of its own moves.
    Http2 { incoming: Incoming, _stream: Http2Stream },
    /// Nothing is left of it.
    Over,
}

/// An upstream's response body on its way to the client.
///
/// Reading it drives the upstream's connection; nothing is read that the client has no room for.
/// A client that reads nothing for minutes costs what is in the buffers and is not cut: silence
/// is only counted while it is the upstream that is silent.
pub struct UpstreamBody {
    source: Source,
    watch: Box<Watch>,
}

struct Watch {
    standing: Standing,
    recheck: SharedRecheck,
    generation: u64,
    limits: StreamLimits,
    upload: Option<Arc<Upload>>,
    silent_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Counts until the body is over.
    under_way: Option<UnderWay>,
}

impl UpstreamBody {
    pub(super) fn new(
        source: Source,
        under_way: UnderWay,
        standing: Standing,
        recheck: SharedRecheck,
        limits: StreamLimits,
        upload: Option<Arc<Upload>>,
    ) -> Self {
        let mut watch = Watch::new(standing, recheck, limits, upload);
        watch.under_way = Some(under_way);
        let mut body = Self { source, watch };
        if body.source.is_end_stream() {
            body.finish();
        }
        body
    }

    /// The whole body has been read: the connection may serve another request.
    fn finish(&mut self) {
        if let Source::Http1(lease) = std::mem::replace(&mut self.source, Source::Over) {
            lease.give_back();
        }
        self.watch.under_way = None;
    }
}

impl Source {
    /// A piece that has come, or comes now. An upload that still runs goes on as well.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self {
            Self::Http1(lease) => lease.connection.poll_frame(cx).map_err(io::Error::other),
            Self::Http2 { incoming, .. } => {
                Pin::new(incoming).poll_frame(cx).map_err(io::Error::other)
            }
            Self::Over => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(lease) => lease.connection.is_end_stream(),
            Self::Http2 { incoming, .. } => incoming.is_end_stream(),
            Self::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(lease) => lease.connection.size_hint(),
            Self::Http2 { incoming, .. } => incoming.size_hint(),
            Self::Over => SizeHint::with_exact(0),
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        match this.source.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => match this.watch.frame() {
                Ok(()) => {
                    if this.source.is_end_stream() {
                        this.finish();
                    }
                    Poll::Ready(Some(Ok(frame)))
                }
                Err(error) => Poll::Ready(Some(Err(error))),
            },
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(None) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Pending => this.watch.silence(cx).map(|error| Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.source.size_hint()
    }
}

impl Watch {
    fn new(
        standing: Standing,
        recheck: SharedRecheck,
        limits: StreamLimits,
        upload: Option<Arc<Upload>>,
    ) -> Box<Self> {
        let generation = recheck.generation(&standing);
        let (silent_since, timer) = (None, None);
        let under_way = None;
        Box::new(Self {
            standing,
            recheck,
            generation,
            limits,
            upload,
            silent_since,
            timer,
            under_way,
        })
    }

    /// A piece came: silence is over; the permit must still hold before it is passed on.
    fn frame(&mut self) -> io::Result<()> {
        self.silent_since = None;
        self.holds()
    }

    /// Sign-out, revocation and a changed policy cut a film; expiry alone does after a while that the
    /// config bounds (`stream_expiry_limit`).
    fn holds(&mut self) -> io::Result<()> {
        self.standing.session_goes_on().map_err(Cut::PermitEnded)?;
        let generation = self.recheck.generation(&self.standing);
        if generation != self.generation {
            self.generation = generation;
            let decided = self.recheck.still_holds(&self.standing, Stream::Body);
            decided.map_err(Cut::PermitEnded)?;
        }
        Ok(())
    }

    /// The upstream is silent: ready with the reason when that has lasted too long.
    fn silence(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let tick = self.limits.idle.map_or(RECHECK, |idle| idle.min(RECHECK));
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(tick)));
            if timer.as_mut().poll(cx).is_pending() {
                if self.silent_since.is_none() {
                    self.silent_since = Some(Instant::now());
                }
                return Poll::Pending;
            }
            self.timer = None;
            let now = Instant::now();
            let since = *self.silent_since.get_or_insert(now);
            if let Err(error) = self.holds() {
                return Poll::Ready(error);
            }
            if self.limits.deadline.is_some_and(|deadline| now >= deadline) {
                return Poll::Ready(Cut::Timeout.into());
            }
            let uploading = self.upload.as_ref().is_some_and(|upload| !upload.is_complete());
            if !uploading && self.limits.idle.is_some_and(|idle| now - since >= idle) {
                return Poll::Ready(Cut::Idle.into());
            }
        }
    }
}

impl std::fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamBody").finish_non_exhaustive()
    }
}
