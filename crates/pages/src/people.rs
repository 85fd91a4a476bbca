use askama::Template;

use crate::{filters, language::Language, link::Link, qr, receipt::Moment, rendered, words::Words};

/// The form field with the groups to be in, commas between them.
pub const GROUPS_FIELD: &str = "groups";
/// The form field with the day on which an access ends; empty for none in an invitation.
pub const UNTIL_FIELD: &str = "until";
/// The form field that says that an invitation goes out by mail, too.
pub const MAIL_FIELD: &str = "mail";
/// What it holds then.
pub const MAILED: &str = "yes";
/// The form field that says for how many days a link is good.
pub const DAYS_FIELD: &str = "days";

/// `/.pomerium/people`: everybody whom the built-in provider knows, for who looks after them.
#[derive(Clone, Debug, Template)]
#[template(path = "people.html")]
pub struct People<'a> {
    /// Everybody, by address.
    pub people: Vec<ListedPerson<'a>>,
    /// Why nothing was changed.
    pub note: Option<&'a str>,
    /// A link that was just made: shown this once.
    pub link: Option<MadeLink<'a>>,
    /// What lets the reader change something.
    pub change: MayChange<'a>,
    /// What was typed before.
    pub typed: TypedInvitation<'a>,
    /// Whether invitations can be sent by mail.
    pub mails: bool,
}

/// What lets an admin change something.
#[derive(Clone, Debug)]
pub enum MayChange<'a> {
    /// They signed in lately: what ties a post to this page.
    Now {
        /// The value of the field.
        flow: &'a str,
    },
    /// They have to sign in once more.
    AfterSignIn(Link<'a>),
}

/// Somebody, as an admin sees them.
#[derive(Clone, Debug)]
pub struct ListedPerson<'a> {
    /// The address.
    pub email: &'a str,
    /// The name; may be empty.
    pub name: &'a str,
    /// Their groups.
    pub groups: Vec<&'a str>,
    /// Is there a password that counts?
    pub has_password: bool,
    /// How many passkeys there are.
    pub passkeys: usize,
    /// Are codes of an app asked for?
    pub has_codes: bool,
    /// When they joined, in seconds since 1970.
    pub added_at: u64,
    /// When their access ends, in seconds since 1970; `None` where it does not.
    pub until: Option<u64>,
}

impl ListedPerson<'_> {
    fn added(&self) -> Moment {
        Moment(self.added_at)
    }

    fn end(&self) -> Option<Moment> {
        self.until.map(Moment)
    }

    fn ways_in(&self) -> Vec<Words<'static>> {
        let passkeys = Words::of("Passkeys: {count}").with("count", self.passkeys.to_string());
        let passkeys = (self.passkeys > 0).then_some(passkeys);
        let password = self.has_password.then(|| Words::of("Password"));
        let codes = self.has_codes.then(|| Words::of("Codes of an app"));
        [passkeys, password, codes].into_iter().flatten().collect()
    }
}

/// A link to send to somebody.
#[derive(Clone, Debug)]
pub struct MadeLink<'a> {
    /// What it does.
    pub does: LinkDoes<'a>,
    /// Where they will sign in.
    pub at: &'a str,
    /// How long it is good, in seconds since 1970.
    pub over_at: u64,
    /// The address.
    pub address: &'a str,
    /// To whom it is being sent by mail.
    pub mailed_to: Option<&'a str>,
}

/// What a link does.
#[derive(Clone, Debug)]
pub enum LinkDoes<'a> {
    /// Whoever has it joins.
    Invites {
        /// When their access ends, in seconds since 1970; `None` where it does not.
        until: Option<u64>,
    },
    /// Somebody gets in again.
    Recovers {
        /// Their address.
        email: &'a str,
    },
}

impl MadeLink<'_> {
    fn code(&self) -> (String, usize) {
        qr::path(self.address)
    }

    fn over(&self) -> Moment {
        Moment(self.over_at)
    }

    fn end(&self) -> Option<Moment> {
        match self.does {
            LinkDoes::Invites { until } => until.map(Moment),
            LinkDoes::Recovers { .. } => None,
        }
    }
}

/// An invitation as it was typed.
#[derive(Clone, Copy, Debug)]
pub struct TypedInvitation<'a> {
    /// The address.
    pub email: &'a str,
    /// The name.
    pub name: &'a str,
    /// The groups.
    pub groups: &'a str,
    /// The day on which the access ends.
    pub until: &'a str,
    /// For how many days the link is good.
    pub days: &'a str,
    /// Whether it goes out by mail, too: [`MAILED`], or nothing.
    pub mail: &'a str,
}

impl Default for TypedInvitation<'_> {
    fn default() -> Self {
        Self { email: "", name: "", groups: "", until: "", days: "7", mail: "" }
    }
}

impl People<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}
