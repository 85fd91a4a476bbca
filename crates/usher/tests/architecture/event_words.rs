//! The words of the log are a list, and the list is what is written.

use usher::request::{EventField, EventName, Part};

use super::{code, root, sources};

/// A word that the reference promises is written somewhere.
#[test]
fn no_word_of_an_event_is_left_over() {
    let mut written = String::new();
    for (file, text) in sources(&root().join("crates/usher/src")) {
        if !file.contains("tests") && file != "request/words.rs" {
            written.push_str(&code(text.split("#[cfg(test)]").next().unwrap_or_default()));
        }
    }
    let names = EventName::ALL.iter().map(|name| format!("EventName::{name:?}"));
    let fields = EventField::ALL.iter().map(|field| format!("EventField::{field:?}"));
    let parts = Part::ALL.iter().map(|part| format!("Part::{part:?}"));
    for word in names.chain(fields).chain(parts) {
        let is_written = written.match_indices(&word).any(|(at, _)| {
            let next = written[at + word.len()..].chars().next().unwrap_or(' ');
            !next.is_alphanumeric()
        });
        assert!(is_written, "nothing writes `{word}`");
    }
}
