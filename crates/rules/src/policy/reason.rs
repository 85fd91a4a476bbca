use std::fmt;

use super::criterion::DECLARED;

/// Why a criterion held or did not: one of the words that criteria declare, and an API of its own
/// (`pomerium-protocols.md` §3.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(u8);

/// What is said where no criterion was asked.
const UNASKED: &[&str] =
    &["non-pomerium-route", "pomerium-route", "rego", "rego-error", "route-not-found"];

/// Every word once, in order. What does not fit into [`Reasons`] does not compile.
const WORDS: Words = {
    let mut words = with_all(([""; Reasons::MOST], 0), UNASKED);
    let mut files = DECLARED;
    while let [criteria, more_files @ ..] = files {
        let mut criteria = *criteria;
        while let [declared, more @ ..] = criteria {
            (words, criteria) = (with_all(words, declared), more);
        }
        files = more_files;
    }
    words
};

type Words = ([&'static str; Reasons::MOST], usize);

const fn with_all(mut words: Words, mut more: &[&'static str]) -> Words {
    while let [word, others @ ..] = more {
        (words, more) = (with(words, word), others);
    }
    words
}

#[expect(clippy::indexing_slicing, reason = "at compile time: what is out of bounds is an error")]
const fn with((mut words, len): Words, word: &'static str) -> Words {
    let mut at = len;
    while at > 0 && !is_before(words[at - 1], word) {
        at -= 1;
    }
    if at < len && !is_before(word, words[at]) {
        return (words, len); // several criteria say it
    }
    let mut last = len;
    while last > at {
        words[last] = words[last - 1];
        last -= 1;
    }
    words[at] = word;
    (words, len + 1)
}

const fn is_before(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while let ([x, more_a @ ..], [y, more_b @ ..]) = (a, b) {
        if *x != *y {
            return *x < *y;
        }
        (a, b) = (more_a, more_b);
    }
    a.len() < b.len()
}

impl Reason {
    /// The reason of this word; to be asked at compile time, where one that nobody declares is an
    /// error.
    #[expect(clippy::panic, reason = "at compile time")]
    pub const fn named(word: &str) -> Self {
        let (words, mut index) = (WORDS.0, 0);
        let mut rest: &[&str] = &words;
        while let [known, others @ ..] = rest {
            if !is_before(known, word) && !is_before(word, known) {
                return Self(index);
            }
            (rest, index) = (others, index + 1);
        }
        panic!("no criterion declares this reason")
    }

    /// Every reason, in order of its word.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).take(WORDS.1).map(Self)
    }

    /// The one with this word; `None` where no criterion says it.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::all().find(|reason| reason.word() == word)
    }

    /// The word in records, as Pomerium writes it.
    pub fn word(self) -> &'static str {
        WORDS.0.get(usize::from(self.0)).copied().unwrap_or_default()
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A set of reasons in one word of memory: decisions are made on every request.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Reasons(u64);

impl Reasons {
    /// How many reasons there can be.
    const MOST: usize = u64::BITS as usize;

    /// Just `reason`.
    pub const fn only(reason: Reason) -> Self {
        Self(1 << reason.0)
    }

    /// Every reason that is in either.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `reason` is in it.
    pub const fn contains(self, reason: Reason) -> bool {
        self.0 & Self::only(reason).0 != 0
    }

    /// Whether one of `others` is in it.
    pub const fn has_any(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The reasons in order of their words.
    pub fn iter(self) -> impl Iterator<Item = Reason> {
        Reason::all().filter(move |reason| self.contains(*reason))
    }
}

impl fmt::Debug for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
