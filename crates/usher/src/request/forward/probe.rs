//! One look at an upstream, as a route would speak with it: for `usher doctor`, which forwards
//! nobody's request.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, combinators::UnsyncBoxBody};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsConnector;
use usher_rules::{
    names::Scheme,
    plan::{Outbound, Target, UpstreamTls},
};

use super::{
    ForwardError, Trust, UpstreamIo,
    dial::{dial, dial_udp},
    exchange::classify,
    tls::{Alpn, ClientConfigs},
    trust::unverified,
};

/// How much of a body is looked at.
const BODY: usize = 64 * 1024;

/// Who asks, where nobody says otherwise.
const USER_AGENT: HeaderValue = HeaderValue::from_static("usher-check");

/// What is wanted of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Its status.
    Status,
    /// The text as well, as far as it is short.
    Text,
}

/// Under what an upstream is asked: its address, its TLS, and how connections leave.
pub type How<'a> = (&'a Target, &'a UpstreamTls, &'a Outbound);

/// A body that is sent with a question, or is only announced.
pub type AskedBody = UnsyncBoxBody<Bytes, Infallible>;

/// How much of an answer is read, and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// So many octets.
    pub longest: usize,
    /// In so long, evenly; zero is as fast as they come. What is read slowly is not kept.
    pub over: Duration,
}

impl From<usize> for Reading {
    fn from(longest: usize) -> Self {
        Self { longest, over: Duration::ZERO }
    }
}

/// What was answered.
#[derive(Debug)]
pub struct Answered {
    /// The status.
    pub status: StatusCode,
    /// Its fields.
    pub fields: HeaderMap,
    /// Its body, as far as it was read and kept.
    pub body: Vec<u8>,
    /// Octets of it that were read.
    pub octets: usize,
    /// Did the body come whole, as far as it was to be read?
    pub is_whole: bool,
    /// Our end of the connection.
    pub from: Option<SocketAddr>,
}

/// Connects to `target` under `tls`, asks for its path with `host` as `Host`, and gives status and
/// text of the answer. Connecting and asking may take `patience` each.
///
/// # Errors
///
/// [`ForwardError`], as a visitor's request would meet it.
pub async fn probe(
    trust: &Trust,
    how: How<'_>,
    host: &HeaderValue,
    want: Want,
    patience: Duration,
) -> Result<(StatusCode, String), ForwardError> {
    if how.0.upstream.scheme == Scheme::Udp {
        let _nobody_answers = dial_udp(&how.0.upstream, how.2).await?;
        return Ok((StatusCode::OK, String::new()));
    }
    let mut request = Request::new(Empty::<Bytes>::new().boxed_unsync());
    *request.uri_mut() = path(how.0).parse().unwrap_or_default();
    request.headers_mut().insert(header::HOST, host.clone());
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    let longest = if want == Want::Text { BODY } else { 0 };
    let answered = ask(trust, how, request, longest, patience).await?;
    Ok((answered.status, String::from_utf8_lossy(&answered.body).into_owned()))
}

/// Connects as [`probe`] does, and asks `request`, whose address is a path and whose `Host` stands in
/// its fields.
///
/// # Errors
///
/// [`ForwardError`], as a visitor's request would meet it.
pub async fn ask(
    trust: &Trust,
    (target, tls, outbound): How<'_>,
    mut request: Request<AskedBody>,
    reading: impl Into<Reading>,
    patience: Duration,
) -> Result<Answered, ForwardError> {
    let (upstream, reading) = (&target.upstream, reading.into());
    // A WebSocket is opened over HTTP/1.1 (RFC 6455 §4.1).
    let is_upgrade = request.headers().contains_key(header::UPGRADE);
    let alpn = if is_upgrade { Alpn::Http1 } else { Alpn::Http2OrHttp1 };
    let secure = match upstream.scheme {
        Scheme::Http | Scheme::H2c | Scheme::Tcp | Scheme::Udp => None,
        Scheme::Https => {
            let configs = ClientConfigs::new(trust.clone());
            let config = configs.for_route(tls, alpn).map_err(|why| ForwardError::TlsSettings {
                upstream: upstream.authority().into(),
                why,
            })?;
            Some((config, tls.server_name.as_deref()))
        }
    };
    let io = dial(upstream, secure, outbound, patience).await?;
    if upstream.scheme == Scheme::Tcp {
        return Ok(Answered::connected()); // it may speak anything
    }
    let from = io.own_end();
    let is_http2 = upstream.scheme == Scheme::H2c || io.is_http2();
    request.headers_mut().entry(header::USER_AGENT).or_insert(USER_AGENT);
    let asked = async {
        match is_http2 {
            true => over_http2(io, upstream.scheme, request, reading).await,
            false => over_http1(io, request, reading).await,
        }
    };
    match tokio::time::timeout(patience, asked).await {
        Ok(Ok(answered)) => Ok(Answered { from, ..answered }),
        Ok(Err(source)) => Err(classify(source)),
        Err(_) => Err(ForwardError::HeadTimeout { after: patience }),
    }
}

/// Does the other side of a plain `target` speak TLS? Whatever it shows.
pub async fn speaks_tls(target: &Target, patience: Duration) -> bool {
    let Ok(builder) = unverified() else { return false };
    let config = Arc::new(builder.with_no_client_auth());
    dial(&target.upstream, Some((config, None)), &Outbound::default(), patience).await.is_ok()
}

/// The certificates that `address` shows to who asks for `name`, leaf first.
///
/// # Errors
///
/// What the network or the handshake says.
pub async fn shown_chain(
    address: SocketAddr,
    name: &str,
    patience: Duration,
) -> io::Result<Vec<CertificateDer<'static>>> {
    let builder = unverified().map_err(io::Error::other)?;
    let config = Arc::new(builder.with_no_client_auth());
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let shaken = async {
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(config).connect(name, stream).await
    };
    let stream = tokio::time::timeout(patience, shaken).await??;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    Ok(chain.iter().map(|one| one.clone().into_owned()).collect())
}

async fn over_http1(
    io: UpstreamIo,
    request: Request<AskedBody>,
    reading: Reading,
) -> Result<Answered, hyper::Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await?;
    driven(connection, async move { read(sender.send_request(request).await?, reading).await })
        .await
}

async fn over_http2(
    io: UpstreamIo,
    scheme: Scheme,
    mut request: Request<AskedBody>,
    reading: Reading,
) -> Result<Answered, hyper::Error> {
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await?;
    let scheme = if scheme == Scheme::Https { "https" } else { "http" };
    let host = request.headers_mut().remove(header::HOST);
    let authority = host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
    let uri = format!("{scheme}://{authority}{}", request.uri());
    *request.uri_mut() = uri.parse().unwrap_or_default();
    driven(connection, async move { read(sender.send_request(request).await?, reading).await })
        .await
}

fn path(target: &Target) -> &str {
    if target.upstream.path.is_empty() { "/" } else { &target.upstream.path }
}

impl Answered {
    fn connected() -> Self {
        let (status, fields, body) = (StatusCode::OK, HeaderMap::new(), Vec::new());
        Self { status, fields, body, octets: 0, is_whole: true, from: None }
    }
}

impl Reading {
    /// When so many octets should have come.
    fn due(self, octets: usize) -> Duration {
        let micros = self.over.as_micros() * octets as u128 / self.longest.max(1) as u128;
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

async fn read(response: Response<Incoming>, reading: Reading) -> Result<Answered, hyper::Error> {
    let (head, mut body) = response.into_parts();
    let (mut kept, mut octets, mut is_whole) = (Vec::new(), 0, true);
    let began = Instant::now();
    while octets < reading.longest {
        match body.frame().await {
            Some(Ok(frame)) => {
                let data = frame.into_data().unwrap_or_default();
                octets += data.len();
                if reading.over.is_zero() {
                    kept.extend_from_slice(&data);
                } else {
                    sleep_until(began + reading.due(octets)).await;
                }
            }
            Some(Err(_cut)) => {
                is_whole = false;
                break;
            }
            None => break,
        }
    }
    let (status, fields) = (head.status, head.headers);
    Ok(Answered { status, fields, body: kept, octets, is_whole, from: None })
}

/// Moves the connection on until `work` is done.
async fn driven<T>(
    connection: impl Future<Output = Result<(), hyper::Error>>,
    work: impl Future<Output = Result<T, hyper::Error>>,
) -> Result<T, hyper::Error> {
    let mut work = pin!(work);
    tokio::select! {
        biased;
        done = &mut work => done,
        // What it left is there: an answer may have come before the connection broke.
        ended = connection => match (work.await, ended) {
            (Err(_), Err(broke)) => Err(broke),
            (done, _) => done,
        },
    }
}
