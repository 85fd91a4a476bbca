//! One question about a request or about the person who makes it (`pomerium-config.md` §4.5).
//!
//! The types keep the two apart: a question about a person is asked with a person in hand, so
//! none of them can pass for a request without a session. Pomerium asks them of nobody, and the
//! negative ones then let nobody in particular in (`pomerium-policy-measured.md` 4).

mod person;
mod read;
mod request;

pub(super) use person::{AboutPerson, Claim, Doubt};
pub(super) use request::AboutRequest;

use super::{
    decision::Reason,
    facts::{Facts, RequestFacts},
};

/// One question.
#[derive(Clone, Debug)]
pub(super) enum Criterion {
    /// Yes.
    Accept,
    /// No; under `deny` it therefore denies nothing.
    Reject,
    /// About what is asked.
    Request(AboutRequest),
    /// About who asks.
    Person(AboutPerson),
}

/// The answer to a question, and its word for the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) holds: bool,
    pub(super) reason: Reason,
}

impl Answer {
    const fn new(holds: bool, yes: Reason, no: Reason) -> Self {
        Self { holds, reason: if holds { yes } else { no } }
    }

    pub(super) const fn inverted(self) -> Self {
        Self { holds: !self.holds, reason: self.reason }
    }
}

impl Criterion {
    /// Asks. `doubt` says what becomes of what can't be read.
    pub(super) fn ask(&self, facts: &Facts<'_>, doubt: Doubt) -> Answer {
        match self {
            Self::Accept => Answer { holds: true, reason: Reason::Accept },
            Self::Reject => Answer { holds: false, reason: Reason::Reject },
            Self::Request(question) => question.ask(&facts.request),
            Self::Person(question) => match facts.who {
                Some(who) => question.ask(who, doubt),
                None => Answer { holds: false, reason: Reason::UserUnauthenticated },
            },
        }
    }

    /// The criterion in words, for `explain`.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Accept => "everybody".into(),
            Self::Reject => "nobody".into(),
            Self::Request(question) => question.in_words(),
            Self::Person(question) => question.in_words(),
        }
    }

    /// What it found, in words, for `explain`.
    pub(super) fn found(&self, facts: &Facts<'_>) -> String {
        match self {
            Self::Accept | Self::Reject => "always so".into(),
            Self::Request(question) => question.found(&facts.request),
            Self::Person(question) => match facts.who {
                Some(who) => question.found(who),
                None => "nobody is signed in".into(),
            },
        }
    }
}
