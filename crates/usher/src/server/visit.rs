//! A visit on a small listener: one request, one answer, good bye.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::Service,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::sleep,
};

use crate::request::accept::{Admitted, Protocol, Pulse, Watched, limits};

/// A whole visit: one request, one answer, good bye.
const VISIT: Duration = Duration::from_secs(30);

/// Answers one request over HTTP/1.1. How a visit ends is the visitor's affair; one that says
/// nothing, takes long or is in the way of others is ended.
pub(super) async fn talk<S>(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin,
    admitted: Admitted,
    answer: S,
) where
    S: Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible>,
{
    let pulse = Pulse::admitted(Protocol::Http1, admitted);
    pulse.body_follows(); // it may: who sends one shall read the answer nevertheless
    let stream = Watched::new(stream, Arc::clone(&pulse));
    let visit = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .max_header_size(limits::READ_HEAD_BYTES)
        .max_buf_size(limits::READ_BUFFER)
        .serve_connection(TokioIo::new(stream), answer);
    tokio::select! {
        _the_visitors = visit => {}
        () = pulse.must_go() => {}
        () = pulse.outstayed(Some(limits::HEAD)) => {}
        () = sleep(VISIT) => {}
    }
}
