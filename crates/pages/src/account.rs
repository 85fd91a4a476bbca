use askama::Template;

use crate::{filters, language::Language, link::PostForm, qr, receipt::Moment, rendered};

/// The form field with what a browser said of a passkey, as JSON. Empty where none was asked.
pub const PASSKEY_FIELD: &str = "passkey";
/// The form field that says what is to be done.
pub const ACTION_FIELD: &str = "action";
/// The form field with the host that a password for a client is for.
pub const HOST_FIELD: &str = "host";
/// The form field with what somebody calls it.
pub const LABEL_FIELD: &str = "label";
/// The form field with the name of a person.
pub const NAME_FIELD: &str = "name";

/// What a page's script asks a browser to make a passkey of.
#[derive(Clone, Debug)]
pub struct NewPasskeyQuestion<'a> {
    /// To be signed along.
    pub challenge: &'a str,
    /// Whose it will be, for machines.
    pub user: &'a str,
    /// The same for people, where the form does not ask for it.
    pub called: &'a str,
    /// The site that it will be for.
    pub site: &'a str,
    /// Passkeys that they have: none is made twice on one device. Ids with blanks between them.
    pub known: String,
}

/// Somebody's own passkeys and password.
#[derive(Clone, Debug, Template)]
#[template(path = "account.html")]
pub struct Account<'a> {
    /// Whose account it is: the address.
    pub email: &'a str,
    /// What was done, or why it was not.
    pub note: Option<&'a str>,
    /// Their passkeys, oldest first.
    pub passkeys: Vec<ShownPasskey<'a>>,
    /// The app that shows codes, or how to set one up.
    pub app: CodesOfApp<'a>,
    /// Recovery codes that were just made: shown this once.
    pub recovery: Vec<&'a str>,
    /// The passwords that they made for clients, oldest first.
    pub app_passwords: Vec<ShownAppPassword<'a>>,
    /// One that was just made: shown this once.
    pub new_app_password: Option<&'a str>,
    /// The hosts that one can be made for; with none there is nothing to make.
    pub hosts: Vec<&'a str>,
    /// Whether passwords count.
    pub passwords: bool,
    /// To make one more; `None` where this address can't have any.
    pub question: Option<NewPasskeyQuestion<'a>>,
    /// What ties a post to this page.
    pub flow: &'a str,
}

/// An app that shows codes, beside a password.
#[derive(Clone, Debug)]
pub enum CodesOfApp<'a> {
    /// There is one.
    Set {
        /// How many recovery codes are left.
        recovery_left: usize,
    },
    /// There is none; this would be one.
    Unset(NewApp<'a>),
    /// One can't be set up now.
    Unknown,
}

/// What an app needs to know.
#[derive(Clone, Debug)]
pub struct NewApp<'a> {
    /// What is typed into it.
    pub secret: &'a str,
    /// The same for its camera.
    pub address: String,
    /// The same, sealed, to come back with the first code.
    pub shown: &'a str,
}

impl NewApp<'_> {
    fn code(&self) -> (String, usize) {
        qr::path(&self.address)
    }
}

/// A passkey as its owner sees it.
#[derive(Clone, Debug)]
pub struct ShownPasskey<'a> {
    /// What it is called.
    pub label: &'a str,
    /// When it was made, in seconds since 1970.
    pub added_at: u64,
    /// When it was used last, in seconds since 1970.
    pub used_at: Option<u64>,
    /// Takes it away.
    pub remove: PostForm<'a>,
}

/// A password for a client, as its owner sees it.
#[derive(Clone, Debug)]
pub struct ShownAppPassword<'a> {
    /// What it is called.
    pub label: &'a str,
    /// The host that it is for.
    pub host: &'a str,
    /// When it ends, in seconds since 1970; `None` where it does not.
    pub over_at: Option<u64>,
    /// Revokes it.
    pub revoke: PostForm<'a>,
}

impl ShownAppPassword<'_> {
    fn end(&self) -> Option<Moment> {
        self.over_at.map(Moment)
    }
}

/// A link was opened by which somebody joins, or gets in again.
#[derive(Clone, Debug, Template)]
#[template(path = "welcome.html")]
pub struct Welcome<'a> {
    /// Where they will sign in.
    pub host: &'a str,
    /// What is known of them.
    pub who: Newcomer<'a>,
    /// Until when a guest may come, in seconds since 1970.
    pub until: Option<u64>,
    /// What is wrong with what they typed.
    pub error: Option<&'a str>,
    /// Whether passwords count.
    pub passwords: bool,
    /// To make a passkey; `None` where this address can't have any.
    pub question: Option<NewPasskeyQuestion<'a>>,
    /// What ties the post to this page.
    pub flow: &'a str,
}

/// Who opened a link.
#[derive(Clone, Copy, Debug)]
pub enum Newcomer<'a> {
    /// Somebody who joins under this address.
    Invited {
        /// The address.
        email: &'a str,
        /// The name at first.
        name: &'a str,
    },
    /// Somebody who joins and chooses their address.
    Unnamed {
        /// The address that they typed before.
        email: &'a str,
        /// The name at first.
        name: &'a str,
    },
    /// Somebody who was here and lost what signed them in.
    Returning {
        /// Their address.
        email: &'a str,
    },
}

impl Account<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}

impl Welcome<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }

    fn end(&self) -> Option<Moment> {
        self.until.map(Moment)
    }
}

impl ShownPasskey<'_> {
    fn added(&self) -> Moment {
        Moment(self.added_at)
    }

    fn used(&self) -> Option<Moment> {
        self.used_at.map(Moment)
    }
}
