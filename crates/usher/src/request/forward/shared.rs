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
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use usher_rules::{names::Upstream, plan::UpstreamTls};

use super::{ForwardError, RequestBody, pool::Key};
use crate::request::accept::{TaskOwner, Tasks};

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
pub(super) struct Http2Stream {
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
pub(super) enum Repeatable {
    /// Idempotent, and no part of a body is lost (RFC 9110 §9.2.2).
    Yes,
    /// Twice would be wrong.
    No,
}

impl Http2Stream {
    /// A share of a connection that is open and has room.
    pub(super) fn take(
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
    pub(super) async fn open(
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        upstream: &Upstream,
        tls: &UpstreamTls,
        head_bytes: u32,
        tasks: &Tasks,
    ) -> Result<Self, ForwardError> {
        let beside = TaskOwner::Upstream(upstream.authority().into());
        let (sender, connection) = http2::Builder::new(tasks.streams_of(beside.clone()))
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(head_bytes)
            .keep_alive_interval(PING.0)
            .keep_alive_timeout(PING.1)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|error| ForwardError::Closed { source: error.into() })?;
        tasks.spawn_upstream(beside, async move {
            let _ended = connection.await; // each request learns by itself how it ended
        });
        let streams = Arc::new(AtomicUsize::new(0));
        let stream = Self::new(&sender, &streams);
        let (key, used) = (Key::new(upstream, tls), Instant::now());
        KEPT.with_borrow_mut(|all| all.push(Kept { key, sender, streams, used }));
        Ok(stream)
    }
}

impl Drop for Http2Stream {
    fn drop(&mut self) {
        self.streams.fetch_sub(1, Relaxed);
    }
}

impl std::fmt::Debug for Http2Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http2Stream").finish_non_exhaustive()
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

#[cfg(test)]
mod tests {
    use std::{
        io,
        pin::Pin,
        sync::{
            Arc, Mutex,
            atomic::{AtomicBool, Ordering},
        },
        task::{Context, Poll},
        time::Duration,
    };

    use bytes::Bytes;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::{
        io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
        sync::Notify,
        time::Instant,
    };
    use usher_rules::{
        names::Upstream,
        plan::{UpstreamTls, UpstreamVerify},
    };

    use super::{Http2Stream, Repeatable};
    use crate::request::{
        accept::{TaskOwner, Tasks},
        forward::RequestBody,
        note_panics,
    };

    /// A connection whose next read panics, when it has been told to.
    struct Rigged(DuplexStream, Arc<AtomicBool>);

    impl AsyncRead for Rigged {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let read = Pin::new(&mut self.0).poll_read(cx, buffer);
            assert!(!(read.is_ready() && self.1.load(Ordering::SeqCst)), "the driver broke");
            read
        }
    }

    impl AsyncWrite for Rigged {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, bytes)
        }
        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }
        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    fn answering(stream: DuplexStream, goes_on: Arc<Notify>) {
        let answer = hyper::service::service_fn(move |_| {
            let goes_on = Arc::clone(&goes_on);
            async move {
                goes_on.notified().await;
                let body = http_body_util::Full::new(Bytes::from_static(b"x"));
                Ok::<_, std::convert::Infallible>(http::Response::new(body))
            }
        });
        #[expect(clippy::disallowed_methods, reason = "ends with the stream of its test")]
        tokio::spawn(
            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), answer),
        );
    }

    /// Its requests fail and are not left waiting, it is told, and nobody gets it again.
    #[tokio::test]
    async fn a_driver_that_panics_ends_its_connection_alone() {
        note_panics();
        let upstream = Upstream::parse("h2c://127.0.0.1:1").unwrap();
        let tls = UpstreamTls { verify: UpstreamVerify::Skip, server_name: None, client: None };
        let tasks = Tasks::default();
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        tasks.on_panic(move |beside, panicked| {
            heard.lock().unwrap().push((beside.clone(), panicked.words));
        });
        let mut open = Vec::new();
        for _ in 0..2 {
            let (near, far) = tokio::io::duplex(64 * 1024);
            let (breaks, goes_on) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
            answering(far, Arc::clone(&goes_on));
            let io = Rigged(near, Arc::clone(&breaks));
            let stream = Http2Stream::open(io, &upstream, &tls, 16 * 1024, &tasks).await.unwrap();
            open.push((stream, breaks, goes_on));
        }
        let (mut beside, _, beside_goes_on) = open.pop().unwrap();
        let (mut broken, breaks, _) = open.pop().unwrap();
        let request = || {
            let mut request = http::Request::new(RequestBody::Empty);
            *request.uri_mut() = "http://127.0.0.1:1/".parse().unwrap();
            request
        };
        let (failing, going) =
            (broken.sender.send_request(request()), beside.sender.send_request(request()));
        breaks.store(true, Ordering::SeqCst);
        let failed = tokio::time::timeout(Duration::from_secs(20), failing).await;
        assert!(failed.expect("nobody is left waiting").is_err());
        beside_goes_on.notify_one();
        assert_eq!(going.await.unwrap().status(), 200, "another connection goes on");
        let place = TaskOwner::Upstream(upstream.authority().into());
        assert_eq!(*told.lock().unwrap(), [(place, "the driver broke")]);
        let (now, yes) = (Instant::now(), Repeatable::Yes);
        let kept = Http2Stream::take(&upstream, &tls, yes, now).unwrap();
        assert!(!kept.sender.is_closed(), "the one that broke is gone");
    }
}
