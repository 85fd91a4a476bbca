use std::{
    cell::RefCell,
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use usher_rules::names::Upstream;

use super::ForwardError;

/// How long an upstream may take to accept a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a resolved name is believed. `getaddrinfo` tells no lifetime.
const RESOLVED: Duration = Duration::from_secs(5);

/// Host and port → when it was resolved, and to what.
type Names = HashMap<(Box<str>, u16), (Instant, Vec<SocketAddr>)>;

thread_local! {
    static NAMES: RefCell<Names> = RefCell::default();
}

/// A connection to an upstream.
#[derive(Debug)]
pub enum UpstreamIo {
    /// In the clear.
    Plain(TcpStream),
    /// Over TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects to `upstream`, over TLS when `tls` says how.
///
/// # Errors
///
/// [`ForwardError`], one variant per way to fail.
pub async fn dial(
    upstream: &Upstream,
    tls: Option<(Arc<ClientConfig>, Option<&str>)>,
) -> Result<UpstreamIo, ForwardError> {
    let name = || -> Box<str> { format!("{}:{}", upstream.host, upstream.port).into() };
    let connecting = async {
        let stream = connect(upstream).await?;
        match tls {
            None => Ok(UpstreamIo::Plain(stream)),
            Some((config, server_name)) => {
                let server_name = server_name.unwrap_or(&upstream.host).to_owned();
                let server_name =
                    server_name.try_into().map_err(|_| ForwardError::TlsSettings {
                        upstream: name(),
                        why: "`tls_server_name` is no name".into(),
                    })?;
                let stream = TlsConnector::from(config)
                    .connect(server_name, stream)
                    .await
                    .map_err(|source| ForwardError::Tls { upstream: name(), source })?;
                Ok(UpstreamIo::Tls(Box::new(stream)))
            }
        }
    };
    match tokio::time::timeout(CONNECT, connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(ForwardError::ConnectTimeout { upstream: name(), after: CONNECT }),
    }
}

async fn connect(upstream: &Upstream) -> Result<TcpStream, ForwardError> {
    let name = || -> Box<str> { format!("{}:{}", upstream.host, upstream.port).into() };
    let addresses = resolve(&upstream.host, upstream.port)
        .await
        .map_err(|source| ForwardError::Resolve { upstream: name(), source })?;
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true); // slower without, not wrong
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    forget(&upstream.host, upstream.port);
    Err(ForwardError::Connect { upstream: name(), source: last })
}

/// Addresses of a name, IPv4 first (`dns_lookup_family` V4_PREFERRED).
async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let now = Instant::now();
    let key = (Box::<str>::from(host), port);
    let known = NAMES.with_borrow(|names| {
        names.get(&key).filter(|(at, _)| now - *at < RESOLVED).map(|(_, found)| found.clone())
    });
    if let Some(known) = known {
        return Ok(known);
    }
    let mut found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    if found.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    NAMES.with_borrow_mut(|names| names.insert(key, (now, found.clone())));
    Ok(found)
}

fn forget(host: &str, port: u16) {
    NAMES.with_borrow_mut(|names| names.remove(&(host.into(), port)));
}

impl AsyncRead for UpstreamIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
