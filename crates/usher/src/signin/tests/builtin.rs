use std::sync::Arc;

use usher_lab::no_accounts::NoAccounts;
use usher_rules::{
    names::{Host, Origin},
    plan::{Plan, Provider},
};

use super::test_room::{ANN, BOB, TestRoom, onward};

const PAGE: &str = "https://tv.example/web/?a=%2f&b;c=d%20e+f";

#[tokio::test]
async fn brings_people_back_octet_for_octet() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    let first = browser.get(PAGE).await;
    assert_eq!(first.status, 302);
    assert!(first.location().starts_with("https://auth.example/.pomerium/sign_in?"), "{first:?}");
    let form = browser.get(first.location()).await;
    assert_eq!(form.status, 200);
    let posted = browser.fill(&form, ANN.0, ANN.1).await;
    assert_eq!(posted.status, 303, "{}", posted.text);
    assert!(posted.location().starts_with("https://tv.example/.pomerium/callback/?"));
    let back = browser.get(posted.location()).await;
    assert_eq!((back.status, back.location()), (302, PAGE));
    assert_eq!(browser.get(PAGE).await.text, "the app, for id-of-ann");
    assert_eq!(room.sessions_of("id-of-ann"), 1);
    let flows =
        browser.jar.keys().filter(|(_, name)| name.contains("flow") || name.contains("form"));
    assert_eq!(flows.count(), 0, "what a sign-in needed is gone after it");
}

#[tokio::test]
async fn is_one_sign_in_for_every_host() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    browser.sign_in(PAGE, ANN).await;
    let other = browser.follow("https://photos.example/album").await;
    assert_eq!(other.text, "the app, for id-of-ann");
    assert_eq!(room.sessions_of("id-of-ann"), 1, "the same session, not another one");
}

/// T18: our pages run no script, are in no frame, and are kept by nobody.
#[tokio::test]
async fn t18_fields_of_pages_and_cookies() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    let form = browser.follow(PAGE).await;
    let csp = form.field("content-security-policy");
    for part in
        ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self' https://tv.example"]
    {
        assert!(csp.contains(part), "{part} in {csp}");
    }
    assert!(!csp.contains("unsafe"), "{csp}");
    assert_eq!(form.field("cache-control"), "no-store");
    assert_eq!(form.field("x-content-type-options"), "nosniff");
    let form_cookie = form.cookies()[0];
    assert!(form_cookie.starts_with("__Host-_pomerium_form_"), "{form_cookie}");
    assert!(form_cookie.ends_with("HttpOnly; Secure; SameSite=Strict"), "{form_cookie}");

    let posted = browser.fill(&form, ANN.0, ANN.1).await;
    let known = posted.cookies()[0];
    assert!(known.starts_with("__Host-_pomerium_authenticate=ey"), "{known}");
    let back = browser.get(posted.location()).await;
    assert_eq!(back.field("cache-control"), "no-store");
    let expires = "Expires=Wed, 15 Nov 2023 12:13:20 GMT"; // 14 h after the start
    let cookie = back.cookies()[0];
    assert!(
        cookie.ends_with(&format!("; Path=/; {expires}; HttpOnly; Secure; SameSite=Lax")),
        "{cookie}"
    );
}

/// What is said about a name that nobody has is what is said about a wrong password.
#[tokio::test]
async fn refusals() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    let form = browser.follow(PAGE).await;
    let flow = form.flow();
    let wrong = browser.fill(&form, ANN.0, "guess").await;
    let unknown = browser.fill(&form, "eve@example.com", "guess").await;
    let words = |text: &str| {
        // Each page asks a passkey something else.
        let (before, after) = text.split_once("data-challenge=\"").unwrap();
        let (_, after) = after.split_once('"').unwrap();
        format!("{before}{after}").replace(ANN.0, "eve@example.com")
    };
    assert_eq!(words(&wrong.text), words(&unknown.text), "the same words");
    for (email, password, status, why) in [
        (ANN.0, "guess", 403, "a wrong password"),
        ("", "", 403, "nothing"),
        (ANN.0, "", 403, "no password"),
        ("many@example.com", "x", 429, "throttled"),
        ("down@example.com", "x", 503, "the store is down"),
    ] {
        let seen = browser.fill(&form, email, password).await;
        assert_eq!(seen.status, status, "{why}");
        assert!(!seen.signs_in(), "{why}");
        assert_eq!(seen.flow(), flow, "the page can be sent again: {why}");
    }
    let many = browser.fill(&form, "many@example.com", "x").await;
    assert_eq!(many.field("retry-after"), "90");
    assert_eq!(room.sessions_of("id-of-ann"), 0);
    assert!(
        !room.notes.all().contains("guess") && !room.notes.all().contains("eve@"),
        "{}",
        room.notes.all()
    );
    let right = browser.fill(&form, ANN.0, ANN.1).await;
    assert_eq!(right.status, 303, "and then it goes through");
}

/// T18, login CSRF: nobody is signed in as somebody else by a page of a stranger.
#[tokio::test]
async fn t18_login_csrf() {
    let room = TestRoom::new(Provider::Builtin);
    let (mut browser, mut mallory) = (room.browser(), room.browser());
    let form = browser.follow(PAGE).await;
    let theirs = mallory.follow(PAGE).await;
    let flow = form.flow();
    let own = [("email", BOB.0), ("password", BOB.1), ("flow", &*flow)];
    for (fields, why) in [
        (&[("sec-fetch-site", "cross-site")], "a form on another site"),
        (&[("sec-fetch-site", "same-site")], "a form on a sibling domain"),
        (&[("origin", "https://evil.example")], "the same in an old browser"),
        (&[("origin", "null")], "the same in a sandbox"),
    ] {
        let seen = browser.post(&form.url, &own, fields).await;
        assert_eq!((seen.status, seen.signs_in()), (403, false), "{why}");
    }
    let same = [("sec-fetch-site", "same-origin")];
    for (flow, why) in
        [(theirs.flow(), "a form of another browser"), (String::new(), "no form at all")]
    {
        let form_fields = [("email", BOB.0), ("password", BOB.1), ("flow", &*flow)];
        let seen = browser.post(&form.url, &form_fields, &same).await;
        assert_eq!((seen.status, seen.signs_in()), (400, false), "{why}");
    }
    let twice = "email=x&password=y&email=bob%40example.com&flow=z".to_owned();
    let seen = browser.send("POST", &form.url, twice, &same).await;
    assert!(!seen.signs_in(), "a field given twice");
    assert_eq!(room.sessions_of("id-of-bob"), 0);
}

/// Fixation: signing in makes a session that nobody has seen before.
#[tokio::test]
async fn another_person_displaces_the_first() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    browser.sign_in(PAGE, ANN).await;
    let before = browser.jar.clone();
    // Bob signs in on a form that was opened before Ann did.
    let mut stale = room.browser();
    let form = stale.follow(PAGE).await;
    browser.jar.extend(stale.jar.clone());
    let posted = browser.fill(&form, BOB.0, BOB.1).await;
    let back = browser.follow(posted.location()).await;
    assert_eq!(back.text, "the app, for id-of-bob");
    assert_eq!(room.sessions_of("id-of-ann"), 0, "hers has ended with it");
    let name = ("tv.example".to_owned(), "__Host-_pomerium".to_owned());
    assert_ne!(before[&name], browser.jar[&name]);
}

/// The same at the authenticate host alone: on the other route's host there is no cookie of hers.
#[tokio::test]
async fn another_person_displaces_the_first_at_the_authenticate_host() {
    let room = TestRoom::new(Provider::Builtin);
    let (mut browser, mut stale) = (room.browser(), room.browser());
    browser.sign_in(PAGE, ANN).await;
    let form = stale.follow("https://photos.example/").await;
    browser.jar.extend(stale.jar.clone());
    browser.fill(&form, BOB.0, BOB.1).await;
    assert_eq!(room.sessions_of("id-of-ann"), 0);
    assert_eq!(browser.get(PAGE).await.status, 302, "her page asks again");
}

/// A port that is mapped on the way, as with `docker -p 8443:443`, stays in the address bar.
#[tokio::test]
async fn a_mapped_port_on_the_only_host() {
    let tv = Host::parse("tv.example").unwrap();
    let authenticate = Origin::parse("https://tv.example").unwrap();
    let room = TestRoom::with(Plan::sketch(authenticate, Provider::Builtin, vec![tv]));
    let mut browser = room.browser();
    let page = "https://tv.example:8443/web/?x";
    let back = browser.sign_in(page, ANN).await;
    assert_eq!((&*back.url, &*back.text), (page, "the app, for id-of-ann"));
    let door = "https://tv.example:8443/.pomerium/sign_out";
    let posted =
        browser.post(door, &[("scope", "here")], &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(posted.location(), "https://tv.example:8443/.pomerium/signed_out");
    assert_eq!(room.sessions_of("id-of-ann"), 0);
}

/// One room serves every runtime at once.
#[test]
fn several_runtimes_share_it() {
    let room = TestRoom::new(Provider::Builtin);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let seen = runtime.block_on(async { room.browser().sign_in(PAGE, ANN).await });
                assert_eq!(seen.text, "the app, for id-of-ann");
            });
        }
    });
    assert_eq!(room.sessions_of("id-of-ann"), 4);
}

/// 20 tabs ask at once, and every one of them gets where it wanted to go.
#[tokio::test]
async fn t17_twenty_tabs() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    let mut forms = Vec::new();
    for tab in 0..20 {
        let page = format!("https://tv.example/tab/{tab}");
        forms.push((page.clone(), browser.follow(&page).await));
    }
    let mut posted = Vec::new();
    for (page, form) in forms {
        posted.push((page, browser.fill(&form, ANN.0, ANN.1).await));
    }
    for (page, posted) in posted {
        let back = browser.get(&onward(&posted).unwrap()).await;
        assert_eq!((back.status, back.location()), (302, &*page), "{}", back.text);
        assert_eq!(browser.get(&page).await.text, "the app, for id-of-ann");
    }
}

#[tokio::test]
async fn links_grow_old_and_forms_may_stay_open() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    let link = browser.get(PAGE).await.location().to_owned();
    let form = browser.get(&link).await;
    room.later(361);
    let old = browser.get(&link).await;
    assert_eq!((old.status, old.location()), (303, PAGE), "a bookmark begins anew by itself");
    assert!(!old.signs_in() && !room.browser().get(&link).await.signs_in());
    room.later(3000);
    let posted = browser.fill(&form, ANN.0, ANN.1).await;
    assert_eq!(posted.status, 303, "the form was open for most of an hour");
    room.later(700);
    let posted = browser.fill(&form, ANN.0, ANN.1).await;
    assert_eq!((posted.status, posted.signs_in()), (303, false), "this is too long");
    assert_eq!(posted.location(), PAGE, "and she is signed in: on to the page");
    let nobody = room.browser().fill(&form, ANN.0, ANN.1).await;
    assert_eq!((nobody.status, nobody.signs_in()), (303, false), "and nobody else is");
    assert_eq!(nobody.location(), PAGE);
}

/// T2 at the door: what is not signed by us signs nobody in and leads nowhere.
#[tokio::test]
async fn t2_sign_in_links() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    let link = browser.get(PAGE).await.location().to_owned();
    for (given, why) in [
        (format!("{link}&x=1"), "added"),
        (link.replace("tv.example", "photos.example"), "changed"),
        (link.replace("pomerium_idp_id=builtin&", ""), "taken away"),
        (
            "https://auth.example/.pomerium/sign_in?pomerium_redirect_uri=https://evil.example"
                .into(),
            "not ours",
        ),
    ] {
        let seen = browser.get(&given).await;
        assert_eq!(seen.status, 400, "{why}");
        assert!(!seen.text.contains("evil.example") && !seen.text.contains("password"), "{why}");
    }
}

#[tokio::test]
async fn signing_in_at_the_authenticate_host_itself() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    let here = browser.sign_in("https://auth.example/.pomerium/sign_in", ANN).await;
    assert_eq!((here.status, &*here.url), (200, "https://auth.example/.pomerium/"));
    assert!(here.text.contains("ann@example.com"));
}

/// A form that has signed somebody in is over: it leads its person on, and lets nobody else in.
#[tokio::test]
async fn a_form_that_is_over_leads_its_person_on_and_signs_nobody_in() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    let form = browser.follow(PAGE).await;
    assert_eq!(browser.fill(&form, ANN.0, ANN.1).await.status, 303);
    for (email, password, status, why) in [
        (ANN.0, ANN.1, 303, "she went back and sent it again"),
        (" Ann@Example.com ", "", 303, "in other letters"),
        ("", "", 303, "with nothing in it"),
        (BOB.0, BOB.1, 400, "somebody else sits there: a fresh form"),
    ] {
        let seen = browser.fill(&form, email, password).await;
        assert_eq!((seen.status, seen.signs_in()), (status, false), "{why}");
        let on = seen.location().starts_with("/.pomerium/sign_in?");
        assert_eq!(on, status == 303, "{why}: {seen:?}");
    }
    assert_eq!((room.sessions_of("id-of-ann"), room.sessions_of("id-of-bob")), (1, 0));
}

/// A session that can't be kept is none, and the page leads back to the form.
#[tokio::test]
async fn a_session_that_is_not_kept_signs_nobody_in() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    let form = browser.follow(PAGE).await;
    room.sessions.keep_no_more();
    let seen = browser.fill(&form, ANN.0, ANN.1).await;
    assert_eq!((seen.status, seen.signs_in()), (503, false), "{}", seen.text);
    let again = form.url.strip_prefix("https://auth.example").unwrap().replace('&', "&#38;");
    assert!(seen.text.contains(&format!("href=\"{again}\"")), "{again}: {}", seen.text);
    assert!(room.notes.last().starts_with("Error sign-in-failed"), "{}", room.notes.last());
    assert_eq!(browser.get(PAGE).await.status, 302);
}

/// What the operator reads of a refusal: a store that is away is an error, a wrong password none.
#[tokio::test]
async fn refusals_are_noted_by_their_weight() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    let form = browser.follow(PAGE).await;
    for (email, level) in [("down@example.com", "Error "), (ANN.0, "Info ")] {
        browser.fill(&form, email, "guess").await;
        assert!(room.notes.last().starts_with(level), "{email}: {}", room.notes.last());
    }
}

/// Whom a browser has signed in before is known, one cookie each, and the same one again.
#[tokio::test]
async fn a_browser_is_known_by_one_cookie_for_each_person() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    for round in 0..2 {
        for (person, devices) in [(ANN, 1), (BOB, 2)] {
            let form = browser.follow("https://auth.example/.pomerium/sign_in").await;
            let form = if form.text.contains("name=\"password\"") {
                form
            } else {
                browser.jar.retain(|(_, name), _| name.contains("_device_"));
                browser.follow("https://auth.example/.pomerium/sign_in").await
            };
            browser.fill(&form, person.0, person.1).await;
            let held = browser.jar.keys().filter(|(_, name)| name.contains("_device_")).count();
            assert_eq!(held, if round == 0 { devices } else { 2 }, "{}", person.0);
        }
    }
    // More than it may hold: some give way, and never the one that this sign-in sets.
    browser.jar.clear();
    let form = browser.follow("https://auth.example/.pomerium/sign_in").await;
    for old in 0..9 {
        let name = format!("__Host-_pomerium_device_{old}");
        browser.jar.insert(("auth.example".into(), name), format!("{}.x", 1_600_000_000 + old));
    }
    let seen = browser.fill(&form, ANN.0, ANN.1).await;
    let set = |value: &&str| value.contains("_device_");
    let over = seen.cookies().into_iter().filter(set).filter(|one| one.contains("Max-Age=0"));
    assert!(over.count() >= 1, "{:?}", seen.cookies());
    let mine = seen.cookies().into_iter().filter(set).filter(|one| !one.contains("Max-Age=0"));
    assert_eq!(mine.count(), 1, "{:?}", seen.cookies());
}

/// Somebody's groups, end or password were changed after their password had been looked at.
#[tokio::test]
async fn a_sign_in_that_a_change_overtook_lets_nobody_in() {
    let mut room = TestRoom::new(Provider::Builtin);
    room.room.accounts = Arc::new(NoAccounts { always_changed: true });
    let mut browser = room.browser();
    let form = browser.follow(PAGE).await;
    let seen = browser.fill(&form, ANN.0, ANN.1).await;
    assert_eq!((seen.status, seen.signs_in()), (403, false), "{}", seen.text);
    assert_eq!(room.sessions_of("id-of-ann"), 0, "the one that had begun is over");
    assert!(room.notes.all().contains("sign-in-failed"), "{}", room.notes.all());
}

#[tokio::test]
async fn a_page_that_a_worker_passed_on_leads_back_to_itself() {
    let room = TestRoom::new(Provider::Builtin);
    let fields = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "empty")];
    let welcome = "https://auth.example/.pomerium/welcome?invitation=token";
    let seen = room.browser().send("GET", welcome, String::new(), &fields).await;
    assert!(seen.text.contains("\"/.pomerium/welcome?invitation=token\""), "{}", seen.text);
    assert!(!seen.text.contains("sign_in"), "a token in another address: {}", seen.text);
}
