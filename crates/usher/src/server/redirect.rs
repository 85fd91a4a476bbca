//! `http_redirect_addr`: whoever comes without TLS is sent to https, to the same host and path;
//! authorities that look for proof find it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION},
};
use http_body_util::Full;
use hyper::{body::Bytes, service::service_fn};
use tokio::net::{TcpListener, TcpStream};
use usher_rules::{
    names::Authority,
    plan::{HostPattern, Plan},
};

use super::{
    each_core::{Arrived, Core},
    visit::talk,
};
use crate::{
    certs::acme::ChallengeResponses,
    request::{
        Door,
        accept::{Admitted, limits},
    },
};

pub(super) async fn serve(
    listener: Arc<TcpListener>,
    core: Core,
    challenges: Arc<ChallengeResponses>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (core, challenges) = (core.clone(), Arc::clone(&challenges));
                core.tasks.clone().spawn_connection(peer, async move {
                    if let Some(Arrived { stream, admitted, .. }) = core.arrive(stream, peer).await
                    {
                        visit(stream, admitted, &core.door, &challenges).await;
                    }
                });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Somebody speaks plain HTTP where TLS is spoken: it is told so, as a browser would show a
/// garbled page or none.
pub(super) async fn told_to_use_tls(stream: TcpStream, admitted: Admitted, door: &Door) {
    let answer = service_fn(|request| {
        let response = use_tls(&door.plan(), &request);
        async move { Ok::<_, Infallible>(response) }
    });
    talk(stream, admitted, answer).await;
}

fn use_tls<B>(plan: &Plan, request: &Request<B>) -> Response<Full<Bytes>> {
    let host = asked(request).and_then(|asked| public(plan, &asked));
    let there = host.map_or_else(String::new, |host| format!(": https://{host}/"));
    let text =
        format!("This port speaks https, and the request came as plain http. Use https{there}.\n");
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// Does it begin as a request in plain HTTP does? A method is in capitals (RFC 9110 §9.1); a TLS
/// record begins with its type, 22.
pub(super) async fn first_word(stream: &TcpStream) -> FirstWord {
    let mut first = [0];
    let looked = tokio::time::timeout(limits::HANDSHAKE, stream.peek(&mut first)).await;
    match (looked, first) {
        (Ok(Ok(1)), [first]) if first.is_ascii_alphabetic() => FirstWord::PlainHttp,
        (Ok(Ok(1)), _) => FirstWord::Other,
        (Ok(_) | Err(_), _) => FirstWord::None,
    }
}

/// How a connection to a TLS port begins.
pub(super) enum FirstWord {
    /// With a request in plain HTTP.
    PlainHttp,
    /// As TLS does, or with noise.
    Other,
    /// Not within a handshake's time.
    None,
}

/// The one host that a request names.
fn asked<B>(request: &Request<B>) -> Option<Authority> {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) {
        (Some(host), None) => Authority::parse(host).ok(),
        (_, _) => None,
    }
}

async fn visit(
    stream: TcpStream,
    admitted: Admitted,
    door: &Door,
    challenges: &ChallengeResponses,
) {
    let answer = service_fn(|request| {
        let response =
            proof(challenges, &request).unwrap_or_else(|| redirect(&door.plan(), &request));
        async move { Ok::<_, Infallible>(response) }
    });
    talk(stream, admitted, answer).await;
}

/// What an authority looks for that wants proof by HTTP-01 (RFC 8555 §8.3). It comes by whatever
/// name, and must not be sent elsewhere.
fn proof<B>(
    challenges: &ChallengeResponses,
    request: &Request<B>,
) -> Option<Response<Full<Bytes>>> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let authorization = challenges.http(request.uri().path()).filter(|_| reads)?;
    let mut response = Response::new(Full::new(Bytes::from(String::from(authorization))));
    let octets = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(CONTENT_TYPE, octets);
    Some(response)
}

/// To https, for hosts of ours only: a redirect to a host that somebody else chose could be
/// cached for it.
fn redirect<B>(plan: &Plan, request: &Request<B>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    let Some(asked) = asked(request) else {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    };
    let Some(authority) = public(plan, &asked) else {
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let target = if target.starts_with('/') { target } else { "/" };
    match HeaderValue::try_from(format!("https://{authority}{target}")) {
        Ok(location) => {
            // 308 keeps a POST a POST; 301 is what everybody knows, and GET needs no more.
            let get = matches!(*request.method(), Method::GET | Method::HEAD);
            let status =
                if get { StatusCode::MOVED_PERMANENTLY } else { StatusCode::PERMANENT_REDIRECT };
            *response.status_mut() = status;
            response.headers_mut().insert(LOCATION, location);
        }
        Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    response
}

/// The public authority of a host that we serve: the port is the one that its route names.
fn public(plan: &Plan, asked: &Authority) -> Option<String> {
    let host = &asked.host;
    let at = |port: Option<u16>| match port {
        None | Some(443) => host.to_string(),
        Some(port) => format!("{host}:{port}"),
    };
    if let Some(own) = plan.sign_in.own().filter(|own| own.host == *host) {
        return Some(at(Some(own.port)));
    }
    let pages = plan.routes.iter().filter(|route| route.tunnel.is_none());
    let mut from = pages.map(|route| &route.from);
    let page = from.find(|from| from.takes_host(host.as_str())).map(|from| match from {
        HostPattern::Exact { port, .. } | HostPattern::Wildcard { port, .. } => at(*port),
    });
    let tunnel = || plan.tunnel_signing_in_at(&Authority { host: host.clone(), port: None });
    page.or_else(|| tunnel().map(|_| at(None)))
}
