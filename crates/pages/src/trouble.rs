//! Trouble of our own: sign-in that can't begin or did not end well, and mistakes of the door.

use crate::{
    contact::Contact,
    link::Link,
    notice::{Action, Advice, ErrorPage, Notice},
    receipt::Receipt,
    words::Words,
};

/// 503: the provider does not answer, so nobody new can sign in.
#[derive(Clone, Debug)]
pub struct ProviderDown<'a> {
    /// The host that was asked for.
    pub host: &'a str,
    /// Begins the sign-in again.
    pub try_again: Link<'a>,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for ProviderDown<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 503,
            code: "provider-down",
            title: "sign-in is not available now",
            heading: Words::of("You can't sign in to {host} right now.").with("host", self.host),
            advice: vec![Advice::text(
                "The service that signs people in does not answer. Whoever is signed in already \
                 can go on. Try again in a minute.",
            )],
            reasons: &[],
            action: Some(Action::Follow { words: "Try again", link: self.try_again.clone() }),
            receipt: self.receipt,
        }
    }
}

/// 503: what the provider publishes, or the config says of it, is wrong; waiting mends nothing.
#[derive(Clone, Debug)]
pub struct SetUpWrong<'a> {
    /// Begins the sign-in again.
    pub again: Link<'a>,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for SetUpWrong<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 503,
            code: "provider-set-up-wrong",
            title: "sign-in is not set up right",
            heading: Words::of("Nobody can sign in here: something is not set up right."),
            advice: vec![Advice::text(
                "It does not mend itself. Tell the person who runs this server; the log says what \
                 is wrong. Whoever is signed in already can go on.",
            )],
            reasons: &[],
            action: Some(Action::Follow {
                words: "It was mended: go on",
                link: self.again.clone(),
            }),
            receipt: self.receipt,
        }
    }
}

/// What is wrong with the store of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreTrouble {
    /// It does not answer now.
    Unavailable,
    /// It takes no more.
    Full,
    /// What it holds can't be trusted.
    Damaged,
    /// It does not take this session.
    Refused,
}

/// 503, 500 or 403: the store of sessions failed, and what was asked for did not happen.
#[derive(Clone, Debug)]
pub struct NotNow<'a> {
    /// What is wrong: it says status, advice and when to try again.
    pub trouble: StoreTrouble,
    /// What did not happen, in a sentence.
    pub heading: &'static str,
    /// Where it can be tried once more, where a link can.
    pub try_again: Option<Link<'a>>,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for NotNow<'_> {
    fn notice(&self) -> Notice<'_> {
        let (status, code, title, advice) = match self.trouble {
            StoreTrouble::Unavailable => (
                503,
                "store-down",
                "not possible now",
                "The store of sessions failed. Try again in a minute, and tell the person who \
                 runs this server if it stays so.",
            ),
            StoreTrouble::Full => (
                503,
                "store-full",
                "no more sign-ins now",
                "There is no room for another session. Whoever is signed in can go on. Try again \
                 later, and tell the person who runs this server.",
            ),
            StoreTrouble::Damaged => (
                500,
                "store-damaged",
                "not possible until it is mended",
                "The store of sessions is damaged. It does not mend itself: tell the person who \
                 runs this server.",
            ),
            StoreTrouble::Refused => (
                403,
                "session-refused",
                "no session for this account",
                "This account can't have a session here. The log says why: ask the person who \
                 runs this server.",
            ),
        };
        // Where waiting mends nothing no button asks for it.
        let link = self.try_again.clone().filter(|_| self.retry_after().is_some());
        Notice {
            status,
            code,
            title,
            heading: self.heading.into(),
            advice: vec![Advice::text(advice)],
            reasons: &[],
            action: link.map(|link| Action::Follow { words: "Try again", link }),
            receipt: self.receipt,
        }
    }

    fn retry_after(&self) -> Option<u32> {
        match self.trouble {
            StoreTrouble::Unavailable => Some(5),
            StoreTrouble::Full => Some(60),
            StoreTrouble::Damaged | StoreTrouble::Refused => None,
        }
    }
}

/// 503: this machine does not know what time it is, so nobody can be known.
#[derive(Clone, Debug)]
pub struct ClockUnset<'a> {
    /// Asks for the same again, where a link can.
    pub try_again: Option<Link<'a>>,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for ClockUnset<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 503,
            code: "clock-unset",
            title: "what time is it?",
            heading: Words::of("This server's clock is not set, so nobody can be let in."),
            advice: vec![Advice::text(
                "Tell the person who runs this server: once its clock is right, everything goes on.",
            )],
            reasons: &[],
            action: self
                .try_again
                .as_ref()
                .map(|link| Action::Follow { words: "Try again", link: link.clone() }),
            receipt: self.receipt,
        }
    }
}

/// 400: a sign-in that began and did not end well.
#[derive(Clone, Debug)]
pub struct SignInFailed<'a> {
    /// What went wrong, in a sentence.
    pub why: &'a str,
    /// Begins the sign-in again.
    pub try_again: Link<'a>,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for SignInFailed<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 400,
            code: "sign-in-failed",
            title: "sign-in failed",
            heading: Words::of("You are not signed in."),
            advice: vec![Advice::Text(self.why.into())],
            reasons: &[],
            action: Some(Action::Follow { words: "Try again", link: self.try_again.clone() }),
            receipt: self.receipt,
        }
    }
}

/// 401: somebody has to sign in first, and whoever asks follows no redirect.
#[derive(Clone, Debug)]
pub struct Unauthenticated<'a> {
    /// Where a person signs in.
    pub sign_in: Link<'a>,
    /// Whom to ask, where the operator says.
    pub contact: Option<Contact<'a>>,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for Unauthenticated<'_> {
    fn notice(&self) -> Notice<'_> {
        let mut advice = vec![Advice::text("Sign in, then try again.")];
        advice.extend(self.contact.map(Advice::Contact));
        Notice {
            status: 401,
            code: "user-unauthenticated",
            title: "sign in first",
            heading: Words::of("You are not signed in."),
            advice,
            reasons: &[],
            action: Some(Action::Follow { words: "Sign in", link: self.sign_in.clone() }),
            receipt: self.receipt,
        }
    }
}

/// 500: a mistake of ours. What it was stands in the log, under the same request.
#[derive(Clone, Debug)]
pub struct InternalError<'a> {
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for InternalError<'_> {
    fn notice(&self) -> Notice<'_> {
        Notice {
            status: 500,
            code: "internal-error",
            title: "a mistake of the door",
            heading: Words::of("Something went wrong here, and it was not you."),
            advice: vec![Advice::text(
                "Try again. If it stays, tell the person who runs this server what stands below: \
                 the log says more.",
            )],
            reasons: &[],
            action: None,
            receipt: self.receipt,
        }
    }
}
