//! How much memory and CPU usher takes: `cargo xtask measure`, `instructions` and `bench`.
//!
//! This program is the client, the upstream and the scales; usher runs beside it as a process of
//! its own, a release as it is shipped, over loopback TLS.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]
#![allow(unreachable_pub, reason = "a program: whatever nobody calls is seen without it")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to a person")]

/// As usher's own: what is compared with it differs in nothing else.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod apps;
mod certificate;
mod client;
mod compare;
mod failure;
mod floor;
mod front_door;
mod instructions;
mod measure;
mod options;
mod process;
mod siege;
mod steps;
mod stop;
mod storm;
mod table;
mod tunnels;
mod zeros;

use std::process::ExitCode;

use failure::Failure;
use options::Options;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE, // the table said what is over its limit
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every figure is within its limit.
fn run() -> Result<bool, Failure> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    if what == "crowd" {
        return siege::crowd(arguments);
    }
    if what == "rounds" {
        let (step, rounds) = (arguments.next().unwrap_or_default(), arguments.next());
        let rounds = rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
        return steps::repeat(&step, rounds).map(|_| true);
    }
    if what == "handshakes" {
        return compare::handshakes(arguments);
    }
    if what == "floor" {
        return floor::run(arguments);
    }
    if what == "upstream" {
        return measure::upstream::run(arguments);
    }
    if what == "paced" {
        return compare::paced(arguments);
    }
    stop::on_signals()?;
    let options = Options::parse(arguments)?;
    match &*what {
        "apps" => apps::run(&options),
        "measure" => measure::run(&options),
        "instructions" => instructions::run(&options),
        "compare" => compare::run(&options),
        "siege" => siege::run(&options),
        "storm" => storm::run(&options),
        "tunnels" => tunnels::run(&options),
        _ => Err(Failure::Usage(
            "usher-bench apps|measure|instructions|compare|siege|storm|tunnels --usher FILE".into(),
        )),
    }
}
