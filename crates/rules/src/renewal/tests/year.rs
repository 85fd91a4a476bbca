//! A virtual year of a hundred hosts: outages, rate limits, clock jumps, and a crash at every
//! write that there is.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    renewal::{
        Budget, CurrentCertificate, History, NameState, Next, OrderOutcome, RenewalSchedule, Window,
    },
    time::UnixTime,
};

const START: u64 = 1_800_000_000;
const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const HOSTS: u64 = 100;

/// Numbers by chance, the same ones for a seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }
}

/// An authority, by its own clock, which is right.
struct Authority {
    life: u64,
    /// Spans in which it does not answer.
    outages: Vec<(u64, u64)>,
    /// Orders, for its limit of 300 in three hours.
    orders: Vec<u64>,
    /// Failed validations by name, for its limit of five an hour.
    failed: BTreeMap<Box<str>, Vec<u64>>,
    with_windows: bool,
    rate_limited: u64,
    /// Certificates by name, for its limit of five a week.
    issued: BTreeMap<Box<str>, Vec<u64>>,
    /// What it signed in the order that was made last for a name.
    signed: BTreeMap<Box<str>, CurrentCertificate>,
}

impl Authority {
    fn is_out(&self, at: u64) -> bool {
        self.outages.iter().any(|(from, to)| (*from..*to).contains(&at))
    }

    /// `resumed`: the order is there already, and only goes on.
    fn order(&mut self, name: &str, resumed: bool, at: u64, dice: &mut Dice) -> OrderOutcome {
        if self.is_out(at) {
            return OrderOutcome::Unreached { retry_after: None };
        }
        if let Some(held) = self.signed.remove(name).filter(|_| resumed) {
            return OrderOutcome::Issued(held);
        }
        self.orders.retain(|order| at - order < 3 * HOUR);
        let failed = self.failed.entry(name.into()).or_default();
        failed.retain(|failure| at - failure < HOUR);
        if self.orders.len() >= 300 || failed.len() >= 5 {
            self.rate_limited += 1;
            return OrderOutcome::Failed { retry_after: Some(UnixTime::from_seconds(at + HOUR)) };
        }
        self.orders.push(at);
        if dice.below(20) == 0 {
            failed.push(at); // the network between it and us
            return OrderOutcome::Failed { retry_after: None };
        }
        let issued = self.issued.entry(name.into()).or_default();
        issued.retain(|one| at - one < 7 * DAY);
        if issued.len() >= 5 {
            self.rate_limited += 1;
            return OrderOutcome::Failed {
                retry_after: Some(UnixTime::from_seconds(at + 7 * DAY)),
            };
        }
        issued.push(at);
        let window = self
            .with_windows
            .then(|| Window { start: at + self.life / 2, end: at + self.life * 2 / 3 });
        let held = CurrentCertificate {
            not_before: UnixTime::from_seconds(at - HOUR),
            not_after: UnixTime::from_seconds(at + self.life),
            window,
        };
        self.signed.insert(name.into(), held);
        OrderOutcome::Issued(held)
    }
}

/// What survives a crash.
#[derive(Default)]
struct Disk {
    certificates: BTreeMap<Box<str>, CurrentCertificate>,
    histories: BTreeMap<Box<str>, History>,
    /// Names with an order that is under way.
    pending: BTreeSet<Box<str>>,
    writes: u64,
}

struct World {
    disk: Disk,
    schedule: RenewalSchedule,
    authority: Authority,
    dice: Dice,
    /// The true time.
    at: u64,
    /// How far our clock is off.
    off: i64,
    /// Crashes come at every `n`th write; 0 is never.
    crash_every: u64,
    crashes: u64,
    orders: Vec<u64>,
}

struct Crash;

fn schedule() -> RenewalSchedule {
    RenewalSchedule::new(vec!["https://ca.test/".into()], Budget::default())
}

impl World {
    fn new(seed: u64, life: u64, crash_every: u64) -> Self {
        let mut dice = Dice(seed);
        let outages = (0..8)
            .map(|_| {
                let from = START + 2 * DAY + dice.below(360 * DAY);
                (from, from + HOUR + dice.below(2 * DAY))
            })
            .collect();
        let authority = Authority {
            life,
            outages,
            orders: Vec::new(),
            failed: BTreeMap::new(),
            with_windows: seed.is_multiple_of(2),
            rate_limited: 0,
            issued: BTreeMap::new(),
            signed: BTreeMap::new(),
        };
        let mut world = Self {
            disk: Disk::default(),
            schedule: schedule(),
            authority,
            dice,
            at: START,
            off: 0,
            crash_every,
            crashes: 0,
            orders: Vec::new(),
        };
        world.start();
        world
    }

    fn now(&self) -> UnixTime {
        UnixTime::from_seconds(self.at.saturating_add_signed(self.off))
    }

    /// A start reads what is on the disk, and nothing else is known.
    fn start(&mut self) {
        self.schedule = schedule();
        for n in 0..HOSTS {
            let name = format!("h{n}.example.com");
            let held = self.disk.certificates.get(&*name).copied();
            let history = self.disk.histories.get(&*name).cloned().unwrap_or_default();
            self.schedule.want(&name, n << 57, NameState { held, history, wanted: false });
        }
    }

    fn write(&mut self, write: impl FnOnce(&mut Disk)) -> Result<(), Crash> {
        self.disk.writes += 1;
        if self.crash_every > 0 && self.disk.writes.is_multiple_of(self.crash_every) {
            // Half of the crashes come before the write is there, half after.
            if (self.disk.writes / self.crash_every).is_multiple_of(2) {
                write(&mut self.disk);
            }
            return Err(Crash);
        }
        write(&mut self.disk);
        Ok(())
    }

    /// One thing that the schedule says; the time it takes.
    fn step(&mut self) -> Result<u64, Crash> {
        let (name, history) = match self.schedule.next(self.now()) {
            Next::Sleep(span) => return Ok(span.as_secs()),
            Next::Order { name, history, .. } => (name, history),
        };
        self.orders.push(self.at);
        self.write(|disk| {
            disk.histories.insert(name.clone(), history);
        })?;
        let resumed = self.disk.pending.contains(&name);
        self.write(|disk| {
            disk.pending.insert(name.clone());
        })?;
        let settled = self.authority.order(&name, resumed, self.at, &mut self.dice);
        if let OrderOutcome::Issued(held) = settled {
            self.write(|disk| {
                disk.certificates.insert(name.clone(), held);
            })?;
        }
        if !matches!(settled, OrderOutcome::Unreached { .. }) {
            self.write(|disk| {
                disk.pending.remove(&name);
            })?;
        }
        let now = self.now();
        if let Some(history) = self.schedule.settle(&name, settled, now) {
            self.write(|disk| {
                disk.histories.insert(name.clone(), history);
            })?;
        }
        Ok(2)
    }

    /// Runs until `end`; how long each host was without a certificate that counts, in seconds of
    /// the true time, beginning a day after the start.
    fn run(&mut self, end: u64, jumps: &[(u64, i64)]) -> BTreeMap<u64, u64> {
        let mut without = BTreeMap::new();
        let mut jumps = jumps.iter().peekable();
        while self.at < end {
            while let Some((_, off)) = jumps.next_if(|(at, _)| *at <= self.at) {
                self.off = *off;
            }
            let took = match self.step() {
                Ok(took) => took,
                Err(Crash) => {
                    self.crashes += 1;
                    self.start();
                    10
                }
            };
            if self.at > START + DAY {
                let now = UnixTime::from_seconds(self.at);
                for n in 0..HOSTS {
                    let held = self.disk.certificates.get(&*format!("h{n}.example.com"));
                    if !held.is_some_and(|held| held.counts(now)) {
                        *without.entry(n).or_default() += took;
                    }
                }
            }
            self.at += took;
        }
        without
    }

    fn no_storm(&self) {
        // A crash forgets the hour's count, so each may be followed by another hour's worth; what
        // holds in any case is the wait that is written down per name.
        for (first, last) in self.orders.iter().zip(self.orders.iter().skip(300)) {
            assert!(last - first >= HOUR, "300 orders within an hour");
        }
        let days = 366;
        let renewals = HOSTS * days * DAY / (self.authority.life / 3);
        assert!(
            (self.orders.len() as u64) < 3 * renewals + 20 * HOSTS + 60 * self.crashes,
            "{} orders for about {renewals} renewals",
            self.orders.len()
        );
    }
}

#[test]
fn a_year_with_outages_leaves_no_host_without() {
    for (seed, life) in [(3, 90 * DAY), (4, 90 * DAY), (5, 6 * DAY), (6, 47 * DAY)] {
        let mut world = World::new(seed, life, 0);
        let without = world.run(START + 365 * DAY, &[]);
        assert!(without.is_empty(), "seed {seed}: {without:?}");
        assert_eq!(world.authority.rate_limited, 0, "seed {seed}: within every limit");
        world.no_storm();
    }
}

#[test]
fn a_crash_at_every_write_loses_nothing() {
    // Every write of the first and of later orders is hit by one of these, before and after.
    for crash_every in [3, 4, 5, 7, 11] {
        let mut world = World::new(crash_every, 30 * DAY, crash_every);
        let without = world.run(START + 365 * DAY, &[]);
        assert!(world.crashes > 200, "{}", world.crashes);
        assert!(without.is_empty(), "every {crash_every}: {without:?}");
        world.no_storm();
        let now = world.now();
        assert!(
            world.disk.certificates.values().all(|held| held.counts(now)),
            "what was issued is there"
        );
    }
}

/// An authority that is away for longer than a certificate lives is the only thing that leaves
/// hosts without one, and not for longer than it explains.
#[test]
fn a_long_outage_is_made_up_for_within_hours() {
    let mut world = World::new(7, 6 * DAY, 0);
    let (from, to) = (START + 100 * DAY, START + 110 * DAY);
    world.authority.outages = vec![(from, to)];
    let without = world.run(START + 365 * DAY, &[]);
    assert!(!without.is_empty(), "ten days are longer than six");
    let longest = without.values().max().unwrap();
    // Certificates are half over when they are renewed; a hundred hosts are two hours of orders,
    // the last wait is half an hour, and one in twenty fails once more.
    assert!(*longest <= 7 * DAY + 3 * HOUR, "{} hours", longest / HOUR);
    world.no_storm();
}

#[test]
fn clocks_that_jump_cause_no_storm_and_no_silence() {
    let jumps = [
        (START + 30 * DAY, 400 * DAY as i64), // a year ahead: everything looks expired
        (START + 31 * DAY, 0),                // and back
        (START + 90 * DAY, -(300 * DAY as i64)), // before the certificates began
        (START + 92 * DAY, 0),
        (START + 200 * DAY, 40 * MINUTE as i64),
        (START + 250 * DAY, -(2 * DAY as i64)),
        (START + 300 * DAY, 0),
    ];
    for seed in [9, 10] {
        let mut world = World::new(seed, 90 * DAY, 0);
        let without = world.run(START + 365 * DAY, &jumps);
        assert!(without.is_empty(), "seed {seed}: {without:?}");
        for (first, last) in world.orders.iter().zip(world.orders.iter().skip(120)) {
            assert!(last - first >= HOUR, "a storm");
        }
        assert_eq!(world.authority.rate_limited, 0, "seed {seed}: within every limit");
        let per_host = world.orders.len() as u64 / HOSTS;
        assert!(per_host < 60, "{per_host} orders for each host in a year");
    }
}
