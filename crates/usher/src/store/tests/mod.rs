mod crash;
mod damage;
mod enrolled;
mod grants;
mod keys;
mod opening;
mod other_process;
mod people;
mod sessions;

use std::sync::Arc;

use tempfile::TempDir;
use usher_rules::{people::Member, secret::Secret, session::SessionId};

use super::Store;
use crate::request::identify::LiveSession;

/// No version of the disk: what is there is read, whatever was before.
const NOT_SEEN: i64 = -1;

/// A fresh store. The directory goes when the first is dropped.
fn fresh() -> (TempDir, Arc<Store>) {
    let dir = TempDir::new().unwrap();
    let store = Arc::new(Store::open(dir.path()).unwrap());
    (dir, store)
}

fn member(email: &str, groups: &[&str]) -> Member {
    Member {
        id: format!("id-of-{email}").into(),
        email: email.into(),
        name: "Somebody".into(),
        groups: groups.iter().map(|&group| group.into()).collect(),
        added_at: 7,
        ..Member::default()
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes())
}

/// Runs SQL on the store's own connection: how tests fill a disk or make it read-only.
async fn pragma(store: &Store, sql: &'static str) {
    store.writer.read(move |db| Ok(db.execute_batch(sql)?)).await.unwrap();
}

/// The session in memory; the store's people have a `find` too.
fn find(store: &Store, id: &SessionId) -> Option<Arc<LiveSession>> {
    store.sessions.find(id)
}
