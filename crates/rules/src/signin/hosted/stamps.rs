use std::time::Duration;

use super::form::Form;
use crate::{
    signin::{LEEWAY, LIFETIME, param},
    time::UnixTime,
};

/// From when until when a message counts. On the wire in milliseconds, unlike those of signed
/// URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps {
    /// When it was made.
    pub issued: UnixTime,
    /// Until when it counts.
    pub expiry: UnixTime,
}

/// Why a message does not count now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StampFault {
    /// There is no `pomerium_issued`, or it is no number.
    #[error("it does not say when it was made")]
    NoIssued,
    /// There is no `pomerium_expiry`, or it is no number.
    #[error("it does not say until when it counts")]
    NoExpiry,
    /// From a clock that is ahead of ours.
    #[error(
        "it is from the future: this machine's clock or the service's is wrong, by more than a minute; compare `date -u` on both, and set the wrong one (`timedatectl set-ntp true`)"
    )]
    TooEarly,
    /// Its time is over.
    #[error("it is too old, or the two clocks are more than a minute apart")]
    Expired,
}

impl Stamps {
    /// Those of a message that is made now.
    pub const fn at(now: UnixTime) -> Self {
        Self { issued: now, expiry: now.plus(LIFETIME) }
    }

    /// As they are written: `pomerium_issued`, `pomerium_expiry`.
    pub(super) fn texts(self) -> [String; 2] {
        [self.issued, self.expiry].map(|at| at.seconds().saturating_mul(1000).to_string())
    }

    /// Reads and checks those of a message.
    ///
    /// # Errors
    ///
    /// [`StampFault`], one variant per rule.
    pub(super) fn read(form: &Form, now: UnixTime) -> Result<Self, StampFault> {
        let issued = form.text(param::ISSUED).and_then(moment).ok_or(StampFault::NoIssued)?;
        let expiry = form.text(param::EXPIRY).and_then(moment).ok_or(StampFault::NoExpiry)?;
        if now.plus(LEEWAY) < issued {
            return Err(StampFault::TooEarly);
        }
        if expiry.plus(LEEWAY) < now {
            return Err(StampFault::Expired);
        }
        Ok(Self { issued, expiry })
    }

    /// Until when a message that counts has to be remembered, so that it counts once: no longer
    /// than `longest`, after which it is refused by what else it needs.
    pub fn remembered_until(self, longest: Duration, now: UnixTime) -> UnixTime {
        self.expiry.plus(LEEWAY).min(now.plus(longest))
    }
}

fn moment(text: &str) -> Option<UnixTime> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    let millis: u64 = text.parse().ok().filter(|_| digits)?;
    Some(UnixTime::from_seconds(millis / 1000))
}

#[cfg(test)]
mod tests {
    use super::{LEEWAY, StampFault, Stamps, moment};
    use crate::{
        signin::{hosted::form::Form, param},
        time::UnixTime,
    };

    #[test]
    fn a_message_counts_from_its_first_moment_to_its_last() {
        let (issued, expiry) = (UnixTime::from_seconds(10_000), UnixTime::from_seconds(20_000));
        let texts = Stamps { issued, expiry }.texts();
        let text = Form::encode(vec![(param::ISSUED, &*texts[0]), (param::EXPIRY, &*texts[1])]);
        let form = Form::parse(&text).unwrap();
        let second = std::time::Duration::from_secs(1);
        for (now, expected) in [
            (issued.minus(LEEWAY).minus(second), Some(StampFault::TooEarly)),
            (issued.minus(LEEWAY), None),
            (expiry.plus(LEEWAY), None),
            (expiry.plus(LEEWAY).plus(second), Some(StampFault::Expired)),
        ] {
            assert_eq!(Stamps::read(&form, now).err(), expected, "{now:?}");
        }
    }

    #[test]
    fn a_moment_is_digits_and_nothing_else() {
        assert_eq!(moment("1999"), Some(UnixTime::from_seconds(1)));
        for text in ["", "+1999", "-1999", "1.999", "1e3", " 1999", "99999999999999999999"] {
            assert_eq!(moment(text), None, "{text:?}");
        }
    }
}
