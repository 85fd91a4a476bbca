//! Reads one entry of a config: its value, once, by its key's kind, and what its key's fate says of it.

use std::time::Duration;

use super::{
    draft::{self, Given, Section, Source},
    keys::{self, AnyCase, Fate, Key, Kind, Loss, Table, Value},
    values::{self, Wrong},
};
use crate::{
    config::duration,
    problem::{Place, Problem, Severity, Span},
    yaml::{self, Entry, Node},
};

/// Does [`values::NOT_SHOWN`] stand in a value, or in a part of one? Keys below it tell it themselves.
fn is_left_out(key: &Key, node: &Node) -> bool {
    match &node.kind {
        _ if matches!(key.kind, Kind::Object(_) | Kind::Objects(_) | Kind::Routes) => false,
        yaml::Kind::Scalar { text, .. } => text.contains(values::NOT_SHOWN),
        yaml::Kind::List(items) => items.iter().any(|item| is_left_out(key, item)),
        yaml::Kind::Map(entries) => entries.iter().any(|entry| is_left_out(key, &entry.value)),
    }
}

/// Reads one known key: its value by the key's kind, then the key's fate. Nothing for what is as
/// good as absent.
pub(super) fn read(
    key: &'static Key,
    entry: Entry,
    source: &Source,
    problems: &mut Vec<Problem>,
) -> Option<Given> {
    let Entry { key_span, value: node, .. } = entry;
    problems.extend(open_guard(key, &key_span, &node));
    if node.is_null() {
        return None;
    }
    let before = problems.len();
    let value = value(key, &node, source, problems);
    if value.is_some() && is_left_out(key, &node) {
        problems.push(Problem::error(
            "U233",
            key_span.clone(),
            format!("`{}` is not the secret: `usher check --effective` shows none", key.name),
            "write the secret in its place, or name a file that holds it",
        ));
    }
    if value.is_some() {
        let broken = key.rule.broken(&node);
        problems.extend(broken.map(|wrong| wrong.about(key.name)));
    }
    if problems.len() > before {
        check_fate(key, &key_span, problems);
    } else if let Fate::Fixed(ours, lost) = key.fate {
        judge_value(key, (ours, lost), &node, problems);
    } else if !says_nothing(key.kind, &node) {
        check_fate(key, &key_span, problems);
    }
    let is_there = match (&value, key.kind) {
        (Some(Value::Text(text)), _) => !text.is_empty(),
        (Some(Value::Word(word, _)), _) => !word.is_empty(),
        (None, Kind::Text | Kind::Secret) => false, // a list: nothing more is said about it
        (_, _) => true,
    };
    is_there.then(|| Given { key, key_span, node, value, source: source.clone() })
}

/// A guard that is there and empty, as a template without its value leaves it.
fn open_guard(key: &Key, at: &Span, node: &Node) -> Option<Problem> {
    let is_empty = node.is_null() || says_nothing(key.kind, node);
    (is_empty && key.opens_when_empty()).then(|| {
        let what = format!("`{}` is empty, so that it keeps nobody out", key.name);
        Problem::warning("U480", at.clone(), what, "write a value, or delete the line")
    })
}

/// `false`, an empty text, list or map: the key is as good as absent.
fn says_nothing(kind: Kind, node: &Node) -> bool {
    match (&node.kind, kind) {
        (yaml::Kind::Scalar { .. }, Kind::Bool) => matches!(values::bool(node), Ok(false)),
        (yaml::Kind::Scalar { text, .. }, Kind::Any) => matches!(&**text, "" | "false"),
        (yaml::Kind::Scalar { text, .. }, _) => text.is_empty(),
        (yaml::Kind::List(items), _) => items.is_empty(),
        (yaml::Kind::Map(entries), _) => entries.is_empty(),
    }
}

/// The value asks for what is done anyway, or for something that is lost.
fn judge_value(
    key: &'static Key,
    (ours, lost): (&'static [&'static str], &'static str),
    node: &Node,
    problems: &mut Vec<Problem>,
) {
    let written = match (key.kind, &node.kind) {
        (Kind::Bool, _) => values::bool(node).map(|on| on.to_string()).unwrap_or_default(),
        (_, yaml::Kind::Scalar { text, .. }) => text.to_string(),
        (_, yaml::Kind::List(_) | yaml::Kind::Map(_)) => "…".to_owned(),
    };
    if ours.iter().any(|value| value.eq_ignore_ascii_case(&written)) {
        return;
    }
    let name = key.name;
    let help = match ours.iter().find(|value| !value.is_empty()) {
        Some(value) => format!("write `{name}: {value}`, or delete the line"),
        None => "delete the line".to_owned(),
    };
    problems.push(Problem::warning(
        "U121",
        node.span.clone(),
        format!("`{name}: {written}` is not supported: {lost}"),
        help,
    ));
}

fn check_fate(key: &'static Key, at: &Span, problems: &mut Vec<Problem>) {
    let name = key.name;
    let problem = match key.fate {
        Fate::Supported | Fate::Own | Fate::Fixed(..) => return,
        Fate::NoEffect(why) => Problem::warning(
            "U120",
            at.clone(),
            format!("`{name}` has no effect here: {why}"),
            "delete it",
        ),
        Fate::NotYet(lost) => Problem::warning(
            "U121",
            at.clone(),
            format!("`{name}` is not supported yet: {lost}"),
            "delete it, or leave it for the day when it is",
        ),
        Fate::Refused(does) => Problem::error(
            "U122",
            at.clone(),
            format!("`{name}` is not supported yet, and dropping it would let more people in"),
            format!(
                "in Pomerium, {does}. Take it out if that is not needed, or keep it on Pomerium"
            ),
        ),
        Fate::Removed(way) => Problem::error(
            "U111",
            at.clone(),
            format!("`{name}` is no longer a key of Pomerium"),
            format!("delete it: {way}"),
        ),
    };
    problems.push(problem);
}

fn value(
    key: &'static Key,
    node: &Node,
    source: &Source,
    problems: &mut Vec<Problem>,
) -> Option<Value> {
    let outcome = match key.kind {
        Kind::Text | Kind::Secret => text(key, node, problems).map(|text| Value::Text(text.into())),
        Kind::Bool => values::bool(node).map(Value::Bool),
        Kind::Duration => span_of_time(key.name, node, problems).map(Value::Duration),
        Kind::Int(least, most) => values::int(node, (least, most)).map(Value::Int),
        Kind::List => values::list(node).map(Value::List),
        Kind::FullList => values::full_list(node).map(Value::List),
        Kind::Map => pairs(node, source).map(Value::Map),
        Kind::MapOrList => match node.kind {
            yaml::Kind::Map(_) => pairs(node, source).map(Value::Map),
            yaml::Kind::List(_) | yaml::Kind::Scalar { .. } => values::names(node).map(Value::List),
        },
        Kind::Word(words, case) => {
            values::word(node, words, case == AnyCase::Yes).map(|(word, at)| Value::Word(word, at))
        }
        Kind::Object(table) => {
            return object(key.name, table, node, source, problems).map(Value::Object);
        }
        Kind::Objects(table) => {
            let items = match &node.kind {
                yaml::Kind::List(items) => items.as_slice(),
                yaml::Kind::Map(_) | yaml::Kind::Scalar { .. } => std::slice::from_ref(node),
            };
            let sections = items.iter().map(|item| object(key.name, table, item, source, problems));
            return sections
                .collect::<Vec<_>>()
                .into_iter()
                .collect::<Option<_>>()
                .map(Value::Objects);
        }
        Kind::Routes | Kind::Any => Ok(Value::Any),
    };
    outcome.map_err(|wrong| problems.push(wrong.about(key.name))).ok()
}

/// One text, and what there is to say about it.
fn text<'n>(key: &Key, node: &'n Node, problems: &mut Vec<Problem>) -> Result<&'n str, Wrong> {
    let text = values::exact_text(node)?;
    if is_variable(text) {
        problems.push(not_replaced(key.name, node));
    }
    if text.is_empty() && !key.default.is_empty() {
        problems.push(Problem::warning(
            "U231",
            node.span.clone(),
            format!("`{}` is empty, so that `{}` holds", key.name, key.default),
            "write a value, or delete the line",
        ));
    }
    Ok(text)
}

/// A map of texts. The names in a file have no case, like all of its keys: they are small.
fn pairs(node: &Node, source: &Source) -> Result<Vec<(values::Text, values::Text)>, Wrong> {
    let mut pairs = values::pairs(node)?;
    if *source == Source::File {
        for (name, _) in &mut pairs {
            name.text = name.text.to_ascii_lowercase().into();
        }
    }
    Ok(pairs)
}

/// `${NAME}` or `$NAME` and nothing else, as shells and Compose files have it.
fn is_variable(text: &str) -> bool {
    let Some(rest) = text.trim().strip_prefix('$') else { return false };
    let name = rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(rest);
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(is_letter) && name.chars().any(|c| c.is_ascii_uppercase())
}

fn not_replaced(name: &str, node: &Node) -> Problem {
    let variable = name.to_ascii_uppercase();
    Problem::warning(
        "U218",
        node.span.clone(),
        format!("`{name}` is taken as it stands: no variable is put in its place"),
        match keys::find(keys::GLOBAL, name) {
            Some(_) => format!("delete the line, and set `{variable}` in usher's environment"),
            None => "write the value itself".to_owned(),
        },
    )
}

fn object(
    name: &str,
    table: Table,
    node: &Node,
    source: &Source,
    problems: &mut Vec<Problem>,
) -> Option<Section> {
    let yaml::Kind::Map(entries) = &node.kind else {
        let keys: Vec<String> = table.iter().map(|key| format!("`{}`", key.name)).collect();
        problems.push(Problem::error(
            "U200",
            node.span.clone(),
            format!("`{name}` is a map"),
            format!("its keys are {}", keys.join(", ")),
        ));
        return None;
    };
    let mut section = Section::new(node.span.clone(), source.clone());
    for entry in entries {
        draft::add(&mut section, table, entry.clone(), &format!("in `{name}`"), problems);
    }
    Some(section)
}

/// A key that nobody knows, with the one that was probably meant. It is left out, as Pomerium does
/// it, but where it may have been meant to keep people out.
pub(super) fn unknown(table: Table, entry: &Entry, place: &str) -> Problem {
    let keys::Unknown { help, loss } = keys::unknown(table, &entry.key);
    let is_empty = says_nothing(Kind::Any, &entry.value) || entry.value.is_null();
    let (severity, effect) = match loss {
        Loss::Guard => (Severity::Error, "it may have been meant to keep people out"),
        Loss::Routes if !is_empty => (Severity::Error, "its routes would be missing"),
        Loss::Routes | Loss::Little => (Severity::Warning, "it has no effect"),
    };
    let at = Place::File(entry.key_span.clone());
    let what = format!("unknown key `{}` {place}: {effect}", shown(&entry.key));
    Problem::new(severity, "U110", at, what, help)
}

/// The part of a key that is a name: `idp_client_secret:abc`, a blank forgotten, is one key.
pub(super) fn shown(key: &str) -> &str {
    key.split([':', '=', ' ']).next().unwrap_or_default()
}

/// A bare number passes as nanoseconds, as it does in Pomerium, but not in silence.
fn span_of_time(name: &str, node: &Node, problems: &mut Vec<Problem>) -> Result<Duration, Wrong> {
    let (length, bare) = values::duration(node)?;
    let is_nothing = !length.is_zero() && length.as_millis() == 0;
    if bare || is_nothing {
        let written = values::text(node)?;
        // what it means for a session is said where sessions are made
        let effect = if is_nothing && name != "cookie_expire" {
            ", which is as good as 0: no limit"
        } else {
            ""
        };
        problems.push(Problem::warning(
            "U203",
            node.span.clone(),
            format!("`{name}: {written}` means {}{effect}", duration::show(length)),
            if bare {
                format!("for seconds write `{name}: {written}s`")
            } else {
                format!("write `{name}: 0` for no limit, or `1ms` and more")
            },
        ));
    }
    Ok(length)
}

impl Wrong {
    /// The problem that `name` has such a value.
    pub fn about(self, name: &str) -> Problem {
        Problem::error(self.code, self.at, format!("`{name}` {}", self.what), self.help)
    }
}
