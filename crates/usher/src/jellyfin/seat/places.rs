//! Who is being seated: once at a time in each browser, and not again and again.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use usher_rules::session::SessionId;

/// So long after a browser was led on to the web client it may open it.
const ON_ITS_WAY: Duration = Duration::from_secs(20);
/// In this time …
const MINUTE: Duration = Duration::from_secs(60);
/// … a browser comes here so often at most: as many tabs open at once, and a loop soon does more.
const MOST_TIMES: usize = 30;
/// In this time …
const TEN_MINUTES: Duration = Duration::from_secs(600);
/// … so many tokens are made for a browser.
const MOST_TOKENS: usize = 10;
/// So long another tab of the same browser gets the token that was just made.
const SHARED: Duration = Duration::from_secs(30);

/// A browser at a server.
type Where = (SessionId, Box<str>);

/// The places of all browsers that came by.
#[derive(Default)]
pub(in super::super) struct Seats(Mutex<HashMap<Where, Arc<Place>>>);

/// One browser's.
pub(super) struct Place {
    /// What was given last; whoever holds it is the one that asks for more.
    pub(super) turn: tokio::sync::Mutex<Option<Given>>,
    times: Mutex<Times>,
}

/// What a tab was given.
pub(super) struct Given {
    /// When.
    pub(super) at: Instant,
    /// To whom: what the browser called its device.
    pub(super) device: Box<str>,
    /// The answer, with its token.
    pub(super) answer: Bytes,
}

struct Times {
    last: Instant,
    came: VecDeque<Instant>,
    made: VecDeque<Instant>,
    on_their_way: VecDeque<Instant>,
}

fn recent(times: &mut VecDeque<Instant>, span: Duration, now: Instant) -> usize {
    while times.front().is_some_and(|at| now.saturating_duration_since(*at) >= span) {
        times.pop_front();
    }
    times.len()
}

impl Seats {
    /// The place of a browser, made where there is none.
    pub(super) fn of(&self, session: &SessionId, server: &str, now: Instant) -> Arc<Place> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, place| !place.is_left(now));
        let place = all.entry((session.clone(), server.into()));
        Arc::clone(place.or_insert_with(|| Arc::new(Place::new(now))))
    }

    fn known(&self, session: &SessionId, server: &str) -> Option<Arc<Place>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(session.clone(), server.into())).cloned()
    }

    /// Was one of its tabs led on to the web client just now?
    pub(super) fn is_on_its_way(&self, session: &SessionId, server: &str, now: Instant) -> bool {
        let place = self.known(session, server);
        place.is_some_and(|place| recent(&mut place.times().on_their_way, ON_ITS_WAY, now) > 0)
    }

    /// One of its tabs opened the web client.
    pub(in super::super) fn came_in(&self, session: &SessionId, server: &str, now: Instant) {
        let Some(place) = self.known(session, server) else { return };
        let times = &mut place.times().on_their_way;
        if recent(times, ON_ITS_WAY, now) > 0 {
            times.pop_front();
        }
    }
}

impl Place {
    fn new(now: Instant) -> Self {
        let [came, made, on_their_way] = [(); 3].map(|()| VecDeque::new());
        let times = Mutex::new(Times { last: now, came, made, on_their_way });
        Self { turn: tokio::sync::Mutex::new(None), times }
    }

    fn times(&self) -> std::sync::MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_left(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.times().last) >= TEN_MINUTES
    }

    /// A tab comes; `false` where too many did.
    pub(super) fn comes(&self, now: Instant) -> bool {
        let mut times = self.times();
        times.last = now;
        let is_allowed = recent(&mut times.came, MINUTE, now) < MOST_TIMES;
        if is_allowed {
            times.came.push_back(now);
        }
        is_allowed
    }

    /// A token is to be made; `false` where too many were.
    pub(super) fn makes(&self, now: Instant) -> bool {
        let mut times = self.times();
        let is_allowed = recent(&mut times.made, TEN_MINUTES, now) < MOST_TOKENS;
        if is_allowed {
            times.made.push_back(now);
        }
        is_allowed
    }

    /// A tab is led on.
    pub(super) fn goes_on(&self, now: Instant) {
        let mut times = self.times();
        recent(&mut times.on_their_way, ON_ITS_WAY, now);
        times.on_their_way.push_back(now);
    }
}

impl Given {
    /// Is it still that browser's own answer?
    pub(super) fn counts_for(&self, device: &str, now: Instant) -> bool {
        *self.device == *device && now.saturating_duration_since(self.at) < SHARED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "http://tv:8096";

    #[test]
    fn each_tab_opens_the_library_once_and_a_loop_ends() {
        let (seats, now) = (Seats::default(), Instant::now());
        let ann = SessionId::from_random([1; 16]);
        assert!(!seats.is_on_its_way(&ann, AT, now));
        let place = seats.of(&ann, AT, now);
        place.goes_on(now);
        place.goes_on(now);
        for _ in 0..2 {
            assert!(seats.is_on_its_way(&ann, AT, now));
            assert!(!seats.is_on_its_way(&ann, "http://other", now), "another library");
            seats.came_in(&ann, AT, now);
        }
        assert!(!seats.is_on_its_way(&ann, AT, now), "both tabs are in");
        place.goes_on(now);
        assert!(!seats.is_on_its_way(&ann, AT, now + ON_ITS_WAY), "it went elsewhere");
        assert_eq!((0..40).filter(|_| place.comes(now)).count(), MOST_TIMES);
        assert!(place.comes(now + MINUTE));
        assert_eq!((0..40).filter(|_| place.makes(now)).count(), MOST_TOKENS);
        assert!(place.makes(now + TEN_MINUTES));
        let other = SessionId::from_random([2; 16]);
        seats.of(&other, AT, now + MINUTE + TEN_MINUTES);
        assert!(seats.known(&ann, AT).is_none(), "nothing is kept of who left");
    }
}
