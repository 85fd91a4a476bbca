//! What many routes cost: loading, memory, finding one, and deciding by ten criteria.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures by the machine's clock")]
#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::{fmt::Write, hint::black_box, net::IpAddr, time::Instant};

use usher::{
    reload::{Source, load},
    request::route::belongs,
};
use usher_rules::{
    names::{Authority, RequestPath},
    policy::{Facts, RequestFacts, Verdict},
    session::SignedIn,
    signin::Imagined,
    time::UnixTime,
};

/// How often a step is made for one figure.
const ROUNDS: u32 = 500_000;
const REPETITIONS: usize = 5;
/// The numbers of hosts, each with a route of its own.
const HOSTS: [usize; 3] = [10, 1_000, 10_000];
const PATH: &str = "/Videos/42/stream.mp4";

/// So many routes have ten criteria each, the others one key: a config may not be larger.
const RULED: usize = 1_000;

const POLICY: &str = include_str!("../../../bench/ten-criteria.yaml");

fn config(hosts: usize) -> String {
    let mut text = POLICY.to_owned();
    for host in 0..hosts {
        let from = format!("https://app{host}.home.arpa");
        let policy =
            if host < RULED { "policy: *ten" } else { "allow_any_authenticated_user: true" };
        let _ = writeln!(text, "- {{from: '{from}', to: 'http://127.0.0.1:9', {policy}}}");
    }
    text
}

/// Nanoseconds for one `step`, the least of some runs.
fn nanoseconds(mut step: impl FnMut()) -> f64 {
    let run = |_| {
        let begin = Instant::now();
        for _ in 0..ROUNDS {
            step();
        }
        begin.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
    };
    (0..REPETITIONS).map(run).fold(f64::INFINITY, f64::min)
}

/// Resident memory of this process in MiB (`proc(5)`).
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0.0) / 1024.0
}

fn ann() -> SignedIn {
    let groups = Some(vec!["family".into()]);
    let ann = Imagined { email: "ann@example.com".into(), groups, ..Imagined::default() };
    ann.signed_in("builtin", UnixTime::EARLIEST)
}

fn main() -> Result<(), String> {
    println!("hosts   load       memory     find a route   decide by ten criteria");
    let ann = ann();
    for hosts in HOSTS {
        let (text, before, began) = (config(hosts), resident(), Instant::now());
        let plan = load(Source::Text { name: "config.yaml", text: &text });
        let plan = plan.map_err(|failure| failure.to_string())?.plan;
        let (took, memory) = (began.elapsed(), resident() - before);
        let (Ok(authority), Ok(path)) =
            (Authority::parse(&format!("app{}.home.arpa", hosts / 2)), RequestPath::parse(PATH))
        else {
            return Ok(());
        };
        let find = nanoseconds(|| drop(black_box(belongs(&plan, black_box(&authority), &path))));
        let Some(route) = plan.routes.get(hosts.min(RULED) / 2) else { return Ok(()) };
        let request = RequestFacts {
            method: "GET",
            path: PATH,
            source: Some(IpAddr::from([203, 0, 113, 7])),
            tool: None,
            origin: None,
            access_control_request_method: None,
        };
        let facts = Facts::of(Some(&ann), request);
        assert_eq!(
            route.policy.decide(&facts).verdict,
            Verdict::Allow,
            "it measures something else"
        );
        let decide = nanoseconds(|| drop(black_box(route.policy.decide(black_box(&facts)))));
        let millis = took.as_secs_f64() * 1e3;
        println!("{hosts:<7} {millis:>6.1} ms {memory:>6.1} MiB {find:>10.1} ns {decide:>12.1} ns");
    }
    Ok(())
}
