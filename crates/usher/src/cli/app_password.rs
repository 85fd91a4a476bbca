//! `usher app-password`: passwords for clients that know no sign-in page.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use usher_rules::{
    app_passwords::{AppPassword, AppPasswords as _, LONGEST_LABEL, MOST_APP_PASSWORDS},
    names::Host,
    people::{Member, People as _, PeopleError},
    session::SessionId,
    time::UnixTime,
};

use super::{data_dir::DataDir, failure::tell, meant::SHORT, people::Until};
use crate::{
    request::record::moment,
    store::{OpenError, Store},
};

/// Make passwords for clients that know no sign-in page; list and revoke them.
///
/// Such as those of WebDAV: rclone, Kodi, a backup. Each is for one host, for somebody of the
/// built-in provider, and lets its client in wherever they are let in there. A running usher need not
/// be restarted: what runs under one that is revoked stops within seconds.
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
    /// Make one; prints it, once
    Create {
        /// Whose it is
        email: String,
        /// The host that it is for, such as `files.example.com`
        host: String,
        /// What to call it, such as `rclone on the laptop`
        #[arg(long, default_value = "app", value_name = "WORDS")]
        label: String,
        /// When it ends: a weekday, a date like 2026-12-31, or never
        #[arg(long, value_name = "DAY")]
        until: Until,
    },
    /// List everybody's
    List,
    /// Revoke one
    Revoke {
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
    #[error("`{0}` is no host")]
    NoHost(String),
    #[error("a label has 1 to {LONGEST_LABEL} octets")]
    NoLabel,
    #[error("somebody may have {MOST_APP_PASSWORDS} app passwords at most")]
    TooMany,
    #[error("no app password is `{0}`, or several are")]
    Unknown(String),
    #[error("the system gives no random bytes")]
    NoRandomness,
    #[error("can't start: {0}")]
    Start(io::Error),
    #[error("can't write the answer: {0}")]
    Output(#[from] io::Error),
}

/// Does it, in the store of `dir`.
///
/// Exit status: 0 done, 1 the answer is no, 2 bad usage, or a store that can't be opened.
pub fn run(
    command: &Command,
    dir: &Path,
    now: UnixTime,
    output: &mut dyn Write,
    errors: &mut dyn Write,
) -> ExitCode {
    let Err(failure) = change(command, dir, now, output) else { return ExitCode::SUCCESS };
    tell(errors, &failure, failure.hint().as_deref());
    ExitCode::from(match failure {
        Failure::People(PeopleError::Unknown(_)) | Failure::TooMany | Failure::Unknown(_) => 1,
        Failure::Open(_)
        | Failure::People(_)
        | Failure::NoHost(_)
        | Failure::NoLabel
        | Failure::NoRandomness
        | Failure::Start(_)
        | Failure::Output(_) => 2,
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
    let everybody = runtime.block_on(store.list())?;
    match command {
        Command::Create { email, host, label, until } => {
            let email = email.trim().to_lowercase();
            let owner = everybody.into_iter().find(|member| *member.email == *email);
            let owner = owner.ok_or_else(|| PeopleError::Unknown(email.into()))?;
            let until = until.moment(now).unwrap_or(UnixTime::MAX);
            let (digest, new, secret) = made(&owner, (host, label), now, until)?;
            if !runtime.block_on(store.add_app_password(digest, new))? {
                return Err(Failure::TooMany);
            }
            writeln!(output, "{}", secret.expose_str().unwrap_or_default())?;
        }
        Command::List => {
            for member in &everybody {
                for kept in runtime.block_on(store.app_passwords(&member.id))? {
                    writeln!(output, "{}", one_line(member, &kept))?;
                }
            }
        }
        Command::Revoke { id } => {
            let mut meant = Vec::new();
            for member in everybody {
                let all = runtime.block_on(store.app_passwords(&member.id))?;
                let is_meant = |kept: &AppPassword| id.len() >= SHORT && kept.id.starts_with(id);
                let of_member = all.into_iter().filter(is_meant);
                meant.extend(of_member.map(|kept| (member.clone(), kept)));
            }
            let [(member, kept)] = &*meant else { return Err(Failure::Unknown(id.clone())) };
            runtime.block_on(store.end_app_password(&member.id, &kept.id))?;
            writeln!(output, "revoked {}", one_line(member, kept))?;
        }
    }
    Ok(())
}

/// A new one: its digest, what is kept of it, and what is shown once.
fn made(
    owner: &Member,
    (host, label): (&str, &str),
    now: UnixTime,
    until: UnixTime,
) -> Result<([u8; 32], AppPassword, usher_rules::secret::Secret), Failure> {
    let host = Host::parse(host).map_err(|_| Failure::NoHost(host.into()))?;
    if !AppPassword::is_label(label) {
        return Err(Failure::NoLabel);
    }
    let mut random = [[0; 16]; 2];
    for one in &mut random {
        aws_lc_rs::rand::fill(one).map_err(|_| Failure::NoRandomness)?;
    }
    let [id, secret] = random;
    let secret = AppPassword::secret(secret);
    let digest = AppPassword::digest(secret.expose_str().unwrap_or_default());
    let kept = AppPassword {
        id: SessionId::from_random(id).as_str().into(),
        owner: owner.id.clone(),
        label: label.into(),
        host: host.as_str().into(),
        added_at: now.seconds(),
        over_at: until.seconds(),
        app: None,
    };
    Ok((digest, kept, secret))
}

fn one_line(member: &Member, kept: &AppPassword) -> String {
    let AppPassword { id, label, host, over_at, app, .. } = kept;
    let id = id.get(..SHORT).unwrap_or(id);
    let until = match UnixTime::from_seconds(*over_at) {
        UnixTime::MAX => "never ends".to_owned(),
        until => format!("until {}", moment(until)),
    };
    let of = app.as_ref().map(|app| format!("  {} on {}", app.client, app.device));
    format!("{id}  {}  {host}  {label}  {until}{}", member.email, of.unwrap_or_default())
}

impl Failure {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Open(error) => Some(error.hint()),
            Self::People(PeopleError::Unknown(_)) => Some("usher people list".into()),
            Self::Unknown(_) | Self::TooMany => Some("usher app-password list".into()),
            Self::NoHost(_) => Some("as in a route's `from`, without `https://`".into()),
            Self::People(_)
            | Self::NoLabel
            | Self::NoRandomness
            | Self::Start(_)
            | Self::Output(_) => None,
        }
    }
}
