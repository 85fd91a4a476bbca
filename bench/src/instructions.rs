//! What the pure path costs, in instructions: the same figure on a busy machine as on an idle one.
//!
//! Each step is run under callgrind, which counts inside it and nowhere else: what a program does
//! before and after differs from run to run. `bench/instructions.txt` holds what each may cost.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use crate::{failure::Failure, options::Options, steps, table::Table};

/// What each step cost when it was last looked at, a step a line.
const KNOWN: &str = "bench/instructions.txt";

/// How many rounds are counted: all hosts take their turns equally often.
const ROUNDS: u32 = 20 * steps::HOSTS as u32;

/// How many rounds are timed.
const TIMED: u32 = 20 * steps::HOSTS as u32;

/// What is counted, by the name that callgrind knows it by: nothing follows it, or what it calls would
/// turn the counting off.
const COUNTED: &str = "*::counted_step";

/// In percent: what a compiler of another day may make of the same code.
const TOLERANCE: f64 = 5.0;

/// In instructions: how far the same program differs from run to run, by what its allocator finds.
const SLACK: u64 = 600;

/// Counts, prints a table, and tells whether every step costs what is known. Where that is wanted,
/// what was counted is written down.
pub fn run(options: &Options) -> Result<bool, Failure> {
    let known = known(Path::new(KNOWN))?;
    let mut table = Table::new(["step", "instructions", "known", "by percent", "", "ns, median"]);
    let (mut text, mut is_within) = (String::new(), true);
    for step in steps::names() {
        let counted = counted(&step, ROUNDS)? / u64::from(ROUNDS);
        text += &format!("{step} {counted}\n");
        let known = known.get(&step).copied();
        let (percent, verdict) = judged(counted, known);
        is_within &= verdict == OK;
        let before = known.map_or_else(|| "none".into(), |known| known.to_string());
        let time = nanoseconds(&step)?;
        table.row([step, counted.to_string(), before, percent, verdict.into(), time]);
    }
    println!("{}", table.text());
    if options.renew {
        fs::write(KNOWN, text).map_err(Failure::io(KNOWN))?;
        return Ok(true);
    }
    if !is_within {
        println!("{OTHERWISE}");
    }
    Ok(is_within)
}

const OK: &str = "ok";
const MORE: &str = "TOO MANY";
/// It fails as well: what was gained could else be lost again, and nobody would see it.
const FEWER: &str = "FEWER";
const UNKNOWN: &str = "UNKNOWN";

const OTHERWISE: &str = "\
TOO MANY: make the step cheaper, or say in the commit what it costs more for.
In every case: `cargo xtask instructions --renew`, and commit bench/instructions.txt with the change.
";

/// How long a step takes by the clock, to read beside its instructions: no machine is quiet enough
/// for a limit on it.
fn nanoseconds(step: &str) -> Result<String, Failure> {
    let mut taken = steps::repeat(step, TIMED)?;
    taken.sort_unstable();
    let median = taken.get(taken.len() / 2).copied().unwrap_or_default();
    Ok(median.as_nanos().to_string())
}

/// By how much it differs from what is known, and what that means.
fn judged(counted: u64, known: Option<u64>) -> (String, &'static str) {
    let Some(known) = known.filter(|known| *known > 0) else { return (String::new(), UNKNOWN) };
    let percent = (counted as f64 / known as f64 - 1.0) * 100.0;
    let verdict = match percent {
        _ if counted.abs_diff(known) <= SLACK => OK,
        over if over > TOLERANCE => MORE,
        under if under < -TOLERANCE => FEWER,
        _ => OK,
    };
    (format!("{percent:+.1}"), verdict)
}

fn known(file: &Path) -> Result<BTreeMap<String, u64>, Failure> {
    let text = fs::read_to_string(file).map_err(Failure::io(KNOWN))?;
    let lines = text.lines().map(|line| {
        let (step, count) = line.split_once(' ')?;
        Some((step.to_owned(), count.parse().ok()?))
    });
    lines.collect::<Option<_>>().ok_or_else(|| Failure::Proc(file.to_owned()))
}

/// Instructions of so many rounds of a step, by this very program. It does one round more.
fn counted(step: &str, rounds: u32) -> Result<u64, Failure> {
    let this = std::env::current_exe().map_err(Failure::io("this program"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(this)
        .args(["rounds", step, &rounds.to_string()])
        .output()
        .map_err(Failure::io("valgrind"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said
        .lines()
        .find_map(|line| line.split_once("Collected : ").and_then(|(_, count)| count.parse().ok()));
    match count {
        // Nothing would be within every limit.
        Some(count) if count > 0 && output.status.success() => Ok(count),
        _ => Err(Failure::Program { program: "valgrind".into(), what: said.into_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::{FEWER, MORE, OK, UNKNOWN, judged};

    #[test]
    fn a_step_that_costs_otherwise_is_told() {
        for (counted, known, verdict) in [
            (100_000, Some(100_000), OK),
            (104_000, Some(100_000), OK),
            (96_000, Some(100_000), OK),
            (106_000, Some(100_000), MORE),
            (94_000, Some(100_000), FEWER),
            (2_600, Some(2_000), OK),
            (2_601, Some(2_000), MORE),
            (1_399, Some(2_000), FEWER),
            (100, None, UNKNOWN),
            (100, Some(0), UNKNOWN),
        ] {
            assert_eq!(judged(counted, known).1, verdict, "{counted} of {known:?}");
        }
    }
}
