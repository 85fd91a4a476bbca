use askama::Template;

use crate::{Contact, Language, Link, filters, rendered};

/// One of several providers, as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way<'a> {
    /// What it is called: "Google".
    pub label: &'a str,
    /// Where signing in there begins.
    pub to: Link<'a>,
}

/// Several providers sign people in, and none of them is the built-in one: whose form has room for
/// the others ([`crate::SignIn::ways`]).
#[derive(Clone, Debug, Template)]
#[template(path = "choose.html")]
pub struct ChooseProvider<'a> {
    /// Where they want to go.
    pub host: &'a str,
    /// Whom they may choose, in the order of the config.
    pub ways: &'a [Way<'a>],
    /// Whom to ask, where the operator says.
    pub contact: Option<Contact<'a>>,
}

impl ChooseProvider<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}
