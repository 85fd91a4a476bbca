//! Apps that are to be told that a session ended: rows that a trigger on `sessions` makes, see
//! `0012.sql`.

use rusqlite::{Connection, params};
use usher_rules::{
    openid::{Grant, Logout, LogoutStep, Logouts, LogoutsDue, MOST_LOGOUTS, next_try},
    people::{BoxFuture, PeopleError},
    session::SessionId,
    time::UnixTime,
};

use super::{Store, StoreFailure, seconds::stored};

/// How many of one client are told at a time: one that is slow must not keep the others waiting.
const OF_A_CLIENT: i64 = 16;
/// How many are told at a time.
const AT_A_TIME: i64 = 256;

impl Logouts for Store {
    fn due(&self, now: UnixTime) -> BoxFuture<'_, Result<LogoutsDue, PeopleError>> {
        let work = move |db: &Connection| due(db, now);
        Box::pin(async move { Ok(self.writer.read(work).await?) })
    }

    fn settle(&self, step: LogoutStep, now: UnixTime) -> BoxFuture<'_, Result<usize, PeopleError>> {
        let work = move |db: &Connection| settle(db, &step, now);
        Box::pin(async move { Ok(self.writer.revoke(work, |given_up| given_up).await?) })
    }
}

/// That a client got a grant of this session; longer than the grant itself may be kept.
pub(super) fn remember_app(db: &Connection, grant: &Grant) -> Result<(), StoreFailure> {
    let mut insert = db.prepare_cached(
        "INSERT INTO openid_apps (session_id, client, over_at) SELECT id, ?2, ?3 FROM sessions \
         WHERE id = ?1 ON CONFLICT DO UPDATE SET over_at = max(over_at, excluded.over_at)",
    )?;
    insert.execute(params![grant.session.as_str(), grant.client, stored(grant.over_at)])?;
    Ok(())
}

/// Forgets the apps of sessions that ran out.
pub(super) fn forget_apps(db: &Connection, now: UnixTime) -> Result<(), StoreFailure> {
    let over = "DELETE FROM openid_apps WHERE over_at <= ?1";
    db.prepare_cached(over)?.execute([stored(now.seconds())])?;
    Ok(())
}

fn due(db: &Connection, now: UnixTime) -> Result<LogoutsDue, StoreFailure> {
    let mut query = db.prepare_cached(
        "SELECT id, client, session_id, person_id FROM (SELECT *, row_number() OVER (\
         PARTITION BY client ORDER BY next_at, id) AS place FROM openid_logouts \
         WHERE next_at <= ?1) WHERE place <= ?2 ORDER BY place, id LIMIT ?3",
    )?;
    let mut rows = query.query(params![stored(now.seconds()), OF_A_CLIENT, AT_A_TIME])?;
    let mut logouts = Vec::new();
    while let Some(row) = rows.next()? {
        let text = |column| row.get::<_, String>(column);
        let Some(session) = SessionId::parse(&text(2)?) else { continue };
        let (client, person) = (text(1)?.into(), text(3)?.into());
        logouts.push(Logout { id: row.get(0)?, client, session, person });
    }
    if logouts.is_empty() {
        return Ok(LogoutsDue::default());
    }
    let count = "SELECT count(*) FROM openid_logouts";
    let count = db.prepare_cached(count)?.query_row([], |row| row.get::<_, i64>(0))?;
    Ok(LogoutsDue { logouts, is_full: count >= MOST_LOGOUTS as i64 })
}

fn settle(db: &Connection, step: &LogoutStep, now: UnixTime) -> Result<usize, StoreFailure> {
    match step {
        LogoutStep::Over(id) => drop(forget(db, *id)?),
        LogoutStep::Unwanted(client) => {
            let all = "DELETE FROM openid_logouts WHERE client = ?1";
            db.prepare_cached(all)?.execute([client])?;
        }
        LogoutStep::Again(id) => {
            let one = "SELECT id, failed FROM openid_logouts WHERE id = ?1";
            return put_off(db, (one, params![id]), now);
        }
        LogoutStep::Away(client) => {
            let due = "SELECT id, failed FROM openid_logouts WHERE client = ?1 AND next_at <= ?2";
            return put_off(db, (due, params![client, stored(now.seconds())]), now);
        }
    }
    Ok(0)
}

/// Counts a try that failed; how many are given up.
fn put_off(
    db: &Connection,
    (which, given): (&str, &[&dyn rusqlite::ToSql]),
    now: UnixTime,
) -> Result<usize, StoreFailure> {
    let mut query = db.prepare_cached(which)?;
    let found = query.query_map(given, |row| Ok((row.get(0)?, row.get::<_, u32>(1)?)))?;
    let found = found.collect::<Result<Vec<(i64, u32)>, _>>()?;
    let later = "UPDATE openid_logouts SET failed = ?2, next_at = ?3 WHERE id = ?1";
    let mut later = db.prepare_cached(later)?;
    let mut given_up = 0;
    for (id, before) in found {
        let failed = before.saturating_add(1);
        match next_try(failed, now) {
            Some(at) => drop(later.execute(params![id, failed, stored(at.seconds())])?),
            None => given_up += forget(db, id)?,
        }
    }
    Ok(given_up)
}

fn forget(db: &Connection, id: i64) -> Result<usize, StoreFailure> {
    Ok(db.prepare_cached("DELETE FROM openid_logouts WHERE id = ?1")?.execute([id])?)
}
