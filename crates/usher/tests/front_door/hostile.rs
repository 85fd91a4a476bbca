//! Hostile bytes at the door. The corpora are files, so that a new trick is one more line.

use std::time::Duration;

use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher_lab::{
    browser::{FETCH, NAVIGATION},
    patience::within,
    upstream::{Upstream, field},
};

use crate::{
    test_server::{ANN, EVE, TestServer, config, corpus, friends, public},
    wire::say,
};

/// `\r`, `\n`, `\t`, `\0` and `\xHH` in a corpus are what they say.
fn unescaped(line: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), line.bytes());
    while let Some(byte) = rest.next() {
        match (byte, if byte == b'\\' { rest.next() } else { None }) {
            (_, Some(b'r')) => out.push(b'\r'),
            (_, Some(b'n')) => out.push(b'\n'),
            (_, Some(b't')) => out.push(b'\t'),
            (_, Some(b'0')) => out.push(0),
            (_, Some(b'x')) => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                let digits = std::str::from_utf8(&digits).unwrap();
                out.push(u8::from_str_radix(digits, 16).unwrap());
            }
            (_, Some(other)) => out.push(other),
            (byte, None) => out.push(byte),
        }
    }
    out
}

/// Each line is a request for `/open` that tries to smuggle one for `/hidden` past us. The
/// upstream reads whatever comes as the plainest server would.
#[tokio::test]
async fn t11_no_request_hides_in_another() {
    let upstream = Upstream::echo();
    let route = format!(
        "- from: https://tv.test
  to: http://{}
  allow_websockets: true
  policy:
  - allow: {{and: [accept: true]}}
  - deny: {{or: [{{http_path: {{starts_with: /hidden}}}}]}}
",
        upstream.address
    );
    let server = TestServer::open(&config(&[route])).await;
    let browser = server.browser();
    for line in corpus("smuggling.txt") {
        let before = upstream.heads().len();
        let answer = say(&browser, "tv.test", &unescaped(&line)).await;
        for head in &upstream.heads()[before..] {
            let target = head.split(' ').nth(1).unwrap_or_default();
            assert!(target.starts_with("/open"), "{line}\nreached the upstream as\n{head}");
            let lengths = head.matches("content-length").count();
            let coded = head.matches("transfer-encoding").count();
            assert!(lengths + coded <= 1, "{line}\nis framed in two ways\n{head}");
        }
        let first = answer.split(' ').nth(1).unwrap_or("none");
        assert!(
            ["none", "100", "200", "400", "403", "405", "417", "431", "501"].contains(&first),
            "{line}\n{answer}"
        );
    }
}

/// A coding that we would take off without having it understood is refused, not lost.
#[tokio::test]
async fn t11_transfer_codings_are_not_lost() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    for (coding, status) in [("chunked", "200"), ("Chunked", "200"), ("gzip, chunked", "501")] {
        let request = format!(
            "POST / HTTP/1.1\r\nhost: tv.test\r\nconnection: close\r\n\
             transfer-encoding: {coding}\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        );
        let answer = say(&server.browser(), "tv.test", request.as_bytes()).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{coding}: {answer}");
    }
    assert_eq!(upstream.heads().len(), 2);
}

/// Whom a request is for is read in one way, and must be whom the handshake was for.
#[tokio::test]
async fn t10_hosts_are_read_in_one_way() {
    let upstream = Upstream::echo();
    let routes = [
        public("tv.test", upstream.address),
        friends("other.test", upstream.address),
        public("*.apps.test", upstream.address),
    ];
    let server = TestServer::open(&config(&routes)).await;
    let browser = server.browser();
    for line in corpus("hosts.txt") {
        let (expected, fields) = line.split_once(' ').unwrap();
        let fields = String::from_utf8(unescaped(fields)).unwrap();
        let (target, fields) = fields.split_once(' ').unwrap();
        let request = format!("GET {target} HTTP/1.1\r\n{fields}\r\nconnection: close\r\n\r\n");
        let before = upstream.heads().len();
        let answer = say(&browser, "tv.test", request.as_bytes()).await;
        let status = answer.split(' ').nth(1).unwrap_or("none");
        assert_eq!(status, expected, "{line}");
        assert_eq!(upstream.heads().len() - before, usize::from(expected == "200"), "{line}");
    }
}

/// Nothing that means something to us reaches an app.
#[tokio::test]
async fn t8_credentials_for_us_do_not_reach_the_app() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    let ann = server.signed_in("https://tv.test/", ANN).await;
    let handle = ann.jar["tv.test"]["__Host-_pomerium"].clone();
    let bearer = format!("Bearer Pomerium-{handle}");
    let plain = format!("Pomerium {handle}");
    let cookies = format!("theme=dark; __Host-_pomerium={handle}; lang=en");
    let in_query = format!("https://tv.test/x?a=1&pomerium_session={handle}&b=2");
    for (url, name, value) in [
        ("https://tv.test/x", "authorization", &bearer),
        ("https://tv.test/x", "authorization", &plain),
        ("https://tv.test/x", "x-pomerium-authorization", &handle),
        ("https://tv.test/x", "cookie", &cookies),
        (&in_query, "x-other", &String::from("1")),
    ] {
        let mut nobody = server.browser();
        let seen = nobody.send(Method::GET, url, &[(name, value)], "").await;
        assert_eq!(seen.status, StatusCode::OK, "{name}: it is a credential");
        assert!(!seen.body.contains(&handle), "{name}: {}", seen.body);
        assert!(!seen.body.contains("_pomerium="), "{name}: {}", seen.body);
        if name == "cookie" {
            assert_eq!(field(&seen.body, "cookie").as_deref(), Some("theme=dark; lang=en"));
        }
    }
    // Several Cookie fields, as HTTP/2 sends them, are one (RFC 9113 §8.2.3).
    let mut ann = server.browser();
    let crumbs = [("cookie", "theme=dark"), ("cookie", &*format!("__Host-_pomerium={handle}"))];
    for mut browser in [ann.clone(), ann.over_http2()] {
        let seen = browser.send(Method::GET, "https://tv.test/", &crumbs, "").await;
        assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
        assert!(!seen.body.contains(&handle), "{}", seen.body);
    }
    // What does not verify is passed over where one does.
    let tossed = "e30.canary-tossed.e30";
    let two = format!("__Host-_pomerium={handle}; _pomerium={tossed}");
    let seen = ann.send(Method::GET, "https://tv.test/", &[("cookie", &two)], "").await;
    assert_eq!(seen.status, StatusCode::OK, "a cookie tossed in by a neighbour locks nobody out");
    assert!(!seen.body.contains(tossed), "and reaches no app: {}", seen.body);
}

/// What a client says about the way it came is not believed.
#[tokio::test]
async fn forwarded_fields_of_clients_are_not_believed() {
    let upstream = Upstream::echo();
    let only_lan = format!(
        "- from: https://lan.test\n  to: http://{}\n  policy: [{{allow: {{and: [{{source_ip: 192.0.2.0/24}}]}}}}]\n",
        upstream.address
    );
    let server = TestServer::open(&config(&[public("tv.test", upstream.address), only_lan])).await;
    let lies = [
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-port", "1"),
        ("forwarded", "for=192.0.2.7;host=evil.test"),
        ("x-real-ip", "192.0.2.7"),
        ("x-request-id", "chosen"),
    ];
    let mut browser = server.browser();
    let seen = browser.send(Method::GET, "https://tv.test/", &lies, "").await;
    assert_eq!(field(&seen.body, "x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(field(&seen.body, "x-forwarded-host").as_deref(), Some("tv.test"));
    let came_from = field(&seen.body, "x-forwarded-for").unwrap();
    assert!(came_from.ends_with("127.0.0.1"), "the peer is the last word: {came_from}");
    assert_ne!(field(&seen.body, "x-request-id").as_deref(), Some("chosen"));
    let seen = browser.send(Method::GET, "https://lan.test/", &lies, "").await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "the policy asks the peer, not the field");
}

/// A proxy that is trusted writes one of the fields and passes a client's own on in the other: what
/// they contradict each other about is not believed, on the record, by the app and in the throttle.
#[tokio::test]
async fn a_field_that_a_trusted_proxy_passes_on_is_not_its_word() {
    let upstream = Upstream::echo();
    let routes = config(&[public("tv.test", upstream.address)]);
    let server = TestServer::open(&format!("xff_num_trusted_hops: 1\n{routes}")).await;
    for (chain, forwarded, visitor) in [
        ("192.0.2.7", "for=198.51.100.4", None),
        ("198.51.100.4", "for=198.51.100.4;proto=https", Some("198.51.100.4")),
        ("", "for=198.51.100.4", Some("198.51.100.4")),
        ("198.51.100.4", "", Some("198.51.100.4")),
    ] {
        let fields: Vec<_> = [("x-forwarded-for", chain), ("forwarded", forwarded)].to_vec();
        let fields: Vec<_> = fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let seen = server.browser().send(Method::GET, "https://tv.test/", &fields, "").await;
        let way = visitor.map_or("127.0.0.1".into(), |visitor| format!("{visitor}, 127.0.0.1"));
        assert_eq!(field(&seen.body, "x-forwarded-for").as_deref(), Some(&*way), "{fields:?}");
        let id = field(&seen.body, "x-request-id").unwrap();
        let (_, access) = server.recorded(&id).await;
        assert_eq!(access["forwarded-for"], *way, "{fields:?}: {access}");
    }
}

/// Health and keys are open, and nothing else becomes so by looking like them.
#[tokio::test]
async fn t13_open_paths_open_nothing_else() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    let mut browser = server.browser();
    for path in ["/ping", "/healthz", "/.well-known/pomerium/jwks.json"] {
        let seen = browser.fetch(&format!("https://tv.test{path}")).await;
        assert_eq!(seen.status, StatusCode::OK, "{path}");
    }
    for target in [
        "/ping/../Items",
        "/healthz/..%2fItems",
        "/healthz/../Items",
        "/.pomerium/../Items",
        "/healthz/x",
        "/ping/",
        "/pingx",
        "/.well-known/pomerium/../../Items",
        "/Items?/ping",
        "/.pomerium/%2e%2e/Items",
        "/robots.txt/../Items",
    ] {
        let agent = "user-agent: GoogleHC/1.0\r\nx-original-url: /ping\r\nx-rewrite-url: /ping";
        for method in ["GET", "POST", "OPTIONS", "TRACE", "CONNECT"] {
            let request = format!(
                "{method} {target} HTTP/1.1\r\nhost: tv.test\r\n{agent}\r\nconnection: close\r\n\r\n"
            );
            say(&browser, "tv.test", request.as_bytes()).await;
        }
    }
    assert!(upstream.heads().is_empty(), "{:?}", upstream.heads());
}

/// Limits on heads: an answer that says so, and nothing reaches the upstream.
#[tokio::test]
async fn t12_heads_have_limits() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let browser = server.browser();
    let many: String = (0..101).map(|n| format!("x-{n}: 1\r\n")).collect();
    let large = format!("x-large: {}\r\n", "x".repeat(140 * 1024));
    let target = format!("/{}", "x".repeat(140 * 1024));
    for (target, fields, why) in
        [("/", &*many, "too many fields"), ("/", &large, "too large"), (&target, "", "too long")]
    {
        let request =
            format!("GET {target} HTTP/1.1\r\nhost: tv.test\r\nconnection: close\r\n{fields}\r\n");
        let answer = say(&browser, "tv.test", request.as_bytes()).await;
        let status = answer.split(' ').nth(1).unwrap_or("none");
        assert!(["431", "414", "400", "none"].contains(&status), "{why}: {answer}");
    }
    assert!(upstream.heads().is_empty());
    let fits = format!("x-fits: {}\r\n", "x".repeat(60 * 1024));
    let request = format!("GET / HTTP/1.1\r\nhost: tv.test\r\n{fits}connection: close\r\n\r\n");
    let answer = say(&browser, "tv.test", request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "what fits goes through");
}

/// An HTTP/2 frame (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let stream = stream.to_be_bytes();
    [&length[1..], &[kind, flags], &stream, payload].concat()
}

/// CVE-2023-44487 and what came after it: the connection ends, the server does not.
#[tokio::test]
async fn t12_floods_of_frames_end_their_connection() {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const CONTINUATION: u8 = 9;
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let browser = server.browser();
    let preface = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, b"")].concat();
    let head = [&[0x82, 0x87, 0x84, 0x41, 7][..], b"tv.test"].concat();
    let streams = || (0..20_000_u32).map(|n| 2 * n + 1);
    let rapid_reset: Vec<u8> = streams()
        .flat_map(|id| {
            [frame(HEADERS, 5, id, &head), frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())].concat()
        })
        .collect();
    let continuation = [
        frame(HEADERS, 1, 1, &head),
        (0..20_000).flat_map(|_| frame(CONTINUATION, 0, 1, &[0x40, 1, b'x', 1, b'y'])).collect(),
    ]
    .concat();
    let pings: Vec<u8> = (0..200_000).flat_map(|_| frame(PING, 0, 0, &[0; 8])).collect();
    for (flood, why, must_end) in [
        (rapid_reset, "rapid reset ends its connection", true),
        (continuation, "continuation ends its connection", true),
        (pings, "ping", false),
    ] {
        let mut stream = browser.connect_http2("tv.test").await;
        let writing = async {
            stream.write_all(&preface).await?;
            for piece in flood.chunks(16 * 1024) {
                stream.write_all(piece).await?;
            }
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await
        };
        if must_end {
            let _cut = within(why, writing).await;
        } else {
            let _may_go_on = tokio::time::timeout(Duration::from_secs(1), writing).await;
        }
        let mut other = server.browser().over_http2();
        assert_eq!(other.fetch("https://tv.test/").await.status, StatusCode::OK, "after {why}");
    }
    assert!(upstream.heads().len() < 500, "the upstream felt it: {}", upstream.heads().len());
}

/// Whatever comes over the wire, the next visitor is served.
#[tokio::test]
async fn t30_noise_harms_nobody() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let browser = server.browser();
    for line in corpus("noise.txt") {
        let bytes = unescaped(&line);
        let mut stream = browser.connect("tv.test").await;
        let _refused = stream.write_all(&bytes).await;
        let _refused = stream.shutdown().await;
        let mut answer = Vec::new();
        let reading = stream.read_to_end(&mut answer);
        let _over = within("it hangs up", reading).await;
        let mut plain = tokio::net::TcpStream::connect(server.address()).await.unwrap();
        let _refused = plain.write_all(&bytes).await; // before any handshake
        drop(plain);
    }
    assert_eq!(server.browser().fetch("https://tv.test/").await.status, StatusCode::OK);
    assert!(!server.log().contains("panicked"));
}

/// Nothing that a visitor says comes back as a tag.
#[tokio::test]
async fn t20_what_visitors_say_is_text() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    let mut eve = server.signed_in("https://tv.test/", EVE).await;
    for path in ["/<script>alert(1)</script>", "/.pomerium/<script>alert(1)</script>"] {
        let path = path.replace('<', "%3C").replace('>', "%3E");
        let seen = eve
            .send(Method::GET, &format!("https://tv.test{path}?q=<script>"), NAVIGATION, "")
            .await;
        let rest = seen.body.replacen("<script src=\"/.pomerium/assets/usher.", "", 1); // our own
        assert!(!rest.contains("<script"), "{path}: {}", seen.body);
        assert_eq!(seen.field("x-content-type-options"), "nosniff", "{path}");
        let policy = seen.field("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "T18: nobody frames it: {policy}");
    }
}

/// Two people at once on the same connections never get each other's identity.
#[tokio::test]
async fn identities_do_not_mix() {
    let upstream = Upstream::echo();
    let route = friends("tv.test", upstream.address).replace(
        "policy: [{allow: {or: [{claim/groups: friends}]}}]",
        "allow_any_authenticated_user: true",
    );
    let text = format!("jwt_claims_headers: {{X-Email: email}}\n{}", config(&[route]));
    let server = TestServer::with_cores(&text, 2).await;
    let ann = server.signed_in("https://tv.test/", ANN).await;
    let eve = server.signed_in("https://tv.test/", EVE).await;
    let mut visits = Vec::new();
    for n in 0..40 {
        let (browser, email) = if n % 2 == 0 { (&ann, ANN.0) } else { (&eve, EVE.0) };
        let mut browser = if n % 3 == 0 { browser.over_http2() } else { browser.clone() };
        visits.push(tokio::spawn(async move {
            let seen = browser.send(Method::GET, "https://tv.test/", FETCH, "").await;
            (field(&seen.body, "x-email"), email)
        }));
    }
    for visit in visits {
        let (told, email) = visit.await.unwrap();
        assert_eq!(told.as_deref(), Some(email));
    }
}
