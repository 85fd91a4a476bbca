//! Typed readers over nodes, with Go's weak typing as it was measured
//! (`pomerium-config.md` §1.4, `pomerium-policy-measured.md` 43 to 45).

use std::time::Duration;

use super::duration::{self, DurationError};
use crate::{
    problem::Span,
    yaml::{Kind, Node, Style},
};

/// What stands in the place of a secret that is not shown. Whoever loads it is told so.
pub const NOT_SHOWN: &str = "not-shown-by-usher-check";

/// Why a value is not what its key asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The problem's code.
    pub code: &'static str,
    /// The part of the value that is wrong.
    pub at: Span,
    /// What is wrong, to be put behind the key's name: `is not …`.
    pub what: String,
    /// The way out.
    pub help: String,
}

impl Wrong {
    fn new(
        code: &'static str,
        node: &Node,
        what: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { code, at: node.span.clone(), what: what.into(), help: help.into() }
    }
}

/// One text with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// As written.
    pub text: Box<str>,
    /// Where.
    pub at: Span,
}

/// A word, number or quoted text; numbers keep the digits that were written.
///
/// # Errors
///
/// Lists and maps.
pub fn text(node: &Node) -> Result<&str, Wrong> {
    node.text().ok_or_else(|| {
        Wrong::new("U200", node, "is one text, not a list or map", "write one value")
    })
}

/// A text for which nobody takes another. YAML computes what is not in quotes: there `0123` is 83,
/// `1e3` is 1000 and `true` is 1 (`pomerium-policy-measured.md` 43).
///
/// # Errors
///
/// Lists and maps, and what is read as another text elsewhere.
pub fn exact_text(node: &Node) -> Result<&str, Wrong> {
    let written = text(node)?;
    match computed(written).filter(|other| is_plain(node) && other != written) {
        None => Ok(written),
        Some(other) => Err(Wrong::new(
            "U230",
            node,
            format!("is text, and YAML reads `{written}` as `{other}`"),
            format!("put it in quotes: `\"{written}\"`"),
        )),
    }
}

/// What Go's YAML makes of a plain number or truth value, as text.
fn computed(written: &str) -> Option<String> {
    if let "true" | "True" | "TRUE" = written {
        return Some("1".to_owned());
    }
    if let "false" | "False" | "FALSE" = written {
        return Some("0".to_owned());
    }
    if !written.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+')) {
        return None;
    }
    let digits = written.replace('_', "");
    let unsigned = digits.trim_start_matches(['-', '+']);
    let whole = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => i128::from_str_radix(unsigned.get(2..)?, 16),
        [b'0', b'o' | b'O', ..] => i128::from_str_radix(unsigned.get(2..)?, 8),
        [b'0', b'b' | b'B', ..] => i128::from_str_radix(unsigned.get(2..)?, 2),
        [b'0', b'0'..=b'7', ..] => i128::from_str_radix(unsigned, 8),
        _ => unsigned.parse(),
    };
    let sign = if digits.starts_with('-') { "-" } else { "" };
    match whole {
        Ok(number) => Some(format!("{sign}{number}")),
        Err(_) if unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
            digits.parse::<f64>().ok().map(|number| number.to_string())
        }
        Err(_) => None,
    }
}

/// `true`, `false`, and the words and numbers that Pomerium takes for them.
///
/// # Errors
///
/// `yes`, `on` and every other word.
pub fn bool(node: &Node) -> Result<bool, Wrong> {
    let written = text(node)?;
    match written {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ if is_plain(node) && written.parse::<f64>().is_ok_and(|number| number != 0.0) => Ok(true),
        _ => Err(Wrong::new(
            "U201",
            node,
            format!("is `true` or `false`, not `{written}`"),
            "write `true` or `false`",
        )),
    }
}

/// A span of time, and whether it was a bare number, which means nanoseconds.
///
/// # Errors
///
/// What Go's syntax does not have, and negative values.
pub fn duration(node: &Node) -> Result<(Duration, bool), Wrong> {
    let written = text(node)?;
    if is_plain(node) {
        match written.parse::<f64>() {
            Ok(number) if number < 0.0 => {
                return Err(no_duration(node, written, DurationError::Negative));
            }
            Ok(number)
                if number.is_finite()
                    && written.bytes().all(|b| b.is_ascii_digit() || b == b'.') =>
            {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "cut like Go does"
                )]
                let nanos = number as u64;
                return Ok((Duration::from_nanos(nanos), nanos != 0));
            }
            Ok(_) | Err(_) => {}
        }
    }
    match duration::parse(written) {
        Ok(duration) => Ok((duration, false)),
        Err(error) => Err(no_duration(node, written, error)),
    }
}

fn no_duration(node: &Node, written: &str, error: DurationError) -> Wrong {
    let help = match error {
        DurationError::NoUnit => format!("write `{written}s` for seconds"),
        DurationError::UnknownUnit => "write `24h` for a day, `90m`, `30s` or `500ms`".to_owned(),
        DurationError::Negative => "write `0` for no limit".to_owned(),
        DurationError::NotANumber | DurationError::TooLong => {
            "write a number with its unit: `30s`, `10m`, `1h30m`".to_owned()
        }
    };
    Wrong::new("U202", node, format!("is a span of time, and `{written}` is not: {error}"), help)
}

/// A whole number within `range`. Where Pomerium lets numbers wrap around, this refuses.
///
/// # Errors
///
/// Words, fractions, and numbers out of range.
pub fn int(node: &Node, range: (i64, i64)) -> Result<i64, Wrong> {
    let written = text(node)?;
    match written.parse::<i64>() {
        Ok(number) if (range.0..=range.1).contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err(Wrong::new(
            "U205",
            node,
            format!("is a whole number from {} to {}, not `{written}`", range.0, range.1),
            "write a number in that range",
        )),
    }
}

/// A list of texts. A text where a list is expected is cut at its commas, blanks kept, as
/// Pomerium does; so it is in environment variables.
///
/// # Errors
///
/// Maps, and lists of lists.
pub fn list(node: &Node) -> Result<Vec<Text>, Wrong> {
    match &node.kind {
        Kind::List(items) => items
            .iter()
            .map(|item| {
                Ok(Text {
                    text: if item.is_null() { "" } else { text(item)? }.into(),
                    at: item.span.clone(),
                })
            })
            .collect(),
        Kind::Scalar { text, .. } if text.is_empty() => Ok(Vec::new()),
        Kind::Scalar { text, .. } => Ok(text
            .split(',')
            .map(|item| Text { text: item.into(), at: node.span.clone() })
            .collect()),
        Kind::Map(_) => {
            Err(Wrong::new("U200", node, "is a list, not a map", "write `[a, b]` or `- a` lines"))
        }
    }
}

/// A list in which every element says something.
///
/// # Errors
///
/// As [`list`], and elements that are empty: in `allowed_users` one would open the route to
/// everybody (`pomerium-policy-measured.md` 5).
pub fn full_list(node: &Node) -> Result<Vec<Text>, Wrong> {
    let items = list(node)?;
    match items.iter().find(|item| item.text.trim().is_empty()) {
        None => Ok(items),
        Some(item) => Err(Wrong {
            code: "U207",
            at: item.at.clone(),
            what: "has an empty element".to_owned(),
            help: "delete it: look for a comma at the end, or a `-` with nothing behind it"
                .to_owned(),
        }),
    }
}

/// A list of names; a number alone is none.
///
/// # Errors
///
/// As [`full_list`], and numbers.
pub fn names(node: &Node) -> Result<Vec<Text>, Wrong> {
    if is_plain(node) && node.text().is_some_and(|text| text.parse::<f64>().is_ok()) {
        return Err(Wrong::new(
            "U200",
            node,
            "is a list of names, or a map",
            "write `[email, groups]`",
        ));
    }
    full_list(node)
}

/// A map of texts, in file order. A plain number or truth value is the text that Go's YAML makes of
/// it: `true` is 1 (`pomerium-policy-measured.md` 43).
///
/// # Errors
///
/// Everything else, and values that are no text.
pub fn pairs(node: &Node) -> Result<Vec<(Text, Text)>, Wrong> {
    let Kind::Map(entries) = &node.kind else {
        return Err(Wrong::new("U200", node, "is a map", "write `name: value` lines"));
    };
    entries
        .iter()
        .map(|entry| {
            let value = if entry.value.is_null() { "" } else { text(&entry.value)? };
            let read = computed(value).filter(|_| is_plain(&entry.value));
            let value = read.map_or_else(|| value.into(), Into::into);
            let key = Text { text: entry.key.clone(), at: entry.key_span.clone() };
            Ok((key, Text { text: value, at: entry.value.span.clone() }))
        })
        .collect()
}

/// One of `words`, and which one it is.
///
/// # Errors
///
/// Every other word.
pub fn word(
    node: &Node,
    words: &'static [&'static str],
    any_case: bool,
) -> Result<(&'static str, usize), Wrong> {
    let written = text(node)?;
    let same = |word: &&str| {
        if any_case { word.eq_ignore_ascii_case(written) } else { *word == written }
    };
    let at = words.iter().position(same);
    at.and_then(|at| Some((*words.get(at)?, at))).ok_or_else(|| {
        let shown: Vec<String> =
            words.iter().filter(|word| !word.is_empty()).map(|word| format!("`{word}`")).collect();
        Wrong::new(
            "U206",
            node,
            format!("can't be `{written}`"),
            format!("write one of {}", shown.join(", ")),
        )
    })
}

fn is_plain(node: &Node) -> bool {
    matches!(&node.kind, Kind::Scalar { style: Style::Plain, .. })
}
