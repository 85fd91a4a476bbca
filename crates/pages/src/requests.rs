//! Requests that lead nowhere: to no route, to the wrong host, or in no shape to be read.

use std::borrow::Cow;

use crate::{
    link::Link,
    notice::{Action, Advice, ErrorPage, Notice},
    receipt::Receipt,
    words::Words,
};

/// 404: no route answers for this host, or none of its routes for this path.
#[derive(Clone, Debug)]
pub struct NotFound<'a> {
    /// The host that was asked for.
    pub host: &'a str,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for NotFound<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 404,
            code: "route-not-found",
            title: "nothing here",
            heading: Words::of("There is nothing at this address on {host}.")
                .with("host", self.host),
            advice: vec![Advice::text(
                "Check the address for a typing slip, or ask the person who gave it to you.",
            )],
            reasons: &[],
            action: None,
            receipt: self.receipt,
        }
    }
}

/// 421: the connection was opened for another host (RFC 9110 §15.5.20).
#[derive(Clone, Debug)]
pub struct Misdirected<'a> {
    /// The host that the request names.
    pub host: &'a str,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for Misdirected<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 421,
            code: "misdirected",
            title: "wrong connection",
            heading: Words::of("This connection was not opened for {host}.")
                .with("host", self.host),
            advice: vec![Advice::text(
                "Load the page again: your browser will open a connection of its own.",
            )],
            reasons: &[],
            action: None,
            receipt: self.receipt,
        }
    }
}

/// 400: a request that can be read in more than one way, or in none.
#[derive(Clone, Debug)]
pub struct BadRequest<'a> {
    /// What is wrong with it, in a sentence, where telling it gives nothing away.
    pub why: Option<Cow<'a, str>>,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for BadRequest<'_> {
    fn notice(&self) -> Notice<'_> {
        let mut advice = Vec::with_capacity(2);
        advice.extend(self.why.as_deref().map(|why| Advice::Text(why.into())));
        advice.push(Advice::text(
            "If you followed a link, ask where it came from. If you typed the address, check it.",
        ));
        Notice {
            status: 400,
            code: "bad-request",
            title: "unreadable request",
            heading: Words::of("This request can't be read."),
            advice,
            reasons: &[],
            action: None,
            receipt: self.receipt,
        }
    }
}

/// 413: more than we take.
#[derive(Clone, Debug)]
pub struct TooLarge<'a> {
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for TooLarge<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 413,
            code: "content-too-large",
            title: "too large",
            heading: Words::of("That is more than this address takes."),
            advice: vec![Advice::text(
                "Send less at once, or ask the person who runs this server.",
            )],
            reasons: &[],
            action: None,
            receipt: self.receipt,
        }
    }
}

/// 431: header fields too large or too many (RFC 6585 §5).
#[derive(Clone, Debug)]
pub struct HeadersTooLarge<'a> {
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for HeadersTooLarge<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 431,
            code: "headers-too-large",
            title: "headers too large",
            heading: Words::of("Your browser sent more headers than this server takes."),
            advice: vec![Advice::text(
                "Old cookies are the usual cause: delete the cookies of this site, then try again.",
            )],
            reasons: &[],
            action: None,
            receipt: self.receipt,
        }
    }
}

/// 431: the cookies of this domain are more than a request may have. For a page load it is sent with
/// `Clear-Site-Data: "cookies"`, which deletes them.
#[derive(Clone, Debug)]
pub struct CookiesTooLarge<'a> {
    /// The page that was asked for.
    pub try_again: Option<Link<'a>>,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for CookiesTooLarge<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 431,
            code: "cookies-too-large",
            title: "cookies too large",
            heading: Words::of("There are more cookies for this site than this server takes."),
            advice: vec![
                Advice::text(
                    "An app, or another site of the same domain, set them. Your browser was asked \
                     to delete them: try again, and sign in.",
                ),
                Advice::text(
                    "If this page comes back, delete the cookies of this site in your browser's \
                     settings, and tell the person who runs this server.",
                ),
            ],
            reasons: &[],
            action: self.try_again.clone().map(|link| Action::Follow { words: "Try again", link }),
            receipt: self.receipt,
        }
    }
}

/// 403: a page of another site posted one of our forms.
#[derive(Clone, Debug)]
pub struct ForeignForm<'a> {
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for ForeignForm<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 403,
            code: "cross-site",
            title: "a form of another site",
            heading: Words::of("Another site's page asked for this, so nothing was done."),
            advice: vec![Advice::text(
                "If you want it done, use the button on the page of this host.",
            )],
            reasons: &[],
            action: None,
            receipt: self.receipt,
        }
    }
}

/// 403: an app's service worker passed the sign-in page on, and would read the password.
///
/// Sent with `Clear-Site-Data: "storage"`, which ends it.
#[derive(Clone, Debug)]
pub struct WorkerBetween<'a> {
    /// Asks for the sign-in page again.
    pub again: Link<'a>,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for WorkerBetween<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 403,
            code: "worker-between",
            title: "a part of an app stood between",
            heading: Words::of("A part of an app in your browser could have read your password."),
            advice: vec![Advice::text(
                "It was asked to leave, so go on. If you see this page again, delete what your \
                 browser keeps for this site, or take a private window.",
            )],
            reasons: &[],
            action: Some(Action::Follow { words: "Go on", link: self.again.clone() }),
            receipt: self.receipt,
        }
    }
}

/// 400: the page that somebody wanted is not known any more.
#[derive(Clone, Debug)]
pub struct NotKept<'a> {
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for NotKept<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 400,
            code: "address-not-kept",
            title: "the address was too long",
            heading: Words::of("You are signed in. Open your link once more."),
            advice: vec![Advice::text(
                "The address that you asked for was too long to be kept while you signed in, or \
                 that was in another browser or too long ago.",
            )],
            reasons: &[],
            action: Some(Action::Follow { words: "Go to the start", link: Link::new("/") }),
            receipt: self.receipt,
        }
    }
}

/// 403: an upgrade that is not open here, or not to the page that asked for it.
#[derive(Clone, Debug)]
pub struct UpgradeRefused<'a> {
    /// Why, in a sentence.
    pub why: &'a str,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for UpgradeRefused<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 403,
            code: "upgrade-refused",
            title: "no socket here",
            heading: Words::of("This connection can't be opened here."),
            advice: vec![
                Advice::Text(self.why.into()),
                Advice::text("Ask the person who runs this server, if an app needs it."),
            ],
            reasons: &[],
            action: None,
            receipt: self.receipt,
        }
    }
}

/// 403: the app has what was asked for, and nobody gets it from outside.
#[derive(Clone, Debug)]
pub struct ClosedHere<'a> {
    /// Why, in a sentence.
    pub why: &'a str,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for ClosedHere<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 403,
            code: "closed-here",
            title: "closed",
            heading: "This is closed here.".into(),
            advice: vec![
                Advice::Text(self.why.into()),
                Advice::text("Ask the person who runs this server, if you need it."),
            ],
            reasons: &[],
            action: None,
            receipt: self.receipt,
        }
    }
}

/// 408: the request stopped in the middle.
#[derive(Clone, Debug)]
pub struct RequestTimeout<'a> {
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for RequestTimeout<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 408,
            code: "request-timeout",
            title: "the request stopped",
            heading: Words::of("The rest of this request did not come."),
            advice: vec![Advice::text("Check your connection, then try again.")],
            reasons: &[],
            action: None,
            receipt: self.receipt,
        }
    }
}

/// 501: a part of HTTP that is not spoken here.
#[derive(Clone, Debug)]
pub struct NotImplemented<'a> {
    /// Which, in a sentence.
    pub why: &'a str,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for NotImplemented<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 501,
            code: "not-implemented",
            title: "not spoken here",
            heading: Words::of("This server does not speak that."),
            advice: vec![Advice::Text(self.why.into())],
            reasons: &[],
            action: None,
            receipt: self.receipt,
        }
    }
}
