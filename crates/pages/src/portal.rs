use askama::Template;

use crate::{filters, language::Language, link::Link, rendered};

/// `/.pomerium/routes`: what somebody may open here.
#[derive(Clone, Debug, Template)]
#[template(path = "portal.html")]
pub struct Portal<'a> {
    /// In the order of the config.
    pub routes: Vec<PortalRoute<'a>>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct PortalRoute<'a> {
    /// What the config calls it.
    pub name: &'a str,
    /// What it says about it; may be empty.
    pub description: &'a str,
    /// Where it is, as text.
    pub from: &'a str,
    /// The same to go to; `None` where it has no one address.
    pub link: Option<Link<'a>>,
    /// What opens a tunnel in a terminal.
    pub command: Option<String>,
}

impl Portal<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}
