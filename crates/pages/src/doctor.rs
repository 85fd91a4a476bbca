use askama::Template;

use crate::{filters, language::Language, link::Link, receipt::Moment, rendered};

/// The hidden field with the number of what was shown.
pub const OFFER_FIELD: &str = "offer";

/// `/.pomerium/doctor`: what is wrong from names to Jellyfin, for who looks after people.
///
/// What was found is said in English, as the command says it: the page says so to the browser.
#[derive(Clone, Debug, Template)]
#[template(path = "doctor.html")]
pub struct Doctor<'a> {
    /// Why nothing was begun.
    pub note: Option<&'a str>,
    /// How far it is.
    pub examination: Examination<'a>,
    /// Ties a post to this page.
    pub flow: &'a str,
    /// This page.
    pub here: Link<'a>,
}

/// How far an examination is.
#[derive(Clone, Debug)]
pub enum Examination<'a> {
    /// Nobody asked for one yet.
    None,
    /// It began at this second since 1970, and runs.
    Runs(u64),
    /// It broke off at this second since 1970.
    BrokeOff(u64),
    /// It ended.
    Done(Examined<'a>),
}

/// What an examination found.
#[derive(Clone, Debug)]
pub struct Examined<'a> {
    /// When it began, in seconds since 1970.
    pub at: u64,
    /// What to mend.
    pub errors: Vec<ShownFinding<'a>>,
    /// What to look at.
    pub warnings: Vec<ShownFinding<'a>>,
    /// What is fine.
    pub fine: Vec<ShownFinding<'a>>,
    /// Can some of it be mended?
    pub is_curable: bool,
    /// What became of that.
    pub mending: ShownMending<'a>,
    /// Can something be put back?
    pub can_put_back: bool,
}

/// What became of mending.
#[derive(Clone, Debug)]
pub enum ShownMending<'a> {
    /// Nobody asked.
    Unasked,
    /// This would be changed.
    Offered(ShownOffer<'a>),
    /// It was changed.
    Mended,
    /// It was put back.
    PutBack,
    /// Not all of it was done; why, in English.
    Failed(&'a str),
}

/// What would be changed.
#[derive(Clone, Debug)]
pub struct ShownOffer<'a> {
    /// Its number, which comes back with the button.
    pub number: u64,
    /// Each setting.
    pub changes: Vec<ShownChange<'a>>,
    /// Servers that restart then.
    pub restarts: Vec<&'a str>,
}

/// One setting, before and after.
#[derive(Clone, Copy, Debug)]
pub struct ShownChange<'a> {
    /// The server's address.
    pub server: &'a str,
    /// The setting.
    pub key: &'a str,
    /// As it is.
    pub was: &'a str,
    /// As it would be.
    pub becomes: &'a str,
}

/// One finding, in English.
#[derive(Clone, Copy, Debug)]
pub struct ShownFinding<'a> {
    /// Its code.
    pub code: &'a str,
    /// What is wrong, in a few words.
    pub title: &'a str,
    /// What it is about, and which one.
    pub subject: (&'a str, &'a str),
    /// What was seen.
    pub what: &'a str,
    /// What it means, and for whom.
    pub means: &'a str,
    /// What to do.
    pub help: &'a str,
}

impl Doctor<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }

    fn moment(seconds: &u64) -> Moment {
        Moment(*seconds)
    }
}

impl<'a> Examined<'a> {
    /// What is not fine, the worst first; which part of the page, and its heading.
    fn parts(&self) -> Vec<(&'static str, &'static str, &[ShownFinding<'a>])> {
        let mend = ("mend", "What to mend", &*self.errors);
        let look = ("look", "What to look at", &*self.warnings);
        [mend, look].into_iter().filter(|(_, _, all)| !all.is_empty()).collect()
    }
}
