//! `usher enrolments`: the devices that people enrolled; which of them count as approved.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use usher_rules::{
    enrolment::{EnrolledDevice, EnrolledDevices as _},
    people::PeopleError,
    time::UnixTime,
};

use super::{data_dir::DataDir, failure::tell, meant::SHORT};
use crate::{
    request::record::moment,
    store::{OpenError, Store},
};

/// List the devices that people enrolled; approve and remove them.
///
/// A policy asks for one with `device: {approved: true}`. People enrol their own where such a policy
/// sends them. A running usher need not be restarted: what changes holds within seconds, for sessions
/// that were proven on the device, too.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where usher keeps its data.
    #[command(flatten)]
    pub dir: DataDir,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with which.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List everybody's, oldest first
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Approve one
    Approve {
        /// The beginning of its id, as `list` shows it
        id: String,
    },
    /// Remove one: it has to be enrolled anew
    Remove {
        /// The beginning of its id, as `list` shows it
        id: String,
    },
}

/// Why the command did not do it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    People(#[from] PeopleError),
    #[error("no device is `{0}`, or several are")]
    Unknown(String),
    #[error("can't start: {0}")]
    Start(io::Error),
    #[error("can't write the answer: {0}")]
    Output(#[from] io::Error),
}

/// Does it, in the store of `dir`.
///
/// Exit status: 0 done, 1 there is no such device, 2 bad usage, or a store that can't be opened.
pub fn run(
    command: &Command,
    dir: &Path,
    now: UnixTime,
    output: &mut dyn Write,
    errors: &mut dyn Write,
) -> ExitCode {
    let Err(failure) = change(command, dir, now, output) else { return ExitCode::SUCCESS };
    let hint = match &failure {
        Failure::Open(error) => Some(error.hint()),
        Failure::Unknown(_) => Some("usher enrolments list".into()),
        Failure::People(_) | Failure::Start(_) | Failure::Output(_) => None,
    };
    tell(errors, &failure, hint.as_deref());
    ExitCode::from(match failure {
        Failure::Unknown(_) => 1,
        Failure::Open(_) | Failure::People(_) | Failure::Start(_) | Failure::Output(_) => 2,
    })
}

fn change(
    command: &Command,
    dir: &Path,
    now: UnixTime,
    output: &mut dyn Write,
) -> Result<(), Failure> {
    let store = Store::open(dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(Failure::Start)?;
    let all = runtime.block_on(store.all_enrolled())?;
    let meant = |id: &String| {
        let is_meant = |kept: &&EnrolledDevice| id.len() >= SHORT && kept.key.id.starts_with(&**id);
        let mut meant = all.iter().filter(is_meant);
        let one = meant.next().filter(|_| meant.next().is_none());
        one.ok_or_else(|| Failure::Unknown(id.clone()))
    };
    match command {
        Command::List { json } => {
            for kept in &all {
                writeln!(output, "{}", if *json { json_line(kept) } else { one_line(kept) })?;
            }
        }
        Command::Approve { id } => {
            let kept = meant(id)?;
            if !runtime.block_on(store.approve(&kept.key.id, now.seconds()))? {
                return Err(Failure::Unknown(id.clone()));
            }
            let kept = EnrolledDevice { approved_at: Some(now.seconds()), ..kept.clone() };
            writeln!(output, "approved {}", one_line(&kept))?;
        }
        Command::Remove { id } => {
            let kept = meant(id)?;
            if !runtime.block_on(store.remove_enrolled(&kept.key.id))? {
                return Err(Failure::Unknown(id.clone()));
            }
            writeln!(output, "removed {}", one_line(kept))?;
        }
    }
    Ok(())
}

fn one_line(kept: &EnrolledDevice) -> String {
    let EnrolledDevice { key, called, site, label, added_at, .. } = kept;
    let id = key.id.get(..SHORT).unwrap_or(&key.id);
    let since = moment(UnixTime::from_seconds(*added_at));
    let state = match kept.approved_at {
        Some(_) => "approved",
        None => "waits for approval",
    };
    let line = format!("{id}  {called}  {label}  {site}  since {since}  {state}");
    // A provider says what they are called, and moves no cursor with it.
    line.chars().filter(|c| !c.is_control()).collect()
}

fn json_line(kept: &EnrolledDevice) -> String {
    let shown = serde_json::json!({
        "id": kept.key.id,
        "person": kept.called,
        "person_id": kept.owner,
        "label": kept.label,
        "site": kept.site,
        "added_at": kept.added_at,
        "used_at": kept.used_at,
        "approved_at": kept.approved_at,
    });
    shown.to_string()
}
