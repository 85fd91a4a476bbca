//! How often it may be tried: whoever floods codes gets in nobody's way but their own network's,
//! and whoever guesses them is stopped long before one of 900 000.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use super::{NoApp, Owner, TooMany};

/// So many pairings of one network may be open.
pub const MOST_FROM_NETWORK: usize = 5;
/// So many at all.
pub const MOST_WAITING: usize = 100;

/// So many may begin in a minute from one network.
const MOST_BEGUN: usize = 5;
const MINUTE: Duration = Duration::from_secs(60);

/// So many wrong codes may one person type within that time.
const MOST_WRONG: usize = 5;
const WRONG_FOR: Duration = Duration::from_secs(600);
/// After that they wait.
const LOCKED_FOR: Duration = Duration::from_secs(900);

/// Whose neighbours share a door: an IPv4 address, or an IPv6 network of 64 bits, which is what
/// one household gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network(IpAddr);

impl Network {
    /// The network of an address.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => v4.into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        })
    }
}

/// What began lately.
#[derive(Debug, Default)]
pub(super) struct Begun(BTreeMap<Network, Vec<Instant>>);

impl Begun {
    pub(super) fn may_begin(&self, network: Network, now: Instant) -> Result<(), TooMany> {
        let lately = self.0.get(&network).map(Vec::as_slice).unwrap_or_default();
        match lately.first() {
            Some(first) if lately.len() >= MOST_BEGUN => {
                Err(TooMany { retry_after: (*first + MINUTE).saturating_duration_since(now) })
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn note(&mut self, network: Network, now: Instant) {
        self.0.entry(network).or_default().push(now);
    }

    pub(super) fn sweep(&mut self, now: Instant) {
        self.0.retain(|_, lately| {
            lately.retain(|at| now.duration_since(*at) < MINUTE);
            !lately.is_empty()
        });
    }
}

/// Who typed what is wrong.
#[derive(Debug, Default)]
pub(super) struct Typed(BTreeMap<Owner, Wrong>);

#[derive(Debug, Default)]
struct Wrong {
    times: Vec<Instant>,
    locked_until: Option<Instant>,
}

impl Typed {
    pub(super) fn may_type(&self, reader: &Owner, now: Instant) -> Result<(), NoApp> {
        let locked = self.0.get(reader).and_then(|wrong| wrong.locked_until);
        match locked.map(|until| until.saturating_duration_since(now)) {
            Some(retry_after) if !retry_after.is_zero() => Err(NoApp::Locked { retry_after }),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn wrong(&mut self, reader: &Owner, now: Instant) {
        let wrong = self.0.entry(reader.clone()).or_default();
        wrong.times.push(now);
        if wrong.times.len() >= MOST_WRONG {
            wrong.times.clear();
            wrong.locked_until = Some(now + LOCKED_FOR);
        }
    }

    pub(super) fn sweep(&mut self, now: Instant) {
        self.0.retain(|_, wrong| {
            wrong.times.retain(|at| now.duration_since(*at) < WRONG_FOR);
            wrong.locked_until = wrong.locked_until.filter(|until| *until > now);
            !wrong.times.is_empty() || wrong.locked_until.is_some()
        });
    }
}
