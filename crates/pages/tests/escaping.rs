//! Cross-site scripting (T20): whatever stands in a text, no markup comes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    reason = "a test; each uses its part of the shared modules"
)]

mod every_page;
mod markup;

use usher_pages::ErrorPage as _;

use markup::{Tag, parse};
use usher_pages::Contact;

fn corpus() -> impl Iterator<Item = &'static str> {
    include_str!("corpus/xss.txt").lines()
}

/// The document without what a text may change: the values of attributes.
fn skeleton(tags: &[Tag]) -> Vec<(String, Vec<String>)> {
    let names = |tag: &Tag| tag.attributes.iter().map(|(name, _)| name.clone()).collect();
    tags.iter().map(|tag| (tag.name.clone(), names(tag))).collect()
}

#[test]
fn hostile_text_changes_no_tag() {
    let [words, address] = ["x", "https://tv.example.com/"].map(every_page::documents);
    let mut lines = 0;
    for line in corpus() {
        lines += 1;
        // Whom to ask is a link where it is an address.
        let harmless = if Contact(line).address().is_some() { &address } else { &words };
        for ((name, document), (_, harmless)) in every_page::documents(line).iter().zip(harmless) {
            let (tags, _) = parse(document);
            assert_eq!(skeleton(&tags), skeleton(&parse(harmless).0), "{name}: {line:?}");
            assert_escaped(name, document, harmless, line);
        }
        let like = if Contact(line).address().is_some() { "https://tv.example.com/" } else { "x" };
        every_page::refused_with_reasons(line, |hostile| {
            every_page::refused_with_reasons(like, |harmless| {
                let [hostile, harmless] = [hostile, harmless].map(|page| parse(&page.render()).0);
                assert_eq!(skeleton(&hostile), skeleton(&harmless), "reasons: {line:?}");
            });
        });
    }
    assert!(lines > 60, "the corpus is {lines} lines");
}

/// What would be markup stands nowhere as it came, but where our own markup has it too (`</`).
fn assert_escaped(name: &str, document: &str, harmless: &str, text: &str) {
    if text.contains(['<', '>', '"', '\'']) && !harmless.contains(text) {
        assert!(!document.contains(text), "{name} has it as it stands: {text:?}");
    }
}

#[test]
fn addresses_lead_to_the_web_or_nowhere() {
    for line in corpus() {
        for (name, document) in every_page::documents(line) {
            for tag in parse(&document).0 {
                for (attribute, value) in &tag.attributes {
                    if !["href", "action", "src"].contains(&attribute.as_str()) {
                        continue;
                    }
                    let own = value.starts_with('/') && !value.starts_with("//");
                    assert!(
                        own || value.starts_with("https://tv.example.com/"),
                        "{name}: {attribute}={value:?} from {line:?}"
                    );
                    assert!(!value.contains(['\\', '\t', ' ']), "{name}: {value:?}");
                }
            }
        }
    }
}

#[test]
fn a_problem_document_stays_one_object() {
    for line in corpus() {
        for (name, page) in every_page::errors(line) {
            let problem: serde_json::Value = serde_json::from_str(&page.problem_json()).unwrap();
            let mut keys: Vec<_> = problem.as_object().unwrap().keys().cloned().collect();
            // as the real server
            keys.retain(|key| {
                key != "error" || !["403", "495"].contains(&&*problem["status"].to_string())
            });
            keys.retain(|key| {
                !["error", "login_url"].contains(&&**key) || problem["status"] != 401
            });
            keys.retain(|key| key != "contact" || problem["contact"] != line); // ours
            assert_eq!(keys, ["detail", "request_id", "status", "title", "type"], "{name}");
            assert_eq!(problem["request_id"], line, "{name}");
        }
    }
}

#[test]
fn plain_text_moves_no_cursor_and_forges_no_line() {
    let hostile = "x\n200 All is well\r\u{1b}[2J\u{9b}31m\0";
    let harmless = every_page::errors("x");
    for ((name, hostile), (_, harmless)) in every_page::errors(hostile).iter().zip(&harmless) {
        let [hostile, harmless] = [hostile, harmless].map(|page| page.plain_text());
        assert_eq!(hostile.lines().count(), harmless.lines().count(), "{name}");
        assert!(!hostile.replace('\n', "").contains(char::is_control), "{name}: {hostile:?}");
    }
}
