//! Floods and guesses at Quick Connect: who asks for codes without end, or tries them, gets in
//! nobody's way but their own, and nowhere.

use std::time::Duration;

use http::Method;
use usher_lab::browser::Browser;

use crate::{
    apps_let_in::{App, TV, button, let_in, library, many, open, say_yes},
    seats::{BOB, add},
    test_server::ANN,
};

const LIFE: Duration = Duration::from_secs(600);
const MINUTE: Duration = Duration::from_secs(60);

async fn types(browser: &mut Browser, code: &str) -> String {
    let page = browser.open(&format!("{TV}/link")).await;
    browser.post(&page, "/link", &[("code", code)]).await.body
}

/// A code that no app shows.
fn another(code: &str) -> String {
    let code: u32 = code.parse().unwrap();
    let other = if code == 999_999 { 100_000 } else { code + 1 };
    other.to_string()
}

#[tokio::test]
async fn a_flood_of_codes_ends_at_its_own_network() {
    let library = library(&[]).await;
    let server = open(&library).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let mut tv = App::new(server.browser());
    let (code, secret) = tv.begin().await;
    let mut flood = App::new(server.browser().at(7));
    let answers = many(&mut flood, 12).await;
    assert_eq!(answers[..5], [200; 5]);
    assert_eq!(answers[5..], [429; 7]);
    let refused = flood.ask(Method::POST, "/QuickConnect/Initiate", "", "").await;
    let wait: u64 = refused.field("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    // It may begin anew a minute later, and its five are open still.
    server.clock.turn(MINUTE);
    let refused = flood.ask(Method::POST, "/QuickConnect/Initiate", "", "").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.field("retry-after"), "540");
    // Hers is where it was.
    assert!(say_yes(&mut ann, &code).await.body.contains("is in."));
    assert_eq!(tv.exchange(&secret).await.status, 200);
    assert_eq!(many(&mut tv, 1).await, [200]);
}

#[tokio::test]
async fn a_flood_from_everywhere_ends_at_a_hundred_and_is_over_in_ten_minutes() {
    let library = library(&[]).await;
    let server = open(&library).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let mut tv = App::new(server.browser());
    let (code, secret) = tv.begin().await;
    let mut begun = 1;
    for n in 2..26 {
        let answers = many(&mut App::new(server.browser().at(n)), 5).await;
        begun += answers.iter().filter(|status| **status == 200).count();
        assert!(answers.iter().all(|status| [200, 429].contains(status)), "{answers:?}");
    }
    assert_eq!(begun, 100);
    // Whoever waited before the flood is let in in the midst of it.
    assert!(say_yes(&mut ann, &code).await.body.contains("is in."));
    assert_eq!(tv.exchange(&secret).await.status, 200);
    // The one place that she left is free, and with the flood's end all are.
    assert_eq!(many(&mut App::new(server.browser().at(30)), 2).await, [200, 429]);
    server.clock.turn(LIFE);
    assert_eq!(many(&mut App::new(server.browser().at(30)), 5).await, [200; 5]);
}

#[tokio::test]
async fn codes_are_guessed_five_times_however_they_are_tried() {
    let library = library(&[]).await;
    let server = open(&library).await;
    add(&server, BOB, "").await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let mut bob = server.signed_in(&format!("{TV}/web/"), BOB).await;
    let (mut phone, mut tv) = (App::on(server.browser(), "phone"), App::new(server.browser()));
    let token = let_in(&mut ann, &mut phone).await;
    let (code, _) = tv.begin().await;
    let wrong = another(&code);
    // At the page, from an app, and in another browser of hers: one count.
    let mut elsewhere = server.signed_in(&format!("{TV}/web/"), ANN).await.at(5);
    for _ in 0..2 {
        assert!(types(&mut ann, &wrong).await.contains("No app waits with this code"));
        let path = format!("/QuickConnect/Authorize?code={wrong}");
        assert_eq!(phone.ask(Method::POST, &path, &token, "").await.status, 404);
    }
    assert!(types(&mut elsewhere, "12 34").await.contains("No app waits with this code"));
    for browser in [&mut ann, &mut elsewhere] {
        let page = types(browser, &code).await;
        assert!(page.contains("Too many tries") && page.contains("15 minutes"), "{page}");
    }
    let path = format!("/QuickConnect/Authorize?code={code}");
    let refused = phone.ask(Method::POST, &path, &token, "").await;
    assert_eq!((refused.status.as_u16(), refused.field("retry-after")), (429, "900"));
    // It is her who waits: nobody else, and not what she pressed before.
    assert!(types(&mut bob, &code).await.contains("Let it in"));
    server.clock.turn(Duration::from_secs(899));
    assert!(types(&mut ann, &wrong).await.contains("Too many tries"));
    server.clock.turn(Duration::from_secs(1));
    let (code, _) = tv.begin().await;
    assert!(types(&mut ann, &code).await.contains("Let it in"));
}

#[tokio::test]
async fn secrets_are_not_guessed_and_stand_on_no_page() {
    let library = library(&[]).await;
    let server = open(&library).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let mut tv = App::new(server.browser());
    let (code, secret) = tv.begin().await;
    assert_eq!(secret.len(), 64, "256 bits");
    let page = ann.open(&format!("{TV}/link")).await;
    let asked = ann.post(&page, "/link", &[("code", &code)]).await;
    assert!(!page.body.contains(&secret) && !asked.body.contains(&secret));
    let said = ann.post(&asked, "/link", &[("app", &button(&asked, "app"))]).await;
    assert!(said.body.contains("is in.") && !said.body.contains(&secret));
    let (mut longer, last) = (secret.clone(), secret.chars().last().unwrap());
    longer.push(last);
    let flipped = format!("{}{}", &secret[..63], if last == '0' { '1' } else { '0' });
    for wrong in [&secret[..63], &longer, &flipped, &secret.to_lowercase(), "%00", ""] {
        if *wrong == *secret {
            continue; // sixty-four digits without a letter
        }
        let poll = format!("/QuickConnect/Connect?secret={wrong}");
        assert_eq!(tv.get(&poll, "").await.status, 404, "{wrong}");
        assert_eq!(tv.exchange(wrong).await.status, 404, "{wrong}");
    }
    // Asked once a second, and no more often.
    let poll = format!("/QuickConnect/Connect?secret={secret}");
    assert_eq!(tv.get(&poll, "").await.status, 200);
    let often = tv.get(&poll, "").await;
    assert_eq!((often.status.as_u16(), often.field("retry-after")), (429, "1"));
    server.clock.turn(Duration::from_secs(1));
    assert_eq!(tv.get(&poll, "").await.status, 200);
    assert_eq!(tv.exchange(&secret).await.status, 200);
    assert!(!server.log().contains(&secret));
}

#[tokio::test]
async fn what_an_app_says_of_itself_is_text_of_a_bounded_length() {
    let library = library(&[]).await;
    let server = open(&library).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let initiate = format!("{TV}/QuickConnect/Initiate");
    let mut bare = server.browser();
    let hostile = "MediaBrowser Client=\"%3Cscript%3Ealert(1)%3C/script%3E\", \
                   Device=\"a%0Ab%1B[2J\", DeviceId=\"x\", Version=\"1\"";
    let begun = bare.send(Method::POST, &initiate, &[("authorization", hostile)], "").await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    let page = ann.open(&format!("{TV}/link")).await;
    assert!(page.body.contains("alert(1)") && !page.body.contains("<script>alert"));
    assert!(!page.body.contains('\u{1b}') && page.body.contains("ab[2J"), "{}", page.body);
    let long = format!(
        "MediaBrowser Client=\"{}\", Device=\"d\", DeviceId=\"y\", Version=\"1\"",
        "w".repeat(2000)
    );
    let begun = bare.send(Method::POST, &initiate, &[("authorization", &long)], "").await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    let page = ann.open(&format!("{TV}/link")).await;
    assert!(page.body.contains(&"w".repeat(64)) && !page.body.contains(&"w".repeat(65)));
    // What says nothing of itself, or has an id without end, does not begin.
    let endless = "i".repeat(1025);
    for [client, device, id] in
        [["", "d", "i"], ["c", "", "i"], ["c", "d", ""], ["c", "d", &endless]]
    {
        let names = format!(
            "MediaBrowser Client=\"{client}\", Device=\"{device}\", DeviceId=\"{id}\", Version=\"1\""
        );
        let begun = bare.send(Method::POST, &initiate, &[("authorization", &names)], "").await;
        assert_eq!(begun.status, 400, "{client} {device}");
    }
    let begun = bare.send(Method::POST, &initiate, &[], "").await;
    assert_eq!(begun.status, 400);
    assert_eq!(waiting(&mut ann).await, 2);
}

/// How many apps the page lists.
async fn waiting(browser: &mut Browser) -> usize {
    browser.open(&format!("{TV}/link")).await.body.matches("name=\"app\"").count()
}
