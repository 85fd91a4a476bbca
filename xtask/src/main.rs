//! Chores of this repository, one command each: `cargo xtask CHORE`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![allow(unreachable_pub, reason = "a program: whatever nobody calls is seen without it")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "chores talk to a person")]

mod bench;
mod checks;
mod dist;
mod docs;
mod e2e;
mod fuzz;
mod mutants;
mod served;
mod shell;
mod suites;
mod testssl;
mod tools;

use std::process::ExitCode;

use shell::{Failure, Log, Outcome};

const USAGE: &str = "\
Usage: cargo xtask <CHORE>

  test              Build once, then run every test of the workspace
  check             Formatting, lints, docs, generated files, licences; runs no tests
  ci                test, then check
  lines             The ten longest functions, and whether all keep within the limits
  tools             Install what the tests start: authorities, DNS servers
  e2e [ARGS]        Browsers, providers and client libraries against a real usher
  fuzz [TARGET …]   Each parser and state machine with changed seeds; one under libFuzzer if named
  machines [NAME …] A million steps of each state machine of sign-in, from seeds; of those alone
                    whose name has a NAME in it
  suites [--long]   h2spec and Autobahn's cases, through usher; results in target/suites
  testssl           testssl.sh against a served host; keeps its summary
  measure [--short] Memory: 4 GiB down and up, a reader that stalls, 2,000 idle WebSockets; then
                    ten seconds of reload-storm
  instructions [--renew]
                    What a request costs in instructions, step by step, beside what is known
  siege [--short] [--kind NAME]
                    1,000 hostile clients of each kind, and a film, a sign-in, a reload beside them
  reload-storm [--short]
                    A reload every 100 ms for a minute: drops no request, tears none, leaks nothing
  tunnels [--short] [--kind crowd|speed]
                    1,000 tunnels under a reload a second; one at full speed beside socat
  apps [--reps N]   What 10,000 apps that people let in weigh, and a request of one costs beside a
                    browser's
  routes            Loading, memory, finding a route and deciding, for 10 to 10,000 hosts
  cases [FILE…]     What Pomerium answered to golden cases, beside ours; prints each that differs
  dist [--train]    Build what is shipped by the profile in bench/usher.profdata, which --train
                    counts anew: an hour, and only after changes of the request path
  bench [--quick] [--contenders A,B] [--tests A,B] [--kind NAME] [--reps N]
                    CPU per request, handshake and GiB, latency and memory, beside nginx, HAProxy,
                    Envoy and Caddy, as ratios, and what grows with many of everything; a whole run
                    into bench/results.json, a part into target/bench.json
  mutants [--all] [FILE…]
                    Breaks the code that decides who comes in, one place at a time, and tells
                    what no test notices; a FILE takes minutes to an hour, everything days
  docs              Write the generated files under docs/reference anew
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (chore, rest) = match arguments.split_first() {
        Some((chore, rest)) => (chore.as_str(), rest),
        None => ("help", Default::default()),
    };
    let mut log = Log::begin();
    let outcome = run(chore, rest, &mut log);
    log.print();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: &str, rest: &[String], log: &mut Log) -> Outcome {
    match chore {
        "test" => checks::test(rest, log),
        "tools" => checks::needed(),
        "check" => checks::check(log),
        "lines" => checks::lines(log),
        "cases" => checks::cases(rest, log),
        "ci" => checks::test(&[], log).and_then(|()| checks::check(log)),
        "e2e" => e2e::run(rest, log),
        "fuzz" => fuzz::run_targets(rest, log),
        "machines" => checks::machines(rest, log),
        "suites" => suites::check(rest, log),
        "testssl" => testssl::check(log),
        "measure" => bench::measure(rest, log),
        "instructions" => bench::instructions(rest, log),
        "siege" => bench::siege(rest, log),
        "reload-storm" => bench::storm(rest, log),
        "tunnels" => bench::tunnels(rest, log),
        "apps" => bench::apps(rest, log),
        "routes" => bench::routes(log),
        "bench" => bench::compare(rest, log),
        "dist" => dist::dist(rest, log),
        "mutants" => mutants::run(rest, log),
        "docs" => docs::renew(log),
        "help" | "-h" | "--help" => {
            print!("{USAGE}");
            Ok(())
        }
        other => Err(Failure::new(format!("no chore is called `{other}`\n\n{USAGE}"))),
    }
}
