use askama::Template;

use crate::{Contact, Language, Link, Words, filters, rendered};

/// The built-in provider sends somebody who forgot what signs them in a link by e-mail.
#[derive(Clone, Debug, Template)]
#[template(path = "forgot.html")]
pub struct Forgot<'a> {
    /// How far it has come.
    pub step: ForgotStep<'a>,
    /// The sign-in page that they came from.
    pub back: Link<'a>,
    /// Whom to ask, where the operator says.
    pub contact: Option<Contact<'a>>,
}

/// How far it has come.
#[derive(Clone, Copy, Debug)]
pub enum ForgotStep<'a> {
    /// The address is asked for.
    Asks {
        /// What they typed before, or nothing.
        email: &'a str,
        /// Why they see this page again.
        error: Option<ForgotError>,
        /// What ties the post to this page.
        flow: &'a str,
    },
    /// Whoever it is, they are told the same.
    Sent,
}

/// Why nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForgotError {
    /// Too much was asked for from there.
    TooManyTries {
        /// How long to wait, in minutes; 0 counts as 1.
        minutes: u64,
    },
    /// Too much waits to be sent.
    Unavailable,
    /// The page was open for too long.
    Expired,
}

impl ForgotError {
    /// The status that the page is sent with.
    pub const fn status(self) -> u16 {
        match self {
            Self::TooManyTries { .. } => 429,
            Self::Unavailable => 503,
            Self::Expired => 400,
        }
    }

    /// What went wrong and what to do.
    pub fn words(self) -> Words<'static> {
        match self {
            Self::TooManyTries { minutes: 0 | 1 } => {
                Words::of("Too many tries. Wait a minute, then try again.")
            }
            Self::TooManyTries { minutes } => {
                Words::of("Too many tries. Wait {minutes} minutes, then try again.")
                    .with("minutes", minutes.to_string())
            }
            Self::Unavailable => {
                Words::of("Nobody can be looked up right now. Try again in a minute.")
            }
            Self::Expired => Words::of("This page was open for too long. Try again."),
        }
    }
}

impl Forgot<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}
