//! `usher keys`: the keys that usher made are replaced, and nobody is signed out by it.

use std::{io::Write, path::Path, process::ExitCode};

use super::{data_dir::DataDir, failure::tell, service_account::endless};
use crate::{
    server::{KeyFailure, fresh_keys},
    store::{Alone, KeyFileError, OpenError, ServedBy, Store, StoreFailure},
};

/// Replace the keys that usher made.
///
/// They sign cookies, links, ID tokens and what apps are told, and seal tokens. Keys that stand in the config
/// are replaced there: the new one as `shared_secret`, the old one as `shared_secret_previous`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where usher keeps its data.
    #[command(flatten)]
    pub dir: DataDir,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with them.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub enum Command {
    /// Make new keys; the old ones count until nobody is signed in by them
    Rotate,
    /// Forget keys that are lost: everybody signs in again, and sets up codes of apps again
    StartOver,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    #[error(transparent)]
    Fresh(#[from] KeyFailure),
    #[error(transparent)]
    Store(#[from] StoreFailure),
    #[error("can't write the answer: {0}")]
    Output(#[from] std::io::Error),
}

/// Does it, in the store of `dir`.
///
/// Exit status: 0 done, 2 it could not be done, and nothing is changed.
pub fn run(
    command: Command,
    dir: &Path,
    output: &mut dyn Write,
    errors: &mut dyn Write,
) -> ExitCode {
    let Err(failure) = change(command, dir, output) else { return ExitCode::SUCCESS };
    let hint = match &failure {
        Failure::Open(error) => Some(error.hint()),
        Failure::Keys(error) => Some(error.hint()),
        Failure::Fresh(_) | Failure::Store(_) | Failure::Output(_) => None,
    };
    tell(errors, &failure, hint.as_deref());
    ExitCode::from(2)
}

/// Also where all other keys stand in the config: what signs ID tokens never does.
fn rotate(store: &Store, output: &mut dyn Write) -> Result<(), Failure> {
    let fresh = fresh_keys()?;
    let rotated = store.rotate_keys(|| fresh);
    let signs = match rotated {
        Ok(_) | Err(KeyFileError::NoneHere) => store.replace_id_token_key()?,
        Err(_) => false,
    };
    match rotated {
        Ok(file) => writeln!(output, "new keys are in {}; nobody is signed out", file.display())?,
        Err(KeyFileError::NoneHere) if signs => {}
        Err(failure) => return Err(failure.into()),
    }
    if signs {
        writeln!(output, "another key signs ID tokens; apps find the one before beside it")?;
    }
    Ok(())
}

fn change(command: Command, dir: &Path, output: &mut dyn Write) -> Result<(), Failure> {
    let store = Store::open(dir)?;
    match command {
        Command::Rotate => {
            rotate(&store, output)?;
            if let ServedBy::Server { pid, .. } = Alone::served_by(dir) {
                writeln!(output, "usher (process {pid}) takes them up when it is restarted")?;
            }
            let endless = endless(&store);
            if !endless.is_empty() {
                writeln!(
                    output,
                    "the old keys count as long as the tokens of these service accounts, which never \
                     end: {}; for each: usher service-account revoke NAME, and create it again",
                    endless.join(", ")
                )?;
            }
        }
        Command::StartOver => {
            store.forget_lost_keys()?;
            writeln!(output, "usher makes new keys when it is started")?;
        }
    }
    Ok(())
}
