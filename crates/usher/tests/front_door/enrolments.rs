//! Devices are enrolled, approved and shown at `/.pomerium/webauthn`, through a software
//! authenticator.

use std::{process::ExitCode, time::Duration};

use http::Method;
use usher::{
    cli::enrolments::{Args, run},
    store::Store,
};
use usher_lab::{
    browser::{Browser, NAVIGATION, Seen},
    patience::{PATIENCE, answered},
    upstream::Upstream,
};
use usher_rules::{
    enrolment::{EnrolledDevice, EnrolledDevices as _, Ids},
    time::Clock as _,
};

use crate::{
    authenticator::{Authenticator, Lie, clone, hidden},
    test_server::{ANN, EVE, TestServer, config, friends},
};

pub const FILM: &str = "https://film.test/film?part=1";
const OWN: &str = "https://tv.test/.pomerium/webauthn";
const APPROVED: &str = "{and: [{claim/groups: friends}, {device: {approved: true}}]}";

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// What `usher enrolments …` says, in a process of its own as far as the server can tell.
pub async fn command(server: &TestServer, line: &str) -> (bool, String) {
    let words = ["enrolments"].into_iter().chain(line.split(' '));
    let args = <Line as clap::Parser>::parse_from(words).args;
    let (dir, now) = (server.data_dir(), server.clock.now().wall);
    let done = tokio::task::spawn_blocking(move || {
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let code = run(&args.command, &dir, now, &mut output, &mut errors);
        output.extend(errors);
        (code == ExitCode::SUCCESS, String::from_utf8(output).unwrap())
    });
    done.await.unwrap()
}

/// A host that is for signing in alone, and one that asks for a device.
async fn house(device: &str) -> (TestServer, Upstream) {
    let upstream = Upstream::echo();
    (TestServer::open(&text(&upstream, device)).await, upstream)
}

fn text(upstream: &Upstream, device: &str) -> String {
    let film = friends("film.test", upstream.address)
        .replace("{or: [{claim/groups: friends}]}", &APPROVED.replace("{approved: true}", device));
    let routes = config(&[friends("watch.test", upstream.address), film]);
    format!("authenticate_service_url: https://tv.test\n{routes}")
}

/// The attribute of the button that makes a key, or uses one.
fn asked(page: &Seen, act: &str, what: &str) -> String {
    let from = page.body.split(&format!("data-passkey=\"{act}\"")).nth(1);
    let from = from.unwrap_or_else(|| panic!("nothing to {act} at {}: {}", page.url, page.body));
    let from = from.split(&format!("data-{what}=\"")).nth(1).unwrap();
    from.split('"').next().unwrap().to_owned()
}

pub async fn posts(browser: &mut Browser, page: &Seen, fields: &[(&str, &str)]) -> Seen {
    let flow = hidden(page, "flow");
    let bare = Seen { body: String::new(), ..clone(page) };
    browser.post(&bare, "", &[&[("flow", &*flow)], fields].concat()).await
}

pub async fn enrols(browser: &mut Browser, page: &Seen, key: &mut Authenticator) -> Seen {
    key.owner = asked(page, "create", "user");
    let answer = key.makes_for(&asked(page, "create", "challenge"));
    posts(browser, page, &[("action", "make"), ("passkey", &answer)]).await
}

pub async fn shows(browser: &mut Browser, page: &Seen, key: &mut Authenticator, lie: Lie) -> Seen {
    key.counter += 1;
    let answer = key.signs_for(&asked(page, "get", "challenge"), lie);
    posts(browser, page, &[("action", "show"), ("passkey", &answer)]).await
}

/// The store's other readers hear of a change within a second or so. An answer that is under way when
/// they hear of an end is cut: it counts as none.
async fn comes_to(browser: &mut Browser, status: u16) -> Seen {
    answered(&format!("status {status}"), async || {
        let seen = browser.attempt(Method::GET, FILM, NAVIGATION, "").await;
        seen.ok().filter(|seen| seen.status == status)
    })
    .await
}

#[tokio::test]
async fn a_device_is_enrolled_approved_shown_and_removed() {
    let (server, upstream) = house("{approved: true}").await;
    let mut key = Authenticator::new("key-of-laptop");
    let mut ann = server.browser();
    let page = ann.sign_in(FILM, ANN.0, ANN.1).await;
    assert_eq!(
        (page.status.as_u16(), page.url.path()),
        (200, "/.pomerium/webauthn"),
        "{}",
        page.body
    );
    assert_eq!(page.url.host_str(), Some("tv.test"), "one key is for every route");
    assert!(page.body.contains("film.test"), "it says what for: {}", page.body);
    assert!(!page.body.contains("data-passkey=\"get\""), "there is none to show");

    let seen = enrols(&mut ann, &page, &mut key).await;
    assert_eq!((seen.status.as_u16(), seen.url.as_str()), (450, FILM), "nobody approved it");
    assert!(upstream.heads().is_empty());
    let (_, listed) = command(&server, "list").await;
    assert!(listed.contains(ANN.0) && listed.contains("waits for approval"), "{listed}");
    let id = listed.split(' ').next().unwrap().to_owned();
    assert!(!command(&server, "approve nonesuch").await.0);

    let (done, said) = command(&server, &format!("approve {id}")).await;
    assert!(done && said.contains("approved"), "{said}");
    comes_to(&mut ann, 200).await;

    // Another session of hers is proven on it anew; one of somebody else's never is.
    let mut again = server.browser();
    let page = again.sign_in(FILM, ANN.0, ANN.1).await;
    let before = key.counter;
    for (lie, why) in [
        (Lie { origin: Some("https://film.test"), ..Lie::default() }, "another origin"),
        (Lie { rp_id: Some("film.test"), ..Lie::default() }, "another RP id"),
        (Lie { flags: Some(1), ..Lie::default() }, "its owner was not verified"),
    ] {
        let seen = shows(&mut again, &page, &mut key, lie).await;
        assert!(seen.body.contains("no device of yours"), "{why}: {}", seen.body);
    }
    key.counter = before;
    let seen = shows(&mut again, &page, &mut key, Lie::default()).await;
    assert_eq!((seen.status.as_u16(), seen.url.as_str()), (200, FILM), "{}", seen.body);
    let mut third = server.browser();
    let page = third.sign_in(FILM, ANN.0, ANN.1).await;
    key.counter -= 1;
    let seen = shows(&mut third, &page, &mut key, Lie::default()).await;
    assert!(seen.body.contains("no device of yours"), "a copy of it: {}", seen.body);

    let (done, said) = command(&server, &format!("remove {id}")).await;
    assert!(done, "{said}");
    for browser in [&mut ann, &mut again] {
        let seen = comes_to(browser, 302).await;
        assert_eq!(seen.location().unwrap().path(), "/.pomerium/webauthn");
    }
    let page = again.open(FILM).await;
    assert!(!page.body.contains("data-passkey=\"get\""), "it has to be enrolled anew");
}

/// T18, T23: what is asked of a device is answered once, by its owner, in the browser that was asked.
#[tokio::test]
async fn a_device_is_its_owner_s_and_answers_one_question_once() {
    let (server, _upstream) = house("{type: any}").await;
    let mut key = Authenticator::new("key-of-laptop");
    let mut ann = server.browser();
    let page = ann.sign_in(FILM, ANN.0, ANN.1).await;
    let seen = enrols(&mut ann, &page, &mut key).await;
    assert_eq!((seen.status.as_u16(), seen.url.as_str()), (200, FILM), "no approval is asked for");

    // Eve, at her own page, with Ann's device in her hands.
    let mut eve = server.signed_in("https://watch.test/film", EVE).await;
    let page = eve.open(OWN).await;
    let mut hers = Authenticator::new("key-of-eve");
    assert!(!page.body.contains("data-passkey=\"get\""), "Ann's is not asked for");
    key.counter += 1;
    let answer = key.signs_for(&asked(&page, "create", "challenge"), Lie::default());
    let seen = posts(&mut eve, &page, &[("action", "show"), ("passkey", &answer)]).await;
    assert!(seen.body.contains("no device of yours"), "{}", seen.body);
    let page = eve.open(OWN).await;
    enrols(&mut eve, &page, &mut hers).await;
    let page = eve.open(OWN).await;
    hers.counter += 1;
    let other = hers.signs_for(&asked(&page, "create", "challenge"), Lie::default());
    let seen = posts(&mut eve, &page, &[("action", "show"), ("passkey", &other)]).await;
    assert!(seen.body.contains("no device of yours"), "the other question: {}", seen.body);
    let page = eve.open(OWN).await;
    let seen = shows(&mut eve, &page, &mut key, Lie::default()).await;
    assert!(seen.body.contains("no device of yours"), "{}", seen.body);
    let id = "a2V5LW9mLWxhcHRvcA"; // Ann's
    posts(&mut eve, &page, &[("action", "remove"), ("id", id)]).await;
    assert!(command(&server, "list").await.1.contains(ANN.0), "she removes none of Ann's");

    // The same answer twice, and in another browser of Ann's.
    let mut second = server.browser();
    let page = second.sign_in(FILM, ANN.0, ANN.1).await;
    key.counter += 1;
    let answer = key.signs_for(&asked(&page, "get", "challenge"), Lie::default());
    let mut other = server.browser();
    let foreign = other.sign_in(FILM, ANN.0, ANN.1).await;
    let seen = posts(&mut other, &foreign, &[("action", "show"), ("passkey", &answer)]).await;
    assert!(seen.body.contains("no device of yours"), "another browser's: {}", seen.body);
    let seen = posts(&mut second, &page, &[("action", "show"), ("passkey", &answer)]).await;
    assert_eq!((seen.status.as_u16(), seen.url.as_str()), (200, FILM), "{}", seen.body);
    let seen = posts(&mut second, &page, &[("action", "show"), ("passkey", &answer)]).await;
    assert!(seen.body.contains("no device of yours"), "twice: {}", seen.body);
    // One that counts nothing is told from its copy by nothing else.
    let mut phone = Authenticator::new("key-of-phone");
    let page = second.open(OWN).await;
    enrols(&mut second, &page, &mut phone).await;
    let page = second.open(OWN).await;
    let answer = phone.signs_for(&asked(&page, "get", "challenge"), Lie::default());
    for expected in [false, true] {
        let seen = posts(&mut second, &page, &[("action", "show"), ("passkey", &answer)]).await;
        assert_eq!(seen.body.contains("no device of yours"), expected, "{}", seen.body);
    }

    let form = ("content-type", "application/x-www-form-urlencoded");
    let foreign = [form, ("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")];
    let seen = ann.send(Method::POST, OWN, &foreign, "action=remove").await;
    assert_eq!(seen.status, 403, "{}", seen.body);
}

/// On a page, as by `usher enrolments`; everybody else sees their own.
#[tokio::test]
async fn who_looks_after_people_sees_and_removes_everybody_s_devices() {
    let upstream = Upstream::echo();
    let routes = config(&[friends("watch.test", upstream.address)]);
    let keys = "authenticate_service_url: https://tv.test\nadmin_groups: [friends]\n";
    let server = TestServer::open(&format!("{keys}{routes}")).await;
    let mut ann = server.signed_in("https://watch.test/film", ANN).await;
    let mut eve = server.signed_in("https://watch.test/film", EVE).await;
    for (browser, id) in [(&mut ann, "key-of-ann"), (&mut eve, "key-of-eve")] {
        let page = browser.open(OWN).await;
        enrols(browser, &page, &mut Authenticator::new(id)).await;
    }
    let page = eve.open(OWN).await;
    assert!(
        page.body.contains("waits for approval") && !page.body.contains(ANN.0),
        "{}",
        page.body
    );
    let [of_ann, of_eve] = ["a2V5LW9mLWFubg", "a2V5LW9mLWV2ZQ"];
    posts(&mut eve, &page, &[("action", "remove"), ("id", of_ann)]).await;
    assert!(command(&server, "list").await.1.contains(ANN.0), "it is not hers");

    let page = ann.open(OWN).await;
    let bare = Seen { body: String::new(), ..clone(&page) };
    ann.post(&bare, "", &[("flow", "x"), ("action", "remove"), ("id", of_eve)]).await;
    assert!(command(&server, "list").await.1.contains(EVE.0), "by no form of hers");
    let others = page.body.split("Everybody else").nth(1).unwrap();
    assert!(others.contains(EVE.0) && !others.contains(of_ann), "{}", page.body);
    assert!(others.contains(&format!("name=\"id\" value=\"{of_eve}\"")), "{}", page.body);
    let seen = posts(&mut ann, &page, &[("action", "remove"), ("id", of_eve)]).await;
    assert!(!seen.body.contains("Everybody else"), "{}", seen.body);
    let listed = command(&server, "list").await.1;
    assert!(listed.contains(ANN.0) && !listed.contains(EVE.0), "{listed}");
    let told = server.records("account");
    let words = format!("a device was removed by {}", ANN.0);
    assert!(told.iter().any(|line| line["cause"] == *words && line["email"] == EVE.0), "{told:?}");

    server.reload(&format!("{keys}{}", routes.replace("[friends]", "[nobody]"))).unwrap();
    let page = ann.open(OWN).await;
    posts(&mut ann, &page, &[("action", "remove"), ("id", of_ann)]).await;
    assert_eq!(command(&server, "list").await.1, "", "her own is hers");
}

/// What made a device makes it once: one that was removed comes back by nothing that was said before.
#[tokio::test]
async fn a_removed_device_is_not_enrolled_again_by_what_enrolled_it() {
    let (server, _upstream) = house("{type: any}").await;
    let mut ann = server.browser();
    let page = ann.sign_in(FILM, ANN.0, ANN.1).await;
    let mut key = Authenticator::new("key-of-laptop");
    key.owner = asked(&page, "create", "user");
    let answer = key.makes_for(&asked(&page, "create", "challenge"));
    let made = [("action", "make"), ("passkey", &*answer)];
    assert_eq!(posts(&mut ann, &page, &made).await.url.as_str(), FILM);
    let own = ann.open(OWN).await;
    posts(&mut ann, &own, &[("action", "remove"), ("id", "a2V5LW9mLWxhcHRvcA")]).await;
    assert_eq!(command(&server, "list").await.1, "", "it is gone");
    let seen = posts(&mut ann, &page, &made).await;
    assert!(seen.body.contains("no device of yours"), "{}", seen.body);
    assert_eq!(command(&server, "list").await.1, "", "and stays so");
}

/// What is asked of a device that is there makes no other one.
#[tokio::test]
async fn a_question_to_a_device_enrols_none() {
    let (server, _upstream) = house("{type: any}").await;
    let mut ann = server.browser();
    let page = ann.sign_in(FILM, ANN.0, ANN.1).await;
    let mut key = Authenticator::new("key-of-laptop");
    enrols(&mut ann, &page, &mut key).await;
    let page = ann.open(OWN).await;
    let other = Authenticator::new("key-of-thief");
    let answer = other.makes_for(&asked(&page, "get", "challenge"));
    let seen = posts(&mut ann, &page, &[("action", "make"), ("passkey", &answer)]).await;
    assert!(seen.body.contains("no device of yours"), "{}", seen.body);
    assert_eq!(command(&server, "list").await.1.lines().count(), 1);
    // Nor does one count that says whose it is, and means somebody else.
    let page = ann.open(OWN).await;
    key.owner = "somebody else".into();
    let seen = shows(&mut ann, &page, &mut key, Lie::default()).await;
    assert!(seen.body.contains("no device of yours"), "{}", seen.body);
}

/// One of before providers were written down says from then on whose it is.
#[tokio::test]
async fn a_device_that_is_shown_learns_who_says_whose_it_is() {
    let upstream = Upstream::echo();
    let text = text(&upstream, "{type: any}");
    let mut server = TestServer::open(&text).await;
    let mut ann = server.browser();
    let page = ann.sign_in(FILM, ANN.0, ANN.1).await;
    let mut key = Authenticator::new("key-of-laptop");
    enrols(&mut ann, &page, &mut key).await;
    server.stop(PATIENCE).await;
    let store = Store::open(&server.data_dir()).unwrap();
    let [enrolled] = store.all_enrolled().await.unwrap().try_into().unwrap();
    assert_eq!(&*enrolled.provider, "builtin");
    let old = EnrolledDevice { provider: Box::default(), ..enrolled };
    store.remove_enrolled(&old.key.id).await.unwrap();
    assert!(store.enrol(old, Ids::NeverMeet).await.unwrap());
    drop(store);
    server.restart(&text).await;
    let mut again = server.browser();
    let page = again.sign_in(FILM, ANN.0, ANN.1).await;
    let seen = shows(&mut again, &page, &mut key, Lie::default()).await;
    assert_eq!(seen.url.as_str(), FILM, "{}", seen.body);
    let store = Store::open(&server.data_dir()).unwrap();
    let [kept] = store.all_enrolled().await.unwrap().try_into().unwrap();
    assert_eq!((&*kept.provider, kept.key.counter), ("builtin", 1));
}

/// A session that was left open, or copied, enrols nothing.
#[tokio::test]
async fn a_device_is_enrolled_by_who_signed_in_lately() {
    let (server, _upstream) = house("{type: any}").await;
    let mut key = Authenticator::new("key-of-laptop");
    let mut ann = server.browser();
    let early = ann.sign_in(FILM, ANN.0, ANN.1).await;
    server.clock.turn(Duration::from_secs(15 * 60 + 1));
    let page = ann.open(FILM).await;
    assert!(!page.body.contains("data-passkey=\"create\""), "{}", page.body);
    let seen = enrols(&mut ann, &early, &mut key).await;
    assert!(seen.body.contains("type=\"password\""), "asks who it is: {}", seen.body);
    assert_eq!(command(&server, "list").await.1, "", "nothing was enrolled");
    let back = ann.post(&seen, "", &[("email", ANN.0), ("password", ANN.1)]).await;
    assert_eq!(back.url.path(), "/.pomerium/webauthn", "and comes back: {}", back.body);
    let seen = enrols(&mut ann, &back, &mut key).await;
    assert_eq!((seen.status.as_u16(), seen.url.as_str()), (200, FILM), "{}", seen.body);
}

/// What can't be checked is not claimed.
#[tokio::test]
async fn a_kind_of_device_that_nobody_vouches_for_is_not_enrolled() {
    let (server, upstream) = house("{type: enclave_only}").await;
    let mut ann = server.browser();
    let page = ann.sign_in(FILM, ANN.0, ANN.1).await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert!(page.body.contains("be checked here"), "{}", page.body);
    let changed = page.url.as_str().replace("enclave_only", "any");
    let seen = ann.send(Method::GET, &changed, NAVIGATION, "").await;
    assert_ne!(seen.status, 200, "the kind was signed: {}", seen.body);
    assert!(upstream.heads().is_empty());
}

/// A script of the app could read the page, and press its buttons.
#[tokio::test]
async fn no_device_is_enrolled_on_the_host_of_an_app() {
    let upstream = Upstream::echo();
    let film =
        friends("film.test", upstream.address).replace("{or: [{claim/groups: friends}]}", APPROVED);
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address), film])).await;
    let mut ann = server.signed_in("https://tv.test/film", ANN).await;
    let before = upstream.heads().len();
    for page in [OWN, FILM] {
        let seen = ann.open(page).await;
        assert_eq!(seen.status, 403, "{page}: {}", seen.body);
        assert!(!seen.body.contains("data-passkey"), "{page}: {}", seen.body);
    }
    assert_eq!(upstream.heads().len(), before);
}
