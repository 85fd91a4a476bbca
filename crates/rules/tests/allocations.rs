//! What a decision takes of memory: the same for one criterion and for forty.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{fmt::Write as _, net::Ipv4Addr};

use allocation_counter::measure;
use usher_rules::{
    people::{Claims, Person},
    policy::{Facts, LegacyAllow, Policy, RequestFacts, Verdict},
    session::{Authentication, SessionId, SignIn, SignedIn},
    time::UnixTime,
    yaml,
};

/// So many of each kind, of which none is met, and a last one that is.
fn policy(each: usize) -> Policy {
    let mut text = String::from("- deny:\n    or:\n      - email: eve@example.com\n");
    for nth in 0..each {
        let _ = writeln!(text, "      - claim/banned{nth}: true");
        let _ = writeln!(text, "      - http_path: {{starts_with: /admin{nth}}}");
        let _ = writeln!(text, "      - source_ip: [203.0.113.{nth}/32]");
    }
    text += "- allow:\n    or:\n";
    for nth in 0..each {
        let _ = writeln!(text, "      - email: friend{nth}@example.net");
        let _ = writeln!(text, "      - groups: group{nth}");
    }
    text += "      - groups: family\n";
    let mut problems = Vec::new();
    let node = yaml::parse(&text).clean().unwrap();
    let policy = Policy::compile(&LegacyAllow::default(), Some(&node), &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    policy
}

fn ann() -> SignedIn {
    let person = Person {
        id: "id-of-ann".into(),
        email: "ann@example.com".into(),
        name: "Ann".into(),
        claims: Claims::default(),
        directory_groups: Some(vec!["family".into()]),
        unproven: Default::default(),
        spelling: Default::default(),
    };
    let told = Authentication { person, claims: Claims::default(), sign_in: SignIn::default() };
    let (id, now) = (SessionId::from_random([1; 16]), UnixTime::from_seconds(1000));
    told.begin(id, "builtin", now, UnixTime::MAX)
}

#[test]
fn a_decision_allocates_nothing_for_a_criterion() {
    let ann = ann();
    let request = RequestFacts {
        method: "GET",
        path: "/Videos/42/stream.mp4",
        source: Some(Ipv4Addr::new(192, 0, 2, 10).into()),
        origin: None,
        access_control_request_method: None,
        tool: None,
    };
    let facts = Facts::of(Some(&ann), request);
    let taken = [0, 1, 8].map(|each| {
        let policy = policy(each);
        let mut verdict = None;
        let taken = measure(|| verdict = Some(policy.decide(&facts).verdict));
        assert_eq!(verdict, Some(Verdict::Allow));
        println!("{each} of each kind: {} allocations", taken.count_total);
        taken.count_total
    });
    assert_eq!(taken, [taken[0]; 3]);
    assert_eq!(measure(|| drop(vec![1])).count_total, 1, "what counts them counts");
}
