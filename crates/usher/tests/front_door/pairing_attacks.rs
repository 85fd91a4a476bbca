//! Attacks on Quick Connect: codes that are replayed, swapped, said yes to by two at once, expired,
//! overwritten. None binds a device to somebody who did not say yes to it.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use usher_lab::{
    browser::{Browser, Seen},
    patience::answered,
};

use crate::{
    apps_let_in::{App, TV, button, let_in, library, open, route, say_yes, status_of},
    seats::{BOB, add},
    test_server::{ANN, TestServer, config, eventually},
};

const GONE: &str = "The app does not wait any more";
const UNKNOWN: &str = "No app waits with this code";
const LIFE: Duration = Duration::from_secs(600);

/// What the page shows to whoever types a code.
async fn types(browser: &mut Browser, code: &str) -> Seen {
    let page = browser.open(&format!("{TV}/link")).await;
    browser.post(&page, "/link", &[("code", code)]).await
}

/// Presses the button of an app.
async fn presses(browser: &mut Browser, page: &Seen, id: &str) -> Seen {
    browser.post(page, "/link", &[("app", id)]).await
}

async fn is_bound(server: &TestServer, app: &mut App, secret: &str) -> Option<bool> {
    server.clock.turn(Duration::from_secs(1)); // it may ask once a second
    let polled = app.get(&format!("/QuickConnect/Connect?secret={secret}"), "").await;
    match polled.status.as_u16() {
        200 => polled.json()["Authenticated"].as_bool(),
        404 => None,
        other => panic!("{other}: {}", polled.body),
    }
}

/// Whose a token is, as the library says.
async fn whose(app: &mut App, token: &str) -> Value {
    app.get("/Users/Me", token).await.json()["Name"].clone()
}

fn token_of(answer: &Seen) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["AccessToken"].as_str().unwrap().to_owned()
}

/// The app takes its token, which is this one's.
async fn gets_its_own(app: &mut App, secret: &str, owner: &str) {
    let token = token_of(&app.exchange(secret).await);
    assert_eq!(whose(app, &token).await, json!(owner));
}

/// Ann and Bob, who may both enter.
async fn both(server: &TestServer) -> (Browser, Browser) {
    add(server, BOB, "").await;
    let url = format!("{TV}/web/");
    (server.signed_in(&url, ANN).await, server.signed_in(&url, BOB).await)
}

#[tokio::test]
async fn a_replayed_code_secret_or_form_lets_nobody_in() {
    let library = library(&[]).await;
    let mut server = open(&library).await;
    let (mut ann, mut bob) = both(&server).await;
    let mut app = App::new(server.browser());
    let (code, secret) = app.begin().await;
    let page = types(&mut ann, &code).await;
    let id = button(&page, "app");
    presses(&mut ann, &page, &id).await;
    // Before and after the app has taken its token.
    for taken in [false, true] {
        for browser in [&mut ann, &mut bob] {
            let again = types(browser, &code).await;
            assert!(again.body.contains(UNKNOWN), "{taken}: {}", again.body);
            let again = presses(browser, &page, &id).await;
            assert!(again.body.contains(GONE), "{taken}: {}", again.body);
        }
        if !taken {
            let token = token_of(&app.exchange(&secret).await);
            assert_eq!(whose(&mut app, &token).await, json!(ANN.0));
        }
    }
    for _ in 0..2 {
        assert_eq!(app.exchange(&secret).await.status, 404);
        assert_eq!(is_bound(&server, &mut app, &secret).await, None);
    }
    // A code and a secret from before a restart are nobody's: the app asks anew.
    let (code, secret) = app.begin().await;
    let page = types(&mut ann, &code).await;
    let id = button(&page, "app");
    server.restart(&config(&[route(&library)])).await;
    let (mut ann, mut app) = (ann.moved(server.address()), App::new(server.browser()));
    assert!(types(&mut ann, &code).await.body.contains(UNKNOWN));
    assert!(presses(&mut ann, &page, &id).await.body.contains(GONE));
    assert_eq!(is_bound(&server, &mut app, &secret).await, None);
    assert_eq!(app.exchange(&secret).await.status, 404);
}

/// Somebody gets another to say yes to what they did not see, or gives one thing out as another.
#[tokio::test]
async fn swapped_codes_secrets_and_buttons_bind_nothing() {
    let library = library(&[]).await;
    let server = open(&library).await;
    let (mut ann, bob) = both(&server).await;
    let mut bob = bob.at(2);
    let mut tv = App::new(server.browser());
    let mut his = App::on(server.browser().at(2), "his-phone");
    let (code, secret) = tv.begin().await;
    let (his_code, his_secret) = his.begin().await;
    // He saw his own; she saw hers. Neither presses the button of the other's.
    let (page, his_page) = (types(&mut ann, &code).await, types(&mut bob, &his_code).await);
    let (id, his_id) = (button(&page, "app"), button(&his_page, "app"));
    for (browser, page, id) in [(&mut ann, &page, &his_id), (&mut bob, &his_page, &id)] {
        assert!(presses(browser, page, id).await.body.contains(GONE));
    }
    // What is a code is no secret, and the other way round.
    assert!(types(&mut ann, &secret).await.body.contains(UNKNOWN));
    for not_a_secret in [&*code, &id, &his_code, ""] {
        assert_eq!(tv.exchange(not_a_secret).await.status, 404, "{not_a_secret}");
        assert_eq!(is_bound(&server, &mut tv, not_a_secret).await, None, "{not_a_secret}");
    }
    // Whoever says of itself what her television says gets what was said yes to, and no more.
    let said = presses(&mut bob, &his_page, &his_id).await;
    assert!(said.body.contains("is in."), "{}", said.body);
    assert_eq!(is_bound(&server, &mut tv, &secret).await, Some(false));
    assert_eq!(tv.exchange(&secret).await.status, 404);
    gets_its_own(&mut his, &his_secret, BOB.0).await;
    let page = types(&mut ann, &code).await;
    presses(&mut ann, &page, &button(&page, "app")).await;
    gets_its_own(&mut tv, &secret, ANN.0).await;
}

#[tokio::test]
async fn of_two_who_say_yes_at_once_one_is_the_owner() {
    let library = library(&[]).await;
    let server = open(&library).await;
    let (mut ann, mut bob) = both(&server).await;
    for n in 0..8 {
        server.clock.turn(Duration::from_secs(60));
        let mut app = App::on(server.browser(), &format!("tv-{n}"));
        let (code, secret) = app.begin().await;
        let (page, his) = (types(&mut ann, &code).await, types(&mut bob, &code).await);
        let id = button(&page, "app");
        assert_eq!(id, button(&his, "app"));
        let said = tokio::join!(presses(&mut ann, &page, &id), presses(&mut bob, &his, &id));
        let is_in = [&said.0, &said.1].map(|page| page.body.contains("is in."));
        let owner = match is_in {
            [true, false] => ANN.0,
            [false, true] => BOB.0,
            both => panic!("{both:?}: {} {}", said.0.body, said.1.body),
        };
        let mut copy = App::on(server.browser(), &format!("tv-{n}"));
        let answers = tokio::join!(app.exchange(&secret), copy.exchange(&secret));
        let got: Vec<_> = [answers.0, answers.1].into_iter().filter(|a| a.status == 200).collect();
        assert_eq!(got.len(), 1, "its token is given once");
        assert_eq!(whose(&mut app, &token_of(&got[0])).await, json!(owner), "round {n}");
    }
}

#[tokio::test]
async fn an_expired_code_or_token_is_nobodys() {
    let library = library(&[]).await;
    let server = open(&library).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let mut app = App::new(server.browser());
    let (code, secret) = app.begin().await;
    server.clock.turn(LIFE - Duration::from_secs(2));
    let page = types(&mut ann, &code).await;
    let id = button(&page, "app");
    server.clock.turn(Duration::from_secs(2));
    assert!(presses(&mut ann, &page, &id).await.body.contains(GONE), "it was shown in time");
    assert!(types(&mut ann, &code).await.body.contains(UNKNOWN));
    assert_eq!(is_bound(&server, &mut app, &secret).await, None);
    assert_eq!(app.exchange(&secret).await.status, 404);
    // Said yes to, and not fetched for ten minutes: whoever finds the secret later gets nothing.
    let (code, secret) = app.begin().await;
    assert!(say_yes(&mut ann, &code).await.body.contains("is in."));
    assert_eq!(is_bound(&server, &mut app, &secret).await, Some(true));
    server.clock.turn(LIFE);
    assert_eq!(app.exchange(&secret).await.status, 404);
    assert_eq!(is_bound(&server, &mut app, &secret).await, None);
}

/// On Jellyfin itself the later of two takes over what the earlier one shows.
#[tokio::test]
async fn an_overwritten_code_leads_nowhere_rather_than_to_the_later_app() {
    let library = library(&[]).await;
    let server = open(&library).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    // The same device by all it says of itself, five times: each has a code of its own.
    let mut app = App::new(server.browser());
    let mut begun = Vec::new();
    for _ in 0..5 {
        begun.push(app.begin().await);
    }
    assert!(say_yes(&mut ann, &begun[2].0).await.body.contains("is in."));
    for (n, (_, secret)) in begun.iter().enumerate() {
        assert_eq!(is_bound(&server, &mut app, secret).await, Some(n == 2), "{n}");
        assert_eq!(app.exchange(secret).await.status == 200, n == 2, "{n}");
    }
    // With all that its network may have, its first one gives way to a new one.
    server.clock.turn(Duration::from_secs(61));
    for _ in 0..2 {
        begun.push(app.begin().await);
    }
    assert!(
        types(&mut ann, &begun[0].0).await.body.contains(UNKNOWN),
        "nobody's, and not the last's"
    );
    assert_eq!(is_bound(&server, &mut app, &begun[0].1).await, None);
    assert!(say_yes(&mut ann, &begun[6].0).await.body.contains("is in."));
    assert_eq!(app.exchange(&begun[0].1).await.status, 404);
    assert_eq!(app.exchange(&begun[6].1).await.status, 200);
}

/// A device says itself what it is called by: who calls theirs as another's is ends nothing there.
#[tokio::test]
async fn an_id_of_a_device_that_is_somebody_elses_ends_nothing_of_theirs() {
    let library = library(&[]).await;
    let server = open(&library).await;
    let (mut ann, mut bob) = both(&server).await;
    let mut app = App::new(server.browser());
    let hers = let_in(&mut ann, &mut app).await;
    let his = let_in(&mut bob, &mut app).await;
    assert_eq!(whose(&mut app, &hers).await, json!(ANN.0));
    assert_eq!(whose(&mut app, &his).await, json!(BOB.0));
    // At the library the device would be ended for both.
    let page = bob.open(&format!("{TV}/link")).await;
    bob.post(&page, "/link", &[("end", &button(&page, "end"))]).await;
    eventually("it was refused", || server.log().contains("ended the app").then_some(())).await;
    assert_eq!(app.get("/Users/Me", &his).await.status, 401);
    assert_eq!(whose(&mut app, &hers).await, json!(ANN.0));
    // Another device of his that ends later is ended there in its turn, and this one is not.
    let mut phone = App::on(server.browser(), "his-phone");
    let_in(&mut bob, &mut phone).await;
    let token = let_in(&mut bob, &mut phone).await;
    let page = bob.open(&format!("{TV}/link")).await;
    bob.post(&page, "/link", &[("end", &button(&page, "end"))]).await;
    let there = format!("http://{}/Users/Me?ApiKey=", library.addr);
    answered("the library dropped it", async || {
        (status_of(&format!("{there}{token}")).await == 401).then_some(())
    })
    .await;
    assert_eq!(status_of(&format!("{there}{hers}")).await, 200, "hers is good there, too");
}

/// Said yes to, and never fetched: nobody has such an app for ninety days.
#[tokio::test]
async fn an_app_that_never_fetched_its_token_stays_on_no_list() {
    let library = library(&[]).await;
    let mut server = open(&library).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let mut kept = App::on(server.browser(), "kept");
    let token = let_in(&mut ann, &mut kept).await;
    let mut gone = App::on(server.browser(), "gone");
    let (code, _) = gone.begin().await;
    assert!(say_yes(&mut ann, &code).await.body.contains("is in."));
    let listed = |page: &Seen| page.body.matches("name=\"end\" value=\"").count();
    let before = listed(&ann.open(&format!("{TV}/link")).await);
    // It is known after a restart, too, when no code is.
    server.restart(&config(&[route(&library)])).await;
    let (mut ann, mut kept) = (ann.moved(server.address()), App::new(server.browser()));
    server.clock.turn(LIFE + Duration::from_secs(60));
    answered("it is listed no more", async || {
        (listed(&ann.open(&format!("{TV}/link")).await) < before).then_some(())
    })
    .await;
    assert_eq!(whose(&mut kept, &token).await, json!(ANN.0), "what was fetched stays");
}

/// Somebody sends their own code along: "type this, please".
#[tokio::test]
async fn an_app_from_elsewhere_is_not_listed_and_is_shown_with_its_address() {
    let library = library(&[]).await;
    let server = open(&library).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let (mut own, mut far) =
        (App::new(server.browser()), App::on(server.browser().at(9), "of-a-stranger"));
    let ((code, _), (far_code, far_secret)) = (own.begin().await, far.begin().await);
    let page = ann.open(&format!("{TV}/link")).await;
    assert!(page.body.contains(&code), "{}", page.body);
    assert!(!page.body.contains(&far_code) && !page.body.contains("127.0.0.9"), "{}", page.body);
    // What is not shown has no button: its number alone, which is easily counted, does nothing.
    for id in 0..8 {
        if id.to_string() != button(&page, "app") {
            let said = presses(&mut ann, &page, &id.to_string()).await;
            assert!(said.body.contains(GONE), "{id}: {}", said.body);
        }
    }
    let near = types(&mut ann, &code).await;
    assert!(near.body.contains("your own network"), "{}", near.body);
    let asked = types(&mut ann, &far_code).await;
    assert!(asked.body.contains("127.0.0.9"), "{}", asked.body);
    assert!(!asked.body.contains("your own network"), "{}", asked.body);
    assert!(asked.body.contains("Say yes only if it shows this code"), "{}", asked.body);
    assert_eq!(far.exchange(&far_secret).await.status, 404, "looking is no yes");
}

/// Another app of hers says yes as the page does, with the same bounds.
#[tokio::test]
async fn an_app_says_yes_for_its_owner_alone_and_only_while_it_is_theirs() {
    let library = library(&[]).await;
    let server = open(&library).await;
    let (mut ann, mut bob) = both(&server).await;
    let (mut tv, mut phone) = (App::new(server.browser()), App::on(server.browser(), "phone"));
    let token = let_in(&mut ann, &mut phone).await;
    // She has typed it, and he is quicker.
    let (code, secret) = tv.begin().await;
    let page = types(&mut bob, &code).await;
    presses(&mut bob, &page, &button(&page, "app")).await;
    let path = format!("/QuickConnect/Authorize?code={code}");
    assert_eq!(phone.ask(Method::POST, &path, &token, "").await.status, 404);
    gets_its_own(&mut tv, &secret, BOB.0).await;
    // Once her app is ended it says yes to nothing.
    let page = ann.open(&format!("{TV}/link")).await;
    ann.post(&page, "/link", &[("end", &button(&page, "end"))]).await;
    server.clock.turn(Duration::from_secs(60));
    let (code, secret) = tv.begin().await;
    let path = format!("/QuickConnect/Authorize?code={code}");
    assert_eq!(phone.ask(Method::POST, &path, &token, "").await.status, 401);
    assert_eq!(is_bound(&server, &mut tv, &secret).await, Some(false));
}
