//! When a provider is asked again whether a session still stands, and what its answer does.

use std::time::{Duration, Instant};

/// The first pause after a question that nobody answered; doubled with each, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often providers are asked, and for how long their silence signs nobody out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecheckPolicy {
    /// Between two answers.
    pub every: Duration,
    /// From the first question in a row that nobody answered.
    pub grace: Duration,
}

/// What a provider says when it is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It vouches for them still.
    Vouched,
    /// It does not: the grant was taken back, or the account is gone (RFC 6749 §5.2).
    Refused,
    /// It can't be reached, is broken, or does not take our client: it says nothing of them.
    Silent,
}

/// What becomes of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    GoesOn,
    /// It is to be ended, since the provider said no.
    Refused,
    /// It is to be ended, since nobody has vouched for it for too long.
    SilentTooLong,
}

/// One session's talk with its provider. One question at a time: a refresh token that rotates is
/// spent by the first, and a second one with it would look like theft (RFC 9700 §4.14.2).
#[derive(Debug)]
pub struct Recheck {
    /// `None`: longer ago than this machine runs.
    vouched: Option<Instant>,
    silence: Option<Silence>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// Since then: what the answer says was so no later.
    Asking(Instant),
    Over,
}

/// Questions in a row that nobody answered.
#[derive(Clone, Copy, Debug)]
struct Silence {
    since: Instant,
    again_at: Instant,
    pause: Duration,
}

impl Recheck {
    /// Of a session for which the provider vouched so long ago.
    pub fn vouched_ago(age: Duration, now: Instant) -> Self {
        Self { vouched: now.checked_sub(age), silence: None, state: State::Waiting }
    }

    /// Begins a question, if one is due and none is under way. Whoever gets `true` has to say what
    /// came of it by [`Self::answered`].
    #[must_use]
    pub fn ask(&mut self, policy: RecheckPolicy, now: Instant) -> bool {
        let is_old = self
            .vouched
            .is_none_or(|vouched| now.saturating_duration_since(vouched) >= policy.every);
        let is_due = self.silence.map_or(is_old, |silence| now >= silence.again_at);
        let asks = self.state == State::Waiting && is_due;
        if asks {
            self.state = State::Asking(now);
        }
        asks
    }

    /// The answer to the question that is under way.
    pub fn answered(&mut self, said: Answer, policy: RecheckPolicy, now: Instant) -> Outcome {
        let State::Asking(asked) = self.state else {
            return Outcome::GoesOn; // nobody asked, or it has ended meanwhile
        };
        self.state = State::Waiting;
        match said {
            Answer::Vouched => {
                (self.vouched, self.silence) = (Some(asked), None);
                Outcome::GoesOn
            }
            Answer::Refused => {
                self.state = State::Over;
                Outcome::Refused
            }
            Answer::Silent => self.nobody_answered(policy, asked, now),
        }
    }

    fn nobody_answered(&mut self, policy: RecheckPolicy, asked: Instant, now: Instant) -> Outcome {
        let before = self.silence;
        let since = before.map_or(asked, |silence| silence.since);
        if now.saturating_duration_since(since) >= policy.grace {
            self.state = State::Over;
            return Outcome::SilentTooLong;
        }
        let pause = before.map_or(FIRST_PAUSE, |silence| (silence.pause * 2).min(LONGEST_PAUSE));
        let again_at = asked + pause.min(policy.every);
        // The end of the grace is looked at when it comes, not a pause later.
        let again_at = since.checked_add(policy.grace).map_or(again_at, |end| again_at.min(end));
        self.silence = Some(Silence { since, again_at, pause });
        Outcome::GoesOn
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{
        Answer, LONGEST_PAUSE,
        Outcome::{GoesOn, Refused, SilentTooLong},
        Recheck, RecheckPolicy,
    };

    const POLICY: RecheckPolicy =
        RecheckPolicy { every: Duration::from_secs(300), grace: Duration::from_secs(3600) };

    #[expect(clippy::disallowed_methods, reason = "any moment will do")]
    fn moment() -> Instant {
        Instant::now()
    }

    #[test]
    fn one_question_at_a_time_and_none_before_it_is_due() {
        let start = moment() + Duration::from_secs(10_000);
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut one = Recheck::vouched_ago(Duration::ZERO, start);
        assert!(!one.ask(POLICY, at(299)));
        assert!(one.ask(POLICY, at(300)));
        assert!(!one.ask(POLICY, at(301)), "one is under way");
        assert_eq!(one.answered(Answer::Vouched, POLICY, at(302)), GoesOn);
        assert_eq!(one.answered(Answer::Refused, POLICY, at(303)), GoesOn, "nobody asked");
        assert!(!one.ask(POLICY, at(599)) && one.ask(POLICY, at(600)), "from the question on");
        assert_eq!(one.answered(Answer::Refused, POLICY, at(603)), Refused);
        assert!(!one.ask(POLICY, at(9999)), "it is over");
        assert!(Recheck::vouched_ago(Duration::from_secs(300), start).ask(POLICY, start));
        assert!(Recheck::vouched_ago(Duration::MAX, start).ask(POLICY, start), "before this boot");
    }

    #[test]
    fn silence_is_borne_for_the_grace_and_not_longer() {
        let start = moment();
        let mut one = Recheck::vouched_ago(Duration::MAX, start);
        let (mut now, mut asked) = (start, 0);
        let ended = loop {
            if one.ask(POLICY, now) {
                asked += 1;
                if one.answered(Answer::Silent, POLICY, now) == SilentTooLong {
                    break now;
                }
            }
            now += Duration::from_secs(1);
        };
        assert_eq!(ended - start, POLICY.grace);
        assert!((60..70).contains(&asked), "{asked} questions in an hour");
        let mut other = Recheck::vouched_ago(Duration::MAX, start);
        assert!(other.ask(POLICY, start));
        assert_eq!(other.answered(Answer::Silent, POLICY, start), GoesOn);
        let later = start + LONGEST_PAUSE;
        assert!(other.ask(POLICY, later));
        assert_eq!(other.answered(Answer::Vouched, POLICY, later), GoesOn);
        let next = later + POLICY.every;
        assert!(other.ask(POLICY, next));
        assert_eq!(other.answered(Answer::Silent, POLICY, next), GoesOn, "counted anew");
        let none = RecheckPolicy { grace: Duration::ZERO, ..POLICY };
        let mut strict = Recheck::vouched_ago(Duration::MAX, start);
        assert!(strict.ask(none, start));
        assert_eq!(strict.answered(Answer::Silent, none, start), SilentTooLong);
    }
}
