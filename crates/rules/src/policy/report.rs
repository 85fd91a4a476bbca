//! The words for everything that can be wrong with a policy. Codes: U301 to U355.

use crate::{
    problem::{Problem, Span},
    yaml::{Entry, Node},
};

/// Collects problems, so that one run shows all of them.
pub(super) struct Report<'a> {
    problems: &'a mut Vec<Problem>,
    errors: usize,
    holding: Holding,
}

/// What a criterion does where it stands, when it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holding {
    /// It lets in: under `allow`, or turned round under `deny`.
    LetsIn,
    /// It keeps out: under `deny`, or turned round under `allow`.
    KeepsOut,
}

/// What becomes of a test whose operand was meant to be another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It never holds.
    Never,
    /// It always does.
    Always,
}

impl<'a> Report<'a> {
    pub(super) fn new(problems: &'a mut Vec<Problem>) -> Self {
        Self { problems, errors: 0, holding: Holding::LetsIn }
    }

    /// What is read from now on stands where this is what it does.
    pub(super) const fn stands(&mut self, holding: Holding) {
        self.holding = holding;
    }

    /// Does what is read let somebody in where it holds?
    pub(super) const fn lets_in(&self) -> bool {
        matches!(self.holding, Holding::LetsIn)
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
        self.error(
            "U309",
            &node.span,
            format!("`{named}` compares text, and this is none"),
            quoted(node),
        );
    }

    /// An operand that nothing equals, as it is in Pomerium: an error where more people come in by
    /// it than were meant to.
    pub(super) fn equal_to_nothing(
        &mut self,
        code: &'static str,
        (what, help): (String, String),
        node: &Node,
        outcome: Outcome,
    ) {
        let effect = match (self.holding, outcome) {
            (Holding::LetsIn, Outcome::Never) => "so it lets nobody in",
            (Holding::KeepsOut, Outcome::Always) => "so it keeps everybody out",
            (Holding::LetsIn, Outcome::Always) | (Holding::KeepsOut, Outcome::Never) => {
                return self.error(code, &node.span, what, help);
            }
        };
        self.warning(code, &node.span, format!("{what}, {effect}"), help);
    }

    /// The same of what is no text where text is compared.
    pub(super) fn never_text(&mut self, named: &str, node: &Node, outcome: Outcome) {
        let what = format!("`{named}` compares text, and this is none");
        self.equal_to_nothing("U309", (what, quoted(node)), node, outcome);
    }

    pub(super) fn unknown_operator(&mut self, criterion: &str, entry: &Entry, known: &[&str]) {
        let help = match nearest(&entry.key, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it knows `{}`", known.join("`, `")),
        };
        let what = format!("`{criterion}` has no operator `{}`", entry.key);
        self.error("U310", &entry.key_span, what, help);
    }

    /// Every text begins with nothing, nobody is in an empty list, and what is missing is as good
    /// as empty (decision 0052).
    pub(super) fn empty_operand(&mut self, named: &str, node: &Node, effect: &str) {
        self.warning(
            "U313",
            &node.span,
            format!("`{named}` compares with nothing: {effect}"),
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

    pub(super) fn list_operand(&mut self, named: &str, node: &Node, outcome: Outcome) {
        let what = format!("`{named}` takes one value, not a list");
        let help = "for any of several, write the criterion once per value under `or`".into();
        self.equal_to_nothing("U312", (what, help), node, outcome);
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

    /// `{}`: it asks for a session, a device or a call all the same, so this is only a detour.
    pub(super) fn anything_there(&mut self, criterion: &str, node: &Node) {
        let (passes, help) = match criterion {
            "device" => ("any device that was shown", "name a `type`: `device: {type: any}`"),
            "mcp_tool" => ("a call of any tool", "name an operator, such as `in: [search, fetch]`"),
            "ssh_username" => ("any user of SSH", "name an operator, such as `is: ann`"),
            _ => {
                ("whoever signed in", "name an operator, or say it with `authenticated_user: true`")
            }
        };
        let what = format!("`{criterion}: {{}}` compares with nothing, so {passes} passes it");
        self.warning("U317", &node.span, what, help);
    }

    /// What every request passes, of somebody who is signed in and of nobody.
    pub(super) fn anything_at_all(&mut self, criterion: &str, node: &Node) {
        let what = format!("`{criterion}` compares with nothing, so every request passes it");
        self.passed_by_all("U317", node, what, "name an operator, or say it with `accept: true`");
    }

    /// The same of one about a moment that names none.
    pub(super) fn any_moment(&mut self, criterion: &str, node: &Node) {
        let what = format!("`{criterion}` names no moment, so every request passes it");
        self.passed_by_all("U350", node, what, "write `after`, `before` or both");
    }

    fn passed_by_all(&mut self, code: &'static str, node: &Node, what: String, help: &str) {
        match self.holding {
            Holding::LetsIn => self.error(code, &node.span, what, help),
            Holding::KeepsOut => self.warning(code, &node.span, what, help),
        }
    }
}

/// How to write what is no text so that it is one.
fn quoted(node: &Node) -> String {
    match node.text() {
        Some(text) => format!("if text is meant, put it in quotes: `\"{text}\"`"),
        None => "write one text; for several, use `in: [a, b]`".into(),
    }
}

/// The known word that `word` was probably meant to be.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_ascii_lowercase();
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&word, candidate), *candidate))
        .filter(|(likeness, _)| *likeness > 0.82)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}
