use std::time::Duration;

use crate::{
    renewal::{
        Budget, CurrentCertificate, History, NameState, Next, OrderOutcome, RenewalSchedule,
        Window, budget::ORDERS_PER_HOUR,
    },
    time::UnixTime,
};

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

fn directories(count: usize) -> Vec<Box<str>> {
    (0..count).map(|n| format!("https://ca{n}.test/").into()).collect()
}

fn held(days: u64, window: Option<Window>) -> CurrentCertificate {
    let not_after = NOW.plus(Duration::from_secs(days * DAY));
    CurrentCertificate { not_before: NOW, not_after, window }
}

#[test]
fn a_certificate_is_renewed_well_before_its_end() {
    for (certificate, earliest, latest, why) in [
        (held(90, None), 54 * DAY, 60 * DAY, "two thirds of its life"),
        (held(6, None), 62 * HOUR, 72 * HOUR, "half of a short one"),
        (held(47, None), 28 * DAY, 32 * DAY, "two thirds"),
        (
            held(90, Some(Window { start: NOW.seconds(), end: NOW.seconds() + DAY })),
            0,
            DAY,
            "as its authority says, at once if need be",
        ),
        (
            held(
                90,
                Some(Window { start: NOW.seconds() + 400 * DAY, end: NOW.seconds() + 500 * DAY }),
            ),
            78 * DAY,
            79 * DAY,
            "an authority that says too late is not followed",
        ),
        (
            held(90, Some(Window { start: 9, end: 3 })),
            0,
            0,
            "a window that is none begins in the past: now",
        ),
    ] {
        for seed in [0, 1, u64::MAX / 3, u64::MAX] {
            let at = certificate.renew_at(seed).seconds().saturating_sub(NOW.seconds());
            assert!((earliest..=latest).contains(&at), "{why}: {at}");
        }
    }
    let spread: std::collections::BTreeSet<_> =
        (0..100_u64).map(|n| held(90, None).renew_at(n << 57).seconds()).collect();
    assert_eq!(spread.len(), 100, "a hundred hosts of one day don't meet again");
}

#[test]
fn failures_are_followed_by_longer_and_longer_waits() {
    let waits: Vec<u64> = (1..=9)
        .map(|failures| {
            let history = History { failures, tried_at: Some(NOW.seconds()), ..History::default() };
            history.earliest(&directories(1), 0, NOW).seconds() - NOW.seconds()
        })
        .collect();
    assert_eq!(waits, [300, 600, 1200, 2400, 4800, 9600, 14400, 14400, 14400]);
    let in_an_hour = waits.iter().scan(0, |at, wait| {
        *at += wait;
        Some(*at)
    });
    assert!(in_an_hour.take_while(|at| *at < HOUR).count() < 5, "five an hour are the limit");

    let history =
        History { failures: u32::MAX, tried_at: Some(NOW.seconds()), ..History::default() };
    let wait = history.earliest(&directories(1), u64::MAX, NOW).since(NOW);
    assert!(wait <= Duration::from_secs(5 * HOUR), "{wait:?}");
}

#[test]
fn an_authority_s_retry_after_is_kept_and_a_jumped_clock_is_not() {
    let after = |seconds| History {
        failures: 1,
        tried_at: Some(NOW.seconds()),
        retry_after: [("https://ca0.test/".into(), NOW.seconds() + seconds)].into(),
        ..History::default()
    };
    assert_eq!(after(3 * DAY).earliest(&directories(1), 0, NOW).since(NOW).as_secs(), 3 * DAY);
    assert_eq!(
        after(30 * DAY).earliest(&directories(1), 0, NOW).since(NOW).as_secs(),
        300,
        "not a month"
    );
    let set_back = NOW.minus(Duration::from_secs(365 * DAY));
    assert_eq!(
        after(300).earliest(&directories(1), 0, set_back),
        set_back,
        "tried in the future: now"
    );
}

#[test]
fn after_three_failures_another_authority_is_asked() {
    let two = directories(2);
    let asked = |failures| {
        let history = History { failures, ..History::default() };
        let asked = history.directory(&two, NOW).map(ToOwned::to_owned);
        two.iter().position(|one| Some(&**one) == asked.as_deref())
    };
    assert_eq!([0, 1, 2, 3, 5, 6, 9].map(asked), [0, 0, 0, 1, 1, 0, 1].map(Some));
    let many = History { failures: 7, ..History::default() };
    assert_eq!(many.directory(&directories(1), NOW), Some("https://ca0.test/"));
    assert_eq!(many.directory(&[], NOW), None);
}

/// One authority that wants to be left alone for a week does not keep the others from helping.
#[test]
fn a_limit_holds_for_the_authority_that_has_it() {
    let mut schedule = RenewalSchedule::new(directories(2), Budget::default());
    schedule.want("a", 0, NameState::default());
    let Next::Order { directory, .. } = schedule.next(NOW) else { panic!("nothing is held") };
    assert_eq!(&*directory, "https://ca0.test/");
    let in_a_week = NOW.plus(Duration::from_secs(7 * DAY));
    schedule.settle("a", OrderOutcome::Failed { retry_after: Some(in_a_week) }, NOW);
    let soon = NOW.plus(Duration::from_secs(300));
    let Next::Order { directory, history, .. } = schedule.next(soon) else {
        panic!("{schedule:?}")
    };
    assert_eq!(&*directory, "https://ca1.test/");
    assert_eq!(history.retry_after.len(), 1, "and the other one is still left alone");
    schedule.settle("a", OrderOutcome::Failed { retry_after: Some(in_a_week) }, soon);
    let Next::Sleep(_) = schedule.next(soon.plus(Duration::from_secs(DAY))) else {
        panic!("both have had enough");
    };
}

/// An attempt that took an hour is followed by a wait, too.
#[test]
fn waits_begin_when_an_attempt_ends() {
    let mut schedule = RenewalSchedule::new(directories(1), Budget::default());
    schedule.want("a", 0, NameState::default());
    assert!(matches!(schedule.next(NOW), Next::Order { .. }));
    let later = NOW.plus(Duration::from_secs(HOUR));
    schedule.settle("a", OrderOutcome::Unreached { retry_after: None }, later);
    assert_eq!(schedule.next(later), Next::Sleep(Duration::from_secs(60)));
}

/// What somebody asked for is ordered, however often it fails, and once.
#[test]
fn what_the_operator_asked_for_holds_until_there_is_a_certificate() {
    let mut schedule = RenewalSchedule::new(directories(1), Budget::default());
    let fresh = NameState { held: Some(held(90, None)), ..NameState::default() };
    schedule.want("a", 0, fresh);
    assert!(matches!(schedule.next(NOW), Next::Sleep(_)));
    schedule.renew_now("a");
    let mut now = NOW;
    for _ in 0..3 {
        assert!(matches!(schedule.next(now), Next::Order { .. }));
        schedule.settle("a", OrderOutcome::Failed { retry_after: None }, now);
        assert!(matches!(schedule.next(now), Next::Sleep(_)), "not at once again");
        schedule.set_window("a", Some(Window { start: u64::MAX - 1, end: u64::MAX })); // no window undoes it
        now = now.plus(Duration::from_secs(5 * HOUR));
    }
    assert!(matches!(schedule.next(now), Next::Order { .. }));
    schedule.settle("a", OrderOutcome::Issued(held(180, None)), now);
    let later = now.plus(Duration::from_secs(30 * DAY));
    assert!(matches!(schedule.next(later), Next::Sleep(_)));
}

/// A clock that is a year ahead, or a window that lies in the past for good: every certificate
/// looks as if it had to be replaced at once.
#[test]
fn certificates_that_are_due_at_once_are_no_storm() {
    for (ahead, window) in [(400, None), (0, Some(Window { start: 0, end: 0 }))] {
        let mut schedule = RenewalSchedule::new(directories(1), Budget::default());
        schedule.want("a", 0, NameState::default());
        let mut now = NOW.plus(Duration::from_secs(ahead * DAY));
        let end = now.plus(Duration::from_secs(365 * DAY));
        let mut orders = Vec::new();
        while now < end {
            match schedule.next(now) {
                Next::Order { name, .. } => {
                    let not_before = now.minus(Duration::from_secs(ahead * DAY));
                    let not_after = not_before.plus(Duration::from_secs(90 * DAY));
                    let held = CurrentCertificate { not_before, not_after, window: None };
                    schedule.settle(&name, OrderOutcome::Issued(held), now);
                    schedule.set_window(&name, window);
                    orders.push(now);
                }
                Next::Sleep(span) => now = now.plus(span),
            }
        }
        for (first, last) in orders.iter().zip(orders.iter().skip(5)) {
            assert!(last.since(*first).as_secs() >= 7 * DAY, "six in a week: {orders:?}");
        }
        assert!(orders.len() > 50, "and it does not give up: {}", orders.len());
    }
}

#[test]
fn a_hundred_new_hosts_are_no_storm() {
    let mut schedule = RenewalSchedule::new(directories(1), Budget::default());
    for n in 0..100 {
        schedule.want(&format!("h{n}.example.com"), n << 57, NameState::default());
    }
    let mut now = NOW;
    let mut orders = Vec::new();
    while orders.len() < 100 {
        match schedule.next(now) {
            Next::Order { name, .. } => {
                let not_after = now.plus(Duration::from_secs(90 * DAY));
                let settled = OrderOutcome::Issued(CurrentCertificate {
                    not_before: now,
                    not_after,
                    window: None,
                });
                schedule.settle(&name, settled, now).unwrap();
                orders.push(now);
            }
            Next::Sleep(span) => now = now.plus(span),
        }
    }
    for (first, last) in orders.iter().zip(orders.iter().skip(ORDERS_PER_HOUR)) {
        assert!(last.since(*first).as_secs() >= HOUR, "never more than the budget");
    }
    assert!(now.since(NOW).as_secs() <= 2 * HOUR, "and done in two hours");
    assert_eq!(schedule.next(now), Next::Sleep(Duration::from_secs(HOUR)), "and then silence");
}

#[test]
fn the_one_that_has_none_comes_first_then_the_one_that_ends_first() {
    let mut schedule = RenewalSchedule::new(directories(1), Budget::default());
    let old = |days| {
        let not_before = NOW.minus(Duration::from_secs((90 - days) * DAY));
        let not_after = NOW.plus(Duration::from_secs(days * DAY));
        NameState {
            held: Some(CurrentCertificate { not_before, not_after, window: None }),
            ..NameState::default()
        }
    };
    schedule.want("a", 1, old(20));
    schedule.want("b", 1, old(5));
    schedule.want("c", 1, NameState::default());
    schedule.want("d", 1, old(80));
    let mut order = Vec::new();
    while let Next::Order { name, history, .. } = schedule.next(NOW) {
        assert_eq!((history.failures, history.tried_at), (1, Some(NOW.seconds())));
        schedule.settle(&name, OrderOutcome::Failed { retry_after: None }, NOW);
        order.push(name);
    }
    assert_eq!(order.iter().map(|name| &**name).collect::<Vec<_>>(), ["c", "b", "a"]);
}
