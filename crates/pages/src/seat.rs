use askama::Template;

use crate::{filters, language::Language, link::Link, rendered, words::Words};

/// `/seat` of a library: gives the web client there who its reader is, and goes on to it.
///
/// Sent with [`Scripts::Asking`]: its script asks for the reader's token and keeps it where the web
/// client looks.
///
/// [`Scripts::Asking`]: crate::Scripts::Asking
#[derive(Clone, Debug, Template)]
#[template(path = "seat.html")]
pub struct Seat<'a> {
    /// The host of the library.
    pub host: &'a str,
    /// What is in front of all paths of the library; mostly nothing.
    pub base: &'a str,
    /// The page itself.
    pub again: Link<'a>,
    /// Why nobody is seated, in a sentence; `None`: the script seats its reader.
    pub said: Option<Words<'a>>,
}

/// Somebody signed out in the library, and is signed in again: they are asked first.
#[derive(Clone, Debug, Template)]
#[template(path = "left_seat.html")]
pub struct LeftSeat<'a> {
    /// Who is signed in: address, or id where there is none.
    pub person: &'a str,
    /// Seats them.
    pub seat: Link<'a>,
    /// Has somebody else sign in.
    pub sign_out: Link<'a>,
}

/// A library starts. Sent with `Refresh`, in the place of what its server says to browsers.
#[derive(Clone, Debug, Template)]
#[template(path = "starting.html")]
pub struct Starting<'a> {
    /// The host of the library.
    pub host: &'a str,
    /// The page that was asked for.
    pub again: Link<'a>,
}

impl Starting<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}

impl Seat<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}

impl LeftSeat<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}
