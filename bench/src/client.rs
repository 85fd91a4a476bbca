//! A client of usher over TLS on loopback.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, client::conn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{certificate::Certificate, failure::Failure, zeros::Zeros};

/// Which HTTP a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Protocol {
    /// As in the tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// Where usher listens, and how to trust it.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    host: &'static str,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

/// A connection that requests can be sent on.
#[derive(Debug)]
pub enum Connection {
    /// Speaks HTTP/1.1.
    Http1(conn::http1::SendRequest<Zeros>),
    /// Speaks HTTP/2.
    Http2(conn::http2::SendRequest<Zeros>),
}

impl Client {
    /// A client of the usher at `address` that asks for `host`.
    pub fn new(
        address: SocketAddr,
        host: &'static str,
        trust: &Certificate,
    ) -> Result<Self, Failure> {
        let (http1, http2) = (trust.client(b"http/1.1")?, trust.client(b"h2")?);
        Ok(Self { address, host, http1, http2 })
    }

    /// A TLS connection on which nothing was said yet.
    pub async fn tls(&self, protocol: Protocol) -> Result<TlsStream<TcpStream>, Failure> {
        self.tls_from(Ipv4Addr::LOCALHOST, protocol).await
    }

    /// The same from another address of loopback: to usher, another client.
    pub async fn tls_from(
        &self,
        from: Ipv4Addr,
        protocol: Protocol,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let config = match protocol {
            Protocol::Http1 => &self.http1,
            Protocol::Http2 => &self.http2,
        };
        let socket = TcpSocket::new_v4().map_err(Failure::io("socket"))?;
        socket.bind((from, 0).into()).map_err(Failure::io("bind"))?;
        let tcp = socket.connect(self.address).await.map_err(Failure::io("connect"))?;
        tcp.set_nodelay(true).map_err(Failure::io("nodelay"))?;
        let name = ServerName::try_from(self.host).map_err(Failure::exchange(self.host))?;
        TlsConnector::from(Arc::clone(config))
            .connect(name, tcp)
            .await
            .map_err(Failure::io("TLS handshake"))
    }

    /// A connection that speaks HTTP.
    pub async fn connect(&self, protocol: Protocol) -> Result<Connection, Failure> {
        self.connect_from(Ipv4Addr::LOCALHOST, protocol).await
    }

    /// The same from another address of loopback.
    #[expect(clippy::disallowed_methods, reason = "ends with the connection that it drives")]
    pub async fn connect_from(
        &self,
        from: Ipv4Addr,
        protocol: Protocol,
    ) -> Result<Connection, Failure> {
        let io = TokioIo::new(self.tls_from(from, protocol).await?);
        match protocol {
            Protocol::Http1 => {
                let (sender, driver) =
                    conn::http1::handshake(io).await.map_err(Failure::exchange("HTTP/1.1"))?;
                tokio::spawn(driver);
                Ok(Connection::Http1(sender))
            }
            Protocol::Http2 => {
                let (sender, driver) = conn::http2::Builder::new(TokioExecutor::new())
                    .initial_stream_window_size(1 << 20)
                    .initial_connection_window_size(4 << 20)
                    .handshake(io)
                    .await
                    .map_err(Failure::exchange("HTTP/2"))?;
                tokio::spawn(driver);
                Ok(Connection::Http2(sender))
            }
        }
    }

    /// Whom the requests are for.
    pub const fn host(&self) -> &'static str {
        self.host
    }

    /// Sends `method` for `path` with a body of `length` zeros; anything but 200 is a failure.
    pub async fn send(
        &self,
        on: &mut Connection,
        method: http::Method,
        path: &str,
        length: u64,
    ) -> Result<Response<Incoming>, Failure> {
        let what = format!("{method} {path}");
        let builder = Request::builder().method(method);
        let response = match on {
            Connection::Http1(sender) => {
                let request = builder.uri(path).header("host", self.host).body(Zeros::new(length));
                sender.send_request(request.map_err(Failure::exchange(&what))?).await
            }
            Connection::Http2(sender) => {
                let uri = format!("https://{}{path}", self.host);
                let request = builder.uri(uri).body(Zeros::new(length));
                sender.send_request(request.map_err(Failure::exchange(&what))?).await
            }
        }
        .map_err(Failure::exchange(&what))?;
        match response.status() {
            StatusCode::OK => Ok(response),
            status => Err(Failure::Status { what, status }),
        }
    }
}
