//! A Jellyfin that starts: what browsers show, what apps get, and what stands on record.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::Method;
use usher_lab::{
    browser::{NAVIGATION, Seen},
    patience::within,
    upstream::{Exchange, Upstream},
};

use crate::{
    jellyfin::{TV, open},
    test_server::{ANN, TestServer},
};

const ITS_OWN: &str = "<html>Jellyfin Server is loading. Please try again shortly.</html>";

/// As servers do it: 503 with a page of their own, until they are ready.
fn library(starts: &Arc<AtomicBool>) -> Upstream {
    let starts = Arc::clone(starts);
    Upstream::start(async move |exchange: &mut Exchange| {
        exchange.body().await?;
        if starts.load(Ordering::Relaxed) {
            let fields = "content-type: text/html\r\nretry-after: 005\r\n";
            return exchange.reply(503, fields, ITS_OWN.as_bytes()).await;
        }
        let info = r#"{"ProductName":"Jellyfin Server","Version":"10.11.11","StartupWizardCompleted":true}"#;
        exchange.reply(200, "content-type: application/json\r\n", info.as_bytes()).await
    })
}

async fn state_of(server: &TestServer, seen: &Seen) -> serde_json::Value {
    server.recorded(seen.field("x-request-id")).await.1["app-state"].clone()
}

#[tokio::test]
async fn a_browser_waits_on_our_page_and_an_app_gets_the_server_s_own_answer() {
    let starts = Arc::new(AtomicBool::new(true));
    let library = library(&starts);
    let server = open(&library, "").await;
    let mut ann = server.signed_in(&format!("{TV}/link"), ANN).await;
    let url = format!("{TV}/web/index.html");
    let page = ann.send(Method::GET, &url, NAVIGATION, "").await;
    assert_eq!((page.status.as_u16(), page.field("refresh")), (503, "5"), "{}", page.body);
    assert_eq!(page.field("retry-after"), "005", "as the server said");
    assert!(page.body.contains("The library is starting.") && !page.body.contains(ITS_OWN));
    assert!(page.body.contains("href=\"/web/index.html\""), "{}", page.body);
    assert!(page.field("content-security-policy").contains("default-src 'none'"));

    // What is no page of a browser stays as it is: scripts, pictures, and an app's window.
    let android = "Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36";
    let window = [NAVIGATION, &[("user-agent", android)]].concat();
    let script = [("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "script"), ("accept", "*/*")];
    for fields in [&window[..], &script] {
        let seen = ann.send(Method::GET, &url, fields, "").await;
        assert_eq!((seen.status.as_u16(), &*seen.body), (503, ITS_OWN), "{fields:?}");
        assert_eq!(seen.field("refresh"), "");
    }
    let seen = within("it is known to start", async {
        loop {
            let seen = ann.send(Method::GET, &url, &script, "").await;
            if !state_of(&server, &seen).await.is_null() {
                break seen;
            }
        }
    })
    .await;
    assert_eq!(state_of(&server, &seen).await, "jellyfin-starting");

    starts.store(false, Ordering::Relaxed);
    within("it is ready", async {
        loop {
            let seen = ann.send(Method::GET, &url, &script, "").await;
            if state_of(&server, &seen).await.is_null() {
                assert_eq!(seen.status, 200);
                break;
            }
        }
    })
    .await;
}
