//! What breaking the code on purpose showed that nobody would have noticed
//! (`docs/reference/mutants.md`).

use std::time::Duration;

use http::{Method, StatusCode};
use usher_lab::{
    browser::NAVIGATION,
    upstream::{Exchange, Upstream, field},
};

use crate::{
    providers::Outside,
    sockets,
    test_server::{ANN, TestServer, config, eventually, friends, public},
    wire::{say, status},
};

/// What the payload of an assertion says.
fn assertion(seen: &str) -> serde_json::Value {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    let jws = field(seen, "x-pomerium-jwt-assertion").expect("an assertion");
    let payload = jws.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// An assertion is kept for the next request, and never for another app, another plan, or for long.
#[tokio::test]
async fn an_assertion_is_for_one_app_one_plan_and_half_a_minute() {
    let upstream = Upstream::echo();
    let routes = ["tv.test", "photos.test"].map(|host| friends(host, upstream.address));
    let uri = friends("tv.test", upstream.address);
    let uri = uri.replace("  to:", "  prefix: /uri\n  jwt_issuer_format: IssuerURI\n  to:");
    let with = |name: &str| {
        let text = config(&[uri.clone(), routes[0].clone(), routes[1].clone()]);
        format!("jwt_claims_headers: {{{name}: email}}\n{text}")
    };
    let server = TestServer::open(&with("X-Email")).await;
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    ann.open("https://photos.test/").await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        for (host, path, issuer) in [
            ("tv.test", "", "tv.test"),
            ("photos.test", "", "photos.test"),
            ("tv.test", "uri", "https://tv.test/"),
        ] {
            let seen = ann.fetch(&format!("https://{host}/{path}")).await;
            assert_eq!(field(&seen.body, "x-email").as_deref(), Some(ANN.0));
            let said = assertion(&seen.body);
            assert_eq!((&said["aud"], &said["iss"]), (&host.into(), &issuer.into()));
            assert_eq!(said["email"], ANN.0);
            kept.push(said["jti"].clone());
        }
    }
    assert_eq!(kept[..3], kept[3..], "made once and kept");

    server.reload(&with("X-Mail")).unwrap();
    let seen = ann.fetch("https://tv.test/").await;
    assert_eq!(field(&seen.body, "x-mail").as_deref(), Some(ANN.0), "as the new plan says");
    assert_eq!(field(&seen.body, "x-email"), None);

    let before = assertion(&seen.body);
    server.clock.turn(Duration::from_secs(29));
    assert_eq!(assertion(&ann.fetch("https://tv.test/").await.body)["jti"], before["jti"]);
    server.clock.turn(Duration::from_secs(1));
    let after = assertion(&ann.fetch("https://tv.test/").await.body);
    assert_ne!(after["jti"], before["jti"], "half a minute is over");
    assert_eq!(after["iat"].as_u64().unwrap(), before["iat"].as_u64().unwrap() + 30);
}

/// `set_request_headers` may put the assertion into a field of another name.
#[tokio::test]
async fn the_assertion_goes_into_a_field_that_the_route_names() {
    let upstream = Upstream::echo();
    let route = friends("tv.test", upstream.address);
    let route = format!("{route}  set_request_headers: {{X-Token: 'Bearer ${{pomerium.jwt}}'}}\n");
    let server = TestServer::open(&config(&[route])).await;
    let seen = server.signed_in("https://tv.test/", ANN).await.fetch("https://tv.test/").await;
    let ours = field(&seen.body, "x-pomerium-jwt-assertion").unwrap();
    assert_eq!(field(&seen.body, "x-token").unwrap(), format!("Bearer {ours}"));
}

/// A preflight says what it is by method and two fields that are not empty.
#[tokio::test]
async fn a_preflight_passes_and_what_only_looks_like_one_does_not() {
    let upstream = Upstream::echo();
    let route = friends("tv.test", upstream.address);
    let route = route.replace("  to:", "  cors_allow_preflight: true\n  to:");
    let server = TestServer::open(&config(&[route])).await;
    let (origin, asks) = (("origin", "https://app.test"), ("access-control-request-method", "GET"));
    for (method, fields, passes) in [
        (Method::OPTIONS, &[origin, asks][..], true),
        (Method::OPTIONS, &[origin], false),
        (Method::OPTIONS, &[asks], false),
        (Method::OPTIONS, &[("origin", ""), asks], false),
        (Method::OPTIONS, &[origin, ("access-control-request-method", "")], false),
        (Method::GET, &[origin, asks], false),
        (Method::POST, &[origin, asks], false),
    ] {
        let seen = server.browser().send(method.clone(), "https://tv.test/", fields, "").await;
        assert_eq!(seen.status == StatusCode::OK, passes, "{method} {fields:?}: {}", seen.status);
    }
}

/// Who came in without a session has none that could have run out: the policy is what changed.
#[tokio::test]
async fn a_visitor_s_socket_ends_by_policy_and_not_by_expiry() {
    let upstream = sockets::echo();
    let open = public("tv.test", upstream.address);
    let server = TestServer::open(&config(std::slice::from_ref(&open))).await;
    let mut socket = sockets::open(&server.browser(), "tv.test").await;
    server.reload(&config(&[friends("tv.test", upstream.address)])).unwrap();
    sockets::ends(&mut socket).await;
    let line = eventually("the line is written", || server.records("http-request").pop()).await;
    assert_eq!(line["response-code-details"], "permit_ended_policy", "{line}");
}

/// A query that is empty stays one: `/a?` and `/a` are two targets to some apps.
#[tokio::test]
async fn an_empty_query_reaches_the_app() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    for target in ["/a?", "/a", "/a?b"] {
        server.browser().fetch(&format!("https://tv.test{target}")).await;
        assert!(upstream.last().starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{target}");
    }
}

/// A page of a neighbour on the same domain asks with somebody else's link, too.
#[tokio::test]
async fn a_neighbour_s_page_uses_no_session_in_a_link() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    let ann = server.signed_in("https://tv.test/", ANN).await;
    let handle = ann.jar["tv.test"]["__Host-_pomerium"].clone();
    let link = format!("https://tv.test/?pomerium_session={handle}");
    for (site, expected) in [
        ("cross-site", StatusCode::UNAUTHORIZED),
        ("same-site", StatusCode::UNAUTHORIZED),
        ("same-origin", StatusCode::OK),
        ("none", StatusCode::OK),
    ] {
        let fields = [("sec-fetch-mode", "no-cors"), ("sec-fetch-site", site)];
        let seen = server.browser().send(Method::GET, &link, &fields, "").await;
        assert_eq!(seen.status, expected, "{site}");
    }
    // Browsers before Fetch Metadata: a page of another site posts, or one with cookies asks.
    for (name, value, expected) in [
        ("origin", "https://evil.test", StatusCode::UNAUTHORIZED),
        ("origin", "null", StatusCode::UNAUTHORIZED),
        ("origin", "http://tv.test", StatusCode::UNAUTHORIZED),
        ("origin", "https://tv.test", StatusCode::OK),
        ("cookie", "theme=dark", StatusCode::UNAUTHORIZED),
    ] {
        let fields = [("accept", "application/json"), (name, value)];
        let seen = server.browser().send(Method::POST, &link, &fields, "").await;
        assert_eq!(seen.status, expected, "{name}: {value}");
    }
    let seen = server.browser().send(Method::GET, &link, NAVIGATION, "").await;
    assert_eq!(seen.status, StatusCode::FOUND);
}

/// A head may have a hundred fields, and no more.
#[tokio::test]
async fn a_head_has_a_hundred_fields_at_most() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let url = "https://tv.test/";
    let names: Vec<String> = (0..120).map(|number| format!("x-{number}")).collect();
    let fields: Vec<_> = names.iter().map(|name| (&**name, "1")).collect();
    let taken = async |count: usize| {
        server.browser().send(Method::GET, url, &fields[..count], "").await.status == StatusCode::OK
    };
    assert!(taken(90).await && !taken(110).await);
}

/// What `jwt_claims_headers` names is told twice: in its field, and in the assertion, which is what
/// an app may believe.
#[tokio::test]
async fn claims_that_the_config_names_are_in_the_assertion() {
    let policy = "[{allow: {or: [{authenticated_user: true}]}}]";
    let at = Outside::open(policy, "jwt_claims_headers: {X-Team: team, X-Who: sub}").await;
    let claims = serde_json::json!({"sub": "u1", "email": "ann@example.com", "team": ["a", "b"]});
    let (_, seen) = at.visit_as(claims, None).await;
    assert_eq!(field(&seen.body, "x-team").as_deref(), Some("a,b"), "{}", seen.body);
    assert_eq!(assertion(&seen.body)["team"], "a,b");
}

/// An app that does not know of TLS names itself as `http://` in redirects; what an answer without
/// one says of an address is the app's.
#[tokio::test]
async fn the_address_of_a_redirect_stays_on_https_and_no_other() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        let code = exchange.target().1[1..].parse().unwrap();
        exchange.reply(code, "location: http://tv.test/there\r\n", b"").await
    });
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    for (code, scheme) in [(301, "https"), (302, "https"), (307, "https"), (201, "http")] {
        let url = format!("https://tv.test/{code}");
        let seen = server.browser().send(Method::GET, &url, &[], "").await;
        assert_eq!(seen.status.as_u16(), code);
        assert_eq!(seen.field("location"), format!("{scheme}://tv.test/there"), "{code}");
    }
}

/// RFC 9112 §3.2: HTTP/1.1 has a `Host`, whatever its target says; what has none may have been
/// routed by somebody before us in another way.
#[tokio::test]
async fn a_target_that_names_a_host_needs_a_host_field_beside_it() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    for (version, host, expected) in [
        ("1.1", "host: tv.test\r\n", 200),
        ("1.1", "", 400),
        ("1.0", "", 400),
        ("1.1", "host: other.test\r\n", 400),
        ("1.1", "host: tv.test\r\nhost: tv.test\r\n", 400),
    ] {
        let head =
            format!("GET https://tv.test/ HTTP/{version}\r\n{host}connection: close\r\n\r\n");
        let answer = say(&server.browser(), "tv.test", head.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{head}{answer}");
    }
}

/// Every request that was answered has its line; a few lines a minute are for those that were
/// taken back before anything was decided, and for no others.
#[tokio::test]
async fn what_is_refused_before_it_is_routed_has_a_line_each() {
    const MANY: usize = 30;
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[public("tv.test", upstream.address)])).await;
    let mut browser = server.browser();
    for _ in 0..MANY {
        let seen = browser.send(Method::GET, "https://tv.test/;/admin", &[], "").await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    }
    for message in ["authorize check", "http-request"] {
        let all = || Some(server.records(message).len()).filter(|lines| *lines >= MANY);
        assert_eq!(eventually(message, all).await, MANY, "{message}");
    }
}

/// A route's `set_response_headers` replace those of the config by name, and leave the others.
#[tokio::test]
async fn a_route_s_response_fields_replace_those_of_all_by_name() {
    let upstream = Upstream::echo();
    let own = |field: &str| {
        let route = public("tv.test", upstream.address);
        config(&[format!("{route}  set_response_headers: {{{field}}}\n")])
    };
    let server = TestServer::open(&own("X-Frame-Options: DENY")).await;
    let seen = server.browser().fetch("https://tv.test/").await;
    let all = |name: &str| {
        let values = seen.fields.get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(
        (all("x-frame-options"), all("x-xss-protection")),
        (vec!["DENY"], vec!["1; mode=block"])
    );

    let text = format!("set_response_headers: {{X-One: all, X-Two: all}}\n{}", own("X-One: tv"));
    server.reload(&text).unwrap();
    let seen = server.browser().fetch("https://tv.test/").await;
    let all = |name: &str| {
        let values = seen.fields.get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((all("x-one"), all("x-two")), (vec!["tv"], vec!["all"]));
}
