use usher_lab::provider::FakeProvider;
use usher_rules::{
    plan::{OidcProvider, Provider, ProviderKind},
    secret::Secret,
    session::SessionId,
};

use super::test_room::{ANN, BOB, Browser, START, TestRoom, onward};
use crate::request::identify::SessionStore;

const PAGE: &str = "https://tv.example/web/";
const DOOR: &str = "https://tv.example/.pomerium/sign_out";
const SAME: &[(&str, &str)] = &[("sec-fetch-site", "same-origin")];

async fn follow_from(
    browser: &mut Browser<'_>,
    seen: &super::test_room::Seen,
) -> super::test_room::Seen {
    browser.follow(&onward(seen).unwrap_or_else(|| panic!("{seen:?}"))).await
}

/// T18: a link or a form of another site signs nobody out.
#[tokio::test]
async fn t18_only_our_own_form_signs_out() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    browser.sign_in(PAGE, ANN).await;
    let asked = browser.get(DOOR).await;
    assert_eq!(asked.status, 200);
    assert!(asked.text.contains("method=\"post\"") && asked.text.contains(ANN.0), "it asks");
    assert!(asked.field("content-security-policy").contains("frame-ancestors 'none'"));
    for fields in [&[("sec-fetch-site", "cross-site")], &[("origin", "https://evil.example")]] {
        assert_eq!(browser.post(DOOR, &[("scope", "here")], fields).await.status, 403);
    }
    assert_eq!(browser.get(PAGE).await.text, "the app, for id-of-ann", "still in");
    let put = browser.send("PUT", DOOR, String::new(), &[]).await;
    assert_eq!((put.status, put.field("allow")), (405, "GET, POST"));
}

/// The hole of the real server: the cookie that was copied before signing out.
#[tokio::test]
async fn a_copied_cookie_is_worth_nothing_afterwards() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    browser.sign_in(PAGE, ANN).await;
    browser.follow("https://photos.example/").await;
    let mut copied = browser.clone();
    let posted = browser.post(DOOR, &[("scope", "here")], SAME).await;
    assert_eq!(posted.status, 303);
    assert_eq!(room.sessions_of("id-of-ann"), 0, "at once, before any hop");
    let last = follow_from(&mut browser, &posted).await;
    assert_eq!((last.status, &*last.url), (200, "https://auth.example/.pomerium/signed_out"));
    // What tells devices apart stays: it opens nothing.
    let opens = |name: &str| !name.starts_with("__Host-_pomerium_device_");
    assert!(
        browser.jar.keys().all(|(host, name)| host == "photos.example" || !opens(name)),
        "{:?}",
        browser.jar
    );
    for page in [PAGE, "https://photos.example/"] {
        assert_eq!(copied.get(page).await.status, 302, "{page}");
        assert!(
            copied.follow(page).await.text.contains("name=\"password\""),
            "{page}: nor at the authenticate host"
        );
    }
}

#[tokio::test]
async fn here_leaves_other_browsers_and_everywhere_does_not() {
    let room = TestRoom::new(Provider::Builtin);
    let (mut sofa, mut phone, mut desk) = (room.browser(), room.browser(), room.browser());
    for browser in [&mut sofa, &mut phone, &mut desk] {
        browser.sign_in(PAGE, ANN).await;
    }
    room.browser().sign_in(PAGE, BOB).await;
    sofa.post(DOOR, &[("scope", "here")], SAME).await;
    assert_eq!(phone.get(PAGE).await.text, "the app, for id-of-ann");
    phone.post(DOOR, &[("scope", "everywhere")], SAME).await;
    assert_eq!(desk.get(PAGE).await.status, 302);
    assert_eq!((room.sessions_of("id-of-ann"), room.sessions_of("id-of-bob")), (0, 1));
}

/// A built-in person's id may be another provider's subject.
#[tokio::test]
async fn everywhere_and_the_list_leave_another_provider_s_person_of_the_same_id_alone() {
    let room = TestRoom::new(Provider::Builtin);
    let (mut sofa, mut phone) = (room.browser(), room.browser());
    sofa.sign_in(PAGE, ANN).await;
    phone.sign_in(PAGE, ANN).await;
    let mut other = room.sessions.of_person_now("id-of-ann");
    other.session.id = SessionId::parse("11111111-2222-4333-8444-555555555555").unwrap();
    other.session.idp_id = "elsewhere".into();
    let elsewhere = room.sessions.insert(other).await.unwrap();
    let page = sofa.get("https://tv.example/.pomerium/").await;
    assert!(page.text.contains("1 other session<"), "her phone's alone: {}", page.text);
    sofa.post(DOOR, &[("scope", "everywhere")], SAME).await;
    assert_eq!(room.sessions_of("id-of-ann"), 1, "both of hers are over");
    assert!(!elsewhere.is_ended());
}

/// The signed hop is for one person, once.
#[tokio::test]
async fn the_hop_of_one_person_does_nothing_to_another() {
    let room = TestRoom::new(Provider::Builtin);
    let (mut ann, mut bob) = (room.browser(), room.browser());
    ann.sign_in(PAGE, ANN).await;
    bob.sign_in(PAGE, BOB).await;
    let posted = ann.post(DOOR, &[("scope", "here")], SAME).await;
    let hop = onward(&posted).unwrap();
    let elsewhere = hop.replacen("auth.example", "tv.example", 1);
    assert_eq!(bob.get(&elsewhere).await.status, 200, "on an app's host it is a link that asks");
    assert_eq!(bob.get(&hop).await.status, 302);
    assert_eq!(room.sessions_of("id-of-bob"), 1);
    let again = bob.get(&hop).await;
    assert_eq!(again.status, 200, "used: now it is a link like any other, and asks");
    assert_eq!(bob.get(&format!("{hop}&x=1")).await.status, 200, "and so does a changed one");
}

/// T1: the open redirect of the real server, with the whole corpus.
#[tokio::test]
async fn t1_no_open_redirect() {
    let room = TestRoom::new(Provider::Builtin);
    let corpus = include_str!("../../../../rules/tests/corpus/open-redirects.txt");
    let base = url::Url::parse(DOOR).unwrap();
    let ours = ["tv.example", "photos.example", "auth.example"];
    let mut lines = 0;
    for line in corpus.lines().filter(|line| !line.starts_with("# ") && !line.is_empty()) {
        lines += 1;
        let given = line
            .replace("\\\\", "\\")
            .replace("\\t", "\t")
            .replace("\\n", "\n")
            .replace("\\r", "\r");
        let mut browser = room.browser();
        browser.sign_in(PAGE, ANN).await;
        let posted =
            browser.post(DOOR, &[("scope", "here"), ("pomerium_redirect_uri", &given)], SAME).await;
        let mut seen = posted;
        for _ in 0..4 {
            if seen.location().is_empty() {
                break;
            }
            let next = base.join(seen.location()).unwrap();
            assert!(ours.contains(&next.host_str().unwrap()), "{line}: {next}");
            seen = browser.get(next.as_str()).await;
        }
        let query: String = url::form_urlencoded::byte_serialize(given.as_bytes()).collect();
        for path in ["sign_out", "signed_out", "sign_in", "callback/"] {
            for name in ["pomerium_redirect_uri", "state", "redirect", "next"] {
                let seen = room
                    .browser()
                    .get(&format!("https://auth.example/.pomerium/{path}?{name}={query}"))
                    .await;
                let next = base.join(seen.location()).unwrap();
                assert!(ours.contains(&next.host_str().unwrap()), "{path} {name} {line}: {next}");
                assert!(!seen.text.contains("href=\"https://evil"), "{path} {name} {line}");
            }
        }
    }
    assert!(lines > 60);
}

#[tokio::test]
async fn another_account_comes_back_to_the_page() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    browser.sign_in(PAGE, ANN).await;
    let asked = "https://tv.example/web/?for=bob";
    let posted =
        browser.post(DOOR, &[("scope", "here"), ("pomerium_redirect_uri", asked)], SAME).await;
    let form = follow_from(&mut browser, &posted).await;
    assert!(form.text.contains("name=\"password\""), "{form:?}");
    let posted = browser.fill(&form, BOB.0, BOB.1).await;
    let back = follow_from(&mut browser, &posted).await;
    assert_eq!((&*back.url, &*back.text), (asked, "the app, for id-of-bob"));
}

fn outside(provider: &FakeProvider) -> Provider {
    let (id, secret) = provider.client();
    Provider::Oidc(OidcProvider {
        issuer: provider.issuer().into(),
        client_id: id.into(),
        client_secret: Some(Secret::new(secret.as_bytes()).into()),
        secret_key: None,
        scopes: vec!["openid".into()],
        request_params: Vec::new(),
        kind: ProviderKind::Oidc,
        subjects: Default::default(),
        domains: Default::default(),
        id: "p1".into(),
    })
}

/// RP-initiated logout: the provider is told who, by the ID token, which only it ever sees.
#[tokio::test]
async fn the_provider_s_session_ends_too() {
    let provider = FakeProvider::start(START).await.unwrap();
    let room = TestRoom::new(outside(&provider));
    let mut browser = room.browser();
    let there = browser.follow(PAGE).await;
    let back = provider.consents(there.location()).unwrap();
    browser.follow(&back).await;
    let stored = format!("{:?}", room.sessions.of_person_now("ann"));
    let page = browser.get("https://tv.example/.pomerium/").await;
    let csp = page.field("content-security-policy");
    assert!(csp.contains(provider.issuer()), "the form may lead there: {csp}");

    let asked = "https://tv.example/web/?again";
    let posted =
        browser.post(DOOR, &[("scope", "here"), ("pomerium_redirect_uri", asked)], SAME).await;
    let leaving = browser.get(&onward(&posted).unwrap()).await;
    let url = url::Url::parse(leaving.location()).unwrap();
    assert!(
        leaving.location().starts_with(&format!("{}/logout?", provider.issuer())),
        "{leaving:?}"
    );
    let text =
        |name: &str| url.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned();
    let hint = text("id_token_hint");
    let [head, claims, _signature] = hint.split('.').collect::<Vec<_>>()[..] else {
        panic!("a JWT: {hint}")
    };
    for part in [head, claims] {
        assert!(!stored.contains(part), "the ID token is sealed: {stored}");
        assert!(!page.text.contains(part), "no token on the page: {}", page.text);
    }
    assert_eq!(text("client_id"), "usher");
    assert_eq!(text("post_logout_redirect_uri"), "https://auth.example/.pomerium/signed_out");
    let returned = format!("https://auth.example/.pomerium/signed_out?state={}", text("state"));
    let next = browser.get(&returned).await;
    assert_eq!((next.status, next.location()), (302, asked), "on to the page that was asked for");
    let again = browser.follow(asked).await;
    assert!(
        again.location().starts_with(&format!("{}/authorize", provider.issuer())),
        "asked again"
    );
}

/// What a provider brings back as `state` is our own, short, and only where our own page is last.
#[tokio::test]
async fn a_page_travels_as_state_only_where_it_can_come_back() {
    let provider = FakeProvider::start(START).await.unwrap();
    let long = format!("https://tv.example/web/?{}", "x".repeat(3000));
    for (configured, asked, travels, why) in [
        (None, PAGE, true, "back to our own last page"),
        (Some("https://bye.example/"), PAGE, false, "another page is last and can't read it"),
        (None, &*long, false, "servers on the way refuse it"),
        (Some("https://bye.example/"), &*long, false, "both"),
    ] {
        let mut plan = super::test_room::plan(outside(&provider));
        plan.sign_in.signed_out_url = configured.map(Into::into);
        let room = TestRoom::with(plan);
        let mut browser = room.browser();
        let there = browser.follow(PAGE).await;
        browser.follow(&provider.consents(there.location()).unwrap()).await;
        let posted =
            browser.post(DOOR, &[("scope", "here"), ("pomerium_redirect_uri", asked)], SAME).await;
        let leaving = browser.get(&onward(&posted).unwrap()).await;
        let url = url::Url::parse(leaving.location()).unwrap();
        assert!(url.path().ends_with("/logout"), "{why}: {leaving:?}");
        assert_eq!(url.query_pairs().any(|(name, _)| name == "state"), travels, "{why}: {url}");
    }
}

/// After signing out the page leads where somebody can sign in: an app's host asks at its front
/// page, a host of sign-in alone has none.
#[tokio::test]
async fn the_last_page_leads_back_in() {
    let room = TestRoom::new(Provider::Builtin);
    let dedicated = room.plan.lock().unwrap().sign_in.dedicated_host;
    assert!(dedicated);
    for (host, again) in [("auth.example", "/.pomerium/sign_in"), ("tv.example", "/")] {
        let seen = room.browser().get(&format!("https://{host}/.pomerium/signed_out")).await;
        assert!(seen.text.contains(&format!("href=\"{again}\"")), "{host}: {}", seen.text);
    }
}

/// A provider that is away keeps nobody from signing out here.
#[tokio::test]
async fn signing_out_while_the_provider_is_down() {
    let provider = FakeProvider::start(START).await.unwrap();
    let room = TestRoom::new(outside(&provider));
    let mut browser = room.browser();
    let there = browser.follow(PAGE).await;
    browser.follow(&provider.consents(there.location()).unwrap()).await;
    provider.lies(usher_lab::provider::Lie::Down);
    room.later(3600);
    let posted = browser.post(DOOR, &[("scope", "here")], SAME).await;
    assert_eq!(posted.status, 303);
    assert_eq!(room.sessions_of("ann"), 0);
}

/// Case: 500 groups in the ID token made an address of 21 KB.
#[tokio::test]
async fn a_large_token_is_no_hint() {
    let provider = FakeProvider::start(START).await.unwrap();
    let room = TestRoom::new(outside(&provider));
    for (groups, has_hint) in [(3, true), (500, false)] {
        let groups: Vec<_> =
            (0..groups).map(|n| format!("group-with-a-long-name-{n:03}")).collect();
        provider.says(serde_json::json!({"sub": "ann", "groups": groups}));
        let mut browser = room.browser();
        let there = browser.follow(PAGE).await;
        let back = provider.consents(there.location()).unwrap();
        browser.follow(&back).await;
        let asked = format!("https://tv.example/web/?{}", "x".repeat(900));
        let fields = [("scope", "here"), ("pomerium_redirect_uri", &*asked)];
        let posted = browser.post(DOOR, &fields, SAME).await;
        let leaving = browser.get(&onward(&posted).unwrap()).await;
        for hop in [&posted, &leaving] {
            let location = hop.location();
            assert!(location.len() < 4096, "{} octets: {location}", location.len());
            assert_eq!(location.contains("id_token_hint"), has_hint, "{location}");
            assert!(location.contains("client_id"), "{location}");
        }
    }
}
