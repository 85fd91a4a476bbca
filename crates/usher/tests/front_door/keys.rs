//! Keys that no other story here turns: each with the effect that somebody outside sees.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher_lab::{
    browser::{NAVIGATION, Seen},
    upstream::{Exchange, Upstream, field},
};

use crate::test_server::{ANN, EVE, TestServer, config, eventually, friends, public};

/// Answers with the head that it got.
fn telling() -> Upstream {
    Upstream::start(async |exchange: &mut Exchange| {
        exchange.body().await?;
        let head = exchange.head.clone();
        exchange.reply(200, "", head.as_bytes()).await
    })
}

#[tokio::test]
async fn what_the_app_is_told_follows_the_keys() {
    let app = telling();
    let rewritten = format!("{}  host_rewrite: other.test\n", public("named.test", app.address));
    let server = TestServer::open(&config(&[rewritten])).await;
    let seen = server.browser().fetch("https://named.test/").await;
    assert_eq!(field(&seen.body, "host").as_deref(), Some("other.test"), "host_rewrite");

    for (keys, expected) in [
        ("", "127.0.0.1"),
        ("xff_num_trusted_hops: 1\n", "203.0.113.9,127.0.0.1"),
        ("xff_num_trusted_hops: 1\nskip_xff_append: true\n", "203.0.113.9"),
    ] {
        let text = format!("{keys}{}", config(&[public("tv.test", app.address)]));
        let server = TestServer::open(&text).await;
        let from = [("x-forwarded-for", "203.0.113.9")];
        let seen = server.browser().send(Method::GET, "https://tv.test/", &from, "").await;
        let said = field(&seen.body, "x-forwarded-for").unwrap_or_default().replace(' ', "");
        assert_eq!(said, expected, "{keys}");
    }
}

#[tokio::test]
async fn who_is_asking_is_told_as_the_keys_say() {
    let app = telling();
    let silent = friends("silent.test", app.address)
        .replace("pass_identity_headers: true", "pass_identity_headers: false");
    let uri = format!("{}  jwt_issuer_format: uri\n", friends("uri.test", app.address));
    let routes = [friends("tv.test", app.address), silent, uri];
    let server = TestServer::open(&config(&routes)).await;
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let mut assertion = async |host: &str| {
        let seen = ann.open(&format!("https://{host}/")).await;
        field(&seen.body, "x-pomerium-jwt-assertion")
    };
    let issuer = |assertion: String| -> Value {
        let payload = assertion.split('.').nth(1).unwrap();
        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap();
        serde_json::from_slice::<Value>(&payload).unwrap()["iss"].clone()
    };
    assert_eq!(issuer(assertion("tv.test").await.unwrap()), "tv.test");
    assert_eq!(issuer(assertion("uri.test").await.unwrap()), "https://uri.test/");
    assert_eq!(assertion("silent.test").await, None, "pass_identity_headers: false");
}

#[tokio::test]
async fn who_may_pass_follows_the_older_keys() {
    let app = telling();
    let claims = "  policy: [{allow: {or: [{claim/groups: friends}]}}]";
    let with = |host: &str, key: &str| friends(host, app.address).replace(claims, key);
    let server = TestServer::open(&config(&[
        with("claims.test", "  allowed_idp_claims: {groups: [friends]}"),
        with(
            "preflight.test",
            "  allow_any_authenticated_user: true\n  cors_allow_preflight: true",
        ),
        with("strict.test", "  allow_any_authenticated_user: true"),
    ]))
    .await;
    for (who, status) in [(ANN, StatusCode::OK), (EVE, StatusCode::FORBIDDEN)] {
        let mut browser = server.browser();
        let seen = browser.sign_in("https://claims.test/", who.0, who.1).await;
        assert_eq!(seen.status, status, "allowed_idp_claims: {}", who.0);
    }
    let asks = [("origin", "https://other.test"), ("access-control-request-method", "PUT")];
    for (host, status) in [("preflight", StatusCode::OK), ("strict", StatusCode::UNAUTHORIZED)] {
        let url = format!("https://{host}.test/");
        let seen = server.browser().send(Method::OPTIONS, &url, &asks, "").await;
        assert_eq!(seen.status, status, "cors_allow_preflight: {host}");
    }
}

#[tokio::test]
async fn redirects_lead_where_their_keys_say() {
    let route = |host: &str, redirect: &str| {
        format!(
            "- from: https://{host}.test\n  redirect: {{{redirect}}}\n  allow_public_unauthenticated_access: true\n"
        )
    };
    let server = TestServer::open(&config(&[
        route("secure", "https_redirect: true, host_redirect: new.test"),
        route("scheme", "scheme_redirect: http"),
        route("port", "port_redirect: 8443"),
        route("prefix", "prefix_rewrite: /new/"),
        route("query", "path_redirect: '/new?fixed'"),
        route("stripped", "path_redirect: /new, strip_query: true"),
    ]))
    .await;
    for (host, expected) in [
        ("secure", "https://new.test/a?b=%20"),
        ("scheme", "http://scheme.test/a?b=%20"),
        ("port", "https://port.test:8443/a?b=%20"),
        ("prefix", "https://prefix.test/new/a?b=%20"),
        ("query", "https://query.test/new?fixed"),
        ("stripped", "https://stripped.test/new"),
    ] {
        let seen = server.browser().fetch(&format!("https://{host}.test/a?b=%20")).await;
        assert_eq!(seen.field("location"), expected, "{host}");
    }
}

/// The answer that gives the session's cookie.
async fn session_cookies(server: &TestServer) -> Vec<String> {
    let mut browser = server.browser();
    let page = browser.open("https://tv.test/").await;
    let mut seen = browser.post_once(&page, "", &[("email", ANN.0), ("password", ANN.1)]).await;
    let mut all = Vec::new();
    let cookies = |seen: &Seen| -> Vec<String> {
        let lines = seen.fields.get_all("set-cookie").iter();
        lines.map(|line| line.to_str().unwrap().to_owned()).collect()
    };
    while let Some(next) = seen.location() {
        all.extend(cookies(&seen));
        seen = browser.send(Method::GET, next.as_str(), NAVIGATION, "").await;
    }
    all.extend(cookies(&seen));
    assert_eq!(seen.status, StatusCode::OK);
    all
}

#[tokio::test]
async fn the_session_s_cookie_is_as_its_keys_say() {
    let app = telling();
    let routes = config(&[friends("tv.test", app.address)]);
    for (keys, name, attributes, not) in [
        ("", "__Host-_pomerium=", &["HttpOnly", "SameSite=Lax"][..], None),
        ("cookie_name: usher\n", "__Host-usher=", &["HttpOnly"], None),
        ("cookie_http_only: false\n", "__Host-_pomerium=", &["SameSite=Lax"], Some("HttpOnly")),
        ("cookie_same_site: strict\n", "__Host-_pomerium=", &["SameSite=Strict"], None),
    ] {
        let server = TestServer::open(&format!("{keys}{routes}")).await;
        let cookies = session_cookies(&server).await;
        let is_it = |cookie: &&String| cookie.starts_with(name);
        let cookie = cookies.iter().find(is_it).unwrap_or_else(|| panic!("{keys}{cookies:?}"));
        for attribute in attributes {
            assert!(cookie.contains(attribute), "{keys}: {cookie}");
        }
        assert!(!not.is_some_and(|not| cookie.contains(not)), "{keys}: {cookie}");
    }
}

#[tokio::test]
async fn an_app_has_the_default_time_where_its_route_gives_none() {
    let silent = Upstream::start(async |exchange: &mut Exchange| {
        exchange.hung_up().await;
        Ok(())
    });
    let keys = "default_upstream_timeout: 200ms\n";
    // one that opens sockets has no limit of its own
    let route = public("tv.test", silent.address).replace("allow_websockets: true", "name: tv");
    let server = TestServer::open(&format!("{keys}{}", config(&[route]))).await;
    let seen = server.browser().fetch("https://tv.test/").await;
    assert_eq!(seen.status, StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn a_connection_without_requests_ends_after_its_key_s_time() {
    let app = telling();
    let text = format!("timeout_idle: 200ms\n{}", config(&[public("tv.test", app.address)]));
    let server = TestServer::open(&text).await;
    let mut stream = server.browser().connect("tv.test").await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: tv.test\r\n\r\n").await.unwrap();
    let mut all = Vec::new();
    let _closed_without_a_word = stream.read_to_end(&mut all).await; // the default would be 300 s
    assert!(all.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&all));
}

#[tokio::test]
async fn what_is_spoken_follows_codec_type() {
    let app = telling();
    let routes = config(&[public("tv.test", app.address)]);
    for (codec, is_http2) in [("auto", true), ("http1", false), ("http2", true)] {
        let server = TestServer::open(&format!("codec_type: {codec}\n{routes}")).await;
        // who offers HTTP/2 alone gets no handshake where it is not spoken (RFC 7301 §3.2)
        let offering = tokio::spawn(async move {
            let stream = server.browser().connect_http2("tv.test").await;
            stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
        });
        let agreed = offering.await.ok().flatten();
        assert_eq!(agreed.as_deref() == Some(b"h2"), is_http2, "{codec}: {agreed:?}");
    }
}

/// `match_any_incoming_port: false`: what names no port is for 443 alone.
#[tokio::test]
async fn a_route_without_a_port_answers_where_the_flag_says() {
    let app = telling();
    let routes = [
        public("tv.test", app.address),
        public("port.test:8443", app.address),
        public("'*.wild.test'", app.address).replace("https://'*", "'https://*"),
    ];
    for (flag, expected) in [("true", [200, 200, 200]), ("false", [404, 200, 404])] {
        let text =
            format!("runtime_flags: {{match_any_incoming_port: {flag}}}\n{}", config(&routes));
        let server = TestServer::open(&text).await;
        let mut browser = server.browser();
        for url in ["https://tv.test/", "https://a.wild.test/"] {
            assert_eq!(browser.fetch(url).await.status, StatusCode::OK, "{flag} {url}");
        }
        let mut seen = Vec::new();
        for host in ["tv.test:8443", "port.test:8443", "a.wild.test:8443"] {
            seen.push(browser.fetch(&format!("https://{host}/")).await.status.as_u16());
        }
        assert_eq!(seen, expected, "{flag}");
    }
}

/// `health_check_addr`: a port for machines, which knows nothing else.
#[tokio::test]
async fn machines_ask_at_a_port_of_their_own() {
    let app = telling();
    let routes = config(&[public("tv.test", app.address)]);
    let mut server =
        TestServer::open(&format!("health_check_addr: 127.0.0.1:28080\n{routes}")).await;
    let address = server.running().health_check_address().unwrap();
    let ask = async |path: &str| -> (u16, String) {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: tv.test\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split("\r\n\r\n").nth(1).unwrap().to_owned())
    };
    for path in ["/startupz", "/readyz", "/healthz", "/status"] {
        let (status, body) = ask(path).await;
        assert_eq!(status, 200, "{path}");
        assert!(body.contains("RUNNING"), "{path}: {body}");
    }
    assert_eq!(ask("/").await.0, 404, "an app is not reached by it");
    assert!(app.heads().is_empty());
    server.restart(&routes).await;
    assert!(
        server.running().health_check_address().is_none(),
        "and it is off unless it is asked for"
    );
}

/// `envoy_bind_config_source_address`: from where the app sees connections come.
#[tokio::test]
async fn connections_to_apps_leave_from_the_address_that_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let app = listener.local_addr().unwrap();
    let text = format!(
        "envoy_bind_config_source_address: 127.0.0.9\n{}",
        config(&[public("tv.test", app)])
    );
    let server = TestServer::open(&text).await;
    let mut browser = server.browser();
    let (seen, from) = tokio::join!(browser.fetch("https://tv.test/"), async {
        let (mut stream, from) = listener.accept().await.unwrap();
        let mut head = [0; 1024];
        let _read = stream.read(&mut head).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        from
    });
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(from.ip().to_string(), "127.0.0.9");
    // One that this machine can't use reaches nobody, and not from elsewhere.
    let other = text.replace("127.0.0.9", "'2001:db8::9'");
    server.reload(&other).unwrap();
    let other = config(&[public("other.test", app)]);
    server.reload(&format!("envoy_bind_config_source_address: '2001:db8::9'\n{other}")).unwrap();
    assert_eq!(browser.fetch("https://other.test/").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

/// `envoy_bind_config_freebind`: an address that this machine does not have is tried all the same.
#[tokio::test]
async fn an_address_that_is_not_there_yet_is_used_where_the_key_says_so() {
    let app = Upstream::echo();
    for (free, is_refused) in [(false, true), (true, false)] {
        let text = format!(
            "envoy_bind_config_source_address: 192.0.2.9\nenvoy_bind_config_freebind: {free}\n{}",
            config(&[public("tv.test", app.address)])
        );
        let server = TestServer::open(&text).await;
        let seen = server.browser().fetch("https://tv.test/").await;
        assert!(seen.status.is_server_error(), "nobody answers to it here: {}", seen.status);
        let told = eventually("it is told", || server.records("upstream").pop()).await;
        let by_the_system = told["cause"].to_string().contains("Cannot assign requested address");
        assert_eq!(by_the_system, is_refused, "{free}: {told}");
    }
    assert!(app.heads().is_empty(), "and not from elsewhere");
}

/// `host_rewrite` over `host_rewrite_header` over `host_path_regex_*` over `preserve_host_header`; what
/// is no host is not passed on.
#[tokio::test]
async fn a_host_that_a_client_names_is_a_host_or_the_upstream_s_own() {
    const FIELD: &str = "  host_rewrite_header: x-host\n";
    const PATH: &str = "  host_path_regex_rewrite_pattern: '^/at/([^/]*).*$'\n  \
                        host_path_regex_rewrite_substitution: '\\1.test'\n";
    const KEPT: &str = "  preserve_host_header: true\n";
    let app = telling();
    let own = app.address.to_string();
    let (by_all, by_field) = (format!("  host_rewrite: a.test\n{FIELD}"), [FIELD, PATH].concat());
    for (keys, path, said, expected) in [
        (&*by_all, "/", "b.test", "a.test"),
        (&*by_field, "/at/c", "b.test", "b.test"),
        (FIELD, "/", "b.test:8443", "b.test:8443"),
        (FIELD, "/", "", &*own),
        (FIELD, "/", "b.test/x", &*own),
        (FIELD, "/", "ann@b.test", &*own),
        (&*[FIELD, KEPT].concat(), "/", "", &*own),
        (PATH, "/at/c/d?e", "", "c.test"),
        (PATH, "/d", "", &*own),
        (&*[PATH, KEPT].concat(), "/at/c", "", "c.test"),
    ] {
        let route = format!("{}{keys}", public("tv.test", app.address));
        let server = TestServer::open(&config(&[route])).await;
        let fields = [("x-host", said)];
        let fields = if said.is_empty() { &[][..] } else { &fields };
        let url = format!("https://tv.test{path}");
        let seen = server.browser().send(Method::GET, &url, fields, "").await;
        assert_eq!(field(&seen.body, "host").as_deref(), Some(expected), "{keys}{path} {said}");
    }
}
