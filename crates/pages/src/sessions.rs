use askama::Template;

use crate::{filters, language::Language, link::PostForm, receipt::Moment, rendered};

/// The field of a form on [`Sessions`]: the id of the session that ends, or [`END_OTHERS`].
pub const END_FIELD: &str = "end";
/// [`END_FIELD`]: all of the reader's sessions but the one that is used.
pub const END_OTHERS: &str = "others";

/// `/.pomerium/sessions`: where somebody is signed in, each to be ended alone.
#[derive(Clone, Debug, Template)]
#[template(path = "sessions.html")]
pub struct Sessions<'a> {
    /// The reader's own, this one first, then the newest.
    pub own: Vec<ListedSession<'a>>,
    /// Everybody else's, where the reader looks after them.
    pub everybody: Option<Vec<ListedSession<'a>>>,
    /// Ends one, or the others.
    pub end: PostForm<'a>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct ListedSession<'a> {
    /// Its id.
    pub id: &'a str,
    /// Whose it is.
    pub person: &'a str,
    /// With what they signed in; empty where it was not written down.
    pub browser: &'a str,
    /// From which address; empty where it was not written down.
    pub address: &'a str,
    /// When it was started, in seconds since 1970.
    pub signed_in_at: u64,
    /// When it ends, in seconds since 1970.
    pub ends_at: u64,
    /// Is it the one that this page was asked for with?
    pub is_this: bool,
}

impl ListedSession<'_> {
    fn began(&self) -> Moment {
        Moment(self.signed_in_at)
    }

    fn ends(&self) -> Moment {
        Moment(self.ends_at)
    }
}

impl Sessions<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}
