//! T19: a provider, and every lie that it may tell.

use std::sync::Arc;

use serde_json::json;
use usher_lab::provider::{Algorithm, FakeProvider, Lie};
use usher_rules::{
    plan::{OidcProvider, Provider, ProviderKind, Providers},
    secret::Secret,
    session::SignedIn,
};

use super::test_room::{Browser, START, Seen, TestRoom, plan};

const PAGE: &str = "https://tv.example/web/?x";

fn as_configured(provider: &FakeProvider) -> Provider {
    named("p1", provider)
}

fn named(name: &str, provider: &FakeProvider) -> Provider {
    let (id, secret) = provider.client();
    Provider::Oidc(OidcProvider {
        issuer: provider.issuer().into(),
        client_id: id.into(),
        client_secret: Some(Secret::new(secret.as_bytes()).into()),
        secret_key: None,
        scopes: ["openid", "profile", "email"].map(Into::into).to_vec(),
        request_params: vec![("prompt".into(), "login".into()), ("state".into(), "x".into())],
        kind: ProviderKind::Oidc,
        subjects: Default::default(),
        domains: Default::default(),
        id: name.into(),
    })
}

async fn start() -> (FakeProvider, TestRoom) {
    let provider = FakeProvider::start(START).await.unwrap();
    let room = TestRoom::new(as_configured(&provider));
    (provider, room)
}

/// The browser goes to the provider, somebody says yes there: the way back.
async fn way_back(provider: &FakeProvider, browser: &mut Browser<'_>) -> String {
    let there = browser.follow(PAGE).await;
    provider.consents(there.location()).unwrap_or_else(|| panic!("no provider at {there:?}"))
}

async fn sign_in(provider: &FakeProvider, browser: &mut Browser<'_>) -> Seen {
    let back = way_back(provider, browser).await;
    browser.follow(&back).await
}

#[tokio::test]
async fn a_whole_sign_in_with_both_kinds_of_key() {
    let (provider, room) = start().await;
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        provider.signs_with(algorithm);
        let mut browser = room.browser();
        let seen = sign_in(&provider, &mut browser).await;
        assert_eq!((&*seen.url, &*seen.text), (PAGE, "the app, for ann"), "{algorithm:?}");
        let left =
            browser.jar.keys().filter(|(_, name)| name.contains("oidc") || name.contains("flow"));
        assert_eq!(left.count(), 1, "where it led to is left, for a browser that goes back");
    }
    assert_eq!(
        provider.was_asked("/.well-known/openid-configuration"),
        1,
        "discovery is remembered"
    );
    assert_eq!(provider.was_asked("/jwks"), 1, "and so are the keys");
}

#[tokio::test]
async fn the_authorization_request() {
    let (provider, room) = start().await;
    let mut browser = room.browser();
    let there = browser.follow(PAGE).await;
    let url = url::Url::parse(there.location()).unwrap();
    let pairs: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(url.query_pairs().count(), pairs.len(), "nothing is there twice: {url}");
    for (name, expected) in [
        ("response_type", "code"),
        ("client_id", "usher"),
        ("redirect_uri", "https://auth.example/oauth2/callback"),
        ("scope", "openid profile email"),
        ("code_challenge_method", "S256"),
        ("prompt", "login"),
    ] {
        assert_eq!(pairs[name], expected);
    }
    for name in ["state", "nonce", "code_challenge"] {
        assert_eq!(pairs[name].len(), 43, "256 bits of {name}, and not the config's");
    }
    let cookie = there.cookies()[0];
    assert!(
        cookie.starts_with("__Host-_pomerium_oidc_") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    assert!(!cookie.contains(&pairs["nonce"]) && !cookie.contains(&pairs["state"]), "it is sealed");
    assert!(provider.consents(there.location()).is_some());
}

/// Whatever the provider lies about, nobody is signed in, and nothing is forgotten.
#[tokio::test]
async fn t19_lies() {
    let (provider, room) = start().await;
    sign_in(&provider, &mut room.browser()).await; // the truth, so that all is known
    for (lie, status) in [
        (Lie::WrongAudience, 400),
        (Lie::ManyAudiences, 400),
        (Lie::OtherParty, 400),
        (Lie::WrongNonce, 400),
        (Lie::NoNonce, 400),
        (Lie::WrongIssuer, 400),
        (Lie::Expired, 400),
        (Lie::FromTheFuture, 400),
        (Lie::AlgNone, 400),
        (Lie::HsWithPublicKey, 400),
        (Lie::HsWithClientSecret, 400),
        (Lie::OtherKey, 400),
        (Lie::UnknownKid, 400),
        (Lie::Changed, 400),
        (Lie::NoIdToken, 400),
        (Lie::UserinfoOfAnother, 400),
        (Lie::ResponseOfAnother, 400),
        (Lie::ResponseOfNobody, 400),
        (Lie::TokenRedirects, 400),
        (Lie::UserinfoDown, 503),
        (Lie::TokenDown, 503),
        (Lie::TokenSilent, 503),
        (Lie::TokenHuge, 503),
        (Lie::Down, 503),
    ] {
        let mut browser = room.browser();
        let back = way_back(&provider, &mut browser).await;
        provider.lies(lie);
        // the response's own lies are told at the authorization endpoint
        let told_there = matches!(lie, Lie::ResponseOfAnother | Lie::ResponseOfNobody);
        let back = if told_there { way_back(&provider, &mut browser).await } else { back };
        if lie == Lie::TokenSilent {
            tokio::time::pause(); // whatever times out now, it is 503
        }
        let seen = browser.follow(&back).await;
        if lie == Lie::TokenSilent {
            tokio::time::resume();
        }
        provider.lies(Lie::None);
        assert_eq!(seen.status, status, "{lie:?}: {}", seen.text);
        assert!(
            !browser.jar.keys().any(|(_, name)| name == "__Host-_pomerium_authenticate"),
            "{lie:?}"
        );
        assert_eq!(room.sessions_of("ann"), 1, "{lie:?}: only the true one");
        assert_eq!(room.sessions_of("somebody else"), 0, "{lie:?}");
        assert!(seen.text.contains("https://tv.example/web/?x"), "{lie:?}: a way to begin again");
        assert_eq!(browser.get(PAGE).await.status, 302, "{lie:?}");
    }
    assert_eq!(provider.was_asked("/elsewhere"), 0, "no redirect is followed");
}

/// JWKS rotation: new keys are taken when a token names one; an unknown one does not make us ask
/// again and again.
#[tokio::test]
async fn t19_rotated_keys() {
    let (provider, room) = start().await;
    provider.signs_with(Algorithm::Es256);
    sign_in(&provider, &mut room.browser()).await;
    provider.rotates_keys();
    let seen = sign_in(&provider, &mut room.browser()).await;
    assert_eq!(seen.text, "the app, for ann");
    assert_eq!(provider.was_asked("/jwks"), 2);
    provider.lies(Lie::UnknownKid);
    for _ in 0..3 {
        assert_eq!(sign_in(&provider, &mut room.browser()).await.status, 400);
    }
    assert_eq!(provider.was_asked("/jwks"), 2, "not within half a minute");
    room.later(31);
    assert_eq!(sign_in(&provider, &mut room.browser()).await.status, 400);
    assert_eq!(provider.was_asked("/jwks"), 3, "and once after it");
}

/// A code is redeemed once, in the browser that went for it.
#[tokio::test]
async fn t19_code_reuse() {
    let (provider, room) = start().await;
    let mut browser = room.browser();
    let back = way_back(&provider, &mut browser).await;
    let mut copied = browser.clone();
    let mut stranger = room.browser();
    stranger.follow(PAGE).await;
    assert_eq!(stranger.get(&back).await.status, 400, "another browser");
    assert_eq!(provider.was_asked("/token"), 0, "the provider is not even asked");
    assert!(browser.get(&back).await.signs_in());
    let again = browser.get(&back).await;
    assert_eq!((again.status, again.location()), (303, PAGE), "again: on to the page");
    assert_eq!(copied.get(&back).await.status, 400, "again, with the cookies of before");
    let mut elsewhere = room.browser();
    sign_in(&provider, &mut elsewhere).await;
    let again = elsewhere.get(&back).await;
    assert_eq!((again.status, again.location()), (303, "/.pomerium/"), "begun elsewhere");
    assert_eq!(provider.was_asked("/token"), 2, "once for each sign-in");
}

#[tokio::test]
async fn t19_responses_of_a_provider_that_says_no() {
    let (provider, room) = start().await;
    for (change, why) in [
        (
            &(|url: &str| url.replace("code=code-", "error=access_denied&x="))
                as &dyn Fn(&str) -> String,
            "no",
        ),
        (&|url: &str| url.replace("code=", "nothing="), "no code"),
        (&|url: &str| url.replace("state=", "state=x"), "another state"),
        (&|url: &str| format!("{url}&state=x"), "two states"),
        (&|url: &str| url.split('?').next().unwrap().to_owned(), "nothing at all"),
    ] {
        let mut browser = room.browser();
        let back = way_back(&provider, &mut browser).await;
        let seen = browser.get(&change(&back)).await;
        assert_eq!((seen.status, seen.signs_in()), (400, false), "{why}");
    }
    assert_eq!(provider.was_asked("/token"), 0);
}

/// `response_mode=form_post`: what another site posts comes without our cookies, so it is asked for
/// once more by its address; where they came along it counts as it is.
#[tokio::test]
async fn an_answer_that_is_posted_counts_as_one_in_an_address() {
    let (provider, room) = start().await;
    let callback = "https://auth.example/oauth2/callback";
    let post = [("content-type", "application/x-www-form-urlencoded")];
    let mut browser = room.browser();
    let back = way_back(&provider, &mut browser).await;
    let (_, query) = back.split_once('?').unwrap();
    let seen = room.browser().send("POST", callback, query.into(), &post).await;
    assert_eq!((seen.status, seen.signs_in()), (303, false), "from another site");
    let at = seen.location().strip_prefix("/oauth2/callback?").expect("the same address");
    let pairs = |text: &str| -> Vec<(String, String)> {
        url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
    };
    assert_eq!(pairs(at), pairs(query), "with what was posted");
    assert_eq!(provider.was_asked("/token"), 0);

    let seen = browser.send("POST", callback, query.into(), &post).await;
    assert!(seen.signs_in(), "with its cookie: {}", seen.text);

    for (body, why) in [(format!("{query}&x={}", "x".repeat(8192)), "too long")] {
        let seen = room.browser().send("POST", callback, body, &post).await;
        assert_eq!((seen.status, seen.signs_in()), (400, false), "{why}");
    }
}

/// A redirect is followed where no token is sent: whoever it leads to would have the token.
#[tokio::test]
async fn a_token_follows_no_redirect() {
    let (provider, room) = start().await;
    let elsewhere = format!("{}/elsewhere", provider.issuer());
    provider.answers("/userinfo", 302, Some(&elsewhere), "");
    let mut browser = room.browser();
    let seen = sign_in(&provider, &mut browser).await;
    assert!(!seen.signs_in() && seen.status >= 400, "{seen:?}");
    assert_eq!(provider.was_asked("/userinfo"), 1);
    assert_eq!(provider.was_asked("/elsewhere"), 0, "with the token in hand");
}

/// RFC 9207 §2.4: who does not promise to name itself need not, and who does must.
#[tokio::test]
async fn a_provider_that_does_not_promise_to_name_itself_need_not() {
    let provider = FakeProvider::start(START).await.unwrap();
    provider.names_itself_nowhere();
    let room = TestRoom::new(as_configured(&provider));
    let mut browser = room.browser();
    let back = way_back(&provider, &mut browser).await;
    assert!(!back.contains("iss="), "{back}");
    let seen = browser.get(&back).await;
    assert!(seen.signs_in(), "{}", seen.text);
}

/// Where a page is no longer served, a sign-in that failed leads back to no app.
#[tokio::test]
async fn a_failed_sign_in_leads_to_no_page_that_is_served_no_more() {
    use usher_rules::{
        names::{Host, Origin},
        plan::Plan,
    };
    let (provider, room) = start().await;
    let mut browser = room.browser();
    let back = way_back(&provider, &mut browser).await.replace("code=", "nothing=");
    let hosts = vec![Host::parse("photos.example").unwrap()];
    let without = Plan::sketch(
        Origin::parse("https://auth.example").unwrap(),
        as_configured(&provider),
        hosts,
    );
    *room.plan.lock().unwrap() = Arc::new(without);
    let seen = browser.get(&back).await;
    assert_eq!(seen.status, 400);
    assert!(!seen.text.contains("tv.example/web"), "{}", seen.text);
    assert!(seen.text.contains("href=\"/.pomerium/\""), "{}", seen.text);
}

/// `email_verified: false` keeps an address from counting, and `oid` makes nobody else.
#[tokio::test]
async fn t19_t6_claims() {
    let (provider, room) = start().await;
    provider.says(json!({"sub": "mallory", "email": "ann@example.com", "email_verified": false, "oid": "ann"}));
    let mut browser = room.browser();
    assert_eq!(sign_in(&provider, &mut browser).await.text, "the app, for mallory");
    let SignedIn { person, session } = room.sessions.of_person_now("mallory");
    assert_eq!((&*person.email, session.claims.text("email")), ("", None));

    provider.says(json!({"sub": "bob", "email": "bob@example.com"}));
    provider.userinfo_says(json!({"sub": "bob", "groups": ["family"], "email_verified": "true", "email": "b@example.com"}));
    sign_in(&provider, &mut room.browser()).await;
    let SignedIn { person, session } = room.sessions.of_person_now("bob");
    assert_eq!(&*person.email, "b@example.com", "userinfo adds to it");
    assert_eq!(session.claims.values("groups"), [json!("family")]);
}

/// A provider that is down ends nobody's session, and what is known of it is used while it is.
#[tokio::test]
async fn a_provider_that_is_down() {
    let provider = FakeProvider::start(START).await.unwrap();
    let room = TestRoom::new(as_configured(&provider));
    provider.lies(Lie::Down);
    let mut early = room.browser();
    let seen = early.follow(PAGE).await;
    assert_eq!(seen.status, 503, "before anything is known");
    assert!(seen.text.contains("pomerium_signature"), "with a way to try again: {}", seen.text);
    provider.lies(Lie::MetadataOfAnother);
    assert_eq!(early.follow(PAGE).await.status, 503, "Discovery §4.3: octet for octet");
    provider.lies(Lie::None);
    let mut browser = room.browser();
    assert_eq!(sign_in(&provider, &mut browser).await.text, "the app, for ann");

    provider.lies(Lie::Down);
    assert_eq!(browser.get(PAGE).await.text, "the app, for ann", "who is in stays in");
    room.later(25 * 3600);
    let there = room.browser().follow(PAGE).await;
    assert!(there.location().starts_with(provider.issuer()), "stale is better than nothing");
    let asked = provider.was_asked("/.well-known/openid-configuration");
    room.browser().follow(PAGE).await;
    assert_eq!(provider.was_asked("/.well-known/openid-configuration"), asked, "a minute's rest");
}

/// Single flight: many sign-ins at once ask a provider that is not known yet only once.
#[tokio::test]
async fn many_ask_once() {
    let (provider, room) = start().await;
    let room = Arc::new(room);
    let mut all = Vec::new();
    for _ in 0..10 {
        let room = Arc::clone(&room);
        all.push(async move { room.browser().follow(PAGE).await.location().to_owned() });
    }
    let local = tokio::task::LocalSet::new();
    let places = local
        .run_until(async move {
            let tasks: Vec<_> = all.into_iter().map(tokio::task::spawn_local).collect();
            let mut places = Vec::new();
            for task in tasks {
                places.push(task.await.unwrap());
            }
            places
        })
        .await;
    assert!(places.iter().all(|place| place.starts_with(provider.issuer())));
    assert_eq!(provider.was_asked("/.well-known/openid-configuration"), 1);
}

/// A page of the provider's that was open for too long: the sign-in begins anew, by itself.
#[tokio::test]
async fn who_took_too_long_at_a_provider_begins_anew() {
    let (provider, room) = start().await;
    let mut browser = room.browser();
    let back = way_back(&provider, &mut browser).await;
    room.later(15 * 60);
    let seen = browser.get(&back).await;
    assert_eq!((seen.status, seen.location()), (303, PAGE), "{}", seen.text);
    assert!(!seen.signs_in());
    assert_eq!(provider.was_asked("/token"), 0, "the code is not redeemed");
    assert_eq!(browser.get(&back).await.status, 400, "and nothing of it is left");
}

/// A changed provider is another one: nothing known of the first counts for it.
#[tokio::test]
async fn a_reload_to_another_provider() {
    let (first, room) = start().await;
    let mut browser = room.browser();
    let back = way_back(&first, &mut browser).await;
    let second = FakeProvider::start(START).await.unwrap();
    *room.plan.lock().unwrap() = Arc::new(plan(named("p2", &second)));
    let seen = browser.get(&back).await;
    assert_eq!((seen.status, seen.signs_in()), (400, false), "the way back of the first");
    assert_eq!(first.was_asked("/token"), 0);
    assert_eq!(sign_in(&second, &mut room.browser()).await.text, "the app, for ann");
}

/// Several providers side by side: a sign-in under way, a session and its end go by the provider
/// that they came from, whichever is asked first, and each is asked for its documents once.
#[tokio::test]
async fn with_several_providers_each_person_stays_with_theirs() {
    let [first, second] =
        [FakeProvider::start(START).await.unwrap(), FakeProvider::start(START).await.unwrap()];
    let asks = |one: Provider, other: Provider| {
        let mut plan = plan(Provider::Builtin);
        plan.sign_in.providers =
            Providers::new(one.into(), vec![], vec![("another".into(), other)]);
        Arc::new(plan)
    };
    let room = TestRoom::new(Provider::Builtin);
    *room.plan.lock().unwrap() = asks(named("p2", &second), named("p1", &first));
    let (mut of_second, mut under_way) = (room.browser(), room.browser());
    assert_eq!(sign_in(&second, &mut of_second).await.text, "the app, for ann");
    let back = way_back(&second, &mut under_way).await;

    *room.plan.lock().unwrap() = asks(named("p1", &first), named("p2", &second));
    let mut of_first = room.browser();
    assert_eq!(sign_in(&first, &mut of_first).await.text, "the app, for ann");
    assert_eq!(under_way.follow(&back).await.text, "the app, for ann", "begun at the other");
    for (browser, provider) in [(&mut of_first, &first), (&mut of_second, &second)] {
        let here = "https://auth.example/.pomerium/sign_out";
        let left = browser.post(here, &[("scope", "here")], &[("origin", "https://auth.example")]);
        let left = left.await;
        assert!(left.location().starts_with(&format!("{}/logout", provider.issuer())), "{left:?}");
        assert_eq!(provider.was_asked("/.well-known/openid-configuration"), 1);
    }
}
