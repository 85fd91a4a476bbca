//! The page that tells people how to trust the local authority, and what hangs from it.

use http::StatusCode;
use usher_lab::upstream::Upstream;

use crate::house::{House, config, friends};

#[tokio::test]
async fn a_page_with_a_code_and_three_files() {
    let app = Upstream::echo();
    let house = House::open(&config(&[friends("tv.test", app.address)])).await;
    let mut browser = house.browser();
    let page = browser.open("https://tv.test/.pomerium/trust").await;
    assert_eq!(page.status, StatusCode::OK, "nobody has to sign in for it");
    let pem = std::fs::read_to_string(house.server().ca_file()).unwrap();
    let fingerprint = usher::certs::report::fingerprint(house.server().ca_file()).unwrap();
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
    let house = House::open(&text).await;
    let mut browser = usher_lab::browser::Browser::new(house.address(), &cert);
    let page = browser.fetch("https://tv.test/.pomerium/trust").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    let page = house.browser().fetch("https://nas.test/.pomerium/trust").await;
    assert_eq!(page.status, StatusCode::OK, "its neighbour is the local authority's");
}
