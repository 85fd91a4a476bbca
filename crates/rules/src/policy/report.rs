//! The words for everything that can be wrong with a policy. Codes: U301 to U343.

use crate::{
    problem::{Problem, Span},
    yaml::{Entry, Node},
};

/// Collects problems, so that one run shows all of them.
pub(super) struct Report<'a> {
    problems: &'a mut Vec<Problem>,
    errors: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(problems: &'a mut Vec<Problem>) -> Self {
        Self { problems, errors: 0 }
    }

    /// Whether anything was found that the config must not run with.
    pub(super) const fn has_errors(&self) -> bool {
        self.errors > 0
    }

    pub(super) fn error(
        &mut self,
        code: &'static str,
        at: &Span,
        what: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.errors += 1;
        self.problems.push(Problem::error(code, at.clone(), what, help));
    }

    pub(super) fn warning(
        &mut self,
        code: &'static str,
        at: &Span,
        what: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.problems.push(Problem::warning(code, at.clone(), what, help));
    }

    pub(super) fn not_text(&mut self, named: &str, node: &Node) {
        let help = match node.text() {
            Some(text) => format!("if text is meant, put it in quotes: `\"{text}\"`"),
            None => "write one text; for several, use `in: [a, b]`".into(),
        };
        self.error("U309", &node.span, format!("`{named}` compares text, and this is none"), help);
    }

    pub(super) fn unknown_operator(&mut self, criterion: &str, entry: &Entry, known: &[&str]) {
        let help = match nearest(&entry.key, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it knows `{}`", known.join("`, `")),
        };
        let what = format!("`{criterion}` has no operator `{}`", entry.key);
        self.error("U310", &entry.key_span, what, help);
    }

    /// Every text begins with nothing, and nobody is in an empty list.
    pub(super) fn empty_operand(&mut self, named: &str, node: &Node) {
        self.error(
            "U313",
            &node.span,
            format!("`{named}` compares with nothing"),
            "write what it is compared with, or delete the line",
        );
    }

    /// A rule that few addresses can meet, or none.
    pub(super) fn address_never_met(&mut self, named: &str, operand: &str, node: &Span) {
        let (what, help) = if operand.chars().any(char::is_uppercase) {
            (
                format!("`{named}` has capitals: `{operand}`"),
                format!(
                    "write `{}`: people of the built-in provider are compared without case, those \
                     of another provider are let in only in the very spelling that it sends",
                    operand.to_lowercase()
                ),
            )
        } else {
            (
                format!("no address can meet `{named}`: `{operand}`"),
                "write an address as `ann@example.com`, a domain as `example.com`".into(),
            )
        };
        self.warning("U330", node, what, help);
    }

    pub(super) fn not_a_list(&mut self, named: &str, node: &Node) {
        let what = format!("`{named}` takes a list");
        self.error("U311", &node.span, what, "write `[a, b]`, also for one: `[a]`");
    }

    pub(super) fn list_operand(&mut self, named: &str, node: &Node) {
        self.error(
            "U312",
            &node.span,
            format!("`{named}` takes one value, not a list"),
            "for any of several, write the criterion once per value under `or`",
        );
    }

    pub(super) fn not_an_address(&mut self, criterion: &str, node: &Node) {
        self.error(
            "U314",
            &node.span,
            match node.text() {
                Some(text) => format!("`{text}` is no IP address and no range"),
                None => format!("`{criterion}` takes IP addresses and ranges"),
            },
            "write `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`, or a list of such",
        );
    }

    /// `{}` about a person: a session is asked for, so this is only a detour.
    pub(super) fn anybody_signed_in(&mut self, criterion: &str, node: &Node) {
        self.warning(
            "U317",
            &node.span,
            format!("`{criterion}: {{}}` compares with nothing, so whoever signed in passes it"),
            "name an operator, or say it with `authenticated_user: true`",
        );
    }

    /// `{}` about a request: everybody would pass, signed in or not.
    pub(super) fn anything_at_all(&mut self, criterion: &str, node: &Node) {
        self.error(
            "U317",
            &node.span,
            format!("`{criterion}: {{}}` compares with nothing, so every request passes it"),
            "name an operator, or say it with `accept: true`",
        );
    }
}

/// The known word that `word` was probably meant to be.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_ascii_lowercase();
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&word, candidate), *candidate))
        .filter(|(likeness, _)| *likeness > 0.82)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}
