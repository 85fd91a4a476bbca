//! `usher service-account`: programs with tokens of their own. A token leads to a session that
//! nobody signed in for, so a running usher hears of what is done here as it does of every session.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use usher_rules::{
    plan::Plan,
    session::{SessionId, SignedIn},
    signin::ServiceAccount,
    time::UnixTime,
};

use super::{data_dir::DataDir, failure::tell, people::Until};
use crate::{
    reload::{Source, environment, load},
    request::{
        identify::{LiveSession, SessionStore as _, StoreError},
        record::moment,
    },
    server::{KeyFailure, session_keys},
    store::{OpenError, Store},
};

/// Give programs tokens of their own, list and revoke them.
///
/// A running usher need not be restarted: it takes a new token within seconds, and what runs under
/// one that is revoked stops as soon. What a token opens is said by the routes' policies, which name
/// a group or address that it was given, or its id: `user: service-account:NAME`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where usher keeps its data.
    #[command(flatten)]
    pub dir: DataDir,
    /// Config with the secret that signs tokens, if one is written there
    /// [default: the one of the usher that runs, else /etc/usher/config.yaml]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with which.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make one; prints its token, once
    Create {
        /// What to call it, such as `backup` or `ci`: lower-case letters, digits, `.`, `_` and `-`
        name: String,
        /// The address that policies may name
        #[arg(long, default_value = "", value_name = "EMAIL")]
        email: String,
        /// A group that policies may name; may be repeated
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        /// When its token ends: a weekday, a date like 2026-12-31, or never
        #[arg(long, value_name = "DAY")]
        until: Until,
    },
    /// List every one whose token is in force
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Revoke every token of one
    Revoke {
        /// As `list` shows it
        name: String,
    },
}

/// Why the command did not do it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("`{0}` is no name for a service account")]
    NoName(String),
    #[error("there is a service account `{0}` already")]
    AlreadyHere(String),
    #[error("there is no service account `{0}`")]
    Unknown(String),
    #[error("the secret that signs tokens is not known: {0}")]
    Config(Box<str>),
    #[error(transparent)]
    Keys(#[from] KeyFailure),
    #[error("not kept: {0}")]
    Store(#[from] StoreError),
    #[error("the system gives no random bytes")]
    NoRandomness,
    #[error("can't start: {0}")]
    Start(io::Error),
    #[error("can't write the answer: {0}")]
    Output(#[from] io::Error),
}

/// Does it, in the store of `dir`, with the secrets of `config`, if there is one.
///
/// Exit status: 0 done, 1 there is no such service account, or there is one already, 2 bad usage, or
/// a store or a config that can't be read.
pub fn run(
    command: &Command,
    (dir, config): (&Path, Option<&Path>),
    now: UnixTime,
    output: &mut dyn Write,
    errors: &mut dyn Write,
) -> ExitCode {
    let Err(failure) = change(command, (dir, config), now, output) else {
        return ExitCode::SUCCESS;
    };
    tell(errors, &failure, failure.hint().as_deref());
    ExitCode::from(match failure {
        Failure::AlreadyHere(_) | Failure::Unknown(_) => 1,
        Failure::Open(_)
        | Failure::NoName(_)
        | Failure::Config(_)
        | Failure::Keys(_)
        | Failure::Store(_)
        | Failure::NoRandomness
        | Failure::Start(_)
        | Failure::Output(_) => 2,
    })
}

fn change(
    command: &Command,
    (dir, config): (&Path, Option<&Path>),
    now: UnixTime,
    output: &mut dyn Write,
) -> Result<(), Failure> {
    let store = Store::open(dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(Failure::Start)?;
    match command {
        Command::Create { name, email, groups, until } => {
            let mut account =
                ServiceAccount::named(name).ok_or_else(|| Failure::NoName(name.clone()))?;
            if !called(&store, name, now).is_empty() {
                return Err(Failure::AlreadyHere(name.clone()));
            }
            account.email = email.as_str().into();
            account.groups = groups.iter().map(|group| group.as_str().into()).collect();
            let plan = plan(config)?;
            if let Some(plan) = &plan {
                store.admit_at_most(plan.sessions.most);
            }
            let keys = session_keys(&plan.map(|it| it.secrets).unwrap_or_default(), &store)?;
            let mut random = [0; 16];
            aws_lc_rs::rand::fill(&mut random).map_err(|_| Failure::NoRandomness)?;
            let until = until.moment(now).unwrap_or(UnixTime::MAX);
            let new = account.begin(SessionId::from_random(random), now, until);
            let live = runtime.block_on(store.insert(new))?;
            writeln!(output, "{}", keys.sign_service_account(live.signed_in()))?;
        }
        Command::List { json } => {
            for live in every(&store, now) {
                let who = live.signed_in();
                writeln!(output, "{}", if *json { json_line(who) } else { one_line(who) })?;
            }
        }
        Command::Revoke { name } => {
            let meant = called(&store, name, now);
            if meant.is_empty() {
                return Err(Failure::Unknown(name.clone()));
            }
            for live in meant {
                runtime.block_on(store.end(&live.session().id))?;
                writeln!(output, "revoked {}", one_line(live.signed_in()))?;
            }
        }
    }
    Ok(())
}

/// Every one whose token is in force, by name.
fn every(store: &Store, now: UnixTime) -> Vec<Arc<LiveSession>> {
    let mut all = store.all();
    all.retain(|live| {
        live.session().expires_at() > now && ServiceAccount::name_of(live.signed_in()).is_some()
    });
    all.sort_by(|one, other| one.person().id.cmp(&other.person().id));
    all
}

/// Those of that name.
pub(super) fn called(store: &Store, name: &str, now: UnixTime) -> Vec<Arc<LiveSession>> {
    let mut all = every(store, now);
    all.retain(|live| ServiceAccount::name_of(live.signed_in()) == Some(name));
    all
}

/// The names of those whose tokens never end.
pub(super) fn endless(store: &Store) -> Vec<String> {
    let mut all = every(store, UnixTime::from_seconds(0));
    all.retain(|live| live.session().expires_at() == UnixTime::MAX);
    let name = |live: &Arc<LiveSession>| ServiceAccount::name_of(live.signed_in()).map(Into::into);
    all.iter().filter_map(name).collect()
}

/// What a server on this store serves, if there is a config. With the store's own secrets in the
/// place of those of one that can't be read, a token would be made that no server takes.
fn plan(config: Option<&Path>) -> Result<Option<Plan>, Failure> {
    let environment = environment();
    match config.map(|path| load(Source::File { path, environment: &environment })) {
        None => Ok(None),
        Some(Ok(loaded)) => Ok(Some(loaded.plan)),
        Some(Err(failure)) => Err(Failure::Config(failure.to_string().into())),
    }
}

fn one_line(who: &SignedIn) -> String {
    let SignedIn { session, person } = who;
    let mut line = ServiceAccount::name_of(who).unwrap_or_default().to_owned();
    if !person.email.is_empty() {
        line.push_str(&format!("  {}", person.email));
    }
    for group in person.directory_groups.iter().flatten() {
        line.push_str(&format!("  {}", group.id));
    }
    let until = match session.expires_at() {
        UnixTime::MAX => "never ends".to_owned(),
        until => format!("until {}", moment(until)),
    };
    line.push_str(&format!("  since {}  {until}", moment(session.issued_at())));
    line
}

fn json_line(who: &SignedIn) -> String {
    let SignedIn { session, person } = who;
    let ends = session.expires_at() < UnixTime::MAX;
    let groups: Vec<_> = person.directory_groups.iter().flatten().map(|group| &group.id).collect();
    serde_json::json!({
        "name": ServiceAccount::name_of(who), "id": session.id.as_str(), "user": person.id,
        "email": person.email, "groups": groups, "issued_at": session.issued_at,
        "expires_at": ends.then_some(session.expires_at),
    })
    .to_string()
}

impl Failure {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Open(error) => Some(error.hint()),
            Self::NoName(_) => {
                Some("lower-case letters, digits, `.`, `_` and `-`; at most 64 of them".into())
            }
            Self::AlreadyHere(name) => {
                Some(format!("usher service-account revoke {name}, and then create it again"))
            }
            Self::Unknown(_) => Some("usher service-account list".into()),
            Self::Config(_) => Some("name the one that usher runs with: --config FILE".into()),
            Self::Keys(_)
            | Self::Store(_)
            | Self::NoRandomness
            | Self::Start(_)
            | Self::Output(_) => None,
        }
    }
}
