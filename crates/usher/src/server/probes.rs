//! `health_check_addr`: a listener of its own for those who ask whether usher starts, serves, lives.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};
use http_body_util::Full;
use hyper::{body::Bytes, service::service_fn};
use serde_json::json;
use tokio::net::TcpListener;

use super::{each_core::Core, visit::talk};
use crate::{request::accept::Whose, store::Store};

/// What is said, in Pomerium's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifecycle {
    Running,
    Terminating,
}

/// Answers until it is dropped.
pub(super) async fn serve(listener: Arc<TcpListener>, core: Core, store: Arc<Store>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (core, store) = (core.clone(), Arc::clone(&store));
                core.tasks.clone().spawn_connection(peer, async move {
                    // While the others finish it goes on: that is when it is asked.
                    let admitted = core.shares.admit(Whose::client(peer.ip())).await;
                    let Some(admitted) = admitted else { return };
                    let answer = service_fn(|request| {
                        let response = answer(&request, standing(&core), store.health().err());
                        async move { Ok::<_, Infallible>(response) }
                    });
                    talk(stream, admitted, answer).await;
                });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

fn standing(core: &Core) -> Lifecycle {
    if core.tasks.is_draining() { Lifecycle::Terminating } else { Lifecycle::Running }
}

/// Started, since this listener is the last to open; ready, while nothing is wrong and nobody has
/// asked usher to stop; alive, while it answers: a disk that fails is no better after a restart.
fn answer<B>(
    request: &Request<B>,
    standing: Lifecycle,
    trouble: Option<impl ToString>,
) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let is_ready = standing == Lifecycle::Running && trouble.is_none();
    let path = request.uri().path();
    let status = match path {
        "/readyz" if !is_ready => StatusCode::SERVICE_UNAVAILABLE,
        "/status" | "/startupz" | "/readyz" | "/healthz" => StatusCode::OK,
        _ => return plain(StatusCode::NOT_FOUND, "Not Found\n"),
    };
    let word = match standing {
        Lifecycle::Running => "RUNNING",
        Lifecycle::Terminating => "TERMINATING",
    };
    let proxy = json!({"status": word});
    let storage = match trouble {
        None => json!({"status": word}),
        Some(trouble) => json!({"status": word, "error": trouble.to_string()}),
    };
    let checks = ["proxy.service", "storage.backend"];
    let statuses = json!({"proxy.service": proxy, "storage.backend": storage});
    let all = match path {
        "/status" => json!({"statuses": statuses, "checks": checks}),
        _ => statuses,
    };
    let mut response = plain(status, &format!("{all}\n"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use http::{Method, Request};
    use http_body_util::BodyExt as _;

    use super::{Lifecycle, answer};

    #[tokio::test]
    async fn who_asks_hears_whether_it_starts_serves_and_lives() {
        let (running, ends) = (Lifecycle::Running, Lifecycle::Terminating);
        for (path, standing, trouble, status) in [
            ("/startupz", running, None, 200),
            ("/readyz", running, None, 200),
            ("/healthz", running, None, 200),
            ("/status", running, None, 200),
            ("/readyz", ends, None, 503),
            ("/healthz", ends, None, 200),
            ("/readyz", running, Some("the disk is full"), 503),
            ("/healthz", running, Some("the disk is full"), 200),
            ("/", running, None, 404),
            ("/metrics", running, None, 404),
        ] {
            let request = Request::get(path).body(()).unwrap();
            let response = answer(&request, standing, trouble);
            assert_eq!(response.status(), status, "{path} {standing:?} {trouble:?}");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let body = String::from_utf8(body.to_vec()).unwrap();
            if status != 404 {
                let body: serde_json::Value = serde_json::from_str(&body).unwrap();
                let all = if path == "/status" { &body["statuses"] } else { &body };
                let word = if standing == running { "RUNNING" } else { "TERMINATING" };
                assert_eq!(all["proxy.service"]["status"], word, "{path}");
                assert_eq!(all["storage.backend"]["error"].as_str(), trouble, "{path}");
            }
        }
        let request = Request::builder().method(Method::POST).uri("/readyz").body(()).unwrap();
        assert_eq!(answer(&request, running, None::<&str>).status(), 405);
    }
}
