use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::Trailers;

/// How far the client's body has come; shared with whoever waits for the answer.
#[derive(Debug, Default)]
pub struct Upload {
    bytes: AtomicU64,
    state: AtomicU8,
}

// 0: it runs.
const COMPLETE: u8 = 1;
const STALLED: u8 = 2;
const BROKEN: u8 = 3;

impl Upload {
    /// Bytes of the body that were taken over so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Was the whole body taken over?
    pub fn is_complete(&self) -> bool {
        self.state.load(Ordering::Relaxed) == COMPLETE
    }

    /// Did the client go silent for too long?
    pub fn is_stalled(&self) -> bool {
        self.state.load(Ordering::Relaxed) == STALLED
    }

    /// Did the client break off?
    pub fn is_broken(&self) -> bool {
        self.state.load(Ordering::Relaxed) == BROKEN
    }

    fn set(&self, state: u8) {
        self.state.store(state, Ordering::Relaxed);
    }
}

/// The client's body on its way to the upstream: streamed, counted, limited by silence only.
#[derive(Debug, Default)]
pub enum RequestBody {
    /// There is none.
    #[default]
    Empty,
    /// One that was read before, until it is sent.
    Whole(Option<Bytes>),
    /// There is one.
    Streamed {
        /// The client's stream.
        incoming: Incoming,
        /// How far it has come.
        upload: Arc<Upload>,
        /// `timeout_read`: longest silence between two pieces.
        patience: Option<Duration>,
        /// Runs while the client is silent.
        silence: Option<Pin<Box<Sleep>>>,
        /// What may stand behind it.
        trailers: Trailers,
    },
}

impl RequestBody {
    /// Takes over a request's body; the second part tells how far it comes.
    pub fn new(
        incoming: Incoming,
        patience: Option<Duration>,
        trailers: Trailers,
    ) -> (Self, Option<Arc<Upload>>) {
        if incoming.is_end_stream() {
            return (Self::Empty, None);
        }
        let upload = Arc::new(Upload::default());
        let shared = Arc::clone(&upload);
        (Self::Streamed { incoming, upload, patience, silence: None, trailers }, Some(shared))
    }

    /// These bytes.
    pub fn whole(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Whole(Some(bytes)) }
    }
}

impl RequestBody {
    /// Is its length unknown until it has come?
    pub fn is_chunked(&self) -> bool {
        matches!(self, Self::Streamed { .. }) && self.size_hint().exact().is_none()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let (incoming, upload, patience, silence, trailers) = match self.get_mut() {
            Self::Empty => return Poll::Ready(None),
            Self::Whole(bytes) => {
                return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))));
            }
            Self::Streamed { incoming, upload, patience, silence, trailers } => {
                (incoming, upload, patience, silence, trailers)
            }
        };
        match Pin::new(incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                *silence = None;
                if let Some(data) = frame.data_ref() {
                    upload.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
                }
                let frame = trailers.cleaned(frame);
                if frame.is_none() {
                    upload.set(COMPLETE); // trailers are the end, and nothing is left of them
                }
                Poll::Ready(frame.map(Ok))
            }
            Poll::Ready(Some(Err(error))) => {
                upload.set(BROKEN);
                Poll::Ready(Some(Err(io::Error::other(error))))
            }
            Poll::Ready(None) => {
                upload.set(COMPLETE);
                Poll::Ready(None)
            }
            Poll::Pending => {
                let Some(patience) = *patience else { return Poll::Pending };
                let silence = silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
                ready!(silence.as_mut().poll(cx));
                upload.set(STALLED);
                Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty | Self::Whole(None) => true,
            Self::Whole(Some(_)) => false,
            Self::Streamed { incoming, upload, .. } => {
                let ended = incoming.is_end_stream();
                if ended {
                    upload.set(COMPLETE); // hyper may never poll an ended body again
                }
                ended
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Whole(None) => SizeHint::with_exact(0),
            Self::Whole(Some(bytes)) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed { incoming, .. } => incoming.size_hint(),
        }
    }
}
