//! Keys of ours that were made once and are kept.

use rusqlite::{Connection, OptionalExtension, params};
use usher_rules::secret::Secret;

use super::{Store, StoreFailure, checksum, open};

impl Store {
    /// The secret of that name. The first call makes it; every later one, in this process or
    /// another, gets the same.
    ///
    /// Blocks for the disk: for the start, not for requests.
    ///
    /// # Errors
    ///
    /// [`StoreFailure`]; a secret that could not be kept is not handed out, since it would sign
    /// everybody out at the next start.
    pub fn secret(
        &self,
        name: &str,
        make: impl FnOnce() -> Secret,
    ) -> Result<Secret, StoreFailure> {
        let db = open::connect_again(&self.file)?;
        db.execute_batch("BEGIN IMMEDIATE")?;
        let secret = match find(&db, name)? {
            Some(kept) => kept,
            None => keep(&db, name, make())?,
        };
        db.execute_batch("COMMIT")?;
        Ok(secret)
    }
}

/// Reads every secret and forgets it: a damaged one must be found at the start.
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

fn keep(db: &Connection, name: &str, secret: Secret) -> Result<Secret, StoreFailure> {
    let sum = checksum::of(&[name.as_bytes(), secret.expose()]);
    db.execute(
        "INSERT INTO secrets (name, value, checksum) VALUES (?1, ?2, ?3)",
        params![name, secret.expose(), sum],
    )?;
    Ok(secret)
}
