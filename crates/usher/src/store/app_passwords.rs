//! App passwords, on the disk only: one is looked up when no session of it is in memory.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use usher_rules::{
    app_passwords::{AppOnDevice, AppPassword, AppPasswords, MOST_APP_PASSWORDS},
    people::{BoxFuture, Member, PeopleError},
    session::SessionId,
};

use super::{
    Store, StoreFailure,
    app_password_rows::{COLUMNS, read},
    checksum, members,
};

impl AppPasswords for Store {
    fn add_app_password(
        &self,
        digest: [u8; 32],
        new: AppPassword,
    ) -> BoxFuture<'_, Result<bool, PeopleError>> {
        let add = move |db: &Connection| {
            let is_here = members::find_by_id(db, &new.owner)?.is_some();
            if !is_here || of_owner(db, &new.owner)?.len() >= MOST_APP_PASSWORDS {
                return Ok(false);
            }
            insert(db, digest, &new).map(|()| true)
        };
        Box::pin(async move { Ok(self.writer.write(add, |added| added).await?) })
    }

    fn app_passwords<'a>(
        &'a self,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<Vec<AppPassword>, PeopleError>> {
        let owner: Box<str> = owner.into();
        Box::pin(async move { Ok(self.writer.read(move |db| of_owner(db, &owner)).await?) })
    }

    fn app_password(
        &self,
        digest: [u8; 32],
    ) -> BoxFuture<'_, Result<Option<(AppPassword, Member)>, PeopleError>> {
        let find = move |db: &Connection| {
            let Some(found) = find(db, digest)? else { return Ok(None) };
            let owner = members::find_by_id(db, &found.owner)?;
            Ok(owner.map(|owner| (found, owner.member)))
        };
        Box::pin(async move { Ok(self.writer.read(find).await?) })
    }

    fn take_for_app(
        &self,
        digest: [u8; 32],
        app: AppOnDevice,
    ) -> BoxFuture<'_, Result<bool, PeopleError>> {
        Box::pin(async move {
            let work = move |db: &Connection| {
                let Some(found) = find(db, digest)? else { return Ok((false, None)) };
                if found.app.is_some() {
                    return Ok((found.is_open_to(&app), None));
                }
                update(db, digest, &AppPassword { app: Some(app.clone()), ..found.clone() })?;
                db.prepare_cached("DELETE FROM sessions WHERE id = ?1")?.execute([&found.id])?;
                Ok((true, SessionId::parse(&found.id)))
            };
            let index = Arc::clone(&self.sessions);
            let settle = move |(is_its, before): (bool, Option<SessionId>)| {
                let before: Vec<_> = before.into_iter().collect();
                index.end(&before);
                index.ended(&before);
                is_its
            };
            Ok(self.writer.write(work, settle).await?)
        })
    }

    fn end_app_password<'a>(
        &'a self,
        owner: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<bool, PeopleError>> {
        Box::pin(async move {
            let (owner, id): (Box<str>, Box<str>) = (owner.into(), id.into());
            let session: Vec<SessionId> = SessionId::parse(&id).into_iter().collect();
            let work = move |db: &Connection| {
                let mut delete =
                    db.prepare_cached("DELETE FROM app_passwords WHERE id = ?1 AND owner = ?2")?;
                let was_there = delete.execute(params![id, owner])? > 0;
                if was_there {
                    db.prepare_cached("DELETE FROM sessions WHERE id = ?1")?
                        .execute([id.as_ref()])?;
                }
                Ok(was_there)
            };
            let index = Arc::clone(&self.sessions);
            let settle = move |was_there: bool| {
                if was_there {
                    index.end(&session);
                    index.ended(&session);
                }
                was_there
            };
            Ok(self.writer.revoke(work, settle).await?)
        })
    }
}

/// Reads every row: one that the disk has changed is found at the start.
pub(super) fn check(db: &Connection) -> Result<(), StoreFailure> {
    all(&mut db.prepare(COLUMNS)?, []).map(drop)
}

fn of_owner(db: &Connection, owner: &str) -> Result<Vec<AppPassword>, StoreFailure> {
    let mut query = db.prepare_cached(&format!("{COLUMNS} WHERE owner = ?1"))?;
    let mut found = all(&mut query, [owner])?;
    found.sort_by(|one, other| (one.added_at, &one.id).cmp(&(other.added_at, &other.id)));
    Ok(found)
}

fn find(db: &Connection, digest: [u8; 32]) -> Result<Option<AppPassword>, StoreFailure> {
    let mut query = db.prepare_cached(&format!("{COLUMNS} WHERE digest = ?1"))?;
    query.query_row([digest], |row| Ok(read(row))).optional()?.transpose()
}

fn all(
    query: &mut rusqlite::Statement<'_>,
    with: impl rusqlite::Params,
) -> Result<Vec<AppPassword>, StoreFailure> {
    let mut rows = query.query(with)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn insert(db: &Connection, digest: [u8; 32], new: &AppPassword) -> Result<(), StoreFailure> {
    let (body, sum) = written(digest, new)?;
    let insert = "INSERT INTO app_passwords (digest, id, owner, body, checksum) \
                  VALUES (?1, ?2, ?3, ?4, ?5)";
    db.prepare_cached(insert)?.execute(params![digest, new.id, new.owner, body, sum])?;
    Ok(())
}

fn update(db: &Connection, digest: [u8; 32], new: &AppPassword) -> Result<(), StoreFailure> {
    let (body, sum) = written(digest, new)?;
    let update = "UPDATE app_passwords SET body = ?2, checksum = ?3 WHERE digest = ?1";
    db.prepare_cached(update)?.execute(params![digest, body, sum])?;
    Ok(())
}

fn written(digest: [u8; 32], one: &AppPassword) -> Result<(String, i64), StoreFailure> {
    let body = serde_json::to_string(one)
        .map_err(|error| StoreFailure::Unexpected { what: error.to_string().into() })?;
    let sum = checksum::of(&[digest.as_slice(), body.as_bytes()]);
    Ok((body, sum))
}
