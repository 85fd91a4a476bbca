use askama::Template;

use crate::{
    filters,
    language::Language,
    link::{Link, PostForm},
    rendered,
};

/// The form field that says that a program may have its handle.
pub const PROGRAM_FIELD: &str = "program";
/// [`PROGRAM_FIELD`]: it may.
pub const PROGRAM_ALLOW: &str = "allow";

/// Asks before a program gets to act as somebody: a link alone must not do it.
///
/// Posts the form's hidden fields and [`PROGRAM_FIELD`].
#[derive(Clone, Debug, Template)]
#[template(path = "program.html")]
pub struct ProgramConsent<'a> {
    /// Where the program listens.
    pub program: &'a str,
    /// The host that it wants to speak with.
    pub host: &'a str,
    /// Who is signed in: address, or id where there is none.
    pub person: &'a str,
    /// Where it posts to, with what ties it to this browser.
    pub form: PostForm<'a>,
    /// Where somebody goes who says no.
    pub stay: Link<'a>,
}

impl ProgramConsent<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}
