//! Rows of app passwords, for whoever reads them.

use rusqlite::{Connection, OptionalExtension};
use usher_rules::app_passwords::AppPassword;

use super::{StoreFailure, checksum};

/// What [`read`] takes.
pub(super) const COLUMNS: &str = "SELECT digest, body, checksum FROM app_passwords";

/// Has an app signed in with the password of this id?
pub(super) fn is_an_app_s(db: &Connection, id: &str) -> Result<bool, StoreFailure> {
    let mut query = db.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
    let found = query.query_row([id], |row| Ok(read(row))).optional()?.transpose()?;
    Ok(found.is_some_and(|found| found.app.is_some()))
}

pub(super) fn read(row: &rusqlite::Row<'_>) -> Result<AppPassword, StoreFailure> {
    let (digest, body, sum): (Vec<u8>, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    checksum::check("app_passwords", sum, &[&digest, body.as_bytes()])?;
    serde_json::from_str(&body)
        .map_err(|error| StoreFailure::Corrupt { what: format!("an app password: {error}").into() })
}
