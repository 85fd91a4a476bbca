use askama::Template;

use crate::{
    contact::Contact,
    filters,
    language::Language,
    link::PostForm,
    notice::{Advice, ErrorPage, Notice},
    receipt::{Moment, Receipt},
    rendered,
    words::Words,
};

/// `/.pomerium/webauthn`: somebody's enrolled devices, one of which they are to show, or enrol.
#[derive(Clone, Debug, Template)]
#[template(path = "enrolments.html")]
pub struct Enrolments<'a> {
    /// The host that wants to know; nothing where they look after their devices.
    pub host: Option<&'a str>,
    /// Why none was shown.
    pub note: Option<&'a str>,
    /// Those that they have, oldest first.
    pub devices: Vec<ListedEnrolment<'a>>,
    /// Everybody else's, by person; none but for who looks after people.
    pub others: Vec<ListedEnrolment<'a>>,
    /// What one of them is asked; `None` where there is none to ask.
    pub show: Option<&'a str>,
    /// What a new one is asked; `None` where none can be made.
    pub make: Option<&'a str>,
    /// Whether they signed in lately enough to enrol one.
    pub is_recent: bool,
    /// Whose a new one will be, for machines.
    pub user: &'a str,
    /// The same for people.
    pub called: &'a str,
    /// The site that it will be for.
    pub site: &'a str,
    /// Ids of those that can be asked, with blanks between them.
    pub allowed: &'a str,
    /// What ties a post to this page.
    pub flow: &'a str,
}

/// A device as its owner sees it, and who looks after people.
#[derive(Clone, Debug)]
pub struct ListedEnrolment<'a> {
    /// Whose it is.
    pub person: &'a str,
    /// What it is called.
    pub label: &'a str,
    /// When it was enrolled, in seconds since 1970.
    pub added_at: u64,
    /// When it was shown last, in seconds since 1970.
    pub used_at: Option<u64>,
    /// Whether an operator approved it.
    pub is_approved: bool,
    /// Takes it away.
    pub remove: PostForm<'a>,
}

impl ListedEnrolment<'_> {
    fn added(&self) -> Moment {
        Moment(self.added_at)
    }

    fn used(&self) -> Option<Moment> {
        self.used_at.map(Moment)
    }
}

impl Enrolments<'_> {
    /// The HTML document, as its reader reads it.
    pub fn render(&self, language: Language) -> String {
        rendered(self, language)
    }
}

/// 450: the policy says no to the device that was shown. Pomerium's own status, which programs know.
#[derive(Clone, Debug)]
pub struct DeviceRefused<'a> {
    /// The host that was asked for.
    pub host: &'a str,
    /// Whom to ask, where the operator says.
    pub contact: Option<Contact<'a>>,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for DeviceRefused<'_> {
    fn notice(&self) -> Notice<'_> {
        let host = self.host;
        let mut advice = vec![Advice::text("Ask the person who runs this server to approve it.")];
        advice.extend(self.contact.map(Advice::Contact));
        Notice {
            status: 450,
            code: "device-unauthorized",
            title: "device not authorized",
            heading: Words::of("{host} can't be opened with this device.").with("host", host),
            advice,
            reasons: &[],
            action: None,
            receipt: self.receipt,
        }
    }
}

/// 403: the policy asks for a kind of device that nobody can enrol here.
#[derive(Clone, Debug)]
pub struct NoDevices<'a> {
    /// The host that was asked for.
    pub host: &'a str,
    /// Whom to ask, where the operator says.
    pub contact: Option<Contact<'a>>,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for NoDevices<'_> {
    fn notice(&self) -> Notice<'_> {
        let words = "It wants a kind of device that can't be checked here. Ask the person who runs \
                     this server for another way in.";
        let mut advice = vec![Advice::text(words)];
        advice.extend(self.contact.map(Advice::Contact));
        Notice {
            status: 403,
            code: "device-unauthenticated",
            title: "no device was shown",
            heading: Words::of("{host} wants to know your device.").with("host", self.host),
            advice,
            reasons: &[],
            action: None,
            receipt: self.receipt,
        }
    }
}
