use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::{
    accept::Waiting,
    caught::catch,
    forward::{Trailers, UpstreamBody},
    record::Closing,
};

/// An answer: our own bytes, or a stream from the upstream.
#[derive(Debug, Default)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// A page or a short answer of ours.
    Full(Option<Bytes>),
    /// An upstream's response.
    Upstream(UpstreamBody),
    /// The same with what may stand behind it.
    WithTrailers(Box<(UpstreamBody, Trailers)>),
    /// A stream that broke off, after what came before it has been written.
    Broken(Option<io::Error>),
    /// Any of these with its record, which is written when the body ends or is dropped.
    Recorded(Box<(Body, Closing, Waiting)>),
}

impl Body {
    /// A response whose record is written when its body ends.
    pub(super) fn recorded(
        response: http::Response<Self>,
        mut closing: Closing,
    ) -> http::Response<Self> {
        if http_body::Body::is_end_stream(response.body()) {
            closing.ended(); // nobody will ask for more of it
        }
        let waiting = closing.waiting();
        response.map(|body| Self::Recorded(Box::new((body, closing, waiting))))
    }

    /// An upstream's response with no other trailers behind it than those that may be there.
    pub(super) fn with_trailers(self, trailers: Trailers) -> Self {
        match self {
            Self::Upstream(body) => Self::WithTrailers(Box::new((body, trailers))),
            Self::Empty
            | Self::Full(_)
            | Self::WithTrailers(_)
            | Self::Broken(_)
            | Self::Recorded(_) => self,
        }
    }

    /// A body of these bytes.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(Some(bytes.into()))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Upstream(body) => Pin::new(body).poll_frame(cx),
            Self::Broken(error) => Poll::Ready(error.take().map(Err)),
            Self::WithTrailers(both) => {
                let (body, trailers) = &mut **both;
                Pin::new(body).poll_frame(cx).map(|polled| match polled {
                    Some(Ok(frame)) => trailers.cleaned(frame).map(Ok),
                    other => other,
                })
            }
            Self::Recorded(recorded) => {
                let (body, closing, waiting) = &mut **recorded;
                if matches!(body, Self::Broken(_)) {
                    return Pin::new(body).poll_frame(cx);
                }
                ready!(waiting.poll_room(cx));
                let polled = catch(|| Pin::new(&mut *body).poll_frame(cx));
                let polled = match polled {
                    Ok(polled) => polled,
                    Err(panicked) => {
                        closing.panicked(&panicked);
                        *body = Self::Empty;
                        return Poll::Ready(Some(Err(io::Error::other(panicked))));
                    }
                };
                match &polled {
                    Poll::Ready(Some(Ok(frame))) => {
                        closing.sent(frame.data_ref().map_or(0, Bytes::len));
                        if body.is_end_stream() {
                            closing.ended(); // a known length is complete: nobody asks again
                        }
                    }
                    Poll::Ready(Some(Err(error))) => {
                        closing.broke(error);
                        if let Poll::Ready(Some(Err(error))) = polled {
                            // With the error at once hyper drops what it has not written yet,
                            // the head among it.
                            *body = Self::Broken(Some(error));
                        }
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    Poll::Ready(None) => closing.ended(),
                    Poll::Pending => {}
                }
                polled.map(|frame| {
                    frame.map(|frame| frame.map(|f| f.map_data(|bytes| waiting.count(bytes))))
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty | Self::Full(None) => true,
            Self::Full(Some(_)) | Self::Broken(_) => false,
            Self::Upstream(body) => body.is_end_stream(),
            Self::WithTrailers(both) => both.0.is_end_stream(),
            Self::Recorded(recorded) => recorded.0.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Full(None) => SizeHint::with_exact(0),
            Self::Full(Some(bytes)) => SizeHint::with_exact(bytes.len() as u64),
            Self::Upstream(body) => body.size_hint(),
            Self::Broken(_) => SizeHint::new(),
            Self::WithTrailers(both) => both.0.size_hint(),
            Self::Recorded(recorded) => recorded.0.size_hint(),
        }
    }
}
