use askama::Template;

use crate::{filters, language::Language, link::Link, rendered};

/// Somebody is signed in, and goes on to the app that asked: with a `Refresh` field, since browsers
/// hold every redirect after a form against the page that it stood on.
#[derive(Clone, Debug, Template)]
#[template(path = "going_on.html")]
pub struct GoingOn<'a> {
    /// Where to.
    pub next: Link<'a>,
}

impl GoingOn<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}
