//! What waits to be sent. In memory: a restart forgets it, and whoever waits asks again.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use usher_pages::Language;
use usher_rules::secret::Secret;

use super::letter::Queued;

/// So many wait to be looked up: those that come together while somebody's mail is being sent.
const MOST_WISHES: usize = 256;
/// So many letters wait for a server that does not take them.
const MOST_LETTERS: usize = 64;
/// The pauses between the tries of one letter.
const AGAIN: [Duration; 3] =
    [Duration::from_secs(30), Duration::from_secs(2 * 60), Duration::from_secs(10 * 60)];
/// One person gets three links at once, and then one an hour, whoever asks for them.
const AT_ONCE: u32 = 3;
const EACH: Duration = Duration::from_secs(3600);
/// So many people are counted before those are forgotten who had none lately.
const MOST_PEOPLE: usize = 4096;

/// Somebody typed an address to get in again.
pub(in crate::signin) struct Wish {
    /// What was typed: it may be a password in the wrong field.
    pub typed: Secret,
    pub language: Language,
    pub request_id: Box<str>,
    pub from: IpAddr,
}

/// A letter, and how often it was tried.
pub(super) struct Due {
    pub letter: Queued,
    pub tries: usize,
}

impl Due {
    /// The pause before the next try; `None` where it was tried often enough.
    pub(super) fn pause(&self) -> Option<Duration> {
        AGAIN.get(self.tries).copied()
    }
}

/// Wishes and letters.
#[derive(Default)]
pub(in crate::signin) struct Outbox(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    wishes: VecDeque<Wish>,
    letters: Vec<(Instant, Due)>,
    /// When somebody's links will all have been given back.
    had: HashMap<Box<str>, Instant>,
}

/// There is no room for more.
#[derive(Debug)]
pub(in crate::signin) struct Full;

impl Outbox {
    pub(in crate::signin) fn wish(&self, wish: Wish) -> Result<(), Full> {
        let mut waiting = self.waiting();
        if waiting.wishes.len() >= MOST_WISHES {
            return Err(Full);
        }
        waiting.wishes.push_back(wish);
        Ok(())
    }

    pub(super) fn next_wish(&self) -> Option<Wish> {
        self.waiting().wishes.pop_front()
    }

    /// Takes a letter that is to be sent at once.
    pub(in crate::signin) fn post(&self, letter: Queued, now: Instant) -> Result<(), Full> {
        let mut waiting = self.waiting();
        if waiting.letters.len() >= MOST_LETTERS {
            return Err(Full);
        }
        waiting.letters.push((now, Due { letter, tries: 0 }));
        Ok(())
    }

    pub(super) fn has_room(&self) -> bool {
        self.waiting().letters.len() < MOST_LETTERS
    }

    /// The letter whose turn it is, the longest due first.
    pub(super) fn next_due(&self, now: Instant) -> Option<Due> {
        let mut waiting = self.waiting();
        let due = waiting.letters.iter().enumerate().filter(|(_, (at, _))| *at <= now);
        let (first, _) = due.min_by_key(|(_, (at, _))| *at)?;
        Some(waiting.letters.swap_remove(first).1)
    }

    /// A letter was tried in vain. It keeps its place, however many came meanwhile.
    pub(super) fn again(&self, due: Due, at: Instant) {
        self.waiting().letters.push((at, Due { tries: due.tries + 1, ..due }));
    }

    /// May this person be sent one more link? Who asks for it is not known, and fills nobody's
    /// mailbox.
    pub(super) fn may_have(&self, id: &str, now: Instant) -> bool {
        let mut waiting = self.waiting();
        if waiting.had.len() >= MOST_PEOPLE {
            waiting.had.retain(|_, full_again| *full_again > now);
        }
        let full_again = waiting.had.get(id).copied().unwrap_or(now).max(now);
        if full_again.saturating_duration_since(now) > EACH * (AT_ONCE - 1) {
            return false;
        }
        waiting.had.insert(id.into(), full_again + EACH);
        true
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use usher_pages::{Language, Letter, LetterAbout};
    use usher_rules::secret::Secret;

    use super::{AGAIN, MOST_LETTERS, MOST_WISHES, Outbox, Queued, Wish};

    fn letter(to: &str) -> Queued {
        let about = LetterAbout::Recovered { email: to, at: 0 };
        let letter = Letter { site: "a.test", about };
        Queued::new((to, None), "a notice", (letter, Language::English))
    }

    fn wish() -> Wish {
        Wish {
            typed: Secret::new(*b"ann@example.com"),
            language: Language::English,
            request_id: "r".into(),
            from: [192, 0, 2, 7].into(),
        }
    }

    #[test]
    fn a_letter_is_tried_four_times_and_not_again() {
        let (outbox, start) = (Outbox::default(), Instant::now());
        outbox.post(letter("ann@example.com"), start).unwrap();
        let mut now = start;
        for pause in AGAIN {
            let due = outbox.next_due(now).unwrap();
            assert_eq!(due.pause(), Some(pause));
            now += pause;
            outbox.again(due, now);
            assert!(outbox.next_due(now - Duration::from_secs(1)).is_none(), "not before");
        }
        assert_eq!(outbox.next_due(now).unwrap().pause(), None);
    }

    #[test]
    fn what_waits_is_bounded() {
        let (outbox, now) = (Outbox::default(), Instant::now());
        let wishes = (0..2 * MOST_WISHES).filter(|_| outbox.wish(wish()).is_ok());
        assert_eq!(wishes.count(), MOST_WISHES);
        let letters = (0..2 * MOST_LETTERS).filter(|_| outbox.post(letter("a@b"), now).is_ok());
        assert_eq!(letters.count(), MOST_LETTERS);
        assert!(!outbox.has_room());
        while outbox.next_due(now).is_some() {}
        assert!(outbox.has_room());
        while outbox.next_wish().is_some() {}
        assert!(outbox.wish(wish()).is_ok());
    }

    #[test]
    fn nobody_s_mailbox_is_filled() {
        let (outbox, start) = (Outbox::default(), Instant::now());
        let had = |id, at: u64| {
            let now = start + Duration::from_secs(at);
            (0..10).filter(|_| outbox.may_have(id, now)).count()
        };
        assert_eq!(had("ann", 0), 3);
        assert_eq!(had("ann", 3599), 0);
        assert_eq!(had("ann", 3600), 1, "one an hour");
        assert_eq!(had("eve", 3600), 3, "somebody else");
        assert_eq!(had("ann", 4 * 3600), 3, "all are back");
    }
}
