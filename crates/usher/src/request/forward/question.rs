//! One question to an upstream whether it is well, and what its answer means.

use std::{future::Future, ops::Range, pin::pin};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher_rules::{
    names::Scheme,
    plan::{self, HealthCheck, HealthQuestion, HttpQuestion, Route, Target},
};

use super::{
    ForwardError, Forwarder, UpstreamIo,
    attempt::{Speaks, dialled},
    choose::Outcome,
};
use crate::request::accept::{Protocol, Streams, TaskOwner};

/// Bytes that an app may say before what a check waits for.
const HEARD: usize = 64 * 1024;

/// What an answer of the gRPC health protocol may have.
const GRPC_ANSWER: usize = 1024;

impl Forwarder {
    /// Asks once. The check's own timeout ends it.
    pub(super) async fn ask(&self, route: &Route, target: &Target, check: &HealthCheck) -> Outcome {
        let speaks = match check.asks {
            HealthQuestion::Http(_) => Speaks::of(route),
            HealthQuestion::Grpc { .. } => Speaks::Any,
            HealthQuestion::Tcp { .. } => Speaks::Http1,
        };
        let mut target = target.clone();
        target.upstream.port = check.alt_port.unwrap_or(target.upstream.port);
        let io = match dialled(&self.configs, &target, &route.tls, speaks, check.timeout).await {
            Ok(io) => io,
            Err(error) => return Outcome::NoAnswer(error.to_string().into()),
        };
        let streams =
            || self.tasks.streams_of(TaskOwner::Upstream(target.upstream.authority().into()));
        match &check.asks {
            HealthQuestion::Tcp { send, receive } => listen(io, send, receive).await,
            HealthQuestion::Http(asks) => {
                let is_h2c = target.upstream.scheme == Scheme::H2c && speaks == Speaks::Any;
                let is_http2 = is_h2c || io.is_http2();
                let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
                let Some(request) = http_request(asks, &target, protocol) else {
                    return Outcome::NoAnswer("the question can't be written".into());
                };
                let most = if asks.receive.is_empty() { 0 } else { asks.looked_at };
                match exchange(io, request, protocol, (most, streams)).await {
                    Ok(answer) => judge(&answer, asks),
                    Err(error) => Outcome::NoAnswer(error.to_string().into()),
                }
            }
            HealthQuestion::Grpc { service, authority } => {
                let Some(request) = grpc_request(service, authority.as_ref(), &target) else {
                    return Outcome::NoAnswer("the question can't be written".into());
                };
                match exchange(io, request, Protocol::Http2, (GRPC_ANSWER, streams)).await {
                    Ok(answer) => judge_grpc(&answer),
                    Err(error) => Outcome::NoAnswer(error.to_string().into()),
                }
            }
        }
    }
}

type Question = Request<Full<Bytes>>;

/// What came back, as far as it was read.
struct Answer {
    status: StatusCode,
    fields: HeaderMap,
    body: Vec<u8>,
}

fn target_of(
    target: &Target,
    host: &HeaderValue,
    path: &str,
    protocol: Protocol,
) -> Option<String> {
    Some(match protocol {
        Protocol::Http1 => path.to_owned(),
        Protocol::Http2 => {
            let scheme = if target.upstream.scheme == Scheme::Https { "https" } else { "http" };
            format!("{scheme}://{}{path}", host.to_str().ok()?)
        }
    })
}

fn http_request(asks: &HttpQuestion, target: &Target, protocol: Protocol) -> Option<Question> {
    let host = asks.host.as_ref().unwrap_or(&target.host);
    let uri = target_of(target, host, asks.path.as_str(), protocol)?;
    let body = Full::new(Bytes::copy_from_slice(&asks.send));
    let mut request = Request::builder().method(&asks.method).uri(uri).body(body).ok()?;
    let fields = request.headers_mut();
    let agent = HeaderValue::from_static("usher-health-check");
    fields.insert(header::USER_AGENT, agent);
    if protocol == Protocol::Http1 {
        fields.insert(header::HOST, host.clone());
    }
    for (name, value, action) in &asks.fields {
        match action {
            plan::FieldAction::Append => drop(fields.append(name, value.clone())),
            plan::FieldAction::Overwrite => drop(fields.insert(name, value.clone())),
        }
    }
    for name in &asks.without {
        fields.remove(name);
    }
    Some(request)
}

/// `HealthCheckRequest` has one field, the service's name; before each message of gRPC stand its
/// compression, none, and its length.
fn grpc_request(
    service: &str,
    authority: Option<&HeaderValue>,
    target: &Target,
) -> Option<Question> {
    let host = authority.unwrap_or(&target.host);
    let uri = target_of(target, host, "/grpc.health.v1.Health/Check", Protocol::Http2)?;
    let mut message = Vec::new();
    if !service.is_empty() {
        let length = u8::try_from(service.len()).ok().filter(|length| *length < 0x80)?;
        message.extend([0x0a, length]);
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).ok()?.to_be_bytes();
    let body = [&[0], &length[..], &message].concat();
    Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header(header::USER_AGENT, "usher-health-check")
        .body(Full::new(Bytes::from(body)))
        .ok()
}

async fn exchange(
    io: UpstreamIo,
    request: Question,
    protocol: Protocol,
    (most, streams): (usize, impl Fn() -> Streams),
) -> Result<Answer, ForwardError> {
    let closed = |error: hyper::Error| ForwardError::Closed { source: error.into() };
    match protocol {
        Protocol::Http1 => {
            let shaken = http1::handshake(TokioIo::new(io)).await;
            let (mut sender, connection) = shaken.map_err(closed)?;
            answered(sender.send_request(request), connection, most).await
        }
        Protocol::Http2 => {
            let shaken = http2::Builder::new(streams()).handshake(TokioIo::new(io)).await;
            let (mut sender, connection) = shaken.map_err(closed)?;
            answered(sender.send_request(request), connection, most).await
        }
    }
}

/// The answer and up to `most` octets of its body; the connection is dropped with all that follows.
async fn answered(
    answer: impl Future<Output = hyper::Result<Response<Incoming>>>,
    connection: impl Future<Output = hyper::Result<()>>,
    most: usize,
) -> Result<Answer, ForwardError> {
    let reading = async { read(answer.await?, most).await };
    let (mut reading, mut connection) = (pin!(reading), pin!(connection));
    let read = tokio::select! {
        read = &mut reading => read,
        over = &mut connection => match over {
            Ok(()) => reading.await,
            Err(source) => Err(source),
        },
    };
    read.map_err(|error| ForwardError::Closed { source: error.into() })
}

/// Trailers join the fields: gRPC says there how it went.
async fn read(response: Response<Incoming>, most: usize) -> hyper::Result<Answer> {
    let (head, mut incoming) = response.into_parts();
    let mut answer = Answer { status: head.status, fields: head.headers, body: Vec::new() };
    while answer.body.len() < most
        && let Some(frame) = incoming.frame().await
    {
        match frame?.into_data() {
            Ok(octets) => answer.body.extend_from_slice(&octets),
            Err(other) => answer.fields.extend(other.into_trailers().unwrap_or_default()),
        }
    }
    answer.body.truncate(most);
    Ok(answer)
}

fn judge(answer: &Answer, asks: &HttpQuestion) -> Outcome {
    let status = answer.status.as_u16();
    let is_in = |ranges: &[Range<u16>]| ranges.iter().any(|range| range.contains(&status));
    if is_in(&asks.retriable) && !is_in(&asks.expected) {
        return Outcome::NoAnswer(format!("it answered {status}").into());
    }
    if !is_in(&asks.expected) {
        return Outcome::Unwell(format!("it answered {status}").into());
    }
    match hears(&answer.body, &asks.receive) {
        true => Outcome::Well,
        false => Outcome::Unwell("its answer says something else".into()),
    }
}

/// `HealthCheckResponse` has one field, the status, and 1 is SERVING.
const SERVING: [u8; 7] = [0, 0, 0, 0, 2, 0x08, 1];

fn judge_grpc(answer: &Answer) -> Outcome {
    let status = answer.fields.get("grpc-status").map(HeaderValue::as_bytes);
    match (answer.status, status) {
        (StatusCode::OK, Some(b"0")) if answer.body == SERVING => Outcome::Well,
        (StatusCode::OK, Some(b"0")) => Outcome::Unwell("it is not SERVING".into()),
        (StatusCode::OK, Some(code)) => {
            let code: String = code
                .iter()
                .filter(|b| b.is_ascii_digit())
                .take(3)
                .map(|b| char::from(*b))
                .collect();
            Outcome::Unwell(format!("it answered gRPC status {code}").into())
        }
        (status, _) => Outcome::Unwell(format!("it answered {}, not gRPC", status.as_u16()).into()),
    }
}

/// Says what the check says and hears what it wants to hear, in order.
async fn listen(mut io: UpstreamIo, send: &[u8], receive: &[Box<[u8]>]) -> Outcome {
    let no_answer = |error: std::io::Error| Outcome::NoAnswer(error.to_string().into());
    if !send.is_empty()
        && let Err(error) = async {
            io.write_all(send).await?;
            io.flush().await
        }
        .await
    {
        return no_answer(error);
    }
    let (mut heard, mut piece) = (Vec::new(), [0; 1024]);
    while !hears(&heard, receive) {
        match io.read(&mut piece).await {
            Ok(0) => return Outcome::NoAnswer("it closed the connection".into()),
            Ok(n) => heard.extend_from_slice(piece.get(..n).unwrap_or_default()),
            Err(error) => return no_answer(error),
        }
        if heard.len() > HEARD {
            return Outcome::Unwell("it says something else".into());
        }
    }
    Outcome::Well
}

/// Do these stand in what was heard, in this order?
fn hears(mut heard: &[u8], wanted: &[Box<[u8]>]) -> bool {
    wanted.iter().all(|wanted| {
        let at = heard.windows(wanted.len()).position(|window| *window == **wanted);
        let rest = at.and_then(|at| heard.get(at + wanted.len()..));
        heard = rest.unwrap_or_default();
        rest.is_some()
    })
}
