//! What signs ID tokens for apps. It is kept sealed, and replaced when an operator says so; apps find
//! the one before beside it for as long as something that it signed is in use.

use rusqlite::Connection;
use usher_rules::{
    secret::Secret,
    session::{Keys, Purpose},
    time::UnixTime,
};

use super::{Store, StoreFailure, key_file::random, open, remembered};

/// Under which name the keys are kept, sealed: PEM, the newest first.
const NAME: &str = "openid signing key";
/// Under which name it is kept since when the newest signs, in Unix seconds, where there are several.
const SINCE: &str = "openid signing key since";
/// In the place of that moment: the next start makes another one.
const WANTED: &[u8] = b"wanted";

impl Store {
    /// What signs ID tokens, the newest key first; made by the first call, where none of the keys in
    /// force opens what is there, and where another is [wanted](Self::replace_id_token_key). Earlier
    /// ones go once nobody is signed in who was so before. Blocks for the disk, after
    /// [`Store::seal_with`].
    ///
    /// # Errors
    ///
    /// [`StoreFailure`]. A key that could not be kept is not handed out.
    pub fn id_token_keys(
        &self,
        now: UnixTime,
        fresh: impl FnOnce() -> Secret,
    ) -> Result<Secret, StoreFailure> {
        let unsealed = || StoreFailure::Unexpected { what: "nothing seals here yet".into() };
        let keys = self.sealing.get().ok_or_else(unsealed)?;
        let db = open::connect_again(&self.file)?;
        db.execute_batch("BEGIN IMMEDIATE")?;
        let since = remembered::find(&db, SINCE)?;
        let (next, since) = match (opened(&db, keys)?, since.as_deref()) {
            (None, _) => (fresh(), None),
            (Some(kept), Some(WANTED)) => {
                let all = [fresh().expose(), kept.expose()].concat();
                (Secret::new(all), Some(now))
            }
            (Some(kept), Some(since)) if self.is_of_nobody(since, now) => (newest(&kept), None),
            (Some(kept), _) => return Ok(kept),
        };
        let sealed = keys.seal(Purpose::OpenId, NAME.as_bytes(), next.expose(), random()?);
        remembered::keep(&db, NAME, sealed.as_bytes())?;
        match since {
            Some(since) => {
                remembered::keep(&db, SINCE, since.seconds().to_string().as_bytes())?;
            }
            None => drop(db.execute("DELETE FROM remembered WHERE name = ?1", [SINCE])?),
        }
        db.execute_batch("COMMIT")?;
        Ok(next)
    }

    /// Has another key sign ID tokens from the next start on; `false` where there is none yet.
    ///
    /// # Errors
    ///
    /// [`StoreFailure`]; nothing is changed then.
    pub fn replace_id_token_key(&self) -> Result<bool, StoreFailure> {
        let db = open::connect_again(&self.file)?;
        db.execute_batch("BEGIN IMMEDIATE")?;
        let is_there = remembered::find(&db, NAME)?.is_some();
        if is_there {
            remembered::keep(&db, SINCE, WANTED)?;
        }
        db.execute_batch("COMMIT")?;
        Ok(is_there)
    }

    /// Is nobody signed in who may have got a token by a key from before `since`? An app shows it
    /// again when its person signs out (`id_token_hint`), however long it is over.
    fn is_of_nobody(&self, since: &[u8], now: UnixTime) -> bool {
        let since = std::str::from_utf8(since).ok().and_then(|since| since.parse().ok());
        since.map(UnixTime::from_seconds).is_some_and(|since| {
            now > since
                && !self.sessions.any(|facts| !facts.is_of_program && facts.issued_at <= since)
        })
    }
}

/// Also where no config asks for it now: the key that sealed it may be about to go.
pub(super) fn reseal(db: &Connection, keys: &Keys) -> Result<(), StoreFailure> {
    let Some(sealed) = remembered::find(db, NAME)? else { return Ok(()) };
    let sealed = String::from_utf8_lossy(&sealed);
    match keys.resealed(Purpose::OpenId, NAME.as_bytes(), &sealed, random()?) {
        Some(anew) => remembered::keep(db, NAME, anew.as_bytes()),
        None => Ok(()),
    }
}

fn opened(db: &Connection, keys: &Keys) -> Result<Option<Secret>, StoreFailure> {
    let sealed = remembered::find(db, NAME)?;
    Ok(sealed.and_then(|sealed| {
        let sealed = std::str::from_utf8(&sealed).ok()?;
        keys.open(Purpose::OpenId, NAME.as_bytes(), sealed).ok().map(Secret::new)
    }))
}

/// The first of the keys.
fn newest(all: &Secret) -> Secret {
    const BEGIN: &str = "-----BEGIN";
    let second = all
        .expose_str()
        .and_then(|text| text.match_indices(BEGIN).nth(1).and_then(|(at, _)| text.get(..at)));
    Secret::new(second.map_or(all.expose(), str::as_bytes))
}
