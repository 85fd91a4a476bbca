//! Listening, and the limits that the real server's HTTP layer has.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use crate::{
    discovery,
    film::OpenFilm,
    media_server::MediaServer,
    options::{CinemaOptions, Readiness},
    pipeline,
};

/// Header lines that a request may have.
const HEADER_LINES: usize = 100;

/// Room for a request's head, so that our own limits are met before hyper's.
const HEAD_BUFFER: usize = 128 * 1024;

/// How long a connection may stay without a request, as measured.
const IDLE: Duration = Duration::from_secs(131);

/// How long to wait before accepting again when the system has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why the stand-in did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("can't listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The film's file cannot be looked at.
    #[error("can't open the film")]
    Film(#[source] io::Error),
}

/// The stand-in, before it runs.
#[derive(Debug)]
pub struct Cinema;

impl Cinema {
    /// Opens the port and answers from then on, on tasks of the runtime it is called in.
    ///
    /// # Errors
    /// When the port or the film cannot be opened.
    pub async fn start(options: CinemaOptions) -> Result<RunningCinema, StartError> {
        let film = OpenFilm::open(options.film.clone()).map_err(StartError::Film)?;
        let address = options.bind;
        let failed = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let discovery = match options.discovery {
            true => Some(discovery::open(addr).await.map_err(failed)?),
            false => None,
        };
        let server = Arc::new(MediaServer::new(options, film));
        if let Some(socket) = discovery {
            server.tasks.spawn(discovery::answer(server.clone(), socket));
        }
        server.tasks.spawn(accept(server.clone(), listener));
        Ok(RunningCinema { addr, server })
    }
}

/// A stand-in that answers until [`stop`](Self::stop) is called or this is dropped.
pub struct RunningCinema {
    /// Where it listens.
    pub addr: SocketAddr,
    server: Arc<MediaServer>,
}

impl RunningCinema {
    /// `http://address:port`, without a slash at the end: what a route's `to` says.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Makes it answer 503 as a server does that is still starting, or ends that.
    pub fn set_readiness(&self, readiness: Readiness) {
        self.server.set_readiness(readiness);
    }

    /// How often `POST /System/Restart` has restarted it so far.
    pub fn restarts(&self) -> u64 {
        self.server.state().restarts
    }

    /// Sockets that are open now, of people's sessions.
    pub fn open_sockets(&self) -> usize {
        let state = self.server.state();
        let seats = state.sessions.iter().flat_map(|session| &session.seats);
        seats.filter(|seat| !seat.sender.is_closed()).count()
    }

    /// Cuts every connection and gives the port back.
    pub async fn stop(self) {
        self.server.stopping.cancel();
        self.server.tasks.close();
        self.server.tasks.wait().await;
    }
}

impl std::fmt::Debug for RunningCinema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningCinema").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Drop for RunningCinema {
    fn drop(&mut self) {
        self.server.stopping.cancel();
    }
}

async fn accept(server: Arc<MediaServer>, listener: TcpListener) {
    let stopping = server.stopping.clone();
    while let Some(accepted) = stopping.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => {
                server.tasks.spawn(connection(server.clone(), stream, peer));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn connection(server: Arc<MediaServer>, stream: TcpStream, peer: SocketAddr) {
    // A client that goes away is no news; one that cannot be told "no delay" is served all the same.
    let _slower = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let answer = pipeline::serve(server.clone(), peer.ip(), request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_headers(HEADER_LINES)
        .max_buf_size(HEAD_BUFFER)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let _gone = server.stopping.run_until_cancelled(connection).await;
}
