use askama::Template;

use crate::{
    filters,
    language::Language,
    link::{Link, PostForm},
    rendered,
};

/// The form field that says which sessions end: the value of the button that was pressed.
pub const SCOPE_FIELD: &str = "scope";
/// [`SCOPE_FIELD`]: this session.
pub const SCOPE_HERE: &str = "here";
/// [`SCOPE_FIELD`]: every session of this person.
pub const SCOPE_EVERYWHERE: &str = "everywhere";

/// Asks before signing somebody out: a link alone must not do it.
///
/// Posts the form's hidden fields and [`SCOPE_FIELD`].
#[derive(Clone, Debug, Template)]
#[template(path = "sign_out_confirm.html")]
pub struct SignOutConfirm<'a> {
    /// Who is signed in: address, or id where there is none.
    pub person: &'a str,
    /// Where it posts to, with what ties it to this session.
    pub form: PostForm<'a>,
    /// Whether a second button offers to end every session.
    pub everywhere: bool,
    /// Where somebody goes who stays.
    pub stay: Link<'a>,
}

impl SignOutConfirm<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}

/// Somebody has been signed out.
#[derive(Clone, Debug, Template)]
#[template(path = "signed_out.html")]
pub struct SignedOut<'a> {
    /// Begins a new sign-in, where there is something to sign in to.
    pub sign_in_again: Option<Link<'a>>,
}

impl SignedOut<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}
