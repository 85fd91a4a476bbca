//! What is shipped: a build that knows where the time of a served request is spent.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::shell::{Failure, Log, Outcome, cargo, output, root, target};

/// What was counted while usher served: which branches are taken, what is called from where.
const PROFILE: &str = "bench/usher.profdata";
/// Builds usher by the profile, and says where it lies.
pub fn build(log: &mut Log) -> Result<PathBuf, Failure> {
    let profile = root().join(PROFILE);
    if !profile.is_file() {
        let what = format!("{PROFILE} is not there: get it back, or `cargo xtask dist --train`");
        return Err(Failure::new(what));
    }
    usher("shipped", "-Cprofile-use=", &profile, log)
}

/// A build that counts.
pub struct Counting {
    /// The program.
    pub usher: PathBuf,
    /// Where each process of it writes what it has counted.
    counted: PathBuf,
    merge: PathBuf,
}

impl Counting {
    /// Builds one.
    pub fn build(log: &mut Log) -> Result<Self, Failure> {
        let (merge, counted) = (profdata()?, target().join("counted"));
        if counted.exists() {
            let gone = fs::remove_dir_all(&counted);
            gone.map_err(|cause| Failure::new(format!("{}: {cause}", counted.display())))?;
        }
        let usher = usher("counting", "-Cprofile-generate=", &counted, log)?;
        Ok(Self { usher, counted, merge })
    }

    /// Keeps what it has counted.
    pub fn keep(&self, log: &mut Log) -> Outcome {
        log.command(
            "merge",
            Command::new(&self.merge)
                .args(["merge", "--sparse", "--output"])
                .arg(root().join(PROFILE))
                .arg(&self.counted),
        )
    }
}

/// In a folder of its own, beside what other builds have: with another option all is built anew.
/// With a target named, what runs while it builds is built without it.
fn usher(folder: &str, option: &str, file: &Path, log: &mut Log) -> Result<PathBuf, Failure> {
    let (triple, folder) = (host()?, target().join(folder));
    let mut flags = OsString::from(option);
    flags.push(file);
    log.command(
        &format!("build ({option}…)"),
        cargo(["build", "--profile", "dist", "--no-default-features", "--package=usher"])
            .args(["--target", &triple, "--target-dir"])
            .arg(&folder)
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env("RUSTFLAGS", flags),
    )?;
    let (built, usher) = (folder.join(triple).join("dist/usher"), folder.join("usher"));
    let copied = fs::copy(&built, &usher);
    copied.map_err(|cause| Failure::new(format!("{}: {cause}", usher.display())))?;
    Ok(usher)
}

/// The machine that builds, as the compiler calls it.
fn host() -> Result<String, Failure> {
    let said = output(Command::new("rustc").arg("-vV").current_dir(root()))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::new("rustc -vV names no host"))
}

/// The compiler's own program for what was counted: another one reads another format.
fn profdata() -> Result<PathBuf, Failure> {
    let library = ["--print", "target-libdir"];
    let said = output(Command::new("rustc").args(library).current_dir(root()))?;
    let program = Path::new(said.trim()).with_file_name("bin").join("llvm-profdata");
    if program.is_file() {
        return Ok(program);
    }
    Err(Failure::new("llvm-profdata is not there: rustup component add llvm-tools"))
}
