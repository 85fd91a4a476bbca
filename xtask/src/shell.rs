//! Running other programs, and telling how long each took.

use std::{
    ffi::OsStr,
    fmt, io,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// Why a chore did not end well: what was run, and what came of it.
#[derive(Debug)]
pub struct Failure {
    what: String,
}

/// What every chore returns.
pub type Outcome = Result<(), Failure>;

impl Failure {
    /// A failure in these words.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// How long each step of a chore took; printed at its end, however it ended.
#[derive(Debug)]
pub struct Log {
    begun: Instant,
    steps: Vec<(String, Duration)>,
}

impl Log {
    /// An empty log that begins now.
    pub fn begin() -> Self {
        Self { begun: Instant::now(), steps: Vec::new() }
    }

    /// Runs `step` under a title, and remembers how long it took.
    pub fn step<T>(
        &mut self,
        title: &str,
        step: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        println!("── {title}");
        let begun = Instant::now();
        let outcome = step();
        self.steps.push((title.to_owned(), begun.elapsed()));
        outcome.map_err(|failure| Failure::new(format!("{title}: {failure}")))
    }

    /// Runs a command as one step.
    pub fn command(&mut self, title: &str, command: &mut Command) -> Outcome {
        self.step(title, || run(command))
    }

    /// The table of steps.
    pub fn print(&self) {
        if self.steps.is_empty() {
            return;
        }
        println!("── time");
        for (title, taken) in &self.steps {
            println!("{:>7.1} s  {title}", taken.as_secs_f64());
        }
        println!("{:>7.1} s  in all", self.begun.elapsed().as_secs_f64());
    }
}

/// Runs a command with our own standard streams, and waits for it.
pub fn run(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|cause| not_started(command, &cause))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("{} ({status})", line(command))))
    }
}

/// Runs a command and returns what it wrote to its standard output.
pub fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.output().map_err(|cause| not_started(command, &cause))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let errors = String::from_utf8_lossy(&output.stderr);
        Err(Failure::new(format!("{} ({})\n{errors}", line(command), output.status)))
    }
}

/// Whether a program of this name is in a folder of `PATH`.
pub fn found(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// `cargo` with these arguments, in the root of the repository. What builds does so with the
/// versions that are written down, or fails.
pub fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let builds = |word: &&str| matches!(*word, "build" | "clippy" | "doc" | "run" | "test");
    let [first, rest @ ..] = &arguments[..] else { return command };
    command.arg(first).args(builds(first).then_some("--locked")).args(rest);
    command.current_dir(root());
    command
}

/// The root of the repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// Where tools and downloads are kept from one clone to the next.
pub fn cache() -> PathBuf {
    if let Some(folder) = std::env::var_os("USHER_CACHE") {
        return folder.into();
    }
    match std::env::var_os("HOME") {
        Some(home) => Path::new(&home).join(".cache/usher"),
        None => target().join("cache"),
    }
}

/// Reads a file as text, with its name in the failure.
pub fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|cause| Failure::new(format!("{}: {cause}", file.display())))
}

/// Writes a file, with its name in the failure.
pub fn write(file: &Path, text: &str) -> Outcome {
    std::fs::write(file, text).map_err(|cause| Failure::new(format!("{}: {cause}", file.display())))
}

fn not_started(command: &Command, cause: &io::Error) -> Failure {
    Failure::new(format!("can't start `{}`: {cause}", command.get_program().to_string_lossy()))
}

/// A command as somebody would type it.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    format!("`{}`", words.join(" "))
}
