//! What the file and the environment say, key by key.

use std::path::PathBuf;

use super::{
    Environment, Input, dotenv, entry, environment,
    format::{self, Format},
    keys::{self, Form, Key, Table, Typed, Value, global, nested},
    toml,
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
    /// The keys that were written with an empty text.
    pub blank: Vec<&'static Key>,
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
    /// A map without keys.
    pub(super) const fn new(at: Span, source: Source) -> Self {
        Self { given: Vec::new(), blank: Vec::new(), at, source }
    }

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
        self.given.iter().find(|given| given.key.is(key))
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
    let File { entries, variables, extent } = tree(input, &mut problems);
    let mut globals = Section::new(0..0, Source::File);
    let (mut policy, mut routes) = (Vec::new(), Vec::new());
    for entry in without_dots(entries, &mut problems) {
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
    over.apply(&variables, &mut problems);
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

/// What a file holds, as far as it can be read.
struct File {
    entries: Vec<Entry>,
    /// Of a `.env` file, which is nothing but variables.
    variables: Environment,
    extent: Extent,
}

/// Reads the file in its format, beside every problem on the way.
fn tree(input: Input<'_>, problems: &mut Vec<Problem>) -> File {
    let format = format::of(input.name).unwrap_or_else(|problem| {
        problems.push(problem);
        Format::Yaml // what is in it may well be
    });
    let Parsed { root, problems: mut found, extent } = match format {
        Format::Yaml => yaml::parse(input.text),
        Format::Json => format::json(input.text),
        Format::Toml => toml::parse(input.text),
        Format::Variables => {
            let variables = dotenv::variables(input.text, problems);
            return File { entries: Vec::new(), variables, extent: Extent::Whole };
        }
    };
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
    File { entries, variables: Environment::new(), extent }
}

/// `downstream_mtls.enforcement: policy` at the top level is `enforcement` in `downstream_mtls`.
fn without_dots(entries: Vec<Entry>, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let (dotted, mut plain): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| {
        let head = entry.key.split_once('.').and_then(|(head, _)| keys::find(keys::GLOBAL, head));
        head.is_some_and(|key| {
            matches!(key.kind, keys::Kind::Object(_) | keys::Kind::Map | keys::Kind::MapOrList)
        })
    });
    for Entry { key, key_span, value } in dotted {
        let Some((head, rest)) = key.split_once('.') else { continue };
        let inner = Entry { key: rest.into(), key_span: key_span.clone(), value };
        let beside = plain.iter_mut().find(|entry| entry.is(head));
        match beside.map(|entry| &mut entry.value.kind) {
            Some(Kind::Map(entries)) => {
                entries.push(inner);
                problems.extend(yaml::twins(entries));
            }
            Some(Kind::List(_) | Kind::Scalar { .. }) => problems.push(Problem::error(
                "U104",
                key_span,
                format!("`{key}` stands beside a `{head}` that is no map"),
                "write one of the two",
            )),
            None => {
                let value = Node { span: key_span.clone(), kind: Kind::Map(vec![inner]) };
                plain.push(Entry { key: head.into(), key_span, value });
            }
        }
    }
    plain
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
    let mut section = Section::new(node.span.clone(), source.clone());
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
    // `jellyfin` is a key, too: one that has no `from`.
    let is_name = |entry: &Entry| match keys::find(keys::ROUTE, &entry.key).map(|key| key.kind) {
        None => true,
        Some(keys::Kind::Object(table)) => keys::find(table, "from").is_none(),
        Some(_) => false,
    };
    let is_route = |entry: &Entry| is_name(entry) && entry.value.get("from").is_some();
    let first = entries.first()?;
    entries.iter().all(is_route).then(|| {
        Problem::error(
            "U108",
            first.key_span.clone(),
            "`routes` is a list, and this is a map of names",
            format!(
                "write `- name: {}`, and its other keys below `name`",
                entry::shown(&first.key)
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
        None => problems.push(entry::unknown(table, &entry, place)),
        Some(key) => {
            if entry.value.text() == Some("") && !entry.value.is_null() {
                section.blank.push(key);
            }
            section.given.extend(entry::read(key, entry, &section.source, problems));
        }
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
