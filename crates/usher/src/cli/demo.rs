//! `usher demo`: a cinema behind a door, with nothing written beforehand.
//!
//! It starts the stand-in on a free port, makes sure of two people, and then runs the server as
//! `usher run` does, from a config that anybody could have written ([`config::DemoConfig`]).

pub mod announcement;
pub mod config;
pub mod people;
pub mod port;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    thread,
};

use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;
use usher_cinema::{Cinema, CinemaOptions, RunningCinema};
use usher_rules::{
    plan::Plan,
    time::{Clock as _, Now},
};

use self::{announcement::Announcement, config::DemoConfig, people::DemoPerson};
use super::{
    data_dir::{NoDataDir, data_dir, is_root},
    signals::{Signals, WokenBy},
};
use crate::{
    idp::{Cost, Directory, HashingError, Passwords},
    reload::{LoadFailure, Source, Watch, load},
    request::record::{Format, Log, Recorder},
    server::{self, PATIENCE, StartError, StartOptions, SystemClock},
    store::{OpenError, Store},
};

/// The folder below the usual data directory, so that a demo never touches a real one.
const FOLDER: &str = "usher-demo";

/// See it at work: a cinema behind a door, on this machine only.
///
/// Nothing has to be written or installed beforehand. A second start finds the same people, the
/// same passwords and the same certificate authority.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The port to listen on, on this machine only [default: 8443, or the next free one]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Where the demo keeps its data [default: `usher-demo` in the usual data directory]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print one line of JSON when it is ready, and nothing else
    #[arg(long)]
    pub json: bool,
    /// Show the log, too, on standard error: every request and what was decided about it
    #[arg(long)]
    pub log: bool,
}

/// Everything but the server.
#[derive(Debug)]
pub struct Prepared {
    /// Its address, from which the config's text is made.
    pub config: DemoConfig,
    /// The config, compiled: what the server runs.
    pub plan: Plan,
    /// The stand-in, answering already. It ends when this is dropped.
    pub cinema: RunningCinema,
    /// Who can sign in.
    pub people: Vec<DemoPerson>,
}

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// There is no place to keep anything.
    #[error(transparent)]
    NoDataDir(#[from] NoDataDir),
    /// There is no port to listen on.
    #[error(transparent)]
    Port(#[from] port::PortError),
    /// The store in the demo's folder can't be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Passwords can't be hashed.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The people can't be settled.
    #[error(transparent)]
    People(#[from] people::PeopleError),
    /// The system gives no runtime for the stand-in.
    #[error("can't start: {0}")]
    Stage(io::Error),
    /// The server does not start.
    #[error(transparent)]
    Server(#[from] StartError),
    /// The stand-in does not start.
    #[error("the stand-in does not start")]
    Cinema(#[from] usher_cinema::StartError),
    /// A mistake of ours: the demo's config does not compile.
    #[error("the demo's own config is refused")]
    Config(#[from] LoadFailure),
}

impl Failure {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoDataDir(_) => Some("say where: usher demo --data-dir DIR".into()),
            Self::Port(_) => {
                Some("another program has it; leave --port out, or name another".into())
            }
            Self::Store(error) => Some(error.hint()),
            Self::People(people::PeopleError::File { path, .. }) => {
                Some(format!("delete {}; new passwords are made then", path.display()))
            }
            Self::Server(error) => error.hint(),
            Self::Hashing(_)
            | Self::People(_)
            | Self::Stage(_)
            | Self::Cinema(_)
            | Self::Config(_) => None,
        }
    }

    fn tell(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "error: {self}")?;
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            writeln!(out, "  cause: {cause}")?;
            source = cause.source();
        }
        self.hint().map_or(Ok(()), |hint| writeln!(out, "hint: {hint}"))
    }
}

/// The demo's folder: `--data-dir` itself, or one of its own below the usual place.
///
/// # Errors
///
/// [`NoDataDir`] when nothing says where that is.
pub fn folder(
    option: Option<&Path>,
    environment: impl Fn(&str) -> Option<OsString>,
    is_root: bool,
) -> Result<PathBuf, NoDataDir> {
    match option {
        Some(dir) => Ok(dir.to_owned()),
        None => Ok(data_dir(None, environment, is_root)?.join(FOLDER)),
    }
}

/// Starts the stand-in, settles the people and compiles the config.
///
/// # Errors
///
/// [`Failure`]; nothing runs then.
pub async fn prepare(asked: Option<u16>, dir: &Path, now: Now) -> Result<Prepared, Failure> {
    let listen = port::choose(asked)?;
    let people = {
        // Closed again before the server opens it.
        let store = Arc::new(Store::open(dir)?);
        let directory = Directory::new(store, Passwords::new(Cost::DEFAULT, 1)?);
        people::settle(&directory, dir, now).await?
    };
    let cinema = Cinema::start(CinemaOptions::default()).await?;
    let config = DemoConfig { listen, cinema: cinema.addr };
    // Of its own: what is set for a real server must not bend the demo.
    let plan = load(Source::Text { name: "demo.yaml", text: &config.to_string() })?.plan;
    Ok(Prepared { config, plan, cinema, people })
}

/// Runs the demo until SIGTERM or Ctrl-C.
///
/// Exit status: 0 stopped as asked, 2 it did not start.
pub fn run(args: &Args) -> ExitCode {
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _nowhere_left = failure.tell(&mut io::stderr().lock());
            ExitCode::from(2)
        }
    }
}

fn serve(args: &Args) -> Result<(), Failure> {
    let dir = folder(args.data_dir.as_deref(), |name| std::env::var_os(name), is_root())?;
    let stage = Builder::new_current_thread().enable_all().build().map_err(Failure::Stage)?;
    let Prepared { config, plan, cinema, people } =
        stage.block_on(prepare(args.port, &dir, SystemClock.now()))?;

    // The stand-in has a thread of its own: it plays on while the server drains.
    let curtain = CancellationToken::new();
    let falls = curtain.clone();
    let play = thread::spawn(move || {
        stage.block_on(async {
            falls.cancelled().await;
            cinema.stop().await;
        });
    });

    let mut signals = Signals::new().map_err(Failure::Stage)?;
    // Quiet unless asked: lines of log would bury the passwords that are printed once.
    let recorder = match args.log {
        true => Recorder::new([Log::new(io::stderr(), Format::Text)]),
        false => Recorder::silent(),
    };
    let running = server::start(StartOptions::for_machine(plan, dir.clone(), recorder))?;
    let url = config.url();
    let (ca_file, pid) = (running.ca_file(), std::process::id());
    let announcement = Announcement { url: &url, people: &people, ca_file, data_dir: &dir, pid };
    let mut out = io::stdout();
    let _nobody_reads = match args.json {
        true => writeln!(out, "{}", announcement.json()),
        false => writeln!(out, "{announcement}"),
    }
    .and_then(|()| out.flush());

    while signals.wait(&mut Watch::new(Vec::new())) != WokenBy::Stop {}
    let _only_the_first_counts = signals.end_at_once(|| {});
    running.stop(PATIENCE);
    curtain.cancel();
    let _its_panic_is_told = play.join();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_its_own() {
        let home = |name: &str| (name == "HOME").then(|| "/home/ann".into());
        for (option, is_root, expected, why) in [
            (Some("/d"), false, "/d", "as it was given"),
            (None, false, "/home/ann/.local/share/usher/usher-demo", "below the usual one"),
            (None, true, "/var/lib/usher/usher-demo", "root's too"),
        ] {
            let found = folder(option.map(Path::new), home, is_root).unwrap();
            assert_eq!(found, Path::new(expected), "{why}");
        }
    }
}
