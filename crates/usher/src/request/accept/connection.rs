use std::{
    convert::Infallible, future::Future, net::SocketAddr, pin::pin, sync::Arc, time::Duration,
};

use http::{HeaderValue, Request, Response};
use hyper::{
    body::Incoming,
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Beside, Pulse, Shown, Tasks, Watched, limits};
use crate::request::Body;

/// What is known of a connection before its first request.
#[derive(Debug)]
pub struct Connection {
    /// The TCP peer.
    pub peer: SocketAddr,
    /// Its address as fields and records have it; made once.
    pub peer_text: HeaderValue,
    /// The name that the client asked a certificate for (SNI), lower case.
    pub server_name: Option<Box<str>>,
    /// The certificate that it was shown.
    pub shown: Shown,
    /// Did it come by TLS? Without, we stand behind a terminator (`insecure_server`).
    pub tls: bool,
    /// What it has been doing.
    pub pulse: Arc<Pulse>,
}

impl Connection {
    /// A connection from `peer`.
    pub fn new(
        peer: SocketAddr,
        server_name: Option<Box<str>>,
        shown: Shown,
        tls: bool,
        pulse: Arc<Pulse>,
    ) -> Self {
        let text = peer.ip().to_canonical().to_string();
        let peer_text = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        Self { peer, peer_text, server_name, shown, tls, pulse }
    }
}

/// Answers requests. Implemented by the door.
pub trait Serve: Clone + Send + Sync + 'static {
    /// The answer to one request; it can't fail.
    fn serve(
        &self,
        connection: Arc<Connection>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// `service`, as hyper asks it about the requests of one connection.
fn answering(
    service: impl Serve,
    connection: Arc<Connection>,
) -> impl Service<
    Request<Incoming>,
    Response = Response<Body>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Body>, Infallible>> + Send,
> {
    service_fn(move |request| {
        let (service, connection) = (service.clone(), Arc::clone(&connection));
        // On the heap, and only when it is asked for: a hundred streams that come and are taken
        // back at once would else have room made for the whole way that none of them goes.
        async move { Ok(Box::pin(service.serve(connection, request)).await) }
    })
}

/// Serves HTTP/1.1 until the client leaves, outstays its welcome, or we drain.
pub async fn serve_http1<S>(
    stream: S,
    connection: Arc<Connection>,
    service: impl Serve,
    tasks: &Tasks,
    idle: Option<Duration>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pulse = Arc::clone(&connection.pulse);
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&pulse)));
    let answer = answering(service, connection);
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None) // `Pulse` does it, without counting the idle time
        .max_header_size(limits::READ_HEAD_BYTES)
        .max_buf_size(limits::READ_BUFFER)
        .half_close(false)
        .serve_connection(io, answer)
        .with_upgrades();
    let mut served = pin!(served);
    tokio::select! {
        biased; // the bytes first: most wake-ups are for them
        _ = served.as_mut() => return, // a client's mistake is the client's; the record has it
        () = pulse.must_go() => return,
        () = pulse.outstayed(idle) => return,
        () = tasks.draining() => served.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = served => {}
        () = pulse.must_go() => {}
    }
}

/// Serves HTTP/2 until the client leaves, outstays its welcome, or we drain.
pub async fn serve_http2<S>(
    stream: S,
    connection: Arc<Connection>,
    service: impl Serve,
    tasks: &Tasks,
    idle: Option<Duration>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pulse = Arc::clone(&connection.pulse);
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&pulse)));
    let streams = tasks.streams_of(Beside::Connection(connection.peer));
    let answer = answering(service, connection);
    let mut builder = hyper::server::conn::http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::STREAMS)
        .max_header_list_size(u32::try_from(limits::READ_HEAD_BYTES).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(limits::PENDING_RESETS)
        .max_local_error_reset_streams(limits::LOCAL_RESETS)
        .initial_stream_window_size(limits::STREAM_WINDOW)
        .initial_connection_window_size(limits::CONNECTION_WINDOW)
        .max_send_buf_size(limits::SEND_BUFFER)
        .keep_alive_interval(limits::PING_INTERVAL)
        .keep_alive_timeout(limits::PING_TIMEOUT)
        .enable_connect_protocol();
    let mut served = pin!(builder.serve_connection(io, answer));
    tokio::select! {
        biased; // the bytes first: most wake-ups are for them
        _ = served.as_mut() => return,
        () = pulse.cancels_too_much() => return,
        () = pulse.must_go() => return,
        () = pulse.outstayed(idle) => {}
        () = tasks.draining() => {}
    }
    served.as_mut().graceful_shutdown();
    // GOAWAY first, so that no request is lost; who still does nothing is left.
    tokio::select! {
        _ = served => {}
        () = pulse.must_go() => {}
        () = pulse.outstayed(Some(limits::HEAD)) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Arc};

    use http::{Request, Response};
    use hyper::{body::Incoming, service::Service};

    use super::{Connection, Pulse, Serve, Shown, answering};
    use crate::request::Body;

    /// Its way is long, and needs much room.
    #[derive(Clone)]
    struct LongWay;

    impl Serve for LongWay {
        async fn serve(&self, _: Arc<Connection>, _: Request<Incoming>) -> Response<Body> {
            let mut much = [0_u8; 64 * 1024];
            tokio::task::yield_now().await;
            much.reverse();
            Response::new(Body::full(much.to_vec()))
        }
    }

    fn room_for<S>(_: &S) -> usize
    where
        S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    {
        size_of::<S::Future>()
    }

    /// A client may open fifty streams on each of a thousand connections and take them back in
    /// the same breath: a task is made for each before any of them is looked at.
    #[test]
    fn cancelled_requests_have_no_room_made_for_the_whole_way() {
        let peer = "192.0.2.1:1".parse().unwrap();
        let connection = Connection::new(peer, None, Shown::default(), true, Pulse::new(true));
        assert!(room_for(&answering(LongWay, Arc::new(connection))) < 1024);
    }
}
