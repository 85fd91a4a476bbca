//! `metrics_address`: a listener of its own for Prometheus, off unless it is asked for. The public
//! address never serves figures (`pomerium-protocols.md` T17, CVE-2022-24797).

mod exposition;
mod guard;

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use http_body_util::Full;
use hyper::{body::Bytes, service::service_fn};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use usher_rules::plan::Level;

pub(super) use exposition::Exposition;
pub(super) use guard::Guard;
pub use guard::GuardError;

use super::visit;
use crate::request::{
    EventField, EventName,
    accept::{Admitted, Whose, limits},
};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers readers until it is dropped.
pub(super) async fn serve(
    listener: Arc<TcpListener>,
    exposition: Arc<Exposition>,
    mut guard: Guard,
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Err(error) = guard.follow(&exposition.door.plan()) {
                    let event = exposition.recorder.event(
                        Level::Error,
                        EventName::Metrics,
                        exposition.clock.now(),
                    );
                    let event =
                        event.with(EventField::Cause, &error).with(EventField::Hint, error.hint());
                    event
                        .with(EventField::Effect, "what was in force for readers stays so")
                        .write();
                }
                let (exposition, guard) = (Arc::clone(&exposition), guard.clone());
                exposition.tasks.clone().spawn_connection(peer, async move {
                    // It has a share as everybody has: a port for few is no port for one alone.
                    let admitted = tokio::select! {
                        admitted = exposition.shares.admit(Whose::client(peer.ip())) => admitted,
                        () = exposition.tasks.draining() => None,
                    };
                    if let Some(admitted) = admitted {
                        visit(stream, admitted, exposition, guard).await;
                    }
                });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn visit(stream: TcpStream, admitted: Admitted, exposition: Arc<Exposition>, guard: Guard) {
    match guard.tls() {
        Some(tls) => {
            let accepted = tokio::select! {
                accepted = timeout(limits::HANDSHAKE, tls.accept(stream)) => accepted,
                () = admitted.must_go() => return,
            };
            if let Ok(Ok(stream)) = accepted {
                talk(stream, admitted, exposition, guard).await;
            }
        }
        None => talk(stream, admitted, exposition, guard).await,
    }
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin,
    admitted: Admitted,
    exposition: Arc<Exposition>,
    guard: Guard,
) {
    let answer = service_fn(|request| {
        let (exposition, guard) = (Arc::clone(&exposition), guard.clone());
        async move { Ok::<_, Infallible>(answer(&request, exposition, &guard).await) }
    });
    visit::talk(stream, admitted, answer).await;
}

async fn answer<B>(
    request: &Request<B>,
    exposition: Arc<Exposition>,
    guard: &Guard,
) -> Response<Full<Bytes>> {
    if !guard.lets_in(request.headers().get(AUTHORIZATION)) {
        let mut response = said(StatusCode::UNAUTHORIZED, "give the user and the password\n");
        let challenge = HeaderValue::from_static("Basic realm=\"metrics\", charset=\"UTF-8\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        return response;
    }
    if request.uri().path() != "/metrics" {
        return said(StatusCode::NOT_FOUND, "figures are at /metrics\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = said(StatusCode::METHOD_NOT_ALLOWED, "figures are only read\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let Ok(_turn) = exposition.turn.acquire().await else {
        return said(StatusCode::SERVICE_UNAVAILABLE, "too late\n");
    };
    // What becomes of certificates lies on the disk.
    let written = {
        let exposition = Arc::clone(&exposition);
        tokio::task::spawn_blocking(move || exposition.write()).await
    };
    match written {
        Ok(Ok(text)) => {
            let mut response = Response::new(Full::new(Bytes::from(text)));
            let fields = response.headers_mut();
            fields.insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
            fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Ok(Err(_)) | Err(_) => said(StatusCode::INTERNAL_SERVER_ERROR, "figures can't be told\n"),
    }
}

fn said(status: StatusCode, words: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(words.as_bytes())));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
