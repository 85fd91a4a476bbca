//! What the index has of one session, and of one person's.

use std::{slice, sync::Arc};

use usher_rules::session::{SessionId, SignedIn};

use super::dormant::Dormant;
use crate::request::identify::{LiveSession, SessionFacts};

/// A session's id in few octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 16]);

impl From<&SessionId> for Key {
    fn from(id: &SessionId) -> Self {
        Self(id.octets())
    }
}

impl From<Key> for SessionId {
    fn from(key: Key) -> Self {
        Self::of_octets(key.0)
    }
}

/// A session in memory.
#[derive(Debug)]
pub(super) enum Slot {
    /// Somebody has asked about it: whoever does gets this one.
    Live(Arc<LiveSession>),
    /// Nobody has.
    Dormant(Dormant),
}

impl Slot {
    pub(super) fn facts(&self) -> SessionFacts {
        match self {
            Self::Live(live) => SessionFacts::of(live.session()),
            Self::Dormant(dormant) => dormant.facts(),
        }
    }

    /// What is known of it now, for a moment.
    pub(super) fn known(&self) -> Option<Arc<SignedIn>> {
        match self {
            Self::Live(live) => Some(live.newest()),
            Self::Dormant(dormant) => dormant.wake().map(Arc::new),
        }
    }

    /// Does somebody have hold of it, beside the index?
    pub(super) fn is_held(&self) -> bool {
        match self {
            Self::Live(live) => live.is_held(),
            Self::Dormant(_) => false,
        }
    }

    /// Tells whatever runs under it. Nothing runs under one that nobody has asked about.
    pub(super) fn end(&self) {
        match self {
            Self::Live(live) => live.end(),
            Self::Dormant(_) => {}
        }
    }
}

/// The sessions of one person, the oldest first. Most people have one.
#[derive(Debug)]
pub(super) enum Theirs {
    One(Key),
    Several(Vec<Key>),
}

impl Theirs {
    pub(super) fn all(&self) -> &[Key] {
        match self {
            Self::One(key) => slice::from_ref(key),
            Self::Several(keys) => keys,
        }
    }

    pub(super) fn push(&mut self, new: Key) {
        match self {
            Self::One(key) => *self = Self::Several(vec![*key, new]),
            Self::Several(keys) => {
                keys.reserve_exact(1); // nobody has more than a hundred
                keys.push(new);
            }
        }
    }

    /// Takes one out; `false` where none is left.
    pub(super) fn remove(&mut self, gone: Key) -> bool {
        match self {
            Self::One(key) => *key != gone,
            Self::Several(keys) => {
                keys.retain(|key| *key != gone);
                !keys.is_empty()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use usher_rules::session::SessionId;

    use super::{Key, Slot, Theirs};

    #[test]
    fn what_there_is_of_each_is_small() {
        assert_eq!(size_of::<(Key, Slot)>(), 32);
        assert_eq!(size_of::<(Box<str>, Theirs)>(), 40);
    }

    #[test]
    fn sessions_of_somebody_are_in_the_order_in_which_they_came() {
        let [one, two, three] = [1, 2, 3].map(|n| Key::from(&SessionId::from_random([n; 16])));
        let mut theirs = Theirs::One(one);
        assert!(theirs.remove(two), "another one");
        theirs.push(two);
        theirs.push(three);
        assert_eq!(theirs.all(), [one, two, three]);
        assert!(theirs.remove(two));
        assert_eq!(theirs.all(), [one, three]);
        assert!(theirs.remove(one) && !theirs.remove(three) && theirs.all().is_empty());
        assert!(!Theirs::One(one).remove(one));
    }
}
