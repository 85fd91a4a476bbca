use askama::Template;

use crate::{filters, language::Language, link::PostForm, receipt::Moment, rendered, words::Words};

/// The field of a form on [`Devices`]: the id of the device that gets another name.
pub const RENAME_FIELD: &str = "rename";

/// `/.pomerium/devices`: the apps that somebody let in, each to be renamed and ended.
#[derive(Clone, Debug, Template)]
#[template(path = "devices.html")]
pub struct Devices<'a> {
    /// The reader's own, the newest first.
    pub own: Vec<ListedDevice<'a>>,
    /// Everybody else's, where the reader looks after them.
    pub everybody: Option<Vec<ListedDevice<'a>>>,
    /// Renames one, ends one, or ends all of the reader's.
    pub form: PostForm<'a>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct ListedDevice<'a> {
    /// Its id.
    pub id: &'a str,
    /// Whose it is.
    pub person: &'a str,
    /// What its owner calls it.
    pub name: &'a str,
    /// What it called itself when it was let in.
    pub device: &'a str,
    /// Which app it is, as it said then.
    pub client: &'a str,
    /// The library that it was let in to.
    pub host: &'a str,
    /// How it was let in.
    pub by: LetIn,
    /// When it was let in, in seconds since 1970.
    pub since: u64,
    /// When it asked last, and from where; `None`: not yet.
    pub seen: Option<(u64, &'a str)>,
    /// Until when, in seconds since 1970.
    pub until: u64,
}

/// How a device was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetIn {
    /// By its code, in a browser.
    WithCode,
    /// From another app of the same person's.
    FromApp,
    /// In a browser, while it waited without a code.
    WhileItWaited,
    /// By an app password of theirs, typed into it.
    ByPassword,
}

impl ListedDevice<'_> {
    fn began(&self) -> Moment {
        Moment(self.since)
    }

    fn seen(&self) -> Option<(Moment, &str)> {
        self.seen.map(|(at, address)| (Moment(at), address))
    }

    fn ends(&self) -> Moment {
        Moment(self.until)
    }

    fn by(&self) -> Words<'static> {
        Words::of(match self.by {
            LetIn::WithCode => "let in with its code",
            LetIn::FromApp => "let in from another app",
            LetIn::WhileItWaited => "let in while it waited",
            LetIn::ByPassword => "let in by an app password",
        })
    }

    fn has_another_name(&self) -> bool {
        self.name != self.device
    }
}

impl Devices<'_> {
    fn tells_times(&self) -> bool {
        !self.own.is_empty() || self.everybody.iter().flatten().next().is_some()
    }

    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}
