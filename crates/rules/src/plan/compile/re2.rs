//! Patterns in RE2's dialect, as configs for Pomerium have them, for the `regex` crate.
//!
//! The two differ where it matters: `\d`, `\w`, `\s`, `\b` are ASCII in RE2, classes don't nest
//! there, and some escapes exist in one only. What can't be translated is refused.

use regex::{Regex, RegexBuilder};

/// Size of a compiled pattern, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

/// How deep groups may stand in each other.
const NEST_LIMIT: u32 = 64;

/// A pattern that has to match the whole text.
pub(super) fn whole(pattern: &str) -> Result<Regex, String> {
    build(&format!(r"\A(?:{})\z", translate(pattern)?))
}

/// A pattern that may match anywhere.
pub(super) fn part(pattern: &str) -> Result<Regex, String> {
    build(&translate(pattern)?)
}

fn build(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern).size_limit(SIZE_LIMIT).nest_limit(NEST_LIMIT).build();
    built.map_err(|error| {
        if matches!(error, regex::Error::CompiledTooBig(_)) {
            return "it is too large".to_owned();
        }
        // the last line says what; the ones before show our translation, which nobody wrote
        let words = error.to_string();
        words.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}

/// RE2 to `regex`.
fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern.chars().peekable();
    let mut after_quantifier = false;
    while let Some(c) = rest.next() {
        let is_quantifier = match c {
            '\\' => {
                escape(&mut rest, Inside::Pattern, &mut out)?;
                false
            }
            '[' => {
                class(&mut rest, &mut out)?;
                false
            }
            '(' => {
                out.push('(');
                group_flags(&mut rest, &mut out)?;
                false
            }
            '{' => {
                let repetition = repetition(&rest.clone().collect::<String>());
                match repetition {
                    Some(text) => {
                        out.push('{');
                        out.push_str(&text);
                        rest.by_ref().nth(text.chars().count() - 1);
                        true
                    }
                    None => {
                        out.push_str(r"\{");
                        false
                    }
                }
            }
            '*' | '+' => {
                out.push(c);
                true
            }
            '?' if after_quantifier => {
                out.push('?'); // lazy; a further one is refused below
                false
            }
            '?' => {
                out.push('?');
                true
            }
            other => {
                out.push(other);
                false
            }
        };
        if is_quantifier && after_quantifier {
            return Err("one repetition follows another".to_owned());
        }
        after_quantifier = is_quantifier;
    }
    Ok(out)
}

/// `2}`, `2,}` or `2,3}`; other braces are plain characters in RE2.
fn repetition(rest: &str) -> Option<String> {
    let (inside, _) = rest.split_once('}')?;
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (is_number(least) && (most.is_empty() || is_number(most))).then(|| format!("{inside}}}"))
}

/// Flags of a group: `i`, `m`, `s` and `U` mean the same in both.
fn group_flags(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    out: &mut String,
) -> Result<(), String> {
    if rest.peek() != Some(&'?') {
        return Ok(());
    }
    rest.next();
    out.push('?');
    match rest.peek() {
        Some('P' | '<') => {
            // a name: `regex` takes both spellings; look-behind has `=` or `!` here
            if rest.next_if_eq(&'P').is_some() {
                out.push('P');
            }
            if rest.next_if_eq(&'<').is_none() {
                return Err("back-references by name are not supported".to_owned());
            }
            out.push('<');
            if matches!(rest.peek(), Some('=' | '!')) {
                return Err("look-behind is not supported".to_owned());
            }
        }
        Some('=' | '!') => return Err("look-ahead is not supported".to_owned()),
        _ => {
            while let Some(flag) = rest.next_if(|c| !matches!(c, ':' | ')')) {
                if !matches!(flag, 'i' | 'm' | 's' | 'U' | '-') {
                    return Err(format!("the flag `{flag}` is not supported"));
                }
                out.push(flag);
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Pattern,
    Class,
}

/// What follows a backslash.
fn escape(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    inside: Inside,
    out: &mut String,
) -> Result<(), String> {
    let Some(c) = rest.next() else { return Err("it ends in a backslash".to_owned()) };
    match (c, inside) {
        ('d', _) => out.push_str("[0-9]"),
        ('D', _) => out.push_str("[^0-9]"),
        ('w', _) => out.push_str("[0-9A-Za-z_]"),
        ('W', _) => out.push_str("[^0-9A-Za-z_]"),
        ('s', _) => out.push_str(r"[\t\n\f\r ]"),
        ('S', _) => out.push_str(r"[^\t\n\f\r ]"),
        ('b', Inside::Pattern) => out.push_str(r"(?-u:\b)"),
        ('A' | 'z', Inside::Pattern) | ('a' | 'f' | 't' | 'n' | 'r' | 'v' | 'x' | 'p' | 'P', _) => {
            out.push('\\');
            out.push(c);
        }
        ('Q', Inside::Pattern) => {
            let text: String = rest.by_ref().collect();
            let (quoted, behind) = text.split_once(r"\E").unwrap_or((&text, ""));
            out.push_str(&regex::escape(quoted));
            out.push_str(&translate(behind)?);
        }
        _ if c.is_ascii_alphanumeric() => return Err(format!(r"`\{c}` is not supported")),
        ('<' | '>', _) => out.push(c), // RE2: themselves; `regex`: the edge of a word
        _ if c.is_ascii() => {
            out.push('\\');
            out.push(c);
        }
        _ => out.push(c),
    }
    Ok(())
}

/// A class: in RE2 a `[` in it is a character, unless it begins `[:name:]`.
fn class(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    out: &mut String,
) -> Result<(), String> {
    out.push('[');
    if rest.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    if rest.next_if_eq(&']').is_some() {
        out.push_str(r"\]");
    }
    while let Some(c) = rest.next() {
        match c {
            ']' => {
                out.push(']');
                return Ok(());
            }
            '\\' => escape(rest, Inside::Class, out)?,
            '[' if rest.peek() == Some(&':') => {
                let name: String = rest.clone().collect();
                let Some((name, _)) = name.split_once(":]") else {
                    return Err("`[:` does not end".to_owned());
                };
                let length = name.chars().count() + 2;
                out.push('[');
                out.push_str(name);
                out.push_str(":]");
                rest.by_ref().nth(length - 1);
            }
            other => {
                literal(other, out);
                let mut ahead = rest.clone();
                let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']');
                if is_range {
                    rest.next();
                    out.push('-');
                    match rest.next() {
                        Some('\\') => escape(rest, Inside::Class, out)?,
                        Some(end) => literal(end, out),
                        None => {}
                    }
                }
            }
        }
    }
    Err("a `[` does not end".to_owned())
}

/// A character of a class as itself: `&&`, `~~` and `--` are operators in `regex` alone.
fn literal(c: char, out: &mut String) {
    if matches!(c, '[' | '&' | '~' | '-' | '^') {
        out.push('\\');
    }
    out.push(c);
}

/// `\1` in a substitution becomes `${1}`; `$` is a plain character there.
pub(super) fn substitution(text: &str, groups: usize) -> Result<Box<str>, String> {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '$' => out.push_str("$$"),
            '\\' => match rest.next() {
                Some('\\') => out.push('\\'),
                Some(digit) if digit.is_ascii_digit() => {
                    let group = digit
                        .to_digit(10)
                        .and_then(|d| usize::try_from(d).ok())
                        .unwrap_or_default();
                    if group >= groups {
                        return Err(format!(
                            r"`\{digit}` names a group that the pattern does not have"
                        ));
                    }
                    out.push_str(&format!("${{{group}}}"));
                }
                Some(other) => return Err(format!(r"`\{other}` means nothing here")),
                None => return Err("it ends in a backslash".to_owned()),
            },
            other => out.push(other),
        }
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{part, substitution, translate, whole};

    #[test]
    fn whole_matches() {
        for (pattern, text, expected, why) in [
            ("/a", "/a", true, "the whole text"),
            ("/a", "/ab", false, "and not a part"),
            ("/a|/b", "/bc", false, "alternatives are held together"),
            ("^/any.*$", "/any/x", true, "anchors may be written"),
            ("(?i)/case", "/CASE", true, "flags"),
            (r"/\d+", "/42", true, "digits"),
            (r"/\d+", "/٤٢", false, "are ASCII"),
            (r"/\w", "/ä", false, "letters too"),
            (r"/\W", "/ä", true, "and what is none"),
            (r"/\s", "/\u{a0}", false, "blanks too"),
            (r"/\S", "/\u{a0}", true, "and what is none"),
            (r"/\.", "/x", false, "an escaped dot is a dot"),
            (r"/\é", "/é", true, "an escaped letter is itself"),
            (r"/[\d-]+", "/4-2", true, "in a class"),
            (r"/[^\d]", "/x", true, "in a class that is turned"),
            (r"/[^\D]", "/5", true, "twice turned"),
            ("/[[a]", "/[", true, "a bracket in a class is itself"),
            ("/[a&&b]", "/&", true, "no intersection in RE2"),
            ("/[+--]", "/,", true, "a range up to a hyphen"),
            ("/[]a]", "/]", true, "a bracket at the start"),
            ("/[[:alpha:]]", "/z", true, "a named class"),
            ("/a{2}", "/aa", true, "a repetition"),
            ("/a{,2}", "/a{,2}", true, "braces that are none"),
            (r"/\Qa.b\E+", "/a.bb", true, "quoted text"),
            (r"/\<x\>", "/<x>", true, "no edges of words in RE2"),
            (r"/\bx", "/x", true, "but this edge"),
            (r"/(?P<n>a)(?:b)?", "/ab", true, "groups"),
            (r"/\x41\pL", "/AB", true, "by number and by class"),
            ("/a+?b", "/aab", true, "lazy"),
        ] {
            let regex = whole(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert_eq!(regex.is_match(text), expected, "{pattern} on {text}: {why}");
        }
    }

    #[test]
    fn refused() {
        for pattern in [
            "(",
            "a(b",
            "(?=a)a",
            "(?!a)",
            "(?<=a)b",
            "[a",
            "a**",
            "a++",
            "a{2}{3}",
            "a?+",
            r"\B",
            r"\1",
            r"\C",
            r"\Z",
            r"\8",
            "(?x)a b",
            "(?P=n)",
            r"\",
            "(a{1000}){1000}",
            "*a",
            "[z-a]",
            r"[\b]",
        ] {
            assert!(whole(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn substitutions() {
        for (given, expected) in [
            (r"/\2/\1", Ok("/${2}/${1}")),
            (r"\0$1", Ok("${0}$$1")),
            (r"a\\b", Ok(r"a\b")),
            (r"\3", Err(r"`\3` names a group that the pattern does not have")),
            (r"\n", Err(r"`\n` means nothing here")),
            (r"x\", Err("it ends in a backslash")),
        ] {
            let expected = expected.map(Box::from).map_err(String::from);
            assert_eq!(substitution(given, 3), expected, "{given}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(pattern in "\\PC*|[a\\[\\](){}?*+\\\\:^&~Q,E0-9-]{0,20}") {
            let _ = translate(&pattern);
            let _ = part(&pattern);
        }
    }
}
