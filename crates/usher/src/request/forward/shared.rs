//! HTTP/2 connections to upstreams: many requests at once over one of them.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::Instant;
use usher_rules::{names::Upstream, plan::UpstreamTls};

use super::{ForwardError, RequestBody, UpstreamIo, pool::Key};
use crate::request::accept::Tasks;

/// Requests at once over one connection; the next one gets another connection.
const STREAMS: usize = 100;

/// What an upstream may send ahead of a client that reads slowly, for each request.
const STREAM_WINDOW: u32 = 256 * 1024;

/// Room for all of them, so that those who don't read leave the others theirs.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * STREAMS as u32;

/// Connections without a request are closed after this.
const IDLE: Duration = Duration::from_secs(60);

/// A request that can't be repeated goes over one that was used as recently as this, or a new one.
const FRESH: Duration = Duration::from_secs(1);

/// A peer that vanished is noticed after these two.
const PING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// One request's share of a connection.
pub struct Stream {
    /// Takes the request.
    pub sender: http2::SendRequest<RequestBody>,
    streams: Arc<AtomicUsize>,
}

struct Kept {
    key: Key,
    sender: http2::SendRequest<RequestBody>,
    streams: Arc<AtomicUsize>,
    used: Instant,
}

thread_local! {
    static KEPT: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// May a request be sent again when the connection turns out to be dead?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeatable {
    /// Idempotent, and no part of a body is lost (RFC 9110 §9.2.2).
    Yes,
    /// Twice would be wrong.
    No,
}

impl Stream {
    /// A share of a connection that is open and has room.
    pub fn take(
        upstream: &Upstream,
        tls: &UpstreamTls,
        repeatable: Repeatable,
        now: Instant,
    ) -> Option<Self> {
        KEPT.with_borrow_mut(|all| {
            all.retain(|kept| !kept.sender.is_closed());
            let kept = all.iter_mut().find(|kept| {
                let busy = kept.streams.load(Relaxed);
                let fits = busy < STREAMS;
                let is_fresh = busy > 0 || now.saturating_duration_since(kept.used) <= FRESH;
                fits && (is_fresh || repeatable == Repeatable::Yes)
                    && kept.key.is_for(upstream, tls)
            })?;
            kept.used = now;
            Some(Self::new(&kept.sender, &kept.streams))
        })
    }

    fn new(sender: &http2::SendRequest<RequestBody>, streams: &Arc<AtomicUsize>) -> Self {
        streams.fetch_add(1, Relaxed);
        Self { sender: sender.clone(), streams: Arc::clone(streams) }
    }

    /// Speaks HTTP/2 over `io`, for this request and those that follow.
    ///
    /// # Errors
    ///
    /// The upstream doesn't.
    pub async fn open(
        io: UpstreamIo,
        upstream: &Upstream,
        tls: &UpstreamTls,
        head_bytes: u32,
        tasks: &Tasks,
    ) -> Result<Self, ForwardError> {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(head_bytes)
            .keep_alive_interval(PING.0)
            .keep_alive_timeout(PING.1)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|source| ForwardError::Closed { source })?;
        tasks.spawn_upstream(async move {
            let _ended = connection.await; // each request learns by itself how it ended
        });
        let streams = Arc::new(AtomicUsize::new(0));
        let stream = Self::new(&sender, &streams);
        let (key, used) = (Key::new(upstream, tls), Instant::now());
        KEPT.with_borrow_mut(|all| all.push(Kept { key, sender, streams, used }));
        Ok(stream)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.streams.fetch_sub(1, Relaxed);
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

/// Closes connections that nobody uses.
pub(super) fn sweep(now: Instant) {
    KEPT.with_borrow_mut(|all| {
        all.retain(|kept| {
            let is_used = kept.streams.load(Relaxed) > 0;
            !kept.sender.is_closed() && (is_used || now.saturating_duration_since(kept.used) < IDLE)
        });
    });
}
