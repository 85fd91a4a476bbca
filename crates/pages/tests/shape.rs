//! What every page has, whatever it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    reason = "a test; each uses its part of the shared modules"
)]

mod every_page;
mod markup;

use std::collections::BTreeSet;

use markup::{Tag, parse};
use usher_pages::asset;

fn named<'a>(tags: &'a [Tag], name: &'a str) -> impl Iterator<Item = &'a Tag> {
    tags.iter().filter(move |tag| tag.name == name)
}

#[test]
fn one_heading_a_title_a_language_and_a_viewport() {
    for (page, document) in every_page::documents("x") {
        let (tags, _) = parse(&document);
        for once in ["h1", "title", "main", "html", "body", "footer"] {
            assert_eq!(named(&tags, once).count(), 1, "{page}: <{once}>");
        }
        assert_eq!(tags[0].attribute("lang"), Some("en"), "{page}");
        let viewport = named(&tags, "meta").find(|m| m.attribute("name") == Some("viewport"));
        let content = viewport.unwrap().attribute("content").unwrap();
        assert_eq!(content, "width=device-width, initial-scale=1", "{page}: zoom stays possible");
        let title = document.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
        assert!(title.ends_with(" · usher") && title.len() > " · usher".len(), "{title:?}");
        let headings: Vec<_> = tags.iter().map(|t| t.name.as_str()).collect();
        let first_h2 = headings.iter().position(|name| *name == "h2").unwrap_or(usize::MAX);
        assert!(headings.iter().position(|name| *name == "h1").unwrap() < first_h2, "{page}");
    }
}

#[test]
fn every_tag_is_closed_in_order() {
    const VOID: &[&str] = &["meta", "link", "img", "input"];
    for (page, document) in every_page::documents("x") {
        let mut open: Vec<String> = vec![];
        for tag in parse(&document).0 {
            match tag.name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop().as_deref(), Some(name), "{page}"),
                None if VOID.contains(&tag.name.as_str()) => {}
                None => open.push(tag.name),
            }
        }
        assert!(open.is_empty(), "{page}: {open:?}");
    }
}

#[test]
fn nothing_inline_and_one_script_of_ours() {
    for (page, document) in every_page::documents("x") {
        let (tags, _) = parse(&document);
        let acts = tags.iter().any(|tag| {
            // what it acts on
            let password = tag.attribute("type") == Some("password");
            let seats = tag.attribute("data-seat").is_some();
            tag.name == "time" || password || seats || tag.attribute("data-passkey").is_some()
        });
        assert_eq!(named(&tags, "script").count(), usize::from(acts), "{page}");
        for tag in tags {
            assert!(!["style", "iframe", "object", "base"].contains(&&*tag.name));
            if tag.name == "script" {
                assert!(asset(tag.attribute("src").unwrap()).is_some(), "{page}");
                assert!(tag.attribute("defer").is_some() && document.contains(" defer></script>"));
            }
            for (name, value) in &tag.attributes {
                assert!(name != "style" && !name.starts_with("on"), "{page}: {name}");
                assert!(!value.to_ascii_lowercase().contains("javascript:"), "{page}: {value}");
            }
        }
    }
}

#[test]
fn every_asset_that_a_page_names_is_there() {
    for (page, document) in every_page::documents("x") {
        let mut assets = 0;
        for tag in parse(&document).0 {
            let address = match tag.name.as_str() {
                "link" => tag.attribute("href").unwrap(),
                "img" => tag.attribute("src").unwrap(),
                _ => continue,
            };
            assert!(asset(address).is_some(), "{page}: {address}");
            assets += 1;
        }
        assert_eq!(assets, 4, "{page}: style sheet, two icons, lamp");
    }
}

#[test]
fn images_keep_their_place_while_they_load() {
    for (page, document) in every_page::documents("x") {
        for image in named(&parse(&document).0, "img") {
            for attribute in ["width", "height", "alt"] {
                assert!(image.attribute(attribute).is_some(), "{page}: {attribute}");
            }
        }
    }
}

#[test]
fn ids_are_unique_and_references_lead_to_one() {
    for (page, document) in every_page::documents("x") {
        let (tags, _) = parse(&document);
        let ids: Vec<_> = tags.iter().filter_map(|tag| tag.attribute("id")).collect();
        let unique: BTreeSet<_> = ids.iter().copied().collect();
        assert_eq!(unique.len(), ids.len(), "{page}: {ids:?}");
        for tag in &tags {
            for reference in ["for", "aria-describedby", "aria-labelledby", "aria-controls"] {
                if let Some(id) = tag.attribute(reference) {
                    assert!(unique.contains(id), "{page}: {reference}={id}");
                }
            }
        }
        let labelled: BTreeSet<_> =
            named(&tags, "label").filter_map(|label| label.attribute("for")).collect();
        let is_hidden = |tag: &&Tag| {
            tag.attribute("type") == Some("hidden") || tag.attribute("hidden").is_some()
        };
        for input in named(&tags, "input").filter(|input| !is_hidden(input)) {
            assert!(labelled.contains(input.attribute("id").unwrap()), "{page}: {input:?}");
        }
        for button in named(&tags, "button") {
            match button.attribute("type") {
                Some("submit") => {}
                // The script's own: out of sight until it runs; one that is a switch tells its state.
                Some("button") => {
                    assert!(button.attribute("hidden").is_some(), "{page}");
                    if button.attribute("data-passkey").is_none() {
                        assert_eq!(button.attribute("aria-pressed"), Some("false"), "{page}");
                    }
                }
                other => panic!("{page}: {other:?}"),
            }
        }
        for password in tags.iter().filter(|tag| tag.attribute("type") == Some("password")) {
            let id = password.attribute("id").unwrap();
            let shows = |tag: &&Tag| tag.attribute("aria-controls") == Some(id);
            assert_eq!(named(&tags, "button").filter(shows).count(), 1, "{page}: can't be shown");
        }
        for form in named(&tags, "form") {
            assert_eq!(form.attribute("method"), Some("post"), "{page}");
        }
    }
}

#[test]
fn password_managers_and_remotes_know_the_fields() {
    for (page, document) in every_page::documents("ann@example.com") {
        let (tags, _) = parse(&document);
        let input = |id| named(&tags, "input").find(|input| input.attribute("id") == Some(id));
        let (Some(email), Some(password)) = (input("email"), input("password")) else {
            assert!(!page.starts_with("sign-in") || page == "sign-in-failed", "{page}");
            continue;
        };
        let autocomplete = email.attribute("autocomplete").unwrap();
        assert!(["username", "username webauthn"].contains(&autocomplete), "{page}");
        if page.starts_with("welcome") {
            assert_eq!(password.attribute("autocomplete"), Some("new-password"), "{page}");
            continue;
        }
        assert_eq!(email.attribute("autocapitalize"), Some("none"), "{page}");
        assert_eq!(password.attribute("autocomplete"), Some("current-password"), "{page}");
        assert_eq!(password.attribute("value"), None, "{page}: a password is never sent back");
        let focused = [email, password].map(|input| input.attribute("autofocus").is_some());
        let prefilled = !email.attribute("value").unwrap().is_empty();
        assert_eq!(focused, [!prefilled, prefilled], "{page}: the first empty field");
    }
}

#[test]
fn an_error_in_a_form_is_announced_and_tied_to_its_fields() {
    for (page, document) in every_page::documents("x") {
        let (tags, _) = parse(&document);
        let shown = |tag: &&Tag| tag.attribute("hidden").is_none(); // the script's own are not, yet
        let alerts = tags.iter().filter(|tag| tag.attribute("role") == Some("alert"));
        let alerts = alerts.filter(shown).count();
        let described =
            tags.iter().filter(|tag| tag.attribute("aria-describedby") == Some("error")).count();
        let expected = match page {
            "sign-in-wrong" | "sign-in-throttled" | "sign-in-unavailable" | "sign-in-expired" => {
                (1, 2)
            }
            "forgot-late" | "forgot-throttled" => (1, 1),
            "account" | "account-no-app" | "apps" | "people" | "seat-refused" => (1, 0), // it says what was done
            "doctor" | "doctor-runs" | "doctor-unasked" => (1, 0), // why nothing was begun
            "doctor-offered" | "doctor-mended" | "doctor-put-back" => (1, 0), // the same
            "doctor-failed" => (2, 0),                             // and what was not done
            "doctor-broke-off" => (2, 0),                          // and what became of it
            "enrolments" | "enrolments-left-open" => (1, 0),       // why none was shown
            "welcome" | "welcome-unnamed" | "welcome-again" => (1, 0), // about all of the form
            _ => (0, 0),
        };
        assert_eq!((alerts, described), expected, "{page}");
    }
}

#[test]
fn every_error_page_tells_its_request_in_every_form() {
    for (name, page) in every_page::errors("7f3a-19c4") {
        for (form, text) in
            [("html", page.render()), ("json", page.problem_json()), ("text", page.plain_text())]
        {
            assert!(text.contains("7f3a-19c4"), "{name} as {form}");
        }
        let receipt = "<b>7f3a-19c4</b> · <time datetime=\"2026-05-10T14:07:39Z\">14:07 UTC</time>";
        assert!(page.render().contains(receipt), "{name}");
        assert!(page.render().contains(&format!("<b>{}</b>", page.status())), "{name}");
    }
}

#[test]
fn what_may_work_in_a_minute_has_a_button() {
    let mut seen = 0;
    for (name, page) in every_page::errors("/film") {
        if matches!(page.status(), 502..=504) {
            let (tags, _) = parse(&page.render());
            assert!(tags.iter().any(|tag| tag.attribute("class") == Some("button")), "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 7, "{seen}");
}
