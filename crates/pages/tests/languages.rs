//! Every page in every language: no gap, no slip of a placeholder, no markup from a file of messages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    reason = "a test; each uses its part of the shared modules"
)]

mod every_page;
mod markup;

use std::{collections::BTreeSet, fs, path::Path};

use markup::parse;
use usher_pages::{Action, Advice, ForgotError, Language, Letter, LetterAbout, SignInError, Words};

fn translated() -> impl Iterator<Item = Language> {
    Language::ALL.into_iter().filter(|language| *language != Language::English)
}

fn here(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What the templates say, as they say it.
fn said_by_templates() -> BTreeSet<String> {
    let mut said = BTreeSet::new();
    for entry in fs::read_dir(here("templates")).unwrap() {
        let template = fs::read_to_string(entry.unwrap().path()).unwrap();
        let before = template.split("\"|say").collect::<Vec<_>>();
        for part in &before[..before.len() - 1] {
            said.insert(part.rsplit('"').next().unwrap().to_owned());
        }
        for part in template.split("{% let words = \"").skip(1) {
            said.insert(part.split('"').next().unwrap().to_owned());
        }
    }
    said
}

/// How much pages of errors say that is not from elsewhere (`x` is), all of it in every language.
fn said_by_errors() -> usize {
    let mut said = 0;
    for (name, page) in every_page::errors("x") {
        let notice = page.notice();
        let mut all = vec![notice.heading.clone(), notice.title.into()];
        all.extend(notice.advice.iter().filter_map(|advice| match advice {
            Advice::Text(words) => Some(words.clone()),
            Advice::Marked(_) | Advice::Code(_) | Advice::Contact(_) => None,
        }));
        all.extend(notice.action.iter().map(|action| match action {
            Action::Follow { words, .. } | Action::Post { words, .. } => Words::from(*words),
        }));
        for words in all.iter().filter(|words| words.english() != "x") {
            said += 1;
            for language in translated() {
                let theirs = words.in_language(language);
                assert_ne!(words.english(), theirs, "{name} says nothing in {language:?}");
            }
        }
    }
    said
}

#[test]
fn no_page_has_a_gap_in_any_language() {
    let templates = said_by_templates();
    assert!(templates.len() > 100, "{}", templates.len());
    for language in translated() {
        let messages = language.messages().unwrap();
        for english in &templates {
            assert!(messages.contains_key(english.as_str()), "{language:?} lacks {english:?}");
        }
    }
    // Said by the code of a page, not by its template.
    let people = ["Passkeys: {count}", "Password", "Codes of an app"];
    let changes = [
        "Somebody has that address already. Make a recovery link where they can't get in.",
        "Nobody here has that address any more.",
    ];
    let parts = ["What to mend", "What to look at"];
    for english in people.iter().chain(&changes).chain(&parts) {
        let gap = translated().find(|one| !one.messages().unwrap().contains_key(english));
        assert_eq!(gap, None, "{english}");
    }
    assert!(said_by_errors() > 80);
    use SignInError::{Code, Expired, Over, Passkey, TooManyTries, Unavailable, Wrong};
    let tries = [0, 5].map(|minutes| TooManyTries { minutes });
    for error in [Code, Expired, Over, Passkey, Unavailable, Wrong].into_iter().chain(tries) {
        for language in translated() {
            let words = error.words();
            assert_ne!(words.english(), words.in_language(language), "{error:?} {language:?}");
        }
    }
}

/// A page that stood beside the languages was English for everybody.
#[test]
fn no_template_says_a_word_past_the_languages() {
    const NAMES: [&str; 7] =
        ["usher", "iPhone,", "iPad:", "Android:", "Windows:", "Mac:", "Linux:"];
    for entry in fs::read_dir(here("templates")).unwrap() {
        let path = entry.unwrap().path();
        let template = fs::read_to_string(&path).unwrap();
        let template = without(&without(&template, "{{", "}}"), "{%", "%}");
        let read_out = ["aria-label=\"", "placeholder=\"", "alt=\"", "title=\""];
        let read_out = read_out.iter().flat_map(|name| template.split(name).skip(1));
        let mut said: Vec<_> = read_out.filter_map(|rest| rest.split('"').next()).collect();
        // The class of the seat is an attribute's, though a block stands around it.
        let text = template.replace(" wide\n", "\n").replace(" torn\n", "\n");
        let text = without(&text, "<", ">");
        said.extend(text.split_whitespace().filter(|word| !NAMES.contains(word)));
        said.retain(|words| words.chars().any(char::is_alphabetic));
        assert!(said.is_empty(), "{} says {said:?}", path.display());
    }
}

/// The rest of a text, without what stands between two marks.
fn without(text: &str, begins: &str, ends: &str) -> String {
    let mut rest = String::new();
    for (n, part) in text.split(begins).enumerate() {
        rest.push_str(if n == 0 {
            part
        } else {
            part.split_once(ends).map_or("", |(_, rest)| rest)
        });
    }
    rest
}

#[test]
fn how_long_an_app_waits_is_said_in_every_language() {
    for (seconds, english) in [(1, "just now"), (14, "14 seconds ago"), (300, "5 minutes ago")] {
        for language in translated() {
            let page = every_page::waiting(language, seconds);
            assert!(!page.contains(english), "{language:?}: {english}");
        }
        assert!(every_page::waiting(Language::English, seconds).contains(english));
    }
}

#[test]
fn a_letter_is_whole_in_every_language() {
    let (email, link, over_at) = ("ann@x.test", "https://x.test/?a=b", 1_778_422_059);
    for about in [
        LetterAbout::Recovery { email, link, over_at },
        LetterAbout::Invitation { until: None, link, over_at },
        LetterAbout::Invitation { until: Some(over_at), link, over_at },
        LetterAbout::Recovered { email, at: over_at },
    ] {
        let letter = Letter { site: "x.test", about };
        let english = letter.text(Language::English);
        for language in translated() {
            let (subject, theirs) = (letter.subject(language), letter.text(language));
            assert_ne!(subject, letter.subject(Language::English), "{language:?}");
            assert!(!subject.contains(['\n', '{']) && !theirs.contains('{'), "{theirs}");
            assert_eq!(english.split("\n\n").count(), theirs.split("\n\n").count());
            for (english, theirs) in english.split("\n\n").zip(theirs.split("\n\n")) {
                assert_eq!(english == theirs, english == link, "{language:?}: {theirs}");
            }
        }
    }
    use ForgotError::{Expired, TooManyTries, Unavailable};
    for error in [Expired, TooManyTries { minutes: 5 }, Unavailable] {
        for language in translated() {
            let words = error.words();
            assert_ne!(words.english(), words.in_language(language), "{error:?} {language:?}");
        }
    }
}

#[test]
fn every_file_says_the_same_and_says_it_whole() {
    let german: BTreeSet<_> = Language::German.messages().unwrap().keys().collect();
    for language in translated() {
        let messages = language.messages().unwrap();
        assert_eq!(messages.keys().collect::<BTreeSet<_>>(), german, "{language:?}");
        let file = here("messages").join(format!("{}.po", language.tag()));
        let file = fs::read_to_string(file).unwrap();
        let lines = file.lines().filter(|line| line.starts_with("msgid ")).count();
        assert_eq!(lines, messages.len(), "{language:?} has a message twice, or unfinished");
        let strange = file.lines().find(|line| {
            !line.is_empty() && !line.starts_with("msgid \"") && !line.starts_with("msgstr \"")
        });
        assert_eq!(strange, None, "{language:?}");
        for (english, theirs) in messages {
            let places = |text: &str| -> BTreeSet<String> {
                let places = text.split('{').skip(1).map(|part| part.split('}').next().unwrap());
                places.map(str::to_owned).collect()
            };
            assert_eq!(places(english), places(theirs), "{language:?}: {english:?}");
            assert_eq!(theirs.trim(), *theirs, "{language:?}: {english:?}");
            assert!(!theirs.is_empty(), "{language:?}: {english:?}");
            for sign in ['<', '>', '&', '"', '\\'] {
                assert!(!theirs.contains(sign), "{language:?}: {sign} in {theirs:?}");
            }
        }
    }
}

/// What a page is made of does not depend on who reads it, nor does who is named on it.
#[test]
fn every_language_has_the_same_page() {
    let skeleton = |document: &str| -> Vec<(String, usize)> {
        parse(document).0.into_iter().map(|tag| (tag.name, tag.attributes.len())).collect()
    };
    let sorted = |document: &str| {
        let mut skeleton = skeleton(document);
        skeleton.sort(); // words of a sentence have another order elsewhere
        skeleton
    };
    let hostile = "<b>{host}\"'&{person}";
    for language in translated() {
        let english = every_page::documents(hostile);
        let theirs = every_page::documents_in(language, hostile);
        for ((name, english), (_, theirs)) in english.iter().zip(&theirs) {
            assert_eq!(sorted(english), sorted(theirs), "{name} in {language:?}");
            let (tags, _) = parse(theirs);
            assert_eq!(tags[0].attribute("lang"), Some(language.tag()), "{name}");
            assert_eq!(tags[0].attribute("dir"), Some("ltr"), "{name}");
            assert!(!theirs.contains("<b>{"), "{name} in {language:?}");
        }
    }
}
