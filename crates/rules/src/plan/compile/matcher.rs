//! Which paths a route takes, and what the upstream sees of them.

use regex::Regex;
use regex_syntax::hir::literal::Extractor;

use super::{Compiler, re2};
use crate::{
    config::{
        Given,
        keys::{Key, Text, Typed, route},
    },
    names::never_canonical,
    plan::{Action, PathMatch, Rewrite},
    problem::Problem,
};

/// So many characters of a class are looked at one by one.
const LETTERS: usize = 128;

impl Compiler<'_> {
    /// One of `regex`, `path`, `prefix`, in this order; the others do nothing.
    pub(super) fn path_match(&mut self) -> Option<PathMatch> {
        let keys: [&'static Key; 3] = [&route::REGEX, &route::PATH, &route::PREFIX];
        let given: Vec<&Given> = keys.into_iter().filter_map(|key| self.keys.given(key)).collect();
        if let [wins, loses, ..] = given.as_slice() {
            self.report(loses.warning(
                "U511",
                format!("`{}` has no effect beside `{}`", loses.key.name, wins.key.name),
                "delete one of them",
            ));
        }
        let Some(wins) = given.first() else { return Some(PathMatch::Prefix("/".into())) };
        let text = wins.text();
        if wins.key.is(&route::REGEX) {
            let regex = re2::whole(text).map_err(|why| {
                wins.error(
                    "U510",
                    format!("`regex` can't be read: {why}"),
                    "write it as RE2 has it, for the whole path",
                )
            });
            let regex = self.keep(regex)?;
            let never = matches_no_path(regex.as_str());
            self.problems.extend(never.map(|why| no_such_path(wins, why)));
            return Some(PathMatch::Regex(regex));
        }
        self.problems.extend(hardly_matches(wins));
        Some(if wins.key.is(&route::PATH) {
            PathMatch::Exact(text.into())
        } else {
            PathMatch::Prefix(text.into())
        })
    }

    /// `prefix_rewrite`, then `regex_rewrite_*`, then the path in `to`.
    pub(super) fn rewrite(&mut self, action: Option<&Action>) -> Option<Rewrite> {
        let prefix = self.keys.given(&route::PREFIX_REWRITE);
        let pattern = self.keys.given(&route::REGEX_REWRITE_PATTERN);
        if let (Some(prefix), Some(_)) = (prefix, pattern) {
            self.report(prefix.error(
                "U513",
                "`prefix_rewrite` and `regex_rewrite_pattern` can't stand beside each other",
                "delete one of them",
            ));
            return None;
        }
        if let Some(prefix) = prefix {
            if !prefix.text().starts_with('/') {
                self.report(prefix.warning(
                    "U514",
                    format!(
                        "`prefix_rewrite: {}` makes paths that don't begin with `/`",
                        prefix.text()
                    ),
                    format!("write `prefix_rewrite: /{}`", prefix.text()),
                ));
            }
            return Some(Rewrite::Prefix(prefix.text().into()));
        }
        if let Some(given) = pattern {
            let to = &route::REGEX_REWRITE_SUBSTITUTION;
            return self.regex_rewrite(given, to).map(|(what, to)| Rewrite::Regex(what, to));
        }
        match action {
            Some(Action::Forward(targets)) => {
                let first = targets.all.first();
                let path = first.map(|target| &*target.upstream.path).unwrap_or_default();
                Some(if path.is_empty() { Rewrite::None } else { Rewrite::Prefix(path.into()) })
            }
            Some(Action::Redirect(_) | Action::Respond { .. }) | None => Some(Rewrite::None),
        }
    }

    /// A pattern, and what stands in the place of what it finds.
    pub(super) fn regex_rewrite(
        &mut self,
        given: &Given,
        substitution: &'static Typed<Text>,
    ) -> Option<(Regex, Box<str>)> {
        let regex = re2::part(given.text()).map_err(|why| {
            given.error(
                "U510",
                format!("`{}` can't be read: {why}", given.key.name),
                "write it as RE2 has it",
            )
        });
        let regex = self.keep(regex)?;
        let to = self.keys.given(substitution);
        let read = re2::substitution(to.map(Given::text).unwrap_or_default(), regex.captures_len());
        let read = read.map_err(|why| {
            to.unwrap_or(given).error(
                "U515",
                format!("`{}` can't be read: {why}", substitution.name),
                r"name groups of the pattern as `\1`, and write `\\` for a backslash",
            )
        });
        Some((regex, self.keep(read)?))
    }
}

/// What is told of a path that no request has, or hardly any.
fn hardly_matches(given: &Given) -> Option<Problem> {
    let text = given.text();
    if let Some(why) = never_matches(text) {
        return Some(no_such_path(given, why));
    }
    let (before, _) = text.split_once('*')?;
    let what = format!("hardly any request has a path like `{text}`: `*` stands for itself");
    let help = format!("write `prefix: {before}`, or a pattern under `regex`");
    Some(given.warning("U512", what, help))
}

fn no_such_path(given: &Given, why: &str) -> Problem {
    given.warning(
        "U512",
        format!("no request has a path like `{}`: {why}", given.text()),
        "write the path as it is sent: beginning with `/`, other characters escaped (`%C3%BC`), without the query",
    )
}

/// Why no canonical path matches this pattern for whole ones: none begins as all that match do.
fn matches_no_path(pattern: &str) -> Option<&'static str> {
    let parsed = regex_syntax::parse(pattern).ok()?;
    let begins = Extractor::new().limit_class(LETTERS).extract(&parsed);
    let reasons = begins.literals()?.iter().map(|begin| {
        let text = String::from_utf8_lossy(begin.as_bytes());
        if text.is_empty() { None } else { never_matches(&text) }
    });
    reasons.collect::<Option<Vec<_>>>()?.first().copied()
}

/// Why no canonical path looks like this.
fn never_matches(text: &str) -> Option<&'static str> {
    if !text.starts_with('/') {
        Some("paths begin with `/`")
    } else if text.contains(['?', '#']) {
        Some("the query is not a part of the path")
    } else if !text.is_ascii() || text.contains(' ') {
        Some("such characters are escaped there")
    } else if never_canonical(text) {
        Some("paths are normalised first")
    } else if unreserved_escape(text) {
        Some("letters and digits are not escaped there")
    } else {
        None
    }
}

fn unreserved_escape(text: &str) -> bool {
    text.split('%').skip(1).any(|rest| {
        let byte = rest.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
    })
}

#[cfg(test)]
mod tests {
    use super::{matches_no_path, re2};

    /// A strict route behind such a pattern is never reached, and the one below it is public.
    #[test]
    fn a_pattern_that_no_path_matches_is_told() {
        for (pattern, dead) in [
            ("admin/.*", true),
            ("^admin(/.*)?$", true),
            ("(?i)admin", true),
            ("admin|api/.*", true),
            ("[a-z]+/x", true),
            (r"\\/admin", true),
            (r"\w+/admin", true),
            (r"/a\?tab=.*", true),
            ("//b.*", true),
            ("/ü.*", true),
            ("/admin/.*", false),
            ("^/admin$", false),
            ("admin|/api", false),
            (".*admin", false),
            ("[^a]dmin", false),
            ("/?admin", false),
            (r"/a/[0-9]+\.js", false),
            ("(?i)/Admin.*", false),
            ("", false),
        ] {
            let regex = re2::whole(pattern).unwrap();
            assert_eq!(matches_no_path(regex.as_str()).is_some(), dead, "{pattern}");
        }
    }
}
