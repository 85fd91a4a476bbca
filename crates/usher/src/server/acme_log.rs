//! What becomes of orders for certificates, for the log.

use std::sync::Arc;

use usher_rules::{
    plan::Level,
    time::{Clock, UnixTime},
};

use crate::{
    certs::{
        CertError, Shown,
        acme::{AcmeError, AcmeEvents, SignedCertificate},
    },
    request::{
        EventField, EventName,
        record::{Recorder, moment},
    },
};

pub(super) struct AcmeLog {
    pub recorder: Recorder,
    pub clock: Arc<dyn Clock>,
}

impl AcmeLog {
    /// The local authority nears its end, or is past it.
    pub(super) fn authority_ends(&self, not_after: UnixTime) {
        let now = self.clock.now();
        let over = not_after <= now.wall;
        let level = if over { Level::Error } else { Level::Warn };
        self.recorder
            .event(level, EventName::CertificateEnds, now)
            .with(EventField::Authority, "usher local authority")
            .with(EventField::Ends, moment(not_after))
            .with(EventField::Effect, "then browsers refuse every host that it signs for")
            .with(
                EventField::Hint,
                "run `usher trust --renew`, restart usher, and trust the new one",
            )
            .write();
    }
}

impl AcmeLog {
    /// A certificate that visitors don't see has ended, ends soon, or does not count yet.
    pub(super) fn untimely(&self, shown: &Shown) {
        let Shown { whose, what } = shown;
        self.recorder
            .event(Level::Warn, EventName::CertificateEnds, self.clock.now())
            .with(EventField::What, format_args!("{whose} {what}"))
            .with(
                EventField::Effect,
                "then what it is for fails: requests to upstreams, or reading figures",
            )
            .with(EventField::Hint, "put a new one in its place; docs/reference/problems.md, U217")
            .write();
    }
}

impl AcmeEvents for AcmeLog {
    fn issued(&self, name: &str, leaf: &SignedCertificate, next: UnixTime) {
        let now = self.clock.now();
        let untimely = leaf.untimely(now.wall);
        let level = if untimely.is_some() { Level::Warn } else { Level::Info };
        let mut event = self
            .recorder
            .event(level, EventName::Certificate, now)
            .with(EventField::Host, name)
            .with(EventField::Effect, "a new certificate is served")
            .with(EventField::Issuer, &leaf.issuer)
            .with(EventField::Ends, moment(leaf.not_after))
            .with(EventField::NextOrder, moment(next));
        if let Some((what, bound)) = untimely {
            // The authority has just signed it: it knows what time it is.
            let (bound, now) = (moment(bound), moment(now.wall));
            event = event
                .with(
                    EventField::Cause,
                    format!("it {what} {bound}, and this machine's clock says {now}"),
                )
                .with(
                    EventField::Hint,
                    "set this machine's clock: `timedatectl set-ntp true`; people are kept out, and \
                     certificates ordered, by it",
                );
        }
        event.write();
    }

    fn failed(&self, name: &str, error: &AcmeError, next: UnixTime, held: Option<UnixTime>) {
        let now = self.clock.now();
        let effect = match held {
            None => "usher's local authority signs for it meanwhile, and browsers warn".to_owned(),
            Some(end) if end <= now.wall => {
                format!("its certificate has ended on {}, and browsers warn", moment(end))
            }
            Some(end) => format!("none yet: its certificate counts until {}", moment(end)),
        };
        self.recorder
            .event(Level::Warn, EventName::Certificate, now)
            .with(EventField::Host, name)
            .with(EventField::Cause, error)
            .with(EventField::Hint, error.hint())
            .with(EventField::Effect, effect)
            .with(EventField::NextOrder, moment(next))
            .write();
    }

    fn ending(&self, name: &str, not_after: UnixTime, last_error: &str) {
        let now = self.clock.now();
        let over = not_after <= now.wall;
        let (level, effect) = if over {
            let end = moment(not_after);
            (Level::Error, format!("has ended on {end}: browsers refuse this host"))
        } else {
            (Level::Warn, format!("from {} on browsers will refuse this host", moment(not_after)))
        };
        self.recorder
            .event(level, EventName::CertificateEnds, now)
            .with(EventField::Host, name)
            .with(EventField::Effect, effect)
            .with(EventField::Cause, last_error)
            .write();
    }

    fn awaited(&self, name: &str) {
        self.recorder
            .event(Level::Info, EventName::Certificate, self.clock.now())
            .with(EventField::Host, name)
            .with(
                EventField::Effect,
                "usher's local authority signs for it until a certificate is there",
            )
            .write();
    }

    fn damaged(&self, error: &CertError) {
        self.recorder
            .event(error.level(), EventName::Certificate, self.clock.now())
            .with(EventField::Cause, error)
            .with(EventField::Hint, error.hint())
            .write();
    }
}
