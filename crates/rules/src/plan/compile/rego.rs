//! Rules in Rego, as a route's `sub_policies` hold them: where its mistakes stand in the config.

use super::Compiler;
use crate::{
    config::{
        Given, Source,
        keys::{nested, route},
    },
    policy::rego::{self, Compiled, Mistake, MistakeKind, Script},
    problem::{Place, Problem, Severity, Span},
    yaml::{Kind, Node},
};

/// What it takes to compile modules.
#[derive(Clone, Copy)]
pub(super) struct Rego<'a> {
    /// `None` where the build has none.
    pub(super) compiler: Option<&'a dyn rego::Compiler>,
    /// Where the lines of the file begin.
    pub(super) line_starts: &'a [usize],
}

impl Compiler<'_> {
    /// Every module, in the order in which Pomerium asks them. Those without a text are none.
    ///
    /// A module that is not compiled is an error: what it denies would be let in.
    pub(super) fn rego(&mut self, rego: Rego<'_>) -> Vec<Script> {
        let mut scripts = Vec::new();
        for (sub, keys) in self.keys.value(&route::SUB_POLICIES).iter().enumerate() {
            let Some(given) = keys.given(&nested::SUB_REGO) else { continue };
            for (index, node) in modules(given).iter().enumerate() {
                let name = format!("sub_policies[{sub}].rego[{index}]");
                scripts.extend(self.module(given, node, &name, rego));
            }
        }
        scripts
    }

    fn module(
        &mut self,
        given: &Given,
        node: &Node,
        name: &str,
        Rego { compiler, line_starts }: Rego<'_>,
    ) -> Option<Script> {
        let Some(text) = node.text().filter(|_| given.node.text().is_none_or(is_one_module)) else {
            let help =
                "put a `- ` in front of each module, also when there is one: `rego: [\"…\"]`";
            let mut problem = given.error("U200", "`rego` is a list of modules", help);
            problem.at = given.source.place(&node.span);
            self.report(problem);
            return None;
        };
        if text.is_empty() || node.is_null() {
            return None;
        }
        let Some(compiler) = compiler else {
            self.report(not_built_in(given));
            return None;
        };
        let Compiled { module, mistakes } = compiler.compile(text);
        for mistake in mistakes {
            let span = match given.source {
                Source::File => place(node, text, mistake.at, line_starts),
                Source::Environment(_) => node.span.clone(),
            };
            self.report(problem(mistake, given.source.place(&span)));
        }
        Some(Script { name: name.into(), span: node.span.clone(), module: module? })
    }
}

/// A text alone is one, unless Pomerium would cut it at its commas.
fn is_one_module(text: &str) -> bool {
    !text.contains(',')
}

fn modules(given: &Given) -> &[Node] {
    match &given.node.kind {
        Kind::List(items) => items,
        Kind::Scalar { .. } | Kind::Map(_) => std::slice::from_ref(&given.node),
    }
}

fn not_built_in(given: &Given) -> Problem {
    let place = given.source.place(&given.key_span);
    let what = "`rego` is not in this build, and dropping it would let more people in";
    let help = "in Pomerium, it holds further rules, which may deny. Build usher with \
                `--features rego`, or take it out if that is not needed";
    Problem::new(Severity::Error, "U122", place, what, help)
}

fn problem(Mistake { kind, at, what }: Mistake, place: Place) -> Problem {
    let (severity, code, help) = match kind {
        MistakeKind::Invalid => {
            (Severity::Error, "U356", "mend it there; `opa check` reads the same language")
        }
        MistakeKind::Package => (
            Severity::Warning,
            "U357",
            "write `package pomerium.policy`, or leave the line out: as it is, every request of this \
             route is a 500, in Pomerium too",
        ),
        MistakeKind::Unavailable => (
            Severity::Error,
            "U358",
            "do without it; what a module is told is on the page of policies, under Rego",
        ),
        MistakeKind::SaysNothing => {
            (Severity::Warning, "U359", "write a rule `allow` or `deny`, or delete the module")
        }
    };
    let within = at.map(|(line, column)| format!(", at {line}:{column} of the module"));
    Problem::new(severity, code, place, what + &within.unwrap_or_default(), help)
}

/// Where a line and column of a module stand in the file; the whole module where that can't be told,
/// as of texts with escapes.
fn place(node: &Node, text: &str, at: Option<(usize, usize)>, line_starts: &[usize]) -> Span {
    at.and_then(|at| exact(node, text, at, line_starts)).unwrap_or_else(|| node.span.clone())
}

fn exact(
    node: &Node,
    text: &str,
    (line, column): (usize, usize),
    line_starts: &[usize],
) -> Option<Span> {
    let written = text.split('\n').nth(line.checked_sub(1)?)?;
    let in_line =
        written.char_indices().nth(column.checked_sub(1)?).map_or(written.len(), |(at, _)| at);
    let start = if text.contains('\n') {
        // A block: it begins with its first line that is not empty, and each stands behind the same
        // indentation. Quoted texts of several lines do not.
        let empty = text.split('\n').take_while(|line| line.is_empty()).count();
        let first =
            line_starts.partition_point(|start| *start <= node.span.start).checked_sub(1)?;
        let here = (first + line - 1).checked_sub(empty)?;
        let begins = line_starts.get(here)?;
        let next = line_starts.get(here + 1).copied().unwrap_or(node.span.end);
        let indentation = next.checked_sub(begins + written.len() + 1)?;
        let is_block = line_starts.get(first)? + indentation == node.span.start;
        is_block.then(|| begins + indentation + in_line)?
    } else {
        match node.span.len().checked_sub(text.len())? {
            0 => node.span.start + in_line,
            2 => node.span.start + 1 + in_line, // its quotes
            _ => return None,
        }
    };
    (start < node.span.end).then(|| start..start + 1)
}
