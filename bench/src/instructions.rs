//! What the pure path costs, in instructions: the same figure on a busy machine as on an idle one.
//!
//! Each step is run under callgrind twice, the second time with more rounds: the difference is
//! what the rounds cost, without start and end. `bench/instructions.txt` holds what they may.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use crate::{failure::Failure, options::Options, steps::STEPS, table::Table};

/// What each step cost when it was last looked at, a step a line.
const KNOWN: &str = "bench/instructions.txt";

/// As many rounds, and three times as many; each time all plans take their turns.
const ROUNDS: [u32; 2] = [800, 2400];

/// In percent. Hash tables have other seeds in each process, so that the last digits differ.
const TOLERANCE: f64 = 3.0;

/// Counts, prints a table, and tells whether no step costs more than is known. Where that is
/// wanted, what was counted is written down.
pub fn run(options: &Options) -> Result<bool, Failure> {
    let known = known(Path::new(KNOWN))?;
    let mut table = Table::new(["step", "instructions", "known", "by percent", ""]);
    let (mut text, mut is_within) = (String::new(), true);
    for step in STEPS {
        let [less, more] = ROUNDS;
        let counted = counted(step, more)?.saturating_sub(counted(step, less)?);
        let counted = counted / u64::from(more - less);
        text += &format!("{step} {counted}\n");
        let known = known.get(step).copied();
        let (percent, verdict) = judged(counted, known);
        is_within &= matches!(verdict, OK | FEWER);
        let before = known.map_or_else(|| "none".into(), |known| known.to_string());
        table.row([step.into(), counted.to_string(), before, percent, verdict.into()]);
    }
    println!("{}", table.text());
    if options.renew {
        fs::write(KNOWN, text).map_err(Failure::io(KNOWN))?;
        return Ok(true);
    }
    if !is_within {
        println!("what it is worth is yours to say: cargo xtask instructions --renew");
    }
    Ok(is_within)
}

const OK: &str = "ok";
const FEWER: &str = "fewer: --renew";

/// By how much it differs from what is known, and what that means.
fn judged(counted: u64, known: Option<u64>) -> (String, &'static str) {
    let Some(known) = known.filter(|known| *known > 0) else { return (String::new(), "UNKNOWN") };
    let percent = (counted as f64 / known as f64 - 1.0) * 100.0;
    let verdict = match percent {
        over if over > TOLERANCE => "TOO MANY",
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

/// Instructions of a whole run of this very program with so many rounds of a step.
fn counted(step: &str, rounds: u32) -> Result<u64, Failure> {
    let this = std::env::current_exe().map_err(Failure::io("this program"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["rounds", step, &rounds.to_string()])
        .output()
        .map_err(Failure::io("valgrind"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said
        .lines()
        .find_map(|line| line.split_once("Collected : ").and_then(|(_, count)| count.parse().ok()));
    match count {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(Failure::Program { program: "valgrind".into(), what: said.into_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::judged;

    #[test]
    fn a_step_that_costs_more_is_told() {
        for (counted, known, verdict) in [
            (100, Some(100), "ok"),
            (102, Some(100), "ok"),
            (104, Some(100), "TOO MANY"),
            (90, Some(100), "fewer: --renew"),
            (100, None, "UNKNOWN"),
            (100, Some(0), "UNKNOWN"),
        ] {
            assert_eq!(judged(counted, known).1, verdict, "{counted} of {known:?}");
        }
    }
}
