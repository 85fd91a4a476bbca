//! Two handles on one directory are what `usher run` and `usher people` are to each other.

use std::{sync::Arc, time::Duration};

use rusqlite::Connection;
use usher_lab::patience::within;
use usher_rules::people::People;

use super::{NOT_SEEN, find, fresh, member, secret};
use crate::{
    request::identify::{SessionStore, contract::session},
    store::{Store, StoreFailure},
};

#[tokio::test]
async fn revocation_elsewhere_ends_sessions_here_within_seconds() {
    let (dir, running) = fresh();
    let ann = member("ann@example.com", &["family"]);
    running.add(ann.clone(), secret("$hash")).await.unwrap();
    let live = running.insert(session(1, &ann.id)).await.unwrap();
    let other = running.insert(session(2, "bob")).await.unwrap();
    let following = Arc::clone(&running).follow();

    let command = Store::open(dir.path()).unwrap();
    command.insert(session(3, "cat")).await.unwrap();
    command.remove("ann@example.com").await.unwrap();
    drop(command);

    assert!(People::find(&*running, "ann@example.com").await.unwrap().is_none(), "at once");
    tokio::select! {
        () = following => panic!("follows as long as the store is there"),
        () = within("it is told", live.ended()) => {}
    }
    assert!(find(&running, &session(1, "").session.id).is_none(), "no new request finds it");
    assert!(!other.is_ended());
    running.look(NOT_SEEN).await.unwrap(); // the look that told has ended before this one begins
    assert!(
        find(&running, &session(3, "").session.id).is_some(),
        "a session begun elsewhere is found here"
    );
}

#[tokio::test]
async fn following_ends_with_the_store() {
    let (_dir, store) = fresh();
    let following = Arc::clone(&store).follow();
    drop(store);
    within("it ends", following).await;
}

#[tokio::test]
async fn a_look_without_changes_elsewhere_reads_nothing() {
    let (_dir, store) = fresh();
    let version = store.opened_at;
    store.insert(session(1, "ann")).await.unwrap();
    store.sessions.put(session(2, "bob")); // a look at the disk would not find it there
    assert_eq!(store.look(version).await.unwrap(), version, "our own changes don't count");
    assert!(find(&store, &session(2, "").session.id).is_some(), "nothing was read");
    store.look(NOT_SEEN).await.unwrap();
    assert!(
        find(&store, &session(2, "").session.id).is_none(),
        "and where anything else may have changed it, all is"
    );
}

#[tokio::test]
async fn two_processes_write_at_once_and_lose_nothing() {
    let (dir, one) = fresh();
    let two = Arc::new(Store::open(dir.path()).unwrap());
    for n in 0..40 {
        let (a, b) =
            tokio::join!(one.insert(session(n, "ann")), two.insert(session(100 + n, "bob")));
        a.unwrap();
        b.unwrap();
    }
    drop((one, two));
    let store = Store::open(dir.path()).unwrap();
    assert_eq!((store.of_person("ann").len(), store.of_person("bob").len()), (40, 40));
}

#[tokio::test]
async fn a_process_that_keeps_the_lock_is_told_of() {
    let (dir, store) = fresh();
    drop(store);
    let store = Store::open_within(dir.path(), Duration::from_millis(20)).unwrap();
    let shell = Connection::open(dir.path().join("usher.sqlite3")).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store.begin_session(session(1, "ann")).await.unwrap_err();
    assert_eq!(refused, StoreFailure::Locked);
    assert!(find(&store, &session(1, "").session.id).is_none());
    assert!(store.list().await.is_ok(), "reading goes on");
    shell.execute_batch("COMMIT").unwrap();
    store.insert(session(1, "ann")).await.expect("once it has let go");
}
