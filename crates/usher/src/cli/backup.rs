//! `usher backup` and `usher restore`.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use usher_rules::{secret::Secret, time::Clock as _};
use zeroize::Zeroizing;

use super::{config_of, data_dir::DataDir, dir_of, service};
use crate::{
    certs::acme::AcmeClient,
    reload::{Loaded, Source, environment, load},
    request::record::moment,
    server::SystemClock,
    store::{self, BackupError, DecisionFile, KeysOfBackup, Protection, Store, Work},
};

/// Copy what usher keeps into one file, also while it runs.
///
/// With a passphrase everything is in it: people, sessions, keys, certificates and accounts at
/// authorities. Without, the store alone, which opens nothing where the keys are not. What lies
/// outside the data directory (`autocert_dir`, the config and its files) and decisions are in neither;
/// what of that there is to copy as well is said.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("protection").required(true))]
pub struct BackupArgs {
    /// The file to make; nobody else can read it
    pub file: PathBuf,
    /// Seal it with the passphrase that stands in this file, 12 octets or more
    #[arg(long, value_name = "FILE", group = "protection")]
    pub passphrase_file: Option<PathBuf>,
    /// Do not seal it, and leave out keys and certificates
    #[arg(long, group = "protection")]
    pub without_keys: bool,
    /// Config that says what lies elsewhere
    /// [default: the one of the usher that runs, else /etc/usher/config.yaml]
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where usher keeps its data.
    #[command(flatten)]
    pub dir: DataDir,
}

/// Put a backup in the place of what usher keeps.
///
/// All of it is checked first; usher must not run. What was there is moved into a folder beside it.
#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// What `usher backup` made
    pub file: PathBuf,
    /// The passphrase that it was sealed with stands in this file
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Where usher keeps its data.
    #[command(flatten)]
    pub dir: DataDir,
}

/// Exit status: 0 done, 2 it could not be done.
pub fn back_up(args: &BackupArgs) -> ExitCode {
    let dir = match dir_of(&args.dir) {
        Ok(dir) => dir,
        Err(code) => return code,
    };
    service::tell_of_another(&dir);
    told(backed_up(args, &dir))
}

fn backed_up(args: &BackupArgs, dir: &Path) -> Result<String, Failure> {
    let passphrase = args.passphrase_file.as_deref().map(passphrase).transpose()?;
    let protection = match &passphrase {
        Some(passphrase) => Protection::Sealed(passphrase, Work::USUAL),
        None => Protection::WithoutKeys,
    };
    if !dir.exists() {
        return Err(Failure::Nothing(dir.to_owned()));
    }
    let store = Store::open(dir).map_err(BackupError::from)?;
    store.back_up(&args.file, protection, SystemClock.now().wall)?;
    let file = args.file.display();
    let mut said = match protection {
        Protection::Sealed(..) => {
            format!("{file} holds everything; without the passphrase it is worth nothing")
        }
        Protection::WithoutKeys => format!(
            "{file} holds people and sessions, not the keys and certificates: keep usher.keys \
             elsewhere, without it everybody signs in again"
        ),
    };
    if let Some(config) = config_of(args.config.as_ref(), dir) {
        said.push_str(&elsewhere(&config, dir));
    }
    Ok(said)
}

/// What an operator who relies on the backup has yet to copy.
fn elsewhere(config: &Path, dir: &Path) -> String {
    let environment = environment();
    let loaded = load(Source::File { path: config, environment: &environment });
    let shown = config.display();
    let Ok(Loaded { plan, .. }) = loaded else {
        return format!(
            "\nnot in it: {shown}, which can't be read to say what else lies elsewhere"
        );
    };
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let certificates = plan.autocert.as_ref().map(|_| AcmeClient::folder(&plan, dir));
    let apart = certificates.filter(|folder| !real(folder).starts_with(real(dir)));
    let apart = apart.map(|folder| format!(", {} (autocert_dir)", folder.display()));
    let decisions = !matches!(DecisionFile::read(dir), Ok(kept) if kept.is_empty());
    let decisions = decisions.then(|| {
        let files = dir.join("decisions*.jsonl");
        format!(", decisions on record ({})", files.display())
    });
    let (apart, decisions) = (apart.unwrap_or_default(), decisions.unwrap_or_default());
    format!(
        "\nnot in it: {shown} and its files{apart}{decisions}: copy what you need of them as well"
    )
}

/// Exit status: 0 done, 2 it could not be done, and nothing is changed.
pub fn restore(args: &RestoreArgs) -> ExitCode {
    let dir = match dir_of(&args.dir) {
        Ok(dir) => dir,
        Err(code) => return code,
    };
    told(restored(args, &dir))
}

fn restored(args: &RestoreArgs, dir: &Path) -> Result<String, Failure> {
    let passphrase = args.passphrase_file.as_deref().map(passphrase).transpose()?;
    let now = SystemClock.now().wall;
    let restored = store::restore(&args.file, dir, passphrase.as_ref(), now)?;
    let mut said = format!("{} is as it was at {}", dir.display(), moment(restored.made_at));
    if let Some(replaced) = restored.replaced {
        said.push_str(&format!("; what was there is in {}", replaced.display()));
    }
    if restored.keys == KeysOfBackup::Elsewhere {
        said.push_str("; keys and certificates are not in this backup, those that were here stay");
    }
    Ok(said)
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error("can't read {}: {source}", file.display())]
    Passphrase { file: PathBuf, source: io::Error },
    #[error("there is no {}", .0.display())]
    Nothing(PathBuf),
}

/// What stands in the file, without the end of its line.
fn passphrase(file: &Path) -> Result<Secret, Failure> {
    let refused = |source| Failure::Passphrase { file: file.to_owned(), source };
    let text = Zeroizing::new(fs::read(file).map_err(refused)?);
    Ok(Secret::new(text.trim_ascii_end()))
}

fn told(outcome: Result<String, Failure>) -> ExitCode {
    let (told, code) = match outcome {
        Ok(said) => (writeln!(io::stdout(), "{said}"), ExitCode::SUCCESS),
        Err(failure) => {
            let hint = match &failure {
                Failure::Backup(error) => error.hint(),
                Failure::Passphrase { .. } => "write the passphrase into it, chmod 600".into(),
                Failure::Nothing(_) => "say where usher keeps its data: --data-dir DIR".into(),
            };
            let told = writeln!(io::stderr(), "error: {failure}\nhint: {hint}");
            (told, ExitCode::from(2))
        }
    };
    drop(told); // nowhere is left to say that the output is closed
    code
}
