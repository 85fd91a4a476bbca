//! The languages that pages speak, and which of them a reader gets.

use std::{collections::HashMap, sync::LazyLock};

/// The cookie with the language that somebody chose: its tag (RFC 5646).
///
/// The script sets it, for `/.pomerium/` alone: no app gets to see it.
pub const LANGUAGE_COOKIE: &str = "usher_language";

/// A language that pages speak. Logs and answers for programs are English.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// What stands in the templates, and what anybody gets who wants none of the others.
    #[default]
    English,
    /// Deutsch.
    German,
    /// Français.
    French,
    /// Español.
    Spanish,
    /// Italiano.
    Italian,
    /// Nederlands.
    Dutch,
    /// Polski.
    Polish,
    /// Português.
    Portuguese,
    /// 日本語.
    Japanese,
    /// 简体中文.
    Chinese,
}

/// Which way a language is written: `dir` of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Left to right.
    Ltr,
    /// Right to left.
    Rtl,
}

impl Direction {
    /// The value of `dir` (HTML §3.2.6.4).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ltr => "ltr",
            Self::Rtl => "rtl",
        }
    }
}

type Messages = HashMap<&'static str, &'static str>;

/// The file of a language, read once.
macro_rules! messages {
    ($file:literal) => {{
        static MESSAGES: LazyLock<Messages> =
            LazyLock::new(|| read(include_str!(concat!("../messages/", $file))));
        Some(&*MESSAGES)
    }};
}

impl Language {
    /// All of them, as a reader is offered them.
    pub const ALL: [Self; 10] = [
        Self::English,
        Self::German,
        Self::Spanish,
        Self::French,
        Self::Italian,
        Self::Dutch,
        Self::Polish,
        Self::Portuguese,
        Self::Japanese,
        Self::Chinese,
    ];

    /// Its tag (RFC 5646), as `lang` has it.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Italian => "it",
            Self::Dutch => "nl",
            Self::Polish => "pl",
            Self::Portuguese => "pt",
            Self::Japanese => "ja",
            Self::Chinese => "zh",
        }
    }

    /// What its speakers call it.
    pub const fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
            Self::French => "Français",
            Self::Spanish => "Español",
            Self::Italian => "Italiano",
            Self::Dutch => "Nederlands",
            Self::Polish => "Polski",
            Self::Portuguese => "Português",
            Self::Japanese => "日本語",
            Self::Chinese => "中文",
        }
    }

    /// Which way it is written.
    pub const fn direction(self) -> Direction {
        match self {
            Self::English
            | Self::German
            | Self::French
            | Self::Spanish
            | Self::Italian
            | Self::Dutch
            | Self::Polish
            | Self::Portuguese
            | Self::Japanese
            | Self::Chinese => Direction::Ltr,
        }
    }

    /// The one that a tag asks for, by lookup (RFC 4647 §3.4): `pt-BR` gets `pt`.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let mut range = tag.trim();
        loop {
            let known = Self::ALL.into_iter().find(|one| one.tag().eq_ignore_ascii_case(range));
            if known.is_some() {
                return known;
            }
            range = range.rsplit_once('-')?.0;
        }
    }

    /// The one that a reader wants most, by `Accept-Language` (RFC 9110 §12.5.4); the first of
    /// those that are wanted as much. `*` is no language of its own: English.
    pub fn accepted(field: &str) -> Self {
        let mut best = None;
        for range in field.split(',') {
            let mut parts = range.split(';');
            let tag = parts.next().unwrap_or_default();
            let weight = parts.find_map(weight).unwrap_or(Some(ALWAYS));
            let (Some(language), Some(weight)) = (Self::of_tag(tag), weight) else { continue };
            if weight > best.map_or(0, |(_, most)| most) {
                best = Some((language, weight));
            }
        }
        best.map_or_else(Self::default, |(language, _)| language)
    }

    /// What a message is in this language. What it has no words for stays English.
    pub(crate) fn say(self, english: &str) -> Option<&'static str> {
        self.messages()?.get(english).copied()
    }

    /// English and theirs, of each message of its file.
    pub fn messages(self) -> Option<&'static HashMap<&'static str, &'static str>> {
        match self {
            Self::English => None,
            Self::German => messages!("de.po"),
            Self::French => messages!("fr.po"),
            Self::Spanish => messages!("es.po"),
            Self::Italian => messages!("it.po"),
            Self::Dutch => messages!("nl.po"),
            Self::Polish => messages!("pl.po"),
            Self::Portuguese => messages!("pt.po"),
            Self::Japanese => messages!("ja.po"),
            Self::Chinese => messages!("zh.po"),
        }
    }
}

/// `q=1`, in thousandths.
const ALWAYS: u16 = 1000;

/// The weight of a range in thousandths (RFC 9110 §12.4.2); `None` inside for one that is none,
/// which asks for nothing.
fn weight(parameter: &str) -> Option<Option<u16>> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, thousandths) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    if thousandths.len() > 3 || !thousandths.bytes().all(|b| b.is_ascii_digit()) {
        return Some(None);
    }
    let part = format!("{thousandths:0<3}").parse().unwrap_or(0);
    Some(match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(ALWAYS),
        _ => None,
    })
}

/// What a file of messages says: lines of `msgid` and `msgstr`, as translators' tools write them
/// (gettext). Nothing in them is escaped; a test sees to it.
fn read(file: &'static str) -> Messages {
    let mut messages = Messages::new();
    let mut english = None;
    for line in file.lines() {
        let quoted = |word| line.strip_prefix(word)?.strip_prefix(" \"")?.strip_suffix('"');
        if let Some(id) = quoted("msgid") {
            english = Some(id);
        } else if let Some((id, theirs)) = english.zip(quoted("msgstr")) {
            messages.insert(id, theirs);
            english = None;
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::Language::{self, *};

    #[test]
    fn accepted() {
        for (field, language, why) in [
            ("", English, "nothing is asked for"),
            ("de", German, "a language"),
            ("de-AT,en;q=0.5", German, "a region of one"),
            ("DE-at", German, "case does not count (RFC 5646 §2.1.1)"),
            ("zh-Hant-TW", Chinese, "cut off at the end until it is known"),
            ("pt-BR, en", Portuguese, "the first of those wanted as much"),
            ("en;q=0.4, ja;q=0.9", Japanese, "the weight counts, not the place"),
            ("sv, nl;q=0.8, en;q=0.7", Dutch, "what is not spoken here is passed over"),
            ("sv-SE, fi", English, "none is spoken here"),
            ("de;q=0, fr;q=0.001", French, "q=0 is not wanted"),
            ("de;q=0", English, "and nothing else is asked for"),
            ("*", English, "any"),
            ("pl ; q=0.5 , es ; q=0.50", Polish, "blanks (RFC 9110 §5.6.3)"),
            ("de;q=2, it;q=0.1", Italian, "no weight"),
            ("de;q=0.12345, it;q=0.1", Italian, "no weight either"),
            ("de;q=x;level=1, it;q=0.1", Italian, "nor that"),
            ("deutsch, d-e, -, ;;;,,", English, "no tags"),
            ("dee", English, "a longer word"),
        ] {
            assert_eq!(Language::accepted(field), language, "{field:?}: {why}");
        }
    }
}
