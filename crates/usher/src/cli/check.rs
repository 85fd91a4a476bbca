//! `usher check`: compiles the config and shows every problem; touches nothing.
//!
//! [`load`] is also how `run` and a reload get their plan, so that what was checked is what runs.

use std::{
    cell::RefCell,
    fmt,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use usher_rules::{
    config::{self, Environment, Files, Input},
    plain_text,
    plan::{self, Level, Plan},
    problem::{Place, Problem, Rendered, Severity, Summary},
    time::Clock as _,
};

use super::{
    data_dir::{data_dir, is_root},
    live,
};
use crate::{
    certs::{self, CertError, Shown},
    server::{self, StartError, SystemClock},
};

/// The longest file that is read: a config, a key, a certificate. In bytes.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Exit status for a config that can't run.
const BAD_CONFIG: u8 = 2;

/// Show every problem of a config; --live tries names, ports and apps, too.
///
/// Each problem has its place and its cure. Nothing is changed or written.
///
/// Exit status: 0 it runs, 1 it runs without one of its certificates (or --live found something to
/// mend), 2 it can't run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Config file, `.yaml` or `.json`
    #[arg(short, long, value_name = "FILE", default_value = "/etc/usher/config.yaml")]
    pub config: PathBuf,

    /// Then try what it says from this machine: names in DNS, ports, certificates, apps, provider
    #[arg(long)]
    pub live: bool,

    /// Where usher keeps its data, looked at by --live for certificates
    /// [default: $USHER_DATA_DIR, /var/lib/usher for root, else ~/.local/share/usher]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// One object a line, for programs
    #[arg(long)]
    pub json: bool,
}

/// A config that compiled, with what there is to say about it.
#[derive(Debug)]
pub struct Loaded {
    /// What the proxy runs.
    pub plan: Plan,
    /// Warnings, beside the text that they are about.
    pub findings: Findings,
    /// Every file that it names and that was looked at: keys, secrets, certificates.
    pub files: Vec<PathBuf>,
}

/// Problems beside the text that they are about, ready to be shown.
#[derive(Debug)]
pub struct Findings {
    /// The file's name as the operator gave it.
    pub file: String,
    /// Its text.
    text: String,
    /// In the order of the file.
    problems: Vec<Problem>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadFailure {
    /// The file itself can't be read.
    #[error("can't read the config {}: {source}", path.display())]
    Unreadable {
        /// As it was given.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A folder stands in its place.
    #[error("{} is a folder, not a config file", .0.display())]
    Folder(PathBuf),
    /// It was read, and it is refused.
    #[error("{}", .0.first_error())]
    Refused(Findings),
}

/// Reads the config at `path`, the files it names and `env`, and compiles them.
///
/// Blocks on the disk: call it at the start, or where blocking is fine.
///
/// # Errors
///
/// [`LoadFailure`]: the caller goes on with what it has, or ends.
pub fn load(path: &Path, env: &Environment) -> Result<Loaded, LoadFailure> {
    let unreadable = |source| LoadFailure::Unreadable { path: path.to_owned(), source };
    if path.is_dir() {
        return Err(LoadFailure::Folder(path.to_owned()));
    }
    let (name, bytes) = match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_config(env) => {
            (None, Vec::new())
        }
        other => (Some(path.display().to_string()), other.map_err(unreadable)?),
    };
    let text = String::from_utf8(plain_text::utf8(&bytes).to_vec()).map_err(|error| {
        unreadable(not_text(error.as_bytes(), error.utf8_error().valid_up_to()))
    })?;
    let draft = config::read(Input { name: name.as_deref(), text: &text }, env);
    let file = name.unwrap_or_else(|| "the environment".to_owned());
    let disk = Disk::default();
    match plan::compile(draft, &disk) {
        Ok((plan, mut problems)) => {
            let refused = server::refusals(&plan);
            if !refused.is_empty() {
                problems.extend(refused.iter().map(unusable));
                return Err(LoadFailure::Refused(Findings { file, text, problems }));
            }
            problems.extend(certs::untimely(&plan, SystemClock.now().wall).iter().map(untimely));
            let findings = Findings { file, text, problems };
            Ok(Loaded { plan, findings, files: disk.asked.into_inner() })
        }
        Err(problems) => Err(LoadFailure::Refused(Findings { file, text, problems })),
    }
}

/// What is no text, with the place of its first octet that is none.
fn not_text(bytes: &[u8], at: usize) -> io::Error {
    let before = String::from_utf8_lossy(bytes.get(..at).unwrap_or_default());
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let words = format!("it is not text in UTF-8, first at {line}:{column}");
    io::Error::new(io::ErrorKind::InvalidData, words)
}

/// Is the environment a config by itself? Containers are often set up so.
fn is_config(env: &Environment) -> bool {
    let said = |name: &str| env.get(name).is_some_and(|value| !value.is_empty());
    said("ROUTES") || said("POLICY") || said("SERVICES")
}

impl LoadFailure {
    /// What to do about it; problems of a config bring their own help.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(
                    "let the user that usher runs as read it, and the folders above it: \
                     `namei -l FILE` shows whose they are",
                )
            }
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::InvalidData => {
                Some("save it as UTF-8 in your editor")
            }
            Self::Unreadable { .. } => {
                Some("name another with --config FILE, or try it first: usher demo")
            }
            Self::Folder(_) => Some(
                "Docker makes an empty folder where the file of a volume is missing: stop the container, \
                 remove the folder, put the config into a folder of its own and mount that folder; \
                 without Docker, name the file in it: --config FOLDER/config.yaml",
            ),
            Self::Refused(_) => None,
        }
    }
}

/// A key or certificate that the start would refuse. Its words name the key.
fn unusable(error: &StartError) -> Problem {
    let help = error.hint().unwrap_or_default();
    Problem::new(Severity::Error, "U213", Place::Whole, error.to_string(), help)
}

/// A certificate that others than visitors are shown, and that they refuse now or soon.
fn untimely(shown: &Shown) -> Problem {
    let Shown { whose, what } = shown;
    let help = "put a new one in its place, and check this machine's clock";
    Problem::new(Severity::Warning, "U217", Place::Whole, format!("{whose} {what}"), help)
}

/// The process's environment, as [`load`] takes it. Variables that are not text are left out.
pub fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// What a check comes to.
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
    match check(args, &environment(), &mut out) {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Halting) => ExitCode::FAILURE,
        Ok(Outcome::Bad) | Err(_) => ExitCode::from(BAD_CONFIG), // a closed pipe: nobody reads on
    }
}

/// Writes what there is to say.
fn check(args: &Args, env: &Environment, out: &mut impl Write) -> io::Result<Outcome> {
    let (findings, troubles, plan) = match load(&args.config, env) {
        Ok(Loaded { findings, plan, .. }) => {
            (findings, certs::diagnose(&plan, SystemClock.now().wall), Some(plan))
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

/// Tries what the plan names; whether nothing is to mend.
fn answers(plan: &Plan, args: &Args, out: &mut impl Write) -> io::Result<bool> {
    let dir = data_dir(args.data_dir.as_deref(), |name| std::env::var_os(name), is_root()).ok();
    let tried = live::try_all(plan, dir.as_deref(), SystemClock.now())?;
    live::show(&tried, args.json, out)
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

impl Findings {
    /// All of them, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many there are.
    pub fn summary(&self) -> String {
        Summary { file: &self.file, problems: &self.problems }.to_string()
    }

    /// The first error in one line, as a log has it: `config.yaml:11:5 U110 unknown key …`.
    pub fn first_error(&self) -> String {
        let first = self.problems.iter().find(|problem| problem.severity == Severity::Error);
        first.map_or_else(
            || self.summary(),
            |problem| {
                format!("{} {} {}", self.rendered(problem).place(), problem.code, problem.what)
            },
        )
    }

    /// One object for each.
    pub fn to_json(&self) -> impl Iterator<Item = serde_json::Value> {
        self.problems.iter().map(|problem| self.rendered(problem).to_json())
    }

    fn rendered<'a>(&'a self, problem: &'a Problem) -> Rendered<'a> {
        Rendered { problem, file: &self.file, text: &self.text }
    }
}

impl fmt::Display for Findings {
    /// Each with its place and a blank line after it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|problem| write!(f, "{}\n\n", self.rendered(problem)))
    }
}

/// The disk, for files that a config names; it remembers which.
#[derive(Default)]
struct Disk {
    asked: RefCell<Vec<PathBuf>>,
}

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.asked.borrow_mut().push(path.into());
        read(Path::new(path)).map_err(|error| error.to_string())
    }
}

/// Reads a whole file of ordinary size. A device without end can't fill the memory.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read <= MAX_FILE_BYTES) {
        Ok(bytes)
    } else {
        let words = format!("it is larger than {} MiB", MAX_FILE_BYTES >> 20);
        Err(io::Error::new(io::ErrorKind::FileTooLarge, words))
    }
}

#[cfg(test)]
mod tests;
