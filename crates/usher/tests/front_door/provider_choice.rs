//! Several providers beside each other: people choose, and nobody is taken for somebody else.

use http::{Method, StatusCode};
use serde_json::json;
use url::Url;
use usher_lab::{
    browser::{Browser, NAVIGATION, Seen},
    clock::TurnedClock,
    provider::FakeProvider,
    upstream::Upstream,
};
use usher_rules::time::Clock;

use crate::{
    test_server::{ANN, TestServer},
    tunnels::{allowed, open, parrot},
};

pub const ANYBODY: &str = "policy: [{allow: {or: [{authenticated_user: true}]}}]";

/// A server with two outside providers, and what each knows of.
pub struct Choice {
    pub server: TestServer,
    pub home: FakeProvider,
    pub work: FakeProvider,
    _app: Upstream,
}

pub fn entry(name: &str, provider: &FakeProvider) -> String {
    let (client, secret) = provider.client();
    format!(
        "- name: {name}\n  label: The {name}\n  idp_provider: oidc\n  idp_provider_url: {}\n  \
         idp_client_id: {client}\n  idp_client_secret: {secret}\n",
        provider.issuer()
    )
}

impl Choice {
    /// `more` are items of the list; each route a host and keys of its own.
    pub async fn open(more: &str, routes: &[(&str, &str)]) -> Self {
        let now = TurnedClock::new().now().wall.seconds();
        let home = FakeProvider::start(now).await.unwrap();
        let work = FakeProvider::start(now).await.unwrap();
        let app = Upstream::echo();
        let routes: String = routes
            .iter()
            .map(|(host, keys)| {
                let to = app.address;
                format!("- from: https://{host}\n  to: http://{to}\n  pass_identity_headers: true\n  {keys}\n")
            })
            .collect();
        let text = format!(
            "authenticate_service_url: https://auth.test\nidp_providers:\n{}{}{more}routes:\n{routes}",
            entry("home", &home),
            entry("work", &work),
        );
        let server = TestServer::open(&text).await;
        Self { server, home, work, _app: app }
    }

    /// The page on which somebody who asks for `page` chooses, and its address.
    pub async fn page(&self, browser: &mut Browser, page: &str) -> (Seen, String) {
        let asked = browser.send(Method::GET, page, NAVIGATION, "").await;
        let door = asked.location().unwrap_or_else(|| panic!("{page}: {}", asked.status));
        let shown = browser.send(Method::GET, door.as_str(), NAVIGATION, "").await;
        (shown, door.into())
    }

    /// Somebody chooses this one at `door` and says yes there.
    pub async fn choose(&self, browser: &mut Browser, door: &str, name: &str) -> Seen {
        let provider = if name == "home" { &self.home } else { &self.work };
        let way = door.replace("/sign_in?", &format!("/sign_in/{name}?"));
        let sent = browser.send(Method::GET, &way, NAVIGATION, "").await;
        let Some(authorize) = sent.location() else { return sent };
        let back = provider.consents(authorize.as_str()).unwrap();
        let arrived = browser.send(Method::GET, &back, NAVIGATION, "").await;
        browser.follow(arrived).await
    }
}

#[tokio::test]
async fn people_choose_among_several_providers() {
    let at = Choice::open("", &[("tv.test", ANYBODY)]).await;
    let mut browser = at.server.browser();
    let (shown, door) = at.page(&mut browser, "https://tv.test/film").await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.body);
    let home = shown.body.find("Sign in with The home").unwrap();
    let work = shown.body.find("Sign in with The work").unwrap();
    assert!(home < work, "in the order of the config");
    assert!(shown.body.contains("tv.test") && !shown.body.contains("type=\"password\""));
    assert!(shown.body.contains("href=\"/.pomerium/sign_in/work?"), "{}", shown.body);
    let asked = at.home.was_asked("/token") + at.work.was_asked("/token");
    assert_eq!(asked, 0, "nobody is asked before somebody chose");
    let seen = at.choose(&mut browser, &door, "work").await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    assert!(seen.body.contains("/film"), "where they wanted to go: {}", seen.body);
    assert_eq!((at.home.was_asked("/token"), at.work.was_asked("/token")), (0, 1));
    for name in ["nobody", "", "home/x"] {
        let mut other = at.server.browser();
        let way = door.replace("/sign_in?", &format!("/sign_in/{name}?"));
        let seen = other.send(Method::GET, &way, NAVIGATION, "").await;
        assert_eq!(seen.status, StatusCode::NOT_FOUND, "{name}");
    }
    let changed = door.replace("tv.test", "evil.test");
    let seen = at.choose(&mut at.server.browser(), &changed, "work").await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST, "the link is signed");
}

/// Mix-up (RFC 9700 §4.4.2): a provider that somebody has chosen leads them on to another, with that
/// one's client and this sign-in's state and challenge, to be shown its code.
#[tokio::test]
async fn a_code_of_one_provider_is_never_shown_to_another() {
    let at = Choice::open("", &[("tv.test", ANYBODY)]).await;
    let (home, work) =
        ("https://auth.test/oauth2/callback", "https://auth.test/oauth2/callback/work");
    for (evil, name, own, honest, theirs) in
        [(&at.home, "home", home, &at.work, work), (&at.work, "work", work, &at.home, home)]
    {
        evil.names_itself_nowhere();
        honest.names_itself_nowhere();
        let mut browser = at.server.browser();
        let (_, door) = at.page(&mut browser, "https://tv.test/film").await;
        let way = door.replace("/sign_in?", &format!("/sign_in/{name}?"));
        let sent = browser.send(Method::GET, &way, NAVIGATION, "").await;
        let mut asked: Vec<_> = sent.location().unwrap().query_pairs().into_owned().collect();
        let back = asked.iter_mut().find(|(name, _)| name == "redirect_uri").unwrap();
        assert_eq!(std::mem::replace(&mut back.1, theirs.to_owned()), own, "{name}");
        let on = Url::parse_with_params(&format!("{}/authorize", honest.issuer()), asked).unwrap();
        let back = honest.consents(on.as_str()).unwrap();
        let (to, query) = back.split_once('?').unwrap();
        let post = [("content-type", "application/x-www-form-urlencoded")];
        let posted = at.server.browser().send(Method::POST, to, &post, query.to_owned()).await;
        let again = posted.location().unwrap();
        assert!(
            again.as_str().starts_with(&format!("{to}?")),
            "asked for again where it came: {again}"
        );
        let seen = browser.send(Method::GET, &back, NAVIGATION, "").await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{name}: {}", seen.body);
        assert_eq!(evil.was_asked("/token"), 0, "{name} is shown no code of the other's");
        let seen = browser.send(Method::GET, "https://tv.test/film", NAVIGATION, "").await;
        assert_eq!(seen.status, StatusCode::FOUND, "{name}: nobody is signed in");
    }
    let strange = "https://auth.test/oauth2/callback/nobody";
    let seen = at.server.browser().send(Method::GET, strange, NAVIGATION, "").await;
    assert_eq!(seen.status, StatusCode::NOT_FOUND);
}

/// One address at two providers, one subject at two providers: four people.
#[tokio::test]
async fn t6_the_same_subject_or_address_elsewhere_is_somebody_else() {
    let mine = "policy: [{allow: {or: [{user: {is: home/7}}]}}]";
    let at = Choice::open("", &[("tv.test", mine), ("all.test", ANYBODY)]).await;
    let claims = json!({"sub": "7", "email": "mum@example.com"});
    at.home.says(claims.clone());
    at.work.says(claims);
    let (mut home, mut work) = (at.server.browser(), at.server.browser());
    for (browser, name, expected) in [(&mut home, "home", 200), (&mut work, "work", 403)] {
        let (_, door) = at.page(browser, "https://tv.test/film").await;
        let seen = at.choose(browser, &door, name).await;
        assert_eq!(seen.status.as_u16(), expected, "{name}: {}", seen.body);
    }
    // Signing out everywhere ends the sessions of one of them.
    let form: &[(&str, &str)] = &[
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "https://tv.test"),
        ("sec-fetch-site", "same-origin"),
    ];
    let door = "https://tv.test/.pomerium/sign_out";
    work.send(Method::POST, door, form, "scope=everywhere").await;
    assert_eq!(home.open("https://tv.test/film").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_route_says_whose_word_counts() {
    let only_work = format!("{ANYBODY}\n  idp_providers: [work]");
    // One session on all hosts.
    let more = "cookie_domain: test\nruntime_flags: {pomerium_jwt_endpoint: true}\n";
    let at = Choice::open(more, &[("tv.test", ANYBODY), ("office.test", &only_work)]).await;
    let mut browser = at.server.browser();
    let (_, door) = at.page(&mut browser, "https://tv.test/film").await;
    assert_eq!(at.choose(&mut browser, &door, "home").await.status, StatusCode::OK);
    let shared = format!("_pomerium={}", browser.jar["tv.test"]["_pomerium"]);
    let fields = [("cookie", &*shared), ("accept", "application/json")];
    for (host, expected) in [("office.test", 404), ("tv.test", 200)] {
        let page = format!("https://{host}/.pomerium/jwt");
        let jwt = at.server.browser().send(Method::GET, &page, &fields, "").await;
        assert_eq!(jwt.status.as_u16(), expected, "an assertion for {host}: {}", jwt.body);
    }
    // Known at the sign-in host, by one who does not count here: the other is asked at once.
    let (sent, door) = at.page(&mut browser, "https://office.test/desk").await;
    let authorize = sent.location().unwrap();
    assert!(authorize.as_str().starts_with(at.work.issuer()), "{authorize}");
    let seen = at.choose(&mut browser, &door, "home").await;
    assert_eq!(seen.status, StatusCode::NOT_FOUND, "it is not offered there");
    let before = browser.cookies("tv.test").unwrap();
    let fields = [("cookie", &*before), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")];
    let seen = at.server.browser().send(Method::GET, "https://office.test/", &fields, "").await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "nor does its session count");
    let back = at.work.consents(authorize.as_str()).unwrap();
    let arrived = browser.send(Method::GET, &back, NAVIGATION, "").await;
    assert_eq!(browser.follow(arrived).await.status, StatusCode::OK);
    assert_eq!(browser.open("https://tv.test/film").await.status, StatusCode::OK, "both go on");
}

/// A host of tunnels alone has no page that would say whom to ask.
#[tokio::test]
async fn a_tunnel_opens_to_whoever_signed_in_by_its_own_provider() {
    let keys = format!(
        "{ANYBODY}\n- from: tcp+https://ssh.test:22\n  to: tcp://{}\n  idp_providers: [work]\n  {ANYBODY}",
        parrot().await
    );
    let at = Choice::open("", &[("tv.test", &keys)]).await;
    let mut browser = at.server.browser();
    let login = "https://ssh.test/.pomerium/api/v1/login?pomerium_redirect_uri=http://127.0.0.1:1";
    let link = at.server.browser().fetch(login).await.body;
    let sent = browser.send(Method::GET, &link, NAVIGATION, "").await;
    let authorize = sent.location().unwrap_or_else(|| panic!("one is asked: {}", sent.body));
    assert!(authorize.as_str().starts_with(at.work.issuer()), "{authorize}");
    let back = at.work.consents(authorize.as_str()).unwrap();
    let arrived = browser.send(Method::GET, &back, NAVIGATION, "").await;
    let page = browser.follow(arrived).await;
    let handle = allowed(&mut browser, &page).await;
    open(&at.server, "ssh.test:22", &handle).await;
}

#[tokio::test]
async fn the_form_of_the_built_in_provider_has_room_for_the_others() {
    let at = Choice::open("- idp_provider: builtin\n", &[("tv.test", ANYBODY)]).await;
    let mut browser = at.server.browser();
    let (shown, door) = at.page(&mut browser, "https://tv.test/film").await;
    assert!(shown.body.contains("type=\"password\""), "{}", shown.body);
    assert!(shown.body.contains("Sign in with The home") && !shown.body.contains("Sign in with <"));
    let seen = at.choose(&mut browser, &door, "home").await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    let mut own = at.server.signed_in("https://tv.test/film", ANN).await;
    assert_eq!(own.open("https://tv.test/film").await.status, StatusCode::OK);
}

/// A reload that takes one of them away ends what came by it, and nothing else.
#[tokio::test]
async fn a_provider_that_is_taken_away_takes_its_sessions_along() {
    let at = Choice::open("", &[("tv.test", ANYBODY)]).await;
    let (mut home, mut work) = (at.server.browser(), at.server.browser());
    for (browser, name) in [(&mut home, "home"), (&mut work, "work")] {
        let (_, door) = at.page(browser, "https://tv.test/film").await;
        assert_eq!(at.choose(browser, &door, name).await.status, StatusCode::OK);
    }
    let text = format!(
        "authenticate_service_url: https://auth.test\nidp_providers:\n{}routes:\n- from: \
         https://tv.test\n  to: http://{}\n  {ANYBODY}\n",
        entry("work", &at.work),
        at._app.address,
    );
    at.server.reload(&text).unwrap();
    let asked = home.send(Method::GET, "https://tv.test/film", NAVIGATION, "").await;
    assert_eq!(asked.status, StatusCode::FOUND, "it is asked again");
    assert_eq!(work.open("https://tv.test/film").await.status, StatusCode::OK);
}
