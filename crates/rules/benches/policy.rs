//! What a decision costs: nanoseconds each, for the guide's policy and for one of 20 criteria.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures by the machine's clock")]

use std::{fmt::Write, hint::black_box, net::Ipv4Addr, time::Instant};

use usher_rules::{
    people::{Claims, Person},
    policy::{Facts, LegacyAllow, Policy, RequestFacts, Verdict},
    session::{Authentication, SessionId, SignIn},
    time::UnixTime,
    yaml,
};

const ROUNDS: u32 = 2_000_000;
const REPETITIONS: usize = 5;

/// Three ways in and two ways out, as long as a policy at home ever gets.
fn twenty_criteria() -> String {
    let mut text = String::from("- allow:\n    or:\n");
    for i in 0..6 {
        let _ = writeln!(text, "      - email: friend{i}@example.net");
        let _ = writeln!(text, "      - claim/groups: group{i}");
    }
    text += "      - groups: family\n      - domain: example.com\n";
    text += "- deny:\n    and:\n      - http_method: {not_in: [GET, HEAD]}\n      - groups: kids\n";
    text +=
        "    or:\n      - http_path: {starts_with: /admin}\n      - source_ip: [203.0.113.0/24]\n";
    text += "      - claim/banned: true\n      - email: eve@example.com\n";
    text
}

fn compile(text: &str) -> Option<Policy> {
    let node = yaml::parse(text).clean().ok()?;
    let mut problems = Vec::new();
    let policy = Policy::compile(&LegacyAllow::default(), Some(&node), &mut problems);
    problems.is_empty().then_some(policy)
}

fn nanoseconds(policy: &Policy, facts: &Facts<'_>) -> f64 {
    let begin = Instant::now();
    for _ in 0..ROUNDS {
        black_box(policy.decide(black_box(facts)));
    }
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
}

#[expect(clippy::print_stdout, reason = "the figure is the result")]
fn main() {
    let mut claims = Claims::default();
    claims.set("groups", vec!["household".into(), "friends".into()]);
    let person = Person {
        id: "id-of-ann".into(),
        email: "ann@example.com".into(),
        name: "Ann".into(),
        claims: Claims::default(),
        directory_groups: Some(vec!["family".into()]),
        unproven: Default::default(),
        spelling: Default::default(),
    };
    let told = Authentication { person, claims, sign_in: SignIn::default() };
    let (id, now) = (SessionId::from_random([1; 16]), UnixTime::from_seconds(1000));
    let ann = told.begin(id, "builtin", now, UnixTime::MAX);
    let request = RequestFacts {
        method: "GET",
        path: "/Videos/42/stream.mp4",
        source: Some(Ipv4Addr::new(192, 0, 2, 10).into()),
        origin: None,
        access_control_request_method: None,
        tool: None,
    };
    let guide = "- allow: {or: [{domain: {is: example.com}}]}";
    for (name, text, who, expected) in [
        ("guide, signed in", guide.to_owned(), Some(&ann), Verdict::Allow),
        ("guide, nobody", guide.to_owned(), None, Verdict::SignIn),
        ("20 criteria, signed in", twenty_criteria(), Some(&ann), Verdict::Allow),
        ("20 criteria, nobody", twenty_criteria(), None, Verdict::SignIn),
    ] {
        let facts = Facts::of(who, request);
        let Some(policy) = compile(&text) else {
            println!("{name}: the policy has problems");
            continue;
        };
        let verdict = policy.decide(&facts).verdict;
        assert_eq!(verdict, expected, "{name}: the bench measures something else");
        let runs = (0..REPETITIONS).map(|_| nanoseconds(&policy, &facts));
        let best = runs.fold(f64::INFINITY, f64::min);
        println!("{name:<24} {best:>7.1} ns per decide");
    }
}
