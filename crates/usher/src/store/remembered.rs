//! What was learnt elsewhere, kept for the day on which nobody tells it.

use rusqlite::{Connection, OptionalExtension, params};
use usher_rules::people::BoxFuture;

use super::{Store, StoreFailure, checksum};
use crate::request::{Remembered, identify::StoreError};

impl Remembered for Store {
    fn recall<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        let name = name.to_owned();
        Box::pin(async move { Ok(self.writer.read(move |db| find(db, &name)).await?) })
    }

    fn remember<'a>(
        &'a self,
        name: &'a str,
        value: &'a [u8],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (name, value) = (name.to_owned(), value.to_vec());
        let keep = move |db: &Connection| keep(db, &name, &value);
        Box::pin(async move { Ok(self.writer.write(keep, |()| ()).await?) })
    }
}

pub(super) fn keep(db: &Connection, name: &str, value: &[u8]) -> Result<(), StoreFailure> {
    let sum = checksum::of(&[name.as_bytes(), value]);
    db.execute(
        "INSERT OR REPLACE INTO remembered (name, value, checksum) VALUES (?1, ?2, ?3)",
        params![name, value, sum],
    )?;
    Ok(())
}

pub(super) fn find(db: &Connection, name: &str) -> Result<Option<Vec<u8>>, StoreFailure> {
    let row = db
        .query_row("SELECT value, checksum FROM remembered WHERE name = ?1", [name], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((value, written)) = row else { return Ok(None) };
    checksum::check("remembered", written, &[name.as_bytes(), &value])?;
    Ok(Some(value))
}
