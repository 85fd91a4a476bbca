use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::{ClientConfig, pki_types::ServerName};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpSocket, TcpStream, UdpSocket},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use usher_rules::{names::Upstream, plan::Outbound};

use super::{ForwardError, names, race::race};
use crate::request::accept::limits;

/// A connection to an upstream.
#[derive(Debug)]
pub enum UpstreamIo {
    /// In the clear.
    Plain(TcpStream),
    /// Over TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl UpstreamIo {
    /// Finds out whether the other side is still there, however long nobody says anything. One that
    /// can't be asked is found out by who writes to it.
    pub(super) fn keep_alive(&self) {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        };
        let _asked_or_not = SockRef::from(stream).set_tcp_keepalive(&limits::KEEP_ALIVE);
    }

    /// Our address on this connection.
    pub(super) fn own_end(&self) -> Option<SocketAddr> {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        };
        stream.local_addr().ok()
    }

    /// Did both sides agree on HTTP/2 (RFC 7301)?
    pub fn is_http2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }
}

/// Connects to `upstream`, over TLS when `tls` says how. Each address of its name has `limit` for
/// TCP and TLS together, and they are tried beside each other (RFC 8305).
///
/// # Errors
///
/// [`ForwardError`], one variant per way to fail. Nothing of a request was sent then.
pub(super) async fn dial(
    upstream: &Upstream,
    tls: Option<(Arc<ClientConfig>, Option<&str>)>,
    outbound: &Outbound,
    limit: Duration,
) -> Result<UpstreamIo, ForwardError> {
    let name: Arc<str> = format!("{}:{}", upstream.host, upstream.port).into();
    let tls = match tls {
        None => None,
        Some((config, server_name)) => {
            let server_name = ServerName::try_from(server_name.unwrap_or(&upstream.host));
            let server_name = server_name.map_err(|_| ForwardError::TlsSettings {
                upstream: (&*name).into(),
                why: "`tls_server_name` is no name".into(),
            })?;
            Some((config, server_name.to_owned()))
        }
    };
    let addresses = names::resolve(&upstream.host, upstream.port, outbound)
        .await
        .map_err(|source| ForwardError::Resolve { upstream: (&*name).into(), source })?;
    let from = outbound.source.map(|source| (source, outbound.freebind));
    let won =
        race(addresses, |address| attempt(address, tls.clone(), Arc::clone(&name), (from, limit)));
    match won.await {
        Ok((io, address)) => {
            names::prefer(&upstream.host, address);
            Ok(io)
        }
        Err(error) => {
            names::doubt(&upstream.host, upstream.port);
            Err(error.unwrap_or_else(|| ForwardError::Resolve {
                upstream: (&*name).into(),
                source: io::ErrorKind::NotFound.into(),
            }))
        }
    }
}

/// A socket for datagrams to and from `upstream`'s first address alone. Nobody answers there as yet.
///
/// # Errors
///
/// [`ForwardError::Resolve`] and [`ForwardError::Connect`].
pub(super) async fn dial_udp(
    upstream: &Upstream,
    outbound: &Outbound,
) -> Result<UdpSocket, ForwardError> {
    let name = || -> Box<str> { format!("{}:{}", upstream.host, upstream.port).into() };
    let unknown = |source| ForwardError::Resolve { upstream: name(), source };
    let resolved = names::resolve(&upstream.host, upstream.port, outbound).await;
    let address = resolved.map_err(unknown)?.first().copied();
    let address = address.ok_or_else(|| unknown(io::ErrorKind::NotFound.into()))?;
    let from = match (outbound.source, address) {
        (Some(source), _) => SocketAddr::new(source, 0),
        (None, SocketAddr::V4(_)) => SocketAddr::from(([0; 4], 0)),
        (None, SocketAddr::V6(_)) => SocketAddr::from(([0_u16; 8], 0)),
    };
    let connected = async {
        let socket = UdpSocket::bind(from).await?;
        socket.connect(address).await?;
        Ok(socket)
    };
    connected.await.map_err(|source| ForwardError::Connect { upstream: name(), source })
}

async fn attempt(
    address: SocketAddr,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    name: Arc<str>,
    (from, limit): (Option<(IpAddr, bool)>, Duration),
) -> Result<UpstreamIo, ForwardError> {
    let upstream = || -> Box<str> { (&*name).into() };
    let connecting = async {
        let stream = connect(address, from)
            .await
            .map_err(|source| ForwardError::Connect { upstream: upstream(), source })?;
        let _slower = stream.set_nodelay(true); // works without
        let Some((config, server_name)) = tls else { return Ok(UpstreamIo::Plain(stream)) };
        let stream = TlsConnector::from(config)
            .connect(server_name, stream)
            .await
            .map_err(|source| ForwardError::Tls { upstream: upstream(), source })?;
        Ok(UpstreamIo::Tls(Box::new(stream)))
    };
    match tokio::time::timeout(limit, connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(ForwardError::ConnectTimeout { upstream: upstream(), after: limit }),
    }
}

/// From the address that the config says, or from one that the system picks.
async fn connect(address: SocketAddr, from: Option<(IpAddr, bool)>) -> io::Result<TcpStream> {
    let Some((source, is_free)) = from else { return TcpStream::connect(address).await };
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if is_free {
        let options = SockRef::from(&socket);
        match address {
            SocketAddr::V4(_) => options.set_freebind_v4(true)?,
            SocketAddr::V6(_) => options.set_freebind_v6(true)?,
        }
    }
    socket.bind(SocketAddr::new(source, 0))?;
    socket.connect(address).await
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

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, time::Duration};

    use socket2::{Domain, Socket, Type};
    use tokio::{net::TcpListener, time::Instant};
    use usher_lab::patience::PATIENCE;
    use usher_rules::{names::Upstream, plan::Outbound};

    use super::{UpstreamIo, dial, names};

    /// Its queue is full: who connects hears nothing, as of a machine that is away.
    fn silent() -> (SocketAddr, Vec<Socket>) {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let listener = socket();
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut held = vec![listener];
        for _ in 0..8 {
            let waits = socket();
            waits.set_nonblocking(true).unwrap();
            let _under_way = waits.connect(&address);
            held.push(waits);
        }
        (address.as_socket().unwrap(), held)
    }

    /// RFC 8305 §5: who does not answer costs a quarter of a second, and is not the first next time;
    /// who refuses costs nothing.
    #[tokio::test]
    async fn an_address_that_does_not_answer_is_passed_on_the_wire() {
        let (away, _held) = silent();
        let at = |ip: [u8; 4]| SocketAddr::from((ip, away.port()));
        let (refuses, answers) = (at([127, 0, 0, 3]), at([127, 0, 0, 2]));
        let listener = TcpListener::bind(answers).await.unwrap();
        let upstream = Upstream::parse(&format!("http://tv.example:{}", away.port())).unwrap();
        names::learn("tv.example", away.port(), vec![refuses, away, answers]);
        let began = Instant::now();
        let UpstreamIo::Plain(won) =
            dial(&upstream, None, &Outbound::default(), PATIENCE).await.unwrap()
        else {
            unreachable!("nobody speaks TLS")
        };
        assert_eq!(won.peer_addr().unwrap(), answers);
        assert!(began.elapsed() >= Duration::from_millis(250), "the first had its start");
        assert_eq!(listener.accept().await.unwrap().1, won.local_addr().unwrap());
        let next = names::resolve("tv.example", away.port(), &Outbound::default()).await.unwrap();
        assert_eq!(next, [answers, refuses, away], "who has answered is asked first");
    }
}
