//! One connection of the load: writes what is due at once, and reads as much as has come.

use std::{cell::RefCell, fmt, rc::Rc, time::Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{PATH, turns::Turns};
use crate::failure::Failure;

/// How much is read at once.
const READ: usize = 32 * 1024;

/// One version of HTTP on one connection, as octets.
pub trait Wire: fmt::Debug {
    /// Writes a request, which goes by that number.
    fn ask(&mut self, nth: u64, output: &mut Vec<u8>);

    /// Takes from `input` what is whole. Adds to `answered` each request whose answer has ended, and
    /// to `output` what the other side wants to hear.
    ///
    /// # Errors
    ///
    /// An answer that is not 200, and whatever else ends a request without an answer.
    fn read(
        &mut self,
        input: &mut BytesMut,
        output: &mut Vec<u8>,
        answered: &mut Vec<u64>,
    ) -> Result<(), Failure>;

    /// Is any request unanswered?
    fn is_busy(&self) -> bool;
}

/// A connection that was asked one thing.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    wire: Box<dyn Wire>,
    input: BytesMut,
    output: Vec<u8>,
    answered: Vec<u64>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Asks one thing at once: who says nothing for long after a handshake is shown out.
    pub async fn open(stream: S, wire: Box<dyn Wire>) -> Result<Self, Failure> {
        let input = BytesMut::with_capacity(READ);
        let (output, answered) = (Vec::new(), Vec::new());
        let mut this = Self { stream, wire, input, output, answered };
        this.wire.ask(0, &mut this.output);
        while this.answered.is_empty() {
            this.write().await?;
            this.read().await?;
        }
        this.answered.clear();
        Ok(this)
    }

    /// Asks whatever it is given, until all is over.
    pub async fn go_on(
        mut self,
        own: usize,
        turns: Rc<RefCell<Turns>>,
        begun: Instant,
    ) -> Result<(), Failure> {
        let bell = turns.borrow().bell(own);
        loop {
            for nth in turns.borrow_mut().take(own) {
                self.wire.ask(nth, &mut self.output);
            }
            self.write().await?;
            if turns.borrow().is_over(own) && !self.wire.is_busy() {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = bell.notified() => {}
                read = self.read() => read?,
            }
            if !self.answered.is_empty() {
                let (now, mut turns) = (begun.elapsed(), turns.borrow_mut());
                for nth in self.answered.drain(..) {
                    turns.answered(own, nth, now);
                }
            }
        }
    }

    async fn write(&mut self) -> Result<(), Failure> {
        if !self.output.is_empty() {
            self.stream.write_all(&self.output).await.map_err(Failure::io("a request"))?;
            self.stream.flush().await.map_err(Failure::io("a request"))?;
            self.output.clear();
        }
        Ok(())
    }

    /// Can be given up while it waits: then nothing was read.
    async fn read(&mut self) -> Result<(), Failure> {
        self.input.reserve(READ);
        let count =
            self.stream.read_buf(&mut self.input).await.map_err(Failure::io("an answer"))?;
        if count == 0 {
            return Err(Failure::exchange(PATH)("the connection has ended"));
        }
        self.wire.read(&mut self.input, &mut self.output, &mut self.answered)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, request::Parts};
    use http_body_util::Full;
    use hyper::{body::Incoming, server::conn, service::service_fn};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::{
        io::{DuplexStream, duplex},
        task::JoinSet,
    };

    use super::*;
    use crate::{
        client::Protocol::{self, Http1, Http2},
        compare::{load::BROWSER, paced},
    };

    /// Longer than 127 octets, as usher's is.
    const COOKIE: &str = "theme=dark; _usher=0123456789abcdef0123456789abcdef0123456789abcdef\
                          0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const PLACES: usize = 32;
    const HOUR: Duration = Duration::from_secs(3600);

    /// Another program's server on the other end, which remembers what it was asked.
    #[derive(Default)]
    struct Server {
        seen: Arc<Mutex<Vec<Parts>>>,
        serving: JoinSet<hyper::Result<()>>,
    }

    impl Server {
        fn start(&mut self, protocol: Protocol, status: StatusCode) -> DuplexStream {
            let (ours, theirs) = duplex(1 << 16);
            let seen = Arc::clone(&self.seen);
            let service = service_fn(move |request: Request<Incoming>| {
                seen.lock().unwrap().push(request.into_parts().0);
                let mut answer = Response::new(Full::new(Bytes::from_static(b"{}")));
                *answer.status_mut() = status;
                async { Ok::<_, Infallible>(answer) }
            });
            let io = TokioIo::new(theirs);
            match protocol {
                Http1 => {
                    self.serving.spawn(conn::http1::Builder::new().serve_connection(io, service))
                }
                Http2 => {
                    let server = conn::http2::Builder::new(TokioExecutor::new());
                    self.serving.spawn(server.serve_connection(io, service))
                }
            };
            ours
        }

        async fn open(
            &mut self,
            protocol: Protocol,
            status: StatusCode,
        ) -> Result<Connection<DuplexStream>, Failure> {
            let stream = self.start(protocol, status);
            Connection::open(stream, paced::wire(protocol, PLACES, COOKIE)?).await
        }
    }

    /// So many that are due, and no more after them.
    fn turns(count: u64) -> Rc<RefCell<Turns>> {
        let mut turns = Turns::new(1.0, 1, PLACES);
        turns.come_due(Duration::from_secs(count));
        turns.end();
        Rc::new(RefCell::new(turns))
    }

    fn an_hour_ago() -> Instant {
        Instant::now().checked_sub(HOUR).unwrap()
    }

    #[tokio::test]
    async fn the_first_request_and_all_later_ones_say_the_same() {
        for (protocol, count) in [(Http1, 1), (Http2, 20)] {
            let mut server = Server::default();
            let connection = server.open(protocol, StatusCode::OK).await.unwrap();
            let turns = turns(count);
            connection.go_on(0, Rc::clone(&turns), an_hour_ago()).await.unwrap();
            let mut expected: HeaderMap = BROWSER
                .iter()
                .map(|(name, it)| (name.parse().unwrap(), it.parse().unwrap()))
                .collect();
            expected.insert("cookie", HeaderValue::from_static(COOKIE));
            let uri = match protocol {
                Http1 => {
                    expected.insert("host", HeaderValue::from_static("tv.test"));
                    "/small"
                }
                Http2 => "https://tv.test/small",
            };
            let seen = server.seen.lock().unwrap();
            assert_eq!(seen.len() as u64, 1 + count, "{protocol:?}");
            for request in &*seen {
                assert_eq!((request.method.as_str(), &*request.uri.to_string()), ("GET", uri));
                assert_eq!(request.headers, expected);
            }
        }
    }

    #[tokio::test]
    async fn what_waits_for_its_turn_counts_from_when_it_was_due() {
        for protocol in [Http1, Http2] {
            let (mut server, turns) = (Server::default(), turns(1));
            let connection = server.open(protocol, StatusCode::OK).await.unwrap();
            connection.go_on(0, Rc::clone(&turns), an_hour_ago()).await.unwrap();
            let taken = turns.borrow().taken(Duration::ZERO);
            assert!(
                matches!(*taken, [(_, micros)] if Duration::from_micros(micros) >= HOUR),
                "{taken:?}"
            );
        }
    }

    #[tokio::test]
    async fn another_status_fails() {
        for protocol in [Http1, Http2] {
            for status in [StatusCode::FOUND, StatusCode::NOT_FOUND, StatusCode::BAD_GATEWAY] {
                let opened = Server::default().open(protocol, status).await;
                assert!(
                    matches!(opened, Err(Failure::Status { status: told, .. }) if told == status),
                    "{protocol:?} {opened:?}"
                );
            }
        }
    }

    #[tokio::test]
    async fn an_early_end_fails() {
        for protocol in [Http1, Http2] {
            let (ours, theirs) = duplex(1 << 16);
            drop(theirs);
            let wire = || paced::wire(protocol, PLACES, COOKIE).unwrap();
            assert!(Connection::open(ours, wire()).await.is_err(), "{protocol:?}, at once");

            let mut server = Server::default();
            let connection = server.open(protocol, StatusCode::OK).await.unwrap();
            server.serving.shutdown().await;
            let idle = Rc::new(RefCell::new(Turns::new(1.0, 1, PLACES)));
            let ended = connection.go_on(0, idle, an_hour_ago()).await;
            assert!(ended.is_err(), "{protocol:?}, while nothing is asked");
        }
    }
}
