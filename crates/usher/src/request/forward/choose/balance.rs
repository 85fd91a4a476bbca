//! Which of several: a choice among those that may be taken, without state beyond two counters.

use usher_rules::plan::{Balance, Target, Targets};

/// The longest round of turns. Ratios beyond it are rounded, and nobody loses the last turn.
const LONGEST_ROUND: u64 = 4096;

/// One round of turns, each target as often as its weight says and as evenly as can be
/// ("smooth weighted round robin").
pub(super) fn round(targets: &[Target]) -> Box<[usize]> {
    let divisor = targets.iter().fold(0, |divisor, target| gcd(divisor, target.weight)).max(1);
    let total: u64 = targets.iter().map(|target| u64::from(target.weight / divisor)).sum();
    let shares: Vec<i64> = targets
        .iter()
        .map(|target| {
            let share = u64::from(target.weight / divisor);
            let share = if total > LONGEST_ROUND { share * LONGEST_ROUND / total } else { share };
            i64::try_from(share.max(1)).unwrap_or(1)
        })
        .collect();
    let total: i64 = shares.iter().sum();
    let mut credit = vec![0_i64; shares.len()];
    (0..total)
        .map(|_| {
            for (credit, share) in credit.iter_mut().zip(&shares) {
                *credit += share;
            }
            // The first of the richest.
            let richest = (0..credit.len()).rev().max_by_key(|at| credit.get(*at)).unwrap_or(0);
            if let Some(credit) = credit.get_mut(richest) {
                *credit -= total;
            }
            richest
        })
        .collect()
}

const fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// All that may be taken, with the load of each.
pub(super) struct Field<'a> {
    pub targets: &'a Targets,
    /// One round of turns.
    pub round: &'a [usize],
    /// Requests under way at each.
    pub active: &'a dyn Fn(usize) -> usize,
    /// Those that may be taken.
    pub open: &'a dyn Fn(usize) -> bool,
    /// Of the visitor: session or address.
    pub key: u64,
}

impl Field<'_> {
    /// One of the open ones; `None` where none is. `turn` gives the next number each time.
    pub(super) fn choose(&self, mut turn: impl FnMut() -> usize) -> Option<usize> {
        match self.targets.balance {
            Balance::RoundRobin => self.in_turn(&mut turn),
            Balance::Random => self.by_chance(mix(turn() as u64)),
            Balance::LeastRequest => self.least_busy(turn()),
            Balance::Hash => self.by_key(),
        }
    }

    fn in_turn(&self, turn: &mut dyn FnMut() -> usize) -> Option<usize> {
        (0..self.round.len())
            .filter_map(|_| self.round.get(turn() % self.round.len()).copied())
            .find(|at| (self.open)(*at))
    }

    fn by_chance(&self, number: u64) -> Option<usize> {
        let open = || (0..self.targets.all.len()).filter(|at| (self.open)(*at));
        let total: u64 = open().map(|at| self.weight(at)).sum();
        let mut left = number.checked_rem(total)?;
        open().find(|at| {
            let weight = self.weight(*at);
            let found = left < weight;
            left = left.saturating_sub(weight);
            found
        })
    }

    /// The fewest requests for its weight; equals take turns.
    fn least_busy(&self, turn: usize) -> Option<usize> {
        let n = self.targets.all.len();
        let load = |at: usize| (self.active)(at) as u64 + 1;
        (0..n).map(|step| (turn.wrapping_add(step)) % n).filter(|at| (self.open)(*at)).reduce(
            |best, at| {
                let is_less = u128::from(load(at)) * u128::from(self.weight(best))
                    < u128::from(load(best)) * u128::from(self.weight(at));
                if is_less { at } else { best }
            },
        )
    }

    /// Weighted rendezvous hashing: each target draws a number for this visitor, the best wins.
    /// Where one falls out only its own visitors move, and they come back with it.
    fn by_key(&self) -> Option<usize> {
        let drawn = |at: usize| {
            let place = self.targets.all.get(at).map_or(0, place);
            let uniform = (mix(self.key ^ place) >> 11) as f64 + 0.5;
            let uniform = uniform / (1_u64 << 53) as f64;
            -(self.weight(at) as f64) / uniform.ln()
        };
        (0..self.targets.all.len())
            .filter(|at| (self.open)(*at))
            .max_by(|a, b| drawn(*a).total_cmp(&drawn(*b)))
    }

    fn weight(&self, at: usize) -> u64 {
        self.targets.all.get(at).map_or(1, |target| u64::from(target.weight))
    }
}

/// The same for the same address on every machine and in every run.
fn place(target: &Target) -> u64 {
    let port = target.upstream.port.to_be_bytes();
    mix(fnv(target.upstream.host.bytes().chain(port)))
}

/// FNV-1a.
pub(super) fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// SplitMix64's finaliser: neighbours in, strangers out.
pub(super) const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use usher_rules::{
        names::Upstream,
        plan::{Balance, Target, Targets},
    };

    use super::{Field, mix, round};

    fn targets(weights: &[u32], balance: Balance) -> Targets {
        let target = |(at, weight): (usize, &u32)| Target {
            upstream: Upstream::parse(&format!("http://app{at}")).unwrap(),
            weight: *weight,
            host: HeaderValue::from_static("app"),
        };
        let all = weights.iter().enumerate().map(target).collect();
        Targets { all, balance, ..Targets::default() }
    }

    fn chosen(
        targets: &Targets,
        n: usize,
        shut: &[usize],
        key: impl Fn(usize) -> u64,
    ) -> Vec<usize> {
        let round = round(&targets.all);
        let mut turn = 0..;
        (0..n)
            .map(|at| {
                let open = |at: usize| !shut.contains(&at);
                let field =
                    Field { targets, round: &round, active: &|_| 0, open: &open, key: key(at) };
                field.choose(|| turn.next().unwrap()).unwrap()
            })
            .collect()
    }

    fn counts(chosen: &[usize], n: usize) -> Vec<usize> {
        (0..n).map(|at| chosen.iter().filter(|one| **one == at).count()).collect()
    }

    #[test]
    fn weights_are_turns_spread_out() {
        for (weights, expected) in [
            (&[1, 1][..], &[0, 1][..]),
            (&[5, 1, 1], &[0, 0, 1, 0, 2, 0, 0]),
            (&[4_294_967_295], &[0]),
            (&[100, 300], &[1, 0, 1, 1]),
        ] {
            assert_eq!(&*round(&targets(weights, Balance::RoundRobin).all), expected);
        }
        let long = round(&targets(&[1, 1_000_000], Balance::RoundRobin).all);
        assert!(long.len() <= 4097 && long.contains(&0), "nobody loses the last turn");
    }

    #[test]
    fn each_policy_keeps_the_ratio_and_passes_over_the_shut() {
        for balance in [Balance::RoundRobin, Balance::Random, Balance::Hash] {
            let three = targets(&[1, 3, 4], balance);
            let all = counts(&chosen(&three, 8000, &[], |at| mix(at as u64)), 3);
            for (share, expected) in all.iter().zip([1000, 3000, 4000]) {
                assert!(share.abs_diff(expected) < 250, "{balance:?}: {all:?}");
            }
            let left = counts(&chosen(&three, 4000, &[2], |at| mix(at as u64)), 3);
            assert_eq!(left[2], 0, "{balance:?}");
            assert!(left[0].abs_diff(1000) < 200, "{balance:?}: {left:?}");
        }
    }

    #[test]
    fn a_key_stays_where_it_was_when_another_falls_out() {
        let three = targets(&[1, 1, 1], Balance::Hash);
        let before = chosen(&three, 1000, &[], |at| mix(at as u64));
        let after = chosen(&three, 1000, &[1], |at| mix(at as u64));
        for (before, after) in before.iter().zip(&after) {
            assert!(*before == 1 || before == after);
        }
    }

    #[test]
    fn the_least_busy_for_its_weight() {
        let two = targets(&[1, 2], Balance::LeastRequest);
        let round = round(&two.all);
        for (active, expected) in [([0, 0], 1), ([0, 1], 0), ([1, 2], 1), ([1, 4], 0)] {
            let open = |_| true;
            let busy = |at: usize| active[at];
            let field = Field { targets: &two, round: &round, active: &busy, open: &open, key: 0 };
            assert_eq!(field.choose(|| 0), Some(expected), "{active:?}");
        }
    }
}
