//! The power goes at each write of an order, one after another; the next start reads what is left
//! and ends with a certificate.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use usher::certs::acme::BeforeWrite;

use crate::{
    authority::{TestAuthority, issued, told},
    test_server::{TestServer, eventually},
};

const HOST: &str = "tv.example.com";
const PAGE: &str = "https://tv.example.com/";

/// Stops the thread for good at the `n`th write, and says which one that was.
fn stop_at(n: usize) -> (BeforeWrite, Arc<Mutex<Option<PathBuf>>>) {
    let stopped = Arc::new(Mutex::new(None));
    let (told, writes) = (Arc::clone(&stopped), AtomicUsize::new(0));
    let hook = move |path: &Path| {
        if writes.fetch_add(1, Ordering::SeqCst) + 1 == n {
            *told.lock().unwrap() = Some(path.to_owned());
            loop {
                std::thread::park(); // what comes after a power cut: nothing
            }
        }
    };
    (Arc::new(hook), stopped)
}

#[tokio::test]
async fn a_crash_at_every_write_leaves_what_the_next_start_reads() {
    let authority = TestAuthority::open(|_| {}).await;
    let config = authority.config(&[HOST], "");
    let mut seen = Vec::new();
    for n in 1.. {
        let mut server = TestServer::closed(1).await;
        let (hook, stopped) = stop_at(n);
        server.before_write = Some(hook);
        server.restart(&config).await;
        let end = eventually("a crash, or a certificate", || {
            let stopped = stopped.lock().unwrap().clone();
            stopped.map(Some).or_else(|| told(&server, HOST, "issuer").pop().map(|_| None))
        })
        .await;
        let crashed_at = match end {
            Some(path) => path,
            None => {
                // The last write comes after the certificate is served, and says whose it is.
                let state = server.data_dir().join(format!("acme/names/{HOST}.json"));
                let last = eventually("a crash, or the last write", || {
                    let stopped = stopped.lock().unwrap().clone();
                    let text = std::fs::read(&state).unwrap_or_default();
                    let state: serde_json::Value =
                        serde_json::from_slice(&text).unwrap_or_default();
                    let is_written = state["issued_by"].as_str().is_some_and(|by| !by.is_empty());
                    stopped.map(Some).or_else(|| is_written.then_some(None))
                });
                let Some(path) = last.await else { break };
                path
            }
        };
        let name = crashed_at.file_name().unwrap().to_str().unwrap().to_owned();
        seen.push(name.clone());
        server.crash().await;
        server.before_write = None;
        let has_certificate =
            server.data_dir().join("acme/names").join(format!("{HOST}.pem")).exists();
        server.restart(&config).await;
        if !has_certificate {
            // A crash counts as a failure, so the next attempt waits; unless there is an order
            // that only has to go on.
            server.clock.turn(Duration::from_secs(400));
            issued(&server, HOST).await;
        }
        let mut browser = authority.browser(&server).await;
        assert_eq!(browser.fetch(PAGE).await.status, StatusCode::OK, "after a crash at {name}");
        assert!(!server.log().contains("set aside"), "{name}: nothing is damaged");
    }
    for kind in ["tv.example.com.json", "tv.example.com.order.json", "tv.example.com.pem"] {
        assert!(seen.iter().any(|name| name == kind), "{kind} was hit: {seen:?}");
    }
    assert!(seen.iter().any(|name| name.starts_with("localhost-")), "the account: {seen:?}");
    assert!(seen.len() >= 5, "{seen:?}");
}
