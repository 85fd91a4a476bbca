//! One look at an upstream, as a route would speak with it: for `usher check --live`, which
//! forwards nobody's request.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
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

/// What is wanted of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Its status.
    Status,
    /// The text as well, as far as it is short.
    Text,
}

/// Connects to `target` under `tls`, asks for its path with `host` as `Host`, and gives status and
/// text of the answer. Connecting and asking may take `patience` each.
///
/// # Errors
///
/// [`ForwardError`], as a visitor's request would meet it.
pub async fn probe(
    trust: &Trust,
    (target, tls, outbound): (&Target, &UpstreamTls, &Outbound),
    host: &HeaderValue,
    want: Want,
    patience: Duration,
) -> Result<(StatusCode, String), ForwardError> {
    let upstream = &target.upstream;
    if upstream.scheme == Scheme::Udp {
        let _nobody_answers = dial_udp(upstream, outbound).await?;
        return Ok((StatusCode::OK, String::new()));
    }
    let secure = match upstream.scheme {
        Scheme::Http | Scheme::H2c | Scheme::Tcp | Scheme::Udp => None,
        Scheme::Https => {
            let configs = ClientConfigs::new(trust.clone());
            let config = configs.for_route(tls, Alpn::Http2OrHttp1).map_err(|why| {
                ForwardError::TlsSettings { upstream: upstream.authority().into(), why }
            })?;
            Some((config, tls.server_name.as_deref()))
        }
    };
    let io = dial(upstream, secure, outbound, patience).await?;
    if upstream.scheme == Scheme::Tcp {
        return Ok((StatusCode::OK, String::new())); // it may speak anything
    }
    let is_http2 = upstream.scheme == Scheme::H2c || io.is_http2();
    let asked = async {
        match is_http2 {
            true => over_http2(io, target, host, want).await,
            false => over_http1(io, target, host, want).await,
        }
    };
    match tokio::time::timeout(patience, asked).await {
        Ok(Ok(answer)) => Ok(answer),
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
    target: &Target,
    host: &HeaderValue,
    want: Want,
) -> Result<(StatusCode, String), hyper::Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = path(target).parse().unwrap_or_default();
    fill(&mut request);
    request.headers_mut().insert(header::HOST, host.clone());
    driven(connection, async move { read(sender.send_request(request).await?, want).await }).await
}

async fn over_http2(
    io: UpstreamIo,
    target: &Target,
    host: &HeaderValue,
    want: Want,
) -> Result<(StatusCode, String), hyper::Error> {
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await?;
    let mut request = Request::new(Empty::<Bytes>::new());
    let scheme = if target.upstream.scheme == Scheme::Https { "https" } else { "http" };
    let authority = host.to_str().unwrap_or_default();
    let uri = format!("{scheme}://{authority}{}", path(target));
    *request.uri_mut() = uri.parse().unwrap_or_default();
    fill(&mut request);
    driven(connection, async move { read(sender.send_request(request).await?, want).await }).await
}

fn path(target: &Target) -> &str {
    if target.upstream.path.is_empty() { "/" } else { &target.upstream.path }
}

fn fill<B>(request: &mut Request<B>) {
    let fields = request.headers_mut();
    fields.insert(header::USER_AGENT, HeaderValue::from_static("usher-check"));
    fields.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
}

async fn read(
    response: Response<Incoming>,
    want: Want,
) -> Result<(StatusCode, String), hyper::Error> {
    let status = response.status();
    let mut body = response.into_body();
    let mut text = Vec::new();
    while want == Want::Text && text.len() < BODY {
        let Some(frame) = body.frame().await else { break };
        if let Some(octets) = frame?.data_ref() {
            text.extend_from_slice(octets);
        }
    }
    Ok((status, String::from_utf8_lossy(&text).into_owned()))
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
        ended = connection => {
            ended?;
            work.await // what it left is there
        }
    }
}
