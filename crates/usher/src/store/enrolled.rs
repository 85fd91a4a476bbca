//! Enrolled devices: on the disk, and what of them counts in the index beside the sessions.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use usher_rules::{
    enrolment::{EnrolledDevice, EnrolledDevices, Ids, MOST_DEVICES},
    people::{BoxFuture, PeopleError, UnixTimeSeconds},
    plan::BUILTIN,
};

use super::{Store, StoreFailure, checksum, index::KnownDevices};

impl EnrolledDevices for Store {
    fn enrol(&self, new: EnrolledDevice, ids: Ids) -> BoxFuture<'_, Result<bool, PeopleError>> {
        let add = move |db: &Connection| {
            let removed = "SELECT 1 FROM removed_people WHERE id = ?1";
            let is_ours = *new.provider == *BUILTIN;
            if is_ours && db.prepare_cached(removed)?.exists([&new.owner])? {
                return Ok(false);
            }
            let same_id = of_owner(db, &new.owner)?;
            // What they neither see nor can remove takes no place of theirs.
            let is_own = |kept: &&EnrolledDevice| kept.is_of(&new.owner, &new.provider, ids);
            let own = same_id.iter().filter(is_own).count();
            if find(db, &new.key.id)?.is_some() || own >= MOST_DEVICES {
                return Ok(false);
            }
            write(db, &new).map(|()| true)
        };
        Box::pin(async move { Ok(self.change_devices(add).await?) })
    }

    fn enrolled_by<'a>(
        &'a self,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<Vec<EnrolledDevice>, PeopleError>> {
        let owner: Box<str> = owner.into();
        Box::pin(async move { Ok(self.writer.read(move |db| of_owner(db, &owner)).await?) })
    }

    fn all_enrolled(&self) -> BoxFuture<'_, Result<Vec<EnrolledDevice>, PeopleError>> {
        Box::pin(async move { Ok(self.writer.read(everybodys).await?) })
    }

    fn proven<'a>(
        &'a self,
        before: &'a EnrolledDevice,
        counter: u32,
        at: UnixTimeSeconds,
    ) -> BoxFuture<'a, Result<bool, PeopleError>> {
        let (id, was) = (before.key.id.clone(), before.key.counter);
        let provider = before.provider.clone();
        let note = move |db: &Connection| {
            let Some(mut kept) = find(db, &id)?.filter(|kept| kept.key.counter == was) else {
                return Ok(false);
            };
            kept.key.counter = counter;
            kept.used_at = Some(at);
            if kept.provider.is_empty() {
                kept.provider = provider.clone();
            }
            write(db, &kept).map(|()| true)
        };
        // What counts of it is as before: no other row is read, and no session looked at.
        Box::pin(async move { Ok(self.writer.write(note, |was_there| was_there).await?) })
    }

    fn approve<'a>(
        &'a self,
        id: &'a str,
        at: UnixTimeSeconds,
    ) -> BoxFuture<'a, Result<bool, PeopleError>> {
        let id: Box<str> = id.into();
        let approve = move |db: &Connection| {
            let Some(mut kept) = find(db, &id)? else { return Ok(false) };
            kept.approved_at.get_or_insert(at);
            write(db, &kept).map(|()| true)
        };
        Box::pin(async move { Ok(self.change_devices(approve).await?) })
    }

    fn remove_enrolled<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, PeopleError>> {
        let id: Box<str> = id.into();
        let work = move |db: &Connection| {
            let mut delete = db.prepare_cached("DELETE FROM enrolled_devices WHERE id = ?1")?;
            let was_there = delete.execute([&id])? > 0;
            Ok((was_there, known(db)?))
        };
        let index = Arc::clone(&self.sessions);
        let settle = move |(was_there, devices)| {
            index.know_devices(devices);
            was_there
        };
        Box::pin(async move { Ok(self.writer.revoke(work, settle).await?) })
    }
}

impl Store {
    /// A change of the table, and what counts after it.
    async fn change_devices(
        &self,
        change: impl Fn(&Connection) -> Result<bool, StoreFailure> + Send + 'static,
    ) -> Result<bool, StoreFailure> {
        let work = move |db: &Connection| Ok((change(db)?, known(db)?));
        let index = Arc::clone(&self.sessions);
        let settle = move |(changed, devices)| {
            index.know_devices(devices);
            changed
        };
        self.writer.write(work, settle).await
    }
}

const COLUMNS: &str = "SELECT id, owner, body, checksum FROM enrolled_devices";

/// What counts as a device. It reads every row: one that the disk has changed is found at the start.
pub(super) fn known(db: &Connection) -> Result<KnownDevices, StoreFailure> {
    let all = everybodys(db)?;
    let credentials = all.iter().filter_map(|kept| kept.shown().credential);
    Ok(credentials.map(|credential| (credential.id.clone(), credential)).collect())
}

/// Whoever of ours is removed takes their devices along; another provider's person of that id keeps
/// theirs.
pub(super) fn forget_devices(db: &Connection, owner: &str) -> Result<(), StoreFailure> {
    let mut forget = db.prepare_cached("DELETE FROM enrolled_devices WHERE id = ?1")?;
    for kept in of_owner(db, owner)? {
        if ["", BUILTIN].contains(&&*kept.provider) {
            forget.execute([&kept.key.id])?;
        }
    }
    Ok(())
}

fn everybodys(db: &Connection) -> Result<Vec<EnrolledDevice>, StoreFailure> {
    let mut query = db.prepare_cached(COLUMNS)?;
    all(&mut query, [])
}

fn of_owner(db: &Connection, owner: &str) -> Result<Vec<EnrolledDevice>, StoreFailure> {
    let mut query = db.prepare_cached(&format!("{COLUMNS} WHERE owner = ?1"))?;
    all(&mut query, [owner])
}

fn find(db: &Connection, id: &str) -> Result<Option<EnrolledDevice>, StoreFailure> {
    let mut query = db.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
    query.query_row([id], |row| Ok(read(row))).optional()?.transpose()
}

fn all(
    query: &mut rusqlite::Statement<'_>,
    with: impl rusqlite::Params,
) -> Result<Vec<EnrolledDevice>, StoreFailure> {
    let mut rows = query.query(with)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    found.sort_by(|one, other| (one.added_at, &one.key.id).cmp(&(other.added_at, &other.key.id)));
    Ok(found)
}

fn write(db: &Connection, kept: &EnrolledDevice) -> Result<(), StoreFailure> {
    let body = serde_json::to_string(kept)
        .map_err(|error| StoreFailure::Unexpected { what: error.to_string().into() })?;
    let (id, owner) = (&kept.key.id, &kept.owner);
    let sum = checksum::of(&[id.as_bytes(), owner.as_bytes(), body.as_bytes()]);
    let write = "INSERT OR REPLACE INTO enrolled_devices (id, owner, body, checksum) \
                 VALUES (?1, ?2, ?3, ?4)";
    db.prepare_cached(write)?.execute(params![id, owner, body, sum])?;
    Ok(())
}

fn read(row: &rusqlite::Row<'_>) -> Result<EnrolledDevice, StoreFailure> {
    let (id, owner): (String, String) = (row.get(0)?, row.get(1)?);
    let (body, sum): (String, i64) = (row.get(2)?, row.get(3)?);
    let fields = [id.as_bytes(), owner.as_bytes(), body.as_bytes()];
    checksum::check("enrolled_devices", sum, &fields)?;
    serde_json::from_str(&body)
        .map_err(|error| StoreFailure::Corrupt { what: format!("a device: {error}").into() })
}
