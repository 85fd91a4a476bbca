//! The page that tells people how to trust the local authority, and what hangs from it.

use http::{Method, StatusCode};
use usher_lab::{
    browser::{Browser, NAVIGATION},
    provider::FakeProvider,
    upstream::{Exchange, Upstream},
};

use crate::test_server::{TestServer, config, friends, plan, public};

#[tokio::test]
async fn a_page_with_a_code_and_three_files() {
    let app = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", app.address)])).await;
    let mut browser = server.browser();
    let page = browser.open("https://tv.test/.pomerium/trust").await;
    assert_eq!(page.status, StatusCode::OK, "nobody has to sign in for it");
    let pem = std::fs::read_to_string(server.running().ca_file()).unwrap();
    let fingerprint = usher::certs::report::fingerprint(server.running().ca_file()).unwrap();
    assert!(page.body.contains(&fingerprint), "{}", page.body);
    assert!(page.body.contains("<svg") && !page.body.contains("<script"));
    for (file, kind) in [
        ("usher-ca.pem", "application/x-pem-file"),
        ("usher-ca.crt", "application/x-x509-ca-cert"),
        ("usher.mobileconfig", "application/x-apple-aspen-config"),
    ] {
        let url = format!("https://tv.test/.pomerium/trust/{file}");
        let seen = browser.send(http::Method::GET, &url, &[], "").await;
        assert_eq!((seen.status, seen.field("content-type")), (StatusCode::OK, kind), "{file}");
        assert!(!seen.body.contains("PRIVATE"), "{file}");
        if file.ends_with("pem") {
            assert_eq!(seen.body, pem);
        }
        if file.ends_with("mobileconfig") {
            let lines = pem.lines().filter(|line| !line.starts_with("-----"));
            let der = format!("<data>{}</data>", lines.collect::<String>());
            assert!(seen.body.contains(&der), "the same certificate: {}", seen.body);
        }
    }
    let nothing = browser.fetch("https://tv.test/.pomerium/trust/ca.key").await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
}

/// Where somebody else signs there is nothing to trust.
#[tokio::test]
async fn no_page_where_a_certificate_was_brought() {
    let app = Upstream::echo();
    let folder = tempfile::TempDir::new().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["tv.test".to_owned()]).unwrap();
    let (cert, private) = (folder.path().join("tv.pem"), folder.path().join("tv.key"));
    std::fs::write(&cert, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&private, key.serialize_pem()).unwrap();
    let text = format!(
        "certificates: [{{cert: {}, key: {}}}]\n{}",
        cert.display(),
        private.display(),
        config(&[friends("tv.test", app.address), friends("nas.test", app.address)])
    );
    let server = TestServer::open(&text).await;
    let mut browser = usher_lab::browser::Browser::new(server.address(), &cert);
    let page = browser.fetch("https://tv.test/.pomerium/trust").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    let page = server.browser().fetch("https://nas.test/.pomerium/trust").await;
    assert_eq!(page.status, StatusCode::OK, "its neighbour is the local authority's");
}

/// A provider behind usher itself, with a certificate of the local authority: no file is needed to
/// believe it, at the start and after a reload.
#[tokio::test]
async fn a_provider_behind_usher_itself_is_believed() {
    let address = usher_lab::ports::free_port();
    let issuer = format!("https://localhost:{}", address.port());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let keys = FakeProvider::start(now).await.unwrap().published_keys();
    let discovery = serde_json::json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
    .to_string();
    let provider = Upstream::start(async move |exchange: &mut Exchange| {
        let body = if exchange.target().1 == "/jwks" { &keys } else { &discovery };
        exchange.reply(200, "content-type: application/json\r\n", body.as_bytes()).await
    });
    let app = Upstream::echo();
    let text = format!(
        "authenticate_service_url: https://auth.test\nidp_provider: oidc\n\
         idp_provider_url: {issuer}\nidp_client_id: usher\nidp_client_secret: s3cret-s3cret\n{}",
        config(&[friends("tv.test", app.address), public("localhost", provider.address)])
    );
    let served = || {
        let mut plan = plan(&text);
        plan.listen.address = address.to_string().into();
        plan
    };
    let server = TestServer::closed(1).await;
    let running = server.start(served()).unwrap();
    for _ in 0..2 {
        let mut browser = Browser::new(running.address(), running.ca_file());
        let mut url = "https://tv.test/".to_owned();
        for _ in 0..4 {
            let seen = browser.send(Method::GET, &url, NAVIGATION, "").await;
            assert_eq!(seen.status, StatusCode::FOUND, "{url}: {}\n{}", seen.body, server.log());
            url = seen.field("location").to_owned();
            if url.starts_with(&issuer) {
                break;
            }
        }
        assert!(url.starts_with(&format!("{issuer}/authorize?")), "{url}");
        running.reload(served()).unwrap();
    }
    let waits = server.records("reload");
    assert!(waits.iter().all(|line| line["what"] != "certificate_authority"), "{waits:?}");
}
