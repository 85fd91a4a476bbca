//! Keys whose value stands in a file, and the certificate that an app asks for: each as somebody
//! outside sees it.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use http::{Method, StatusCode};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use usher_lab::{
    browser::{FETCH, NAVIGATION},
    clock::TurnedClock,
    provider::FakeProvider,
    upstream::{Upstream, field},
};
use usher_rules::time::Clock as _;

use crate::test_server::{ANN, TestServer, config, friends};

/// A folder with files of these texts.
fn folder<const N: usize>(files: [(&str, &str); N]) -> (TempDir, [PathBuf; N]) {
    let folder = TempDir::new().unwrap();
    let paths = files.map(|(name, text)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    });
    (folder, paths)
}

/// An app that speaks with nobody who shows no certificate of this authority.
async fn strict(
    authority: &CertifiedIssuer<'_, KeyPair>,
    own: (CertificateDer<'static>, KeyPair),
) -> SocketAddr {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let key = PrivateKeyDer::try_from(own.1.serialize_der()).unwrap();
    let server = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![own.0], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut head = [0; 4096];
                let _read = stream.read(&mut head).await;
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _gone = stream.write_all(answer).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn an_app_that_asks_for_a_certificate_is_shown_the_route_s() {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let signed = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.into()]).unwrap();
        (leaf.signed_by(&key, &authority).unwrap(), key)
    };
    let (own, own_key) = signed("app.test");
    let app = strict(&authority, (own.der().clone(), own_key)).await;
    let (client, key) = signed("usher");
    let (chain, key) = (client.pem(), key.serialize_pem());
    let (_folder, [chain_file, key_file]) = folder([("chain.pem", &chain), ("key.pem", &key)]);
    let route = |host: &str, rest: String| {
        format!(
            "- from: https://{host}\n  to: https://{app}\n  tls_skip_verify: true\n  \
             allow_public_unauthenticated_access: true\n{rest}"
        )
    };
    let inline = |text: &str| BASE64_STANDARD.encode(text);
    let server = TestServer::open(&config(&[
        route("none.test", String::new()),
        route(
            "files.test",
            format!(
                "  tls_client_cert_file: {}\n  tls_client_key_file: {}\n",
                chain_file.display(),
                key_file.display()
            ),
        ),
        route(
            "inline.test",
            format!("  tls_client_cert: {}\n  tls_client_key: {}\n", inline(&chain), inline(&key)),
        ),
    ]))
    .await;
    let mut browser = server.browser();
    for (host, shown) in [("files", true), ("none", false), ("inline", true), ("none", false)] {
        let seen = browser.fetch(&format!("https://{host}.test/")).await;
        assert_eq!(seen.status.is_success(), shown, "{host}: {}", seen.status);
    }
}

#[tokio::test]
async fn a_client_s_secret_may_stand_in_a_file() {
    let provider = FakeProvider::start(TurnedClock::new().now().wall.seconds()).await.unwrap();
    let (client, secret) = provider.client();
    let app = Upstream::echo();
    // A final line end is no part of it.
    let (_folder, [right, wrong]) =
        folder([("right", &format!("{secret}\n")), ("wrong", "another")]);
    for (file, expected) in [(right, true), (wrong, false)] {
        let server = TestServer::open(&format!(
            "authenticate_service_url: https://auth.test\nidp_provider: oidc\nidp_provider_url: {}\n\
             idp_client_id: {client}\nidp_client_secret: not-this-one\nidp_client_secret_file: {}\n\
             idp_request_params: {{kc_idp_hint: family}}\nidp_scopes: [openid, email, library]\n{}",
            provider.issuer(),
            file.display(),
            config(&["- from: https://tv.test\n  to: http://".to_owned()
                + &app.address.to_string()
                + "\n  allow_any_authenticated_user: true\n"])
        ))
        .await;
        let mut browser = server.browser();
        let asked = browser.send(Method::GET, "https://tv.test/", NAVIGATION, "").await;
        let door = asked.location().unwrap();
        let sent = browser.send(Method::GET, door.as_str(), NAVIGATION, "").await;
        let authorize = sent.location().unwrap();
        let asks = |name: &str| {
            let mut pairs = authorize.query_pairs();
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        assert_eq!(asks("kc_idp_hint").as_deref(), Some("family"), "idp_request_params");
        assert_eq!(asks("scope").as_deref(), Some("openid email library"), "idp_scopes");
        let back = provider.consents(authorize.as_str()).unwrap();
        let arrived = browser.send(Method::GET, &back, NAVIGATION, "").await;
        let seen = browser.follow(arrived).await;
        assert_eq!(seen.status == StatusCode::OK, expected, "{}: {}", file.display(), seen.status);
    }
}

/// Whoever has another key is another server: what the one has signed the other does not take.
#[tokio::test]
async fn sessions_hold_for_as_long_as_their_keys_stand_in_their_files() {
    let app = Upstream::echo();
    let (one, other) = (BASE64_STANDARD.encode([7; 32]), BASE64_STANDARD.encode([8; 32]));
    let (_folder, [one, other]) = folder([("one", &one), ("other", &other)]);
    let with = |shared: &PathBuf, cookie: &PathBuf| {
        format!(
            "shared_secret_file: {}\ncookie_secret_file: {}\n{}",
            shared.display(),
            cookie.display(),
            config(&[friends("tv.test", app.address)])
        )
    };
    let mut server = TestServer::closed(1).await;
    server.restart(&with(&one, &one)).await;
    let cookies = server.signed_in("https://tv.test/", ANN).await.cookies("tv.test").unwrap();
    let fields = [FETCH, &[("cookie", &*cookies)]].concat();
    for (shared, cookie, status) in [(&one, &one, 200), (&other, &one, 401), (&one, &one, 200)] {
        server.restart(&with(shared, cookie)).await;
        let seen = server.browser().send(Method::GET, "https://tv.test/", &fields, "").await;
        assert_eq!(seen.status, status, "{} {}", shared.display(), cookie.display());
    }
}

/// What a sign-in under way is sealed with: who has another key did not begin it.
#[tokio::test]
async fn a_sign_in_ends_where_it_began_by_the_cookie_s_secret() {
    let provider = FakeProvider::start(TurnedClock::new().now().wall.seconds()).await.unwrap();
    let (client, secret) = provider.client();
    let app = Upstream::echo();
    let shared = BASE64_STANDARD.encode([7; 32]);
    let (one, other) = (BASE64_STANDARD.encode([8; 32]), BASE64_STANDARD.encode([9; 32]));
    let (_folder, [one, other]) = folder([("one", &one), ("other", &other)]);
    let with = |file: &PathBuf| {
        format!(
            "authenticate_service_url: https://auth.test\nidp_provider: oidc\nidp_provider_url: {}\n\
             idp_client_id: {client}\nidp_client_secret: \"{secret}\"\nshared_secret: {shared}\n\
             cookie_secret_file: {}\nroutes:\n- from: https://tv.test\n  to: http://{}\n  \
             allow_any_authenticated_user: true\n",
            provider.issuer(),
            file.display(),
            app.address,
        )
    };
    for (ends, arrives) in [(&one, true), (&other, false)] {
        let mut server = TestServer::closed(1).await;
        server.restart(&with(&one)).await;
        let mut browser = server.browser();
        let asked = browser.send(Method::GET, "https://tv.test/", NAVIGATION, "").await;
        let door = asked.location().unwrap();
        let sent = browser.send(Method::GET, door.as_str(), NAVIGATION, "").await;
        let back = provider.consents(sent.location().unwrap().as_str()).unwrap();
        server.restart(&with(ends)).await;
        let mut browser = browser.moved(server.address());
        let arrived = browser.send(Method::GET, &back, NAVIGATION, "").await;
        let seen = browser.follow(arrived).await;
        assert_eq!(seen.status == StatusCode::OK, arrives, "{}: {}", ends.display(), seen.status);
    }
}

/// Assertions are signed by the key in the file, and whoever verifies them finds that one.
#[tokio::test]
async fn assertions_are_signed_by_the_key_in_the_file() {
    let app = Upstream::echo();
    let keys = [KeyPair::generate().unwrap(), KeyPair::generate().unwrap()];
    let [one, other] = keys.map(|key| key.serialize_pem());
    let (_folder, [one, other]) = folder([("one.pem", &one), ("other.pem", &other)]);
    let with = |file: &PathBuf| {
        let route = format!(
            "- from: https://tv.test\n  to: http://{}\n  pass_identity_headers: true\n  \
             allow_public_unauthenticated_access: true\n",
            app.address
        );
        format!("signing_key_file: {}\n{}", file.display(), config(&[route]))
    };
    let mut server = TestServer::closed(1).await;
    let mut seen = Vec::new();
    for file in [&one, &other, &one] {
        server.restart(&with(file)).await;
        let mut browser = server.browser();
        let told = browser.fetch("https://tv.test/").await;
        let assertion = field(&told.body, "x-pomerium-jwt-assertion").unwrap();
        let head = BASE64_URL_SAFE_NO_PAD.decode(assertion.split('.').next().unwrap()).unwrap();
        let head: Value = serde_json::from_slice(&head).unwrap();
        let published = browser.fetch("https://tv.test/.well-known/pomerium/jwks.json").await;
        let published = published.json()["keys"][0]["kid"].clone();
        assert_eq!(head["kid"], published, "{head}");
        seen.push(published);
    }
    assert!(seen[0] == seen[2] && seen[0] != seen[1], "{seen:?}");
}

/// Where programs may be sent back to, and people after they have signed out.
#[tokio::test]
async fn nobody_is_sent_where_the_keys_do_not_lead() {
    let app = Upstream::echo();
    let routes = config(&[friends("tv.test", app.address)]);
    let login = "https://tv.test/.pomerium/api/v1/login?pomerium_redirect_uri=";
    for (key, local, listed) in [
        ("", 200, 400),
        ("programmatic_redirect_domain_whitelist: [app.test]\n", 400, 200),
        ("programmatic_redirect_domain_whitelist: []\n", 400, 400),
    ] {
        let server = TestServer::open(&format!("{key}{routes}")).await;
        let mut browser = server.browser();
        for (to, status) in [
            ("http://localhost:5000/", local),
            ("https://app.test/back", listed),
            ("https://app.test.evil.test/", 400),
            ("https://sub.app.test/", 400),
        ] {
            let seen = browser.fetch(&format!("{login}{to}")).await;
            assert_eq!(seen.status.as_u16(), status, "{key}{to}: {}", seen.body);
        }
    }
    for (key, expected) in
        [("", None), ("signout_redirect_url: https://bye.test/out\n", Some("bye.test"))]
    {
        let server = TestServer::open(&format!("{key}{routes}")).await;
        let mut browser = server.signed_in("https://tv.test/", ANN).await;
        let page = browser.open("https://tv.test/.pomerium/").await;
        let mut seen = browser.post_once(&page, "/.pomerium/sign_out", &[]).await;
        while let Some(next) = seen.location().filter(|next| next.host_str() == Some("tv.test")) {
            seen = browser.send(Method::GET, next.as_str(), NAVIGATION, "").await;
        }
        let left = seen.location();
        assert_eq!(left.as_ref().and_then(|url| url.host_str()), expected, "{key}");
    }
}
