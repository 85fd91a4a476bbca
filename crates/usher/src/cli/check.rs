//! `usher check`: loads the config and shows every problem; touches nothing.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use usher_rules::{
    config::{Effective, Environment, effective::NOT_SHOWN},
    plan::{Level, Plan},
    problem::{Problem, Severity},
    time::Clock as _,
};

use super::{data_dir::DataDir, failure::Failure};
use crate::{
    certs::{self, CertError},
    doctor::{Place, Tried, basics, block_on},
    reload::{Findings, LoadFailure, Loaded, Source, environment, load},
    server::SystemClock,
};

/// Exit status for a config that can't run.
const BAD_CONFIG: u8 = 2;

/// Of `--data-dir`, which is for more here than elsewhere.
const DATA_DIR: &str = "Where usher keeps its data, looked at by --live for certificates \
    [default: $USHER_DATA_DIR, /var/lib/usher for root, else ~/.local/share/usher]";

/// Show every problem of a config; --live tries names, ports and apps, too.
///
/// Each problem has its place and its cure. Nothing is changed or written.
///
/// Exit status: 0 it runs, 1 it runs without one of its certificates (or --live found something to
/// mend), 2 it can't run.
#[derive(Debug, clap::Args)]
#[command(mut_arg("data_dir", |arg| arg.help(DATA_DIR)))]
pub struct Args {
    /// Config file: `.yaml`, `.json`, `.toml` or `.env`
    #[arg(short, long, value_name = "FILE", default_value = "/etc/usher/config.yaml")]
    pub config: PathBuf,

    /// Then try what it says from this machine: names in DNS, ports, certificates, apps, provider
    #[arg(long)]
    pub live: bool,

    /// Where usher keeps its data.
    #[command(flatten)]
    pub dir: DataDir,

    /// Print what is in force, defaults included, as a config; secrets are not shown
    #[arg(long, conflicts_with_all = ["json", "live"])]
    pub effective: bool,

    /// One object a line, for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It runs.
    Good,
    /// It runs, and a certificate of it can't be used, or what it names does not answer.
    Halting,
    /// It can't run.
    Bad,
}

/// Checks a config: status 0 when it can run, 1 when it runs without one of its certificates, or
/// when `--live` found something to mend, 2 when it can't.
pub fn run(args: &Args) -> ExitCode {
    let mut out = io::stdout().lock();
    let checked = if args.effective {
        in_force(args, &environment(), &mut out, &mut io::stderr().lock())
    } else {
        check(args, &environment(), &mut out)
    };
    match checked {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Halting) => ExitCode::FAILURE,
        Ok(Outcome::Bad) | Err(_) => ExitCode::from(BAD_CONFIG), // a closed pipe: nobody reads on
    }
}

/// Writes what there is to say.
fn check(args: &Args, environment: &Environment, out: &mut impl Write) -> io::Result<Outcome> {
    let source = Source::File { path: &args.config, environment };
    let (findings, troubles, plan) = match load(source) {
        Ok(Loaded { problems, plan, .. }) => {
            (problems, certs::diagnose(&plan, SystemClock.now().wall), Some(plan))
        }
        Err(LoadFailure::Refused(findings)) => (findings, Vec::new(), None),
        Err(failure) => {
            if args.json {
                let object = serde_json::json!({"severity": "error", "what": failure.to_string()});
                writeln!(out, "{object}")?;
            } else {
                writeln!(out, "error: {failure}")?;
                if let Some(hint) = failure.hint() {
                    writeln!(out, "hint: {hint}")?;
                }
            }
            return Ok(Outcome::Bad);
        }
    };
    if args.json {
        for object in findings.to_json().chain(troubles.iter().map(object_of)) {
            writeln!(out, "{object}")?;
        }
    } else {
        write!(out, "{findings}")?;
        for trouble in &troubles {
            let (word, help) = (severity_of(trouble).word(), trouble.hint());
            write!(out, "{word}: {trouble}\n  = help: {help}\n\n")?;
        }
        writeln!(out, "{}", findings.summary())?;
        if !troubles.is_empty() {
            writeln!(out, "certificates: {} to look at", troubles.len())?;
        }
    }
    let is_unusable = |problem: &Problem| CERTIFICATE_FILES.contains(&problem.code);
    let halts = troubles.iter().any(|trouble| severity_of(trouble) == Severity::Error)
        || findings.problems().iter().any(is_unusable);
    let Some(plan) = plan else { return Ok(Outcome::Bad) };
    let all_answer = !args.live || answers(&plan, args, out)?;
    Ok(if halts || !all_answer { Outcome::Halting } else { Outcome::Good })
}

/// Writes the config in force; of one that is refused nothing but its problems, and these where
/// they end up in no file: what is printed is a config or nothing.
fn in_force(
    args: &Args,
    environment: &Environment,
    out: &mut impl Write,
    errors: &mut impl Write,
) -> io::Result<Outcome> {
    match load(Source::File { path: &args.config, environment }) {
        Ok(Loaded { problems, effective, .. }) => {
            show(&effective, &problems, out).map(|()| Outcome::Good)
        }
        Err(failure) => Failure::from(failure).tell(errors).map(|()| Outcome::Bad),
    }
}

/// What is in force, as a config: what there is to say about it stands in its comments.
fn show(effective: &Effective, findings: &Findings, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "# What is in force. Where `{NOT_SHOWN}` stands, write the secret, or name a file."
    )?;
    for line in findings.to_string().lines() {
        writeln!(out, "{}", format!("# {line}").trim_end())?;
    }
    write!(out, "{effective}")
}

/// Tries what the plan names; whether nothing is to mend.
fn answers(plan: &Plan, args: &Args, out: &mut impl Write) -> io::Result<bool> {
    let dir = args.dir.find().ok();
    let place = Place {
        data_dir: dir.as_deref(),
        now: SystemClock.now(),
        addresses: &[],
        door: None,
        slow: None,
    };
    let tried = block_on(basics(plan, place))?;
    tell(&tried, args.json, out)
}

/// Writes one line for each; whether none is an error.
fn tell(tried: &[Tried], as_json: bool, out: &mut impl Write) -> io::Result<bool> {
    for one in tried {
        if as_json { writeln!(out, "{}", one.to_json())? } else { writeln!(out, "{one}")? }
    }
    let count = |severity| tried.iter().filter(|one| one.severity == severity).count();
    let (errors, warnings) = (count(Some(Severity::Error)), count(Some(Severity::Warning)));
    if !as_json {
        writeln!(out, "live: {} tried, {errors} to mend, {warnings} to look at", tried.len())?;
    }
    Ok(errors == 0)
}

/// Codes that a config which runs has for a certificate's file alone.
const CERTIFICATE_FILES: &[&str] = &["U209", "U210", "U213"];

fn severity_of(trouble: &CertError) -> Severity {
    match trouble.level() {
        Level::Error => Severity::Error,
        Level::Warn | Level::Info | Level::Debug => Severity::Warning,
    }
}

fn object_of(trouble: &CertError) -> serde_json::Value {
    serde_json::json!({
        "severity": severity_of(trouble).word(),
        "what": trouble.to_string(),
        "help": trouble.hint(),
    })
}

#[cfg(test)]
mod tests;
