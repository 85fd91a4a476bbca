//! The proxy, as a tunnel's client speaks with it: HTTP/1.1 over TLS.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{Failure, address::Address, beside};

/// How long the proxy may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A dead network is known a minute later: half of what the server takes (`limits::KEEP_ALIVE`),
/// since somebody waits here, and there nothing but a place is held for who may come back.
const KEEP_ALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(30))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);

/// No certificate was shown, or none that counts there.
const NO_CERTIFICATE: u16 = 495;

/// Where people sign in is said in so many octets at most.
const LOGIN: usize = 64 * 1024;

/// One proxy.
#[derive(Debug)]
pub(super) struct Proxy {
    pub address: Address,
    /// Where it listens, when its name does not lead there.
    pub at: Option<String>,
    pub tls: Arc<ClientConfig>,
}

/// What it says to CONNECT.
pub(super) enum Answer<S> {
    /// Bytes follow.
    Open(S),
    /// Somebody has to sign in.
    SignIn,
}

impl Proxy {
    /// Asks for the tunnel.
    pub(super) async fn open(
        &self,
        token: Option<&str>,
    ) -> Result<Answer<impl AsyncRead + AsyncWrite + Unpin + Send + 'static + use<>>, Failure> {
        let to = &*self.address.to;
        let request = Request::connect(to).header(header::HOST, to);
        let request = match token {
            Some(token) => request.header(header::AUTHORIZATION, format!("Pomerium {token}")),
            None => request,
        };
        let response = self.ask(request).await?;
        match response.status() {
            status if status.is_success() => {
                let opened = hyper::upgrade::on(response).await;
                let opened = opened.map_err(|error| self.unreached(&error))?;
                Ok(Answer::Open(TokioIo::new(opened)))
            }
            StatusCode::FOUND
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
            | StatusCode::UNAUTHORIZED => Ok(Answer::SignIn),
            status if status.as_u16() == NO_CERTIFICATE => Err(self.wants_a_certificate()),
            StatusCode::FORBIDDEN => Err(Failure::Refused { to: to.into() }),
            StatusCode::NOT_FOUND => Err(Failure::NoRoute { to: to.into() }),
            status => Err(Failure::Down { to: to.into(), status }),
        }
    }

    /// The address at which somebody signs this program in, which listens at `redirect`.
    pub(super) async fn login(&self, redirect: &str) -> Result<String, Failure> {
        let host = self.address.origin().trim_start_matches("https://").to_owned();
        let redirect: String = url::form_urlencoded::byte_serialize(redirect.as_bytes()).collect();
        let target = format!("/.pomerium/api/v1/login?pomerium_redirect_uri={redirect}");
        let request = Request::get(target).header(header::HOST, host);
        let response = self.ask(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LOGIN).collect().await.ok();
        let text = body.and_then(|body| String::from_utf8(body.to_bytes().into()).ok());
        let link = text.filter(|text| status.is_success() && text.starts_with("https://"));
        link.map(|link| link.trim().to_owned()).ok_or(Failure::NoLogin { status })
    }

    async fn ask(&self, request: http::request::Builder) -> Result<Response<Incoming>, Failure> {
        let request =
            request.header(header::USER_AGENT, concat!("usher/", env!("CARGO_PKG_VERSION")));
        let request = request.body(Empty::<Bytes>::new());
        let request = request.map_err(|error| self.unreached(&error))?;
        let answered = async {
            let name = ServerName::try_from(self.address.proxy.to_string());
            let name = name.map_err(io::Error::other)?;
            let named = format!("{}:{}", self.address.proxy, self.address.port);
            let stream = TcpStream::connect(self.at.as_ref().unwrap_or(&named)).await?;
            let _slower = stream.set_nodelay(true); // works without
            // A laptop that slept hears that the other end has gone.
            let _unheard = SockRef::from(&stream).set_tcp_keepalive(&KEEP_ALIVE);
            let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?;
            let io = TokioIo::new(stream);
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(io).await.map_err(io::Error::other)?;
            let driven = connection.with_upgrades();
            beside(async move { drop(driven.await) }); // its user hears what became of it
            sender.send_request(request).await.map_err(io::Error::other)
        };
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(answered) => answered.map_err(|error| self.unreached(&error)),
            Err(_) => Err(self.unreached(&"it does not answer")),
        }
    }

    fn wants_a_certificate(&self) -> Failure {
        let why = if self.tls.client_auth_cert_resolver.has_certs() {
            "does not take your certificate: it has ended, or its authority is not trusted there"
        } else {
            "wants a certificate of yours: show it with --client-cert and --client-key"
        };
        Failure::Certificate { proxy: self.address.origin().into(), why }
    }

    fn unreached(&self, why: &dyn std::fmt::Display) -> Failure {
        Failure::Unreached { proxy: self.address.origin().into(), why: why.to_string().into() }
    }
}
