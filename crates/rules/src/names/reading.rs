use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

use super::{PathError, fold_case};

/// How another server than ours reads a path (`docs/reference/paths.md`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    wire: Box<str>,
    decoded: Box<str>,
    folded: Box<str>,
}

impl Reading {
    /// The reading as it would be written: what routes are compared with.
    pub fn wire(&self) -> &str {
        &self.wire
    }

    /// The reading itself: what `http_path` is compared with.
    pub fn decoded(&self) -> &str {
        &self.decoded
    }

    /// [`Self::decoded`] as servers compare it that know no case ([`fold_case`]).
    pub fn folded(&self) -> &str {
        &self.folded
    }
}

/// What some server does to a path that others don't do.
type Step = fn(&str) -> Cow<'_, str>;

/// In the order in which a server would do them.
const STEPS: [Step; 6] = [
    decode_again,
    plus_is_blank,
    fold_forms,
    end_at_question_mark,
    drop_parameters,
    drop_what_windows_drops,
];

/// No app decodes more often. Without a bound `%2525…` costs the square of its length.
const DECODINGS: usize = 8;

/// Every other reading of a canonical path, by any of the steps and by all of them in a row.
///
/// # Errors
///
/// A reading with a dot segment or a control character in it: those are never harmless. Nor is what
/// holds an escape of an escape of an escape, and so on.
pub(super) fn others(
    wire: &str,
    decoded: &str,
    keeps_separators: bool,
) -> Result<Box<[Reading]>, PathError> {
    let mut texts: Vec<Cow<'_, str>> = Vec::new();
    if keeps_separators {
        texts.push(Cow::Owned(without_separators(wire)?));
        texts.push(Cow::Borrowed(decoded));
    } else if decoded.chars().any(char::is_control) {
        return Err(PathError::Control);
    }
    if decode_again(&decode_again(decoded)) != decode_again(decoded) {
        return Err(PathError::EscapedWithoutEnd);
    }
    let in_a_row = STEPS.iter().fold(Cow::Borrowed(decoded), |text, step| step_owned(*step, text));
    if *in_a_row != *decoded {
        texts.extend(combinations(decoded));
    }
    let mut readings: Vec<Reading> = Vec::new();
    for text in texts {
        let is_own = keeps_separators && readings.is_empty(); // `%2F` stays in this one
        let reading = canonical(&text, is_own)?;
        if !readings.contains(&reading) {
            readings.push(reading);
        }
    }
    readings.retain(|reading| *reading.wire != *wire || *reading.decoded != *decoded);
    Ok(readings.into())
}

/// The text after each combination of the steps that change anything.
fn combinations(decoded: &str) -> Vec<Cow<'_, str>> {
    let mut texts = vec![Cow::Borrowed(decoded)];
    for step in STEPS {
        let changed: Vec<_> = texts
            .iter()
            .map(|text| Cow::Owned(step(text).into_owned()))
            .filter(|after| !texts.contains(after))
            .collect();
        texts.extend(changed);
    }
    texts.split_off(1)
}

fn step_owned(step: Step, text: Cow<'_, str>) -> Cow<'_, str> {
    Cow::Owned(step(&text).into_owned())
}

/// Separators are separators, runs of them are one; dots and control characters are refused.
fn canonical(text: &str, keeps_escapes: bool) -> Result<Reading, PathError> {
    if text.chars().any(char::is_control) {
        return Err(PathError::Control);
    }
    let mut decoded = String::with_capacity(text.len());
    for segment in text.split(['/', '\\']).filter(|segment| !segment.is_empty()) {
        if matches!(segment.trim_matches(' '), "." | "..") {
            return Err(PathError::HiddenDots);
        }
        decoded.push('/');
        decoded.push_str(segment);
    }
    if decoded.is_empty() || text.ends_with(['/', '\\']) {
        decoded.push('/');
    }
    let wire = if keeps_escapes { decoded.clone() } else { escaped(&decoded) };
    let folded = fold_case(&decoded).into();
    Ok(Reading { wire: wire.into(), decoded: decoded.into(), folded })
}

fn escaped(decoded: &str) -> String {
    const ESCAPED: &percent_encoding::AsciiSet =
        &percent_encoding::CONTROLS.add(b' ').add(b'%').add(b'?').add(b'#');
    percent_encoding::utf8_percent_encode(decoded, ESCAPED).to_string()
}

/// As it is read by servers to which `%2F` is no separator: every other escape is decoded.
fn without_separators(wire: &str) -> Result<String, PathError> {
    let marked = wire.replace("%2F", "%252F").replace("%5C", "%255C");
    let text = percent_encoding::percent_decode_str(&marked).decode_utf8();
    text.map(Cow::into_owned).map_err(|_| PathError::NotUtf8)
}

/// Apps behind CGI, FastCGI and WSGI get a decoded path, and some decode it once more.
fn decode_again(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..DECODINGS {
        if !text.contains('%') {
            break;
        }
        let again = percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if again == *text {
            break;
        }
        text = Cow::Owned(again);
    }
    text
}

/// `+` is a blank to who decodes a path as if it were a form (PHP's `urldecode`).
fn plus_is_blank(text: &str) -> Cow<'_, str> {
    if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) }
}

/// Letters in rings, full-width forms and the rest become plain ones where names are normalised
/// (NFKC; NFC on macOS; Windows' best fit), and what cannot be seen is dropped.
fn fold_forms(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let seen: String = text.chars().filter(|c| !is_unseen(*c)).collect();
    let normal = ComposingNormalizerBorrowed::new_nfkc().normalize(&seen);
    let out: String = normal
        .chars()
        .map(|c| match c {
            '\u{2044}' | '\u{2215}' | '\u{29f8}' => '/',
            '\u{2216}' | '\u{29f5}' => '\\',
            c => c,
        })
        .collect();
    if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

/// What many file systems and comparisons leave out (Unicode, `Default_Ignorable_Code_Point`).
const fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fff8}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Apps that decode the whole target before they take it apart end the path at `%3F` or `%23`.
fn end_at_question_mark(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text.split(['?', '#']).next().unwrap_or_default())
}

/// Servlet containers take `;x` off every segment.
fn drop_parameters(text: &str) -> Cow<'_, str> {
    if !text.contains(';') {
        return Cow::Borrowed(text);
    }
    let name = |segment: &str| segment.split(';').next().unwrap_or_default().to_owned();
    Cow::Owned(text.split('/').map(name).collect::<Vec<_>>().join("/"))
}

/// Names of files lose dots and blanks at their end, `::$DATA` is the file itself, and
/// `:$I30:$INDEX_ALLOCATION` the folder itself.
fn drop_what_windows_drops(text: &str) -> Cow<'_, str> {
    let name = |segment: &str| {
        let name = segment.split(":$").next().unwrap_or_default().trim_end_matches(':');
        match name.trim_matches(' ') {
            dots @ ("." | "..") => dots.to_owned(), // `.. ` must not vanish before it is seen
            _ => name.trim_end_matches(['.', ' ']).to_owned(),
        }
    };
    Cow::Owned(text.split('/').map(name).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::{DECODINGS, decode_again};

    /// Each decoding takes the whole path, and there could be as many as it is long.
    #[test]
    fn a_path_is_decoded_as_often_as_an_app_may_and_no_more() {
        let path = |left: usize| format!("/%{}41", "25".repeat(left));
        assert_eq!(decode_again(&path(DECODINGS + 5)), path(5));
        assert_eq!(decode_again(&path(1)), "/A");
    }
}
