//! `usher doctor`: what is wrong from DNS to Jellyfin, for whom, and what to do about it.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write},
    path::PathBuf,
    process::ExitCode,
};

use serde_json::json;
use usher_rules::{plan::Plan, problem::Severity, time::Clock as _};

use super::{data_dir::DataDir, dir_of, failure::Failure};
use crate::{
    doctor::{
        Place, Slowly, Tried, block_on,
        cure::{self, Changes},
        examine, own_addresses, show,
    },
    reload::{Loaded, Source, environment, load},
    server::SystemClock,
};

/// Of `--data-dir`, which is for more here than elsewhere.
const DATA_DIR: &str = "Where usher keeps its data, and what --fix found before \
    [default: $USHER_DATA_DIR, /var/lib/usher for root, else ~/.local/share/usher]";

/// Say what is wrong from DNS to Jellyfin, for whom, and mend it.
///
/// DNS, ports, certificates, the redirect from http, cookies, sign-in, providers, routes, and each
/// Jellyfin behind one. Nothing is changed without --fix. Every code is in docs/reference/doctor.md.
///
/// Exit status: 0 nothing to mend, 1 something is, 2 the config can't run or nothing was asked.
#[derive(Debug, clap::Args)]
#[command(mut_arg("data_dir", |arg| arg.help(DATA_DIR)))]
pub struct Args {
    /// Config file: `.yaml`, `.json`, `.toml` or `.env`
    #[arg(short, long, value_name = "FILE", default_value = "/etc/usher/config.yaml")]
    pub config: PathBuf,

    /// Where usher keeps its data.
    #[command(flatten)]
    pub dir: DataDir,

    /// One object a line, for programs
    #[arg(long)]
    pub json: bool,

    /// Read a long answer of each Jellyfin as slowly as a film: 45 seconds more
    #[arg(long)]
    pub slow: bool,

    /// Set in Jellyfin what its API lets us set, after showing it and asking
    #[arg(long)]
    pub fix: bool,

    /// Don't ask: for scripts
    #[arg(long)]
    pub yes: bool,

    /// Put back what --fix changed
    #[arg(long, conflicts_with = "fix")]
    pub undo: bool,
}

/// Exit status where nothing was done.
const NOT_DONE: u8 = 2;

/// Examines; changes what it is told to change.
pub fn run(args: &Args) -> ExitCode {
    let environment = environment();
    let mut out = io::stdout().lock();
    let plan = match load(Source::File { path: &args.config, environment: &environment }) {
        Ok(Loaded { plan, .. }) => plan,
        Err(failure) => {
            let failure = Failure::from(failure);
            let told = args.json.then(|| failure.tell_json(&mut out));
            return match told {
                Some(_told_or_nobody_reads) => ExitCode::from(NOT_DONE),
                None => failure.end(),
            };
        }
    };
    let done =
        if args.undo { put_back(&plan, args, &mut out) } else { look(&plan, args, &mut out) };
    done.unwrap_or_else(|error| Failure::Output(error).end())
}

/// Examines, and mends where that is asked for.
fn look(plan: &Plan, args: &Args, out: &mut impl Write) -> io::Result<ExitCode> {
    let tried = examined(plan, args)?;
    tell(&tried, args, out)?;
    if !args.fix || tried.iter().all(|one| one.cures.is_empty()) {
        if args.fix && !args.json {
            writeln!(out, "There is nothing that Jellyfin's API could mend.")?;
        }
        return Ok(exit(&tried));
    }
    let Ok(dir) = dir_of(&args.dir) else { return Ok(ExitCode::from(NOT_DONE)) };
    let changes = match block_on(cure::changes(plan, &tried))? {
        Ok(changes) => changes,
        Err(error) => return not_done(&error),
    };
    announce(&changes, args, out)?;
    if !args.yes && !agreed(out)? {
        return Ok(ExitCode::from(NOT_DONE));
    }
    if let Err(error) = block_on(cure::apply(plan, &changes, &dir))? {
        return not_done(&error);
    }
    if !args.json {
        writeln!(out, "\nDone; `usher doctor --undo` puts it back. Looked at again:\n")?;
    }
    let again = examined(plan, args)?;
    tell(&again, args, out)?;
    Ok(exit(&again))
}

fn examined(plan: &Plan, args: &Args) -> io::Result<Vec<Tried>> {
    let dir = args.dir.find().ok();
    block_on(async {
        let addresses = own_addresses().await;
        let (data_dir, now) = (dir.as_deref(), SystemClock.now());
        let slow = args.slow.then_some(Slowly::FILM);
        examine(plan, Place { data_dir, now, addresses: &addresses, door: None, slow }).await
    })
}

fn tell(tried: &[Tried], args: &Args, out: &mut impl Write) -> io::Result<()> {
    match args.json {
        true => tried.iter().try_for_each(|one| writeln!(out, "{}", one.to_json())),
        false => show(tried, out),
    }
}

fn exit(tried: &[Tried]) -> ExitCode {
    let is_ill = tried.iter().any(|one| one.severity == Some(Severity::Error));
    if is_ill { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The difference, before it is made.
fn announce(changes: &Changes, args: &Args, out: &mut impl Write) -> io::Result<()> {
    if args.json {
        for one in &changes.differences {
            writeln!(out, "{}", json!({"would": one}))?;
        }
        return changes.restarts.iter().try_for_each(|at| {
            writeln!(out, "{}", json!({"would": {"server": at, "restart": true}}))
        });
    }
    writeln!(out, "\nThis would be set:\n")?;
    for one in &changes.differences {
        writeln!(out, "  {}  {}", one.server, one.key)?;
        writeln!(out, "    - {}\n    + {}", one.was, one.becomes)?;
    }
    for at in &changes.restarts {
        writeln!(out, "  {at}  restarts: whatever plays there stops")?;
    }
    Ok(())
}

fn agreed(out: &mut impl Write) -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        let what = "error: nobody is there to ask\nhint: `--yes` does it without asking";
        let _nowhere_left = writeln!(io::stderr(), "{what}");
        return Ok(false);
    }
    write!(out, "\nDo it? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn not_done(error: &cure::CureError) -> io::Result<ExitCode> {
    let hint = "what was changed before it can be put back: `usher doctor --undo`";
    super::failure::tell(&mut io::stderr(), error, Some(hint));
    Ok(ExitCode::from(NOT_DONE))
}

fn put_back(plan: &Plan, args: &Args, out: &mut impl Write) -> io::Result<ExitCode> {
    let Ok(dir) = dir_of(&args.dir) else { return Ok(ExitCode::from(NOT_DONE)) };
    let all = match block_on(cure::undo(plan, &dir))? {
        Ok(all) => all,
        Err(error) => return not_done(&error),
    };
    for one in &all {
        let change = &one.difference;
        match (&one.since, args.json) {
            (since, true) => {
                let left = since.is_some();
                writeln!(out, "{}", json!({"undone": change, "left_alone": left}))?;
            }
            (None, false) => {
                writeln!(out, "{}  {}: is {} again", change.server, change.key, change.was)?;
            }
            (Some(since), false) => {
                let (server, key) = (&change.server, &change.key);
                writeln!(out, "{server}  {key}: left alone, somebody has made it {since} since")?;
            }
        }
    }
    if all.is_empty() && !args.json {
        writeln!(out, "There is nothing to put back.")?;
    }
    Ok(ExitCode::SUCCESS)
}
