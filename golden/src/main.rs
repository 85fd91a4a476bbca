//! `cargo xtask cases FILE…`: asks usher what Pomerium was asked, and prints where they differ.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to a person")]

use std::{fs, path::Path, process::ExitCode};

use usher_golden::{Deviations, Failure, Report, ask};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE, // the report says what differs
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(2)
        }
    }
}

/// Does every case agree, or differ as it was decided?
fn run() -> Result<bool, Failure> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        let names = ["policy-cases", "policy-errors", "config-cases", "route-cases"];
        files
            .extend(names.map(|name| own.join(format!("cases/{name}.json")).display().to_string()));
    }
    let deviations = Deviations::parse(&read(&own.join("deviations.txt").display().to_string())?)?;
    let mut report = Report::default();
    for name in &files {
        let answers = ask(name, &read(name)?)?;
        print!("{}", report.take(name, answers, &deviations));
    }
    print!("{}", report.summary());
    Ok(report.is_content())
}

fn read(name: &str) -> Result<String, Failure> {
    fs::read_to_string(name).map_err(|source| Failure::Unreadable { name: name.into(), source })
}
