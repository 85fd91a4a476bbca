//! Grants of our OpenID provider, on the disk only: an app asks once in minutes.

use rusqlite::{Connection, OptionalExtension, params};
use usher_rules::{
    openid::{Grant, GrantRefusal, GrantStep, Grants, MOST_GRANTS, SPENT_AFTER, step},
    people::BoxFuture,
    plan::Scope,
    time::UnixTime,
};

use super::{Store, StoreFailure, checksum, logouts, seconds::stored};

impl Grants for Store {
    fn take(&self, next: GrantStep, now: UnixTime) -> BoxFuture<'_, Result<Grant, GrantRefusal>> {
        let takes_back = matches!(next, GrantStep::Revoke(_));
        let work = move |db: &Connection| take(db, &next, now);
        Box::pin(async move {
            let taken = match takes_back {
                true => self.writer.revoke(work, |taken| taken).await,
                false => self.writer.write(work, |taken| taken).await,
            };
            taken.unwrap_or_else(|failure| Err(GrantRefusal::Store(failure.with_hint())))
        })
    }
}

/// One step, and what it changed. A refusal is kept as well: it may take something back.
fn take(
    db: &Connection,
    next: &GrantStep,
    now: UnixTime,
) -> Result<Result<Grant, GrantRefusal>, StoreFailure> {
    let before = find(db, next.id().as_str())?;
    let mut known = before.clone();
    let taken = step(&mut known, next, now);
    if before.is_none() && known.is_some() && !has_room(db, next, now)? {
        return Ok(Err(GrantRefusal::TooMany));
    }
    if let Some(grant) = known.filter(|grant| before.as_ref() != Some(grant)) {
        keep(db, &grant)?;
        logouts::remember_app(db, &grant)?;
    }
    Ok(taken)
}

/// Makes room for one more of its session, where that takes nothing back that counts: an app that
/// asks anew each time must not push out another's refresh token.
fn has_room(db: &Connection, next: &GrantStep, now: UnixTime) -> Result<bool, StoreFailure> {
    let GrantStep::Redeem(new) = next else { return Ok(true) };
    let session = new.session.as_str();
    let count = "SELECT count(*) FROM openid_grants WHERE session_id = ?1";
    let mut count = db.prepare_cached(count)?;
    let count = count.query_row([session], |row| row.get::<_, i64>(0))?;
    let most = MOST_GRANTS as i64;
    if count < most {
        return Ok(true);
    }
    let oldest = "DELETE FROM openid_grants WHERE id IN (SELECT id FROM openid_grants \
                  WHERE session_id = ?1 AND begun_at < ?2 ORDER BY CASE WHEN json_valid(body) \
                  THEN json_extract(body, '$.scopes') & ?4 AND NOT json_extract(body, '$.is_revoked') \
                  END, begun_at, id LIMIT ?3)";
    let spent = stored(now.minus(SPENT_AFTER).seconds());
    let surplus = count - most + 1;
    let refresh = Scope::OfflineAccess as u8;
    let gone = db.prepare_cached(oldest)?.execute(params![session, spent, surplus, refresh])?;
    Ok(i64::try_from(gone).is_ok_and(|gone| gone == surplus))
}

/// Deletes what is over: with its session, which may end before its time.
pub(super) fn sweep(db: &Connection, now: UnixTime) -> Result<(), StoreFailure> {
    let over = "DELETE FROM openid_grants WHERE over_at <= ?1 \
                OR session_id NOT IN (SELECT id FROM sessions)";
    db.prepare_cached(over)?.execute([stored(now.seconds())])?;
    logouts::forget_apps(db, now)
}

/// Reads every grant and forgets it: a damaged one must be found at the start.
pub(super) fn check(db: &Connection) -> Result<(), StoreFailure> {
    let mut query = db.prepare("SELECT id FROM openid_grants")?;
    let ids = query.query_map([], |row| row.get::<_, String>(0))?;
    for id in ids {
        find(db, &id?)?;
    }
    Ok(())
}

fn find(db: &Connection, id: &str) -> Result<Option<Grant>, StoreFailure> {
    let one = "SELECT body, checksum FROM openid_grants WHERE id = ?1";
    let row = db
        .prepare_cached(one)?
        .query_row([id], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))
        .optional()?;
    let Some((body, written)) = row else { return Ok(None) };
    checksum::check("openid_grants", written, &[id.as_bytes(), body.as_bytes()])?;
    let grant = serde_json::from_str(&body)
        .map_err(|error| StoreFailure::Corrupt { what: format!("a grant: {error}").into() })?;
    Ok(Some(grant))
}

fn keep(db: &Connection, grant: &Grant) -> Result<(), StoreFailure> {
    let body = serde_json::to_string(grant)
        .map_err(|error| StoreFailure::Unexpected { what: error.to_string().into() })?;
    let (id, session) = (grant.id.as_str(), grant.session.as_str());
    let sum = checksum::of(&[id.as_bytes(), body.as_bytes()]);
    let (begun_at, over_at) = (stored(grant.begun_at), stored(grant.over_at));
    let mut insert = db.prepare_cached(
        "INSERT OR REPLACE INTO openid_grants \
         (id, session_id, begun_at, over_at, body, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    insert.execute(params![id, session, begun_at, over_at, body, sum])?;
    Ok(())
}
