//! Codes that an app shows (RFC 6238), and codes for the day on which it is lost.

use std::fmt;

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
};
use serde::{Deserialize, Serialize};

use crate::time::UnixTime;

/// How long a code is shown, in seconds (§5.2).
const STEP: u64 = 30;
/// How many digits it has (RFC 4226 §5.3), as a modulus.
const MODULUS: u32 = 1_000_000;
/// After so many wrong ones in a row no code of the app is taken any more, and a recovery code is
/// (NIST SP 800-63B §5.2.2): whoever knows the password can't guess on for months.
const MOST_WRONG: u32 = 100;

/// What is kept of somebody's app.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeApp {
    /// What the app knows, too.
    secret: Box<[u8]>,
    /// The step whose code was taken last: neither it nor an earlier one is taken again (§5.2).
    last_step: u64,
    /// SHA-256 of codes that count once in the place of the app's.
    recovery: Vec<[u8; 32]>,
    /// How many wrong ones came since the last right one.
    #[serde(default)]
    wrong: u32,
}

impl CodeApp {
    /// The app, once it has shown `typed`; `None` where it shows another code.
    pub fn new<'a>(
        secret: &[u8],
        recovery: impl Iterator<Item = &'a str>,
        typed: &str,
        now: UnixTime,
    ) -> Option<Self> {
        let recovery = recovery.map(digest_of).collect();
        Self { secret: secret.into(), last_step: 0, recovery, wrong: 0 }.take(typed, now)
    }

    /// The same after `typed` was taken; `None` where it is no good, or was taken before. One step
    /// early or late is forgiven, for clocks that differ.
    pub fn take(&self, typed: &str, now: UnixTime) -> Option<Self> {
        if self.wrong >= MOST_WRONG {
            return None;
        }
        let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        let step = now.seconds() / STEP;
        let taken = [step.saturating_sub(1), step, step + 1]
            .into_iter()
            .filter(|step| *step > self.last_step)
            .find(|step| same(&code(&self.secret, *step), &typed));
        taken.map(|last_step| Self { last_step, wrong: 0, ..self.clone() })
    }

    /// The same without a recovery code that was typed, as it was made; `None` where it is none.
    pub fn recover(&self, made: &str) -> Option<Self> {
        let used = digest_of(made);
        let recovery: Vec<_> = self.recovery.iter().filter(|one| **one != used).copied().collect();
        let is_used = recovery.len() < self.recovery.len();
        is_used.then(|| Self { recovery, wrong: 0, ..self.clone() })
    }

    /// The same after one that was no good.
    #[must_use]
    pub fn missed(&self) -> Self {
        Self { wrong: self.wrong.saturating_add(1), ..self.clone() }
    }

    /// How many recovery codes are left.
    pub fn recovery_left(&self) -> usize {
        self.recovery.len()
    }
}

impl fmt::Debug for CodeApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeApp(..)")
    }
}

/// The code of a step: HOTP over HMAC-SHA-1 (RFC 4226 §5.3), which apps know.
fn code(secret: &[u8], step: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let mac = hmac::sign(&key, &step.to_be_bytes());
    let at = mac.as_ref().last().map_or(0, |last| usize::from(last & 0xf));
    let four = mac.as_ref().get(at..).and_then(|rest| rest.first_chunk());
    let number = four.map_or(0, |four| u32::from_be_bytes(*four) & 0x7fff_ffff);
    format!("{:06}", number % MODULUS)
}

fn same(one: &str, other: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

fn digest_of(code: &str) -> [u8; 32] {
    let mut octets = [0; 32];
    octets.copy_from_slice(digest(&SHA256, code.as_bytes()).as_ref());
    octets
}

#[cfg(test)]
mod tests {
    use super::{CodeApp, STEP, code};
    use crate::time::UnixTime;

    const SECRET: &[u8] = b"12345678901234567890";

    /// RFC 6238, appendix B: the last six of the eight digits there.
    #[test]
    fn codes_are_those_of_the_standard() {
        for (second, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(SECRET, second / STEP), expected, "{second}");
        }
    }

    #[test]
    fn a_code_is_taken_once_and_none_before_it() {
        let at = |second| UnixTime::from_seconds(second);
        let shown = |second: u64| code(SECRET, second / STEP);
        let app = CodeApp::new(SECRET, ["a", "b"].into_iter(), &shown(3_000), at(3_000)).unwrap();
        assert_eq!(app.take(&shown(3_000), at(3_001)), None, "replayed");
        assert_eq!(app.take(&shown(2_970), at(3_001)), None, "the one before");
        for (typed, second, is_taken, why) in [
            (shown(3_030), 3_030, true, "the next one"),
            (shown(3_030), 3_001, true, "a clock that is ahead"),
            (shown(3_030), 3_089, true, "a clock that is behind"),
            (shown(3_030), 3_090, false, "too late"),
            (shown(3_060), 3_001, false, "too early"),
            (String::new(), 3_030, false, "nothing"),
            ("000000".into(), 3_030, false, "a guess"),
        ] {
            assert_eq!(app.take(&typed, at(second)).is_some(), is_taken, "{why}");
        }
        let spaced = format!("{} {}", &shown(3_030)[..3], &shown(3_030)[3..]);
        assert!(app.take(&spaced, at(3_030)).is_some(), "as apps show it");

        let left = app.recover("a").unwrap();
        assert_eq!((left.recovery_left(), left.recover("a")), (1, None), "once");
        assert!(left.recover("b").is_some() && left.recover("").is_none());
        assert_eq!(format!("{app:?}"), "CodeApp(..)");
    }

    #[test]
    fn guesses_are_bounded_and_a_recovery_code_ends_the_wait() {
        let at = UnixTime::from_seconds(3_000);
        let right = code(SECRET, 3_000 / STEP);
        let app = CodeApp::new(SECRET, std::iter::once("a"), &code(SECRET, 99), at).unwrap();
        let missed = |times: usize| (0..times).fold(app.clone(), |app, _| app.missed());
        assert_eq!(missed(99).take(&right, at).unwrap().wrong, 0, "the hundredth try is right");
        assert_eq!(missed(100).take(&right, at), None, "no more than a hundred");
        let recovered = missed(100).recover("a").unwrap();
        assert!(recovered.take(&right, at).is_some());
        let old = r#"{"secret":[1],"last_step":0,"recovery":[]}"#;
        assert_eq!(serde_json::from_str::<CodeApp>(old).unwrap().wrong, 0, "of an earlier usher");
    }
}
