//! The app behind the door is away. The visitor is told nothing about where it lives.

use crate::{
    link::Link,
    notice::{Action, Advice, ErrorPage, Notice},
    receipt::Receipt,
    words::Words,
};

/// Seconds in which an app that starts, or is started again, may be back: programs ask again then.
const SOON: u32 = 10;

/// 502: the app said something that is not HTTP, or not the upgrade that was asked for.
#[derive(Clone, Debug)]
pub struct UpstreamDown<'a> {
    /// The host that was asked for.
    pub host: &'a str,
    /// Asks for the same page again; `None` for what a link can't ask for.
    pub try_again: Option<Link<'a>>,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for UpstreamDown<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 502,
            code: "upstream-down",
            title: "the app is not answering",
            heading: Words::of("{host} is not answering.").with("host", self.host),
            advice: vec![Advice::text(
                "You got past the door; the app behind it gave no answer that can be passed on. \
                 Try again in a minute.",
            )],
            reasons: &[],
            action: again(self.try_again.as_ref()),
            receipt: self.receipt,
        }
    }
}

/// 503: no connection to the app is to be had now (nobody listens, its name or its certificate is
/// wrong, it hung up), or there is no room here.
#[derive(Clone, Debug)]
pub struct UpstreamUnavailable<'a> {
    /// The host that was asked for.
    pub host: &'a str,
    /// Asks for the same page again; `None` for what a link can't ask for.
    pub try_again: Option<Link<'a>>,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for UpstreamUnavailable<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 503,
            code: "upstream-unavailable",
            title: "not available now",
            heading: Words::of("{host} can't take you in right now.").with("host", self.host),
            advice: vec![Advice::text("It is starting, stopping or full. Try again in a minute.")],
            reasons: &[],
            action: again(self.try_again.as_ref()),
            receipt: self.receipt,
        }
    }

    fn retry_after(&self) -> Option<u32> {
        Some(SOON)
    }
}

/// 504: the app took the request and did not answer in time.
#[derive(Clone, Debug)]
pub struct UpstreamSlow<'a> {
    /// The host that was asked for.
    pub host: &'a str,
    /// Asks for the same page again; `None` for what a link can't ask for.
    pub try_again: Option<Link<'a>>,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for UpstreamSlow<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 504,
            code: "upstream-slow",
            title: "the app is too slow",
            heading: Words::of("{host} is taking too long to answer.").with("host", self.host),
            advice: vec![Advice::text(
                "The app behind the door has your request and has not replied. \
                 Try again in a minute.",
            )],
            reasons: &[],
            action: again(self.try_again.as_ref()),
            receipt: self.receipt,
        }
    }
}

/// A link asks for no form again: who sent one goes on from the start.
fn again<'a>(link: Option<&Link<'a>>) -> Option<Action<'a>> {
    Some(match link {
        Some(link) => Action::Follow { words: "Try again", link: link.clone() },
        None => Action::Follow { words: "Go to the start", link: Link::new("/") },
    })
}
