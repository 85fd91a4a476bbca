//! The configs of Pomerium's guides, as they stand in `config/compat/`, through the front door.

use std::{fs, net::SocketAddr, path::Path};

use http::{Method, StatusCode};
use usher_lab::{
    browser::NAVIGATION,
    upstream::{Upstream, field},
};

use crate::test_server::{ANN, EVE, TestServer};

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
