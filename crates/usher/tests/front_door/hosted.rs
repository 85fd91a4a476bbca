//! Hosted sign-in, two ushers on two sides of it: real sockets, real TLS, the wire of
//! `pomerium-protocols.md` §1a.

use std::path::Path;

use http::StatusCode;
use usher_lab::{browser::Browser, upstream::Upstream};

use crate::house::{ANN, EVE, House};

/// An authenticate service for proxies below `example.com`.
async fn service() -> House {
    House::open(
        "services: authenticate
authenticate_service_url: https://localhost
authenticate_allowed_hosts: ['*.example.com']
",
    )
    .await
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

struct Street {
    service: House,
    proxy: House,
    app: Upstream,
}

impl Street {
    async fn open() -> Self {
        let app = Upstream::echo();
        let service = service().await;
        let url = format!("https://localhost:{}", service.address().port());
        let config = proxy_config(&url, service.server().ca_file(), &app.address.to_string());
        Self { proxy: House::open(&config).await, service, app }
    }

    fn browser(&self) -> Browser {
        let service = self.service.server();
        self.proxy.browser().knowing("localhost", service.address(), service.ca_file())
    }
}

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
