//! People, on the disk only: they are asked for at sign-in, not on every request.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use usher_rules::{
    people::{AddressBy, BoxFuture, Member, People, PeopleError},
    secret::Secret,
    session::SessionId,
};

use super::{Store, StoreFailure, checksum, enrolled, sessions};

impl People for Store {
    fn add(&self, member: Member, password_hash: Secret) -> BoxFuture<'_, Result<(), PeopleError>> {
        Box::pin(async move {
            let email = member.email.clone();
            let insert = move |db: &Connection| {
                if find(db, &member.email)?.is_some() {
                    return Ok(false);
                }
                Row::new(member.clone(), Some(&password_hash))?.insert(db)?;
                Ok(true)
            };
            let added = self.writer.write(insert, |added| added).await?;
            if added { Ok(()) } else { Err(PeopleError::AlreadyHere(email)) }
        })
    }

    fn remove<'a>(&'a self, email: &'a str) -> BoxFuture<'a, Result<Member, PeopleError>> {
        Box::pin(self.change_and_end(email, |db, row| {
            let id = &row.member.id;
            db.prepare_cached("DELETE FROM people WHERE id = ?1")?.execute([id])?;
            forget_ways_in(db, id)?;
            db.prepare_cached("INSERT INTO removed_people (id) VALUES (?1)")?.execute([id])?;
            Ok(row)
        }))
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Member>, PeopleError>> {
        Box::pin(async move { Ok(self.writer.read(list).await?) })
    }

    fn find<'a>(
        &'a self,
        email: &'a str,
    ) -> BoxFuture<'a, Result<Option<(Member, Secret)>, PeopleError>> {
        Box::pin(async move {
            let email: Box<str> = email.into();
            let row = self.writer.read(move |db| find(db, &email)).await?;
            Ok(row.map(Row::into_parts))
        })
    }

    fn set_groups<'a>(
        &'a self,
        email: &'a str,
        groups: Vec<Box<str>>,
    ) -> BoxFuture<'a, Result<Member, PeopleError>> {
        Box::pin(self.change_and_end(email, move |db, mut row| {
            row.member.groups.clone_from(&groups);
            row.insert(db)?;
            Ok(row)
        }))
    }

    fn set_password<'a>(
        &'a self,
        email: &'a str,
        password_hash: Secret,
    ) -> BoxFuture<'a, Result<Member, PeopleError>> {
        Box::pin(self.change_and_end(email, move |db, mut row| {
            row.password_hash = text(&password_hash)?;
            row.insert(db)?;
            Ok(row)
        }))
    }

    fn rehash<'a>(
        &'a self,
        email: &'a str,
        was: Secret,
        password_hash: Secret,
    ) -> BoxFuture<'a, Result<(), PeopleError>> {
        Box::pin(async move {
            let email: Box<str> = email.into();
            let update = move |db: &Connection| match find(db, &email)? {
                Some(mut row) if was.same_as(row.password_hash.as_bytes()) => {
                    row.password_hash = text(&password_hash)?;
                    row.insert(db)
                }
                Some(_) | None => Ok(()),
            };
            Ok(self.writer.write(update, |()| ()).await?)
        })
    }
}

impl Store {
    /// Changes somebody and ends their sessions in one transaction.
    pub(super) async fn change_and_end(
        &self,
        email: &str,
        change: impl Fn(&Connection, Row) -> Result<Row, StoreFailure> + Send + 'static,
    ) -> Result<Member, PeopleError> {
        let address: Box<str> = email.into();
        let work = move |db: &Connection| {
            let Some(mut row) = find(db, &address)? else { return Ok(None) };
            row.member.changes += 1;
            let row = change(db, row)?;
            let ended = sessions::delete_person_sessions(db, &row.member.id)?;
            Ok(Some((row.member, ended)))
        };
        let index = Arc::clone(&self.sessions);
        let settle = move |changed: Option<(Member, Vec<SessionId>)>| {
            let (member, ended) = changed?;
            index.end(&ended);
            index.ended(&ended);
            Some(member)
        };
        let changed = self.writer.revoke(work, settle).await?;
        changed.ok_or_else(|| PeopleError::Unknown(email.into()))
    }
}

pub(super) struct Row {
    pub(super) member: Member,
    password_hash: String,
}

const COLUMNS: &str = "SELECT id, email, name, groups, added_at, password_hash, checksum, until, \
                       chosen, changes FROM people";

pub(super) fn find(db: &Connection, email: &str) -> Result<Option<Row>, StoreFailure> {
    let mut query = db.prepare_cached(&format!("{COLUMNS} WHERE email = ?1"))?;
    query.query_row([email], |row| Ok(Row::read(row))).optional()?.transpose()
}

/// Somebody by id.
pub(super) fn find_by_id(db: &Connection, id: &str) -> Result<Option<Row>, StoreFailure> {
    let mut query = db.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
    query.query_row([id], |row| Ok(Row::read(row))).optional()?.transpose()
}

/// Somebody is removed, or starts afresh.
pub(super) fn forget_ways_in(db: &Connection, owner: &str) -> Result<(), StoreFailure> {
    db.prepare_cached("DELETE FROM passkeys WHERE owner = ?1")?.execute([owner])?;
    sessions::forget_app_passwords(db, owner)?;
    enrolled::forget_devices(db, owner)?;
    db.prepare_cached("DELETE FROM second_factors WHERE person_id = ?1")?.execute([owner])?;
    forget_recovery(db, owner)
}

/// Recovery links of somebody open nothing any more.
pub(super) fn forget_recovery(db: &Connection, id: &str) -> Result<(), StoreFailure> {
    // A damaged row must not be in everybody's way.
    db.prepare_cached(
        "DELETE FROM account_links WHERE \
         CASE WHEN json_valid(body) THEN json_extract(body, '$.purpose.Recover.id') = ?1 END",
    )?
    .execute([id])?;
    Ok(())
}

/// Everybody, by address.
pub(super) fn list(db: &Connection) -> Result<Vec<Member>, StoreFailure> {
    let mut query = db.prepare_cached(&format!("{COLUMNS} ORDER BY email"))?;
    let mut rows = query.query([])?;
    let mut members = Vec::new();
    while let Some(row) = rows.next()? {
        members.push(Row::read(row)?.member);
    }
    Ok(members)
}

impl Row {
    /// Somebody, and what they sign in with beside passkeys.
    pub(super) fn new(member: Member, password: Option<&Secret>) -> Result<Self, StoreFailure> {
        let password_hash = password.map(text).transpose()?.unwrap_or_default();
        Ok(Self { member, password_hash })
    }

    /// The hash is empty without a password.
    pub(super) fn into_parts(self) -> (Member, Secret) {
        (self.member, Secret::new(self.password_hash.into_bytes()))
    }

    fn read(row: &rusqlite::Row<'_>) -> Result<Self, StoreFailure> {
        let (until, chosen): (Option<i64>, i64) = (row.get(7)?, row.get(8)?);
        let (groups, added_at, written): (String, i64, i64) =
            (row.get(3)?, row.get(4)?, row.get(6)?);
        let read = Self {
            member: Member {
                id: row.get(0)?,
                email: row.get(1)?,
                name: row.get(2)?,
                groups: serde_json::from_str(&groups).map_err(|error| StoreFailure::Corrupt {
                    what: format!("a list of groups: {error}").into(),
                })?,
                added_at: u64::try_from(added_at).unwrap_or(0),
                until: until.map(|at| u64::try_from(at).unwrap_or(0)),
                address_by: match chosen {
                    0 => AddressBy::Operator,
                    _ => AddressBy::Themselves,
                },
                changes: u64::try_from(row.get::<_, i64>(9)?).unwrap_or(0),
            },
            password_hash: row.get(5)?,
        };
        let terms = read.terms();
        let fields = read.fields(&groups, &terms);
        checksum::check("people", written, &fields).or_else(|damaged| match &fields[..] {
            [before @ .., _] if read.is_plain() => checksum::check("people", written, before),
            _ => Err(damaged),
        })?;
        Ok(read)
    }

    pub(super) fn insert(&self, db: &Connection) -> Result<(), StoreFailure> {
        let Member { id, email, name, groups, added_at, until, address_by, changes } = &self.member;
        let groups = serde_json::to_string(groups)
            .map_err(|error| StoreFailure::Unexpected { what: error.to_string().into() })?;
        let sum = checksum::of(&self.fields(&groups, &self.terms()));
        let added_at = sessions::stored(*added_at);
        db.prepare_cached(
            "INSERT OR REPLACE INTO people \
             (id, email, name, groups, added_at, password_hash, checksum, until, chosen, \
             changes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            id,
            email,
            name,
            groups,
            added_at,
            self.password_hash,
            sum,
            until.map(sessions::stored),
            i64::from(*address_by == AddressBy::Themselves),
            sessions::stored(*changes)
        ])?;
        Ok(())
    }

    /// Rows that were written before there were guests have a checksum without the last field.
    fn is_plain(&self) -> bool {
        let Member { until, address_by, changes, .. } = &self.member;
        (until, address_by, changes) == (&None, &AddressBy::Operator, &0)
    }

    fn terms(&self) -> String {
        let Member { added_at, until, address_by, changes, .. } = &self.member;
        let terms = format!("{added_at} {until:?} {address_by:?}");
        // As it was written before changes were counted.
        if *changes == 0 { terms } else { format!("{terms} {changes}") }
    }

    fn fields<'a>(&'a self, groups: &'a str, terms: &'a str) -> [&'a [u8]; 6] {
        let Member { id, email, name, .. } = &self.member;
        [id, email, name, groups, self.password_hash.as_str(), terms].map(str::as_bytes)
    }
}

fn text(password_hash: &Secret) -> Result<String, StoreFailure> {
    password_hash
        .expose_str()
        .map(str::to_owned)
        .ok_or_else(|| StoreFailure::Unexpected { what: "a password hash that is not text".into() })
}
