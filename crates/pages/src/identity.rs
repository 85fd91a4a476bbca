use std::borrow::Cow;

use askama::Template;

use crate::{
    filters,
    language::Language,
    link::{Link, PostForm},
    receipt::Moment,
    rendered,
};

/// `/.pomerium/`: who you are, as the policy sees it.
#[derive(Clone, Debug, Template)]
#[template(path = "identity.html")]
pub struct Identity<'a> {
    /// The host that this page is shown on.
    pub host: &'a str,
    /// The name to show; may be empty.
    pub name: &'a str,
    /// The address; may be empty.
    pub email: &'a str,
    /// The provider's id.
    pub id: &'a str,
    /// The groups, in the order that the policy sees.
    pub groups: Vec<Cow<'a, str>>,
    /// Every claim, in order of name.
    pub claims: Vec<Claim<'a>>,
    /// What was said and does not count, each in a sentence that says what to set.
    pub doubts: Vec<String>,
    /// This browser's session.
    pub session: ShownSession<'a>,
    /// The other sessions of this person, newest first.
    pub others: Vec<ShownSession<'a>>,
    /// Somebody else's service vouches for them: the session ends when that says, and is not renewed.
    pub vouched_for: bool,
    /// Where they look after their passkeys and password, where those are ours.
    pub account: Option<Link<'a>>,
    /// The apps that they let in, if there are any.
    pub devices: Option<Link<'a>>,
    /// Where they look after people, if they do.
    pub people: Option<Link<'a>>,
    /// Where they have the server examined, if they may.
    pub doctor: Option<Link<'a>>,
    /// What they can open, where this host has no app of its own to go back to.
    pub portal: Option<Link<'a>>,
    /// Ends this session.
    pub sign_out: PostForm<'a>,
    /// Ends every session of this person.
    pub sign_out_everywhere: PostForm<'a>,
}

/// A claim that the provider made.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    /// Its name, dots for nesting.
    pub name: &'a str,
    /// Its values as text.
    pub values: Vec<Cow<'a, str>>,
}

/// A session of the person, as the page shows it.
#[derive(Clone, Copy, Debug)]
pub struct ShownSession<'a> {
    /// Its id; the page shows the beginning.
    pub id: &'a str,
    /// When it was started, in seconds since 1970.
    pub signed_in_at: u64,
    /// When it ends, in seconds since 1970.
    pub ends_at: u64,
}

impl ShownSession<'_> {
    /// The first eight characters: enough to tell sessions apart, too few to be one.
    fn short_id(&self) -> &str {
        self.id.char_indices().nth(8).map_or(self.id, |(end, _)| self.id.get(..end).unwrap_or(""))
    }

    fn began(&self) -> Moment {
        Moment(self.signed_in_at)
    }

    fn ends(&self) -> Moment {
        Moment(self.ends_at)
    }
}

impl Identity<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }

    /// What this person is called: name, else address, else id.
    fn called(&self) -> &str {
        [self.name, self.email, self.id].into_iter().find(|text| !text.is_empty()).unwrap_or("you")
    }
}

/// `/.pomerium/` for somebody who is not signed in.
#[derive(Clone, Debug, Template)]
#[template(path = "no_session.html")]
pub struct NoSession<'a> {
    /// The host that this page is shown on.
    pub host: &'a str,
    /// Begins a sign-in that comes back here.
    pub sign_in: Link<'a>,
}

impl NoSession<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}
