//! What is shipped: a build that knows where the time of a served request is spent.

use std::{
    ffi::OsString,
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    profiled::Found,
    shell::{Failure, Log, Outcome, cargo, output, read, root, target, write},
};

/// What was counted while usher served: which branches are taken, what is called from where.
const PROFILE: &str = "bench/usher.profdata";
/// The compiler that it was counted with. Functions are found by their names, and those hold its
/// version and the machine that it runs on: what another one compiles has none of them.
const COMPILER: &str = "bench/usher.rustc";

/// What was built.
pub struct Built {
    /// The program.
    pub usher: PathBuf,
    /// By all that was counted, and not in part as without it.
    pub by_counts: bool,
}

/// Builds usher by the profile, or without it where it was counted with another compiler.
pub fn build(log: &mut Log) -> Result<Built, Failure> {
    let profile = root().join(PROFILE);
    let counted = fs::read(&profile).map_err(|cause| {
        let cure = "get it back, or `cargo xtask dist --train`";
        Failure::new(format!("{PROFILE}: {cause}: {cure}"))
    })?;
    if read(&root().join(COMPILER))? != compiler()? {
        println!(
            "{PROFILE} was counted with another compiler ({COMPILER}): built without it, which \
             makes a slower program. `cargo xtask dist --train` counts with this one."
        );
        return Ok(Built { usher: usher("shipped", None, log)?, by_counts: false });
    }
    // Named by what is in it: another profile is another flag, and all is built anew.
    let mut digest = DefaultHasher::new();
    counted.hash(&mut digest);
    let folder = target().join("shipped");
    let copy = folder.join(format!("{:016x}.profdata", digest.finish()));
    // One that is written again is newer than what was built by it, and all is built anew.
    if !fs::read(&copy).is_ok_and(|there| there == counted) {
        let copied = fs::create_dir_all(&folder).and_then(|()| fs::write(&copy, &counted));
        copied.map_err(|cause| Failure::new(format!("{}: {cause}", copy.display())))?;
    }
    let usher = usher("shipped", Some(("-Cprofile-use=", &copy)), log)?;
    let built = fs::read(&usher);
    let built = built.map_err(|cause| Failure::new(format!("{}: {cause}", usher.display())))?;
    let complaint = Found::new(&counted, &built).complaint();
    let by_counts = complaint.is_none();
    if let Some(complaint) = complaint {
        println!("{PROFILE}: {complaint}");
    }
    Ok(Built { usher, by_counts })
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
        let usher = usher("counting", Some(("-Cprofile-generate=", &counted)), log)?;
        Ok(Self { usher, counted, merge })
    }

    /// Keeps what it has counted, and then with which compiler: one that fails leaves no word of a
    /// compiler beside what another one counted.
    pub fn keep(&self, log: &mut Log) -> Outcome {
        log.command(
            "merge",
            Command::new(&self.merge)
                .args(["merge", "--sparse", "--output"])
                .arg(root().join(PROFILE))
                .arg(&self.counted),
        )?;
        write(&root().join(COMPILER), &compiler()?)
    }
}

/// In a folder of its own, beside what other builds have: with another flag all is built anew. With
/// a target named, what runs while it builds is built without it. Flags of the caller's stand before it.
fn usher(folder: &str, option: Option<(&str, &Path)>, log: &mut Log) -> Result<PathBuf, Failure> {
    let (triple, folder) = (host()?, target().join(folder));
    let title = option.map_or("build".into(), |(name, _)| format!("build ({name}…)"));
    let mut build = cargo(["build", "--profile", "dist", "--no-default-features"]);
    build.args(["--package=usher", "--target", &triple, "--target-dir"]).arg(&folder);
    if let Some((name, file)) = option {
        build.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags(name, file));
    }
    log.command(&title, &mut build)?;
    let (built, usher) = (folder.join(triple).join("dist/usher"), folder.join("usher"));
    let copied = fs::copy(&built, &usher);
    copied.map_err(|cause| Failure::new(format!("{}: {cause}", usher.display())))?;
    Ok(usher)
}

/// The caller's flags and this one, as cargo reads them: a path may have spaces in it.
fn flags(name: &str, file: &Path) -> OsString {
    let theirs = std::env::var_os("RUSTFLAGS").unwrap_or_default();
    let theirs = theirs.to_string_lossy();
    let mut flags: OsString = theirs.split_whitespace().fold(OsString::new(), |mut all, flag| {
        all.push(flag);
        all.push("\u{1f}");
        all
    });
    flags.push(name);
    flags.push(file);
    // Functions that have changed since are built as without it: no word for each of them.
    flags.push("\u{1f}-Cllvm-args=-no-pgo-warn-mismatch");
    flags
}

/// What the compiler says of itself.
fn compiler() -> Result<String, Failure> {
    output(Command::new("rustc").arg("-vV").current_dir(root()))
}

/// The machine that builds, as the compiler calls it.
fn host() -> Result<String, Failure> {
    let said = compiler()?;
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
