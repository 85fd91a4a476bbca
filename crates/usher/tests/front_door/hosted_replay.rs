//! The recorded exchanges of the real proxy and the real service, through a whole usher: it asks as
//! the real proxy asked, the recorded service answers as it answered, and what comes of it is what
//! came of it, but for the holes.

use http::{Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use usher_lab::{
    browser::NAVIGATION,
    recorded,
    service::{KeyServer, key_of},
    upstream::Upstream,
};
use usher_rules::{signin::hosted::SealedForm, time::Clock as _};

use crate::test_server::TestServer;

/// The recorded proxy's config, with its secret.
fn config(service: &KeyServer, app: &Upstream) -> String {
    let route = |host: &str| {
        format!(
            "- from: https://{host}
  to: http://{}
  pass_identity_headers: true
  policy: [{{allow: {{or: [{{email: {{is: alice@example.com}}}}]}}}}]
",
            app.address
        )
    };
    format!(
        "authenticate_service_url: {}
authenticate_flow: stateless
certificate_authority_file: {}
shared_secret: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
jwt_claims_headers: {{X-Groups: groups}}
routes:
{}{}",
        service.url(),
        service.ca_file().display(),
        route("app.example.com"),
        route("other.example.com")
    )
}

#[tokio::test]
async fn the_recorded_sign_in_goes_as_it_went() {
    let recorded: Value = serde_json::from_str(recorded::SIGN_IN).unwrap();
    let folder = TempDir::new().unwrap();
    let service = KeyServer::start(folder.path(), key_of(0x40)).await;
    let app = Upstream::echo();
    let proxy = TestServer::open(&config(&service, &app)).await;
    let mut browser = proxy.browser().knowing("localhost", service.address(), service.ca_file());

    // What we ask for is what the real proxy asked for, name by name.
    let page = recorded["page"].as_str().unwrap();
    let asked = browser.send(Method::GET, page, NAVIGATION, "").await;
    let location = asked.location().unwrap();
    let unsealed = SealedForm::unseal(location.query().unwrap(), &service.key()).unwrap();
    assert_eq!(unsealed.sender(), key_of(0x00).public(), "the recorded proxy's key");
    let names: Vec<&str> = recorded["asked"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .filter(|name| *name != "pomerium_traceparent") // we have no traces yet
        .collect();
    let opened = unsealed.read(1 << 16).unwrap();
    assert_eq!(opened.names().collect::<Vec<_>>(), names);

    // The recorded service answers; the person is let in with everything that it said of them.
    let arrived = browser.follow(asked).await;
    assert_eq!(arrived.status, StatusCode::OK, "{}", proxy.log());
    assert_eq!(arrived.url.as_str(), page, "octet for octet; the real proxy sorts and rewrites it");
    let head = app.heads().pop().unwrap().to_ascii_lowercase();
    for claim in ["x-groups: admins,media", "x-pomerium-jwt-assertion: "] {
        assert!(head.contains(claim), "{claim}: {head}");
    }
    let identity = browser.open("https://app.example.com/.pomerium/").await;
    for words in ["alice@example.com", "Alice Example", "admins", "media", "be renewed here"] {
        assert!(identity.body.contains(words), "{words}: {}", identity.body);
    }
    let (decision, _) = proxy.recorded(arrived.field("x-request-id")).await;
    assert_eq!((&decision["allow"], &decision["user"]), (&true.into(), &"alice".into()));

    // A second route, as recorded: through the service again, without a question.
    let second = browser.open("https://other.example.com/").await;
    assert_eq!(second.status, StatusCode::OK);
    assert_eq!(second.url.as_str(), "https://other.example.com/");

    // The tokens end in an hour, and the session a minute before.
    let age = proxy.clock.now().wall;
    proxy.clock.turn(std::time::Duration::from_secs(3700));
    assert!(proxy.clock.now().wall > age);
    let over = browser.send(Method::GET, page, NAVIGATION, "").await;
    assert_eq!(over.status, StatusCode::FOUND, "signed in for as long as the tokens last");
}
