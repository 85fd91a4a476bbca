//! State machines, driven by the octets of an input.

use std::time::Duration;

use usher_rules::{
    renewal::{Budget, CurrentCertificate, NameState, Next, OrderOutcome, RenewalSchedule},
    time::UnixTime,
};

/// Orders an hour, over all names, that the schedule promises at most.
const ORDERS_PER_HOUR: usize = 50;
const NAMES: [&str; 3] = ["a.test", "b.test", "c.test"];

/// Time goes on or is set back, orders succeed and fail: never a storm, never an order for what
/// was just ordered.
pub fn renewal(input: &[u8]) {
    let mut now = UnixTime::from_seconds(1_700_000_000);
    let mut schedule =
        RenewalSchedule::new(vec!["https://one".into(), "https://two".into()], Budget::default());
    for (seed, name) in (0..).zip(NAMES) {
        schedule.want(name, seed, NameState::default());
    }
    let mut orders: Vec<UnixTime> = Vec::new();
    for step in input.iter().take(2000) {
        if step & 0x80 != 0 {
            now = moved(now, *step);
            continue;
        }
        let Next::Order { name, .. } = schedule.next(now) else { continue };
        orders.push(now);
        let retry_after = (step & 8 != 0).then(|| now.plus(Duration::from_secs(3600)));
        let settled = match step % 3 {
            0 => OrderOutcome::Issued(held(now, *step)),
            1 => OrderOutcome::Unreached { retry_after },
            _ => OrderOutcome::Failed { retry_after },
        };
        schedule.settle(&name, settled, now).expect("a name that it named is known");
        let hour = Duration::from_secs(3600);
        let lately = orders.iter().filter(|at| **at <= now && now.since(**at) < hour).count();
        assert!(lately <= ORDERS_PER_HOUR, "{lately} orders in an hour");
    }
}

/// On by seconds to months, or back by an hour.
fn moved(now: UnixTime, step: u8) -> UnixTime {
    let seconds = 1_u64 << (step & 0x1f).min(23);
    match step & 0x60 {
        0x60 => now.minus(Duration::from_secs(3600)),
        _ => now.plus(Duration::from_secs(seconds)),
    }
}

fn held(now: UnixTime, step: u8) -> CurrentCertificate {
    let days = if step & 16 == 0 { 90 } else { 6 };
    let life = Duration::from_secs(days * 24 * 3600);
    CurrentCertificate { not_before: now, not_after: now.plus(life), window: None }
}
