use super::{About, Criterion, ENTRIES, LATER, Question, SubPath};
use crate::policy::{
    matcher::{ListMatch, TextMatch, value_of},
    report::{Report, nearest},
};
use crate::{
    problem::Span,
    yaml::{Kind, Node, Style},
};

/// A criterion as it stands in a rule: `name: data` or `name/path: data`.
pub(in crate::policy) struct Written<'a> {
    /// The whole of it.
    pub(super) name: &'a str,
    /// What follows the `/`, where there is one.
    pub(super) path: Option<&'a str>,
    pub(super) at: &'a Span,
    pub(super) data: &'a Node,
}

/// What is known of a criterion before one is read.
pub(in crate::policy) struct Entry {
    name: &'static str,
    meant: &'static [(&'static str, &'static str)],
    path: SubPath,
    read: fn(&Written<'_>, &mut Report<'_>) -> Option<Criterion>,
}

impl Entry {
    pub(super) const fn of<Q: Question + Into<Criterion>>() -> Self {
        Self {
            name: Q::NAME,
            meant: Q::MEANT,
            path: Q::PATH,
            read: |written, report| Q::read(written, report).map(Into::into),
        }
    }
}

impl Criterion {
    /// Reads `name: data` as it stands in a rule. `None` when something is wrong with it.
    pub(in crate::policy) fn read(
        written: &str,
        at: &Span,
        data: &Node,
        report: &mut Report<'_>,
    ) -> Option<Self> {
        let (name, path) = match written.split_once('/') {
            Some((name, path)) => (name, Some(path)),
            None => (written, None),
        };
        let name = name.to_ascii_lowercase();
        let Some(entry) = entries().find(|entry| entry.name == name) else {
            unknown(written, &name, at, report);
            return None;
        };
        let name = match (entry.path, path) {
            (SubPath::With, _) => written,
            (SubPath::Without, None) => entry.name,
            (SubPath::Without, Some(_)) => {
                let what = format!("`{written}`: only `claim` has a name after the `/`");
                report.error("U316", at, what, format!("write `{name}`"));
                return None;
            }
        };
        (entry.read)(&Written { name, path, at, data }, report)
    }
}

fn entries() -> impl Iterator<Item = &'static Entry> {
    ENTRIES.iter().copied().flatten()
}

impl Written<'_> {
    /// `accept: false` accepts: the value has no meaning (`pomerium-policy-measured.md` 25).
    pub(super) fn without_operand(&self, report: &mut Report<'_>) {
        let says_no = matches!(&self.data.kind, Kind::Scalar { text, style: Style::Plain }
            if text.eq_ignore_ascii_case("false"));
        if says_no {
            report.warning(
                "U319",
                &self.data.span,
                format!("`{0}: false` means the same as `{0}: true`", self.name),
                "to take it back, delete the line",
            );
        } else if self.narrows() {
            report.warning(
                "U553",
                &self.data.span,
                format!("`{}` looks at no value: what is written here narrows nothing", self.name),
                format!("write `{}: true`, and what is meant as a criterion of its own", self.name),
            );
        }
    }

    /// Is a value written as if somebody were chosen by it: a map, a list, a text?
    fn narrows(&self) -> bool {
        match &self.data.kind {
            Kind::Map(entries) => !entries.is_empty(),
            Kind::List(items) => !items.is_empty(),
            Kind::Scalar { .. } => {
                value_of(self.data).as_str().is_some_and(|text| !text.is_empty())
            }
        }
    }

    /// A text or operators on text.
    pub(super) fn text<Q: Question>(&self, report: &mut Report<'_>) -> Option<TextMatch> {
        let read = TextMatch::read(self.name, self.data, report)?;
        if Q::ABOUT == About::Request && read.takes_everything() {
            report.anything_at_all(self.name, self.data);
        } else {
            self.note_empty_map(report);
        }
        Some(read)
    }

    /// A value or operators on lists.
    pub(super) fn list(&self, report: &mut Report<'_>) -> Option<ListMatch> {
        self.note_empty_map(report);
        ListMatch::read(self.name, self.data, report)
    }

    /// `{}`: whatever it is about passes, if it is there.
    fn note_empty_map(&self, report: &mut Report<'_>) {
        if matches!(&self.data.kind, Kind::Map(entries) if entries.is_empty()) {
            report.anything_there(self.name, self.data);
        }
    }
}

/// A text that is one, also without quotes.
pub(super) fn one_text(node: &Node) -> Option<&str> {
    node.text().filter(|_| value_of(node).is_string())
}

fn unknown(written: &str, name: &str, at: &Span, report: &mut Report<'_>) {
    if LATER.iter().copied().flatten().any(|later| *later == name) {
        report.error(
            "U305",
            at,
            format!("`{written}` is not supported yet, and dropping it would let more people in"),
            "say it with other criteria, or remove the route",
        );
        return;
    }
    let what = format!("there is no criterion `{written}`");
    if matches!(name, "and" | "or" | "not" | "nor" | "allow" | "deny") {
        report.error("U308", at, what, "operators do not nest: write a second rule in the list");
        return;
    }
    let mut known: Vec<&str> = entries().map(|entry| entry.name).collect();
    known.sort_unstable();
    let meant = entries().flat_map(|entry| entry.meant).find(|(wrong, _)| *wrong == name);
    let help = match meant.map(|(_, right)| *right).or_else(|| nearest(name, &known)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are `{}`", known.join("`, `")),
    };
    report.error("U308", at, what, help);
}
