//! Ctrl-C, or being told to end: what was started ends first, and folders are taken away.

use std::{
    fs,
    path::PathBuf,
    process,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    failure::Failure,
    process::{pause, tell_all},
};

/// What a shell says of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;
/// How often it is looked whether all have ended, after each telling.
const LOOKS: u32 = 100;

static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A folder for what a run writes; gone when this is dropped, and when the run is ended early.
pub fn folder() -> Result<TempDir, Failure> {
    let folder = tempfile::tempdir().map_err(Failure::io("a folder"))?;
    let mut folders = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
    folders.push(folder.path().into());
    Ok(folder)
}

/// From now on the signals that end a program end all that it started, too.
pub fn on_signals() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::io("signals"))?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        let one = |kind| signal(kind).map_err(Failure::io("signals"));
        (one(SignalKind::interrupt())?, one(SignalKind::terminate())?)
    };
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        end();
    });
    Ok(())
}

fn end() {
    for word in ["-TERM", "-KILL"] {
        for _ in 0..LOOKS {
            if tell_all(word) == 0 {
                break;
            }
            pause(Duration::from_millis(20));
        }
    }
    let folders = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
    for folder in &*folders {
        let _may_be_gone = fs::remove_dir_all(folder);
    }
    process::exit(INTERRUPTED);
}
