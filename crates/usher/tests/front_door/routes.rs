//! What routes do to requests and answers, and where the plain listener sends people.

use http::{Method, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use usher_lab::{
    browser::FETCH,
    upstream::{Exchange, Upstream, field},
};

use crate::{
    own_certificate,
    test_server::{TestServer, config, public},
};

fn target(head: &str) -> &str {
    head.split(' ').nth(1).unwrap()
}

#[tokio::test]
async fn paths_are_matched_and_rewritten() {
    let upstream = Upstream::echo();
    let to = upstream.address;
    let route = |host: &str, path: &str, rest: &str| {
        format!(
            "- from: https://{host}\n  to: http://{to}{path}\n  allow_public_unauthenticated_access: true\n  {rest}\n"
        )
    };
    let server = TestServer::open(&config(&[
        route("exact.test", "", "path: /one"),
        route("prefix.test", "/base", "prefix: /x"),
        route("root.test", "/", "prefix: /x"),
        route("rewrite.test", "", "prefix_rewrite: /new"),
        route(
            "regex.test",
            "",
            "regex: ^/v[0-9]+/.*$\n  regex_rewrite_pattern: ^/v([0-9]+)/(.*)$\n  regex_rewrite_substitution: /api/\\1/\\2",
        ),
    ]))
    .await;
    for (url, expected, why) in [
        ("https://exact.test/one", Some("/one"), "the path itself"),
        ("https://exact.test/one?a=1&b", Some("/one?a=1&b"), "with its query"),
        ("https://exact.test/one/more", None, "and nothing below"),
        ("https://prefix.test/x/a?q", Some("/base/a?q"), "the target's path in its place"),
        ("https://prefix.test/xy", Some("/basey"), "textual, as the real server does it"),
        ("https://prefix.test/y", None, "another prefix"),
        ("https://rewrite.test/a", Some("/newa"), "textual here too"),
        ("https://regex.test/v2/items?x=%20", Some("/api/2/items?x=%20"), "a pattern"),
        ("https://regex.test/items", None, "that does not match"),
    ] {
        let before = upstream.heads().len();
        let seen = server.browser().fetch(url).await;
        match expected {
            Some(expected) => assert_eq!(target(&seen.body), expected, "{url}: {why}"),
            None => {
                assert_eq!(seen.status, StatusCode::NOT_FOUND, "{url}: {why}");
                assert_eq!(upstream.heads().len(), before, "{url}: {why}");
            }
        }
    }
    // Rewriting is text: it must not put a dot segment together.
    for path in ["/x../a", "/x..", "/x./a", "/x..;/a"] {
        let before = upstream.heads().len();
        let seen = server.browser().fetch(&format!("https://root.test{path}")).await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{path}: {}", seen.body);
        assert_eq!(upstream.heads().len(), before, "{path}");
    }
}

/// What a host of the config is compared with is what Pomerium compares: a root dot counts, the case
/// of letters counts for a wildcard alone, and an IPv6 address is none.
#[tokio::test]
async fn a_host_is_spelled_as_pomerium_reads_it() {
    let upstream = Upstream::echo();
    let names = ["tv.test", "dot.test.", "*.apps.test", "*.root.test.", "'[2001:db8::1]'"];
    let server = TestServer::open(&insecure(&names, upstream.address)).await;
    for (host, status) in [
        ("tv.test", "200"),
        ("TV.test:8443", "200"),
        ("tv.test.", "404"),
        ("dot.test.", "200"),
        ("dot.test", "404"),
        ("a.apps.test", "200"),
        ("A.Apps.test", "404"),
        ("a.apps.test.", "404"),
        ("a.root.test.", "200"),
        ("a.root.test", "404"),
        ("[2001:db8::1]", "404"),
        ("tv.test:", "404"),
        ("", "404"),
        ("user@tv.test", "400"),
    ] {
        assert_eq!(asked(&server, host).await, status, "{host}");
    }
}

/// `match_any_incoming_port: false`: a route without port answers without one, and on 443.
#[tokio::test]
async fn a_route_without_port_may_be_kept_to_the_standard_one() {
    let upstream = Upstream::echo();
    let names = ["tv.test", "*.apps.test", "port.test:8443", "*.ports.test:8443"];
    let strict = "runtime_flags: {match_any_incoming_port: false}\n";
    let text = insecure(&names, upstream.address);
    for (globals, elsewhere) in [("", "200"), (strict, "404")] {
        let server = TestServer::open(&format!("{globals}{text}")).await;
        for (host, status) in [
            ("tv.test", "200"),
            ("tv.test:443", "200"),
            ("tv.test:80", elsewhere),
            ("a.apps.test:443", "200"),
            ("a.apps.test:8443", elsewhere),
            ("port.test:8443", "200"),
            ("port.test", "404"),
            ("a.ports.test:8443", "200"),
            ("a.ports.test", "404"),
        ] {
            assert_eq!(asked(&server, host).await, status, "{globals}{host}");
        }
    }
}

/// A route that is not served yet keeps its host: what it would have refused is not let in by a
/// wildcard beside it.
#[tokio::test]
async fn the_host_of_a_route_that_is_not_served_is_nobody_else_s() {
    let upstream = Upstream::echo();
    let to = upstream.address;
    let text = format!(
        "{}- from: tcp+https://ssh.apps.test:22\n  to: tcp://{to}\n\
         - from: https://db.apps.test\n  to: tcp://{to}\n",
        insecure(&["*.apps.test"], to)
    );
    let server = TestServer::open(&text).await;
    for (host, status) in [
        ("tv.apps.test", "200"),
        ("ssh.apps.test:22", "404"),
        ("db.apps.test", "404"),
        ("db.apps.test:8443", "404"),
    ] {
        assert_eq!(asked(&server, host).await, status, "{host}");
    }
}

/// Public routes for these hosts, in the clear.
fn insecure(names: &[&str], to: std::net::SocketAddr) -> String {
    let route = |name: &&str| {
        let from = format!("https://{}", name.trim_matches('\''));
        format!(
            "- from: '{from}'\n  to: http://{to}\n  allow_public_unauthenticated_access: true\n"
        )
    };
    let head = "insecure_server: true\nauthenticate_service_url: https://auth.test\nroutes:\n";
    head.to_owned() + &names.iter().map(route).collect::<String>()
}

/// The status of a request for this host.
async fn asked(server: &TestServer, host: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap_or("none").to_owned()
}

#[tokio::test]
async fn fields_toward_the_app_and_back() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        exchange.body().await?;
        let fields = "server: app\r\nx-app: 1\r\nset-cookie: theme=dark\r\n\
                      set-cookie: _pomerium=forged\r\nkeep-alive: timeout=5\r\n";
        let head = exchange.head.clone();
        exchange.reply(200, fields, head.as_bytes()).await
    });
    let route = format!(
        "{}  preserve_host_header: true
  set_request_headers: {{x-set: one, x-from: '${{pomerium.request.headers[\"x-client\"]}}'}}
  remove_request_headers: [x-gone]
  set_response_headers: {{x-app: ours, x-new: two}}
",
        public("tv.test", upstream.address)
    );
    let server = TestServer::open(&config(&[route, public("plain.test", upstream.address)])).await;
    let mut browser = server.browser();
    let fields = [("x-gone", "1"), ("x-set", "client"), ("x-client", "hello"), ("x-kept", "1")];
    let seen = browser.send(Method::POST, "https://tv.test/", &fields, "body").await;
    for (name, expected) in [
        ("host", Some("tv.test")),
        ("x-set", Some("one")),
        ("x-gone", None),
        ("x-kept", Some("1")),
        ("x-from", Some("hello")),
        ("content-length", Some("4")),
        ("x-pomerium-jwt-assertion", None),
    ] {
        assert_eq!(field(&seen.body, name).as_deref(), expected, "{name}: {}", seen.body);
    }
    let back = ["server", "x-app", "x-new", "keep-alive"].map(|name| seen.field(name));
    assert_eq!(back, ["app", "ours", "two", ""]);
    let cookies: Vec<_> = seen.fields.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["theme=dark"], "an app gives nobody a session of ours");

    let seen = browser.send(Method::GET, "https://plain.test/", FETCH, "").await;
    let host = field(&seen.body, "host");
    assert_eq!(host, Some(upstream.address.to_string()), "without preserve_host_header");
}

#[tokio::test]
async fn routes_that_answer_by_themselves() {
    let server = TestServer::open(
        "routes:
- from: https://old.test
  redirect: {host_redirect: new.test, path_redirect: /start, response_code: 308, strip_query: true}
  allow_public_unauthenticated_access: true
- from: https://says.test
  response: {status: 418, body: short and stout}
  allow_public_unauthenticated_access: true
- from: https://shut.test
  response: {status: 200, body: secret}
  policy: [{allow: {or: [{email: {is: nobody@example.com}}]}}]
",
    )
    .await;
    let mut browser = server.browser();
    let seen = browser.fetch("https://old.test/a?b").await;
    assert_eq!((seen.status.as_u16(), seen.field("location")), (308, "https://new.test/start"));
    let seen = browser.fetch("https://says.test/").await;
    assert_eq!((seen.status.as_u16(), &*seen.body), (418, "short and stout"));
    let seen = browser.fetch("https://shut.test/").await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "a policy is asked first");
}

#[tokio::test]
async fn what_an_app_says_about_itself_is_rewritten_by_its_prefix() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        let fields = "location: http://app:8080/next?a=1\r\nlink: </a>\r\nlink: </b>\r\n";
        exchange.reply(302, fields, b"").await
    });
    let route = public("tv.test", upstream.address)
        + "  rewrite_response_headers:
  - {header: Location, prefix: 'http://app:8080/', value: 'https://tv.test/'}
  - {header: link, prefix: '</', value: '</sub/'}
  - {header: x-none, prefix: '', value: made}
  set_response_headers: {x-set: '</x>'}
";
    let server = TestServer::open(&config(&[route])).await;
    let seen = server.browser().send(Method::GET, "https://tv.test/", FETCH, "").await;
    assert_eq!(seen.field("location"), "https://tv.test/next?a=1");
    let links: Vec<_> = seen.fields.get_all("link").iter().collect();
    assert_eq!(links, ["</sub/a>", "</sub/b>"], "each line stays one");
    assert_eq!((seen.field("x-none"), seen.field("x-set")), ("", "</x>"));
}

/// `http_redirect_addr`: to https, to hosts of ours, with the port that the route names.
#[tokio::test]
async fn the_plain_listener_sends_people_to_https() {
    let upstream = Upstream::echo();
    let routes = [public("tv.test", upstream.address), public("odd.test:8443", upstream.address)];
    let text = format!("http_redirect_addr: :80\n{}", config(&routes));
    let server = TestServer::open(&text).await;
    let address = server.running().redirect_address().unwrap();
    for (request, status, location) in [
        ("GET /web/?a=1 HTTP/1.1\r\nhost: tv.test", "301", Some("https://tv.test/web/?a=1")),
        ("GET / HTTP/1.1\r\nhost: TV.test:80", "301", Some("https://tv.test/")),
        (
            "POST /x HTTP/1.1\r\nhost: tv.test\r\ncontent-length: 0",
            "308",
            Some("https://tv.test/x"),
        ),
        ("GET /x HTTP/1.1\r\nhost: odd.test", "301", Some("https://odd.test:8443/x")),
        ("GET //evil.test/ HTTP/1.1\r\nhost: tv.test", "301", Some("https://tv.test//evil.test/")),
        ("GET / HTTP/1.1\r\nhost: evil.test", "404", None),
        ("GET / HTTP/1.1\r\nhost: tv.test\r\nhost: evil.test", "400", None),
        ("GET / HTTP/1.1\r\nx: y", "400", None),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{request}\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(status), "{request}: {answer}");
        assert_eq!(field(&answer, "location").as_deref(), location, "{request}");
    }
    assert!(upstream.heads().is_empty());
}

/// A server with a certificate of its own for `app.test`, which answers with the name it was
/// asked for. Its certificate, PEM, comes with its address.
async fn secure_upstream() -> (std::net::SocketAddr, String) {
    own_certificate::serve("app.test", |mut stream| async move {
        let name = stream.get_ref().1.server_name().unwrap_or("none").to_owned();
        let mut head = [0; 4096];
        let _head = stream.read(&mut head).await;
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len());
        let _gone = stream.write_all(answer.as_bytes()).await;
        let _gone = stream.shutdown().await;
    })
    .await
}

#[tokio::test]
async fn upstreams_over_tls_are_verified() {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let (address, pem) = secure_upstream().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, &pem).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["app.test".into()]).unwrap().cert.pem();
    let inline = |pem: &str| BASE64_STANDARD.encode(pem);
    let (ours, others) = (inline(&pem), inline(&other));
    let route = |name: &str, rest: &str| {
        format!(
            "- from: https://{name}.test\n  to: https://{address}\n  allow_public_unauthenticated_access: true\n{rest}"
        )
    };
    let file = file.display();
    let server = TestServer::open(&config(&[
        route("unknown", "  tls_server_name: app.test\n"),
        route("inline", &format!("  tls_custom_ca: {ours}\n  tls_server_name: app.test\n")),
        route("file", &format!("  tls_custom_ca_file: {file}\n  tls_server_name: app.test\n")),
        route("wrong", &format!("  tls_custom_ca: {others}\n  tls_server_name: app.test\n")),
        route("name", &format!("  tls_custom_ca: {ours}\n  tls_server_name: other.test\n")),
        route(
            "upstream",
            &format!("  tls_custom_ca: {ours}\n  tls_upstream_server_name: app.test\n"),
        ),
        route("skip", "  tls_skip_verify: true\n  tls_server_name: any.test\n"),
    ]))
    .await;
    for (name, expected, why) in [
        ("unknown", None, "nobody vouches for it"),
        ("inline", Some("app.test"), "its own authority, inline"),
        ("file", Some("app.test"), "from a file"),
        ("upstream", Some("app.test"), "the name under its other key"),
        ("wrong", None, "another authority"),
        ("name", None, "a certificate for another name"),
        ("skip", Some("any.test"), "verified by nobody, as the config says"),
    ] {
        let seen = server.browser().fetch(&format!("https://{name}.test/")).await;
        match expected {
            Some(expected) => assert_eq!(seen.body, expected, "{name}: {why}"),
            None => assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE, "{name}: {why}"),
        }
    }
    // A connection that one route may not verify is not borrowed from another's pool.
    let again = server.browser().fetch("https://unknown.test/").await;
    assert_eq!(again.status, StatusCode::SERVICE_UNAVAILABLE);
}
