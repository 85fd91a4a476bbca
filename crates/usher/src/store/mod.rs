//! What outlives the process: sessions, people and our own keys, in one SQLite file.
//!
//! ```text
//!  request ── find ──▶ index (memory) ◀── settle ──┐
//!  signin ─┐                                       │
//!  idp ────┼── job ──▶ writer (one thread) ──▶ usher.sqlite3 ◀── `usher people` (another process)
//!  server ─┘                    ▲                  │
//!                            follow ◀── changed? ──┘
//! ```
//!
//! - An answer means that it is durable: write-ahead log, `synchronous=FULL`, one commit for the
//!   changes that come together. `kill -9` at any moment loses nothing that was answered.
//! - A session that ends is gone from memory first, so that no new request finds it; then what
//!   runs under it is told; then the disk.
//! - A full disk refuses sign-ins; what takes something away has some space put by. An end that
//!   the disk refuses all the same (read-only) holds in memory, is an error to whoever asked, and
//!   is tried again by every [`Store::sweep`]; only a restart before that would undo it.
//! - Whatever is wrong at the start is an [`OpenError`] that says what to do. A damaged or
//!   missing store is never replaced by an empty one: that would look like "everybody removed".
//! - A session that was read from the disk lies packed in the index until somebody asks about it.
//! - Another process may change the store at any time. [`Store::follow`] sees it within about a
//!   second: sessions that are gone from the disk end here.
//!
//! # What protects it
//!
//! The mode of the directory (nobody else may write to it) and of the file (nobody else may open
//! it). Whoever takes a copy all the same can make no session of it: the keys lie in a file of their
//! own (`usher.keys`, or where `key_file` says) or in the config, and what would open something
//! elsewhere is sealed with them: providers' tokens, what apps make their codes of. Passwords are
//! argon2id hashes, links digests, passkeys public keys.

mod accounts;
mod app_password_rows;
mod app_passwords;
mod backup;
mod checksum;
mod decision_file;
mod directory;
mod dormant;
mod ended_apps;
mod enrolled;
mod error;
mod grants;
mod id_token_keys;
mod in_force;
mod index;
mod key_file;
mod keys;
mod logouts;
mod members;
mod open;
mod packed;
mod remembered;
mod reserve;
mod seconds;
mod sessions;
mod slot;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, atomic::AtomicUsize},
    time::Duration,
};

pub use backup::{BackupError, Keys as KeysOfBackup, Protection, Restored, Work, restore};
pub use decision_file::DecisionFile;
pub use directory::{Alone, ServedBy};
pub use error::{OpenError, StoreFailure};
pub use in_force::{InForce, RefusedConfig};
pub use key_file::{KEY_FILE, KeyFileError, KeySet, read as read_keys};
pub use sessions::{LONGEST_SESSION, MOST_PER_PERSON};

use crate::request::{Panicked, identify::UsedHere};
use index::Index;
use reserve::Reserve;
use usher_rules::{jellyfin::EndedApp, plan::MOST_SESSIONS, session::Keys};
use writer::Writer;

/// How often we look for what other processes did.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The store of one data directory. Dropping it finishes what was asked and closes the file.
pub struct Store {
    file: PathBuf,
    reserve: Reserve,
    sessions: Arc<Index>,
    /// Which version of the disk they are of, as this connection tells it.
    opened_at: i64,
    /// As they were when it was opened.
    ended_apps: Vec<EndedApp>,
    most_sessions: AtomicUsize,
    used: UsedHere,
    writer: Writer,
    /// What seals what is secret; nothing before [`Store::seal_with`].
    sealing: OnceLock<Arc<Keys>>,
}

impl Store {
    /// Opens the data directory, or makes it, and takes every session into memory.
    ///
    /// # Errors
    ///
    /// [`OpenError`], one variant per cause, each with a hint.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Self::open_within(dir, open::PATIENCE)
    }

    fn open_within(dir: &Path, patience: Duration) -> Result<Self, OpenError> {
        let (db, file) = open::open(dir, patience)?;
        let sessions = Arc::new(Index::new());
        let opened_at = version(&db).map_err(|error| OpenError::of(&file, error.into()))?;
        check(&db, &sessions).map_err(|failure| OpenError::of(&file, failure))?;
        let ended_apps = ended_apps::load(&db).map_err(|failure| OpenError::of(&file, failure))?;
        let writer = Writer::start(db, Reserve::in_dir(dir))
            .map_err(|source| OpenError::io(&file, source))?;
        let reserve = Reserve::in_dir(dir);
        reserve.fill();
        let used = UsedHere::default();
        Ok(Self {
            file,
            reserve,
            sessions,
            opened_at,
            ended_apps,
            most_sessions: AtomicUsize::new(MOST_SESSIONS),
            used,
            writer,
            sealing: OnceLock::new(),
        })
    }

    /// How many sessions are in memory.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Whether space is put by, so that a sign-out can be written on a full disk.
    pub fn has_reserve(&self) -> bool {
        self.reserve.is_there()
    }

    /// Who hears of a job that panicked: it alone fails, and the store goes on.
    pub fn on_panic(&self, heard: impl Fn(&Panicked) + Send + Sync + 'static) {
        self.writer.on_panic(heard);
    }

    /// Whether the last read or write worked; for `/healthz` and the log.
    ///
    /// # Errors
    ///
    /// The [`StoreFailure`] of the last one, when it was the disk's fault.
    pub fn health(&self) -> Result<(), StoreFailure> {
        self.writer.health()
    }

    /// Follows what other processes do to the sessions on the disk, until the store is dropped.
    ///
    /// It holds the store only while it looks, so it keeps no file open. A look that fails is
    /// told by [`Store::health`] and tried again.
    pub fn follow(self: Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        let store = Arc::downgrade(&self);
        drop(self);
        async move {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut seen = None;
            loop {
                looks.tick().await;
                let Some(store) = store.upgrade() else { return };
                if let Ok(now) = store.look(seen.unwrap_or(store.opened_at)).await {
                    seen = Some(now);
                }
            }
        }
    }

    /// Makes memory follow the disk if another connection has changed it since `seen`
    /// (`PRAGMA data_version`); the version now.
    async fn look(&self, seen: i64) -> Result<i64, StoreFailure> {
        let index = Arc::clone(&self.sessions);
        let look = move |db: &rusqlite::Connection| {
            let now = version(db)?;
            if now != seen {
                sessions::follow(db, &index)?;
            }
            Ok(now)
        };
        self.writer.read(look).await
    }
}

fn version(db: &rusqlite::Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "data_version", |row| row.get(0))
}

/// Reads every row, so that one that the disk has changed is found now and not at 3 a.m.
fn check(db: &rusqlite::Connection, index: &Index) -> Result<(), StoreFailure> {
    members::list(db)?;
    accounts::check(db)?;
    grants::check(db)?;
    app_passwords::check(db)?;
    keys::check(db)?;
    index.know_devices(enrolled::known(db)?);
    sessions::load(db, index)
}
