//! The one table of keys: what each is called, what type it has, and what becomes of it.
//!
//! The rule (`ARCHITECTURE.md`, Compatibility): a key that Pomerium knows and usher does not
//! support yet is refused where dropping it would let more people in, and warned about where it
//! would not; a key that nobody knows is warned about with a suggestion, and refused where it may
//! have been meant to keep people out.

mod form;
pub mod global;
mod guard;
pub mod jellyfin;
mod lost;
pub mod nested;
pub mod route;
mod rule;
pub mod smtp;

use std::{marker::PhantomData, ops::Deref};

pub use form::{
    AnyKind, Bool, Choice, Duration, Form, Int, List, Map, Mixed, Object, Objects, Secret, Text,
    Value, Word,
};
pub use global::GLOBAL;
pub(crate) use guard::meant;
pub(in crate::config) use guard::{Loss, Unknown, unknown};
pub use route::ROUTE;
pub use rule::Rule;

/// One key of the config: everything that is known about it.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it is written in the file, in any case.
    pub name: &'static str,
    /// The environment variable; empty where that is the name in capitals.
    pub variable: &'static str,
    /// Names that old configs and documentation use.
    pub meant_by: &'static [&'static str],
    /// The type of its value.
    pub kind: Kind,
    /// What its value must be beside that.
    pub rule: Rule,
    /// What holds where it is missing, as one would write it; empty for nothing.
    pub default: &'static str,
    /// One sentence, for the reference.
    pub about: &'static str,
    /// What becomes of it, and so what Pomerium does with it and whether dropping it lets people in.
    pub fate: Fate,
    /// Whether it narrows who or what passes, so that a misspelt one opens the door.
    pub guards: bool,
}

impl Key {
    /// Whether both are the same key of their table, in which no name stands twice. Addresses do
    /// not tell: a build may hold a table several times.
    pub fn is(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// A key that somebody reads: it knows what its value becomes.
///
/// Its own constant is the only way to the value, so that a key which is called supported and has
/// no constant has no reader.
#[derive(Debug)]
pub struct Typed<F> {
    pub(crate) key: Key,
    form: PhantomData<fn() -> F>,
}

impl<F> Deref for Typed<F> {
    type Target = Key;

    fn deref(&self) -> &Key {
        &self.key
    }
}

impl<F> Typed<F> {
    /// Where nothing is written.
    const fn or(mut self, default: &'static str) -> Self {
        self.key.default = default;
        self
    }

    /// Its environment variable is another one than its name in capitals.
    const fn variable(mut self, variable: &'static str) -> Self {
        self.key.variable = variable;
        self
    }

    /// It keeps somebody out, or something.
    const fn guards(mut self) -> Self {
        self.key.guards = true;
        self
    }

    const fn meant_by(mut self, names: &'static [&'static str]) -> Self {
        self.key.meant_by = names;
        self
    }

    /// Its value has to be more than of its type.
    const fn must(mut self, rule: Rule) -> Self {
        self.key.rule = rule;
        self
    }

    const fn about(mut self, about: &'static str) -> Self {
        self.key.about = about;
        self
    }
}

/// A table of keys: first those that are read, each with a constant and a sentence; then those of
/// which nothing more is known than what becomes of them.
macro_rules! keys {
    (
        $(#[$meta:meta])* $table:ident:
        $( $(#[doc = $about:literal])+ $id:ident: $form:ty = $key:expr; )*
        $( others: $( $other:expr; )* )?
    ) => {
        $(
            $(#[doc = $about])+
            pub static $id: $crate::config::keys::Typed<$form> =
                $key.about(concat!($($about),+));
        )*

        $(#[$meta])*
        pub static $table: &[&$crate::config::keys::Key] =
            &[$( &$id.key, )* $( $( &$other.key, )* )?];
    };
}
use keys;

/// The keys that may stand in one place.
pub type Table = &'static [&'static Key];

/// The type of a value. It is checked whatever the key's fate, so that a typo is found even
/// where the key does nothing.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// One text.
    Text,
    /// One text that must not be shown.
    Secret,
    /// `true` or `false`.
    Bool,
    /// A span of time in Go's syntax.
    Duration,
    /// A whole number within a range.
    Int(i64, i64),
    /// A list of texts.
    List,
    /// A list of texts in which an empty one is a mistake.
    FullList,
    /// A map of texts.
    Map,
    /// A map of texts, or a list of names.
    MapOrList,
    /// One of some words, in any case or in this one.
    Word(&'static [&'static str], AnyCase),
    /// A map with these keys.
    Object(Table),
    /// A list of maps with these keys; one map alone is a list of one.
    Objects(Table),
    /// A list of routes.
    Routes,
    /// Checked by whoever reads it.
    Any,
}

/// Whether the case of a word counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnyCase {
    /// `HTTP2` is `http2`.
    Yes,
    /// As written.
    No,
}

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It does what it does in Pomerium.
    Supported,
    /// Ours: Pomerium does not know it, or not this value.
    Own,
    /// Nothing is lost: why.
    NoEffect(&'static str),
    /// Usher does one thing: these values ask for it and are taken in silence; any other is
    /// accepted with a warning that says what is lost.
    Fixed(&'static [&'static str], &'static str),
    /// Accepted with a warning that says what is lost.
    NotYet(&'static str),
    /// Refused, since dropping it would let more people in: what it does in Pomerium.
    Refused(&'static str),
    /// Pomerium refuses it too: where the way leads now.
    Removed(&'static str),
}

impl Fate {
    /// The word in the reference.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::Own => "usher's own",
            Self::NoEffect(_) => "no effect",
            Self::Fixed(..) => "one value",
            Self::NotYet(_) => "not yet",
            Self::Refused(_) => "refused",
            Self::Removed(_) => "removed",
        }
    }
}

/// The key of that name. Keys have no case.
pub fn find(table: Table, name: &str) -> Option<&'static Key> {
    table.iter().copied().find(|key| key.name.eq_ignore_ascii_case(name))
}

const fn key(name: &'static str, kind: Kind, fate: Fate) -> Key {
    let rule = Rule::None;
    let guards = matches!(fate, Fate::Refused(_));
    Key { name, variable: "", meant_by: &[], kind, rule, default: "", about: "", fate, guards }
}

#[cfg(test)]
mod tests {
    use super::{GLOBAL, Kind, ROUTE, Table};

    /// A key is told from the others of its table by its name alone.
    #[test]
    fn names_are_unique_and_lower_case() {
        let mut tables: Vec<Table> = vec![GLOBAL, ROUTE];
        let mut at = 0;
        while let Some(table) = tables.get(at).copied() {
            for (index, key) in table.iter().enumerate() {
                assert_eq!(key.name, key.name.to_ascii_lowercase());
                assert!(!table[..index].iter().any(|other| other.is(key)), "{} twice", key.name);
                if let Kind::Object(below) | Kind::Objects(below) = key.kind {
                    tables.push(below);
                }
            }
            at += 1;
        }
    }
}
