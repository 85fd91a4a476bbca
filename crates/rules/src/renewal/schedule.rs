use std::{collections::BTreeMap, time::Duration};

use super::{Budget, CurrentCertificate, History, history::LONGEST_SLEEP};
use crate::time::UnixTime;

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Write `history` down, then order a certificate for `name`, then tell
    /// [`RenewalSchedule::settle`] what became of it.
    Order {
        /// The name.
        name: Box<str>,
        /// The authority's directory.
        directory: Box<str>,
        /// What has to be on the disk before the order is made.
        history: History,
    },
    /// Nothing before this moment; look again then, or when something has changed.
    Sleep(Duration),
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderOutcome {
    /// There is a certificate, and it is on the disk.
    Issued(CurrentCertificate),
    /// No authority could be reached, or it was not well.
    Unreached {
        /// When the authority wants to be asked again, at the earliest.
        retry_after: Option<UnixTime>,
    },
    /// There is none.
    Failed {
        /// When the authority wants to be asked again, at the earliest.
        retry_after: Option<UnixTime>,
    },
}

/// Keeps certificates for names: knows what is held, and what is due.
#[derive(Debug)]
pub struct RenewalSchedule {
    names: BTreeMap<Box<str>, Entry>,
    budget: Budget,
    directories: Vec<Box<str>>,
}

/// What is on the disk of a name.
#[derive(Clone, Debug, Default)]
pub struct NameState {
    /// The certificate.
    pub held: Option<CurrentCertificate>,
    /// What became of orders.
    pub history: History,
    /// Somebody wants another certificate, whatever this one's age.
    pub wanted: bool,
}

#[derive(Debug, Default)]
struct Entry {
    seed: u64,
    known: NameState,
    /// Whom the order that is under way went to.
    asked: Box<str>,
}

impl RenewalSchedule {
    /// A schedule of nothing, with these authorities to ask, the first choice first. The budget is
    /// the one before's: a schedule that is made anew must not be a way around it.
    pub fn new(directories: Vec<Box<str>>, budget: Budget) -> Self {
        Self { names: BTreeMap::new(), budget, directories }
    }

    /// What it has spent.
    pub fn into_budget(self) -> Budget {
        self.budget
    }

    /// Takes a name in. `seed` is any number that stays.
    pub fn want(&mut self, name: &str, seed: u64, known: NameState) {
        self.names.insert(name.into(), Entry { seed, known, asked: Box::default() });
    }

    /// Every name, what is known of it, and when the next order is due.
    pub fn names(&self, now: UnixTime) -> impl Iterator<Item = (&str, &NameState, UnixTime)> {
        self.names.iter().map(move |(name, entry)| (&**name, &entry.known, self.due(entry, now)))
    }

    /// When the next order for a name is due; never in the past of what it waits for.
    fn due(&self, entry: &Entry, now: UnixTime) -> UnixTime {
        let NameState { held, history, wanted } = &entry.known;
        let due = held.filter(|_| !wanted).map_or(now, |held| held.renew_at(entry.seed));
        due.max(history.earliest(&self.directories, entry.seed, now))
    }

    /// What to do at `now`. Names without a certificate come first, then those whose certificate
    /// ends first.
    pub fn next(&mut self, now: UnixTime) -> Next {
        let first = self
            .names
            .iter()
            .filter(|(_, entry)| self.due(entry, now) <= now)
            .min_by_key(|(_, entry)| entry.known.held.map(|held| held.not_after));
        let Some(name) = first.map(|(name, _)| name.clone()) else {
            let soonest = self.names.values().map(|entry| self.due(entry, now)).min();
            return sleep(soonest.unwrap_or(UnixTime::MAX), now);
        };
        let allowed = self.budget.earliest(now);
        if allowed > now {
            return sleep(allowed, now);
        }
        let Some(entry) = self.names.get_mut(&name) else { return sleep(now, now) };
        let history = &mut entry.known.history;
        let directory: Box<str> =
            history.directory(&self.directories, now).unwrap_or_default().into();
        self.budget.spend(now);
        entry.asked.clone_from(&directory);
        history.failures = history.failures.saturating_add(1);
        history.tried_at = Some(now.seconds());
        history.retry_after.remove(&directory);
        Next::Order { name, directory, history: history.clone() }
    }

    /// Notes what became of an order; what has to be written down now. Waits begin now: an
    /// authority that was slow was asked all the time.
    pub fn settle(&mut self, name: &str, settled: OrderOutcome, now: UnixTime) -> Option<History> {
        let entry = self.names.get_mut(name)?;
        let history = &mut entry.known.history;
        history.tried_at = Some(now.seconds());
        let retry_after = match settled {
            OrderOutcome::Issued(held) => {
                *history = history.issued(held.not_after.since(held.not_before), now);
                entry.known.held = Some(held);
                entry.known.wanted = false;
                None
            }
            OrderOutcome::Unreached { retry_after } => {
                // It was counted as a failure before it was made.
                history.failures = history.failures.saturating_sub(1);
                history.unreached = history.unreached.saturating_add(1);
                retry_after
            }
            OrderOutcome::Failed { retry_after } => retry_after,
        };
        if let Some(at) = retry_after {
            history.retry_after.insert(entry.asked.clone(), at.seconds());
        }
        Some(history.clone())
    }

    /// Notes the renewal window of a certificate that we hold.
    pub fn set_window(&mut self, name: &str, window: Option<super::Window>) {
        if let Some(held) = self.names.get_mut(name).and_then(|entry| entry.known.held.as_mut()) {
            held.window = window;
        }
    }

    /// Somebody wants a new certificate now, whatever the old one's age, and need not wait as we do
    /// after a failure: what was wrong may be right now. What an authority asked for still holds,
    /// failures still count, and it is wanted until it is there.
    pub fn renew_now(&mut self, name: &str) {
        if let Some(entry) = self.names.get_mut(name) {
            let NameState { history, wanted, .. } = &mut entry.known;
            *wanted = true;
            (history.tried_at, history.issued_at) = (None, None);
        }
    }
}

fn sleep(until: UnixTime, now: UnixTime) -> Next {
    // At least a second: a schedule that never sleeps would be a storm of its own.
    Next::Sleep(until.since(now).clamp(Duration::from_secs(1), LONGEST_SLEEP))
}
