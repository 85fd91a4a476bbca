//! A config in TOML, as the same tree that YAML gives: every node knows its place.

use toml_edit::{Document, Item, Key, Table, Value};

use crate::{
    problem::{Problem, Span},
    yaml::{self, Entry, Extent, Kind, Node, Parsed, Style},
};

/// Reads `text` into a tree.
pub(super) fn parse(text: &str) -> Parsed {
    let whole = text.trim_start_matches('\u{feff}');
    let shift = text.len() - whole.len();
    let mut reader = Reader { shift, problems: Vec::new() };
    match Document::parse(whole) {
        Ok(document) => {
            let root = reader.table(document.as_table(), 0..whole.len());
            Parsed { root, problems: reader.problems, extent: Extent::Whole }
        }
        Err(error) => {
            let at = error.span().unwrap_or(0..0);
            let words = error.message().lines().next().unwrap_or_default();
            let problem = Problem::error(
                "U113",
                reader.at(Some(at)),
                format!("this is not TOML: {words}"),
                "correct it, or rename the file to `.yaml` if that is what is in it",
            );
            let kind = Kind::Map(Vec::new());
            let root = Node { span: 0..0, kind };
            Parsed { root, problems: vec![problem], extent: Extent::Beginning }
        }
    }
}

struct Reader {
    /// Octets before the text: a byte order mark.
    shift: usize,
    problems: Vec<Problem>,
}

impl Reader {
    fn at(&self, span: Option<Span>) -> Span {
        let span = span.unwrap_or(0..0);
        span.start + self.shift..span.end + self.shift
    }

    fn table(&mut self, table: &Table, at: Span) -> Node {
        let names: Vec<&str> = table.iter().map(|(name, _)| name).collect();
        let pairs = names.into_iter().filter_map(|name| table.get_key_value(name));
        let entries = pairs.map(|(key, item)| self.entry(key, item)).collect();
        self.map(entries, at)
    }

    fn map(&mut self, entries: Vec<Entry>, at: Span) -> Node {
        self.problems.extend(yaml::twins(&entries));
        Node { span: self.at(Some(at)), kind: Kind::Map(entries) }
    }

    fn entry(&mut self, key: &Key, item: &Item) -> Entry {
        let key_span = key.span().unwrap_or(0..0);
        let value = self.item(item, key_span.clone());
        Entry { key: key.get().into(), key_span: self.at(Some(key_span)), value }
    }

    /// `at` is where it is named, for what has no place of its own.
    fn item(&mut self, item: &Item, at: Span) -> Node {
        match item {
            Item::Value(value) => self.value(value, at),
            Item::Table(table) => self.table(table, table.span().unwrap_or(at)),
            Item::ArrayOfTables(tables) => {
                let span = self.at(Some(tables.span().unwrap_or_else(|| at.clone())));
                let items = tables.iter();
                let items = items
                    .map(|table| self.table(table, table.span().unwrap_or_else(|| at.clone())))
                    .collect();
                Node { span, kind: Kind::List(items) }
            }
            Item::None => Node { span: self.at(Some(at)), kind: scalar("", Style::Plain) },
        }
    }

    fn value(&mut self, value: &Value, at: Span) -> Node {
        let own = value.span().unwrap_or_else(|| at.clone());
        let kind = match value {
            Value::String(text) => scalar(text.value(), Style::Quoted),
            Value::Integer(number) => scalar(&number.value().to_string(), Style::Plain),
            Value::Float(number) => scalar(&number.value().to_string(), Style::Plain),
            Value::Boolean(on) => scalar(&on.value().to_string(), Style::Plain),
            Value::Datetime(time) => scalar(&time.value().to_string(), Style::Quoted),
            Value::Array(items) => {
                Kind::List(items.iter().map(|item| self.value(item, own.clone())).collect())
            }
            Value::InlineTable(table) => {
                let names: Vec<&str> = table.iter().map(|(name, _)| name).collect();
                let pairs = names.into_iter().filter_map(|name| table.get_key_value(name));
                let entries = pairs.map(|(key, item)| self.entry(key, item)).collect();
                return self.map(entries, own);
            }
        };
        Node { span: self.at(Some(own)), kind }
    }
}

fn scalar(text: &str, style: Style) -> Kind {
    Kind::Scalar { text: text.into(), style }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::yaml::{Kind, Node};

    fn shown(node: &Node) -> String {
        match &node.kind {
            Kind::Scalar { text, .. } => text.to_string(),
            Kind::List(items) => {
                format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" "))
            }
            Kind::Map(entries) => {
                let entries = entries.iter().map(|e| format!("{}={}", e.key, shown(&e.value)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn what_is_written_in_toml_is_the_tree_of_the_same_yaml() {
        let text = "log_level = \"warn\"\nport = 0x10\n[downstream_mtls]\nmax_verify_depth = 2\n\
                    [[routes]]\nfrom = 'https://a.test'\nto = [\"http://a:1\", \"http://b:1\"]\n\
                    policy = { allow = { or = [{ email = { is = \"a@b.test\" } }] } }\n";
        let parsed = parse(text);
        assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
        assert_eq!(
            shown(&parsed.root),
            "{log_level=warn port=16 downstream_mtls={max_verify_depth=2} routes=[{from=https://a.test \
             to=[http://a:1 http://b:1] policy={allow={or=[{email={is=a@b.test}}]}}}]}"
        );
        let level = parsed.root.get("log_level").unwrap();
        assert_eq!(&text[level.span.clone()], "\"warn\"", "every node knows its place");
    }

    #[test]
    fn a_mistake_has_its_place_and_twins_are_told() {
        let parsed = parse("a = 1\nb = \n");
        assert_eq!(parsed.problems[0].code, "U113");
        let twice = parse("\u{feff}Name = 1\nname = 2\n");
        assert_eq!(twice.problems.iter().map(|it| it.code).collect::<Vec<_>>(), ["U104"]);
    }
}
