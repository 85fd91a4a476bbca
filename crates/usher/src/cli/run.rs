//! `usher run`: serves a config until it is told to stop.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use tokio::time::Instant;
use usher_rules::{
    plan::{Level, Provider},
    time::Clock as _,
};

use super::{
    data_dir::DataDir,
    failure::Failure,
    first,
    mounts::mounted_alone,
    signals::{Signals, WokenBy},
};
use crate::{
    reload::{Findings, Loaded, Source, Watch, environment, load},
    request::{
        Chore, EventField, EventName, Part, catch,
        record::{Format, Log, Recorder},
    },
    server::{self, PATIENCE, Pauses, RunningServer, StartOptions, SystemClock},
    store::{Alone, DecisionFile, InForce, RefusedConfig},
};

/// Open the door: serve a config until SIGTERM or Ctrl-C.
///
/// A change of the file, or of a certificate that it names, is in force within seconds, on SIGHUP at
/// once; a config that does not compile changes nothing. SIGTERM and Ctrl-C let films end for 8
/// seconds, a second one ends at once.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Config file: `.yaml`, `.json`, `.toml` or `.env`
    #[arg(short, long, value_name = "FILE", default_value = "/etc/usher/config.yaml")]
    pub config: PathBuf,

    /// Where usher keeps its data.
    #[command(flatten)]
    pub dir: DataDir,

    /// How records are written [default: text on a terminal, else json]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line
    Json,
    /// For people
    Text,
}

/// Serves until SIGTERM or Ctrl-C.
///
/// Exit status: 0 stopped as asked, 2 nothing was served.
pub fn run(args: &Args) -> ExitCode {
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.end(),
    }
}

fn serve(args: &Args) -> Result<(), Failure> {
    let environment = environment();
    let source = Source::File { path: &args.config, environment: &environment };
    let mut watch = Watch::new(vec![args.config.clone()]);
    let Loaded { plan, problems, files, .. } = load(source)?;
    let _nowhere_left = write!(io::stderr().lock(), "{problems}");
    let dir = args.dir.find()?;
    let recorder = Recorder::new([
        Log::new(io::stdout(), format(args.log_format)),
        Log::new(DecisionFile::in_dir(&dir), Format::Kept),
    ]);

    let mut signals = Signals::new().map_err(Failure::Signals)?;
    let alone = mounted_alone(&files);
    match plan.hot_reload {
        true => watch.follow(files),
        false => watch = Watch::nothing(),
    }
    let first = !Alone::was_taken(&dir);
    let running = server::start(StartOptions::for_machine(plan, dir.clone(), recorder.clone()))?;
    let config = std::path::absolute(&args.config).unwrap_or_else(|_| args.config.clone());
    Alone::serves(&dir, &config);
    let mut told = Told { dir: &dir, recorder: &recorder, config, in_force: None };
    told.in_force(&running, &problems);
    tell_start(&running, &recorder, &args.config, &dir);
    tell_mounts(&recorder, &alone);
    if first {
        tell_first(&running, &dir);
    }
    let mut pauses = Pauses::default();
    loop {
        let began = Instant::now();
        let asked = match catch(|| signals.wait(&mut watch)) {
            Ok(asked) => asked,
            Err(panicked) => {
                let pause = pauses.after(began.elapsed());
                recorder.restarted(Chore::Watch, &panicked, pause, SystemClock.now());
                signals.pause(pause)
            }
        };
        match asked {
            WokenBy::Stop => break,
            WokenBy::Time => {}
            WokenBy::Reload => {
                let reload = || reload(&running, &mut told, source, &mut watch);
                if let Err(panicked) = catch(reload) {
                    running.reload_failed();
                    recorder.panicked_in(Part::Reload, &panicked, SystemClock.now());
                }
            }
        }
    }
    let open = running.open_connections();
    let now = SystemClock.now();
    recorder
        .event(Level::Info, EventName::Stopping, now)
        .with(EventField::Connections, open)
        .write();
    let last = recorder.clone();
    let _only_the_first_counts = signals.end_at_once(move || {
        last.event(Level::Warn, EventName::Stopped, SystemClock.now())
            .with(EventField::Effect, "asked twice: what was running was cut off")
            .write();
        last.flush();
    });
    running.stop(PATIENCE);
    recorder.event(Level::Info, EventName::Stopped, SystemClock.now()).write();
    recorder.flush();
    Ok(())
}

/// For whoever reads along, once; the log has its own lines.
fn tell_first(running: &RunningServer, dir: &Path) {
    let words = first::words(&running.plan(), first::people(dir), dir).unwrap_or_default();
    let _nowhere_left = io::stderr().lock().write_all(words.as_bytes());
}

/// A file that is a mount of its own keeps its first content: who saves it anew, or renames another
/// over it, changes a file that this process never sees.
fn tell_mounts(recorder: &Recorder, alone: &[PathBuf]) {
    for file in alone {
        recorder
            .event(Level::Warn, EventName::Mount, SystemClock.now())
            .with(EventField::Cause, format!("{} is a mount of its own", file.display()))
            .with(
                EventField::Effect,
                "a file that is put in its place is not seen, not even by a reload",
            )
            .with(
                EventField::Hint,
                "mount the folder that holds it, or restart usher after each change",
            )
            .write();
    }
}

/// Text for people, JSON for programs.
fn format(asked: Option<LogFormat>) -> Format {
    match asked {
        Some(LogFormat::Json) => Format::Json,
        Some(LogFormat::Text) => Format::Text,
        None if io::stdout().is_terminal() => Format::Text,
        None => Format::Json,
    }
}

fn tell_start(running: &RunningServer, recorder: &Recorder, config: &Path, dir: &Path) {
    let plan = running.plan();
    let providers: Vec<&str> = plan.sign_in.providers.iter().map(Provider::name).collect();
    let mut event = recorder
        .event(Level::Info, EventName::Serving, SystemClock.now())
        .with(EventField::Version, env!("CARGO_PKG_VERSION"))
        .with(EventField::Address, running.address())
        .with(EventField::Config, config.display())
        .with(EventField::Plan, &plan.id)
        .with(EventField::Routes, plan.routes.len())
        .with(EventField::Provider, providers.join(" "))
        .with(EventField::DataDir, dir.display());
    if let Some(address) = running.redirect_address() {
        event = event.with(EventField::RedirectAddress, address);
    }
    if let Some(address) = running.metrics_address() {
        event = event.with(EventField::MetricsAddress, address);
    }
    if !plan.listen.insecure {
        event = event.with(EventField::Authority, running.ca_file().display());
    }
    event.write();
}

/// What becomes of configs is told twice: on the record, and in the data directory for
/// `usher status`.
struct Told<'a> {
    dir: &'a Path,
    recorder: &'a Recorder,
    config: PathBuf,
    /// What is in force; `None` before anything is.
    in_force: Option<InForce>,
}

impl Told<'_> {
    fn in_force(&mut self, running: &RunningServer, warnings: &Findings) {
        let plan = running.plan();
        self.write(InForce {
            plan: plan.id.to_string(),
            since: SystemClock.now().wall.seconds(),
            routes: plan.routes.len(),
            warnings: warnings.problems().len(),
            config: self.config.clone(),
            waits: running.waits_for_restart().into_iter().map(Into::into).collect(),
            refused: None,
        });
    }

    fn refused(&mut self, cause: &str, problems: Vec<serde_json::Value>) {
        let refused =
            RefusedConfig { at: SystemClock.now().wall.seconds(), cause: cause.into(), problems };
        if let Some(in_force) = self.in_force.take() {
            self.write(InForce { refused: Some(refused), ..in_force });
        }
    }

    /// A disk that does not take it takes the words from `usher status` alone.
    fn write(&mut self, in_force: InForce) {
        if let Err(error) = in_force.write(self.dir) {
            self.recorder
                .event(Level::Warn, EventName::Reload, SystemClock.now())
                .with(EventField::Cause, error)
                .with(EventField::Effect, "`usher status` does not know the config in force")
                .write();
        }
        self.in_force = Some(in_force);
    }
}

/// Compiles the config anew and puts it in force, or says why not.
fn reload(running: &RunningServer, told: &mut Told<'_>, source: Source<'_>, watch: &mut Watch) {
    let recorder = told.recorder;
    let refused = |told: &mut Told<'_>, cause: String, problems| {
        running.reload_failed();
        told.refused(&cause, problems);
        recorder
            .event(Level::Error, EventName::Reload, SystemClock.now())
            .with(EventField::Cause, cause)
            .with(EventField::Effect, "nothing has changed; the config that was in force still is")
            .with(EventField::Hint, format!("usher check --config {source}"))
            .write();
    };
    watch.about_to_read();
    let Loaded { plan, problems, files, .. } = match load(source) {
        Ok(loaded) => loaded,
        Err(failure) => return refused(told, failure.to_string(), failure.to_json()),
    };
    if let Err(cause) = running.reload(plan) {
        return refused(told, cause.to_string(), Vec::new());
    }
    watch.follow(files);
    told.in_force(running, &problems);
    let plan = running.plan();
    let mut event = recorder
        .event(Level::Info, EventName::Reload, SystemClock.now())
        .with(EventField::Plan, &plan.id)
        .with(EventField::Routes, plan.routes.len())
        .with(EventField::Warnings, problems.problems().len());
    if !problems.problems().is_empty() {
        event = event.with(EventField::Hint, format!("usher check --config {source}"));
    }
    event.write();
}
