//! What stands behind usher: endless zeros, a sink, and sockets that answer.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
};

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Either, Empty, Full, combinators::UnsyncBoxBody};
use hyper::{body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
};

use crate::{failure::Failure, zeros::Zeros};

/// An unmasked pong of four bytes (RFC 6455 §5.5.3).
pub const PONG: &[u8] = &[0x8a, 4, b'h', b'e', b'r', b'e'];

/// By which config a request came, where that says so, and what is answered then.
pub const CONFIG: &str = "x-config";
/// The same value, in the answer.
pub const SEEN_CONFIG: &str = "x-seen-config";

/// RFC 6455 §1.3's own example, good for [`super::sockets`]' fixed key.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

type Answer = Response<Either<Zeros, UnsyncBoxBody<Bytes, Infallible>>>;

/// Listens until this program ends.
#[expect(clippy::disallowed_methods, reason = "lives as long as this program")]
pub async fn start() -> Result<SocketAddr, Failure> {
    let anywhere = (Ipv4Addr::LOCALHOST, 0).into();
    let listener = listener(anywhere).map_err(Failure::io("upstream"))?;
    let address = listener.local_addr().map_err(Failure::io("upstream"))?;
    tokio::spawn(serve(listener));
    Ok(address)
}

/// `usher-bench upstream LISTEN`: the same as a program of its own, until it is ended.
pub fn run(mut arguments: impl Iterator<Item = String>) -> Result<bool, Failure> {
    let address = arguments.next().and_then(|word| word.parse().ok());
    let address = address.ok_or(Failure::Usage("usher-bench upstream IP:PORT".into()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::io("runtime"))?.block_on(async {
        serve(listener(address).map_err(Failure::io("upstream"))?).await;
        Ok(true)
    })
}

#[expect(clippy::disallowed_methods, reason = "lives as long as this program")]
async fn serve(listener: TcpListener) {
    while let Ok((tcp, _)) = listener.accept().await {
        tokio::spawn(
            http1::Builder::new()
                .serve_connection(TokioIo::new(tcp), service_fn(answer))
                .with_upgrades(),
        );
    }
}

/// `GET /zeros/N`, `POST /sink`, `POST /sink/N` (refused unless so many octets come), `GET /socket`.
async fn answer(request: Request<Incoming>) -> Result<Answer, hyper::Error> {
    let path = request.uri().path();
    if let Some(length) = path.strip_prefix("/zeros/").and_then(|length| length.parse().ok()) {
        let mut answer = Response::new(Either::Left(Zeros::new(length)));
        if let Some(config) = request.headers().get(CONFIG) {
            answer.headers_mut().insert(SEEN_CONFIG, config.clone());
        }
        return Ok(answer);
    }
    if let Some(length) = path.strip_prefix("/sink/").and_then(|length| length.parse().ok()) {
        return whole(request.into_body(), length).await;
    }
    if request.method() == Method::POST {
        return Ok(text(count(request.into_body()).await?.to_string()));
    }
    if request.headers().contains_key(header::UPGRADE) {
        return Ok(switch(request));
    }
    if request.uri().path() == "/assertion" {
        let assertion = request.headers().get("x-pomerium-jwt-assertion");
        return Ok(text(assertion.and_then(|a| a.to_str().ok()).unwrap_or_default().to_owned()));
    }
    Ok(text("here".into()))
}

/// 200 where so many octets came, else 400: who asks need not read what is answered.
async fn whole(body: Incoming, length: u64) -> Result<Answer, hyper::Error> {
    let came = count(body).await?;
    let mut answer = text(came.to_string());
    if came != length {
        *answer.status_mut() = StatusCode::BAD_REQUEST;
    }
    Ok(answer)
}

async fn count(mut body: Incoming) -> Result<u64, hyper::Error> {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame?.data_ref().map_or(0, Bytes::len) as u64;
    }
    Ok(length)
}

fn text(text: String) -> Answer {
    Response::new(Either::Right(Full::new(Bytes::from(text)).boxed_unsync()))
}

/// Accepts the upgrade; then every message is answered with a pong.
#[expect(clippy::disallowed_methods, reason = "ends with its connection")]
fn switch(request: Request<Incoming>) -> Answer {
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let mut socket = TokioIo::new(upgraded);
        let mut message = [0; 64];
        while let Ok(1..) = socket.read(&mut message).await {
            if socket.write_all(PONG).await.is_err() {
                return;
            }
        }
    });
    let mut answer = Response::new(Either::Right(Empty::new().boxed_unsync()));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    for (name, value) in [
        (header::CONNECTION, "upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_ACCEPT, ACCEPT),
    ] {
        answer.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    answer
}

/// With a queue that a thousand who come at once fit into.
fn listener(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(address)?;
    socket.listen(4096)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn an_upload_that_was_cut_is_refused() {
        let address = start().await.unwrap();
        for (octets, status) in [("hello", "200"), ("hell", "400"), ("hello!", "400")] {
            let length = octets.len();
            let head =
                format!("POST /sink/5 HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(format!("{head}{octets}").as_bytes()).await.unwrap();
            let mut answer = [0; 12];
            socket.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer[9..], status.as_bytes(), "{octets}");
        }
    }
}
