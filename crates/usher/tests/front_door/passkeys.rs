//! Passkeys of the built-in provider, invitations and guests, through a software authenticator.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as B64};
use http::Method;
use usher_lab::{
    browser::{Browser, NAVIGATION, Seen},
    upstream::Upstream,
};
use usher_rules::{accounts::Invitation, people::People as _, secret::Secret, time::Clock as _};

use crate::{
    authenticator::{
        ACCOUNT, Authenticator, FILM, Lie, acts, ann_enrols, at_the_door, clone, hidden, house,
        question, shows, ways_in,
    },
    test_server::{ANN, EVE, FRIENDS, TestServer, config, friends},
};

#[tokio::test]
async fn a_passkey_signs_in_without_a_name() {
    let (server, _upstream) = house().await;
    let mut key = Authenticator::new("key-of-ann");
    ann_enrols(&server, &mut key).await;
    let (mut browser, page) = at_the_door(&server).await;
    let answer = key.signs(&page, Lie::default());
    let seen = shows(&mut browser, &page, &answer).await;
    assert_eq!((seen.status.as_u16(), seen.url.as_str()), (200, FILM), "{}", seen.body);
    let about = browser.send(Method::GET, "https://tv.test/.pomerium/user", &[], "").await;
    assert_eq!(about.json()["email"], ANN.0);
    let log = server.log();
    assert!(log.contains("\"message\":\"account\""), "an operator can search for it");
    assert!(!log.contains(&question(&page, "challenge")), "and reads no challenge");
}

/// T23: a challenge counts once, for one browser, for a quarter of an hour, and for what it was
/// asked for.
#[tokio::test]
async fn t23_a_challenge_counts_once_here_and_for_a_quarter_of_an_hour() {
    let (server, _upstream) = house().await;
    let mut key = Authenticator::new("key-of-ann");
    ann_enrols(&server, &mut key).await;

    let (mut one, first) = at_the_door(&server).await;
    let mut copy = one.clone();
    let answer = key.signs(&first, Lie::default());
    assert_eq!(shows(&mut one, &first, &answer).await.status, 200);
    assert_eq!(shows(&mut copy, &first, &answer).await.status, 403, "a second time");
    key.counter += 1;
    let again = key.signs_for(&question(&first, "challenge"), Lie::default());
    assert_eq!(shows(&mut copy, &first, &again).await.status, 403, "signed anew, the old question");

    let (mut other, page) = at_the_door(&server).await;
    let (_, foreign) = at_the_door(&server).await;
    let answer = key.signs(&foreign, Lie::default());
    assert_eq!(shows(&mut other, &page, &answer).await.status, 403, "another browser's question");

    let (mut late, page) = at_the_door(&server).await;
    let answer = key.signs(&page, Lie::default());
    server.clock.turn(Duration::from_secs(15 * 60));
    assert_eq!(shows(&mut late, &page, &answer).await.status, 403, "too late");

    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let page = ann.open(ACCOUNT).await;
    let (mut browser, door) = at_the_door(&server).await;
    let answer = key.signs(&page, Lie::default());
    assert_eq!(shows(&mut browser, &door, &answer).await.status, 403, "a question to make one");
    let answer = key.makes_for(&question(&door, "challenge"));
    let seen = acts(&mut ann, &page, "passkey", &[("passkey", &answer)]).await;
    assert!(seen.body.contains("was not made"), "a question to use one: {}", seen.body);
}

/// T23: RP id, origin, verification, counter, owner.
#[tokio::test]
async fn t23_what_another_site_a_copy_or_a_stranger_answers_opens_nothing() {
    let (server, upstream) = house().await;
    let mut key = Authenticator::new("key-of-ann");
    ann_enrols(&server, &mut key).await;
    let before = upstream.heads().len();
    let truth = Lie::default();
    for (lie, why) in [
        (Lie { origin: Some("https://evil.test"), ..truth }, "another origin"),
        (Lie { origin: Some("http://tv.test"), ..truth }, "another scheme"),
        (Lie { rp_id: Some("test"), ..truth }, "another RP id"),
        (Lie { flags: Some(1), ..truth }, "its owner was not verified"),
        (Lie { flags: Some(4), ..truth }, "nobody touched it"),
    ] {
        let (mut browser, page) = at_the_door(&server).await;
        let answer = key.signs(&page, lie);
        let seen = shows(&mut browser, &page, &answer).await;
        assert_eq!(seen.status, 403, "{why}: {}", seen.body);
    }
    let (mut browser, page) = at_the_door(&server).await;
    let answer = key.signs(&page, truth);
    assert_eq!(shows(&mut browser, &page, &answer).await.status, 200);
    key.counter -= 1; // the next one says the same count as the last
    let (mut browser, page) = at_the_door(&server).await;
    let answer = key.signs(&page, truth);
    assert_eq!(shows(&mut browser, &page, &answer).await.status, 403, "a copy of it");
    key.counter += 9;

    let directory = server.directory();
    let people = directory.list().await.unwrap();
    let eve = people.iter().find(|one| &*one.email == EVE.0).unwrap();
    let ann = std::mem::replace(&mut key.owner, eve.id.to_string());
    let (mut browser, page) = at_the_door(&server).await;
    let answer = key.signs(&page, truth);
    assert_eq!(shows(&mut browser, &page, &answer).await.status, 403, "it says that it is Eve's");
    key.owner = ann;
    let mut strange = Authenticator { owner: key.owner.clone(), ..Authenticator::new("strange") };
    let (mut browser, page) = at_the_door(&server).await;
    let answer = strange.signs(&page, truth);
    assert_eq!(shows(&mut browser, &page, &answer).await.status, 403, "nobody's");
    assert_eq!(upstream.heads().len(), before + 1);
}

/// A session that was left open makes nobody a passkey; nor does another site's form (T18).
#[tokio::test]
async fn t18_an_account_is_changed_by_who_signed_in_lately_and_by_its_own_page() {
    let (server, _upstream) = house().await;
    let mut key = Authenticator::new("key-of-ann");
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let page = ann.open(ACCOUNT).await;
    let answer = key.makes(&page);
    let url = page.url.to_string();
    let flow = hidden(&page, "flow");
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("flow", &*flow), ("action", "passkey"), ("passkey", &answer)])
        .finish();
    let form = ("content-type", "application/x-www-form-urlencoded");
    let foreign = [form, ("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")];
    let seen = ann.send(Method::POST, &url, &foreign, body).await;
    assert_eq!(seen.status, 403, "{}", seen.body);
    let seen = acts(&mut ann, &page, "passkey", &[("passkey", &answer), ("flow", "x")]).await;
    assert_eq!(seen.status, 200);

    server.clock.turn(Duration::from_secs(16 * 60));
    let seen = ann.open(ACCOUNT).await;
    assert!(seen.url.path().ends_with("/sign_in"), "asks once more: {}", seen.url);
    let seen = ann.post(&seen, "", &[("email", ANN.0), ("password", ANN.1)]).await;
    assert_eq!(seen.url.as_str(), ACCOUNT, "and comes back: {}", seen.body);
    let mut nobody = server.browser();
    let seen = nobody.send(Method::GET, ACCOUNT, NAVIGATION, "").await;
    assert_eq!(seen.status, 302, "nobody has no account");
}

#[tokio::test]
async fn a_passkey_that_is_removed_signs_in_no_more_and_the_last_way_in_stays() {
    let (server, _upstream) = house().await;
    let mut key = Authenticator::new("key-of-ann");
    let mut ann = ann_enrols(&server, &mut key).await;
    let page = ann.open(ACCOUNT).await;
    let id = B64.encode("key-of-ann");
    let seen = acts(&mut ann, &page, "remove", &[("id", &id)]).await;
    assert!(seen.url.path().ends_with("/sign_in"), "signed out everywhere: {}", seen.url);
    let (mut browser, page) = at_the_door(&server).await;
    let answer = key.signs(&page, Lie::default());
    assert_eq!(shows(&mut browser, &page, &answer).await.status, 403);

    let invitation = Invitation { email: Some("kim@example.com".into()), ..Default::default() };
    let mut kim = invited(&server, invitation).await;
    let mut own = Authenticator::new("key-of-kim");
    let answer = own.makes(&kim.1);
    shows(&mut kim.0, &kim.1, &answer).await;
    let page = kim.0.open(ACCOUNT).await;
    let id = B64.encode("key-of-kim");
    let seen = acts(&mut kim.0, &page, "remove", &[("id", &id)]).await;
    assert!(seen.body.contains("all that you can sign in with"), "{}", seen.body);
}

/// A browser that opened an invitation.
pub async fn invited(server: &TestServer, invitation: Invitation) -> (Browser, Seen) {
    let terms = (Duration::from_secs(24 * 3600), 1);
    let now = server.clock.now().wall;
    let token = ways_in(server).invite(invitation, terms, now).await.unwrap();
    let token = token.expose_str().unwrap();
    let mut browser = server.browser();
    let url = format!("https://tv.test/.pomerium/welcome?invitation={token}");
    let page = browser.open(&url).await;
    (browser, page)
}

#[tokio::test]
async fn who_is_invited_makes_a_passkey_and_comes_back_with_it() {
    let (server, _upstream) = house().await;
    let groups = vec![FRIENDS.into()];
    let email = Some("kim@example.com".into());
    let (mut kim, page) =
        invited(&server, Invitation { email, groups, ..Default::default() }).await;
    assert!(page.body.contains("kim@example.com"), "{}", page.body);
    let mut key = Authenticator::new("key-of-kim");
    let answer = key.makes(&page);
    let seen = shows(&mut kim, &page, &answer).await;
    assert_eq!(seen.url.as_str(), "https://tv.test/.pomerium/", "{}", seen.body);
    let (mut later, door) = at_the_door(&server).await;
    let answer = key.signs(&door, Lie::default());
    assert_eq!(shows(&mut later, &door, &answer).await.url.as_str(), FILM);

    let mut second = server.browser();
    let again = second.open(page.url.as_str()).await;
    assert_eq!(again.status, 400, "a link is used up: {}", again.body);
    let token = page.url.query().unwrap().split('=').nth(1).unwrap();
    assert!(!server.log().contains(token), "no token in a log");
}

/// Whoever may choose an address can't choose the one that a rule is about.
#[tokio::test]
async fn an_address_that_somebody_chose_opens_nothing() {
    let upstream = Upstream::echo();
    let route = friends("tv.test", upstream.address);
    let (head, _) = route.split_once("  policy:").unwrap();
    let boss = format!(
        "{head}  policy: [{{allow: {{or: [{{email: {{is: boss@example.com}}}}, {{domain: {{is: example.com}}}}]}}}}]\n"
    );
    let server = TestServer::open(&config(&[boss])).await;
    let (mut kim, page) = invited(&server, Invitation::default()).await;
    let flow = hidden(&page, "flow");
    let bare = Seen { body: String::new(), ..clone(&page) };
    let typed = [
        ("flow", &*flow),
        ("passkey", ""),
        ("email", "Boss@example.com"),
        ("name", "Kim"),
        ("password", "a good long password of kim"),
    ];
    let seen = kim.post(&bare, "", &typed).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert_eq!(kim.open(FILM).await.status, 403, "signed in, and let in nowhere");
    assert!(upstream.heads().is_empty());
}

#[tokio::test]
async fn a_guest_is_let_in_until_the_end_and_no_longer() {
    let (server, _upstream) = house().await;
    let now = server.clock.now().wall;
    let until = Some(now.plus(Duration::from_secs(3600)).seconds());
    let (email, groups) = (Some("kim@example.com".into()), vec![FRIENDS.into()]);
    let (mut kim, page) =
        invited(&server, Invitation { email, groups, until, ..Default::default() }).await;
    let mut key = Authenticator::new("key-of-kim");
    let answer = key.makes(&page);
    shows(&mut kim, &page, &answer).await;
    assert_eq!(kim.open(FILM).await.status, 200);
    server.clock.turn(Duration::from_secs(3600));
    let seen = kim.open(FILM).await;
    assert!(seen.url.path().ends_with("/sign_in"), "the session has ended: {}", seen.url);
    let answer = key.signs(&seen, Lie::default());
    let seen = shows(&mut kim, &seen, &answer).await;
    assert_eq!(seen.status, 403);
    assert!(seen.body.contains("Your access has ended"), "{}", seen.body);
    ways_in(&server).set_until("kim@example.com", None).await.unwrap();
    let (mut later, door) = at_the_door(&server).await;
    let answer = key.signs(&door, Lie::default());
    assert_eq!(shows(&mut later, &door, &answer).await.url.as_str(), FILM, "and let in again");
}

#[tokio::test]
async fn who_lost_everything_gets_in_again_and_what_was_lost_opens_nothing() {
    let (server, _upstream) = house().await;
    let mut lost = Authenticator::new("lost-key");
    let mut thief = ann_enrols(&server, &mut lost).await;
    let (life, now) = (Duration::from_secs(3600), server.clock.now().wall);
    let (_, token) = ways_in(&server).recover(ANN.0, life, now).await.unwrap();
    let url =
        format!("https://tv.test/.pomerium/welcome?invitation={}", token.expose_str().unwrap());
    let mut ann = server.browser();
    let page = ann.open(&url).await;
    let mut key = Authenticator::new("new-key");
    let answer = key.makes(&page);
    let seen = shows(&mut ann, &page, &answer).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert_eq!(ann.open(FILM).await.status, 200, "she is who she was");
    let seen = thief.open(FILM).await;
    assert!(seen.url.path().ends_with("/sign_in"), "sessions of before are over");
    let answer = lost.signs(&seen, Lie::default());
    assert_eq!(shows(&mut thief, &seen, &answer).await.status, 403, "the key that was lost");
    let (mut other, door) = at_the_door(&server).await;
    let typed = [("email", ANN.0), ("password", ANN.1)];
    assert_eq!(other.post(&door, "", &typed).await.status, 403, "and the password");
}

#[tokio::test]
async fn the_newest_recovery_link_is_the_only_one() {
    let (server, _upstream) = house().await;
    let (life, now) = (Duration::from_secs(3600), server.clock.now().wall);
    let mut urls = Vec::new();
    for email in [ANN.0, EVE.0, ANN.0] {
        let (_, token) = ways_in(&server).recover(email, life, now).await.unwrap();
        let token = token.expose_str().unwrap();
        urls.push(format!("https://tv.test/.pomerium/welcome?invitation={token}"));
    }
    let opens = async |url: &str| {
        let mut browser = server.browser();
        let page = browser.open(url).await;
        (browser, page)
    };
    assert_eq!(opens(&urls[0]).await.1.status, 400, "another was made");
    let (mut ann, page) = opens(&urls[2]).await;
    let answer = Authenticator::new("new-key").makes(&page);
    assert_eq!(shows(&mut ann, &page, &answer).await.status, 200);
    assert_eq!(opens(&urls[0]).await.1.status, 400);
    assert_eq!(opens(&urls[2]).await.1.status, 400);
    assert_eq!(opens(&urls[1]).await.1.status, 200, "somebody else's is as good as it was");
}

/// What an authenticator app shows at this moment (RFC 6238).
pub fn shown_by_app(server: &TestServer, secret: &str) -> String {
    use aws_lc_rs::hmac;
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: Vec<u8> = secret
        .bytes()
        .flat_map(|letter| {
            let five = letters.iter().position(|one| *one == letter).unwrap();
            (0..5).rev().map(move |bit| (five >> bit & 1) as u8)
        })
        .collect();
    let octets: Vec<u8> =
        bits.chunks_exact(8).map(|octet| octet.iter().fold(0, |sum, bit| sum << 1 | bit)).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &octets);
    let step = server.clock.now().wall.seconds() / 30;
    let mac = hmac::sign(&key, &step.to_be_bytes());
    let at = usize::from(mac.as_ref()[19] & 15);
    let four: [u8; 4] = mac.as_ref()[at..at + 4].try_into().unwrap();
    format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
}

/// Ann, her browser, the secret of her app and her recovery codes.
pub async fn ann_asks_for_codes(server: &TestServer) -> (Browser, String, Vec<String>) {
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let page = ann.open(ACCOUNT).await;
    let secret = page.body.split("or type <code>").nth(1).unwrap();
    let secret = secret.split('<').next().unwrap().to_owned();
    let (code, shown) = (shown_by_app(server, &secret), hidden(&page, "shown"));
    let seen = acts(&mut ann, &page, "app", &[("shown", &shown), ("code", &code)]).await;
    let codes = seen.body.split("<li><code>").skip(1);
    let codes: Vec<String> = codes.map(|rest| rest.split('<').next().unwrap().into()).collect();
    assert_eq!(codes.len(), 8, "{}", seen.body);
    (ann, secret, codes)
}

/// The page that asks for a code, in a browser where the password was typed.
pub async fn asked_for_a_code(server: &TestServer) -> (Browser, Seen) {
    let (mut browser, door) = at_the_door(server).await;
    let typed = [("email", ANN.0), ("password", ANN.1)];
    let page = browser.post(&door, "", &typed).await;
    assert!(page.body.contains("One more step"), "{}", page.body);
    (browser, page)
}

#[tokio::test]
async fn a_password_is_not_enough_where_a_code_is_asked_for_and_each_code_counts_once() {
    let (server, _upstream) = house().await;
    let (_ann, secret, codes) = ann_asks_for_codes(&server).await;
    let (mut browser, page) = asked_for_a_code(&server).await;
    let replayed = shown_by_app(&server, &secret);
    let seen = browser.post(&page, "", &[("code", &replayed)]).await;
    assert_eq!(seen.status, 403, "the code that set it up");
    assert!(browser.open(FILM).await.url.path().ends_with("/sign_in"), "nobody is signed in yet");

    server.clock.turn(Duration::from_secs(30));
    let (mut browser, page) = asked_for_a_code(&server).await;
    let (mut other, second) = asked_for_a_code(&server).await;
    let code = shown_by_app(&server, &secret);
    assert_eq!(browser.post(&page, "", &[("code", &code)]).await.url.as_str(), FILM);
    assert_eq!(other.post(&second, "", &[("code", &code)]).await.status, 403, "a second time");

    let (mut browser, page) = asked_for_a_code(&server).await;
    let typed = codes[0].to_uppercase().replace('-', " ");
    assert_eq!(browser.post(&page, "", &[("code", &typed)]).await.url.as_str(), FILM);
    let (mut browser, page) = asked_for_a_code(&server).await;
    assert_eq!(browser.post(&page, "", &[("code", &typed)]).await.status, 403, "used");
    let log = server.log();
    for secret in [&secret, &codes[0], &codes[1], &code] {
        assert!(!log.contains(secret.as_str()), "no secret in a log");
    }
}

/// Whoever has the password guesses no faster for coming from many places, and what says that they
/// have it counts in one browser for a quarter of an hour.
#[tokio::test]
async fn codes_are_not_guessed_and_a_password_that_was_shown_counts_for_a_while() {
    let (server, _upstream) = house().await;
    ann_asks_for_codes(&server).await;
    let (mut browser, page) = asked_for_a_code(&server).await;
    let mut statuses = Vec::new();
    for guess in 0..12 {
        let code = format!("{guess:06}");
        statuses.push(browser.post(&page, "", &[("code", &code)]).await.status.as_u16());
    }
    assert_eq!((&statuses[..10], &statuses[10..]), (&[403; 10][..], &[429; 2][..]));

    let (mut other, door) = at_the_door(&server).await;
    let bare = Seen { body: String::new(), ..clone(&door) };
    let (flow, shown) = (hidden(&door, "flow"), hidden(&page, "shown"));
    let fields = [("flow", &*flow), ("shown", &*shown), ("code", "000000")];
    let seen = other.post(&bare, "", &fields).await;
    assert_eq!(seen.status, 400, "another browser's: {}", seen.body);
    server.clock.turn(Duration::from_secs(15 * 60));
    assert_eq!(browser.post(&page, "", &[("code", "000000")]).await.status, 400, "too late");
}

#[tokio::test]
async fn a_password_that_was_changed_since_leads_past_no_code() {
    let (server, _upstream) = house().await;
    let (_ann, secret, _codes) = ann_asks_for_codes(&server).await;
    server.clock.turn(Duration::from_secs(30));
    let (mut browser, page) = asked_for_a_code(&server).await;
    let store = usher::store::Store::open(&server.data_dir()).unwrap();
    store.set_password(ANN.0, Secret::new("$another".as_bytes())).await.unwrap();
    let code = shown_by_app(&server, &secret);
    assert_eq!(browser.post(&page, "", &[("code", &code)]).await.status, 403, "a right code");
    assert!(browser.open(FILM).await.url.path().ends_with("/sign_in"));
}

#[tokio::test]
async fn where_passwords_are_turned_off_none_opens_anything_and_passkeys_do() {
    let upstream = Upstream::echo();
    let text = config(&[friends("tv.test", upstream.address)]);
    let server = TestServer::open(&text).await;
    let mut key = Authenticator::new("key-of-ann");
    let mut ann = ann_enrols(&server, &mut key).await;
    server.reload(&format!("builtin_passwords: false\n{text}")).unwrap();

    let (mut browser, door) = at_the_door(&server).await;
    assert!(!door.body.contains("type=\"password\""), "{}", door.body);
    let typed = [("email", ANN.0), ("password", ANN.1)];
    assert_eq!(browser.post(&door, "", &typed).await.status, 403, "the right one");
    let (mut browser, door) = at_the_door(&server).await;
    let answer = key.signs(&door, Lie::default());
    assert_eq!(shows(&mut browser, &door, &answer).await.url.as_str(), FILM);

    let page = ann.open(ACCOUNT).await;
    let id = [("id", &*B64.encode("key-of-ann"))];
    let seen = acts(&mut ann, &page, "remove", &id).await;
    assert!(seen.body.contains("all that you can sign in with"), "an old password is no way in");
    let page = ann.open(ACCOUNT).await;
    assert!(!page.body.contains("type=\"password\""), "{}", page.body);
    acts(&mut ann, &page, "password", &[("password", "another good password")]).await;
    assert_eq!(ann.open(FILM).await.status, 200, "nothing was changed, so nothing has ended");
    let (mut kim, page) = invited(&server, Invitation::default()).await;
    let typed = [("email", "kim@example.com"), ("password", "another good password")];
    let seen = kim.post(&page, "", &typed).await;
    assert_eq!(seen.status, 400, "{}", seen.body);
}
