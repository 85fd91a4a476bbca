//! What crosses the door and what does not: methods, fields, trailers, lengths, bodies.

use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper_util::rt::{TokioExecutor, TokioIo};
use usher_lab::{
    browser::{Browser, FETCH},
    upstream::{Exchange, Upstream, field},
};

use crate::{
    test_server::{ANN, TestServer, config, friends, public},
    wire::{say, status},
};

/// Answers with what came: head, body and trailers.
fn recorder() -> Upstream {
    Upstream::start(async |exchange: &mut Exchange| {
        let body = exchange.body().await?;
        let body = String::from_utf8_lossy(&body).into_owned();
        let text = format!("{}\r\nbody: {body}\r\ntrailers: {}", exchange.head, exchange.trailers);
        exchange.reply(200, "content-type: text/plain\r\n", text.as_bytes()).await
    })
}

/// A request over HTTP/2, as it is given, and the body of its answer.
async fn over_http2(
    browser: &Browser,
    request: http::request::Builder,
    frames: Vec<Frame<Bytes>>,
) -> (StatusCode, String) {
    let tls = browser.connect_http2("tv.test").await;
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder.handshake(TokioIo::new(tls)).await.unwrap();
    tokio::spawn(connection);
    let frames = frames.into_iter().map(Ok::<_, std::convert::Infallible>);
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let request: Request<_> = request.body(body).unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, String::from_utf8_lossy(&body).into_owned())
}

/// `delete` passed a deny on `DELETE` and reached apps that fold case.
#[tokio::test]
async fn methods_are_registered_or_configured_and_in_capitals() {
    let upstream = Upstream::echo();
    let route = format!(
        "- from: https://tv.test
  to: http://{}
  policy:
  - allow: {{and: [accept: true]}}
  - deny: {{or: [{{http_method: {{is: DELETE}}}}]}}
",
        upstream.address
    );
    let text = format!("additional_methods: [PURGE]\n{}", config(&[route]));
    let server = TestServer::open(&text).await;
    for (method, expected) in [
        ("GET", 200),
        ("PROPFIND", 200),
        ("VERSION-CONTROL", 200),
        ("QUERY", 200),
        ("PURGE", 200),
        ("DELETE", 403),
        ("delete", 400),
        ("Delete", 400),
        ("DELETe", 400),
        ("get", 400),
        ("purge", 400),
        ("DEBUG", 400),
        ("GET-", 400),
        ("X", 400),
    ] {
        let before = upstream.heads().len();
        let request = format!(
            "{method} /x HTTP/1.1\r\nhost: tv.test\r\nsec-fetch-mode: cors\r\nconnection: close\r\n\r\n"
        );
        let answer = say(&server.browser(), "tv.test", request.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{method}");
        let came = upstream.heads().len() - before;
        assert_eq!(came, usize::from(expected == 200), "{method}");
        let url = "https://tv.test/x";
        let mut browser = server.browser().over_http2();
        let seen = browser.send(method.parse().unwrap(), url, FETCH, "").await;
        assert_eq!(seen.status.as_u16(), expected, "HTTP/2 {method}");
    }
    let refused = crate::test_server::compiles(&text.replace("PURGE", "purge"));
    assert!(!refused, "a method in small letters in the config");
}

/// Trailers are fields by another door.
#[tokio::test]
async fn trailers_pass_the_same_table_as_heads() {
    let upstream = recorder();
    let mut route = friends("tv.test", upstream.address);
    route.push_str("  set_request_headers: {X-Auth-Team: red}\n");
    let server = TestServer::open(&config(&[route])).await;
    let ann = server.signed_in("https://tv.test/", ANN).await;
    let cookie = ann.cookies("tv.test").unwrap();
    let lies = [
        ("x-pomerium-jwt-assertion", "lie"),
        ("X_Pomerium_Claim_Email", "lie"),
        ("x_auth_team", "lie"),
        ("remote-user", "lie"),
        ("x-forwarded-for", "192.0.2.9"),
        ("authorization", "Bearer lie"),
        ("cookie", "lie=1"),
        ("host", "lie.test"),
        ("content-length", "3"),
        ("x-request-id", "lie"),
    ];
    let names: Vec<&str> = lies.iter().map(|(name, _)| *name).collect();
    let lines: String = lies.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "POST /x HTTP/1.1\r\nhost: tv.test\r\ncookie: {cookie}\r\nconnection: close\r\n\
         trailer: x-checksum, {}\r\ntransfer-encoding: chunked\r\n\r\n\
         3\r\nabc\r\n0\r\nx-checksum: 77\r\n{lines}\r\n",
        names.join(", ")
    );
    let answer = say(&server.browser(), "tv.test", request.as_bytes()).await;
    let trailers = answer.split("\r\ntrailers: ").nth(1).expect(&answer);
    assert!(answer.contains("body: abc"), "{answer}");
    assert!(trailers.contains("x-checksum: 77"), "{answer}");
    for (name, _) in &lies {
        assert!(!trailers.to_ascii_lowercase().contains(&name.to_ascii_lowercase()), "{answer}");
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", "77".parse().unwrap());
    trailers.insert("x-pomerium-jwt-assertion", "lie".parse().unwrap());
    trailers.insert("remote_user", "lie".parse().unwrap());
    let request = Request::post("https://tv.test/x")
        .header("cookie", cookie)
        .header("trailer", "x-checksum, x-pomerium-jwt-assertion, remote_user");
    let frames = vec![Frame::data(Bytes::from("abc")), Frame::trailers(trailers)];
    let (status, answer) = over_http2(&server.browser(), request, frames).await;
    assert_eq!(status, StatusCode::OK);
    let trailers = answer.split("\r\ntrailers: ").nth(1).unwrap();
    assert!(trailers.contains("x-checksum: 77"), "{answer}");
    assert!(!trailers.contains("lie"), "{answer}");
}

/// The other way: what gRPC says passes, what sets a session or steers a browser does not.
#[tokio::test]
async fn trailers_of_apps_pass_the_table_too() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        exchange
            .send(
                "HTTP/1.1 200 OK\r\ntrailer: grpc-status, set-cookie, location, alt-svc\r\n\
                 transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\ngrpc-status: 0\r\n\
                 set-cookie: _pomerium=lie\r\nlocation: https://lie.test/\r\nalt-svc: h3\r\n\r\n",
            )
            .await
    });
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let mut browser = server.browser().over_http2();
    let seen = browser.send(Method::GET, "https://tv.test/", &[("te", "trailers")], "").await;
    let trailers = seen.trailers.unwrap();
    assert_eq!(trailers.get("grpc-status").unwrap(), "0");
    assert_eq!(trailers.len(), 1, "{trailers:?}");
}

/// Two equal lengths, in two lines or in one, leave as one, both ways; different ones are refused.
#[tokio::test]
async fn equal_lengths_leave_as_one() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        exchange.body().await?;
        let lines = match exchange.target().1 {
            "/two" => "content-length: 2\r\ncontent-length: 2\r\n",
            "/list" => "content-length: 2, 2\r\n",
            _ => "content-length: 2\r\n",
        };
        exchange.send(format!("HTTP/1.1 200 OK\r\n{lines}\r\nok")).await
    });
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    for (lines, expected) in [
        ("content-length: 3\r\ncontent-length: 3\r\n", 200),
        ("content-length: 3, 3\r\n", 400), // not one length on one line: refused (RFC 9112 §6.3)
        ("content-length: 3\r\ncontent-length: 4\r\n", 400),
        ("content-length: 3, 4\r\n", 400),
    ] {
        let request =
            format!("POST / HTTP/1.1\r\nhost: tv.test\r\nconnection: close\r\n{lines}\r\nabc");
        let answer = say(&server.browser(), "tv.test", request.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{lines}");
        if expected == 200 {
            let head = upstream.last();
            assert_eq!(head.matches("content-length").count(), 1, "{head}");
            assert_eq!(field(&head, "content-length").as_deref(), Some("3"), "{head}");
        }
    }
    for path in ["/two", "/list"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: tv.test\r\nconnection: close\r\n\r\n");
        let answer = say(&server.browser(), "tv.test", request.as_bytes()).await;
        assert_eq!(answer.matches("content-length: 2\r\n").count(), 1, "{path}: {answer}");
        assert_eq!(answer.matches("content-length").count(), 1, "{path}: {answer}");
    }
}

/// The pieces of `Cookie` are one field, toward the app and in the count.
#[tokio::test]
async fn cookie_crumbs_are_one_field() {
    let upstream = recorder();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let mut request = Request::get("https://tv.test/");
    for n in 0..120 {
        request = request.header("cookie", format!("c{n}={n}"));
    }
    let (status, answer) = over_http2(&server.browser(), request, vec![]).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer.matches("cookie: ").count(), 1, "{answer}");
    assert!(field(&answer, "cookie").unwrap().starts_with("c0=0; c1=1; c2=2; "), "{answer}");
    let mut request = Request::get("https://tv.test/");
    for n in 0..101 {
        request = request.header(format!("x-{n}"), "1");
    }
    let (status, _) = over_http2(&server.browser(), request, vec![]).await;
    assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

/// A body is passed on, whatever the method and however it is framed.
#[tokio::test]
async fn bodies_of_get_reach_the_app() {
    let upstream = recorder();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    for method in ["GET", "DELETE", "OPTIONS", "QUERY", "POST"] {
        let request = Request::builder().method(method).uri("https://tv.test/q");
        let frames = vec![Frame::data(Bytes::from("hello"))];
        let (status, answer) = over_http2(&server.browser(), request, frames).await;
        assert_eq!(status, StatusCode::OK);
        assert!(answer.contains("body: hello"), "{method}: {answer}");
        for framing in [
            "content-length: 5\r\n\r\nhello",
            "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ] {
            let head = format!("{method} /q HTTP/1.1\r\nhost: tv.test\r\nconnection: close\r\n");
            let request = format!("{head}{framing}");
            let answer = say(&server.browser(), "tv.test", request.as_bytes()).await;
            assert!(answer.contains("body: hello"), "{method}: {answer}");
        }
    }
}

/// What cannot be routed is in the log by its path, escaped, and never with its query.
#[tokio::test]
async fn refusals_before_routing_tell_the_path() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    for (target, path) in [
        (&b"/caf\xc3\xa9?token=secret"[..], "/caf%C3%A9"),
        (b"/x/%00", "/x/%00"),
        (b"/;/admin", "/;/admin"),
    ] {
        let request = [b"GET ", target, b" HTTP/1.1\r\nhost: tv.test\r\nconnection: close\r\n\r\n"];
        let answer = say(&server.browser(), "tv.test", &request.concat()).await;
        assert_eq!(status(&answer), 400, "{path}");
        let id = field(&answer, "x-request-id").unwrap();
        let (decision, access) = server.recorded(&id).await;
        assert_eq!(access["path"], path);
        assert_eq!(decision["path"], path);
    }
    assert!(!server.log().contains("secret"));
}

/// A request of 110 KB wrote a line of 171 KB.
#[tokio::test]
async fn a_log_line_has_a_bound() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let long = "x".repeat(30_000);
    let request = format!(
        "GET /{long} HTTP/1.1\r\nhost: tv.test\r\nuser-agent: {long}\r\nreferer: https://a.test/{long}\r\n\
         x-request-id: {long}\r\nconnection: close\r\n\r\n"
    );
    let answer = say(&server.browser(), "tv.test", request.as_bytes()).await;
    assert_eq!(status(&answer), 200);
    let method = "X".repeat(30_000);
    let request = format!("{method} / HTTP/1.1\r\nhost: tv.test\r\nconnection: close\r\n\r\n");
    say(&server.browser(), "tv.test", request.as_bytes()).await;
    let id = field(&answer, "x-request-id").unwrap();
    let (_, access) = server.recorded(&id).await;
    for name in ["path", "user-agent", "referer"] {
        let text = access[name].as_str().unwrap();
        assert!(text.ends_with(" octets)") && text.contains("…(+"), "{name}: {text}");
    }
    for line in server.log().lines() {
        assert!(line.len() < 8 * 1024, "{} octets", line.len());
    }
}

/// Names that we set, remove or own, in every spelling; and what other proxies say of people.
#[tokio::test]
async fn no_spelling_passes_beside_ours_and_no_other_proxy_is_played() {
    let upstream = Upstream::echo();
    let mut route = friends("tv.test", upstream.address);
    route.push_str("  set_request_headers: {X-Auth-User: boss, X_Under: ours}\n");
    route.push_str("  remove_request_headers: [X-Internal]\n");
    route.push_str("  allow_client_identity_headers: [Remote-User]\n");
    let routes = config(&[route, public("open.test", upstream.address)]);
    let server = TestServer::open(&routes).await;
    let lies = [
        "X_Auth_User",
        "x.auth.user",
        "X-Under",
        "X_Internal",
        "X-Internal",
        "X-Pomerium_Claim-Email",
        "X_Request_Id",
        "Content_Length",
        "Proxy",
        "X_Forwarded_For",
        "X.Real.Ip",
        "Remote_User",
        "Remote-Email",
        "X-Forwarded-User",
        "X-Auth-Request-Email",
        "Cf-Access-Jwt-Assertion",
        "Tailscale-User-Login",
        "X-WebAuth-User",
        "X-authentik-username",
        "X-Vouch-User",
        "X-Goog-Authenticated-User-Email",
        "X-MS-CLIENT-PRINCIPAL-NAME",
        "X-Amzn-Oidc-Data",
        "X-SSL-Client-Dn",
        "X-Client-Cert",
        "X-Remote-User",
        "HTTP_X_AUTH_USER",
        "Http-Remote-Email",
        "X-Authelia-User",
        "Teleport-Jwt-Assertion",
        "X-User-Email",
        "X_Username",
        "X-Script-Name",
        "X-Middleware-Subrequest",
        "X-Host",
        "X-Originating-IP",
    ];
    let fields: Vec<(&str, &str)> = lies.iter().map(|name| (*name, "lie.canary")).collect();
    let fields = [&fields[..], &[("remote-user", "told"), ("x_custom", "own")]].concat();
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let seen = ann.send(Method::GET, "https://tv.test/", &fields, "").await;
    assert!(!seen.body.contains("lie.canary"), "{}", seen.body);
    assert_eq!(field(&seen.body, "x-auth-user").as_deref(), Some("boss"));
    assert_eq!(field(&seen.body, "x_under").as_deref(), Some("ours"));
    assert_eq!(field(&seen.body, "remote-user").as_deref(), Some("told"), "the route says so");
    assert_eq!(field(&seen.body, "x_custom").as_deref(), Some("own"));
    let seen = server.browser().send(Method::GET, "https://open.test/", &fields, "").await;
    assert_eq!(field(&seen.body, "remote-user"), None, "{}", seen.body);
    for (action, expected) in [("reject_request", 400), ("drop_header", 200)] {
        server.reload(&format!("headers_with_underscores_action: {action}\n{routes}")).unwrap();
        let seen = server.browser().send(Method::GET, "https://open.test/", &fields, "").await;
        assert_eq!(seen.status.as_u16(), expected, "{action}");
        assert_eq!(field(&seen.body, "x_custom"), None, "{action}");
    }
}

/// What an app says of its own listener, and defaults that nobody wrote.
#[tokio::test]
async fn response_fields_of_the_app_and_defaults_that_nobody_wrote() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        let own = match exchange.target().1 {
            "/own" => "x-frame-options: DENY\r\nx-xss-protection: 0\r\n",
            _ => "",
        };
        let fields = format!("alt-svc: h3=\":443\"\r\nX-Own : 1\r\nx-tab\t: 2\r\n{own}");
        exchange.send(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length : 2\r\n\r\nok")).await
    });
    let gated = friends("tv.test", upstream.address);
    let routes = [gated, public("apps.test", upstream.address)];
    let server = TestServer::open(&config(&routes)).await;
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let seen = ann.send(Method::GET, "https://tv.test/", FETCH, "").await;
    assert_eq!(seen.field("x-frame-options"), "SAMEORIGIN");
    let seen = ann.send(Method::GET, "https://tv.test/own", FETCH, "").await;
    assert_eq!((seen.field("x-frame-options"), seen.field("x-xss-protection")), ("DENY", "0"));
    let mut nobody = server.browser();
    let seen = nobody.send(Method::GET, "https://apps.test/", FETCH, "").await;
    assert_eq!((seen.status, &*seen.body), (StatusCode::OK, "ok"));
    assert!(!seen.fields.contains_key("x-frame-options"), "a TV app shows it in a frame");
    assert!(!seen.fields.contains_key("alt-svc"));
    assert_eq!((seen.field("x-own"), seen.field("x-tab")), ("1", "2"), "RFC 9112 §5.1");
    let written = format!(
        "set_response_headers: {{X-Frame-Options: SAMEORIGIN, Alt-Svc: clear}}\n{}",
        config(&routes)
    );
    server.reload(&written).unwrap();
    let seen = nobody.send(Method::GET, "https://apps.test/own", FETCH, "").await;
    assert_eq!(seen.field("x-frame-options"), "SAMEORIGIN", "who writes it gets it");
    assert_eq!(seen.field("alt-svc"), "clear");
}
