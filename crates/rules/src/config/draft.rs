//! What the file and the environment say, key by key.

use std::path::{Path, PathBuf};

use super::{
    Environment, Input, check, environment,
    keys::{self, Form, Key, Table, Typed, Value, global, nested},
};
use crate::{
    problem::{Place, Problem, Severity, Span},
    yaml::{self, Entry, Extent, Kind, Node, Parsed},
};

/// A config in which every key is known and of the right type, but which nobody understood yet.
#[derive(Debug)]
pub struct Draft {
    /// Keys at the top level.
    pub globals: Section,
    /// Routes in the order in which they are tried: `policy` (legacy) before `routes`.
    pub routes: Vec<Section>,
    /// What was found on the way.
    pub problems: Vec<Problem>,
    /// How much of the file was read: of its beginning alone nothing can be told that is missing.
    pub extent: Extent,
    /// Whether file and environment say nothing at all.
    pub is_empty: bool,
    /// Eight hexadecimal digits over everything that was read.
    pub fingerprint: Box<str>,
    /// Offsets at which the file's lines begin, to tell line numbers.
    pub line_starts: Vec<usize>,
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the config file.
    File,
    /// In the environment variable of this name.
    Environment(Box<str>),
}

/// One map of keys: the top level, a route, or what stands below a key.
#[derive(Debug)]
pub struct Section {
    /// The keys that are there; one that is null or an empty text is not.
    pub given: Vec<Given>,
    /// Where it stands.
    pub at: Span,
    /// Where it was written.
    pub source: Source,
}

/// One key with its value.
#[derive(Debug)]
pub struct Given {
    /// What the table says about it.
    pub key: &'static Key,
    /// Where the key stands.
    pub key_span: Span,
    /// The value as it was written.
    pub node: Node,
    /// The value, read; `None` where it was reported as wrong.
    pub value: Option<Value>,
    /// Where it was written.
    pub source: Source,
}

impl Source {
    /// The place of a span in this source. Spans into a variable's text are of no use to anybody.
    pub fn place(&self, span: &Span) -> Place {
        match self {
            Self::File => Place::File(span.clone()),
            Self::Environment(name) => Place::Environment(name.clone()),
        }
    }

    /// Moves problems that were found in a text of this source to where the operator sees it.
    pub fn relocate(&self, problems: &mut [Problem]) {
        if let Self::Environment(name) = self {
            for problem in problems {
                problem.at = Place::Environment(name.clone());
                problem.also = None;
            }
        }
    }
}

impl Given {
    /// A finding about the value.
    pub fn problem(
        &self,
        severity: Severity,
        code: &'static str,
        what: impl Into<String>,
        help: impl Into<String>,
    ) -> Problem {
        // a secret's value is not pointed at, since what is pointed at is shown
        let at = if matches!(self.key.kind, keys::Kind::Secret) {
            &self.key_span
        } else {
            &self.node.span
        };
        Problem::new(severity, code, self.source.place(at), what, help)
    }

    /// The value refuses the config.
    pub fn error(
        &self,
        code: &'static str,
        what: impl Into<String>,
        help: impl Into<String>,
    ) -> Problem {
        self.problem(Severity::Error, code, what, help)
    }

    /// The config may run with the value.
    pub fn warning(
        &self,
        code: &'static str,
        what: impl Into<String>,
        help: impl Into<String>,
    ) -> Problem {
        self.problem(Severity::Warning, code, what, help)
    }

    /// The value as text; empty for lists and maps, which were reported.
    pub fn text(&self) -> &str {
        self.node.text().unwrap_or_default()
    }
}

impl Draft {
    /// Where the config names certificates for visitors: each by its file or folder, and, with
    /// `None`, as a text in the config itself.
    pub fn certificate_places(&self) -> Vec<(Option<PathBuf>, Place)> {
        let globals = &self.globals;
        let inline = globals.given(&global::CERTIFICATE);
        let inline = inline.map(|given| (None, given.source.place(&given.key_span)));
        let single = [&global::CERTIFICATE_FILE, &global::CERTIFICATES_DIR];
        let pairs = globals.value(&global::CERTIFICATES).iter();
        let files = pairs.filter_map(|pair| pair.given(&nested::PAIR_CERT));
        let named = single.into_iter().filter_map(|key| globals.given(key)).chain(files);
        let named =
            named.map(|given| (Some(given.text().into()), given.source.place(&given.node.span)));
        inline.into_iter().chain(named).collect()
    }
}

/// Readers by key. A value of a wrong type was reported and is not there.
impl Section {
    /// A finding about all of it.
    pub fn problem(
        &self,
        severity: Severity,
        code: &'static str,
        what: impl Into<String>,
        help: impl Into<String>,
    ) -> Problem {
        Problem::new(severity, code, self.source.place(&self.at), what, help)
    }

    /// The key as it was written, to tell something about it.
    pub fn given(&self, key: &'static Key) -> Option<&Given> {
        self.given.iter().find(|given| std::ptr::eq(given.key, key))
    }

    /// What was written, read.
    pub fn get<F: Form>(&self, key: &'static Typed<F>) -> Option<F::Out<'_>> {
        let given = self.given(key)?;
        F::of(given.value.as_ref()?, &given.node)
    }

    /// What holds: what was written, or else the key's default.
    pub fn value<'s, F: Form>(&'s self, key: &'static Typed<F>) -> F::Out<'s>
    where
        F::Out<'s>: Default,
    {
        self.get(key).or_else(|| F::of_default(key.default)).unwrap_or_default()
    }
}

/// Reads file and environment. Always returns a draft; what is wrong stands in its problems.
pub fn read(input: Input<'_>, env: &Environment) -> Draft {
    let mut problems = Vec::new();
    let (root, extent) = tree(input, &mut problems);
    let mut globals = Section { given: Vec::new(), at: 0..0, source: Source::File };
    let (mut policy, mut routes) = (Vec::new(), Vec::new());
    for entry in root {
        match keys::find(keys::GLOBAL, &entry.key).map(|key| key.name) {
            Some("policy") => policy.extend(sections(&entry.value, &Source::File, &mut problems)),
            Some("routes") => routes.extend(sections(&entry.value, &Source::File, &mut problems)),
            // a shelf for anchors, as compose files have it: no option will ever begin like this
            None if entry.key.starts_with("x-") => {}
            Some(_) | None => {
                add(&mut globals, keys::GLOBAL, entry, "at the top level", &mut problems)
            }
        }
    }
    let mut over =
        environment::Overrides { globals: &mut globals, policy: &mut policy, routes: &mut routes };
    let used = over.apply(env, &mut problems);
    policy.append(&mut routes);
    Draft {
        is_empty: globals.given.is_empty() && policy.is_empty() && problems.is_empty(),
        globals,
        routes: policy,
        problems,
        extent,
        fingerprint: fingerprint(input.text, &used),
        line_starts: std::iter::once(0)
            .chain(input.text.match_indices('\n').map(|(at, _)| at + 1))
            .collect(),
    }
}

/// The entries of the file's map, as far as it can be read, beside every problem on the way.
fn tree(input: Input<'_>, problems: &mut Vec<Problem>) -> (Vec<Entry>, Extent) {
    let format = format_of(input.name);
    let Parsed { root, problems: mut found, mut extent } = match &format {
        Err(Ending::Foreign(_)) => yaml::parse(""),
        Ok(_) | Err(Ending::Unknown(_)) => yaml::parse(input.text),
    };
    match format {
        Err(ending) => problems.push(ending.told()),
        Ok(Format::Yaml) => {}
        Ok(Format::Json) => {
            if let Some(problem) = not_json(input.text) {
                found.retain(|other| other.code != "U101"); // the same in other words
                found.push(problem);
                extent = Extent::Beginning;
            }
        }
    }
    problems.append(&mut found);
    let entries = match root.kind {
        Kind::Map(entries) => entries,
        Kind::Scalar { .. } | Kind::List(_) => {
            if extent == Extent::Whole && !root.is_null() {
                problems.push(Problem::error(
                    "U106",
                    root.span,
                    "a config is a map of keys",
                    "begin with lines such as `routes:`",
                ));
            }
            Vec::new()
        }
    };
    (entries, extent)
}

/// What a file is written in.
enum Format {
    Yaml,
    Json,
}

/// An ending that is refused.
enum Ending<'a> {
    /// A format that Pomerium reads.
    Foreign(&'a str),
    /// Nobody's; what is in it may well be YAML.
    Unknown(&'a str),
}

/// The format is told by the file's ending, as Pomerium does it.
fn format_of(name: Option<&str>) -> Result<Format, Ending<'_>> {
    let Some(name) = name else { return Ok(Format::Yaml) };
    match Path::new(name).extension().and_then(|ending| ending.to_str()) {
        Some("yaml" | "yml") => Ok(Format::Yaml),
        Some("json") => Ok(Format::Json),
        Some(ending @ ("toml" | "env" | "dotenv")) => Err(Ending::Foreign(ending)),
        other => Err(Ending::Unknown(other.unwrap_or_default())),
    }
}

impl Ending<'_> {
    fn told(&self) -> Problem {
        let (ending, help) = match self {
            Self::Foreign(ending) => {
                (ending, "Pomerium reads this format, usher does not: write it as YAML")
            }
            Self::Unknown(ending) => (ending, "rename it"),
        };
        let what = format!("a config file ends in `.yaml`, `.yml` or `.json`, not in `{ending}`");
        Problem::new(Severity::Error, "U105", Place::Whole, what, help)
    }
}

/// Why a text is not JSON.
fn not_json(text: &str) -> Option<Problem> {
    if text.trim().is_empty() {
        return None;
    }
    let read = serde_json::from_str::<serde::de::IgnoredAny>(text.trim_start_matches('\u{feff}'));
    let error = read.err()?;
    let line_start: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let mut at = (line_start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let words = error.to_string();
    let words = words.split(" at line").next().unwrap_or_default();
    Some(Problem::error(
        "U107",
        at..at,
        format!("this is not JSON: {words}"),
        "correct it, or rename the file to `.yaml`",
    ))
}

/// Routes: a list of maps, or one map alone.
pub(super) fn sections(node: &Node, source: &Source, problems: &mut Vec<Problem>) -> Vec<Section> {
    let mut found = Vec::new();
    let mut out = Vec::new();
    match &node.kind {
        Kind::List(items) => {
            items.iter().for_each(|item| out.extend(section(item, source, &mut found)))
        }
        Kind::Map(_) => out.extend(section(node, source, &mut found)),
        Kind::Scalar { text, .. } if node.is_null() || text.is_empty() => {}
        Kind::Scalar { .. } => found.push(no_route(node)),
    }
    source.relocate(&mut found);
    problems.append(&mut found);
    out
}

fn section(node: &Node, source: &Source, problems: &mut Vec<Problem>) -> Option<Section> {
    let Kind::Map(entries) = &node.kind else {
        problems.push(no_route(node));
        return None;
    };
    if let Some(named) = routes_by_name(entries) {
        problems.push(named);
        return None;
    }
    let mut section = Section { given: Vec::new(), at: node.span.clone(), source: source.clone() };
    for entry in entries {
        add(&mut section, keys::ROUTE, entry.clone(), "in a route", problems);
    }
    Some(section)
}

fn no_route(node: &Node) -> Problem {
    let written = match &node.kind {
        Kind::Scalar { text, .. } => &**text,
        Kind::Map(_) | Kind::List(_) => "",
    };
    let without_blank = written
        .split_once(':')
        .is_some_and(|(key, rest)| keys::find(keys::ROUTE, key).is_some() && !rest.is_empty());
    let help = if without_blank {
        "a blank is missing after the `:` of its key"
    } else {
        "a route is a map: `- from: …`, then `to: …`"
    };
    Problem::error("U108", node.span.clone(), "this is not a route", help)
}

/// `routes:` as a map from names to routes, as other proxies have it.
fn routes_by_name(entries: &[Entry]) -> Option<Problem> {
    let is_route = |entry: &Entry| {
        keys::find(keys::ROUTE, &entry.key).is_none() && entry.value.get("from").is_some()
    };
    let first = entries.first()?;
    entries.iter().all(is_route).then(|| {
        Problem::error(
            "U108",
            first.key_span.clone(),
            "`routes` is a list, and this is a map of names",
            format!(
                "write `- name: {}`, and its other keys below `name`",
                check::shown(&first.key)
            ),
        )
    })
}

pub(super) fn add(
    section: &mut Section,
    table: Table,
    entry: Entry,
    place: &str,
    problems: &mut Vec<Problem>,
) {
    match keys::find(table, &entry.key) {
        None => problems.push(check::unknown(table, &entry, place)),
        Some(key) => section.given.extend(check::read(key, entry, &section.source, problems)),
    }
}

fn fingerprint(text: &str, used: &[(&str, &str)]) -> Box<str> {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    context.update(text.as_bytes());
    for (name, value) in used {
        for part in [*name, "=", *value, "\n"] {
            context.update(part.as_bytes());
        }
    }
    context
        .finish()
        .as_ref()
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>()
        .into()
}
