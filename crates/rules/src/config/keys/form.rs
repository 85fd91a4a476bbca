//! What a value becomes: each form reads it once, and a reader gets what was read.

use std::marker::PhantomData;

use super::{AnyCase, Fate, Kind, Table, Typed, key};
use crate::{
    config::{Section, duration, values, words::Words},
    yaml::Node,
};

/// A value that was read.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is named after its kind")]
pub enum Value {
    /// A text or a secret.
    Text(Box<str>),
    /// A word, as its table spells it, and which one of the table it is.
    Word(&'static str, usize),
    Bool(bool),
    Duration(std::time::Duration),
    Int(i64),
    List(Vec<values::Text>),
    Map(Vec<(values::Text, values::Text)>),
    Object(Section),
    Objects(Vec<Section>),
    /// Its reader looks at the text's tree.
    Any,
}

/// How a value is read by who uses it.
pub trait Form {
    /// What the reader gets.
    type Out<'a>;

    /// From a value of this form; `node` is what it was read from.
    fn of<'a>(value: &'a Value, node: &'a Node) -> Option<Self::Out<'a>>;

    /// From a key's default.
    fn of_default<'a>(text: &'static str) -> Option<Self::Out<'a>>;
}

/// One form: its type, what its reader gets, the value it comes from, and how a default is read.
macro_rules! form {
    ($(#[$doc:meta])* $name:ident, $out:ty, $node:ident: $of:pat => $read:expr, $text:ident: $default:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl Form for $name {
            type Out<'a> = $out;

            fn of<'a>(value: &'a Value, $node: &'a Node) -> Option<Self::Out<'a>> {
                match value {
                    $of => Some($read),
                    _ => None,
                }
            }

            fn of_default<'a>($text: &'static str) -> Option<Self::Out<'a>> {
                $default
            }
        }
    };
}

form!(
    /// One text that is not empty.
    Text, &'a str, _node: Value::Text(text) => text, text: Some(text)
);
form!(
    /// One text that must not be shown.
    Secret, &'a str, _node: Value::Text(text) => text, text: Some(text)
);
form!(
    /// One of some words, as the table spells it.
    Word, &'a str, _node: Value::Word(word, _) => word, text: Some(text)
);
form!(
    /// `true` or `false`.
    Bool, bool, _node: Value::Bool(on) => *on, text: text.parse().ok()
);
form!(
    /// A span of time.
    Duration, std::time::Duration, _node: Value::Duration(length) => *length,
    text: duration::parse(text).ok()
);
form!(
    /// A whole number.
    Int, i64, _node: Value::Int(number) => *number, text: text.parse().ok()
);
form!(
    /// A list of texts.
    List, &'a [values::Text], _node: Value::List(items) => items, _text: None
);
form!(
    /// A map of texts.
    Map, &'a [(values::Text, values::Text)], _node: Value::Map(pairs) => pairs, _text: None
);
form!(
    /// A map of texts, or a list of names.
    Mixed, &'a Value, _node: value @ (Value::Map(_) | Value::List(_)) => value, _text: None
);
form!(
    /// A map of keys.
    Object, &'a Section, _node: Value::Object(section) => section, _text: None
);
form!(
    /// Maps of keys.
    Objects, &'a [Section], _node: Value::Objects(sections) => sections, _text: None
);
form!(
    /// Whatever its reader makes of it.
    AnyKind, &'a Node, node: Value::Any => node, _text: None
);

/// One of the words of a table: its reader gets what the word stands for.
#[derive(Debug)]
pub struct Choice<T>(PhantomData<fn() -> T>);

impl<T: Words> Form for Choice<T> {
    type Out<'a> = T;

    fn of<'a>(value: &'a Value, _node: &'a Node) -> Option<Self::Out<'a>> {
        let Value::Word(_, at) = value else { return None };
        T::TABLE.get(*at).map(|(_, meant)| meant.clone())
    }

    fn of_default<'a>(text: &'static str) -> Option<Self::Out<'a>> {
        let found = T::TABLE.iter().find(|(word, _)| *word == text);
        found.map(|(_, meant)| meant.clone())
    }
}

const fn typed<F>(name: &'static str, kind: Kind, fate: Fate) -> Typed<F> {
    Typed { key: key(name, kind, fate), form: PhantomData }
}

pub(super) const fn text(name: &'static str, fate: Fate) -> Typed<Text> {
    typed(name, Kind::Text, fate)
}

pub(super) const fn secret(name: &'static str, fate: Fate) -> Typed<Secret> {
    typed(name, Kind::Secret, fate)
}

pub(super) const fn bool(name: &'static str, fate: Fate) -> Typed<Bool> {
    typed(name, Kind::Bool, fate).or("false")
}

pub(super) const fn duration(name: &'static str, fate: Fate) -> Typed<Duration> {
    typed(name, Kind::Duration, fate)
}

pub(super) const fn int(name: &'static str, least: i64, most: i64, fate: Fate) -> Typed<Int> {
    typed(name, Kind::Int(least, most), fate)
}

pub(super) const fn list(name: &'static str, fate: Fate) -> Typed<List> {
    typed(name, Kind::List, fate)
}

/// A list in which an empty text is a mistake.
pub(super) const fn full_list(name: &'static str, fate: Fate) -> Typed<List> {
    typed(name, Kind::FullList, fate)
}

pub(super) const fn map(name: &'static str, fate: Fate) -> Typed<Map> {
    typed(name, Kind::Map, fate)
}

pub(super) const fn mixed(name: &'static str, fate: Fate) -> Typed<Mixed> {
    typed(name, Kind::MapOrList, fate)
}

pub(super) const fn word(
    name: &'static str,
    words: &'static [&'static str],
    case: AnyCase,
    fate: Fate,
) -> Typed<Word> {
    typed(name, Kind::Word(words, case), fate)
}

/// One of the words of a table.
pub(super) const fn choice<T: Words>(
    name: &'static str,
    case: AnyCase,
    fate: Fate,
) -> Typed<Choice<T>> {
    typed(name, Kind::Word(T::NAMES, case), fate)
}

pub(super) const fn object(name: &'static str, table: Table, fate: Fate) -> Typed<Object> {
    typed(name, Kind::Object(table), fate)
}

pub(super) const fn objects(name: &'static str, table: Table, fate: Fate) -> Typed<Objects> {
    typed(name, Kind::Objects(table), fate)
}

pub(super) const fn any(name: &'static str, fate: Fate) -> Typed<AnyKind> {
    typed(name, Kind::Any, fate)
}

pub(super) const fn routes(name: &'static str, fate: Fate) -> Typed<AnyKind> {
    typed(name, Kind::Routes, fate)
}
