//! A permit that ends before there is an answer is answered as the same request would be now.

use std::sync::Arc;

use http::Method;
use usher_lab::{
    browser::FETCH,
    upstream::{Exchange, Upstream},
};

use crate::test_server::{ANN, FRIENDS, TestServer, config, eventually, friends, public};

/// An app that takes an upload and says nothing.
fn silent() -> Upstream {
    Upstream::start(async |exchange: &mut Exchange| {
        if exchange.target().0 != "POST" {
            return exchange.reply(200, "", b"a page").await;
        }
        exchange.hung_up().await;
        Ok(())
    })
}

#[tokio::test]
async fn a_permit_that_ends_during_an_upload_gets_the_answer_of_now() {
    let upstream = silent();
    let before = config(&[friends("tv.test", upstream.address)]);
    let strict = before.replace(FRIENDS, "nobody");
    let elsewhere = config(&[public("other.test", upstream.address)]);
    let server = Arc::new(TestServer::open(&before).await);
    let mut came = 0;
    for (after, status, details) in [
        (Some(strict), 403, "permit_ended_policy"),
        (Some(elsewhere), 404, "permit_ended_route"),
        (None, 401, "permit_ended_session"),
    ] {
        server.reload(&before).unwrap();
        let mut ann = server.signed_in("https://tv.test/", ANN).await;
        let mut other = ann.moved(server.address());
        let upload = async {
            ann.send(Method::POST, "https://tv.test/upload", FETCH, "x".repeat(100_000)).await
        };
        let ends = async {
            let uploads =
                || upstream.heads().iter().filter(|head| head.starts_with("POST")).count();
            came += 1;
            eventually("the upload is there", || (uploads() == came).then_some(())).await;
            match after {
                Some(after) => server.reload(&after).unwrap(),
                None => {
                    let page = other.open("https://tv.test/.pomerium/").await;
                    other.post(&page, "/.pomerium/sign_out", &[]).await;
                }
            }
        };
        let (seen, ()) = tokio::join!(upload, ends);
        assert_eq!(seen.status, status, "{details}: {}", seen.body);
        assert_eq!(seen.json()["status"], status, "{}", seen.body);
        let (_, access) = server.recorded(seen.field("x-request-id")).await;
        assert_eq!(access["response-code-details"], details, "{access}");
    }
}
