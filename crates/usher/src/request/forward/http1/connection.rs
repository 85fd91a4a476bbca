//! One connection, and the exchange that is on it.

use std::{
    future::poll_fn,
    io,
    mem::take,
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::unconstrained,
};

use super::{
    decoder::Decoder, error::Http1Error, input::Input, outgoing::Outgoing, request::Next, response,
};

/// Heads that only say that another one comes (RFC 9110 §15.2), for one request.
const INTERIM: usize = 16;

/// An HTTP/1.1 connection to an upstream. It has no task of its own: whoever waits for something
/// polls it, and that moves the bytes of both directions.
///
/// INVARIANT: what is read while no answer is due ends it. An answer that was not asked for would be
/// given to the next request.
#[derive(Debug)]
pub(crate) struct Connection<Io, B> {
    io: Io,
    outgoing: Outgoing<B>,
    input: Input,
    /// Of the answer's head, while one is due; then of its body.
    at: At,
    /// Of the request that is under way.
    method: Method,
    next: Next,
    /// Why nothing more can be sent: the answer may have come before.
    broken: Option<Http1Error>,
}

/// What of an answer comes next.
#[derive(Debug)]
enum At {
    /// None is due.
    Idle,
    /// Its head, before which so many others came; of which so many octets hold no end.
    Head { interim: usize, looked_at: usize },
    /// Its body.
    Body(Decoder),
    /// Nothing that can be told from what comes.
    Lost,
}

impl<Io, B> Connection<Io, B> {
    /// Over a stream on which nothing was said.
    pub(crate) fn new(io: Io) -> Self {
        Self {
            io,
            outgoing: Outgoing::nothing(),
            input: Input::new(),
            at: At::Idle,
            method: Method::GET,
            next: Next::Another,
            broken: None,
        }
    }

    /// Has all of the answer's body come?
    pub(crate) fn is_end_stream(&self) -> bool {
        match &self.at {
            At::Idle => true,
            At::Head { .. } | At::Lost => false,
            At::Body(decoder) => decoder.is_done(),
        }
    }

    /// Octets of the answer's body that are still to come.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match &self.at {
            At::Idle => SizeHint::with_exact(0),
            At::Head { .. } | At::Lost => SizeHint::default(),
            At::Body(decoder) => decoder.size_hint(),
        }
    }

    /// The stream, and what was read behind the head of a 101.
    pub(crate) fn into_stream(self) -> (Io, Bytes) {
        (self.io, self.input.ready)
    }

    /// Octets of room that are held while nothing is read.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.input.held() + self.outgoing.held()
    }

    /// Ends the exchange. Can another one follow? Not where a part of this one is still under way, in
    /// either direction, or where more has come than was due.
    pub(crate) fn finish(&mut self) -> bool {
        let is_over = self.is_end_stream()
            && self.outgoing.is_done()
            && self.input.ready.is_empty()
            && self.broken.is_none()
            && self.next == Next::Another;
        if is_over {
            self.at = At::Idle;
            self.input.rest();
        }
        is_over
    }
}

impl<Io, B> Connection<Io, B>
where
    Io: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes, Error = io::Error> + Default + Unpin,
{
    /// Could it take a request? Looks at what the upstream has done meanwhile, which costs no system
    /// call unless it has done something.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.at, At::Idle) && self.is_silent(&mut Context::from_waker(Waker::noop()))
    }

    /// Nothing has come, not even the end. A task that has had its share of turns is told so of
    /// everything; this one has to know.
    fn is_silent(&mut self, cx: &mut Context<'_>) -> bool {
        let (io, mut room) = (&mut self.io, [0]);
        let read = poll_fn(|cx| Pin::new(&mut *io).poll_read(cx, &mut ReadBuf::new(&mut room)));
        pin!(unconstrained(read)).poll(cx).is_pending()
    }

    /// Takes a request's body and a copy of its head as it is written, which is sent by
    /// [`Connection::poll_head`].
    ///
    /// # Errors
    ///
    /// Nothing was taken: the upstream has closed the connection or said something that nobody asked
    /// for.
    pub(crate) fn start(
        &mut self,
        request: &mut Request<B>,
        cx: &mut Context<'_>,
    ) -> Result<(), Http1Error> {
        if !matches!(self.at, At::Idle) || !self.is_silent(cx) {
            return Err(Http1Error::Ended);
        }
        let body = take(request.body_mut());
        self.next = self.outgoing.begin(request, body);
        self.method = request.method().clone();
        self.at = At::Head { interim: 0, looked_at: 0 };
        Ok(())
    }

    /// Sends what there is to send. What it can't send is no error as long as an answer may be there
    /// already (RFC 9112 §9.5); a request that can't be completed is one.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), Http1Error> {
        if self.broken.is_some() || self.outgoing.is_done() {
            return Ok(());
        }
        match self.outgoing.poll(&mut self.io, cx) {
            Poll::Ready(Err(error @ Http1Error::Body(_))) => Err(error),
            Poll::Ready(Err(error)) => {
                self.broken = Some(error);
                Ok(())
            }
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Sends the request and reads the head of its answer.
    ///
    /// # Errors
    ///
    /// Nothing more can be done with the connection.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<()>, Http1Error>> {
        let head = ready!(self.head(cx));
        if head.is_err() {
            self.at = At::Lost;
        }
        Poll::Ready(head)
    }

    fn head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<()>, Http1Error>> {
        self.send(cx)?;
        let At::Head { mut interim, mut looked_at } = self.at else {
            return Poll::Ready(Err(Http1Error::Ended));
        };
        loop {
            while has_end(&self.input.ready, looked_at)
                && let Some(answer) = response::parse(&mut self.input.ready)?
            {
                looked_at = 0;
                if answer.status().is_informational()
                    && answer.status() != StatusCode::SWITCHING_PROTOCOLS
                {
                    interim += 1;
                    if interim > INTERIM {
                        return Poll::Ready(Err(Http1Error::Malformed("never comes")));
                    }
                    continue;
                }
                return Poll::Ready(self.answered(answer));
            }
            looked_at = self.input.ready.len();
            self.at = At::Head { interim, looked_at };
            match self.input.poll_more(&mut self.io, cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(self.why(Http1Error::Ended))),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(self.why(Http1Error::Io(error))));
                }
                // Where nothing is sent any more either the end is heard of here, behind an answer
                // that may be on its way.
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn answered(&mut self, answer: Response<()>) -> Result<Response<()>, Http1Error> {
        let decoder = response::framing(&answer, &self.method)?;
        let is_another_protocol = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        if is_another_protocol || response::next(&answer) == Next::Close {
            self.next = Next::Close;
        }
        self.at = At::Body(decoder);
        Ok(answer)
    }

    /// What came first is the cause.
    fn why(&mut self, error: Http1Error) -> Http1Error {
        self.broken.take().unwrap_or(error)
    }

    /// The next piece of the answer's body. An error stays one.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Http1Error>>> {
        let frame = ready!(self.frame(cx));
        if matches!(frame, Some(Err(_))) {
            self.at = At::Lost;
        }
        Poll::Ready(frame)
    }

    fn frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Http1Error>>> {
        self.send(cx)?;
        loop {
            let decoder = match &mut self.at {
                At::Body(decoder) => decoder,
                At::Idle => return Poll::Ready(None),
                At::Head { .. } | At::Lost => return Poll::Ready(Some(Err(Http1Error::Ended))),
            };
            if let Some(frame) = decoder.next(&mut self.input.ready)? {
                return Poll::Ready(Some(Ok(frame)));
            }
            if decoder.is_done() {
                return Poll::Ready(None);
            }
            let wanted = decoder.wanted();
            match ready!(self.input.poll_read(&mut self.io, wanted, cx)) {
                Ok(0) => {
                    self.next = Next::Close;
                    decoder.ended()?;
                }
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(Http1Error::Io(error)))),
            }
        }
    }
}

/// Can the head end in what has come behind the first `looked_at` octets? Reading it from its
/// beginning with each octet that comes would cost the square of its length.
fn has_end(input: &[u8], looked_at: usize) -> bool {
    let new = input.get(looked_at.saturating_sub(3)..).unwrap_or_default();
    match looked_at {
        0 => !new.is_empty(), // what is no HTTP at all is seen at once
        _ => {
            new.windows(2).any(|two| two == b"\n\n")
                || new.windows(3).any(|three| three == b"\n\r\n")
                || input.len() > response::HEAD
        }
    }
}
