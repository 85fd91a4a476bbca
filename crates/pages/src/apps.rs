use askama::Template;

use crate::{filters, language::Language, link::PostForm, receipt::Moment, rendered, words::Words};

/// The field of [`Apps`] with the six digits that an app shows.
pub const APP_CODE_FIELD: &str = "code";
/// The field of [`Apps`] that names the app to which somebody says yes.
pub const APP_FIELD: &str = "app";

/// `/link`: lets an app in that shows a code, and ends those that were let in.
#[derive(Clone, Debug, Template)]
#[template(path = "apps.html")]
pub struct Apps<'a> {
    /// The host of the library.
    pub host: &'a str,
    /// What came of the last button, in a sentence.
    pub said: Option<Words<'a>>,
    /// The app whose code was typed: the reader says yes to it, or not.
    pub asked: Option<WaitingApp<'a>>,
    /// Apps that wait in the reader's own network.
    pub near: Vec<WaitingApp<'a>>,
    /// Those that they let in.
    pub own: Vec<OwnApp<'a>>,
    /// Where each button posts to.
    pub form: PostForm<'a>,
}

/// An app that waits.
#[derive(Clone, Copy, Debug)]
pub struct WaitingApp<'a> {
    /// What the form says of it.
    pub id: &'a str,
    /// The six digits that it shows.
    pub code: &'a str,
    /// What it calls itself.
    pub client: &'a str,
    /// What it calls its device.
    pub device: &'a str,
    /// From where it asks.
    pub address: &'a str,
    /// Is that the reader's own network?
    pub is_near: bool,
    /// How many seconds ago it asked.
    pub seconds: u64,
    /// The name that was typed at it, where it shows no code.
    pub held: Option<&'a str>,
}

/// An app that was let in.
#[derive(Clone, Copy, Debug)]
pub struct OwnApp<'a> {
    /// Its session.
    pub id: &'a str,
    /// What it called itself then, and its device.
    pub name: &'a str,
    /// When it was let in, in seconds since 1970.
    pub since: u64,
    /// When it asked last, and from where, since usher was started.
    pub seen: Option<(u64, &'a str)>,
    /// Until when, in seconds since 1970.
    pub until: u64,
}

impl WaitingApp<'_> {
    fn age(&self) -> Words<'static> {
        let seconds = self.seconds;
        match seconds {
            0..=1 => Words::of("just now"),
            2..=119 => Words::of("{seconds} seconds ago").with("seconds", seconds.to_string()),
            _ => Words::of("{minutes} minutes ago").with("minutes", (seconds / 60).to_string()),
        }
    }
}

impl OwnApp<'_> {
    fn began(&self) -> Moment {
        Moment(self.since)
    }

    fn seen(&self) -> Option<(Moment, &str)> {
        self.seen.map(|(at, address)| (Moment(at), address))
    }

    fn ends(&self) -> Moment {
        Moment(self.until)
    }
}

impl Apps<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}
