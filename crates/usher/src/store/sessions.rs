//! Sessions: on the disk first, in memory second, and gone from both when they end.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use rusqlite::{Connection, OptionalExtension, params};
use usher_rules::{
    people::BoxFuture,
    session::{Means, SessionId, SignedIn},
    time::UnixTime,
};

pub(super) use super::seconds::stored;
use super::{Store, StoreFailure, app_password_rows, checksum, enrolled, grants, index::Index};
use crate::request::identify::{
    Found, LiveSession, NotOnce, SessionFacts, SessionStore, StoreError,
};

/// How many sessions one person has at most: a new one ends the oldest.
pub const MOST_PER_PERSON: usize = 100;
/// The longest session that is kept, in octets of JSON. Claims come from a provider, and a
/// provider may let people write them.
pub const LONGEST_SESSION: usize = 64 * 1024;

impl SessionStore for Store {
    fn find(&self, id: &SessionId) -> Found {
        self.sessions.find(id).map_or(Found::Ended, Found::Live)
    }

    fn insert(&self, new: SignedIn) -> BoxFuture<'_, Result<Arc<LiveSession>, StoreError>> {
        Box::pin(async move { Ok(self.begin_session(new).await?) })
    }

    fn renew<'a>(
        &'a self,
        before: &'a Arc<SignedIn>,
        new: SignedIn,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.renew_session(before, new).await?) })
    }

    fn end<'a>(&'a self, id: &'a SessionId) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { Ok(self.end_sessions(vec![id.clone()]).await?) })
    }

    fn of_person(&self, person_id: &str) -> Vec<Arc<LiveSession>> {
        self.sessions.of_person(person_id)
    }

    fn all(&self) -> Vec<Arc<LiveSession>> {
        self.sessions.all()
    }

    fn those(&self, wanted: &dyn Fn(&SessionFacts) -> bool) -> Vec<Arc<LiveSession>> {
        self.sessions.those(wanted)
    }

    fn changed(&self) -> Option<Vec<Arc<SignedIn>>> {
        self.sessions.changed()
    }

    fn once(
        &self,
        what: [u8; 32],
        over_at: UnixTime,
        now: UnixTime,
    ) -> BoxFuture<'_, Result<(), NotOnce>> {
        self.used.once(what, over_at, now)
    }
}

impl Store {
    /// How many sessions there may be from now on (`max_sessions`). Beyond, sign-ins are refused
    /// rather than others signed out: whoever can make sessions without end must not be able to end
    /// everybody's. Nor does a smaller number end any.
    pub fn admit_at_most(&self, most: usize) {
        self.most_sessions.store(most, Relaxed);
    }

    /// Forgets expired sessions, here and on the disk, and tries again to write down ends that
    /// could not be; how many sessions were forgotten here. What was only looked at is packed again.
    /// To be called every minute.
    ///
    /// A session under which something still runs stays until that ends: expiry cuts no film.
    ///
    /// # Errors
    ///
    /// [`StoreFailure`]; memory is swept all the same.
    pub async fn sweep(&self, now: UnixTime) -> Result<usize, StoreFailure> {
        let forgotten = self.sessions.forget_expired(now);
        self.sessions.rest();
        let ending = self.sessions.ending();
        if !ending.is_empty() {
            self.end_sessions(ending).await?;
        }
        let sessions = Arc::clone(&self.sessions);
        let now_is = now;
        let now = stored(now.seconds());
        let delete = move |db: &Connection| {
            grants::sweep(db, now_is)?; // before sessions: no app is told that its time is over
            let mut query = db.prepare_cached("SELECT id FROM sessions WHERE expires_at <= ?1")?;
            let expired = query.query_map([now], |row| row.get::<_, String>(0))?;
            let expired = expired.collect::<Result<Vec<_>, _>>()?;
            let unheld =
                expired.iter().filter_map(|id| SessionId::parse(id)).filter(|id| !sessions.has(id));
            delete(db, &unheld.collect::<Vec<_>>())
        };
        let reserve = self.reserve.clone();
        self.writer.write(delete, move |()| reserve.fill()).await?; // waits for the disk, too
        Ok(forgotten)
    }

    pub(super) async fn begin_session(
        &self,
        new: SignedIn,
    ) -> Result<Arc<LiveSession>, StoreFailure> {
        let limit = self.most_sessions.load(Relaxed);
        if self.sessions.len() >= limit {
            return Err(StoreFailure::TooManySessions { limit });
        }
        let row = Row::of(&new)?;
        let sessions = Arc::clone(&self.sessions);
        let by_password_alone =
            new.session.app.is_none() && new.session.sign_in.means == Means::AppPassword;
        let insert = move |db: &Connection| {
            let removed = "SELECT 1 FROM removed_people WHERE id = ?1";
            if db.prepare_cached(removed)?.exists([&row.person_id])? {
                return Err(StoreFailure::PersonRemoved);
            }
            if by_password_alone && app_password_rows::is_an_app_s(db, &row.id)? {
                return Err(StoreFailure::PasswordOfApp);
            }
            row.insert(db)?;
            let surplus = surplus_of(db, &row)?;
            delete(db, &surplus)?;
            Ok(surplus)
        };
        let settle = move |surplus: Vec<SessionId>| {
            let live = sessions.put(new);
            sessions.end(&surplus);
            sessions.ended(&surplus);
            live
        };
        self.writer.write(insert, settle).await
    }

    /// In memory first: what was taken from somebody must not wait for the disk. One that was ended
    /// meanwhile is gone from both, and stays so. What is written is what is known when its turn
    /// comes, so that the last of several is, whatever their order there.
    async fn renew_session(
        &self,
        before: &Arc<SignedIn>,
        new: SignedIn,
    ) -> Result<bool, StoreFailure> {
        Row::of(&new)?;
        let id = new.session.id.clone();
        if !self.sessions.renew(before, new) {
            return Ok(false);
        }
        let sessions = Arc::clone(&self.sessions);
        let write = move |db: &Connection| match sessions.find(&id) {
            Some(live) => update(db, &live.newest()),
            None => Ok(()),
        };
        self.writer.revoke(write, |()| ()).await.map(|()| true)
    }

    /// Ends sessions in memory at once, so that no new request finds them, then on the disk.
    async fn end_sessions(&self, ids: Vec<SessionId>) -> Result<(), StoreFailure> {
        self.sessions.end(&ids);
        let sessions = Arc::clone(&self.sessions);
        let gone = ids.clone();
        let work = move |db: &Connection| {
            // What somebody takes for one session of many must not come back by its password.
            forget_their_passwords(db, &ids)?;
            delete(db, &ids)
        };
        let settle = move |()| {
            // An app that signs in again keeps its session's id, and may have done so meanwhile.
            sessions.end(&gone);
            sessions.ended(&gone);
        };
        self.writer.revoke(work, settle).await
    }
}

/// Takes every session on the disk into memory.
pub(super) fn load(db: &Connection, sessions: &Index) -> Result<(), StoreFailure> {
    let mut query =
        db.prepare("SELECT id, person_id, issued_at, expires_at, body, checksum FROM sessions")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let row = Row::read(row)?;
        sessions.put_read(row.signed_in()?, &row.body);
    }
    Ok(())
}

/// Makes memory follow what other processes did to the sessions on the disk.
pub(super) fn follow(db: &Connection, sessions: &Index) -> Result<(), StoreFailure> {
    sessions.know_devices(enrolled::known(db)?);
    let mut query = db.prepare_cached("SELECT id FROM sessions")?;
    let ids = query.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let on_disk: HashSet<_> = ids.iter().filter_map(|id| SessionId::parse(id)).collect();
    let (gone, new) = sessions.differences(&on_disk);
    sessions.end(&gone);
    sessions.ended(&gone);
    let one = "SELECT id, person_id, issued_at, expires_at, body, checksum FROM sessions \
               WHERE id = ?1";
    for id in new {
        let row = db.prepare_cached(one)?.query_row([id.as_str()], |row| Ok(Row::read(row)));
        if let Some(row) = row.optional()? {
            let row = row?;
            sessions.put_read(row.signed_in()?, &row.body);
        }
    }
    Ok(())
}

/// Deletes a person's sessions; their ids.
pub(super) fn delete_person_sessions(
    db: &Connection,
    person_id: &str,
) -> Result<Vec<SessionId>, StoreFailure> {
    let mut delete = db.prepare_cached("DELETE FROM sessions WHERE person_id = ?1 RETURNING id")?;
    let ids = delete.query_map([person_id], |row| row.get::<_, String>(0))?;
    let ids = ids.collect::<Result<Vec<_>, _>>()?;
    Ok(ids.iter().filter_map(|id| SessionId::parse(id)).collect())
}

/// Whoever is removed takes their app passwords along.
pub(super) fn forget_app_passwords(db: &Connection, owner: &str) -> Result<(), StoreFailure> {
    db.prepare_cached("DELETE FROM app_passwords WHERE owner = ?1")?.execute([owner])?;
    Ok(())
}

/// App passwords that lead to these sessions, which somebody has ended one by one.
fn forget_their_passwords(db: &Connection, ids: &[SessionId]) -> Result<(), StoreFailure> {
    let mut delete = db.prepare_cached("DELETE FROM app_passwords WHERE id = ?1")?;
    for id in ids {
        delete.execute([id.as_str()])?;
    }
    Ok(())
}

fn delete(db: &Connection, ids: &[SessionId]) -> Result<(), StoreFailure> {
    let mut delete = db.prepare_cached("DELETE FROM sessions WHERE id = ?1")?;
    for id in ids {
        delete.execute([id.as_str()])?;
    }
    Ok(())
}

/// A person's oldest sessions beyond what one person may have; never the one that begins, also
/// when a clock that was turned back makes it look old.
fn surplus_of(db: &Connection, begun: &Row) -> Result<Vec<SessionId>, StoreFailure> {
    let mut query = db.prepare_cached(
        "SELECT id FROM sessions WHERE person_id = ?1 \
         ORDER BY id = ?2 DESC, issued_at DESC, id LIMIT -1 OFFSET ?3",
    )?;
    let most = MOST_PER_PERSON as i64;
    let ids =
        query.query_map(params![begun.person_id, begun.id, most], |row| row.get::<_, String>(0))?;
    let ids = ids.collect::<Result<Vec<_>, _>>()?;
    Ok(ids.iter().filter_map(|id| SessionId::parse(id)).collect())
}

/// Writes down what is new of a session, if it is still there: an app that has signed in anew has
/// another token, and keeps it.
pub(super) fn update(db: &Connection, new: &SignedIn) -> Result<(), StoreFailure> {
    let token = new.session.app.as_deref().map(|app| &*app.token);
    Row::of(new)?.update(db, token)
}

/// A session as it is written down.
struct Row {
    id: String,
    person_id: String,
    issued_at: i64,
    expires_at: i64,
    body: String,
    checksum: i64,
}

impl Row {
    fn of(new: &SignedIn) -> Result<Self, StoreFailure> {
        let SignedIn { session, person } = new;
        let body = serde_json::to_string(new)
            .map_err(|error| StoreFailure::Unexpected { what: error.to_string().into() })?;
        if body.len() > LONGEST_SESSION {
            return Err(StoreFailure::TooLarge { octets: body.len(), limit: LONGEST_SESSION });
        }
        let mut row = Self {
            id: session.id.as_str().into(),
            person_id: person.id.clone().into(),
            issued_at: stored(session.issued_at),
            expires_at: stored(session.expires_at),
            body,
            checksum: 0,
        };
        row.checksum = checksum::of(&row.fields());
        Ok(row)
    }

    fn read(row: &rusqlite::Row<'_>) -> Result<Self, StoreFailure> {
        Ok(Self {
            id: row.get(0)?,
            person_id: row.get(1)?,
            issued_at: row.get(2)?,
            expires_at: row.get(3)?,
            body: row.get(4)?,
            checksum: row.get(5)?,
        })
    }

    fn insert(&self, db: &Connection) -> Result<(), StoreFailure> {
        let mut insert = db.prepare_cached(
            "INSERT OR REPLACE INTO sessions \
             (id, person_id, issued_at, expires_at, body, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let Self { id, person_id, issued_at, expires_at, body, checksum } = self;
        insert.execute(params![id, person_id, issued_at, expires_at, body, checksum])?;
        Ok(())
    }

    fn update(&self, db: &Connection, token: Option<&str>) -> Result<(), StoreFailure> {
        let mut update = db.prepare_cached(
            "UPDATE sessions SET body = ?2, checksum = ?3 WHERE id = ?1 AND person_id = ?4 \
             AND json_extract(body, '$.app.token') IS ?5",
        )?;
        update.execute(params![self.id, self.body, self.checksum, self.person_id, token])?;
        Ok(())
    }

    fn signed_in(&self) -> Result<SignedIn, StoreFailure> {
        checksum::check("sessions", self.checksum, &self.fields())?;
        serde_json::from_str(&self.body)
            .map_err(|error| StoreFailure::Corrupt { what: format!("a session: {error}").into() })
    }

    fn fields(&self) -> [&[u8]; 3] {
        // The times are in the body as well, and only the body's are believed.
        [self.id.as_bytes(), self.person_id.as_bytes(), self.body.as_bytes()]
    }
}
