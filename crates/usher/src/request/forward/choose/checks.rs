//! What active checks (`health_checks`) say of a route's upstreams.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use usher_rules::{
    names::Upstream,
    plan::{HealthCheck, Target},
};

/// One upstream of a route with checks; kept across reloads that change neither.
#[derive(Debug)]
pub(crate) struct Checked {
    upstream: Upstream,
    checks: Vec<HealthCheck>,
    tallies: Vec<Mutex<Tally>>,
    /// Checks by which it is not well.
    against: AtomicUsize,
}

/// How one check went so far.
#[derive(Debug, Default)]
struct Tally {
    was_asked: bool,
    is_out: bool,
    /// Answers one after another that speak against how it stands.
    run: u32,
}

/// One answer to a check, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is well.
    Well,
    /// No answer, or none in time.
    NoAnswer(Box<str>),
    /// It says itself that it is not well: counts at once, as in Envoy.
    Unwell(Box<str>),
}

impl Outcome {
    /// What is wrong, in words; empty where nothing is.
    pub(crate) fn why(&self) -> &str {
        match self {
            Self::Well => "",
            Self::NoAnswer(why) | Self::Unwell(why) => why,
        }
    }
}

/// How an upstream stands from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is left alone.
    Out,
    /// It is asked again for visitors.
    Back,
}

impl Checked {
    /// One that nobody has asked yet: it counts as well.
    pub(crate) fn new(target: &Target, checks: &[HealthCheck]) -> Self {
        Self {
            upstream: target.upstream.clone(),
            checks: checks.to_vec(),
            tallies: checks.iter().map(|_| Mutex::default()).collect(),
            against: AtomicUsize::new(0),
        }
    }

    /// Is this what is known of that upstream by those checks?
    pub(crate) fn is_for(&self, target: &Target, checks: &[HealthCheck]) -> bool {
        self.upstream == target.upstream && self.checks == checks
    }

    /// Its checks, in the order of the config.
    pub(crate) fn checks(&self) -> &[HealthCheck] {
        &self.checks
    }

    /// Is it left alone?
    pub(crate) fn is_out(&self) -> bool {
        self.against.load(Relaxed) > 0
    }

    /// Takes what came of the check at this place; tells whether the upstream stands otherwise now.
    pub(crate) fn note(&self, at: usize, outcome: &Outcome) -> Option<Turn> {
        let (check, tally) = (self.checks.get(at)?, self.tallies.get(at)?);
        let turn = tally.lock().unwrap_or_else(PoisonError::into_inner).note(check, outcome)?;
        let others = match turn {
            Turn::Out => self.against.fetch_add(1, Relaxed),
            Turn::Back => self.against.fetch_sub(1, Relaxed).saturating_sub(1),
        };
        (others == 0).then_some(turn)
    }
}

impl Tally {
    /// The first answer counts alone: before it nothing is known.
    fn note(&mut self, check: &HealthCheck, outcome: &Outcome) -> Option<Turn> {
        let is_first = !std::mem::replace(&mut self.was_asked, true);
        let (speaks_against, needed) = match (self.is_out, outcome) {
            (false, Outcome::Well) => (false, 0),
            (false, Outcome::Unwell(_)) => (true, 1),
            (false, Outcome::NoAnswer(_)) => (true, check.unhealthy_threshold),
            (true, Outcome::Well) => (true, check.healthy_threshold),
            (true, Outcome::Unwell(_) | Outcome::NoAnswer(_)) => (false, 0),
        };
        self.run = if speaks_against { self.run.saturating_add(1) } else { 0 };
        if !speaks_against || (self.run < needed && !is_first) {
            return None;
        }
        self.run = 0;
        self.is_out = !self.is_out;
        Some(if self.is_out { Turn::Out } else { Turn::Back })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;
    use usher_rules::{
        names::Upstream,
        plan::{HealthCheck, HealthQuestion, Pauses, Target},
    };

    use super::{Checked, Outcome, Turn};

    fn checked(checks: usize) -> Checked {
        let check = HealthCheck {
            alt_port: None,
            asks: HealthQuestion::Tcp { send: Box::default(), receive: Vec::new() },
            timeout: Duration::from_secs(1),
            pauses: Pauses {
                well: Duration::from_secs(1),
                first_well: Duration::from_secs(1),
                alone: Duration::from_secs(1),
                first_alone: Duration::from_secs(1),
                unused: None,
                unused_well: None,
            },
            unhealthy_threshold: 3,
            healthy_threshold: 2,
            logs_failures: false,
            logs_successes: false,
        };
        let upstream = Upstream::parse("http://app").unwrap();
        let target = Target { upstream, weight: 1, host: HeaderValue::from_static("app") };
        Checked::new(&target, &vec![check; checks])
    }

    /// `w` is well, `n` no answer, `u` unwell; after each how it stands: `+` or `-`.
    #[test]
    fn thresholds_count_answers_one_after_another() {
        for (answers, stands, why) in [
            ("wnnn", "+++-", "three in a row"),
            ("wnnwnnwnn", "+++++++++", "a good one between"),
            ("wu", "+-", "its own word counts at once"),
            ("n", "-", "nobody has seen it well"),
            ("wnnnwnw", "+++----", "two good ones in a row"),
            ("wnnnww", "+++--+", "two good ones in a row"),
            ("uwwnnn", "--+++-", "anew"),
        ] {
            let one = checked(1);
            let seen: String = answers
                .chars()
                .map(|answer| {
                    one.note(
                        0,
                        &match answer {
                            'w' => Outcome::Well,
                            'n' => Outcome::NoAnswer("".into()),
                            _ => Outcome::Unwell("".into()),
                        },
                    );
                    if one.is_out() { '-' } else { '+' }
                })
                .collect();
            assert_eq!(seen, stands, "{answers}: {why}");
        }
    }

    #[test]
    fn of_two_checks_both_have_to_be_content() {
        let (one, unwell) = (checked(2), Outcome::Unwell("".into()));
        assert_eq!(one.note(0, &unwell), Some(Turn::Out));
        assert_eq!(one.note(1, &unwell), None, "it is out already");
        assert_eq!([one.note(0, &Outcome::Well), one.note(0, &Outcome::Well)], [None, None]);
        assert!(one.is_out(), "the other is against it still");
        assert_eq!(one.note(1, &Outcome::Well), None);
        assert_eq!(one.note(1, &Outcome::Well), Some(Turn::Back));
        assert!(!one.is_out());
    }
}
