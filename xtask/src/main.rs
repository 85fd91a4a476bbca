//! Chores of this repository, one command each: `cargo xtask CHORE`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![allow(unreachable_pub, reason = "a program: whatever nobody calls is seen without it")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "chores talk to a person")]

mod bench;
mod checks;
mod chores;
mod dist;
mod docs;
mod e2e;
mod fuzz;
mod mutants;
mod profiled;
mod served;
mod shell;
mod suites;
mod testssl;
mod tools;

use std::process::ExitCode;

use chores::{Asked, asked};
use shell::Log;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut log = Log::begin();
    let outcome = asked(&words).and_then(|asked| match asked {
        Asked::Help(text) => {
            print!("{text}");
            Ok(())
        }
        Asked::Chore(chore, rest) => (chore.run)(rest, &mut log),
    });
    log.print();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
