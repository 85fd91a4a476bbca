//! Passkeys and the links of invitations, on the disk only: they are asked for at sign-in.

use rusqlite::{Connection, OptionalExtension, params};
use usher_rules::{
    accounts::{
        AccountLink, AccountStore, Earlier, KeptCredential, KeptPasskey, LinkPurpose, MOST_PASSKEYS,
    },
    passkey::NewPasskey,
    people::{BoxFuture, Member, PeopleError},
    secret::Secret,
    session::{Keys, Purpose},
    time::UnixTime,
    totp::CodeApp,
};

use super::{
    Store, StoreFailure, checksum,
    key_file::random,
    members::{self, Row as MemberRow},
    sessions::{self, stored},
};

impl AccountStore for Store {
    fn member<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<(Member, Secret)>, PeopleError>> {
        let id: Box<str> = id.into();
        Box::pin(async move {
            let row = self.writer.read(move |db| members::find_by_id(db, &id)).await?;
            Ok(row.map(MemberRow::into_parts))
        })
    }

    fn passkey<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<KeptPasskey>, PeopleError>> {
        let id: Box<str> = id.into();
        Box::pin(async move { Ok(self.writer.read(move |db| find(db, &id)).await?) })
    }

    fn passkeys<'a>(
        &'a self,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<Vec<KeptPasskey>, PeopleError>> {
        let owner: Box<str> = owner.into();
        Box::pin(async move { Ok(self.writer.read(move |db| passkeys_of(db, &owner)).await?) })
    }

    fn add_passkey(&self, passkey: KeptPasskey) -> BoxFuture<'_, Result<(), PeopleError>> {
        Box::pin(async move {
            let owner = passkey.owner.clone();
            let add = move |db: &Connection| {
                let is_here = members::find_by_id(db, &passkey.owner)?.is_some();
                let has_room = passkeys_of(db, &passkey.owner)?.len() < MOST_PASSKEYS;
                let may = is_here && has_room && find(db, &passkey.key.id)?.is_none();
                if may { insert(db, &passkey).map(|()| true) } else { Ok(false) }
            };
            match self.writer.write(add, |added| added).await? {
                true => Ok(()),
                false => Err(PeopleError::Unknown(owner)),
            }
        })
    }

    fn count_passkey<'a>(
        &'a self,
        was: &'a NewPasskey,
        counter: u32,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<bool, PeopleError>> {
        let was = was.clone();
        let count = move |db: &Connection| match find(db, &was.id)? {
            Some(mut kept) if kept.key == was => {
                kept.key.counter = counter;
                kept.used_at = Some(now.seconds());
                insert(db, &kept).map(|()| true)
            }
            Some(_) | None => Ok(false),
        };
        Box::pin(async move { Ok(self.writer.write(count, |counted| counted).await?) })
    }

    fn remove_passkey<'a>(
        &'a self,
        owner: &'a Member,
        id: &'a str,
    ) -> BoxFuture<'a, Result<(), PeopleError>> {
        let id: Box<str> = id.into();
        Box::pin(async move {
            let remove = move |db: &Connection, row: MemberRow| {
                let mut delete =
                    db.prepare_cached("DELETE FROM passkeys WHERE id = ?1 AND owner = ?2")?;
                delete.execute(params![id, row.member.id])?;
                row.insert(db)?;
                Ok(row)
            };
            self.change_and_end(&owner.email, remove).await.map(drop)
        })
    }

    fn code_app<'a>(
        &'a self,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<Option<CodeApp>, PeopleError>> {
        let owner: Box<str> = owner.into();
        let keys = self.sealing.get().cloned();
        let read = move |db: &Connection| code_app(db, &owner, keys.as_deref());
        Box::pin(async move { Ok(self.writer.read(read).await?) })
    }

    fn swap_code_app<'a>(
        &'a self,
        owner: &'a str,
        was: Option<CodeApp>,
        now: Option<CodeApp>,
    ) -> BoxFuture<'a, Result<bool, PeopleError>> {
        let (owner, keys): (Box<str>, _) = (owner.into(), self.sealing.get().cloned());
        let swap = move |db: &Connection| {
            let keys = keys.as_deref();
            if members::find_by_id(db, &owner)?.is_none() || code_app(db, &owner, keys)? != was {
                return Ok(false);
            }
            keep_code_app(db, &owner, now.as_ref(), keys).map(|()| true)
        };
        Box::pin(async move { Ok(self.writer.write(swap, |swapped| swapped).await?) })
    }

    fn set_until<'a>(
        &'a self,
        email: &'a str,
        until: Option<u64>,
    ) -> BoxFuture<'a, Result<Member, PeopleError>> {
        Box::pin(self.change_and_end(email, move |db, mut row| {
            row.member.until = until;
            row.insert(db)?;
            Ok(row)
        }))
    }

    fn add_link(
        &self,
        digest: [u8; 32],
        link: AccountLink,
        earlier: Earlier,
        now: UnixTime,
    ) -> BoxFuture<'_, Result<(), PeopleError>> {
        let add = move |db: &Connection| {
            let mut forget = db.prepare_cached("DELETE FROM account_links WHERE over_at <= ?1")?;
            forget.execute([stored(now.seconds())])?;
            if let (LinkPurpose::Recover { id }, Earlier::End) = (&link.purpose, earlier) {
                members::forget_recovery(db, id)?;
            }
            keep_link(db, &digest, &link)
        };
        Box::pin(async move { Ok(self.writer.write(add, |()| ()).await?) })
    }

    fn link(&self, digest: [u8; 32]) -> BoxFuture<'_, Result<Option<AccountLink>, PeopleError>> {
        Box::pin(async move { Ok(self.writer.read(move |db| find_link(db, &digest)).await?) })
    }

    fn use_link(
        &self,
        digest: [u8; 32],
        was: AccountLink,
        member: Member,
        credential: KeptCredential,
    ) -> BoxFuture<'_, Result<Option<Member>, PeopleError>> {
        let email = member.email.clone();
        let index = std::sync::Arc::clone(&self.sessions);
        let work = move |db: &Connection| {
            // Others may have used it since `was` was read: that takes nothing but a use.
            let kept = find_link(db, &digest)?;
            let Some(left) = kept.filter(|kept| kept.purpose == was.purpose).and_then(used_once)
            else {
                return Ok(Use::TooLate);
            };
            let done = match &was.purpose {
                LinkPurpose::Join(_) => join(db, &member, &credential)?,
                LinkPurpose::Recover { .. } => recover(db, &member, &credential)?,
            };
            if matches!(done, Use::Done(..)) {
                keep_link(db, &digest, &left)?;
            }
            Ok(done)
        };
        let settle = move |used: Use| {
            if let Use::Done(_, ended) = &used {
                index.end(ended);
                index.ended(ended);
            }
            used
        };
        Box::pin(async move {
            match self.writer.write(work, settle).await? {
                Use::Done(member, _) => Ok(Some(member)),
                Use::TooLate => Ok(None),
                Use::Taken => Err(PeopleError::AlreadyHere(email)),
                Use::Gone => Err(PeopleError::Unknown(email)),
            }
        })
    }
}

fn used_once(link: AccountLink) -> Option<AccountLink> {
    Some(AccountLink { uses_left: link.uses_left.checked_sub(1)?, ..link })
}

/// What became of a link's use.
enum Use {
    /// Done: whose it was, and these sessions of theirs are over.
    Done(Member, Vec<usher_rules::session::SessionId>),
    /// Another use came first.
    TooLate,
    /// Somebody has that address or that passkey.
    Taken,
    /// Whom it is for is not here any more.
    Gone,
}

fn join(
    db: &Connection,
    member: &Member,
    credential: &KeptCredential,
) -> Result<Use, StoreFailure> {
    let known = members::find(db, &member.email)?.is_some()
        || members::find_by_id(db, &member.id)?.is_some()
        || is_known(db, credential)?;
    if known {
        return Ok(Use::Taken);
    }
    MemberRow::new(member.clone(), password_of(credential))?.insert(db)?;
    keep_passkey(db, credential)?;
    Ok(Use::Done(member.clone(), Vec::new()))
}

/// Whatever signed them in before may be in other hands.
fn recover(
    db: &Connection,
    member: &Member,
    credential: &KeptCredential,
) -> Result<Use, StoreFailure> {
    let Some(MemberRow { mut member, .. }) = members::find_by_id(db, &member.id)? else {
        return Ok(Use::Gone);
    };
    member.changes += 1;
    if is_known(db, credential)? {
        return Ok(Use::Taken);
    }
    members::forget_ways_in(db, &member.id)?;
    MemberRow::new(member.clone(), password_of(credential))?.insert(db)?;
    keep_passkey(db, credential)?;
    let ended = sessions::delete_person_sessions(db, &member.id)?;
    Ok(Use::Done(member, ended))
}

const fn password_of(credential: &KeptCredential) -> Option<&Secret> {
    match credential {
        KeptCredential::Password(hash) => Some(hash),
        KeptCredential::Passkey(_) => None,
    }
}

fn is_known(db: &Connection, credential: &KeptCredential) -> Result<bool, StoreFailure> {
    match credential {
        KeptCredential::Passkey(new) => Ok(find(db, &new.key.id)?.is_some()),
        KeptCredential::Password(_) => Ok(false),
    }
}

fn keep_passkey(db: &Connection, credential: &KeptCredential) -> Result<(), StoreFailure> {
    match credential {
        KeptCredential::Passkey(new) => insert(db, new),
        KeptCredential::Password(_) => Ok(()),
    }
}

/// Reads every row, so that a damaged one is found at the start.
pub(super) fn check(db: &Connection) -> Result<(), StoreFailure> {
    let mut query = db.prepare(COLUMNS)?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        read(row)?;
    }
    Ok(())
}

const COLUMNS: &str =
    "SELECT id, owner, public_key, counter, label, added_at, used_at, checksum FROM passkeys";

fn find(db: &Connection, id: &str) -> Result<Option<KeptPasskey>, StoreFailure> {
    let mut query = db.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
    query.query_row([id], |row| Ok(read(row))).optional()?.transpose()
}

fn passkeys_of(db: &Connection, owner: &str) -> Result<Vec<KeptPasskey>, StoreFailure> {
    let mut query =
        db.prepare_cached(&format!("{COLUMNS} WHERE owner = ?1 ORDER BY added_at, id"))?;
    let mut rows = query.query([owner])?;
    let mut passkeys = Vec::new();
    while let Some(row) = rows.next()? {
        passkeys.push(read(row)?);
    }
    Ok(passkeys)
}

fn read(row: &rusqlite::Row<'_>) -> Result<KeptPasskey, StoreFailure> {
    let (key, added_at, used_at): (Vec<u8>, i64, Option<i64>) =
        (row.get(2)?, row.get(5)?, row.get(6)?);
    let kept = KeptPasskey {
        key: NewPasskey { id: row.get(0)?, public_key: key.into(), counter: row.get(3)? },
        owner: row.get(1)?,
        label: row.get(4)?,
        added_at: u64::try_from(added_at).unwrap_or(0),
        used_at: used_at.and_then(|at| u64::try_from(at).ok()),
    };
    checksum::check("passkeys", row.get(7)?, &fields(&kept, &terms(&kept)))?;
    Ok(kept)
}

fn insert(db: &Connection, kept: &KeptPasskey) -> Result<(), StoreFailure> {
    let KeptPasskey { key, owner, label, added_at, used_at } = kept;
    let sum = checksum::of(&fields(kept, &terms(kept)));
    db.prepare_cached(
        "INSERT OR REPLACE INTO passkeys \
         (id, owner, public_key, counter, label, added_at, used_at, checksum) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        key.id,
        owner,
        key.public_key,
        key.counter,
        label,
        stored(*added_at),
        used_at.map(stored),
        sum
    ])?;
    Ok(())
}

fn terms(kept: &KeptPasskey) -> String {
    let KeptPasskey { key, added_at, used_at, .. } = kept;
    format!("{} {added_at} {used_at:?}", key.counter)
}

fn fields<'a>(kept: &'a KeptPasskey, terms: &'a str) -> [&'a [u8]; 5] {
    let KeptPasskey { key, owner, label, .. } = kept;
    [key.id.as_bytes(), owner.as_bytes(), &key.public_key, label.as_bytes(), terms.as_bytes()]
}

/// Seals what apps make their codes of, where it is not sealed with the newest key.
pub(super) fn reseal(db: &Connection, keys: &Keys) -> Result<(), StoreFailure> {
    let mut query = db.prepare("SELECT person_id, body, checksum FROM second_factors")?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let rows = rows.collect::<Result<Vec<(String, String, i64)>, _>>()?;
    for (owner, body, written) in rows {
        let bound_to = owner.as_bytes();
        checksum::check("second_factors", written, &[bound_to, body.as_bytes()])?;
        let nonce = random()?;
        let sealed = match body.starts_with('{') {
            true => Some(keys.seal(Purpose::CodeApp, bound_to, body.as_bytes(), nonce)),
            false => keys.resealed(Purpose::CodeApp, bound_to, &body, nonce),
        };
        if let Some(sealed) = sealed {
            keep_sealed_app(db, &owner, &sealed)?;
        }
    }
    Ok(())
}

/// A text in base64url never begins as JSON does: what an earlier usher wrote in the clear, and what
/// no server has sealed yet, is told apart.
fn code_app(
    db: &Connection,
    owner: &str,
    keys: Option<&Keys>,
) -> Result<Option<CodeApp>, StoreFailure> {
    let mut query =
        db.prepare_cached("SELECT body, checksum FROM second_factors WHERE person_id = ?1")?;
    let row = query.query_row([owner], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)));
    let Some((body, written)) = row.optional()? else { return Ok(None) };
    checksum::check("second_factors", written, &[owner.as_bytes(), body.as_bytes()])?;
    let corrupt = |error| StoreFailure::Corrupt { what: format!("an app: {error}").into() };
    if body.starts_with('{') {
        return serde_json::from_str(&body).map(Some).map_err(corrupt);
    }
    let opened = keys.and_then(|keys| keys.open(Purpose::CodeApp, owner.as_bytes(), &body).ok());
    let Some(opened) = opened else {
        return Err(StoreFailure::Corrupt { what: "an app is sealed with other keys".into() });
    };
    serde_json::from_slice(&opened).map(Some).map_err(corrupt)
}

fn keep_code_app(
    db: &Connection,
    owner: &str,
    app: Option<&CodeApp>,
    keys: Option<&Keys>,
) -> Result<(), StoreFailure> {
    let Some(app) = app else {
        db.prepare_cached("DELETE FROM second_factors WHERE person_id = ?1")?.execute([owner])?;
        return Ok(());
    };
    let body = serde_json::to_string(app)
        .map_err(|error| StoreFailure::Unexpected { what: error.to_string().into() })?;
    let body = match keys {
        Some(keys) => keys.seal(Purpose::CodeApp, owner.as_bytes(), body.as_bytes(), random()?),
        None => body,
    };
    keep_sealed_app(db, owner, &body)
}

fn keep_sealed_app(db: &Connection, owner: &str, body: &str) -> Result<(), StoreFailure> {
    let sum = checksum::of(&[owner.as_bytes(), body.as_bytes()]);
    db.prepare_cached(
        "INSERT OR REPLACE INTO second_factors (person_id, body, checksum) VALUES (?1, ?2, ?3)",
    )?
    .execute(params![owner, body, sum])?;
    Ok(())
}

fn find_link(db: &Connection, digest: &[u8; 32]) -> Result<Option<AccountLink>, StoreFailure> {
    let mut query =
        db.prepare_cached("SELECT body, checksum FROM account_links WHERE digest = ?1")?;
    let row = query
        .query_row([&digest[..]], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))
        .optional()?;
    let Some((body, written)) = row else { return Ok(None) };
    checksum::check("account_links", written, &[digest, body.as_bytes()])?;
    let corrupt = |error| StoreFailure::Corrupt { what: format!("a link: {error}").into() };
    serde_json::from_str(&body).map(Some).map_err(corrupt)
}

fn keep_link(db: &Connection, digest: &[u8; 32], link: &AccountLink) -> Result<(), StoreFailure> {
    let body = serde_json::to_string(link)
        .map_err(|error| StoreFailure::Unexpected { what: error.to_string().into() })?;
    let sum = checksum::of(&[digest, body.as_bytes()]);
    db.prepare_cached(
        "INSERT OR REPLACE INTO account_links (digest, over_at, body, checksum) \
         VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![&digest[..], stored(link.over_at), body, sum])?;
    Ok(())
}
