use std::{
    convert::Infallible,
    future::Future,
    io,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{
    body::Incoming,
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    AskedFor, Peer, Presented, Protocol, Pulse, Shown, TaskOwner, Tasks, Unread, Watched,
    aside::Aside, gathered::Gathered, limits,
};
use crate::request::boxed::boxed;

/// A connection as its handshake left it: one for all of its requests.
#[derive(Debug)]
pub struct Connection {
    /// Who is at its other end.
    pub peer: Peer,
    /// The name that the client asked a certificate for (SNI), lower case.
    pub server_name: Option<Box<str>>,
    /// The certificate that it was shown.
    pub shown: Shown,
    /// The client's certificates.
    pub presented: Arc<Presented>,
    /// Its requests, bytes and silences, by which it is ended.
    pub pulse: Arc<Pulse>,
    /// Whom it asks for.
    pub asked_for: AskedFor,
}

impl Connection {
    /// One without TLS.
    pub fn plain(peer: Peer, pulse: Arc<Pulse>) -> Self {
        let (shown, presented) = (Shown::default(), Arc::default());
        Self { peer, server_name: None, shown, presented, pulse, asked_for: AskedFor::default() }
    }

    /// How it carries requests.
    pub fn protocol(&self) -> Protocol {
        self.pulse.protocol()
    }
}

/// Answers requests. Implemented by the door.
pub trait Serve: Clone + Send + Sync + 'static {
    /// The body of its answers.
    type Body: Body<Data = Bytes, Error = io::Error> + Send + 'static;

    /// The answer to one request; it can't fail.
    fn serve(
        &self,
        connection: Arc<Connection>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// Hears of what was no request that could be read.
    fn unread(&self, connection: &Connection, unread: &Unread);
}

/// Tells of what could not be read, where that is why a connection has ended.
fn tell(served: Result<(), hyper::Error>, connection: &Connection, service: &impl Serve) {
    if let Some(unread) = served.err().as_ref().and_then(Unread::of) {
        service.unread(connection, &unread);
    }
}

/// `service`, as hyper asks it about the requests of one connection.
fn answering<A: Serve>(
    service: A,
    connection: Arc<Connection>,
) -> impl Service<
    Request<Incoming>,
    Response = Response<A::Body>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<A::Body>, Infallible>> + Send,
> {
    service_fn(move |request| {
        let (service, connection) = (service.clone(), Arc::clone(&connection));
        // On the heap, and only when it is asked for: a hundred streams that come and are taken
        // back at once would else have room made for the whole way that none of them goes.
        async move { Ok(boxed(|| service.serve(connection, request)).await) }
    })
}

/// TCP, or TLS over it.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for S {}

/// Serves a connection until the client leaves, outstays its welcome, or we drain.
///
/// Each protocol on the heap, since one needs half the room of the other, and whoever waits for
/// this has room made for neither.
pub async fn serve(
    stream: impl Transport,
    connection: Arc<Connection>,
    service: impl Serve,
    tasks: &Tasks,
    idle: Option<Duration>,
) {
    match connection.protocol() {
        Protocol::Http1 => boxed(|| serve_http1(stream, connection, service, tasks, idle)).await,
        Protocol::Http2 => boxed(|| serve_http2(stream, connection, service, tasks, idle)).await,
    }
}

/// How a connection ends that its client does not end.
enum End {
    /// At once.
    Cut,
    /// After the requests that it has.
    Graceful,
}

async fn serve_http1(
    stream: impl Transport,
    connection: Arc<Connection>,
    service: impl Serve,
    tasks: &Tasks,
    idle: Option<Duration>,
) {
    let pulse = Arc::clone(&connection.pulse);
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&pulse)));
    let answer = answering(service.clone(), Arc::clone(&connection));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None) // `Pulse` does it, without counting the idle time
        .max_header_size(limits::READ_HEAD_BYTES)
        .max_buf_size(limits::READ_BUFFER)
        .half_close(false);
    let mut served = pin!(builder.serve_connection(io, answer).with_upgrades());
    let end = {
        let mut ends = Aside::new(async {
            tokio::select! {
                biased;
                () = pulse.must_go() => End::Cut,
                () = pulse.outstayed(idle) => End::Cut,
                () = tasks.draining() => End::Graceful,
            }
        });
        tokio::select! {
            biased; // the bytes first: most wake-ups are for them
            served = served.as_mut() => return tell(served, &connection, &service),
            end = ends.over() => end,
        }
    };
    match end {
        End::Cut => return,
        End::Graceful => served.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        served = served => tell(served, &connection, &service),
        () = pulse.must_go() => {}
    }
}

async fn serve_http2(
    stream: impl Transport,
    connection: Arc<Connection>,
    service: impl Serve,
    tasks: &Tasks,
    idle: Option<Duration>,
) {
    let pulse = Arc::clone(&connection.pulse);
    let (teller, of) = (service.clone(), Arc::clone(&connection));
    let gathered = Gathered::new(stream, Arc::clone(&pulse));
    let watched = Watched::new(gathered.another(), Arc::clone(&pulse));
    let io = TokioIo::new(watched.telling(move |unread| teller.unread(&of, unread)));
    let streams = tasks.streams_of(TaskOwner::Connection(connection.peer.address));
    let answer = answering(service.clone(), Arc::clone(&connection));
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
    let end = {
        let mut ends = Aside::new(async {
            tokio::select! {
                biased;
                () = pulse.cancels_too_much() => End::Cut,
                () = pulse.must_go() => End::Cut,
                () = pulse.outstayed(idle) => End::Graceful,
                () = tasks.draining() => End::Graceful,
            }
        });
        tokio::select! {
            biased; // the bytes first: most wake-ups are for them
            served = until_closed(served.as_mut(), &gathered, &pulse) => {
                return tell(served, &connection, &service);
            }
            end = ends.over() => end,
        }
    };
    match end {
        End::Cut => return,
        End::Graceful => served.as_mut().graceful_shutdown(),
    }
    // GOAWAY first, so that no request is lost; who still does nothing is left.
    tokio::select! {
        biased; // GOAWAY goes out even where its time is over
        served = until_closed(served, &gathered, &pulse) => tell(served, &connection, &service),
        () = pulse.must_go() => {}
        () = pulse.outstayed(Some(limits::HEAD)) => {}
    }
}

/// The HTTP library resets the stream of a CONNECT that has a length, and then says that the whole
/// connection is done with, which it is not: others run on it. Asked again it goes on. Whoever sends
/// many of them is treated as every client whose streams are malformed.
async fn until_closed<E>(
    mut served: Pin<&mut impl Future<Output = Result<(), E>>>,
    gathered: &Gathered<impl Transport>,
    pulse: &Pulse,
) -> Result<(), E> {
    for _ in 0..limits::LOCAL_RESETS {
        gathered.turns(served.as_mut()).await?;
        if pulse.has_closed() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        net::SocketAddr,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use http::{Request, Response};
    use hyper::{body::Incoming, rt::Executor, service::Service};
    use hyper_util::rt::TokioIo;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        time::Instant,
    };

    use super::{
        Connection, Protocol, Pulse, Serve, Tasks, Unread, answering, limits, serve, serve_http1,
        serve_http2,
    };
    use crate::request::Body;

    /// Its way is long, and needs much room.
    #[derive(Clone)]
    struct LongWay;

    impl Serve for LongWay {
        type Body = Body;

        async fn serve(&self, _: Arc<Connection>, _: Request<Incoming>) -> Response<Body> {
            let mut much = [0_u8; 64 * 1024];
            tokio::task::yield_now().await;
            much.reverse();
            Response::new(Body::full(much.to_vec()))
        }

        fn unread(&self, _: &Connection, _: &Unread) {}
    }

    fn over_http2() -> Connection {
        let peer = "192.0.2.1:1".parse::<SocketAddr>().unwrap();
        Connection::plain(peer.into(), Pulse::new(Protocol::Http2))
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
        let connection = over_http2();
        assert!(room_for(&answering(LongWay, Arc::new(connection))) < 1024);
    }

    /// Knows how large each task is that HTTP/2 asks for, and runs none.
    #[derive(Clone, Default)]
    struct Sizes(Arc<Mutex<Vec<usize>>>);

    impl<F> Executor<F> for Sizes {
        fn execute(&self, _: F) {
            self.0.lock().unwrap().push(size_of::<F>());
        }
    }

    /// Room is made for it, and it is copied, before anything of the request is looked at.
    #[tokio::test(start_paused = true)]
    async fn the_task_of_a_stream_is_small() {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let sizes = Sizes::default();
        let answer = answering(LongWay, Arc::new(over_http2()));
        let builder = hyper::server::conn::http2::Builder::new(sizes.clone());
        let serving = builder.serve_connection(TokioIo::new(server), answer);
        let get: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\
            \0\0\x03\x01\x05\0\0\0\x01\x82\x84\x87";
        client.write_all(get).await.unwrap();
        let _silence = tokio::time::timeout(Duration::from_secs(1), serving).await;
        let sizes = sizes.0.lock().unwrap().clone();
        println!("{sizes:?}");
        let [octets] = *sizes else { panic!("one stream, one task: {sizes:?}") };
        assert!(octets <= 640, "{octets} octets");
    }

    /// Each lasts for as long as its connection: what it is large by, all of them are.
    #[tokio::test]
    async fn the_task_of_a_connection_is_small() {
        let (_client, one) = tokio::io::duplex(64);
        let (_other_client, two) = tokio::io::duplex(64);
        let (connection, tasks) = (Arc::new(over_http2()), Tasks::default());
        let http1 = serve_http1(one, Arc::clone(&connection), LongWay, &tasks, None);
        let http2 = serve_http2(two, connection, LongWay, &tasks, None);
        let sizes = [size_of_val(&http1), size_of_val(&http2)];
        println!("{sizes:?}");
        assert!(sizes[0] <= 1152 && sizes[1] <= 2368, "octets over HTTP/1.1 and HTTP/2: {sizes:?}");
    }

    /// What a client says after its preface, and how long it may go on saying so.
    async fn seconds_with(half: &'static [u8], each: Duration) -> u64 {
        let connection = over_http2();
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let began = Instant::now();
        let serving = async move {
            let tasks = Tasks::default();
            serve(server, Arc::new(connection), LongWay, &tasks, None).await;
            began.elapsed().as_secs()
        };
        let whole: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\
            \0\0\0\x04\x01\0\0\0\0";
        let talking = async move {
            client.write_all(whole).await.unwrap();
            for octet in half {
                if client.write_all(&[*octet]).await.is_err() {
                    break;
                }
                tokio::time::sleep(each).await;
            }
            let mut said = Vec::new();
            let _cut = client.read_to_end(&mut said).await;
            let goaway = said.windows(5).any(|part| part == [0, 0, 8, 7, 0]);
            assert!(goaway, "it is told before it is cut: {said:?}");
        };
        tokio::join!(serving, talking).0
    }

    /// The limit of a head was HTTP/1.1's alone: these held what was read of them for ever.
    #[tokio::test(start_paused = true)]
    async fn http2_heads_that_never_end_have_the_time_of_a_head() {
        let no_end: &[u8] = b"\0\0\x03\x01\0\0\0\0\x01\x82\x84\x87"; // no END_HEADERS
        let half_a_frame: &[u8] = b"\0\x40\0\x01\x04\0\0\0\x01\x82\x84\x87";
        for half in [no_end, half_a_frame] {
            for each in [Duration::ZERO, Duration::from_secs(4)] {
                let seconds = seconds_with(half, each).await;
                assert_eq!(seconds, limits::HEAD.as_secs(), "{half:?}, one each {each:?}");
            }
        }
    }
}
