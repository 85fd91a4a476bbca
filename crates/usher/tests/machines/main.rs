//! The state machines of sign-in, in simulated time and from seeds: whatever people, apps, providers
//! and strangers do in whatever order, nothing panics, no store grows without bound, and no session
//! is left that nobody can end.
//!
//! `cargo xtask machines` makes a million steps of each; a test run makes fewer.
#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod authenticator;
mod devices;
mod openid;
mod pairing;
mod people;
mod programs;
mod round_trip;
mod sessions;

use std::{
    future::Future,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;
use usher::{
    request::identify::{Found, LiveSession, SessionStore},
    store::Store,
};
use usher_rules::{
    people::Member,
    secret::Secret,
    session::{Keys, Means, SessionId, SignedIn},
    signin::member_signs_in,
    time::{Now, UnixTime},
};

/// When each story begins.
const START: u64 = 1_800_000_000;
const SEEDS: u64 = 4;

/// SplitMix64: the same numbers from the same seed, on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, sides: usize) -> usize {
        (self.roll() % sides as u64) as usize
    }

    fn octets<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.roll().to_le_bytes()[0])
    }

    /// Where one of so many is; `None` of none.
    fn of(&mut self, many: usize) -> Option<usize> {
        (many > 0).then(|| self.below(many))
    }
}

/// The clock that a story turns.
struct Time {
    seconds: u64,
    began: Instant,
}

impl Time {
    fn new() -> Self {
        Self { seconds: 0, began: Instant::now() }
    }

    fn now(&self) -> Now {
        let monotonic = self.began + Duration::from_secs(self.seconds);
        Now { wall: self.wall(), wall_millis: 0, monotonic }
    }

    fn wall(&self) -> UnixTime {
        UnixTime::from_seconds(START + self.seconds)
    }

    /// Mostly moments, now and then hours.
    fn goes_on(&mut self, dice: &mut Dice) {
        self.seconds += match dice.below(40) {
            0 => dice.roll() % (8 * 3600),
            1..10 => dice.roll() % 900,
            _ => dice.roll() % 60,
        };
    }
}

fn keys() -> Keys {
    Keys::derive(&Secret::new([1; 32]), &Secret::new([2; 32])).unwrap()
}

/// A session of somebody, from now on.
fn session(dice: &mut Dice, person: &str, (now, life): (UnixTime, u64)) -> SignedIn {
    let member = Member { id: person.into(), email: person.into(), ..Member::default() };
    let id = SessionId::from_random(dice.octets());
    let end = now.plus(Duration::from_secs(life));
    member_signs_in(&member, Means::Provider, now).begin(id, "provider", now, end)
}

/// A real store. Where memory passes for a disk it is there: that nothing is lost in a crash is asked
/// elsewhere.
fn store() -> (TempDir, Arc<Store>) {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap();
    let store = Arc::new(Store::open(dir.path()).unwrap());
    store.seal_with(Arc::new(keys())).unwrap();
    (dir, store)
}

/// The session, where it is in force as far as the store knows.
fn found(store: &Store, id: &SessionId) -> Option<Arc<LiveSession>> {
    match SessionStore::find(store, id) {
        Found::Live(live) => Some(live),
        Found::Ended => None,
        Found::Elsewhere => panic!("nobody else keeps sessions"),
    }
}

/// How many rows a table of that store has.
fn rows(dir: &TempDir, table: &str) -> usize {
    let db = rusqlite::Connection::open(dir.path().join("usher.sqlite3")).unwrap();
    let count = format!("SELECT count(*) FROM {table}");
    db.query_row(&count, [], |row| row.get::<_, u32>(0)).unwrap() as usize
}

#[expect(clippy::disallowed_methods, reason = "how long a night is, whoever runs it says")]
fn steps(few: u64) -> u64 {
    let said = std::env::var("USHER_STEPS").ok();
    said.map_or(few, |steps| steps.parse().unwrap()) / SEEDS
}

/// Says at the end where it stopped.
struct Place<'a>(u64, &'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("seed {}, step {}", self.0, self.1.load(Ordering::Relaxed));
        }
    }
}

/// One world for each seed, until its steps are made.
fn from_seeds<W>(
    few: u64,
    new: impl Fn(Dice) -> W,
    play: impl AsyncFn(&mut W, u64),
    over: impl AsyncFn(W),
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for seed in 1..=SEEDS {
        let at = AtomicUsize::new(0);
        let _place = Place(seed, &at);
        let mut world = new(Dice(seed));
        let whole: std::pin::Pin<Box<dyn Future<Output = ()>>> = Box::pin(async {
            for step in 0..steps(few) {
                at.store(step as usize, Ordering::Relaxed);
                play(&mut world, step).await;
            }
            over(world).await;
        });
        runtime.block_on(whole);
    }
}

/// Ends all sessions of a person, as an admin does on their page; how many there were.
async fn end_each_of(store: &Store, person_id: &str) -> usize {
    let own = store.of_person(person_id);
    for live in &own {
        store.end(&live.session().id).await.unwrap();
    }
    own.len()
}
