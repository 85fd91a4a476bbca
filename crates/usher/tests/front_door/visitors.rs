//! Who the visitor is behind proxies that are trusted: one reading, wherever it counts.

use http::Method;
use usher_lab::upstream::{Upstream, field};

use crate::test_server::{TestServer, config, public};

/// In all the ways that proxies write it, toward the app and in the log; policy judges the peer,
/// as the real server does, since whom a field names is up to who wrote it.
#[tokio::test]
async fn an_address_is_read_in_every_form_that_proxies_write() {
    let app = Upstream::echo();
    let named = format!(
        "- from: https://named.test\n  to: http://{}\n  \
         policy: [{{allow: {{or: [{{source_ip: [198.51.100.0/24, '2001:db8::/32']}}]}}}}]\n",
        app.address
    );
    let peer = named.replace("named.test", "peer.test").replace("198.51.100.0/24", "127.0.0.1");
    let text = format!(
        "xff_num_trusted_hops: 1\naccess_log_fields: [request-id, ip, forwarded-for]\n{}",
        config(&[public("tv.test", app.address), named, peer])
    );
    let server = TestServer::open(&text).await;
    let mut browser = server.browser();
    for (name, value, visitor) in [
        ("x-forwarded-for", "198.51.100.4", "198.51.100.4"),
        ("x-forwarded-for", "198.51.100.4:51234", "198.51.100.4"),
        ("x-forwarded-for", "[2001:db8::1]:51234", "2001:db8::1"),
        ("x-forwarded-for", "[2001:db8::1]", "2001:db8::1"),
        ("x-forwarded-for", "2001:db8::1", "2001:db8::1"),
        ("x-forwarded-for", "\"[2001:db8::1]:443\"", "2001:db8::1"),
        ("x-forwarded-for", "\"198.51.100.4:80\"", "198.51.100.4"),
        ("x-forwarded-for", "192.0.2.1, 198.51.100.4:80", "198.51.100.4"),
        ("x-forwarded-for", "::ffff:198.51.100.4", "198.51.100.4"),
        ("forwarded", "for=\"[2001:db8::1]:443\";proto=https", "2001:db8::1"),
        ("forwarded", "proto=https;For=198.51.100.4", "198.51.100.4"),
        ("x-forwarded-for", "unknown", "127.0.0.1"),
        ("x-forwarded-for", "198.51.100.4:port", "127.0.0.1"),
        ("x-forwarded-for", "198.51.100.4 51234", "127.0.0.1"),
        ("x-other", "198.51.100.4", "127.0.0.1"),
    ] {
        let fields = [(name, value)];
        let seen = browser.send(Method::GET, "https://tv.test/", &fields, "").await;
        let way = field(&seen.body, "x-forwarded-for").unwrap();
        let (_, record) = server.recorded(seen.field("x-request-id")).await;
        assert_eq!(record["ip"], visitor, "{name}: {value}");
        assert_eq!(record["forwarded-for"], way, "{name}: {value}: what the app was told");
        let first = way.rsplit(", ").nth(usize::from(way.contains(", "))).unwrap();
        let first = first.trim_start_matches("::ffff:");
        assert_eq!(first, visitor, "{name}: {value}: {way}");
        for (host, status) in [("named.test", 302), ("peer.test", 200)] {
            let url = format!("https://{host}/");
            let page = [fields[0], ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
            let seen = browser.send(Method::GET, &url, &page, "").await;
            let is_refused = status == 302 && matches!(seen.status.as_u16(), 302 | 403);
            assert!(is_refused || seen.status == status, "{host}, {value}: {}", seen.status);
            let (decision, _) = server.recorded(seen.field("x-request-id")).await;
            assert_eq!(decision["ip"], "127.0.0.1", "{value}");
        }
    }
}

/// Without trusted hops nobody is believed.
#[tokio::test]
async fn nobody_names_himself() {
    let app = Upstream::echo();
    let text = format!(
        "access_log_fields: [request-id, ip]\n{}",
        config(&[public("tv.test", app.address)])
    );
    let server = TestServer::open(&text).await;
    let fields = [("x-forwarded-for", "198.51.100.4"), ("forwarded", "for=198.51.100.4")];
    let seen = server.browser().send(Method::GET, "https://tv.test/", &fields, "").await;
    assert_eq!(field(&seen.body, "x-forwarded-for").as_deref(), Some("127.0.0.1"));
    let (_, record) = server.recorded(seen.field("x-request-id")).await;
    assert_eq!(record["ip"], "127.0.0.1");
}
