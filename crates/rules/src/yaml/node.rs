use crate::problem::Span;

/// One value of the file, with the bytes it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it stands in the text.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a node is. Scalars keep the text as written: what it means depends on who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A word, number, or quoted text, after YAML unescaping.
    Scalar {
        /// The text.
        text: Box<str>,
        /// Plain or quoted: a plain `true` may be a boolean, a quoted one may not.
        style: Style,
    },
    /// `- a` or `[a]`.
    List(Vec<Node>),
    /// `k: v` or `{k: v}`, in file order; merge keys (`<<`) are already applied.
    Map(Vec<Entry>),
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In single or double quotes, or as a block (`|`, `>`).
    Quoted,
}

/// One `key: value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key as written. Compare with [`Entry::is`], since keys have no case.
    pub key: Box<str>,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Entry {
    /// Keys have no case (`pomerium-config.md` §1.3).
    pub fn is(&self, key: &str) -> bool {
        self.key.eq_ignore_ascii_case(key)
    }
}

impl Node {
    /// A plain `null`, `~` or nothing at all: the key counts as absent.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, style: Style::Plain }
            if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a scalar, however it was written.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// The value under `key`, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|entry| entry.is(key)).map(|e| &e.value),
            Kind::Scalar { .. } | Kind::List(_) => None,
        }
    }
}
