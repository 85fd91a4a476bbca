//! Environment variables beat the file, as in Pomerium (`pomerium-config.md` §1.2,
//! `pomerium-policy-measured.md` 46).

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    Environment,
    draft::{self, Given, Section, Source},
    entry,
    keys::{self, Key, Kind, Value, global, nested},
};
use crate::{
    problem::{Place, Problem, Severity},
    yaml::{self, Entry, Extent, Node, Parsed, Style},
};

/// The one map whose keys have variables of their own.
const MTLS_PREFIX: &str = "DOWNSTREAM_MTLS_";

/// Variables that set keys.
pub(super) struct Overrides<'a> {
    pub globals: &'a mut Section,
    pub policy: &'a mut Vec<Section>,
    pub routes: &'a mut Vec<Section>,
}

impl Overrides<'_> {
    /// Applies every variable that has a key; returns those that counted.
    ///
    /// A variable that is empty counts as unset.
    pub(super) fn apply<'e>(
        &mut self,
        env: &'e Environment,
        problems: &mut Vec<Problem>,
    ) -> Vec<(&'e str, &'e str)> {
        let mut used = Vec::new();
        for (name, value) in env {
            if value.is_empty() || name.bytes().any(|b| b.is_ascii_lowercase()) {
                continue;
            }
            let mut found = Vec::new();
            if self.take(name, value, &mut found) {
                Source::Environment(name.as_str().into()).relocate(&mut found);
                used.push((name.as_str(), value.as_str()));
            }
            problems.append(&mut found);
        }
        used
    }

    fn take(&mut self, name: &str, value: &str, problems: &mut Vec<Problem>) -> bool {
        let source = Source::Environment(name.into());
        match name {
            "ROUTES" => *self.routes = routes(value, &source, problems),
            "POLICY" => {
                let mut before = routes(value, &source, problems);
                before.append(self.policy);
                *self.policy = before;
            }
            _ if name.starts_with(MTLS_PREFIX) => self.take_mtls(name, value, &source, problems),
            _ => {
                let Some(key) = bound_to(name) else { return false };
                match node_of(key, value) {
                    Ok(node) => self.set(key, node, source, problems),
                    Err((what, help)) => problems.push(unreadable(name, &what, help)),
                }
            }
        }
        true
    }

    /// One key of `downstream_mtls`, beside those of the file: a map of its own would drop these, and
    /// with them whom the file keeps out.
    fn take_mtls(&mut self, name: &str, value: &str, source: &Source, problems: &mut Vec<Problem>) {
        let nested = name.trim_start_matches(MTLS_PREFIX).to_ascii_lowercase();
        let value = match keys::find(nested::DOWNSTREAM_MTLS, &nested).map(|key| key.kind) {
            Some(Kind::Any) => match json(value) {
                Ok(node) => node,
                Err(what) => {
                    let help = "write it as JSON: `[{\"dns\": \"laptop\\\\.example\\\\.com\"}]`";
                    return problems.push(unreadable(name, &what, help));
                }
            },
            Some(_) | None => quoted(value),
        };
        let key: &'static Key = &global::DOWNSTREAM_MTLS;
        let entry = Entry { key: nested.into(), key_span: 0..0, value };
        let node = Node { span: 0..0, kind: yaml::Kind::Map(vec![entry]) };
        let entry = Entry { key: key.name.into(), key_span: 0..0, value: node };
        let Some(new) = entry::read(key, entry, source, problems) else { return };
        let known = self.globals.given.iter_mut().find(|given| given.key.is(key));
        match (known.map(|given| &mut given.value), new.value) {
            (Some(Some(Value::Object(known))), Some(Value::Object(new))) => {
                let replaced = |one: &Given| new.given.iter().any(|n| n.key.is(one.key));
                known.given.retain(|one| !replaced(one));
                known.given.extend(new.given);
            }
            (Some(_), _) => {} // what stands in the file was reported
            (None, value) => self.globals.given.push(Given { value, ..new }),
        }
    }

    fn set(&mut self, key: &'static Key, value: Node, source: Source, problems: &mut Vec<Problem>) {
        self.globals.given.retain(|given| !given.key.is(key));
        let entry = Entry { key: key.name.into(), key_span: 0..0, value };
        self.globals.given.extend(entry::read(key, entry, &source, problems));
    }
}

/// The key whose variable this is.
fn bound_to(variable: &str) -> Option<&'static Key> {
    keys::GLOBAL.iter().copied().find(|key| match key.variable {
        "" => key.name.eq_ignore_ascii_case(variable),
        own => own == variable,
    })
}

/// A variable's text as the node that a file would have: quoted, so that bare numbers are not
/// taken for nanoseconds; maps as JSON.
fn node_of(key: &Key, value: &str) -> Result<Node, (String, &'static str)> {
    match key.kind {
        Kind::Map if key.variable == "HEADERS" => {
            headers(value).map_err(|what| (what, "write JSON, or `Name:Value,Name2:Value2`"))
        }
        Kind::Map | Kind::Object(_) | Kind::Objects(_) => {
            json(value).map_err(|what| (what, "write it as JSON: `{\"name\": \"value\"}`"))
        }
        Kind::MapOrList => {
            let names = value.split([',', ' ', '\t', '\n']).filter(|name| !name.is_empty());
            Ok(Node { span: 0..0, kind: yaml::Kind::List(names.map(quoted).collect()) })
        }
        Kind::Text
        | Kind::Secret
        | Kind::Bool
        | Kind::Duration
        | Kind::Int(..)
        | Kind::List
        | Kind::FullList
        | Kind::Word(..)
        | Kind::Routes
        | Kind::Any => Ok(quoted(value)),
    }
}

fn json(value: &str) -> Result<Node, String> {
    serde_json::from_str::<serde::de::IgnoredAny>(value)
        .map_err(|error| format!("it is not JSON: {error}"))?;
    yaml::parse(value).clean().map_err(|found| {
        found.into_iter().next().map_or_else(|| "it is not JSON".to_owned(), |first| first.what)
    })
}

fn quoted(text: &str) -> Node {
    Node { span: 0..0, kind: yaml::Kind::Scalar { text: text.into(), style: Style::Quoted } }
}

/// `ROUTES` and `POLICY`: a list of routes as YAML, in base64.
fn routes(value: &str, source: &Source, problems: &mut Vec<Problem>) -> Vec<Section> {
    let name = if let Source::Environment(name) = source { name } else { "" };
    let help = "encode a YAML list of routes: `base64 -w0 routes.yaml`";
    let Some(text) = STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok())
    else {
        problems.push(unreadable(name, "it is not text in base64", help));
        return Vec::new();
    };
    let Parsed { root, problems: found, extent } = yaml::parse(&text);
    problems.extend(found.iter().map(|problem| unreadable(name, &problem.what, help)));
    if extent == Extent::Beginning {
        return Vec::new(); // the rest would be missed in its last route
    }
    if !matches!(root.kind, yaml::Kind::List(_)) {
        problems.push(unreadable(name, "it holds no list", help));
        return Vec::new();
    }
    draft::sections(&root, source, problems)
}

/// `HEADERS`: a JSON object, or `Name:Value,Name2:Value2`.
fn headers(value: &str) -> Result<Node, String> {
    if value.trim_start().starts_with('{') {
        return json(value);
    }
    let mut entries = Vec::new();
    for pair in value.split(',') {
        match pair.split(':').collect::<Vec<_>>().as_slice() {
            [name, value] => {
                entries.push(Entry { key: (*name).into(), key_span: 0..0, value: quoted(value) });
            }
            // not shown: it may be a secret
            _ => return Err("an entry of it is not `Name:Value`".to_owned()),
        }
    }
    Ok(Node { span: 0..0, kind: yaml::Kind::Map(entries) })
}

fn unreadable(name: &str, why: &str, help: &str) -> Problem {
    let place = Place::Environment(name.into());
    Problem::new(Severity::Error, "U109", place, format!("`{name}` can't be read: {why}"), help)
}
