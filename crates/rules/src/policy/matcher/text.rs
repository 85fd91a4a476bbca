use std::sync::OnceLock;

use serde_json::Value;

use super::{Manner, value_of};
use crate::{
    names::folded,
    policy::report::{Outcome, Report},
    yaml::{Kind, Node},
};

/// Compares one text, octet for octet: no trimming, no folding, no patterns. Addresses and
/// domains are folded where a [`Manner`] says so.
#[derive(Clone, Debug)]
pub(crate) struct TextMatch {
    /// All of them must hold; without any, everything passes.
    tests: Box<[TextTest]>,
}

#[derive(Clone, Debug)]
struct TextTest {
    operator: TextOperator,
    words: Words,
}

/// How a text is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextOperator {
    Is,
    Not,
    Contains,
    StartsWith,
    EndsWith,
    In,
    NotIn,
}

/// The other spellings of one text, worked out by the first criterion that asks for them. Small
/// ASCII letters, as nearly all addresses have them, are each of them.
#[derive(Debug, Default)]
pub(in crate::policy) struct Spelt(OnceLock<Option<Spellings>>);

/// In small letters; and with its domain as an A-label, too.
#[derive(Debug)]
struct Spellings {
    lower: Box<str>,
    folded: Box<str>,
}

impl Spelt {
    /// Of `written`, whoever asks. Each text has its own.
    fn of<'s>(&'s self, written: &'s str) -> [&'s str; 2] {
        let spellings = self.0.get_or_init(|| {
            let is_small = written.bytes().all(|it| it.is_ascii() && !it.is_ascii_uppercase());
            let spell =
                || Spellings { lower: written.to_lowercase().into(), folded: folded(written) };
            (!is_small).then(spell)
        });
        spellings.as_ref().map_or([written; 2], |Spellings { lower, folded }| [lower, folded])
    }
}

/// Operands, each reading sorted.
#[derive(Clone, Debug)]
struct Words {
    written: Box<[Box<str>]>,
    lower: Box<[Box<str>]>,
    folded: Box<[Box<str>]>,
}

impl Words {
    fn new(mut written: Vec<Box<str>>) -> Self {
        let sorted = |mut words: Vec<Box<str>>| {
            words.sort_unstable();
            words.into_boxed_slice()
        };
        written.sort_unstable();
        Self {
            lower: sorted(written.iter().map(|word| word.to_lowercase().into()).collect()),
            folded: sorted(written.iter().map(|word| folded(word)).collect()),
            written: written.into(),
        }
    }
}

const OPERATORS: [&str; 7] = ["is", "not", "contains", "starts_with", "ends_with", "in", "not_in"];

impl TextMatch {
    /// Exactly `text`.
    pub(crate) fn is(text: &str) -> Self {
        Self { tests: [TextTest::new(TextOperator::Is, vec![text.into()])].into() }
    }

    /// Reads an operand: a text, or a map of operators.
    pub(crate) fn read(criterion: &str, data: &Node, report: &mut Report<'_>) -> Option<Self> {
        let Kind::Map(entries) = &data.kind else {
            let words = words(criterion, TextOperator::Is, data, report)?;
            return Some(Self { tests: [TextTest::new(TextOperator::Is, words)].into() });
        };
        let mut tests = Vec::with_capacity(entries.len());
        for entry in entries {
            let word = entry.key.to_ascii_lowercase();
            let named = format!("{criterion}: {word}");
            let Some(operator) = TextOperator::read(&word) else {
                report.unknown_operator(criterion, entry, &OPERATORS);
                tests.push(None);
                continue;
            };
            let words = words(&named, operator, &entry.value, report);
            tests.push(words.map(|words| TextTest::new(operator, words)));
        }
        let tests = tests.into_iter().collect::<Option<Box<_>>>()?;
        Some(Self { tests })
    }

    /// Reads an operand that is compared with each of several texts, of which there may be none.
    pub(crate) fn read_among(
        criterion: &str,
        data: &Node,
        report: &mut Report<'_>,
    ) -> Option<Self> {
        if matches!(&data.kind, Kind::Map(entries) if entries.is_empty()) {
            report.anything_at_all(criterion, data);
            return None;
        }
        Self::read(criterion, data, report)
    }

    /// Does `text` pass, octet for octet?
    pub(crate) fn takes(&self, text: &str) -> bool {
        self.tests.iter().all(|test| test.hits(text) != test.operator.negates())
    }

    /// Does each operator pass for one of several texts, whichever it is?
    pub(crate) fn takes_among(&self, texts: &[Box<str>]) -> bool {
        let passes = |test: &TextTest, text| test.hits(text) != test.operator.negates();
        self.tests.iter().all(|test| texts.iter().any(|text| passes(test, text)))
    }

    /// Does an address, a domain or an id that may be one pass?
    pub(in crate::policy) fn takes_address(
        &self,
        text: &str,
        spelt: &Spelt,
        manner: Manner,
    ) -> bool {
        self.tests.iter().all(|test| {
            let negates = test.operator.negates();
            let hits = match manner {
                Manner::LetsIn if !negates => test.hits(text),
                Manner::KeepsOut if negates => test.hits(text),
                Manner::LetsIn | Manner::KeepsOut | Manner::Kept => test.hits_folded(text, spelt),
            };
            hits != negates
        })
    }

    /// Does every text pass?
    pub(crate) fn takes_everything(&self) -> bool {
        self.tests.iter().all(|test| {
            let words = &test.words.written;
            match test.operator {
                TextOperator::Not | TextOperator::NotIn => words.is_empty(),
                TextOperator::Contains | TextOperator::StartsWith | TextOperator::EndsWith => {
                    words.iter().any(|word| word.is_empty())
                }
                TextOperator::Is | TextOperator::In => false,
            }
        })
    }

    /// The same, where an empty text equals none: what is missing is no reason to let somebody in.
    #[must_use]
    pub(crate) fn without_missing(mut self) -> Self {
        for test in &mut self.tests {
            if matches!(test.operator, TextOperator::Is | TextOperator::In) {
                let words = std::mem::take(&mut test.words.written).into_vec();
                test.words =
                    Words::new(words.into_iter().filter(|word| !word.is_empty()).collect());
            }
        }
        self
    }

    /// Does it say who may not pass? What is doubtful must then not pass by differing.
    pub(crate) fn negates(&self) -> bool {
        self.tests.iter().any(|test| test.operator.negates())
    }

    /// Would a text that is not there pass? It differs from every text.
    pub(crate) fn takes_absence(&self) -> bool {
        self.tests.iter().all(|test| test.operator.negates())
    }

    /// What passing texts are compared with, as written, and whether as a whole.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = (&str, bool)> {
        self.tests.iter().filter(|test| !test.operator.negates()).flat_map(|test| {
            let whole = test.operator.compares_whole();
            test.words.written.iter().map(move |word| (&**word, whole))
        })
    }

    /// Every operand, and how it is compared.
    pub(crate) fn operands(&self) -> impl Iterator<Item = (TextOperator, &str)> {
        self.tests
            .iter()
            .flat_map(|test| test.words.written.iter().map(move |word| (test.operator, &**word)))
    }

    /// Operands that none of `texts` meets, and whether their test negates.
    pub(crate) fn met_by_none<'a>(
        &'a self,
        texts: &'a [&str],
    ) -> impl Iterator<Item = (&'a str, bool)> {
        self.tests.iter().flat_map(move |test| {
            let unmet = test.words.written.iter().filter(|word| {
                let word = std::slice::from_ref(*word);
                !texts.iter().any(|text| test.operator.finds(word, text))
            });
            unmet.map(|word| (&**word, test.operator.negates()))
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

impl TextOperator {
    fn read(word: &str) -> Option<Self> {
        Some(match word {
            "is" => Self::Is,
            "not" => Self::Not,
            "contains" => Self::Contains,
            "starts_with" => Self::StartsWith,
            "ends_with" => Self::EndsWith,
            "in" => Self::In,
            "not_in" => Self::NotIn,
            _ => return None,
        })
    }

    /// Does what is found not pass?
    pub(crate) const fn negates(self) -> bool {
        matches!(self, Self::Not | Self::NotIn)
    }

    /// What is said of an operand that is empty.
    fn of_nothing(self, named: &str, report: &Report<'_>) -> &'static str {
        match self {
            Self::Is | Self::In if named.starts_with("mcp_tool") => {
                "a call that names no tool is it"
            }
            Self::Is | Self::In if report.lets_in() => "what is missing lets nobody in",
            Self::Is | Self::In => "what is missing is as good as empty",
            Self::Not | Self::NotIn => "it differs from whatever is there",
            Self::Contains | Self::StartsWith | Self::EndsWith => "every text passes",
        }
    }

    const fn compares_whole(self) -> bool {
        matches!(self, Self::Is | Self::Not | Self::In | Self::NotIn)
    }

    /// Is the begin of a text compared?
    pub(crate) const fn compares_begin(self) -> bool {
        self.compares_whole() || matches!(self, Self::StartsWith)
    }

    /// Is its end?
    pub(crate) const fn compares_end(self) -> bool {
        self.compares_whole() || matches!(self, Self::EndsWith)
    }

    fn finds(self, words: &[Box<str>], text: &str) -> bool {
        match self {
            Self::Is | Self::Not | Self::In | Self::NotIn => {
                words.binary_search_by(|word| (**word).cmp(text)).is_ok()
            }
            Self::Contains => words.iter().any(|word| text.contains(&**word)),
            Self::StartsWith => words.iter().any(|word| text.starts_with(&**word)),
            Self::EndsWith => words.iter().any(|word| text.ends_with(&**word)),
        }
    }
}

impl TextTest {
    fn new(operator: TextOperator, words: Vec<Box<str>>) -> Self {
        Self { operator, words: Words::new(words) }
    }

    fn hits(&self, text: &str) -> bool {
        self.operator.finds(&self.words.written, text)
    }

    /// In any spelling: as written, in small letters, with its domain as an A-label.
    fn hits_folded(&self, text: &str, spelt: &Spelt) -> bool {
        let [lower, folded] = spelt.of(text);
        self.hits(text)
            || self.operator.finds(&self.words.lower, lower)
            || self.operator.finds(&self.words.folded, folded)
    }

    fn in_words(&self) -> String {
        let words = self.words.written.join("`, `");
        match self.operator {
            TextOperator::Is => format!("is `{words}`"),
            TextOperator::Not => format!("is not `{words}`"),
            TextOperator::Contains => format!("contains `{words}`"),
            TextOperator::StartsWith => format!("starts with `{words}`"),
            TextOperator::EndsWith => format!("ends with `{words}`"),
            TextOperator::In => format!("is one of `{words}`"),
            TextOperator::NotIn => format!("is none of `{words}`"),
        }
    }
}

/// The operands of one operator. Pomerium takes what is no text, and then never finds it equal.
fn words(
    named: &str,
    operator: TextOperator,
    node: &Node,
    report: &mut Report<'_>,
) -> Option<Vec<Box<str>>> {
    if !matches!(operator, TextOperator::In | TextOperator::NotIn) {
        return word(named, operator, node, report).map(|word| word.into_iter().collect());
    }
    let Kind::List(items) = &node.kind else {
        report.not_a_list(named, node);
        return None;
    };
    if items.is_empty() {
        let effect = if operator.negates() { "every text passes" } else { "it never holds" };
        report.empty_operand(named, node, effect);
    }
    let read: Vec<_> = items.iter().map(|item| word(named, operator, item, report)).collect();
    Some(read.into_iter().collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
}

/// One operand: `Some(None)` where it is none that anything equals.
fn word(
    named: &str,
    operator: TextOperator,
    node: &Node,
    report: &mut Report<'_>,
) -> Option<Option<Box<str>>> {
    if let (Value::String(_), Some(text)) = (value_of(node), node.text()) {
        if text.is_empty() {
            let effect = operator.of_nothing(named, report);
            report.empty_operand(named, node, effect);
        }
        return Some(Some(text.into()));
    }
    if !operator.compares_whole() {
        report.not_text(named, node);
        return None;
    }
    let outcome = if operator.negates() { Outcome::Always } else { Outcome::Never };
    report.never_text(named, node, outcome);
    Some(None)
}

#[cfg(test)]
mod tests {
    use super::Spelt;

    #[test]
    fn other_spellings_are_worked_out_once() {
        for (written, expected) in [
            ("ann@example.com", ["ann@example.com"; 2]),
            ("Ann@Example.com", ["ann@example.com"; 2]),
            ("Ann@B\u{fc}cher.example", ["ann@b\u{fc}cher.example", "ann@xn--bcher-kva.example"]),
        ] {
            let spelt = Spelt::default();
            let first = spelt.of(written);
            let again = spelt.of(written);
            assert_eq!(first, expected, "{written}");
            assert_eq!(first.map(str::as_ptr), again.map(str::as_ptr), "{written} is folded again");
        }
    }
}
