//! Which keys are this store's, and what of it is sealed with them.
//!
//! The store remembers the name of its newest keys, which tells nothing of them, and where they
//! lie. So a file that is gone is told from a store that never had one, and another's from its own.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use usher_rules::{
    secret::Secret,
    session::{Keys, SignedIn},
    time::UnixTime,
};

use super::{
    OpenError, Store, StoreFailure, accounts, checksum, directory, id_token_keys,
    key_file::{self, KEY_FILE, KeyFileError, KeySet, random},
    open, remembered, sessions,
};

/// Under which name the store remembers its keys.
const MARK: &str = "which keys";

/// The keys that a store is used with.
#[derive(Serialize, Deserialize)]
struct Mark {
    id: String,
    file: PathBuf,
}

impl Store {
    /// The keys that lie in `file`, or in the data directory; the newest first. The first call makes
    /// them, of what an earlier usher kept in the store itself where it did: it is moved over.
    ///
    /// Blocks for the disk: for the start, not for requests.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`]. Keys that could not be kept are not handed out, since they would sign
    /// everybody out at the next start.
    pub fn keys(
        &self,
        file: Option<&Path>,
        fresh: impl FnOnce() -> KeySet,
    ) -> Result<Vec<KeySet>, KeyFileError> {
        let file = file.map_or_else(|| self.dir().join(KEY_FILE), Path::to_owned);
        let _turn = self.turn()?;
        let db = open::connect_again(&self.file).map_err(StoreFailure::from)?;
        let mark = mark(&db)?;
        let keys = match (key_file::read(&file)?, mark) {
            (None, Some(Mark { file: before, .. })) => {
                return Err(KeyFileError::Gone { file, before });
            }
            (None, None) => {
                let mut keys = fresh();
                take_over(&db, &mut keys)?;
                key_file::write(&file, std::slice::from_ref(&keys))?;
                vec![keys]
            }
            (Some(keys), mark) => {
                let known = |mark: Mark| keys.iter().any(|set| set.id() == mark.id);
                // Between the file and the mark a process may have ended: then what is in the
                // store still is in the file.
                if !mark.map_or_else(|| is_moved(&db, &keys), |mark| Ok(known(mark)))? {
                    return Err(KeyFileError::Other { file });
                }
                keys
            }
        };
        remember(&db, &file, &keys)?;
        Ok(keys)
    }

    /// Makes new keys the first of the file. What the others signed and sealed counts until nobody
    /// is signed in by them. A server takes them up when it is started.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`]; nothing is changed then.
    pub fn rotate_keys(&self, fresh: impl FnOnce() -> KeySet) -> Result<PathBuf, KeyFileError> {
        let _turn = self.turn()?;
        let db = open::connect_again(&self.file).map_err(StoreFailure::from)?;
        let Mark { id, file } = mark(&db)?.ok_or(KeyFileError::NoneHere)?;
        let Some(mut keys) = key_file::read(&file)? else {
            return Err(KeyFileError::Gone { before: file.clone(), file });
        };
        if !keys.iter().any(|set| set.id() == id) {
            return Err(KeyFileError::Other { file });
        }
        keys.insert(0, fresh());
        key_file::write(&file, &keys)?;
        remember(&db, &file, &keys)?;
        Ok(file)
    }

    /// Forgets keys that are lost, so that the next start makes new ones.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::NotLost`] while they are there.
    pub fn forget_lost_keys(&self) -> Result<(), KeyFileError> {
        let _turn = self.turn()?;
        let db = open::connect_again(&self.file).map_err(StoreFailure::from)?;
        let Mark { file, .. } = mark(&db)?.ok_or(KeyFileError::NoneHere)?;
        if file.exists() {
            return Err(KeyFileError::NotLost { file });
        }
        db.execute("DELETE FROM remembered WHERE name = ?1", [MARK]).map_err(StoreFailure::from)?;
        Ok(())
    }

    /// Where the keys lie, if they are in a file.
    ///
    /// # Errors
    ///
    /// [`StoreFailure`].
    pub fn key_file(&self) -> Result<Option<PathBuf>, StoreFailure> {
        let db = open::connect_again(&self.file)?;
        Ok(mark(&db)?.map(|mark| mark.file))
    }

    /// Does the store hold something that nothing seals, as an earlier usher kept it?
    pub(super) fn holds_unsealed(&self) -> Result<bool, StoreFailure> {
        let db = open::connect_again(&self.file)?;
        let any = "SELECT EXISTS (SELECT 1 FROM secrets) \
                   OR EXISTS (SELECT 1 FROM second_factors WHERE body LIKE '{%')";
        Ok(db.query_row(any, [], |row| row.get(0))?)
    }

    /// From now on what is secret is sealed with these keys; what earlier ones sealed, or nobody, is
    /// sealed anew, all of it or nothing.
    ///
    /// # Errors
    ///
    /// [`StoreFailure`]; a second call changes nothing.
    pub fn seal_with(&self, keys: Arc<Keys>) -> Result<(), StoreFailure> {
        let db = open::connect_again(&self.file)?;
        db.execute_batch("BEGIN IMMEDIATE")?;
        accounts::reseal(&db, &keys)?;
        id_token_keys::reseal(&db, &keys)?;
        let older = |known: &SignedIn| resealed(&keys, known).is_some();
        let older = self.sessions.meant(|facts| facts.is_sealed, older);
        let known = older.iter().map(|live| live.newest());
        let anew: Vec<_> =
            known.filter_map(|known| Some((resealed(&keys, &known)?, known))).collect();
        for (session, _) in &anew {
            sessions::update(&db, session)?;
        }
        db.execute_batch("COMMIT")?;
        if db.total_changes() > 0 {
            forget_log(&db)?;
        }
        for (session, known) in anew {
            self.sessions.renew(&known, session); // nobody asks for any yet
        }
        let _only_the_first_counts = self.sealing.set(keys);
        Ok(())
    }

    /// The keys that are used here seal since now, or since what the file says. Earlier ones go once
    /// nobody is signed in who was so before.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`]; the file is as it was then.
    pub fn settle_keys(&self, used: &[KeySet], now: UnixTime) -> Result<(), KeyFileError> {
        let (Some(file), Some(newest)) = (self.key_file()?, used.first()) else { return Ok(()) };
        let _turn = self.turn()?;
        let mut keys = key_file::read(&file)?.unwrap_or_default();
        let several = keys.len() > 1;
        // Newer ones may have been made since these were read: the next start settles those.
        let Some(first) = keys.first_mut().filter(|first| first.id() == newest.id()) else {
            return Ok(());
        };
        match first.since {
            None => first.since = Some(now),
            Some(since) if several => {
                // A second may have had both a session of the earlier ones and the new start.
                if self.sessions.any(|facts| facts.issued_at <= since) {
                    return Ok(());
                }
                keys.truncate(1);
            }
            Some(_) => return Ok(()),
        }
        Ok(key_file::write(&file, &keys)?)
    }

    pub(super) fn dir(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("."))
    }

    /// One process at a time changes the key file.
    pub(super) fn turn(&self) -> Result<File, OpenError> {
        let lock = self.dir().join(open::LOCK);
        let turn = directory::new_file(self.dir(), &lock)?;
        turn.lock().map_err(|source| OpenError::io(&lock, source))?;
        Ok(turn)
    }
}

fn resealed(keys: &Keys, who: &SignedIn) -> Option<SignedIn> {
    let nonces = [random().ok()?, random().ok()?];
    let session = keys.resealed_session(&who.session, nonces)?;
    Some(SignedIn { session, person: who.person.clone() })
}

fn mark(db: &Connection) -> Result<Option<Mark>, StoreFailure> {
    let Some(value) = remembered::find(db, MARK)? else { return Ok(None) };
    let corrupt = |error| StoreFailure::Corrupt { what: format!("its keys' name: {error}").into() };
    serde_json::from_slice(&value).map(Some).map_err(corrupt)
}

/// The keys are in the file: the store keeps their name and nothing else of them.
fn remember(db: &Connection, file: &Path, keys: &[KeySet]) -> Result<(), StoreFailure> {
    let Some(newest) = keys.first() else { return Ok(()) };
    let mark = Mark { id: newest.id(), file: std::path::absolute(file).unwrap_or(file.into()) };
    db.execute_batch("BEGIN IMMEDIATE")?;
    let moved = db.execute("DELETE FROM secrets", [])?;
    keep_mark(db, &mark)?;
    db.execute_batch("COMMIT")?;
    if moved > 0 {
        forget_log(db)?;
    }
    Ok(())
}

/// What was taken out of the store is not in its log either.
fn forget_log(db: &Connection) -> Result<(), StoreFailure> {
    Ok(db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
}

/// The keys lie in another place from now on.
pub(super) fn lie_in(db: &Connection, file: &Path) -> Result<(), StoreFailure> {
    let Some(Mark { id, file: _ }) = mark(db)? else { return Ok(()) };
    keep_mark(db, &Mark { id, file: std::path::absolute(file).unwrap_or(file.into()) })
}

fn keep_mark(db: &Connection, mark: &Mark) -> Result<(), StoreFailure> {
    let value = serde_json::to_vec(mark)
        .map_err(|error| StoreFailure::Unexpected { what: error.to_string().into() })?;
    remembered::keep(db, MARK, &value)
}

/// Puts what an earlier usher kept in the store in the place of what is fresh.
fn take_over(db: &Connection, keys: &mut KeySet) -> Result<(), StoreFailure> {
    let KeySet { shared, cookie, signing, since: _ } = keys;
    for (name, place) in
        [("shared_secret", shared), ("cookie_secret", cookie), ("signing_key", signing)]
    {
        if let Some(kept) = find(db, name)? {
            *place = kept;
        }
    }
    Ok(())
}

/// Is all that an earlier usher kept in the store in the file?
fn is_moved(db: &Connection, keys: &[KeySet]) -> Result<bool, StoreFailure> {
    let Some(KeySet { shared, cookie, signing, since: _ }) = keys.first() else { return Ok(false) };
    let mut all = true;
    for (name, in_file) in
        [("shared_secret", shared), ("cookie_secret", cookie), ("signing_key", signing)]
    {
        all &= find(db, name)?.is_none_or(|kept| kept.same_as(in_file.expose()));
    }
    Ok(all)
}

/// Reads every secret that is still in the store and forgets it: a damaged one must be found at the
/// start.
pub(super) fn check(db: &Connection) -> Result<(), StoreFailure> {
    let mut query = db.prepare("SELECT name FROM secrets")?;
    let names = query.query_map([], |row| row.get::<_, String>(0))?;
    for name in names {
        find(db, &name?)?;
    }
    Ok(())
}

fn find(db: &Connection, name: &str) -> Result<Option<Secret>, StoreFailure> {
    let row = db
        .query_row("SELECT value, checksum FROM secrets WHERE name = ?1", [name], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((value, written)) = row else { return Ok(None) };
    checksum::check("secrets", written, &[name.as_bytes(), &value])?;
    Ok(Some(Secret::new(value)))
}

/// As an earlier usher kept it.
#[cfg(test)]
pub(super) fn keep(db: &Connection, name: &str, value: &[u8]) {
    let sum = checksum::of(&[name.as_bytes(), value]);
    let insert = "INSERT INTO secrets (name, value, checksum) VALUES (?1, ?2, ?3)";
    db.execute(insert, rusqlite::params![name, value, sum]).unwrap();
}
