use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use super::*;

/// Numbers by chance, the same ones for a seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.roll() % n as u64).unwrap()
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        (!all.is_empty()).then(|| all[self.below(all.len())])
    }
}

#[expect(clippy::disallowed_methods, reason = "some moment, from which all others are told")]
fn begin_of_time() -> Instant {
    Instant::now()
}

fn owner(name: &str) -> Owner {
    Owner { provider: "builtin".into(), person: name.into() }
}

fn app(device: &str) -> AppNames {
    AppNames {
        client: "TV".into(),
        device: device.into(),
        device_id: device.into(),
        version: "1".into(),
    }
}

fn home(n: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, n).into()
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A begun pairing, with its secret.
fn begin(
    pairings: &mut Pairings<&'static str>,
    device: &str,
    drawn: &[u64],
    now: Instant,
) -> Result<Code, TooMany> {
    let codes: Vec<_> = drawn.iter().map(|n| Code::drawn(*n)).collect();
    pairings.begin(app(device), home(1), (&codes, Secret::new(device.as_bytes())), now)
}

#[test]
fn a_code_is_six_digits_however_it_is_typed() {
    for (typed, expected, why) in [
        ("123456", Some(123_456), "as shown"),
        (" 123 456 ", Some(123_456), "in two groups"),
        ("123-456", Some(123_456), "with a dash"),
        ("012345", None, "no code begins with zero"),
        ("12345", None, "five"),
        ("1234567", None, "seven"),
        ("12345a", None, "a letter"),
        ("١٢٣٤٥٦", None, "other digits"),
        ("+12345", None, "a sign"),
        ("", None, "nothing"),
    ] {
        assert_eq!(Code::parse(typed).map(|code| code.0), expected, "{typed:?}: {why}");
    }
    for random in [0, 1, 899_999, 900_000, u64::MAX] {
        let code = Code::drawn(random);
        assert_eq!(Code::parse(&code.to_string()), Some(code));
    }
}

#[test]
fn from_begin_to_end_and_not_once_more() {
    let (mut pairings, start) = (Pairings::default(), begin_of_time());
    let code = begin(&mut pairings, "tv", &[7], start).unwrap();
    assert!(!pairings.poll(b"tv", start).unwrap().is_bound);
    assert_eq!(pairings.poll(b"tv", start), Err(NotAsked::TooOften));
    assert_eq!(pairings.poll(b"other", start), Err(NotAsked::Unknown));
    assert_eq!(pairings.exchange(b"tv", start), None, "nobody has said yes");
    let ann = owner("ann");
    let shown = pairings.look(&code.to_string(), &ann, start).unwrap();
    assert_eq!((&shown.app, shown.from), (&app("tv"), home(1)));
    assert_eq!(pairings.claim(shown.id, &owner("eve"), start), Err(NotClaimed), "was not shown it");
    assert_eq!(pairings.claim(shown.id, &ann, start), Ok(app("tv")));
    assert_eq!(pairings.claim(shown.id, &ann, start), Err(NotClaimed), "twice at once");
    assert!(pairings.look(&code.to_string(), &owner("eve"), start).is_err(), "it is being bound");
    assert_eq!(pairings.bind(shown.id, &owner("eve"), "eve's", start), Err("eve's"));
    assert_eq!(pairings.bind(shown.id, &ann, "ann's", start), Ok(()));
    assert_eq!(pairings.bind(shown.id, &ann, "again", start), Err("again"));
    assert!(pairings.poll(b"tv", start + seconds(1)).unwrap().is_bound);
    assert_eq!(pairings.exchange(b"tv", start), Some("ann's"));
    assert_eq!(pairings.exchange(b"tv", start), None, "replayed");
    assert_eq!(pairings.poll(b"tv", start + seconds(9)), Err(NotAsked::Unknown));
}

#[test]
fn nothing_counts_for_longer_than_it_should() {
    let (mut pairings, start) = (Pairings::default(), begin_of_time());
    let ann = owner("ann");
    let code = begin(&mut pairings, "tv", &[7], start).unwrap().to_string();
    let shown = pairings.look(&code, &ann, start).unwrap();
    assert_eq!(pairings.claim(shown.id, &ann, start + SHOWN_FOR), Err(NotClaimed), "too late");
    let last = start + LIFE - seconds(1);
    assert!(pairings.look(&code, &ann, last).is_ok());
    pairings.claim(shown.id, &ann, last).unwrap();
    // Making it may take a little longer than the code counts.
    pairings.release(shown.id, &ann, last);
    assert!(pairings.look(&code, &ann, last).is_ok(), "it waits on");
    pairings.claim(shown.id, &ann, last).unwrap();
    assert_eq!(pairings.bind(shown.id, &ann, "late", last + CLAIM), Err("late"));
    assert!(pairings.look(&code, &ann, last + CLAIM).is_err());
    // A token that nobody fetches is nobody's.
    let start = last + LIFE;
    let code = begin(&mut pairings, "tv", &[8], start).unwrap().to_string();
    let shown = pairings.look(&code, &ann, start).unwrap();
    pairings.claim(shown.id, &ann, start).unwrap();
    pairings.bind(shown.id, &ann, "ann's", start).unwrap();
    assert_eq!(pairings.exchange(b"tv", start + LIFE), None);
    pairings.sweep(start + LIFE + LIFE);
    assert!(pairings.is_empty());
}

/// On Jellyfin the second app takes the first one's code, and whoever types it lets the second in.
#[test]
fn a_code_that_is_drawn_twice_is_given_once() {
    let (mut pairings, start) = (Pairings::default(), begin_of_time());
    let first = begin(&mut pairings, "tv", &[7], start).unwrap();
    assert_eq!(begin(&mut pairings, "other", &[7, 8], start), Ok(Code::drawn(8)));
    assert!(begin(&mut pairings, "third", &[7, 8, 7], start).is_err(), "none rather than twice");
    let ann = owner("ann");
    let shown = pairings.look(&first.to_string(), &ann, start).unwrap();
    assert_eq!(&*shown.app.device, "tv");
    pairings.claim(shown.id, &ann, start).unwrap();
    pairings.bind(shown.id, &ann, "ann's", start).unwrap();
    pairings.exchange(b"tv", start).unwrap();
    // Somebody may still have it in mind.
    let later = start + LIFE - seconds(1);
    assert_eq!(begin(&mut pairings, "fourth", &[7, 9], later), Ok(Code::drawn(9)));
    assert_eq!(begin(&mut pairings, "fifth", &[7, 9], later + seconds(1)), Ok(Code::drawn(7)));
}

#[test]
fn floods_and_guesses_are_limited() {
    let (mut pairings, start) = (Pairings::<()>::default(), begin_of_time());
    let mut dice = Dice(1);
    let mut begin = |pairings: &mut Pairings<()>, device: &str, from: IpAddr, now: Instant| {
        let codes: Vec<_> = (0..4).map(|_| Code::drawn(dice.roll())).collect();
        pairings.begin(app(device), from, (&codes, Secret::new(device.as_bytes())), now)
    };
    for n in 0..5 {
        begin(&mut pairings, &n.to_string(), home(1), start).unwrap();
    }
    let refused = begin(&mut pairings, "6", home(1), start + seconds(20)).unwrap_err();
    assert_eq!(refused.retry_after, seconds(40), "five in a minute");
    let refused = begin(&mut pairings, "6", home(1), start + seconds(60)).unwrap_err();
    assert_eq!(refused.retry_after, seconds(540), "five at the same time");
    begin(&mut pairings, "0", home(1), start + seconds(60)).unwrap();
    assert!(pairings.poll(b"0", start + seconds(60)).is_ok(), "its own older one gave way");
    assert!(begin(&mut pairings, "x", home(2), start).is_ok(), "elsewhere nobody notices");
    for n in 3..250 {
        let _full = begin(&mut pairings, "x", home(n), start + seconds(61));
    }
    let open = pairings.known.values().filter(|one| !one.is_over()).count();
    assert_eq!(open, MOST_WAITING);
    assert!(begin(&mut pairings, "y", home(251), start + seconds(61)).is_err());

    let eve = owner("eve");
    for _ in 0..5 {
        assert_eq!(pairings.look("000000", &eve, start + seconds(70)), Err(NoApp::Unknown));
    }
    let locked = NoApp::Locked { retry_after: LIFE + seconds(300) };
    assert_eq!(pairings.look("000000", &eve, start + seconds(70)), Err(locked));
    assert_eq!(pairings.look("000000", &owner("ann"), start), Err(NoApp::Unknown), "hers alone");
    assert_eq!(pairings.look("000000", &eve, start + seconds(971)), Err(NoApp::Unknown));
}

/// What somebody else knows and does: apps, people, and those who are neither.
struct World {
    pairings: Pairings<(Owner, u64)>,
    dice: Dice,
    now: Instant,
    /// Whose device each secret is, and the code that it shows.
    devices: BTreeMap<u64, (u8, Code)>,
    /// Who was shown which app, when.
    shown: Vec<(Owner, PairingId, u64, Instant)>,
    claimed: Vec<(Owner, PairingId, u64)>,
    /// What a device may get, and from whose yes.
    given: BTreeMap<u64, Owner>,
    taken: BTreeSet<u64>,
    bound: u64,
}

const PEOPLE: [&str; 6] = ["ann", "bob", "eve", "mallory", "zoe", "kim"];

impl World {
    fn new(seed: u64) -> Self {
        Self {
            pairings: Pairings::default(),
            dice: Dice(seed),
            now: begin_of_time(),
            devices: BTreeMap::new(),
            shown: Vec::new(),
            claimed: Vec::new(),
            given: BTreeMap::new(),
            taken: BTreeSet::new(),
            bound: 0,
        }
    }

    fn somebody(&mut self) -> Owner {
        owner(self.dice.of(&PEOPLE).unwrap())
    }

    /// Codes of a space so small that they meet.
    fn begin(&mut self, serial: u64) {
        let network = u8::try_from(self.dice.below(40)).unwrap();
        let codes: Vec<_> = (0..3).map(|_| Code::drawn(self.dice.roll() % 300)).collect();
        let secret = Secret::new(&serial.to_be_bytes()[..]);
        let names = app(&format!("{}", serial % 60));
        if let Ok(code) = self.pairings.begin(names, home(network), (&codes, secret), self.now) {
            self.devices.insert(serial, (network, code));
        }
    }

    /// A pairing's device, by looking inside.
    fn serial(&self, id: PairingId) -> u64 {
        let secret = self.pairings.known[&id].secret.expose();
        u64::from_be_bytes(secret.try_into().unwrap())
    }

    fn look(&mut self) {
        let who = self.somebody();
        let known: Vec<Code> = self.devices.values().map(|(_, code)| *code).collect();
        let guess = Code::drawn(self.dice.roll() % 300);
        let code =
            if self.dice.below(8) == 0 { guess } else { self.dice.of(&known).unwrap_or(guess) };
        if let Ok(waiting) = self.pairings.look(&code.to_string(), &who, self.now) {
            let serial = self.serial(waiting.id);
            assert_eq!(self.devices[&serial].1, code, "whoever types a code sees its device");
            self.shown.push((who, waiting.id, serial, self.now));
        }
    }

    fn look_around(&mut self) {
        let (who, network) = (self.somebody(), u8::try_from(self.dice.below(40)).unwrap());
        for waiting in self.pairings.near(home(network), &who, self.now) {
            let serial = self.serial(waiting.id);
            assert_eq!(self.devices[&serial].0, network, "from one's own network");
            self.shown.push((who.clone(), waiting.id, serial, self.now));
        }
    }

    fn claim(&mut self) {
        let stranger = self.somebody();
        let Some(at) = (!self.shown.is_empty()).then(|| self.dice.below(self.shown.len())) else {
            return;
        };
        let (reader, id, serial, _) = self.shown[at].clone();
        let who = if self.dice.below(4) == 0 { stranger } else { reader };
        if self.pairings.claim(id, &who, self.now).is_ok() {
            let lately = |(by, of, _, at): &(Owner, PairingId, u64, Instant)| {
                *by == who && *of == id && self.now.duration_since(*at) < SHOWN_FOR
            };
            assert!(self.shown.iter().any(lately), "nobody claims what they were not shown");
            let others = self.claimed.iter().filter(|(_, of, _)| *of == id).count();
            assert_eq!(others, 0, "one claim at a time");
            self.claimed.push((who, id, serial));
        }
    }

    fn settle(&mut self) {
        if self.claimed.is_empty() {
            return;
        }
        let at = self.dice.below(self.claimed.len());
        let (who, id, serial) = self.claimed.swap_remove(at);
        let stranger = self.somebody();
        if stranger != who {
            let foreign = (stranger.clone(), serial);
            assert!(self.pairings.bind(id, &stranger, foreign, self.now).is_err());
        }
        if self.dice.below(4) == 0 {
            return self.pairings.release(id, &who, self.now);
        }
        if self.pairings.bind(id, &who, (who.clone(), serial), self.now).is_ok() {
            assert!(self.given.insert(serial, who).is_none(), "bound once");
        }
    }

    fn exchange(&mut self) {
        let serials: Vec<u64> = self.devices.keys().copied().collect();
        let Some(serial) = self.dice.of(&serials) else { return };
        let _told = self.pairings.poll(&serial.to_be_bytes(), self.now);
        if let Some((who, of)) = self.pairings.exchange(&serial.to_be_bytes(), self.now) {
            assert_eq!(of, serial, "a device gets its own");
            assert_eq!(self.given.get(&serial), Some(&who), "of the one who said yes to it");
            assert!(self.taken.insert(serial), "once");
            self.bound += 1;
        }
    }

    fn check(&self) {
        let known = self.pairings.known.values();
        let open: Vec<_> = known.clone().filter(|one| !one.is_over()).collect();
        assert!(open.len() <= MOST_WAITING);
        let mut codes: Vec<_> = known.map(|one| one.code.0).collect();
        codes.sort_unstable();
        assert!(codes.windows(2).all(|two| two[0] != two[1]), "no code is anybody else's");
        for one in open {
            let longest = if one.is_waiting() { one.began + LIFE } else { one.began + 3 * LIFE };
            assert!(one.until > self.now && one.until <= longest);
        }
    }

    fn step(&mut self, serial: u64) {
        match self.dice.below(16) {
            0..4 => self.begin(serial),
            4..6 => self.look(),
            6 => self.look_around(),
            7..10 => self.claim(),
            10..12 => self.settle(),
            12..15 => self.exchange(),
            _ => self.now += Duration::from_millis(self.dice.roll() % 40_000),
        }
        self.pairings.sweep(self.now);
        self.check();
        if serial.is_multiple_of(256) {
            // Nobody has anything in mind for so long.
            let kept: BTreeSet<u64> = self
                .pairings
                .known
                .values()
                .map(|one| u64::from_be_bytes(one.secret.expose().try_into().unwrap()))
                .collect();
            self.devices.retain(|serial, _| kept.contains(serial));
            self.shown.retain(|(_, _, serial, _)| kept.contains(serial));
        }
    }
}

/// Codes that meet, expire, are replayed, swapped and flooded, by people who claim what is not
/// theirs: no device ever gets what somebody else's yes was for.
#[test]
fn no_device_is_bound_to_the_wrong_person() {
    // A million in all where the code is optimised.
    let steps = if cfg!(debug_assertions) { 4_000 } else { 125_000 };
    let mut bound = 0;
    for seed in 1..=8 {
        let mut world = World::new(seed);
        (0..steps).for_each(|serial| world.step(serial));
        bound += world.bound;
    }
    assert!(bound > steps / 100, "{bound} pairings came to their end");
}
