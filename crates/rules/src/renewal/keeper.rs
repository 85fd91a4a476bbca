use std::{collections::BTreeMap, time::Duration};

use super::{
    Held, History,
    budget::Budget,
    schedule::{LONGEST_SLEEP, due},
};
use crate::time::UnixTime;

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Write `history` down, then order a certificate for `name`, then tell
    /// [`Keeper::settle`] what became of it.
    Order {
        /// The name.
        name: Box<str>,
        /// Which of the authorities' directories, by index.
        directory: usize,
        /// What has to be on the disk before the order is made.
        history: History,
    },
    /// Nothing before this moment; look again then, or when something has changed.
    Sleep(Duration),
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// There is a certificate, and it is on the disk.
    Issued(Held),
    /// No authority could be reached, or it was not well.
    Unreached,
    /// There is none.
    Failed {
        /// When the authority wants to be asked again, at the earliest.
        retry_after: Option<UnixTime>,
    },
}

/// Keeps certificates for names: knows what is held, and what is due.
#[derive(Debug, Default)]
pub struct Keeper {
    names: BTreeMap<Box<str>, Entry>,
    budget: Budget,
    directories: usize,
}

#[derive(Debug, Default)]
struct Entry {
    seed: u64,
    held: Option<Held>,
    history: History,
}

impl Keeper {
    /// A keeper of nothing, with so many authorities to ask.
    pub fn new(directories: usize) -> Self {
        Self { directories, ..Self::default() }
    }

    /// Takes a name in, with what is on the disk of it. `seed` is any number that stays.
    pub fn want(&mut self, name: &str, seed: u64, held: Option<Held>, history: History) {
        self.names.insert(name.into(), Entry { seed, held, history });
    }

    /// Every name, what is held for it, its history, and when the next order is due.
    pub fn names(
        &self,
        now: UnixTime,
    ) -> impl Iterator<Item = (&str, Option<Held>, &History, UnixTime)> {
        self.names
            .iter()
            .map(move |(name, entry)| (&**name, entry.held, &entry.history, entry.due(now)))
    }

    /// What to do at `now`. Names without a certificate come first, then those whose certificate
    /// ends first.
    pub fn next(&mut self, now: UnixTime) -> Next {
        let first = self
            .names
            .iter()
            .filter(|(_, entry)| entry.due(now) <= now)
            .min_by_key(|(_, entry)| entry.held.map(|held| held.not_after));
        let Some(name) = first.map(|(name, _)| name.clone()) else {
            let soonest = self.names.values().map(|entry| entry.due(now)).min();
            return sleep(soonest.unwrap_or(UnixTime::MAX), now);
        };
        let allowed = self.budget.earliest(now);
        if allowed > now {
            return sleep(allowed, now);
        }
        let Some(entry) = self.names.get_mut(&name) else { return sleep(now, now) };
        let directory = entry.history.directory(self.directories);
        self.budget.spend(now);
        entry.history.failures = entry.history.failures.saturating_add(1);
        entry.history.tried_at = Some(now.seconds());
        entry.history.retry_after = None;
        Next::Order { name, directory, history: entry.history.clone() }
    }

    /// Notes what became of an order; what has to be written down now.
    pub fn settle(&mut self, name: &str, settled: Settled, now: UnixTime) -> Option<History> {
        let entry = self.names.get_mut(name)?;
        match settled {
            Settled::Issued(held) => {
                entry.held = Some(held);
                entry.history = History { tried_at: Some(now.seconds()), ..History::default() };
            }
            Settled::Unreached => {
                // It was counted as a failure before it was made.
                entry.history.failures = entry.history.failures.saturating_sub(1);
                entry.history.unreached = entry.history.unreached.saturating_add(1);
            }
            Settled::Failed { retry_after } => {
                entry.history.retry_after = retry_after.map(UnixTime::seconds);
            }
        }
        Some(entry.history.clone())
    }

    /// Notes what an authority wishes for a certificate that we hold.
    pub fn wish(&mut self, name: &str, window: Option<super::Window>) {
        if let Some(held) = self.names.get_mut(name).and_then(|entry| entry.held.as_mut()) {
            held.window = window;
        }
    }

    /// Somebody wants a new certificate now, whatever the old one's age, and need not wait as we do
    /// after a failure: what was wrong may be right now. What an authority asked for still holds,
    /// and failures still count.
    pub fn renew_now(&mut self, name: &str) {
        let Some(entry) = self.names.get_mut(name) else { return };
        entry.history.tried_at = None;
        if let Some(held) = entry.held.as_mut() {
            held.window = Some(super::Window { start: 0, end: 0 });
        }
    }
}

impl Entry {
    fn due(&self, now: UnixTime) -> UnixTime {
        due(self.held.as_ref(), &self.history, self.seed, now)
    }
}

fn sleep(until: UnixTime, now: UnixTime) -> Next {
    // At least a second: a keeper that never sleeps would be a storm of its own.
    Next::Sleep(until.since(now).clamp(Duration::from_secs(1), LONGEST_SLEEP))
}
