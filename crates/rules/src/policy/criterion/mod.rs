//! One question about a request or about the person who makes it (`pomerium-config.md` §4.5).
//!
//! Each is a [`Question`], whole in one place: name, operand, words for the records, what it looks
//! at, and how it is answered. The files here hold those that look at the same fact; adding one is
//! a type and its line under `criteria!` there. What it looks at is a type, too, so that no
//! question about a person can pass for a request without a session. Pomerium asks them of nobody,
//! and the negative ones then let nobody in particular in (`pomerium-policy-measured.md` 4).

mod read;

pub(super) use certificate::{Invalid, RestsOn};
pub(super) use claim::Claim;
pub(super) use constant::Accept;
pub(super) use device::UNAUTHENTICATED as DEVICE_UNAUTHENTICATED;
pub(super) use person::{Domain, Email, Id};
pub(super) use request::Preflight;
pub(super) use session::AuthenticatedUser;

use super::{
    facts::{Facts, RequestFacts, SpeltPerson},
    matcher::Manner,
    reason::{Reason, Reasons},
    report::Report,
};
use crate::{
    names::EscapedSlashes,
    people::{Person, Spelling},
    session::SignedIn,
};
use read::Written;

/// A criterion of the policy language: all that is known about it.
trait Question: Sized + 'static {
    /// As it is written.
    const NAME: &'static str;
    /// What people write when they mean it, and what they should.
    const MEANT: &'static [(&'static str, &'static str)] = &[];
    /// Whether something follows its name.
    const PATH: SubPath = SubPath::Without;
    /// Its words in the records: where it holds, and where it does not.
    const REASONS: [&'static str; 2];
    /// Words beside these, for answers that differ in more than yes and no.
    const MORE_REASONS: &'static [&'static str] = &[];
    /// What it looks at.
    type Of: Fact;
    /// What it is about.
    const ABOUT: About = Self::Of::ABOUT;

    /// Reads it as it stands in a rule. `None` when something is wrong with it.
    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self>;
    /// Does it hold?
    fn holds(&self, of: <Self::Of as Fact>::Seen<'_>, doubt: Doubt) -> bool;
    /// Why, where it is one of [`Self::MORE_REASONS`].
    fn why(&self, _of: <Self::Of as Fact>::Seen<'_>) -> Option<Reason> {
        None
    }

    /// The same, where it does not hold.
    fn why_not(&self, _of: <Self::Of as Fact>::Seen<'_>) -> Option<Reason> {
        None
    }

    /// The kind of device that is asked for.
    fn device_kind(&self) -> Option<&str> {
        None
    }

    /// The question, for `explain`.
    fn in_words(&self) -> String;
    /// What it found, for `explain`.
    fn found(&self, of: <Self::Of as Fact>::Seen<'_>) -> String;

    /// What it asks of addresses that few of them can meet, or none.
    fn hardly_met(&self) -> Option<&str> {
        None
    }

    /// Operands that nobody and nothing can meet, where these requests are let through.
    fn never_met(&self, _possible: Possible<'_>) -> Vec<NeverMet> {
        Vec::new()
    }

    /// Why every request meets it, where these are let through and each does.
    fn always_met(&self, _possible: Possible<'_>) -> Option<&'static str> {
        None
    }

    /// What it rests on, where it is about clients' certificates.
    fn of_certificates(&self) -> Option<RestsOn> {
        None
    }
}

/// Whether a criterion has a name of its own behind a `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SubPath {
    With,
    Without,
}

/// What requests may have.
#[derive(Clone, Copy)]
pub(super) struct Possible<'a> {
    pub(super) methods: &'a [&'a str],
    /// Kept ones are in the decoded path like any other `/`.
    pub(super) slashes: EscapedSlashes,
}

/// What meets an operand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum MetBy {
    Nothing,
    /// Something, and hardly what was meant.
    Little,
}

/// An operand that nothing meets, and what to write instead.
pub(super) struct NeverMet {
    pub(super) code: &'static str,
    pub(super) by: MetBy,
    /// Does what meets it not pass, so that everything does?
    pub(super) negates: bool,
    pub(super) what: String,
    pub(super) help: String,
}

/// Something that questions look at, as a type: what is missing can't be asked about.
trait Fact {
    type Seen<'a>: Copy;
    const ABOUT: About;
    /// Its place among the facts; or why nobody can answer, for the records and in words.
    fn of<'a>(facts: &Facts<'a>) -> Result<Self::Seen<'a>, (Reason, &'static str)>;
}

/// What a criterion is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Nothing: its answer is always the same.
    Nothing,
    /// Nobody, so that it lets nobody in: a preflight has no one behind it.
    Nobody,
    /// What is asked, and from where.
    Request,
    /// When it is asked.
    Moment,
    /// What the message in its body asks for.
    Message,
    /// Who asks.
    Person,
}

struct Nothing;
struct Request;
struct Who;
struct Named;

impl Fact for Nothing {
    type Seen<'a> = ();
    const ABOUT: About = About::Nothing;

    fn of<'a>(_: &Facts<'a>) -> Result<(), (Reason, &'static str)> {
        Ok(())
    }
}

impl Fact for Request {
    type Seen<'a> = RequestFacts<'a>;
    const ABOUT: About = About::Request;

    fn of<'a>(facts: &Facts<'a>) -> Result<RequestFacts<'a>, (Reason, &'static str)> {
        Ok(facts.request)
    }
}

impl Fact for Who {
    type Seen<'a> = &'a SignedIn;
    const ABOUT: About = About::Person;

    fn of<'a>(facts: &Facts<'a>) -> Result<&'a SignedIn, (Reason, &'static str)> {
        facts.who.ok_or((UNAUTHENTICATED, "nobody is signed in"))
    }
}

/// Somebody, by what names them.
#[derive(Clone, Copy)]
struct Names<'a> {
    person: &'a Person,
    spelt: Option<&'a SpeltPerson>,
}

impl Fact for Named {
    type Seen<'a> = Names<'a>;
    const ABOUT: About = About::Person;

    fn of<'a>(facts: &Facts<'a>) -> Result<Names<'a>, (Reason, &'static str)> {
        let SignedIn { person, .. } = Who::of(facts)?;
        Ok(Names { person, spelt: facts.spelt })
    }
}

const UNAUTHENTICATED_WORD: &str = "user-unauthenticated";

/// What a question about a person says where nobody signed in.
pub(super) const UNAUTHENTICATED: Reason = Reason::named(UNAUTHENTICATED_WORD);

/// What is said where the answer waits for somebody to sign in, or to show a device.
pub(super) const WAITING: Reasons =
    Reasons::only(UNAUTHENTICATED).with(Reasons::only(DEVICE_UNAUTHENTICATED));

/// What is said where a certificate that counts has to be shown.
pub(super) const WITHOUT_CERTIFICATE: Reasons =
    Reasons::only(Reason::named("client-certificate-required"))
        .with(Reasons::only(Reason::named("invalid-client-certificate")));

/// The answer to a question, and its word for the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) holds: bool,
    pub(super) reason: Reason,
}

impl Answer {
    pub(super) const fn inverted(self) -> Self {
        Self { holds: !self.holds, reason: self.reason }
    }
}

/// What becomes of what can't be read: the domain of an address without an `@`, an id that the
/// provider left out, groups of somebody whom our own store doesn't know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It passes nothing. Right wherever passing lets somebody in.
    Fails,
    /// It differs from everything, so that negative operators pass. Right under `deny`, where
    /// `domain: {not: example.com}` must not overlook somebody without a domain
    /// (`pomerium-policy-measured.md` 7).
    Differs,
}

impl Doubt {
    const fn manner(self, person: &Person) -> Manner {
        match (person.spelling, self) {
            (Spelling::Kept, _) => Manner::Kept,
            (Spelling::AsSaid, Self::Fails) => Manner::LetsIn,
            (Spelling::AsSaid, Self::Differs) => Manner::KeepsOut,
        }
    }
}

/// What can be done with a criterion, whichever it is.
pub(super) trait Asked {
    /// Asks. `doubt` says what becomes of what can't be read.
    fn ask(&self, facts: &Facts<'_>, doubt: Doubt) -> Answer;
    fn asked(&self) -> &dyn Asked;
    fn in_words(&self) -> String;
    fn found(&self, facts: &Facts<'_>) -> String;
    fn about(&self) -> About;
    fn device_kind(&self) -> Option<&str>;
    fn hardly_met(&self) -> Option<&str>;
    fn never_met(&self, possible: Possible<'_>) -> Vec<NeverMet>;
    fn always_met(&self, possible: Possible<'_>) -> Option<&'static str>;
    fn of_certificates(&self) -> Option<RestsOn>;
}

impl<Q: Question> Asked for Q {
    fn ask(&self, facts: &Facts<'_>, doubt: Doubt) -> Answer {
        let [yes, no] = const { [Reason::named(Q::REASONS[0]), Reason::named(Q::REASONS[1])] };
        match Q::Of::of(facts) {
            Ok(of) => {
                let holds = self.holds(of, doubt);
                let usual = || if holds { yes } else { self.why_not(of).unwrap_or(no) };
                let reason = self.why(of).unwrap_or_else(usual);
                Answer { holds, reason }
            }
            Err((reason, _)) => Answer { holds: false, reason },
        }
    }

    fn asked(&self) -> &dyn Asked {
        self
    }

    fn in_words(&self) -> String {
        Question::in_words(self)
    }

    fn found(&self, facts: &Facts<'_>) -> String {
        match Q::Of::of(facts) {
            Ok(of) => Question::found(self, of),
            Err((_, words)) => words.into(),
        }
    }

    fn about(&self) -> About {
        Q::ABOUT
    }

    fn device_kind(&self) -> Option<&str> {
        Question::device_kind(self)
    }

    fn hardly_met(&self) -> Option<&str> {
        Question::hardly_met(self)
    }

    fn never_met(&self, possible: Possible<'_>) -> Vec<NeverMet> {
        Question::never_met(self, possible)
    }

    fn always_met(&self, possible: Possible<'_>) -> Option<&'static str> {
        Question::always_met(self, possible)
    }

    fn of_certificates(&self) -> Option<RestsOn> {
        Question::of_certificates(self)
    }
}

/// An enum of criteria, or of enums of them. No pointer is followed on the way of a request.
macro_rules! one_of {
    ($(#[$about:meta])* $name:ident: $($variant:ident($of:ty)),+) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        pub(in crate::policy) enum $name {
            $($variant($of),)+
        }

        impl $name {
            pub(in crate::policy) fn ask(
                &self,
                facts: &$crate::policy::Facts<'_>,
                doubt: $crate::policy::criterion::Doubt,
            ) -> $crate::policy::criterion::Answer {
                match self {
                    $(Self::$variant(one) => one.ask(facts, doubt),)+
                }
            }

            pub(in crate::policy) fn asked(&self) -> &dyn $crate::policy::criterion::Asked {
                match self {
                    $(Self::$variant(one) => one.asked(),)+
                }
            }
        }
    };
}

/// The criteria of a file, as one variant of [`Criterion`]; then names that Pomerium or its
/// documentation knows and that nothing here answers yet.
macro_rules! criteria {
    ($group:ident: $($question:ident),+; $(later: $($later:literal),+;)?) => {
        use $crate::policy::criterion::Asked as _;

        one_of! {
            /// Any of this file's.
            Any: $($question($question)),+
        }

        pub(super) const ENTRIES: &[$crate::policy::criterion::read::Entry] =
            &[$($crate::policy::criterion::read::Entry::of::<$question>()),+];
        pub(super) const REASONS: &[&[&str]] =
            &[$(
                &<$question as $crate::policy::criterion::Question>::REASONS,
                <$question as $crate::policy::criterion::Question>::MORE_REASONS,
            )+];
        pub(super) const LATER: &[&str] = &[$($($later),+)?];

        $(
            impl From<$question> for $crate::policy::criterion::Criterion {
                fn from(question: $question) -> Self {
                    Self::$group(Any::$question(question))
                }
            }
        )+
    };
}

/// The files of criteria.
macro_rules! files {
    ($($group:ident: $file:ident),+) => {
        $(mod $file;)+

        one_of! {
            /// One question.
            Criterion: $($group($file::Any)),+
        }

        /// Every criterion, file by file.
        const ENTRIES: &[&[read::Entry]] = &[$($file::ENTRIES),+];
        /// Every name that is known and has no criterion.
        const LATER: &[&[&str]] = &[$($file::LATER),+];
        /// Every word that a criterion may give for a reason.
        pub(super) const DECLARED: &[&[&[&str]]] =
            &[&[&[UNAUTHENTICATED_WORD]], $($file::REASONS),+];
    };
}

files! {
    Constant: constant,
    Request: request,
    Moment: moment,
    Certificate: certificate,
    Session: session,
    Device: device,
    Tool: tool,
    Ssh: ssh,
    Person: person,
    Claim: claim
}
