//! Quick Connect: apps, people and those who are neither, at two libraries. Codes that meet, are
//! replayed, swapped between libraries and people, said yes to by several at once, expired,
//! overwritten and flooded: at every step no device has anything that its owner did not say yes to.
//!
//! What is right is kept beside the machine, from what was said and heard alone.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use usher_rules::{
    jellyfin::pairing::{
        AppNames, Code, LIFE, MOST_FROM_NETWORK, NotAsked, Owner, PairingId, Pairings, SHOWN_FOR,
    },
    secret::Secret,
};

use crate::{Dice, from_seeds};

const PEOPLE: [&str; 6] = ["ann", "bob", "eve", "mallory", "zoe", "kim"];
const NETWORKS: u64 = 40;
/// So few codes that they meet.
const CODES: u64 = 300;
/// Steps whose devices somebody may still have in mind.
const IN_MIND: usize = 400;
/// The longest a device's story takes: it waits, is said yes to, is fetched.
const LONGEST: Duration = Duration::from_secs(3 * 600);

/// What a device gets in the end: by whose yes, and for which device.
type Answer = (Owner, u64);

/// One device, as it knows itself.
struct Device {
    library: usize,
    network: u8,
    code: Code,
    began: Instant,
    /// Whose yes was counted, and when.
    given: Option<(Owner, Instant)>,
    taken: bool,
}

/// Somebody saw it.
struct Look {
    who: Owner,
    library: usize,
    id: PairingId,
    serial: u64,
    at: Instant,
}

struct World {
    dice: Dice,
    now: Instant,
    libraries: [Pairings<Answer>; 2],
    devices: BTreeMap<u64, Device>,
    order: VecDeque<u64>,
    looks: VecDeque<Look>,
    /// Who is having a token made, of what.
    claims: Vec<Look>,
    bound: u64,
    refused: u64,
}

impl World {
    fn new(dice: Dice) -> Self {
        Self {
            dice,
            now: Instant::now(),
            libraries: Default::default(),
            devices: BTreeMap::new(),
            order: VecDeque::new(),
            looks: VecDeque::new(),
            claims: Vec::new(),
            bound: 0,
            refused: 0,
        }
    }

    fn step(&mut self, serial: u64) {
        match self.dice.below(20) {
            0..4 => self.begins(serial),
            4 => self.is_flooded(serial),
            5..7 => self.types(),
            7 => self.looks_around(),
            8..11 => self.says_yes(),
            11..14 => self.settles(),
            14..17 => self.fetches(),
            17 | 18 => self.brings_what_is_another_s(),
            _ => self.now += Duration::from_millis(self.dice.roll() % 30_000),
        }
        self.check();
    }

    fn somebody(&mut self) -> Owner {
        let person = PEOPLE[self.dice.below(PEOPLE.len())];
        Owner { provider: "builtin".into(), person: person.into() }
    }

    fn network(&mut self) -> u8 {
        (self.dice.roll() % NETWORKS) as u8
    }

    fn begins(&mut self, serial: u64) {
        let (library, network) = (self.dice.below(2), self.network());
        self.begins_at(serial * 10, library, network);
    }

    /// One network asks until it gets no more.
    fn is_flooded(&mut self, serial: u64) {
        let (library, network) = (self.dice.below(2), self.network());
        for n in 0..=MOST_FROM_NETWORK as u64 {
            self.begins_at(serial * 10 + n, library, network);
        }
        let open = self.libraries[library].near(home(network), &outsider(), self.now);
        assert!(open.len() <= MOST_FROM_NETWORK, "{} of one network", open.len());
    }

    fn begins_at(&mut self, serial: u64, library: usize, network: u8) {
        let codes: Vec<_> = (0..3).map(|_| Code::drawn(self.dice.roll() % CODES)).collect();
        // A device says of itself what it likes: here, what some other says, too.
        let names = AppNames {
            client: serial.to_string().into(),
            device: "TV".into(),
            device_id: (serial % 60).to_string().into(),
            version: "1".into(),
        };
        let drawn = (&*codes, Secret::new(&secret(serial)[..]));
        match self.libraries[library].begin(names, home(network), drawn, self.now) {
            Ok(code) => {
                assert!(codes.contains(&code), "one that was drawn");
                let is_shown =
                    |other: &Device| other.given.is_none() && self.now < other.began + LIFE;
                let same = |other: &&Device| (other.library, other.code) == (library, code);
                let same = self.devices.values().filter(same).any(is_shown);
                assert!(!same, "two devices show one code");
                let (began, given, taken) = (self.now, None, false);
                let device = Device { library, network, code, began, given, taken };
                assert!(self.devices.insert(serial, device).is_none());
                self.order.push_back(serial);
            }
            Err(_) => self.refused += 1,
        }
    }

    fn some_device(&mut self) -> Option<u64> {
        let at = self.dice.of(self.order.len())?;
        Some(self.order[at])
    }

    fn types(&mut self) {
        let (who, mut library) = (self.somebody(), self.dice.below(2));
        let mut code = Code::drawn(self.dice.roll() % CODES);
        if let Some(serial) = self.some_device().filter(|_| self.dice.below(8) > 0) {
            let device = &self.devices[&serial];
            (code, library) = (device.code, device.library);
            if self.dice.below(8) == 0 {
                library = 1 - library; // at the door of the other one
            }
        }
        if let Ok(seen) = self.libraries[library].look(&code.to_string(), &who, self.now) {
            let serial = serial_of(&seen.app);
            let device = &self.devices[&serial];
            assert_eq!((device.library, device.code), (library, code), "it shows this code, here");
            assert!(device.given.is_none() && self.now < device.began + LIFE, "it waits");
            self.saw(Look { who, library, id: seen.id, serial, at: self.now });
        }
    }

    fn looks_around(&mut self) {
        let (who, library, network) = (self.somebody(), self.dice.below(2), self.network());
        for seen in self.libraries[library].near(home(network), &who, self.now) {
            let serial = serial_of(&seen.app);
            let device = &self.devices[&serial];
            assert_eq!((device.library, device.network), (library, network), "in one's network");
            assert!(device.given.is_none() && self.now < device.began + LIFE, "it waits");
            self.saw(Look { who: who.clone(), library, id: seen.id, serial, at: self.now });
        }
    }

    fn saw(&mut self, look: Look) {
        self.looks.push_back(look);
        let surplus = self.looks.len().saturating_sub(IN_MIND);
        self.looks.drain(..surplus);
    }

    /// By who saw it, by somebody else, at the other library, late, or by several at once.
    fn says_yes(&mut self) {
        // What they saw just now, or at any time.
        let lately = if self.dice.below(4) > 0 { 12 } else { IN_MIND };
        let Some(back) = self.dice.of(self.looks.len().min(lately)) else { return };
        let Look { who, library, id, .. } = &self.looks[self.looks.len() - 1 - back];
        let (mut who, mut library, id) = (who.clone(), *library, *id);
        match self.dice.below(8) {
            0 | 1 => who = self.somebody(),
            2 => library = 1 - library,
            _ => {}
        }
        let Ok(app) = self.libraries[library].claim(id, &who, self.now) else { return };
        let serial = serial_of(&app);
        let saw = |look: &Look| {
            (&look.who, look.library, look.serial) == (&who, library, serial)
                && self.now.duration_since(look.at) < SHOWN_FOR
        };
        assert!(self.looks.iter().any(saw), "nobody says yes to what they were not shown");
        let device = &self.devices[&serial];
        assert!(device.given.is_none() && self.now < device.began + LIFE, "it waits");
        self.claims.push(Look { who, library, id, serial, at: self.now });
    }

    /// Its token is made, or that fails, or takes too long.
    fn settles(&mut self) {
        let Some(at) = self.dice.of(self.claims.len()) else { return };
        let Look { who, library, id, serial, .. } = self.claims.swap_remove(at);
        let stranger = self.somebody();
        if stranger != who {
            let theirs = (stranger.clone(), serial);
            let bound = self.libraries[library].bind(id, &stranger, theirs, self.now);
            assert!(bound.is_err(), "in the place of somebody else");
            self.libraries[library].release(id, &stranger, self.now);
        }
        let there = 1 - library;
        let elsewhere = self.libraries[there].bind(id, &who, (who.clone(), serial), self.now);
        if elsewhere.is_ok() {
            // The same number there is another device, to which they said yes, too.
            let other = self
                .claims
                .iter()
                .position(|one| (&one.who, one.library, one.id) == (&who, there, id));
            let other = self.claims.swap_remove(other.expect("their own yes"));
            // What it gets is this one's by our mistake: it is taken away unseen.
            self.devices.remove(&other.serial);
            self.order.retain(|serial| *serial != other.serial);
            self.libraries[there].exchange(&secret(other.serial), self.now);
        }
        if self.dice.below(4) == 0 {
            return self.libraries[library].release(id, &who, self.now);
        }
        let answer = (who.clone(), serial);
        if self.libraries[library].bind(id, &who, answer.clone(), self.now).is_ok() {
            let device = self.devices.get_mut(&serial).expect("it is in mind");
            assert!(device.given.replace((who.clone(), self.now)).is_none(), "bound once");
            let again = self.libraries[library].bind(id, &who, answer, self.now);
            assert!(again.is_err(), "and not once more");
        }
    }

    fn fetches(&mut self) {
        let waits = |device: &Device| device.given.is_some() && !device.taken;
        let given =
            self.devices.iter().find(|(_, device)| waits(device)).map(|(serial, _)| *serial);
        let given = given.filter(|_| self.dice.below(2) == 0);
        let Some(serial) = given.or_else(|| self.some_device()) else { return };
        let library = self.devices[&serial].library;
        self.asks(serial, library);
    }

    /// A secret at the other library; a code as a secret; one that nobody has.
    fn brings_what_is_another_s(&mut self) {
        let Some(serial) = self.some_device() else { return };
        let Device { library, code, .. } = &self.devices[&serial];
        let (there, code) = (1 - library, code.to_string());
        for wrong in [&secret(serial)[..], code.as_bytes(), b"", &secret(u64::MAX)] {
            assert!(self.libraries[there].exchange(wrong, self.now).is_none());
            assert_eq!(self.libraries[there].poll(wrong, self.now), Err(NotAsked::Unknown));
        }
    }

    fn asks(&mut self, serial: u64, library: usize) {
        let polled = self.libraries[library].poll(&secret(serial), self.now);
        let got = self.libraries[library].exchange(&secret(serial), self.now);
        let device = self.devices.get_mut(&serial).expect("it is in mind");
        let now = self.now;
        let waits = device.given.as_ref().filter(|(_, at)| !device.taken && now < *at + LIFE);
        if let Ok(polled) = polled {
            assert_eq!(polled.is_bound, waits.is_some(), "it is told what is so");
            assert_eq!((polled.code, serial_of(&polled.app)), (device.code, serial));
        }
        let due = waits.map(|(who, _)| (who.clone(), serial));
        assert_eq!(got, due, "what its owner said yes to, once and in time, and nothing else");
        if got.is_some() {
            device.taken = true;
            self.bound += 1;
        }
    }

    /// Nothing is remembered without end, here or there.
    fn check(&mut self) {
        let now = self.now;
        for all in &self.libraries {
            assert!(all.len() <= 1_000, "{} are remembered", all.len());
        }
        while let Some(oldest) = self.order.front().copied() {
            if now < self.devices[&oldest].began + LONGEST {
                break;
            }
            self.order.pop_front();
            self.asks(oldest, self.devices[&oldest].library);
            self.claims.retain(|claim| claim.serial != oldest);
            self.devices.remove(&oldest);
        }
    }
}

fn home(n: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, n).into()
}

/// Who looks in from outside of the story.
fn outsider() -> Owner {
    Owner { provider: "outside".into(), person: "nobody".into() }
}

fn secret(serial: u64) -> [u8; 8] {
    serial.to_be_bytes()
}

fn serial_of(app: &AppNames) -> u64 {
    app.client.parse().unwrap()
}

#[test]
fn no_device_is_bound_to_the_wrong_person_at_any_step() {
    from_seeds(
        20_000,
        World::new,
        async |world, step| world.step(step + 1),
        async |mut world| {
            assert!(world.bound > 50, "{} came to their end", world.bound);
            assert!(world.refused > 50, "{} were refused", world.refused);
            world.now += LONGEST + LIFE;
            for all in &mut world.libraries {
                assert!(all.near(home(1), &outsider(), world.now).is_empty());
                assert!(all.is_empty(), "nothing is remembered for ever");
            }
        },
    );
}
