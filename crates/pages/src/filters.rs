//! What templates say in the reader's language: `{{ "to {host}"|say|strong("host", host) }}`.
#![allow(unreachable_pub, reason = "the macro of filters takes nothing narrower")]

use std::{any::Any, borrow::Borrow, fmt};

use askama::{
    Result, Values, filter_fn,
    filters::{Html, HtmlSafe, escape},
};

use crate::{language::Language, receipt::Moment, words::Words};

/// What a template is rendered with.
pub(crate) struct Reader(pub(crate) Language);

const LANGUAGE: &str = "language";

impl Values for Reader {
    fn get_value<'a>(&'a self, key: &str) -> Option<&'a dyn Any> {
        (key == LANGUAGE).then_some(&self.0 as &dyn Any)
    }
}

/// Words of ours as HTML; `{names}` wait for what is filled in.
#[derive(Clone)]
pub(crate) struct Said(String);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Said {}

impl Said {
    /// No brace of what is filled in is a place to fill.
    fn filled(self, name: &str, html: &str) -> Self {
        Self(self.0.replace(&format!("{{{name}}}"), &html.replace('{', "&#123;")))
    }
}

fn escaped(text: impl fmt::Display) -> Result<String> {
    Ok(escape(text, Html)?.to_string())
}

fn language_of(values: &dyn Values) -> Language {
    askama::get_value(values, LANGUAGE).copied().unwrap_or_default()
}

/// Words in the reader's language.
#[filter_fn]
pub fn say(english: impl AsRef<str>, values: &dyn Values) -> Result<Said> {
    let english = english.as_ref();
    let theirs = language_of(values).say(english);
    Ok(Said(match theirs {
        Some(theirs) => escaped(theirs)?,
        None => escaped(english)?,
    }))
}

/// Words that were said before it was known in which language.
#[filter_fn]
pub fn said<'a>(words: impl Borrow<Words<'a>>, values: &dyn Values) -> Result<Said> {
    Ok(Said(escaped(words.borrow().in_language(language_of(values)))?))
}

/// `{name}` is a text.
#[filter_fn]
pub fn plain<T: fmt::Display>(
    said: Said,
    _: &dyn Values,
    name: &'static str,
    text: T,
) -> Result<Said> {
    Ok(said.filled(name, &escaped(text)?))
}

/// `{name}` is a text that stands out.
#[filter_fn]
pub fn strong<T: fmt::Display>(
    said: Said,
    _: &dyn Values,
    name: &'static str,
    text: T,
) -> Result<Said> {
    Ok(said.filled(name, &format!("<strong>{}</strong>", escaped(text)?)))
}

/// `{name}` is something to type.
#[filter_fn]
pub fn code<T: fmt::Display>(
    said: Said,
    _: &dyn Values,
    name: &'static str,
    text: T,
) -> Result<Said> {
    Ok(said.filled(name, &format!("<code>{}</code>", escaped(text)?)))
}

/// `{name}` is a moment.
#[filter_fn]
pub fn moment(said: Said, values: &dyn Values, name: &'static str, at: Moment) -> Result<Said> {
    Ok(said.filled(name, &time(at, language_of(values))?))
}

/// A moment for itself.
#[filter_fn]
pub fn when(at: Moment, values: &dyn Values) -> Result<Said> {
    Ok(Said(time(at, language_of(values))?))
}

fn time(at: Moment, language: Language) -> Result<String> {
    let shown = escaped(at.shown(language))?;
    Ok(format!("<time datetime=\"{}\">{shown}</time>", at.machine()))
}

/// The tag of the reader's language.
#[filter_fn]
pub fn tag(_: &str, values: &dyn Values) -> Result<&'static str> {
    Ok(language_of(values).tag())
}

/// Which way it is written.
#[filter_fn]
pub fn direction(_: &str, values: &dyn Values) -> Result<&'static str> {
    Ok(language_of(values).direction().as_str())
}
