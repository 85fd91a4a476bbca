//! What is in force: every key with its value, defaults included, from the items that readers use.

use std::{fmt, time::Duration};

pub use super::values::NOT_SHOWN;
use super::{
    Draft, Given, Section, duration,
    keys::{self, Fate, Key, Kind, Table, Value, global, nested, route},
    upgrades,
};
use crate::{
    problem::{is_secret_field, without_arguments, without_parameters, without_passwords},
    yaml::{self, Node, Style},
};

/// All that a config comes to, as a config.
///
/// Its text is one: what it compiles to is what it came from, but for secrets, in whose place
/// [`NOT_SHOWN`] stands.
#[derive(Clone, Debug)]
pub struct Effective {
    globals: Vec<Setting>,
    routes: Vec<Vec<Setting>>,
}

/// One key with what holds for it.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Which key.
    pub key: &'static Key,
    /// What holds.
    pub data: Data,
    /// Who said so.
    pub origin: Origin,
}

/// Who said what holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The config.
    Written,
    /// Nobody: it holds where nothing is said.
    Default,
    /// The config, and it does nothing here: why.
    NotInForce(&'static str),
}

/// A value, ready to be written.
#[derive(Clone, Debug)]
pub enum Data {
    /// A text, which may need quotes.
    Text(Box<str>),
    /// A secret that is there.
    Secret,
    /// A number, truth value or span of time.
    Plain(Box<str>),
    /// Texts.
    List(Vec<Box<str>>),
    /// Texts by name.
    Map(Vec<(Box<str>, Box<str>)>),
    /// Keys of its own.
    Keys(Vec<Setting>),
    /// Several times keys of its own.
    Each(Vec<Vec<Setting>>),
    /// As it was written.
    Tree(Node),
}

impl Effective {
    /// Of a draft: what its keys are and what holds for those that are missing.
    pub fn of(draft: &Draft) -> Self {
        let globals = &draft.globals;
        let mut all = settings(globals, keys::GLOBAL);
        if globals.get(&global::FLAGS).is_none() {
            let nothing = Section::new(0..0, super::Source::File);
            let data = Data::Keys(settings(&nothing, nested::RUNTIME_FLAGS));
            all.push(Setting { key: &global::FLAGS, data, origin: Origin::Default });
        }
        if globals.value(&global::INSECURE_SERVER) && globals.given(&global::ADDRESS).is_none() {
            let address = all.iter_mut().find(|one| one.key.is(&global::ADDRESS));
            address.into_iter().for_each(|one| one.data = Data::Text(":80".into()));
        }
        in_order(&mut all, keys::GLOBAL);
        Self { globals: all, routes: draft.routes.iter().map(|it| of_route(it, globals)).collect() }
    }
}

/// A route's keys, with those of the top level that hold for it.
fn of_route(section: &Section, globals: &Section) -> Vec<Setting> {
    let mut all = settings(section, keys::ROUTE);
    let mut or = |key: &'static Key, data: Data| {
        if section.given(key).is_none() {
            all.retain(|one| !one.key.is(key));
            all.push(Setting { key, data, origin: Origin::Default });
        }
    };
    let forwards = section.given(&route::TO).is_some();
    if forwards {
        let websockets = upgrades::websockets(section, globals);
        let or_none = |is_none: bool, usual| span(if is_none { Duration::ZERO } else { usual });
        let usual = globals.value(&global::DEFAULT_UPSTREAM_TIMEOUT);
        let is_endless = websockets || is_tunnel(section);
        or(&route::TIMEOUT, or_none(is_endless || is_mcp_server(section, globals), usual));
        or(&route::IDLE_TIMEOUT, or_none(is_endless, route::STREAM_IDLE));
    }
    if section.get(&route::JELLYFIN).is_some() {
        let yes_or_no = |on: bool| Data::Plain(on.to_string().into());
        or(&route::ALLOW_WEBSOCKETS, yes_or_no(upgrades::websockets(section, globals)));
        or(&route::PRESERVE_HOST_HEADER, yes_or_no(upgrades::preserves_host(section)));
    }
    let told = globals.value(&global::PASS_IDENTITY_HEADERS);
    or(&route::PASS_IDENTITY_HEADERS, Data::Plain(told.to_string().into()));
    if is_tunnel(section) {
        let is_idle = |key: &Key| route::IDLE_IN_TUNNELS.iter().any(|idle| idle.is(key));
        all.retain(|one| one.origin != Origin::Default || !is_idle(one.key));
    }
    in_order(&mut all, keys::ROUTE);
    all
}

/// Does a route carry something else than requests?
fn is_tunnel(section: &Section) -> bool {
    let from = section.value(&route::FROM);
    ["tcp+https:", "udp+https:"].iter().any(|scheme| from.starts_with(scheme))
}

/// Is a route a server of the Model Context Protocol, whose answers are streams?
fn is_mcp_server(section: &Section, globals: &Section) -> bool {
    let is_server =
        section.get(&route::MCP).is_some_and(|mcp| mcp.get(&nested::MCP_SERVER).is_some());
    let flags = globals.get(&global::FLAGS);
    is_server && flags.is_some_and(|flags| flags.value(&nested::FLAG_MCP))
}

/// In the order of the table.
fn in_order(all: &mut [Setting], table: Table) {
    all.sort_by_key(|one| table.iter().position(|key| key.is(one.key)));
}

/// The keys of one map: those that are written, in the order of the table, and those that hold.
fn settings(section: &Section, table: Table) -> Vec<Setting> {
    let mut all: Vec<Setting> = table.iter().filter_map(|key| setting(section, key)).collect();
    let field = section.get(&route::REWRITE_HEADER).unwrap_or_default();
    for one in &mut all {
        let value = section.given(one.key).map(Given::text).unwrap_or_default();
        if one.key.is(&route::REWRITE_VALUE) && is_secret_field(field, value) {
            one.data = Data::Secret;
        }
    }
    all
}

fn setting(section: &Section, key: &'static Key) -> Option<Setting> {
    if matches!(key.kind, Kind::Routes) {
        return None; // they stand below
    }
    let Some(given) = section.given(key) else {
        let in_force = matches!(key.fate, Fate::Supported | Fate::Own) && !key.default.is_empty();
        let data = if matches!(key.kind, Kind::Duration) {
            span(duration::parse(key.default).unwrap_or_default())
        } else if matches!(key.kind, Kind::Bool | Kind::Int(..)) {
            Data::Plain(key.default.into())
        } else {
            of_word(key.default)
        };
        return in_force.then_some(Setting { key, data, origin: Origin::Default });
    };
    let origin = match key.fate {
        Fate::Supported | Fate::Own | Fate::Fixed(..) => Origin::Written,
        Fate::NoEffect(why) | Fate::NotYet(why) | Fate::Refused(why) | Fate::Removed(why) => {
            Origin::NotInForce(why)
        }
    };
    let data = data(key, given.value.as_ref()?, &given.node);
    let origin = nothing_in_it(&data).unwrap_or(origin);
    Some(Setting { key, data, origin })
}

/// Of keys that hold a map of which nothing is in force: neither is it.
fn nothing_in_it(data: &Data) -> Option<Origin> {
    let Data::Keys(inner) = data else { return None };
    let is_idle = |one: &Setting| matches!(one.origin, Origin::NotInForce(_));
    inner.first().filter(|_| inner.iter().all(is_idle)).map(|one| one.origin)
}

fn data(key: &Key, value: &Value, node: &Node) -> Data {
    match value {
        Value::Text(_) if matches!(key.kind, Kind::Secret) => Data::Secret,
        Value::Text(text) => {
            Data::Text(without_parameters(&without_passwords(text), NOT_SHOWN).into())
        }
        Value::Word(word, _) => of_word(word),
        Value::Bool(on) => Data::Plain(on.to_string().into()),
        Value::Duration(length) => span(*length),
        Value::Int(number) => Data::Plain(number.to_string().into()),
        Value::List(items) => {
            let items: Vec<&str> = items.iter().map(|item| &*item.text).collect();
            let shown = without_arguments(&items, NOT_SHOWN);
            Data::List(shown.into_iter().map(Into::into).collect())
        }
        Value::Map(pairs) => {
            let pairs = pairs.iter().map(|(name, value)| (name.text.clone(), value.text.clone()));
            Data::Map(pairs.collect())
        }
        Value::Object(section) => Data::Keys(inner(key, section)),
        Value::Objects(sections) => Data::Each(sections.iter().map(|it| inner(key, it)).collect()),
        Value::Any => Data::Tree(node.clone()),
    }
}

/// A status is a number for everybody else who reads it.
fn of_word(word: &str) -> Data {
    let is_number = word.parse::<u16>().is_ok();
    if is_number { Data::Plain(word.into()) } else { Data::Text(word.into()) }
}

fn inner(key: &Key, section: &Section) -> Vec<Setting> {
    let (Kind::Object(table) | Kind::Objects(table)) = key.kind else { return Vec::new() };
    let mut all = settings(section, table);
    for Setting { key, data, .. } in &mut all {
        // protobuf's form, which these keys alone have
        if let (Kind::Duration, Data::Plain(text)) = (key.kind, data)
            && let Ok(length) = duration::parse(text)
        {
            *text = format!("{}s", length.as_secs_f64()).into();
        }
    }
    all
}

fn span(length: Duration) -> Data {
    Data::Plain(duration::show(length).into())
}

impl fmt::Display for Effective {
    /// A config in YAML.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_settings(f, &self.globals, 0)?;
        if self.routes.is_empty() {
            return Ok(());
        }
        writeln!(f, "routes:")?;
        write_each(f, &self.routes, 0)
    }
}

fn write_each(f: &mut fmt::Formatter<'_>, each: &[Vec<Setting>], depth: usize) -> fmt::Result {
    for settings in each {
        // a list's dash on a line of its own needs no first key
        writeln!(f, "{}-", indent(depth))?;
        write_settings(f, settings, depth + 1)?;
    }
    Ok(())
}

fn write_settings(f: &mut fmt::Formatter<'_>, all: &[Setting], depth: usize) -> fmt::Result {
    for Setting { key, data, origin } in all {
        let (name, blanks) = (key.name, indent(depth));
        match origin {
            Origin::NotInForce(why) => {
                writeln!(f, "{blanks}# {name}: not in force: {why}")?;
                continue;
            }
            Origin::Written | Origin::Default => write!(f, "{blanks}{name}:")?,
        }
        let note = if *origin == Origin::Default { " # default" } else { "" };
        match data {
            Data::Text(text) => writeln!(f, " {}{note}", scalar(text))?,
            Data::Secret => writeln!(f, " {NOT_SHOWN}{}", or_file(key))?,
            Data::Plain(text) => writeln!(f, " {text}{note}")?,
            Data::List(items) => {
                let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
                writeln!(f, " [{}]", items.join(", "))?;
            }
            Data::Map(pairs) => {
                let pair = |(name, value): &(Box<str>, Box<str>)| {
                    let is_secret = matches!(key.kind, Kind::Map) && is_secret_field(name, value);
                    let shown = if is_secret { NOT_SHOWN } else { value };
                    format!("{}: {}", quoted(name), quoted(shown))
                };
                let pairs: Vec<String> = pairs.iter().map(pair).collect();
                writeln!(f, " {{{}}}", pairs.join(", "))?;
            }
            Data::Keys(settings) if settings.iter().all(|one| !one.is_in_force()) => {
                writeln!(f, " {{}}")?;
            }
            Data::Keys(settings) => {
                writeln!(f, "{note}")?;
                write_settings(f, settings, depth + 1)?;
            }
            Data::Each(each) if each.is_empty() => writeln!(f, " []")?,
            Data::Each(each) => {
                writeln!(f)?;
                write_each(f, each, depth)?;
            }
            Data::Tree(node) => writeln!(f, " {}", flow(node))?,
        }
    }
    Ok(())
}

/// The way to a secret that stands in no config.
fn or_file(key: &Key) -> String {
    let name = format!("{}_file", key.name);
    let is_key = [keys::GLOBAL, keys::ROUTE].iter().any(|table| keys::find(table, &name).is_some());
    if is_key { format!(" # or {name}: FILE") } else { String::new() }
}

impl Setting {
    fn is_in_force(&self) -> bool {
        !matches!(self.origin, Origin::NotInForce(_))
    }
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth)
}

/// A tree in one line.
fn flow(node: &Node) -> String {
    match &node.kind {
        yaml::Kind::Scalar { .. } if node.is_null() => "null".to_owned(),
        yaml::Kind::Scalar { text, style } => {
            let shown = without_parameters(&without_passwords(text), NOT_SHOWN);
            let is_plain = *style == Style::Plain;
            let stands = shown == **text && is_plain && (is_bare(text) || is_literal(text));
            if stands { shown } else { quoted(&shown) }
        }
        yaml::Kind::List(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        yaml::Kind::Map(entries) => {
            let pair =
                |entry: &yaml::Entry| format!("{}: {}", quoted(&entry.key), flow(&entry.value));
            let pairs: Vec<String> = entries.iter().map(pair).collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

/// Text as one writes it by hand, where that is read as the same text.
fn scalar(text: &str) -> String {
    if is_bare(text) && !is_literal(text) { text.to_owned() } else { quoted(text) }
}

/// A plain scalar in every context: no sign that means something.
fn is_bare(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_'))
        && text.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/' | b':' | b'@')
        })
        && !text.ends_with(':')
}

/// What YAML or its readers take for something else than text, when it stands without quotes.
fn is_literal(text: &str) -> bool {
    const WORDS: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"];
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
        || text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'))
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'_'))
}

/// YAML reads JSON's quotes. What it takes for no text, and JSON does, is escaped.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let mut quoted = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted
}
