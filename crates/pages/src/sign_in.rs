use askama::Template;

use crate::{Contact, Language, Link, Way, Words, filters, rendered};

/// The form field with the address.
pub const EMAIL_FIELD: &str = "email";
/// The form field with the password.
pub const PASSWORD_FIELD: &str = "password";
/// The hidden form field with [`SignIn::flow`].
pub const FLOW_FIELD: &str = "flow";

/// The built-in provider asks for address and password.
///
/// Posts [`FLOW_FIELD`], and [`EMAIL_FIELD`] with [`PASSWORD_FIELD`] or [`PASSKEY_FIELD`](crate::PASSKEY_FIELD), to the page's own address: a form
/// without an action keeps the fragment of what was asked for (`/web/#/home`) all the way.
#[derive(Clone, Debug, Template)]
#[template(path = "sign_in.html")]
pub struct SignIn<'a> {
    /// Where they want to go.
    pub host: &'a str,
    /// What is in the address field at first: what they typed before, or nothing.
    pub email: &'a str,
    /// Why they see this page again.
    pub error: Option<SignInError>,
    /// What ties the post to this sign-in.
    pub flow: &'a str,
    /// Whether passwords count.
    pub passwords: bool,
    /// What a passkey is asked; `None` where this address can't have any.
    pub challenge: Option<&'a str>,
    /// Where somebody makes a passkey, on a page that takes nothing else also of who is signed in.
    pub account: Option<Link<'a>>,
    /// Where a link is sent by e-mail to who forgot what signs them in; `None` where none is.
    pub forgot: Option<Link<'a>>,
    /// Other providers that may be chosen instead.
    pub ways: &'a [Way<'a>],
    /// Whom to ask, where the operator says.
    pub contact: Option<Contact<'a>>,
}

/// Why somebody is not signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInError {
    /// The address is unknown or the password is not theirs; which one is never told.
    Wrong,
    /// The password was not looked at.
    TooManyTries {
        /// How long to wait, in minutes; 0 counts as 1.
        minutes: u64,
    },
    /// The passkey is unknown, or what it said does not count.
    Passkey,
    /// The code is not what their app shows.
    Code,
    /// Their access has ended.
    Over,
    /// The store of people failed.
    Unavailable,
    /// The page was open for longer than a sign-in may take.
    Expired,
}

impl SignInError {
    /// The status that the page is sent with.
    pub const fn status(self) -> u16 {
        match self {
            // A login form has no `WWW-Authenticate` to offer, so 401 would be a lie to RFC 9110
            // §15.5.2; 403 also keeps password managers from storing the wrong password.
            Self::Wrong | Self::Code | Self::Passkey | Self::Over => 403,
            Self::TooManyTries { .. } => 429,
            Self::Unavailable => 503,
            Self::Expired => 400,
        }
    }

    /// What went wrong and what to do.
    pub fn words(self) -> Words<'static> {
        match self {
            Self::Wrong => {
                Words::of("That address and password don't go together. Check both and try again.")
            }
            Self::TooManyTries { minutes: 0 | 1 } => {
                Words::of("Too many tries. Wait a minute, then try again.")
            }
            Self::TooManyTries { minutes } => {
                Words::of("Too many tries. Wait {minutes} minutes, then try again.")
                    .with("minutes", minutes.to_string())
            }
            Self::Passkey => Words::of(
                "That passkey opens nothing here, or not any more. Take another one, or your password.",
            ),
            Self::Code => {
                Words::of("That is not the code that your app shows now, or it was used before.")
            }
            Self::Over => Words::of("Your access has ended. Ask the person who invited you."),
            Self::Unavailable => {
                Words::of("Nobody can be looked up right now. Try again in a minute.")
            }
            Self::Expired => Words::of("This page was open for too long. Sign in once more."),
        }
    }
}

/// The form field with the code of an app.
pub const CODE_FIELD: &str = "code";
/// The hidden form field that says what was shown or given out before.
pub const SHOWN_FIELD: &str = "shown";

/// After a password: the code of an app.
#[derive(Clone, Debug, Template)]
#[template(path = "code.html")]
pub struct Code<'a> {
    /// Where they want to go.
    pub host: &'a str,
    /// Why they see this page again.
    pub error: Option<SignInError>,
    /// What ties the post to this sign-in.
    pub flow: &'a str,
    /// Who has shown a password, sealed.
    pub shown: &'a str,
}

impl Code<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}

impl SignIn<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}
