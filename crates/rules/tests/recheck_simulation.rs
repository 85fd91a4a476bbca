//! The talk with a provider, simulated: time, answers, ends and restarts from a seed, and after each
//! step what must be so. A failure names its seed.

use std::time::{Duration, Instant};

use usher_rules::session::{Answer, Outcome, Recheck, RecheckPolicy};

/// All seeds together; fewer where every step is checked by a slow build.
const STEPS: u64 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
const SEEDS: u64 = 20;

/// SplitMix64: the same numbers from the same seed, on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn seconds(&mut self, most: u64) -> Duration {
        Duration::from_secs(self.roll(most))
    }
}

/// One session, beside what an observer knows of it.
struct World {
    dice: Dice,
    policy: RecheckPolicy,
    now: Instant,
    machine: Recheck,
    /// When the question under way was asked.
    asking: Option<Instant>,
    /// The first question in a row that nobody answered.
    silent_since: Option<Instant>,
    vouched: Instant,
    is_over: bool,
}

#[expect(clippy::disallowed_methods, reason = "any moment will do")]
fn moment() -> Instant {
    Instant::now()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let policy = RecheckPolicy {
            every: Duration::from_secs(1 + dice.roll(600)),
            grace: dice.seconds(7200),
        };
        let now = moment() + Duration::from_secs(1 << 30);
        let machine = Recheck::vouched_ago(Duration::ZERO, now);
        let (asking, silent_since, vouched, is_over) = (None, None, now, false);
        Self { dice, policy, now, machine, asking, silent_since, vouched, is_over }
    }

    fn step(&mut self) {
        match self.dice.roll(8) {
            0..3 => self.now += self.dice.seconds(120),
            3..5 => self.asks(),
            5..7 => self.is_answered(),
            _ if self.dice.roll(50) == 0 => self.restarts(),
            _ => {}
        }
    }

    fn asks(&mut self) {
        let asks = self.machine.ask(self.policy, self.now);
        assert!(!(asks && self.asking.is_some()), "two questions at once");
        assert!(!(asks && self.is_over), "a question about a session that is over");
        if asks {
            self.asking = Some(self.now);
            return;
        }
        let is_old = self.now - self.vouched >= self.policy.every + self.policy.grace;
        let waits = self.silent_since.is_some_and(|since| self.now - since < self.policy.grace);
        let never = is_old && !waits && self.asking.is_none() && !self.is_over;
        assert!(!never, "nobody has vouched for it for too long, and nobody asks");
    }

    fn is_answered(&mut self) {
        let answer = match self.dice.roll(200) {
            0 => Answer::Refused,
            1..120 => Answer::Silent,
            _ => Answer::Vouched,
        };
        let outcome = self.machine.answered(answer, self.policy, self.now);
        let Some(asked) = self.asking.take() else {
            return assert_eq!(outcome, Outcome::GoesOn, "an answer that nobody asked for");
        };
        let expected = match answer {
            Answer::Vouched => {
                (self.vouched, self.silent_since) = (asked, None);
                Outcome::GoesOn
            }
            Answer::Refused => Outcome::Refused,
            Answer::Silent => {
                let since = *self.silent_since.get_or_insert(asked);
                let is_long = self.now - since >= self.policy.grace;
                if is_long { Outcome::SilentTooLong } else { Outcome::GoesOn }
            }
        };
        assert_eq!(outcome, expected);
        self.is_over = outcome != Outcome::GoesOn;
        if self.is_over {
            assert!(!self.machine.ask(self.policy, self.now + self.policy.every));
            *self = Self::new(self.dice.roll(u64::MAX)); // somebody signs in
        }
    }

    /// What it knew is gone but for when the provider vouched.
    fn restarts(&mut self) {
        self.machine = Recheck::vouched_ago(self.now - self.vouched, self.now);
        (self.asking, self.silent_since) = (None, None);
    }
}

#[test]
fn whatever_providers_say_a_session_is_asked_about_once_at_a_time_and_ends_in_time() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for step in 0..STEPS / SEEDS {
            let stepped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.step()));
            assert!(stepped.is_ok(), "seed {seed}, step {step}");
        }
    }
}
