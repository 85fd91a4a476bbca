use std::time::Duration;

use super::{About, Criterion, Doubt, Fact, Question, Reason, UNAUTHENTICATED, Who, Written};
use crate::{
    config::duration,
    policy::{facts::Facts, report::Report},
    session::SignedIn,
};

criteria! {
    Session: AuthenticatedUser, SignedInWithin, PasskeyWithin;
}

/// `authenticated_user`: somebody with an id.
#[derive(Clone, Debug)]
pub(in crate::policy) struct AuthenticatedUser;

impl Question for AuthenticatedUser {
    const NAME: &'static str = "authenticated_user";
    const REASONS: [&'static str; 2] = ["user-ok", "user-unauthorized"];
    type Of = Who;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        written.without_operand(report);
        Some(Self)
    }

    fn holds(&self, who: &SignedIn, _: Doubt) -> bool {
        !who.person.id.is_empty()
    }

    fn in_words(&self) -> String {
        "somebody is signed in".into()
    }

    fn found(&self, who: &SignedIn) -> String {
        match (&*who.person.id, &*who.person.email) {
            ("", _) => "the session names no user".into(),
            (name, "") | (_, name) => format!("signed in as `{name}`"),
        }
    }
}

/// `signed_in_within`: whoever asks has shown not long ago who they are. Ours.
///
/// A sign-in without a moment is none that counts, on either side.
#[derive(Clone, Debug)]
pub(in crate::policy) struct SignedInWithin(Duration);

/// Who signs in needs a while, and a provider's clock may be a minute behind ours: with less than
/// both they would be asked again at once.
const SHORTEST: Duration = Duration::from_secs(120);

impl Question for SignedInWithin {
    const NAME: &'static str = "signed_in_within";
    const MEANT: &'static [(&'static str, &'static str)] =
        &[("max_age", Self::NAME), ("auth_time", Self::NAME)];
    const REASONS: [&'static str; 2] = ["sign-in-recent", "sign-in-too-old"];
    type Of = SinceSignIn;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        span(written, report).map(Self)
    }

    fn holds(&self, since: Option<Duration>, doubt: Doubt) -> bool {
        since.map_or(doubt == Doubt::Differs, |since| since < self.0)
    }

    fn in_words(&self) -> String {
        format!("signed in less than {:?} ago", self.0)
    }

    fn found(&self, since: Option<Duration>) -> String {
        match since {
            Some(since) => format!("signed in {since:?} ago"),
            None => "nobody vouches for when they signed in".into(),
        }
    }
}

fn span(written: &Written<'_>, report: &mut Report<'_>) -> Option<Duration> {
    let span = written.data.text().and_then(|text| duration::parse(text).ok());
    let span = span.filter(|span| *span >= SHORTEST);
    if span.is_none() {
        report.error(
            "U333",
            &written.data.span,
            format!("`{}` takes a span of time, of two minutes at least", written.name),
            "write `10m`, `1h30m` …",
        );
    }
    span
}

/// `passkey_within`: whoever asks has shown a passkey of the built-in provider not long ago, however
/// they signed in before. Ours.
#[derive(Clone, Debug)]
pub(in crate::policy) struct PasskeyWithin(Duration);

impl Question for PasskeyWithin {
    const NAME: &'static str = "passkey_within";
    const MEANT: &'static [(&'static str, &'static str)] =
        &[("passkey", Self::NAME), ("webauthn", Self::NAME)];
    const REASONS: [&'static str; 2] = ["passkey-recent", "passkey-too-old"];
    type Of = SincePasskey;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        span(written, report).map(Self)
    }

    fn holds(&self, since: Option<Duration>, doubt: Doubt) -> bool {
        since.map_or(doubt == Doubt::Differs, |since| since < self.0)
    }

    fn in_words(&self) -> String {
        format!("a passkey was shown less than {:?} ago", self.0)
    }

    fn found(&self, since: Option<Duration>) -> String {
        match since {
            Some(since) => format!("a passkey was shown {since:?} ago"),
            None => "the session was begun without a passkey of ours".into(),
        }
    }
}

impl Criterion {
    /// Does it ask for a passkey?
    pub(in crate::policy) const fn is_of_passkey(&self) -> bool {
        matches!(self, Self::Session(Any::PasskeyWithin(_)))
    }
}

/// How long ago somebody showed a passkey; `None` where the session has none.
pub(in crate::policy) struct SincePasskey;

impl Fact for SincePasskey {
    type Seen<'a> = Option<Duration>;
    const ABOUT: About = About::Person;

    fn of(facts: &Facts<'_>) -> Result<Option<Duration>, (Reason, &'static str)> {
        facts.who.map(|_| facts.since_passkey).ok_or((UNAUTHENTICATED, "nobody is signed in"))
    }
}

/// How long ago somebody signed in, as far as it is vouched for.
pub(in crate::policy) struct SinceSignIn;

impl Fact for SinceSignIn {
    type Seen<'a> = Option<Duration>;
    const ABOUT: About = About::Person;

    fn of(facts: &Facts<'_>) -> Result<Option<Duration>, (Reason, &'static str)> {
        facts.who.map(|_| facts.since_sign_in).ok_or((UNAUTHENTICATED, "nobody is signed in"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Doubt, PasskeyWithin, Question as _, SignedInWithin};

    #[test]
    fn a_sign_in_is_recent_to_its_last_second_and_without_a_moment_never() {
        for (since, lets_in, keeps_out, why) in [
            (Some(0), true, true, "just now"),
            (Some(599), true, true, "the last second"),
            (Some(600), false, false, "too old"),
            (None, false, true, "nobody knows: it lets in on no side"),
        ] {
            let (span, since) = (Duration::from_secs(600), since.map(Duration::from_secs));
            for (doubt, expected) in [(Doubt::Fails, lets_in), (Doubt::Differs, keeps_out)] {
                assert_eq!(SignedInWithin(span).holds(since, doubt), expected, "{why}");
                assert_eq!(PasskeyWithin(span).holds(since, doubt), expected, "passkey: {why}");
            }
        }
    }
}
