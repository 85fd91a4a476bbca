//! What a head may ask for: tunnels, hosts in other letters.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use usher_lab::upstream::Upstream;

use crate::test_server::{TestServer, config, public};

/// RFC 8441 §4 opens WebSockets here and nothing else: a tunnel of another protocol would carry
/// what no policy looks at. The connection and what runs on it live on.
#[tokio::test]
async fn extended_connect_opens_websockets_and_nothing_else() {
    let app = Upstream::echo();
    let text = "- from: https://tv.test
  path: /text
  response: {status: 200, body: here}
  allow_websockets: true
  allow_public_unauthenticated_access: true
";
    let server = TestServer::open(&config(&[text.into(), public("tv.test", app.address)])).await;
    let io = TokioIo::new(server.browser().connect_http2("tv.test").await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let get = || Request::get("https://tv.test/page").body(Empty::<Bytes>::new()).unwrap();
    let settled = sender.send_request(get()).await.unwrap(); // and with it the server's settings
    assert_eq!(settled.status(), StatusCode::OK);
    for (protocol, expected) in [
        ("connect-udp", 501),
        ("connect-ip", 501),
        ("webtransport", 501),
        ("h2c", 501),
        ("WebSocket", 501),
        ("websocket ", 501),
    ] {
        for path in ["/socket", "/.pomerium/"] {
            let request = Request::connect(format!("https://tv.test{path}"))
                .extension(Protocol::from_static(protocol))
                .header("sec-websocket-version", "13")
                .body(Empty::<Bytes>::new())
                .unwrap();
            let before = app.heads().len();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.status().as_u16(), expected, "{protocol} {path}");
            assert!(!response.headers().contains_key("sec-websocket-accept"));
            let _page = response.into_body().collect().await.unwrap();
            assert_eq!(app.heads().len(), before, "{protocol}: nothing reached the app");
        }
    }
    // A page is no socket: with 2xx it would say so, and was reset instead.
    for (path, expected) in [("/echo", 502), ("/.pomerium/", 403), ("/ping", 403), ("/text", 403)] {
        let request = Request::connect(format!("https://tv.test{path}"))
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .body(Empty::<Bytes>::new())
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status().as_u16(), expected, "{path}");
        let _page = response.into_body().collect().await.unwrap();
    }
    let plain = Request::connect("tv.test:443").body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(plain).await.unwrap();
    assert!(response.status().is_client_error() || response.status().is_server_error());
    let alive = sender.send_request(get()).await.unwrap();
    assert_eq!(alive.status(), StatusCode::OK, "the connection lives on");
}

/// `from: https://*.bücherei.test` is asked for as browsers write it.
#[tokio::test]
async fn a_wildcard_in_other_letters_takes_its_hosts() {
    let app = Upstream::echo();
    let route = public("*.bücherei.test", app.address).replace("https://*", "'https://*");
    let route = route.replace("bücherei.test\n", "bücherei.test'\n");
    let text = format!("authenticate_service_url: https://auth.test\n{}", config(&[route]));
    let server = TestServer::open(&text).await;
    let mut browser = server.browser();
    let seen = browser.fetch("https://tv.xn--bcherei-n2a.test/").await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
}
