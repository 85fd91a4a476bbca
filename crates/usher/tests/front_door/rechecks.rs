//! Providers are asked again about those who are signed in: what they take away is gone at the next
//! question, what they refuse is over, and their silence signs nobody out for a while.
//!
//! Whether one was asked is seen at its token endpoint; what came of it shows before the next
//! question, so two questions later it was judged: nobody sleeps.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use usher_lab::{
    browser::{Browser, NAVIGATION},
    clock::TurnedClock,
    provider::{FakeProvider, Lie},
    upstream::Upstream,
};
use usher_rules::time::Clock as _;

use crate::{
    permits, providers, sockets,
    test_server::{TestServer, eventually},
};

const PAGE: &str = "https://tv.test/";
const MINUTE: Duration = Duration::from_secs(60);

/// A server whose people sign in at a provider that gives refresh tokens.
pub struct Asked {
    pub server: TestServer,
    pub provider: FakeProvider,
}

impl Asked {
    /// In front of `app`, for the family; `more` are keys of the config.
    pub async fn open(app: &Upstream, more: &str) -> Self {
        let now = TurnedClock::new().now().wall.seconds();
        let provider = FakeProvider::start(now).await.unwrap();
        provider.gives_refresh_tokens();
        Self { server: TestServer::open(&config(&provider, app, more)).await, provider }
    }

    /// Ann signs in; the provider says this of her.
    pub async fn ann(&self, claims: &Value) -> Browser {
        self.provider.says(claims.clone());
        let mut ann = self.server.browser();
        let mut url = PAGE.to_owned();
        for _ in 0..2 {
            let sent = ann.send(Method::GET, &url, NAVIGATION, "").await;
            url = sent.location().unwrap().into();
        }
        let back = self.provider.consents(&url).unwrap();
        let seen = ann.open(&back).await;
        assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
        ann
    }

    /// Time passes, for both.
    pub fn turn(&self, by: Duration) {
        self.server.clock.turn(by);
        self.provider.turns_clock(self.server.clock.now().wall.seconds());
    }

    /// Time passes, and the provider has been asked and its answer has been judged.
    async fn answered_after(&self, by: Duration) {
        for by in [by, 5 * MINUTE] {
            let before = self.provider.was_asked("/token");
            self.turn(by);
            eventually("the provider is asked again", || {
                (self.provider.was_asked("/token") > before).then_some(())
            })
            .await;
        }
    }

    /// The same with the usual time.
    pub async fn next_answer(&self) {
        self.answered_after(5 * MINUTE).await;
    }

    async fn ended(&self, word: &str) {
        eventually("the session is ended", || {
            let lines = self.server.records("session-ended");
            lines.iter().any(|line| line["cause"].as_str().unwrap().contains(word)).then_some(())
        })
        .await;
    }
}

pub fn config(provider: &FakeProvider, app: &Upstream, more: &str) -> String {
    let policy = "[{allow: {or: [{claim/groups: family}]}}]";
    providers::config(provider, app, policy, more)
        .replace("jelly.test", "tv.test")
        .replace("  pass_identity", "  allow_websockets: true\n  timeout: 0s\n  pass_identity")
}

fn ann(groups: &[&str]) -> Value {
    json!({"sub": "ann", "email": "ann@example.com", "groups": groups})
}

#[tokio::test]
async fn a_group_taken_away_at_the_provider_counts_from_the_next_question_on() {
    let app = sockets::echo();
    let at = Asked::open(&app, "").await;
    let mut browser = at.ann(&ann(&["family"])).await;
    let mut socket = sockets::open(&browser, "tv.test").await;
    at.next_answer().await;
    sockets::says_back(&mut socket, "she is in the family still").await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::OK);

    at.provider.says(ann(&["friends"]));
    at.turn(5 * MINUTE);
    sockets::ends(&mut socket).await;
    permits::ended(&at.server, "/socket", "permit_ended_policy", 1).await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::FORBIDDEN, "signed in, and out of it");

    at.provider.says(ann(&["family"]));
    at.next_answer().await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::OK, "and back, without a sign-in");
    assert_eq!(at.provider.saw_refresh_tokens_reused(), 0, "each refresh token is used once");
}

#[tokio::test]
async fn a_group_taken_away_at_the_provider_ends_a_film() {
    let (app, pieces) = permits::cinema();
    let at = Asked::open(&app, "").await;
    let browser = at.ann(&ann(&["family"])).await;
    let mut film = permits::film(&browser).await;
    at.next_answer().await;
    pieces.add_permits(1);
    let mut piece = [0; 4];
    film.read_exact(&mut piece).await.unwrap();
    assert_eq!(&piece, b"four", "what is the same ends nothing");
    at.provider.says(ann(&[]));
    at.next_answer().await;
    pieces.add_permits(1);
    assert_eq!(permits::rest(&mut film).await, "", "nothing more comes through");
    permits::ended(&at.server, "/film", "permit_ended_policy", 1).await;
}

#[tokio::test]
async fn an_account_that_the_provider_disables_is_signed_out() {
    let app = sockets::echo();
    let at = Asked::open(&app, "").await;
    let mut browser = at.ann(&ann(&["family"])).await;
    let mut socket = sockets::open(&browser, "tv.test").await;
    at.provider.refuses_refresh();
    at.turn(5 * MINUTE);
    sockets::ends(&mut socket).await;
    at.ended("invalid_grant").await;
    permits::ended(&at.server, "/socket", "permit_ended_session", 1).await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::UNAUTHORIZED);
    let line = at.server.records("session-ended").remove(0);
    assert_eq!((&line["user-id"], &line["level"]), (&"ann".into(), &"info".into()), "{line}");
}

#[tokio::test]
async fn a_provider_that_speaks_of_somebody_else_vouches_for_nobody() {
    let app = Upstream::echo();
    let at = Asked::open(&app, "").await;
    let mut browser = at.ann(&ann(&["family"])).await;
    at.provider.says(json!({"sub": "eve", "groups": ["family"]}));
    at.turn(5 * MINUTE);
    at.ended("another person").await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_provider_that_is_silent_signs_nobody_out_until_the_grace_is_over() {
    let app = sockets::echo();
    let at = Asked::open(&app, "session_recheck_grace: 1h").await;
    let mut browser = at.ann(&ann(&["family"])).await;
    let mut socket = sockets::open(&browser, "tv.test").await;
    for lie in [Lie::TokenDown, Lie::UserinfoDown] {
        at.provider.lies(lie);
        at.next_answer().await;
        sockets::says_back(&mut socket, "open").await;
        assert_eq!(browser.fetch(PAGE).await.status, StatusCode::OK, "{lie:?}");
    }
    at.provider.lies(Lie::None);
    at.next_answer().await;
    at.provider.lies(Lie::TokenDown);
    at.next_answer().await;
    at.answered_after(30 * MINUTE).await;
    sockets::says_back(&mut socket, "half of the grace").await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::OK);
    at.turn(30 * MINUTE);
    sockets::ends(&mut socket).await;
    at.ended("session_recheck_grace").await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::UNAUTHORIZED);
    let told = at.server.records("provider");
    let silences = |line: &&Value| line["cause"].as_str().unwrap().contains("signed in stays so");
    assert_eq!(told.iter().filter(silences).count(), 2, "once for each silence: {told:?}");
}

/// Else the browser of somebody new would show an error of its own, or wait.
#[tokio::test]
async fn nobody_new_is_sent_to_a_provider_that_is_known_to_be_away() {
    let app = Upstream::echo();
    let at = Asked::open(&app, "").await;
    let mut ann = at.ann(&ann(&["family"])).await;
    let mut new = at.server.browser();
    let sent = new.send(Method::GET, PAGE, NAVIGATION, "").await;
    let sign_in = String::from(sent.location().unwrap());
    let sent = new.send(Method::GET, &sign_in, NAVIGATION, "").await;
    assert_eq!(sent.status, StatusCode::FOUND, "while it answers");
    let Asked { server, provider } = at;
    drop(provider);
    server.clock.turn(5 * MINUTE);
    eventually("its silence is noticed", || {
        let told = server.records("provider");
        told.iter().any(|line| line["cause"].as_str().unwrap().contains("stays so")).then_some(())
    })
    .await;
    let page = server.browser().open(PAGE).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.body);
    assert!(page.body.contains("Try again"), "{}", page.body);
    assert_eq!(ann.fetch(PAGE).await.status, StatusCode::OK, "who is in stays in");
}

/// Of the first eight that are asked about, each fails; the others are asked about all the same.
#[tokio::test]
async fn a_failure_for_some_keeps_nobody_else_from_being_asked_about() {
    let app = Upstream::echo();
    let at = Asked::open(&app, "").await;
    for _ in 0..10 {
        at.ann(&ann(&["family"])).await;
    }
    at.provider.lies(Lie::UserinfoDown);
    let before = at.provider.was_asked("/token");
    at.turn(5 * MINUTE);
    eventually("everybody is asked about", || {
        (at.provider.was_asked("/token") == before + 10).then_some(())
    })
    .await;
}

/// A clock that is wrong, here or there, says nothing of anybody: it must not sign a house out.
#[tokio::test]
async fn a_new_id_token_from_the_future_signs_nobody_out_and_changes_nothing() {
    let app = Upstream::echo();
    let at = Asked::open(&app, "").await;
    let mut browser = at.ann(&ann(&["family"])).await;
    at.provider.says(ann(&["friends"]));
    at.provider.lies(Lie::FromTheFuture);
    at.next_answer().await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::OK, "as it was");
    at.provider.lies(Lie::NoIdToken);
    at.provider.userinfo_says(json!({"sub": "ann"}));
    at.next_answer().await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::OK, "what was not good is not kept");
    at.provider.lies(Lie::None);
    at.next_answer().await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::FORBIDDEN, "what is good counts");
    assert_eq!(at.provider.saw_refresh_tokens_reused(), 0, "each that was given was kept");
}

/// What a refresh spends is kept in its place, also across a restart; and none of it in the clear.
#[tokio::test]
async fn refresh_tokens_are_kept_sealed_and_rotate_across_a_restart() {
    let app = Upstream::echo();
    let mut at = Asked::open(&app, "").await;
    let mut browser = at.ann(&ann(&["family"])).await;
    at.next_answer().await;
    let text = config(&at.provider, &app, "");
    at.server.restart(&text).await;
    browser = browser.moved(at.server.address());
    at.next_answer().await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::OK);
    assert_eq!(at.provider.saw_refresh_tokens_reused(), 0);
    at.server.stop(Duration::ZERO).await;
    for file in std::fs::read_dir(at.server.data_dir()).unwrap() {
        let octets = std::fs::read(file.unwrap().path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&octets);
        assert!(!text.contains("refresh-token-") && !text.contains("an-access-token"), "{text}");
    }
}

/// A refresh token that was spent for claims that can't be kept is followed by the next one.
#[tokio::test]
async fn a_refresh_whose_claims_do_not_fit_loses_no_token() {
    let app = Upstream::echo();
    let at = Asked::open(&app, "").await;
    let mut browser = at.ann(&ann(&["family"])).await;
    let mut large = ann(&["family"]);
    large["more"] = "x".repeat(40_000).into();
    at.provider.says(large);
    at.next_answer().await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::OK, "as was known before");
    at.provider.says(ann(&["friends"]));
    at.next_answer().await;
    assert_eq!(browser.fetch(PAGE).await.status, StatusCode::FORBIDDEN, "what fits counts again");
    assert_eq!(at.provider.saw_refresh_tokens_reused(), 0);
}

/// Idle for too long is over, whether or not the server ran all the while.
#[tokio::test]
async fn a_session_that_was_idle_for_too_long_does_not_come_back_with_a_restart() {
    let app = Upstream::echo();
    let more = "session_idle_timeout: 40m";
    let mut at = Asked::open(&app, more).await;
    let text = config(&at.provider, &app, more);
    let mut left = at.ann(&ann(&["family"])).await;
    let mut used = at.ann(&ann(&["family"])).await;
    at.answered_after(10 * MINUTE).await;
    assert_eq!(used.fetch(PAGE).await.status, StatusCode::OK, "a request now and then");
    at.answered_after(5 * MINUTE).await; // and it was written down
    for passes in [30 * MINUTE, MINUTE] {
        at.server.stop(Duration::ZERO).await;
        at.turn(passes);
        at.server.restart(&text).await;
        (left, used) = (left.moved(at.server.address()), used.moved(at.server.address()));
        assert_eq!(left.fetch(PAGE).await.status, StatusCode::UNAUTHORIZED, "for 55 minutes");
        assert_eq!(used.fetch(PAGE).await.status, StatusCode::OK, "for 40 minutes, or one");
    }
}

#[tokio::test]
async fn a_film_plays_on_after_its_session_for_as_long_as_the_config_says() {
    let (app, pieces) = permits::cinema();
    let at = Asked::open(&app, "session_recheck_interval: 0s\nstream_expiry_limit: 2h").await;
    let browser = at.ann(&ann(&["family"])).await;
    let mut film = permits::film(&browser).await;
    at.turn(15 * 60 * MINUTE);
    pieces.add_permits(1);
    let mut piece = [0; 4];
    film.read_exact(&mut piece).await.unwrap();
    assert_eq!(&piece, b"four", "an hour after its end");
    at.turn(60 * MINUTE);
    pieces.add_permits(1);
    assert_eq!(permits::rest(&mut film).await, "", "two hours after it");
    permits::ended(&at.server, "/film", "permit_ended_expiry", 1).await;
    assert_eq!(at.provider.was_asked("/token"), 1, "and nobody was asked again");
}

#[tokio::test]
async fn a_session_that_nobody_uses_is_over_and_stays_so() {
    let app = sockets::echo();
    let at = Asked::open(&app, "session_idle_timeout: 30m").await;
    let mut used = at.ann(&ann(&["family"])).await;
    let mut left = at.ann(&ann(&["family"])).await;
    let open = at.ann(&ann(&["family"])).await;
    let mut socket = sockets::open(&open, "tv.test").await;
    for _ in 0..3 {
        at.answered_after(10 * MINUTE).await; // what runs was looked at
        assert_eq!(used.fetch(PAGE).await.status, StatusCode::OK, "a request now and then");
    }
    for _ in 0..2 {
        assert_eq!(left.fetch(PAGE).await.status, StatusCode::UNAUTHORIZED, "and once is too late");
    }
    sockets::says_back(&mut socket, "what runs is use").await;
    assert_eq!(open.moved(at.server.address()).fetch(PAGE).await.status, StatusCode::OK);
}
