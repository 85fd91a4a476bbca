//! The proxy, as a tunnel's client speaks with it: HTTP/1.1 over TLS.

use std::{error::Error, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{body::Incoming, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use rustls::{AlertDescription, ClientConfig, pki_types::ServerName};
use serde_json::Value;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use usher_rules::{names::udp_path, plan::Carried};

use super::{Failure, address::Address, beside, renewal::Life};

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

/// How a proxy says that a certificate does not count there, or that there is none.
const CERTIFICATE_ALERTS: [AlertDescription; 8] = [
    AlertDescription::CertificateRequired,
    AlertDescription::BadCertificate,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::CertificateRevoked,
    AlertDescription::CertificateExpired,
    AlertDescription::CertificateUnknown,
    AlertDescription::UnknownCA,
    AlertDescription::AccessDenied,
];

/// Where people sign in is said in so many octets at most.
const LOGIN: usize = 64 * 1024;

/// No session lasts longer, in seconds: a century.
const LONGEST: u64 = 100 * 365 * 24 * 3600;

/// What somebody may reach is said in so many octets at most.
const ROUTES: usize = 8 * 1024 * 1024;

/// One proxy.
#[derive(Debug)]
pub(super) struct Proxy {
    pub address: Address,
    /// Where it listens, when its name does not lead there.
    pub at: Option<String>,
    pub tls: Arc<ClientConfig>,
}

/// What it says to somebody.
pub(super) enum Answer<T> {
    /// What they asked for.
    Open(T),
    /// Somebody has to sign in.
    SignIn,
}

/// What a sign-in is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// A session, and one that is known to their browser will do.
    Session,
    /// One that begins now: what is known ends soon.
    AnotherSession,
}

impl Proxy {
    /// Asks for the tunnel.
    pub(super) async fn open(
        &self,
        token: Option<&str>,
    ) -> Result<Answer<TokioIo<Upgraded>>, Failure> {
        let to = &*self.address.to;
        let request = match self.address.carried {
            Carried::Tcp => Request::connect(to).header(header::HOST, to),
            Carried::Udp => Request::get(udp_path(to)) // RFC 9298 §3.2
                .header(header::HOST, self.host())
                .header(header::CONNECTION, "Upgrade")
                .header(header::UPGRADE, "connect-udp")
                .header("capsule-protocol", "?1"),
        };
        let response = self.ask(with(token, request)).await?;
        let granted = match self.address.carried {
            Carried::Tcp => response.status().is_success(),
            Carried::Udp => response.status() == StatusCode::SWITCHING_PROTOCOLS,
        };
        match response.status() {
            _ if granted => {
                let opened = hyper::upgrade::on(response).await;
                let opened = opened.map_err(|error| self.unreached(&error))?;
                Ok(Answer::Open(TokioIo::new(opened)))
            }
            status if wants_sign_in(status) => Ok(Answer::SignIn),
            status if status.as_u16() == NO_CERTIFICATE => Err(self.wants_a_certificate()),
            StatusCode::FORBIDDEN => Err(Failure::Refused { to: to.into() }),
            StatusCode::NOT_FOUND => Err(Failure::NoRoute { to: to.into() }),
            status => Err(Failure::Down { to: to.into(), status }),
        }
    }

    /// What somebody may reach, as JSON.
    pub(super) async fn routes(&self, token: Option<&str>) -> Result<Answer<String>, Failure> {
        let request = Request::get("/.pomerium/api/v1/routes").header(header::HOST, self.host());
        let response = self.ask(with(token, request)).await?;
        match response.status() {
            StatusCode::OK => {
                let body = Limited::new(response.into_body(), ROUTES).collect().await;
                let body = body.map_err(|error| self.unreached(&error))?.to_bytes();
                Ok(Answer::Open(String::from_utf8_lossy(&body).into_owned()))
            }
            status if wants_sign_in(status) => Ok(Answer::SignIn),
            status => Err(Failure::NoRoutes { proxy: self.address.origin().into(), status }),
        }
    }

    /// How long the token's session lasts; nothing where it counts no more, and where the proxy has no
    /// word for it.
    pub(super) async fn life(&self, token: &str) -> Result<Option<Life>, Failure> {
        let request = Request::get("/.pomerium/api/v1/session").header(header::HOST, self.host());
        let request = request.header(header::ACCEPT, "application/json");
        let response = self.ask(with(Some(token), request)).await?;
        if response.status() != StatusCode::OK {
            return Ok(None);
        }
        let body = Limited::new(response.into_body(), LOGIN).collect().await.ok();
        let said: Option<Value> =
            body.and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
        let seconds = |name: &str| {
            let seconds = said.as_ref()?.get(name)?.as_u64()?;
            Some(Duration::from_secs(seconds.min(LONGEST)))
        };
        let life = seconds("expires_in").zip(seconds("lifetime"));
        Ok(life.map(|(left, whole)| Life { left, whole }))
    }

    /// The address at which somebody signs this program in, which listens at `redirect`.
    pub(super) async fn login(&self, redirect: &str, wants: Wants) -> Result<String, Failure> {
        let redirect: String = url::form_urlencoded::byte_serialize(redirect.as_bytes()).collect();
        let anew = match wants {
            Wants::Session => "",
            Wants::AnotherSession => "&usher_prompt=login",
        };
        let target = format!("/.pomerium/api/v1/login?pomerium_redirect_uri={redirect}{anew}");
        let request = Request::get(target).header(header::HOST, self.host());
        let response = self.ask(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LOGIN).collect().await.ok();
        let text = body.and_then(|body| String::from_utf8(body.to_bytes().into()).ok());
        let link = text.filter(|text| status.is_success() && text.starts_with("https://"));
        link.map(|link| link.trim().to_owned()).ok_or(Failure::NoLogin { status })
    }

    /// The proxy as `Host` names it.
    fn host(&self) -> String {
        self.address.origin().trim_start_matches("https://").to_owned()
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
            Ok(answered) => answered.map_err(|error| match is_about_a_certificate(&error) {
                true => self.wants_a_certificate(),
                false => self.unreached(&error),
            }),
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

/// Did the proxy end the connection for our certificate, or since we showed none (`enforcement:
/// reject_connection`)? It has no other reason for these alerts (RFC 8446 §6.2).
fn is_about_a_certificate(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::AlertReceived(alert)) = error.downcast_ref() {
            return CERTIFICATE_ALERTS.contains(alert);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

fn with(token: Option<&str>, request: http::request::Builder) -> http::request::Builder {
    match token {
        Some(token) => request.header(header::AUTHORIZATION, format!("Pomerium {token}")),
        None => request,
    }
}

const fn wants_sign_in(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::FOUND
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
            | StatusCode::UNAUTHORIZED
    )
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::Value;

    use super::wants_sign_in;

    /// As the newest pomerium-cli reads them.
    #[test]
    fn a_status_asks_for_a_sign_in_where_it_does_to_pomerium_cli() {
        let recorded = include_str!("../../../tests/front_door/corpus/cli_statuses.json");
        let recorded: Vec<Value> = serde_json::from_str(recorded).unwrap();
        assert_eq!(recorded.len(), 14);
        for one in recorded {
            let status = u16::try_from(one["status"].as_u64().unwrap()).unwrap();
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(wants_sign_in(status), one["signs_in_0.33.1"] == true, "{status}");
        }
    }
}
