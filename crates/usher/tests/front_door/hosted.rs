//! Hosted sign-in, two ushers on two sides of it: real sockets, real TLS, the wire of
//! `pomerium-protocols.md` §1a.

use std::path::Path;

use http::StatusCode;
use usher_lab::{
    browser::{Browser, NAVIGATION},
    provider::FakeProvider,
    service::key_of,
    upstream::Upstream,
};
use usher_rules::signin::hosted::{HostedKey, PUBLIC_KEY, PublicKey, SealedForm, Version};

use crate::test_server::{ANN, EVE, TestServer};

/// An authenticate service whose people sign in at that provider.
pub async fn service_in_front_of(provider: &FakeProvider) -> TestServer {
    let (client, secret) = provider.client();
    let issuer = provider.issuer();
    service(&format!(
        "idp_provider: oidc
idp_provider_url: {issuer}
idp_client_id: {client}
idp_client_secret: {secret}
"
    ))
    .await
}

/// An authenticate service for proxies below `example.com`, with `more` lines.
pub async fn service(more: &str) -> TestServer {
    TestServer::open(&format!("{SERVICE}{more}")).await
}

/// What it is configured with.
pub const SERVICE: &str = "services: authenticate
authenticate_service_url: https://localhost
authenticate_allowed_hosts: ['*.example.com']
";

/// Where proxies find a service.
pub fn origin(service: &TestServer) -> String {
    format!("https://localhost:{}", service.address().port())
}

/// The guide's route, at a proxy whose people sign in at `service`.
pub fn proxy_config(service: &str, ca_file: &Path, app: &str) -> String {
    format!(
        "authenticate_service_url: {service}
authenticate_flow: stateless
certificate_authority_file: {ca}
routes:
- from: https://tv.example.com
  to: http://{app}
  allow_websockets: true
  preserve_host_header: true
  pass_identity_headers: true
  policy: [{{allow: {{or: [{{email: {{is: {ann}}}}}]}}}}]
- from: https://photos.example.com
  to: http://{app}
  pass_identity_headers: true
  policy: [{{allow: {{or: [{{email: {{is: {ann}}}}}]}}}}]
",
        ca = ca_file.display(),
        ann = ANN.0,
    )
}

/// A proxy whose people sign in at `service`, in front of `app`.
pub async fn proxy_of(service: &str, ca_file: &Path, app: &Upstream) -> TestServer {
    TestServer::open(&proxy_config(service, ca_file, &app.address.to_string())).await
}

struct Street {
    service: TestServer,
    proxy: TestServer,
    app: Upstream,
}

impl Street {
    async fn open() -> Self {
        let app = Upstream::echo();
        let service = service("").await;
        let proxy = proxy_of(&origin(&service), service.running().ca_file(), &app).await;
        Self { proxy, service, app }
    }

    fn service_key(&self) -> PublicKey {
        HostedKey::derive(&self.service.keys()[0].shared).public()
    }

    fn browser(&self) -> Browser {
        let service = self.service.running();
        self.proxy.browser().knowing("localhost", service.address(), service.ca_file())
    }
}

const YES: [(&str, &str); 1] = [("program", "allow")];
const PAGE: &str = "https://tv.example.com/web/index.html?z=1&a=%20x&flag";

#[tokio::test]
async fn two_ushers_sign_somebody_in_between_them() {
    let street = Street::open().await;
    let mut browser = street.browser();
    let page = browser.sign_in(PAGE, ANN.0, ANN.1).await;
    assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, PAGE), "octet for octet");
    let identity = browser.open("https://tv.example.com/.pomerium/").await;
    assert!(identity.body.contains(ANN.0), "{}", identity.body);

    // A further route asks nobody for a password again.
    let photos = browser.open("https://photos.example.com/").await;
    assert_eq!(
        (photos.status, photos.url.host_str()),
        (StatusCode::OK, Some("photos.example.com"))
    );

    let mut eve = street.browser();
    let refused = eve.sign_in(PAGE, EVE.0, EVE.1).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    for (seen, allowed) in [(&page, true), (&refused, false)] {
        let (decision, _) = street.proxy.recorded(seen.field("x-request-id")).await;
        assert_eq!(decision["allow"], allowed, "{decision}");
    }
    drop(street.app);
}

/// What a program on somebody's machine does (`pomerium-protocols.md` §2.4).
#[tokio::test]
async fn a_program_gets_its_handle_through_a_browser() {
    let street = Street::open().await;
    let login = "https://tv.example.com/.pomerium/api/v1/login?pomerium_redirect_uri=";
    let mut browser = street.browser();
    let url = browser.fetch(&format!("{login}http%3A%2F%2Flocalhost%3A5555")).await.body;
    assert!(url.starts_with("https://localhost:"), "{url}");

    let form = browser.open(&url).await;
    let ann = [("email", ANN.0), ("password", ANN.1)];
    let at_service = browser.post_once(&form, "", &ann).await;
    assert_eq!(at_service.status, StatusCode::OK, "the service asks");
    let answer = browser.post_once(&at_service, &at_service.action(), &YES).await;
    let callback = answer.location().unwrap();
    assert_eq!(callback.path(), "/.pomerium/callback/");

    // The proxy asks, too: its service may be one that does not.
    let page = browser.send(http::Method::GET, callback.as_str(), NAVIGATION, "").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    for word in ["http://localhost:5555", "tv.example.com", ANN.0] {
        assert!(page.body.contains(word), "{word}: {}", page.body);
    }
    assert!(page.field("content-security-policy").contains("http://localhost:5555"));
    let posted = format!("program=allow&usher_flow={}", page.hidden()[0].1);
    let cross = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
    let seen = browser.send(http::Method::POST, callback.as_str(), &cross, posted).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "a page of another site posts it");
    let mut stranger = street.browser();
    let seen = stranger.post_once(&page, &page.action(), &YES).await;
    assert!(!seen.field("location").contains("pomerium_jwt"), "another browser");

    let given = browser.post_once(&page, &page.action(), &YES).await;
    let back = given.location().unwrap();
    assert_eq!((back.host_str(), back.port()), (Some("localhost"), Some(5555)));
    let handle = back.query().unwrap().strip_prefix("pomerium_jwt=").unwrap().to_owned();
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::UNAUTHORIZED, "the program's alone");
    let again = browser.post_once(&page, &page.action(), &YES).await;
    assert!(!again.field("location").contains("pomerium_jwt"), "once");
    let shown = browser.send(http::Method::GET, callback.as_str(), NAVIGATION, "").await;
    let again = browser.post_once(&shown, &shown.action(), &YES).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "the service's answer counts once");

    let mut program = street.browser();
    let bearer = format!("Pomerium {handle}");
    let fields = [("authorization", bearer.as_str())];
    let page = program.send(http::Method::GET, PAGE, &fields, "").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);

    let evil = browser.fetch(&format!("{login}https%3A%2F%2Fevil.example.net")).await;
    assert_eq!(evil.status, StatusCode::BAD_REQUEST);
}

/// The real proxy keeps the record, so a copied cookie goes on to work.
#[tokio::test]
async fn signing_out_ends_the_record_here_and_asks_the_service() {
    let street = Street::open().await;
    let mut browser = street.browser();
    browser.sign_in(PAGE, ANN.0, ANN.1).await;
    let mut copied = browser.clone();
    let confirm = browser.open("https://tv.example.com/.pomerium/sign_out").await;
    let out = browser.post_once(&confirm, "/.pomerium/sign_out", &[]).await;
    let next = out.location().unwrap();
    assert_eq!((next.host_str(), next.path()), (Some("localhost"), "/.pomerium/sign_out"));
    assert!(!next.as_str().contains("usher_person"), "the service learns no more than it must");
    assert_eq!(copied.fetch(PAGE).await.status, StatusCode::UNAUTHORIZED, "the copied cookie");

    // The service can't verify a proxy's signature, so it asks; then the way leads back.
    let asks = browser.follow(out).await;
    assert!(asks.url.as_str().starts_with("https://localhost:"), "{}", asks.url);
    let over = browser.post(&asks, "/.pomerium/sign_out", &[]).await;
    assert_eq!(over.url.as_str(), "https://tv.example.com/.pomerium/signed_out");
    let again = browser.open(PAGE).await;
    assert!(again.body.contains("type=\"password\""), "signed out at the service too");
}

/// Any site may ask the real service for a signed-in visitor's profile, sealed to its own key.
#[tokio::test]
async fn the_service_serves_hosts_that_were_named_and_no_other() {
    let street = Street::open().await;
    let mut browser = street.browser();
    browser.sign_in(PAGE, ANN.0, ANN.1).await;
    let port = street.service.address().port();
    let service = format!("https://localhost:{port}");
    let key = browser.fetch(&format!("{service}{PUBLIC_KEY}")).await;
    assert_eq!(key.field("cache-control"), "max-age=60");
    assert_eq!(key.field("content-type"), "application/octet-stream");
    let head = browser.send(http::Method::HEAD, &format!("{service}{PUBLIC_KEY}"), &[], "").await;
    assert_eq!(head.status, StatusCode::NOT_FOUND, "as the real one does");

    let service_key = street.service_key();
    let evil = key_of(0x60);
    let ask = |pairs: Vec<(&str, &str)>| {
        let query = SealedForm::seal(pairs, Version::V2, &evil, &service_key, [9; 32]).unwrap();
        format!("{service}/.pomerium/sign_in?{query}")
    };
    let redirect = |uri| vec![("pomerium_redirect_uri", uri), ("pomerium_idp_id", "x")];
    let good = "https://tv.example.com/";
    let with = |uri, name, value| {
        let mut pairs = redirect(uri);
        pairs.push((name, value));
        pairs
    };
    for (url, why) in [
        (ask(redirect("https://evil.example.net/take")), "a foreign host"),
        (ask(redirect("https://tv.example.com.evil.net/")), "that begins like one of ours"),
        (ask(redirect("https://example.com/")), "the domain itself was not named"),
        (ask(redirect("http://tv.example.com/")), "in the clear"),
        (ask(redirect("javascript://tv.example.com/%0aalert(1)")), "a script"),
        (ask(redirect("https://tv.example.com@evil.example.net/")), "a user name"),
        (ask(redirect("/relative")), "no host"),
        (ask(vec![("pomerium_idp_id", "x")]), "no redirect"),
        (
            ask(with(good, "pomerium_callback_uri", "https://evil.example.net/")),
            "a callback elsewhere",
        ),
        (
            format!("{}&pomerium_redirect_uri={good}", ask(vec![("pomerium_idp_id", "x")])),
            "a redirect beside the seal",
        ),
        (format!("{}x", ask(redirect(good))), "a changed octet"),
        (format!("{service}/.pomerium/sign_in?k=x&q=y"), "garbage"),
        (format!("{service}/.pomerium/sign_in?pomerium_redirect_uri={good}"), "nothing is sealed"),
    ] {
        let seen = browser.send(http::Method::GET, &url, NAVIGATION, "").await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{why}: {:?}", seen.location());
        assert!(seen.location().is_none(), "{why}");
    }
    // Whose key it is does not matter, where it goes does: a further proxy needs no registration.
    let served = browser.send(http::Method::GET, &ask(redirect(good)), NAVIGATION, "").await;
    let location = served.location().unwrap();
    assert!(location.as_str().starts_with("https://tv.example.com/.pomerium/callback/?k="));
    // And what was sealed for that proxy is not taken by ours.
    let taken = browser.send(http::Method::GET, location.as_str(), NAVIGATION, "").await;
    assert_eq!(taken.status, StatusCode::BAD_REQUEST);
}
