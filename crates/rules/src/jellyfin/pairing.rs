//! How an app comes to belong to a person: Quick Connect, with codes and secrets of our own.
//!
//! ```text
//!  begin ─▶ waiting ──claim──▶ claimed ──bind──▶ bound ──exchange──▶ over
//!              ▲                  │
//!              └─────release──────┘     each of them ends by itself, and none begins again
//! ```
//!
//! The app's code is never one of Jellyfin's: there two apps may draw the same code, and whoever
//! types it approves the later one. Ours are different while they count, and for as long again as
//! somebody may have them in mind. The secret with which Jellyfin gives out a token leaves nobody's
//! hands but ours.

mod held;
mod limits;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    net::IpAddr,
    time::{Duration, Instant},
};

use limits::{Begun, Typed};
pub use limits::{MOST_FROM_NETWORK, MOST_WAITING, Network};

use crate::secret::Secret;

/// How long a code counts, and a token waits for its app: as on Jellyfin itself.
pub const LIFE: Duration = Duration::from_secs(600);

/// How long somebody may think about an app that they were shown.
pub const SHOWN_FOR: Duration = Duration::from_secs(120);

/// How long making a token may take, where its code ends meanwhile.
const CLAIM: Duration = Duration::from_secs(60);

/// How often an app may ask whether it was let in. Apps ask every five seconds.
const POLL: Duration = Duration::from_secs(1);

/// So many people may look at one app at the same time.
const MOST_READERS: usize = 8;

/// What an app says of itself. Free text: it proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppNames {
    /// Which app.
    pub client: Box<str>,
    /// What its device is called.
    pub device: Box<str>,
    /// What Jellyfin knows the device by.
    pub device_id: Box<str>,
    /// The app's version.
    pub version: Box<str>,
}

/// Whose an app becomes. Two providers may call two people by the same id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The id of the provider that vouches for them.
    pub provider: Box<str>,
    /// [`crate::people::Person::id`].
    pub person: Box<str>,
}

/// Six digits, the first of them not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(u32);

impl Code {
    const FIRST: u32 = 100_000;
    const CODES: u64 = 900_000;

    /// The code that a random number stands for. Of 2^64 numbers no code has more than one in
    /// 2^44 above its share.
    pub const fn drawn(random: u64) -> Self {
        Self(Self::FIRST + (random % Self::CODES) as u32)
    }

    /// As somebody types it: blanks and a dash between the digits don't count.
    pub fn parse(typed: &str) -> Option<Self> {
        let mut number = 0_u32;
        for (count, digit) in typed.bytes().filter(|b| !b" -\t".contains(b)).enumerate() {
            if !digit.is_ascii_digit() || count == 6 {
                return None;
            }
            number = number * 10 + u32::from(digit - b'0');
        }
        (number >= Self::FIRST).then_some(Self(number))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One pairing, while this process runs. Says nothing about who may end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PairingId(u64);

impl PairingId {
    /// As a form carries it.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl fmt::Display for PairingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An app that waits, as somebody may see it before they say yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Which pairing.
    pub id: PairingId,
    /// What it says of itself.
    pub app: AppNames,
    /// From where it asked.
    pub from: IpAddr,
    /// How long ago.
    pub age: Duration,
    /// Its code.
    pub code: Code,
    /// It shows none, and waits with this name in the place of one.
    pub held: Option<Box<str>>,
}

/// No pairing begins, until later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many apps ask to be let in")]
pub struct TooMany {
    /// When it may be tried again.
    pub retry_after: Duration,
}

/// Nothing is known of a secret, or it is asked about too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAsked {
    /// It is none of ours, or over.
    #[error("the secret is unknown")]
    Unknown,
    /// It was asked about less than a second ago.
    #[error("asked too often")]
    TooOften,
}

/// What was typed leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoApp {
    /// No app waits with this code.
    #[error("no app waits with this code")]
    Unknown,
    /// This person typed too many that were wrong.
    #[error("too many wrong codes")]
    Locked {
        /// When they may try again.
        retry_after: Duration,
    },
}

/// It was not shown to them, no longer waits, or they thought for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the app does not wait any more")]
pub struct NotClaimed;

/// What an app that polls is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polled {
    /// As it was when it began.
    pub app: AppNames,
    /// Its code.
    pub code: Code,
    /// How long ago it began.
    pub age: Duration,
    /// Was it let in?
    pub is_bound: bool,
}

/// How far a pairing has come; `A` is what its app gets in the end.
#[derive(Debug)]
enum Stage<A> {
    Waiting {
        shown_to: Vec<(Owner, Instant)>,
    },
    Claimed(Owner),
    Bound(A),
    /// Its code is not drawn again for a while.
    Over,
}

#[derive(Debug)]
struct Pairing<A> {
    code: Code,
    secret: Secret,
    app: AppNames,
    from: IpAddr,
    began: Instant,
    until: Instant,
    polled: Option<Instant>,
    held: Option<Box<str>>,
    stage: Stage<A>,
}

impl<A> Pairing<A> {
    fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting { .. })
    }

    fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    fn is_over_at(&mut self, now: Instant) {
        self.stage = Stage::Over;
        self.until = now + LIFE;
    }

    fn shown(&mut self, id: PairingId, reader: &Owner, now: Instant) -> Option<Waiting> {
        let Stage::Waiting { shown_to } = &mut self.stage else { return None };
        shown_to.retain(|(who, at)| who != reader && now.duration_since(*at) < SHOWN_FOR);
        if shown_to.len() >= MOST_READERS {
            shown_to.remove(0);
        }
        shown_to.push((reader.clone(), now));
        let (app, age) = (self.app.clone(), now.duration_since(self.began));
        let held = self.held.clone();
        Some(Waiting { id, app, from: self.from, age, code: self.code, held })
    }
}

/// Every pairing of one Jellyfin.
#[derive(Debug)]
pub struct Pairings<A> {
    known: BTreeMap<PairingId, Pairing<A>>,
    next: u64,
    begun: Begun,
    typed: Typed,
}

impl<A> Default for Pairings<A> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), next: 1, begun: Begun::default(), typed: Typed::default() }
    }
}

impl<A> Pairings<A> {
    /// An app asks to be let in. Gives its code: the first of `drawn` that is nobody's.
    ///
    /// # Errors
    ///
    /// [`TooMany`] from its network, or at all.
    pub fn begin(
        &mut self,
        app: AppNames,
        from: IpAddr,
        (drawn, secret): (&[Code], Secret),
        now: Instant,
    ) -> Result<Code, TooMany> {
        self.sweep(now);
        let network = Network::of(from);
        self.begun.may_begin(network, now)?;
        self.make_room(&app, network, now)?;
        let is_free = |code: &&Code| self.known.values().all(|one| one.code != **code);
        let code = *drawn.iter().find(is_free).ok_or(TooMany { retry_after: POLL })?;
        self.begun.note(network, now);
        let (id, until) = (PairingId(self.next), now + LIFE);
        self.next += 1;
        let stage = Stage::Waiting { shown_to: Vec::new() };
        let (polled, held) = (None, None);
        let pairing = Pairing { code, secret, app, from, began: now, until, polled, held, stage };
        self.known.insert(id, pairing);
        Ok(code)
    }

    /// Where a network has all that it may have, a device that asks anew gives up its older code.
    fn make_room(&mut self, app: &AppNames, network: Network, now: Instant) -> Result<(), TooMany> {
        let open = |one: &&mut Pairing<A>| !one.is_over();
        let near = |one: &&mut Pairing<A>| Network::of(one.from) == network;
        let (mut all, mut here, mut same, mut first) = (0, 0, None, None);
        for one in self.known.values_mut().filter(open) {
            all += 1;
            first = first.min(Some(one.until)).or(Some(one.until));
            if near(&one) {
                here += 1;
                let is_same = one.is_waiting() && one.app.device_id == app.device_id;
                same = same.or(is_same.then_some(one));
            }
        }
        if here < MOST_FROM_NETWORK && all < MOST_WAITING {
            return Ok(());
        }
        let retry_after =
            first.map_or(POLL, |first| first.saturating_duration_since(now)).max(POLL);
        same.map(|same| same.is_over_at(now)).ok_or(TooMany { retry_after })
    }

    /// Was the app of this secret let in?
    ///
    /// # Errors
    ///
    /// [`NotAsked`].
    pub fn poll(&mut self, secret: &[u8], now: Instant) -> Result<Polled, NotAsked> {
        let one = self.of_secret(secret, now).ok_or(NotAsked::Unknown)?;
        if one.polled.is_some_and(|last| now.duration_since(last) < POLL) {
            return Err(NotAsked::TooOften);
        }
        one.polled = Some(now);
        let is_bound = matches!(one.stage, Stage::Bound(_));
        let age = now.duration_since(one.began);
        Ok(Polled { app: one.app.clone(), code: one.code, age, is_bound })
    }

    /// The app that waits with a code, for somebody who has typed it.
    ///
    /// # Errors
    ///
    /// [`NoApp`]; what is wrong is counted against the one who typed it.
    pub fn look(&mut self, typed: &str, reader: &Owner, now: Instant) -> Result<Waiting, NoApp> {
        self.sweep(now);
        self.typed.may_type(reader, now)?;
        let code = Code::parse(typed);
        let shows = |one: &Pairing<A>| one.held.is_none() && Some(one.code) == code;
        let found = self.known.iter_mut().find(|(_, one)| shows(one));
        let shown = found.and_then(|(id, one)| one.shown(*id, reader, now));
        if shown.is_none() {
            self.typed.wrong(reader, now);
        }
        shown.ok_or(NoApp::Unknown)
    }

    /// The apps that wait in the reader's own network, the newest first.
    pub fn near(&mut self, at: IpAddr, reader: &Owner, now: Instant) -> Vec<Waiting> {
        self.sweep(now);
        let network = Network::of(at);
        let here = self.known.iter_mut().filter(|(_, one)| Network::of(one.from) == network);
        let mut here: Vec<_> = here.filter_map(|(id, one)| one.shown(*id, reader, now)).collect();
        here.reverse();
        here
    }

    /// Somebody says yes to an app that they were shown. From now on it can become theirs and
    /// nobody else's.
    ///
    /// # Errors
    ///
    /// [`NotClaimed`].
    pub fn claim(
        &mut self,
        id: PairingId,
        owner: &Owner,
        now: Instant,
    ) -> Result<AppNames, NotClaimed> {
        self.sweep(now);
        let one = self.known.get_mut(&id).ok_or(NotClaimed)?;
        let Stage::Waiting { shown_to } = &one.stage else { return Err(NotClaimed) };
        let seen =
            |(who, at): &(Owner, Instant)| who == owner && now.duration_since(*at) < SHOWN_FOR;
        if !shown_to.iter().any(seen) {
            return Err(NotClaimed);
        }
        one.stage = Stage::Claimed(owner.clone());
        one.until = one.until.max(now + CLAIM);
        Ok(one.app.clone())
    }

    /// What the app gets is there.
    ///
    /// # Errors
    ///
    /// Gives it back where the claim is over, or was somebody else's: it has to be undone.
    pub fn bind(&mut self, id: PairingId, owner: &Owner, answer: A, now: Instant) -> Result<(), A> {
        self.sweep(now);
        let one = self.known.get_mut(&id);
        let claimed =
            |one: &&mut Pairing<A>| matches!(&one.stage, Stage::Claimed(by) if by == owner);
        let Some(one) = one.filter(claimed) else { return Err(answer) };
        one.stage = Stage::Bound(answer);
        one.until = now + LIFE;
        Ok(())
    }

    /// The token could not be made: the app waits on, and nobody was shown it.
    pub fn release(&mut self, id: PairingId, owner: &Owner, now: Instant) {
        self.sweep(now);
        let Some(one) = self.known.get_mut(&id) else { return };
        if matches!(&one.stage, Stage::Claimed(by) if by == owner) {
            one.stage = Stage::Waiting { shown_to: Vec::new() };
            one.until = one.until.min(one.began + LIFE);
        }
    }

    /// What the app of this secret gets, once.
    pub fn exchange(&mut self, secret: &[u8], now: Instant) -> Option<A> {
        let one = self.of_secret(secret, now)?;
        if !matches!(one.stage, Stage::Bound(_)) {
            return None;
        }
        one.until = now + LIFE;
        match std::mem::replace(&mut one.stage, Stage::Over) {
            Stage::Bound(answer) => Some(answer),
            Stage::Waiting { .. } | Stage::Claimed(_) | Stage::Over => None,
        }
    }

    fn of_secret(&mut self, secret: &[u8], now: Instant) -> Option<&mut Pairing<A>> {
        self.sweep(now);
        // Each is compared whole: how long it takes says nothing of any.
        let mut found = None;
        for one in self.known.values_mut() {
            if one.secret.same_as(secret) && !one.is_over() {
                found = Some(one);
            }
        }
        found
    }

    /// What has ended by itself.
    fn sweep(&mut self, now: Instant) {
        for one in self.known.values_mut().filter(|one| !one.is_over() && one.until <= now) {
            one.is_over_at(one.until);
        }
        self.known.retain(|_, one| !one.is_over() || one.until > now);
        self.begun.sweep(now);
        self.typed.sweep(now);
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Is none remembered?
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}
