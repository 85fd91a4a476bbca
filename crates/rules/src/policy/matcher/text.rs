use serde_json::Value;

use super::value_of;
use crate::{
    policy::report::Report,
    yaml::{Kind, Node},
};

/// Compares one text, octet for octet: no trimming, no folding, no patterns.
#[derive(Clone, Debug)]
pub(crate) struct TextMatch {
    /// All of them must hold; without any, everything passes.
    tests: Box<[TextTest]>,
}

#[derive(Clone, Debug)]
enum TextTest {
    Is(Box<str>),
    Not(Box<str>),
    Contains(Box<str>),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    /// Sorted.
    In(Box<[Box<str>]>),
    /// Sorted.
    NotIn(Box<[Box<str>]>),
}

const OPERATORS: [&str; 7] = ["is", "not", "contains", "starts_with", "ends_with", "in", "not_in"];

impl TextMatch {
    /// Exactly `text`.
    pub(crate) fn is(text: &str) -> Self {
        Self { tests: [TextTest::Is(text.into())].into() }
    }

    /// Reads an operand: a text, or a map of operators.
    pub(crate) fn read(criterion: &str, data: &Node, report: &mut Report<'_>) -> Option<Self> {
        let Kind::Map(entries) = &data.kind else {
            return Some(Self::is(text(criterion, data, report)?));
        };
        let mut tests = Vec::with_capacity(entries.len());
        for entry in entries {
            let operator = entry.key.to_ascii_lowercase();
            let named = format!("{criterion}: {operator}");
            tests.push(match operator.as_str() {
                "is" => text(&named, &entry.value, report).map(|t| TextTest::Is(t.into())),
                "not" => text(&named, &entry.value, report).map(|t| TextTest::Not(t.into())),
                "contains" => {
                    text(&named, &entry.value, report).map(|t| TextTest::Contains(t.into()))
                }
                "starts_with" => {
                    text(&named, &entry.value, report).map(|t| TextTest::StartsWith(t.into()))
                }
                "ends_with" => {
                    text(&named, &entry.value, report).map(|t| TextTest::EndsWith(t.into()))
                }
                "in" => texts(&named, &entry.value, report).map(TextTest::In),
                "not_in" => texts(&named, &entry.value, report).map(TextTest::NotIn),
                _ => {
                    report.unknown_operator(criterion, entry, &OPERATORS);
                    None
                }
            });
        }
        let tests = tests.into_iter().collect::<Option<Box<_>>>()?;
        Some(Self { tests })
    }

    /// Does `text` pass?
    pub(crate) fn takes(&self, text: &str) -> bool {
        self.tests.iter().all(|test| test.takes(text))
    }

    /// Would a text that is not there pass? It differs from every text.
    pub(crate) fn takes_absence(&self) -> bool {
        self.tests.iter().all(|test| match test {
            TextTest::Not(_) | TextTest::NotIn(_) => true,
            TextTest::Is(_)
            | TextTest::Contains(_)
            | TextTest::StartsWith(_)
            | TextTest::EndsWith(_)
            | TextTest::In(_) => false,
        })
    }

    /// In words, for `explain`: ``is `GET` and not `POST` ``.
    pub(crate) fn in_words(&self) -> String {
        if self.tests.is_empty() {
            return "is anything".into();
        }
        let words: Vec<String> = self.tests.iter().map(TextTest::in_words).collect();
        words.join(" and ")
    }
}

impl TextTest {
    fn takes(&self, text: &str) -> bool {
        match self {
            Self::Is(want) => text == &**want,
            Self::Not(want) => text != &**want,
            Self::Contains(part) => text.contains(&**part),
            Self::StartsWith(start) => text.starts_with(&**start),
            Self::EndsWith(end) => text.ends_with(&**end),
            Self::In(list) => holds(list, text),
            Self::NotIn(list) => !holds(list, text),
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Is(want) => format!("is `{want}`"),
            Self::Not(want) => format!("is not `{want}`"),
            Self::Contains(part) => format!("contains `{part}`"),
            Self::StartsWith(start) => format!("starts with `{start}`"),
            Self::EndsWith(end) => format!("ends with `{end}`"),
            Self::In(list) => format!("is one of `{}`", list.join("`, `")),
            Self::NotIn(list) => format!("is none of `{}`", list.join("`, `")),
        }
    }
}

fn holds(sorted: &[Box<str>], text: &str) -> bool {
    sorted.binary_search_by(|entry| (**entry).cmp(text)).is_ok()
}

/// Pomerium takes a number here and then never finds it equal, so that `not` always passes.
fn text<'a>(named: &str, node: &'a Node, report: &mut Report<'_>) -> Option<&'a str> {
    match (value_of(node), node.text()) {
        (Value::String(_), Some(text)) => Some(text),
        _ => {
            report.not_text(named, node);
            None
        }
    }
}

fn texts(named: &str, node: &Node, report: &mut Report<'_>) -> Option<Box<[Box<str>]>> {
    let Kind::List(items) = &node.kind else {
        report.not_a_list(named, node);
        return None;
    };
    let read: Vec<_> = items.iter().map(|item| text(named, item, report).map(Box::from)).collect();
    let mut list = read.into_iter().collect::<Option<Vec<Box<str>>>>()?;
    list.sort_unstable();
    Some(list.into())
}
