//! Pages speak their reader's language; what programs and operators read stays English.

use http::{Method, StatusCode};
use usher_lab::{
    browser::{Browser, FETCH, NAVIGATION, Seen},
    upstream::Upstream,
};

use crate::test_server::{ANN, TestServer, config, friends};

const TV: &str = "https://tv.test/";

async fn server(app: &Upstream) -> TestServer {
    let text = config(&[friends("tv.test", app.address)]);
    TestServer::open(&format!("contact: ben@example.com\n{text}")).await
}

/// Opens an address as somebody whose browser asks for a language.
async fn open_in(browser: &mut Browser, url: &str, language: &str) -> Seen {
    let wanted = [("accept-language", language)];
    let mut url = url.to_owned();
    for _ in 0..20 {
        let fields = [NAVIGATION, &wanted].concat();
        let seen = browser.send(Method::GET, &url, &fields, "").await;
        match seen.location() {
            Some(next) => url = next.into(),
            None => return seen,
        }
    }
    panic!("twenty redirects")
}

#[tokio::test]
async fn each_reader_gets_their_own_language_and_english_where_it_is_not_spoken() {
    let app = Upstream::echo();
    let server = server(&app).await;
    for (wanted, tag, words) in [
        ("de-AT,de;q=0.9,en;q=0.5", "de", "weiter zu <strong>tv.test</strong>"),
        ("en;q=0.1, fr-CH", "fr", "pour continuer vers <strong>tv.test</strong>"),
        ("ja", "ja", "<strong>tv.test</strong> に進みます"),
        ("zh-Hant-TW", "zh", "<strong>tv.test</strong>"),
        ("sv, fi", "en", "to go on to <strong>tv.test</strong>"),
        ("", "en", "to go on to <strong>tv.test</strong>"),
    ] {
        let page = open_in(&mut server.browser(), TV, wanted).await;
        assert_eq!(page.status, StatusCode::OK, "{wanted}");
        let root = format!("<html lang=\"{tag}\" dir=\"ltr\">");
        assert!(page.body.contains(&root) && page.body.contains(words), "{wanted}: {}", page.body);
        assert!(page.body.contains("mailto:ben@example.com"), "whom to ask: {}", page.body);
        assert!(page.field("vary").contains("accept-language"), "{:?}", page.fields);
    }
}

#[tokio::test]
async fn a_language_that_was_chosen_is_remembered_on_our_own_pages() {
    let app = Upstream::echo();
    let server = server(&app).await;
    let mut ann = server.browser();
    ann.jar.entry("tv.test".into()).or_default().insert("usher_language".into(), "pl".into());
    let page = open_in(&mut ann, TV, "de").await;
    assert!(page.body.contains("<html lang=\"pl\""), "{}", page.body);
    let typed = [("email", ANN.0), ("password", "wrong, all of it")];
    let again = ann.post(&page, "", &typed).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert!(again.body.contains("nie pasują"), "what is wrong as well: {}", again.body);
}

#[tokio::test]
async fn a_refusal_is_in_the_reader_s_language_and_in_english_for_programs() {
    let app = Upstream::echo();
    let server = server(&app).await;
    let nowhere = "https://tv.test/.pomerium/nowhere";
    let page = open_in(&mut server.browser(), nowhere, "it").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.body.contains("Non c’è nulla a questo indirizzo su tv.test."), "{}", page.body);
    let wanted = [FETCH, &[("accept-language", "it"), ("accept", "application/json")]].concat();
    let program = server.browser().send(Method::GET, nowhere, &wanted, "").await;
    let problem = program.json();
    assert_eq!(problem["detail"], "There is nothing at this address on tv.test.");
    assert_eq!(problem["title"], "nothing here");
    let log = server.records("access").into_iter().chain(server.records("decision"));
    assert!(log.map(|line| line.to_string()).all(|line| !line.contains("nulla")));
}
