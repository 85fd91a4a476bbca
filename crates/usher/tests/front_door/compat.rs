//! The configs of Pomerium's guides, as they stand in `config/compat/`, through the front door.

use std::{fs, net::SocketAddr, path::Path};

use http::{Method, StatusCode};
use usher_lab::{
    browser::NAVIGATION,
    upstream::{Upstream, field},
};

use crate::test_server::{ANN, EVE, FRIENDS, TestServer};

/// What a guide's app gets of a request: its name, and what its config asks for.
struct Guide {
    name: &'static str,
    /// Whom the app is asked for.
    host: Host,
    /// A field toward the app, and what begins its value.
    told: Option<(&'static str, &'static str)>,
}

/// What an app sees as `Host`.
enum Host {
    Visitors,
    Own,
}

const GUIDES: &[Guide] = &[
    Guide { name: "ad-guard", host: Host::Own, told: Some(("authorization", "Basic dXNl")) },
    Guide { name: "cockpit", host: Host::Visitors, told: None },
    Guide { name: "code-server", host: Host::Visitors, told: None },
    Guide { name: "forgejo", host: Host::Own, told: Some(("x-pomerium-claim-email", ANN.0)) },
    Guide { name: "gitlab", host: Host::Visitors, told: None },
    Guide { name: "grafana", host: Host::Own, told: Some(("x-pomerium-jwt-assertion", "ey")) },
    Guide { name: "guacamole", host: Host::Own, told: Some(("x-pomerium-claim-email", ANN.0)) },
    Guide { name: "hedgedoc", host: Host::Own, told: None },
    Guide { name: "jellyfin", host: Host::Visitors, told: None },
    Guide { name: "jenkins", host: Host::Own, told: Some(("x-pomerium-jwt-assertion", "ey")) },
    Guide { name: "llm", host: Host::Own, told: Some(("x-pomerium-claim-email", ANN.0)) },
    Guide { name: "tiddlywiki", host: Host::Own, told: Some(("x-pomerium-claim-email", ANN.0)) },
    Guide { name: "tooljet", host: Host::Visitors, told: None },
    Guide { name: "transmission", host: Host::Own, told: None },
];

/// The config of a guide, with the app and the person of this test in the place of its own. People
/// sign in here, since the hosted service is somebody else's.
fn here(name: &str, to: SocketAddr) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/compat");
    let text = fs::read_to_string(path.join(format!("{name}.yaml"))).unwrap();
    let line = |line: &str| match line.trim() {
        "autocert: true" | "authenticate_service_url: https://authenticate.pomerium.app" => None,
        // no key is needed to see that there is a signature
        key if key.starts_with("signing_key_file:") => None,
        target if target.starts_with("to: ") => Some(format!("  to: http://{to}\n")),
        _ => Some(format!("{line}\n").replace("user@example.com", ANN.0)),
    };
    text.lines().filter_map(line).collect()
}

#[tokio::test]
async fn every_guide_s_config_behaves_as_described() {
    for Guide { name, host, told } in GUIDES {
        let upstream = Upstream::echo();
        let text = here(name, upstream.address);
        let app = text.split("https://").nth(1).unwrap().lines().next().unwrap().to_owned();
        let server = TestServer::open(&text).await;
        let url = format!("https://{app}/");
        let nobody = server.browser().send(Method::GET, &url, NAVIGATION, "").await;
        assert_eq!(nobody.status, StatusCode::FOUND, "{name}: a stranger is sent to sign in");
        let mut eve = server.signed_in(&url, EVE).await;
        assert_eq!(
            eve.fetch(&url).await.status,
            StatusCode::FORBIDDEN,
            "{name}: another is refused"
        );
        assert!(upstream.heads().is_empty(), "{name}: nothing of them reached the app");
        let mut ann = server.signed_in(&url, ANN).await;
        let seen = ann.fetch(&url).await;
        assert_eq!(seen.status, StatusCode::OK, "{name}: the one person is let in");
        let own = upstream.address.to_string();
        let expected = match host {
            Host::Visitors => &app,
            Host::Own => &own,
        };
        assert_eq!(field(&seen.body, "host").as_ref(), Some(expected), "{name}");
        match told {
            Some((field_name, begins)) => {
                let said = field(&seen.body, field_name).unwrap_or_default();
                assert!(said.starts_with(begins), "{name}: {field_name}: {said}");
            }
            None => {
                let said = field(&seen.body, "x-pomerium-jwt-assertion");
                assert_eq!(said, None, "{name}: nothing is said of who asks");
            }
        }
        let socket = [("connection", "upgrade"), ("upgrade", "websocket")];
        let status = ann.send(Method::GET, &url, &socket, "").await.status;
        let is_open = text.contains("allow_websockets: true");
        assert_eq!(status != StatusCode::FORBIDDEN, is_open, "{name}: sockets, or none: {status}");
    }
}

/// A file of options that are no guide's, with the app and the people of this test in it.
fn options(name: &str, to: SocketAddr) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/compat");
    let text = fs::read_to_string(path.join(format!("{name}.yaml"))).unwrap();
    let mut text: String = text
        .lines()
        .filter(|line| !line.contains("/etc/usher/"))
        .fold(String::new(), |all, line| all + line + "\n");
    for app in ["app", "one", "two"] {
        text = text.replace(&format!("http://{app}:8080"), &format!("http://{to}"));
    }
    text.replace("user@example.com", ANN.0).replace("engineering", FRIENDS)
}

#[tokio::test]
async fn every_criterion_of_usual_policies_lets_in_whom_it_names() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&options("policies", upstream.address)).await;
    let home = "https://anybody.yourdomain.com/";
    let mut people =
        [server.browser(), server.signed_in(home, ANN).await, server.signed_in(home, EVE).await];
    // what a stranger, Ann and Eve are answered
    for (host, path, expected) in [
        ("accept", "/", [200, 200, 200]),
        ("reject", "/", [200, 200, 200]),
        ("anybody", "/", [302, 200, 200]),
        ("email", "/", [302, 200, 403]),
        ("domain", "/", [302, 200, 200]),
        ("user", "/", [302, 403, 403]),
        ("claim", "/", [302, 200, 403]),
        ("and", "/", [302, 200, 200]),
        ("path", "/", [302, 200, 200]),
        ("path", "/admin/x", [403, 403, 403]),
        ("address", "/", [403, 403, 403]),
        ("not", "/", [302, 200, 200]),
        ("preflight", "/", [302, 200, 403]),
    ] {
        for (browser, expected) in people.iter_mut().zip(expected) {
            let url = format!("https://{host}.yourdomain.com{path}");
            let mut seen = browser.send(Method::GET, &url, NAVIGATION, "").await;
            if expected != 302 && seen.status == StatusCode::FOUND {
                seen = browser.follow(seen).await; // signed in already: it leads back
            }
            assert_eq!(seen.status.as_u16(), expected, "{url}: {}", seen.body);
        }
    }
    let preflight = [("origin", "https://x.test"), ("access-control-request-method", "GET")];
    let url = "https://preflight.yourdomain.com/";
    let seen = server.browser().send(Method::OPTIONS, url, &preflight, "").await;
    assert_eq!(seen.status, StatusCode::OK, "a preflight is nobody's");
}

#[tokio::test]
async fn every_option_of_usual_routes_does_what_it_says() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&options("routes", upstream.address)).await;
    let url = |path: &str| format!("https://app.yourdomain.com{path}");
    let seen = server.browser().fetch(&url("/health")).await;
    assert_eq!(seen.status, StatusCode::OK, "its path is everybody's");
    let mut ann = server.signed_in(&url("/static/"), ANN).await;
    let mut eve = server.signed_in(&url("/static/"), EVE).await;
    for (path, of_ann, of_eve) in
        [("/admin", 200, 403), ("/v1/x", 200, 200), ("/static/a", 200, 200), ("/v1x", 200, 403)]
    {
        assert_eq!(ann.fetch(&url(path)).await.status.as_u16(), of_ann, "{path}");
        assert_eq!(eve.fetch(&url(path)).await.status.as_u16(), of_eve, "{path}");
    }
    let seen = eve.fetch(&url("/static/a?b")).await;
    assert!(seen.body.starts_with("GET /a?b "), "the prefix is rewritten: {}", seen.body);
    let seen = ann.send(Method::GET, &url("/"), &[("x-debug", "1")], "").await;
    assert_eq!(field(&seen.body, "x-debug"), None, "it is removed");
    assert_eq!(field(&seen.body, "host").as_deref(), Some("app.yourdomain.com"));
    assert!(field(&seen.body, "x-who").unwrap().starts_with("ey"), "{}", seen.body);
    assert_eq!(seen.field("x-frame-options"), "DENY");
}
