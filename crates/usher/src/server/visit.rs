//! A visit on a small listener: one request, one answer, good bye.

use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::Service,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::request::accept::{Pulse, Watched, limits};

/// Answers one request over HTTP/1.1. How a visit ends is the visitor's affair.
pub(super) async fn talk<S>(stream: impl AsyncRead + AsyncWrite + Send + Unpin, answer: S)
where
    S: Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible>,
{
    let pulse = Pulse::new(false);
    pulse.body_follows(); // it may: who sends one shall read the answer nevertheless
    let stream = Watched::new(stream, pulse);
    let _the_visitors = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .max_header_size(limits::HEAD_BYTES)
        .max_buf_size(limits::READ_BUFFER)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}
