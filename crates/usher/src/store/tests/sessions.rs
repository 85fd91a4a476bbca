use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use usher_rules::{
    app_passwords::{AppOnDevice, AppPassword, AppPasswords as _},
    secret::Secret,
    session::{BoundApp, Keys, LetInBy, Means, SessionId, SignedIn},
    time::UnixTime,
};

use super::{NOT_SEEN, find, fresh, member, pragma, secret};
use crate::{
    request::{
        identify::{
            SessionStore,
            contract::{contract, end_each_of, session},
        },
        note_panics,
    },
    store::{LONGEST_SESSION, MOST_PER_PERSON, Store, StoreFailure},
};
use usher_rules::people::People;

const LATE: UnixTime = UnixTime::from_seconds(1_000);

fn reopened(dir: &Path, store: Arc<Store>) -> Arc<Store> {
    drop(Arc::into_inner(store).expect("nobody else holds it"));
    Arc::new(Store::open(dir).unwrap())
}

#[tokio::test]
async fn keeps_the_contract() {
    contract(fresh).await;
}

#[tokio::test]
async fn a_restart_signs_nobody_out_and_nobody_in() {
    let (dir, store) = fresh();
    let [kept, ended] = [session(1, "ann"), session(2, "ann")];
    for session in [&kept, &ended] {
        store.insert(session.clone()).await.unwrap();
    }
    store.end(&ended.session.id).await.unwrap();
    let store = reopened(dir.path(), store);
    assert_eq!(find(&store, &kept.session.id).unwrap().signed_in(), &kept, "every field");
    assert!(find(&store, &ended.session.id).is_none());
    assert_eq!(store.session_count(), 1);
}

/// Ten thousand who are signed in lie packed until they come.
#[tokio::test]
async fn a_start_and_whoever_looks_now_and_then_ask_about_nobody() {
    let (dir, store) = fresh();
    let mut all = [1, 2, 3, 4].map(|n| session(n, "ann"));
    all[2].session.tokens = Some("sealed by nobody".into());
    for new in &all {
        store.insert(new.clone()).await.unwrap();
    }
    let ids = all.each_ref().map(|one| one.session.id.clone());
    let now = UnixTime::from_seconds(150);
    let store = reopened(dir.path(), store);
    let keys = Keys::derive(&Secret::new([1; 32]), &Secret::new([2; 32])).unwrap();
    store.seal_with(Arc::new(keys)).unwrap();
    store.id_token_keys(now, || secret("-----BEGIN")).unwrap();
    store.replace_id_token_key().unwrap();
    store.id_token_keys(now, || secret("-----BEGIN")).unwrap();
    store.id_token_keys(now, || secret("-----BEGIN")).unwrap();
    store.look(NOT_SEEN).await.unwrap();
    store.sweep(now).await.unwrap();
    assert!(store.those(&|facts| facts.expires_at <= now).is_empty());
    assert_eq!(store.sessions.dormant(), 4);

    assert_eq!(find(&store, &ids[0]).unwrap().signed_in(), &all[0]);
    assert_eq!(store.sessions.dormant(), 3);
    store.sweep(now).await.unwrap();
    assert_eq!(store.sessions.dormant(), 4, "nobody asked anything of it");
    store.end(&ids[1]).await.unwrap();
    let command = Store::open(dir.path()).unwrap();
    command.end(&ids[2]).await.unwrap();
    store.look(NOT_SEEN).await.unwrap();
    assert!(ids[1..3].iter().all(|id| find(&store, id).is_none()), "ended here and elsewhere");
    drop(command);
    let store = reopened(dir.path(), store);
    assert_eq!(store.session_count(), 2, "and on the disk");
    assert_eq!(find(&store, &ids[3]).unwrap().signed_in(), &all[3]);
}

#[tokio::test]
async fn sweep_forgets_what_expired_but_cuts_no_film() {
    let (dir, store) = fresh();
    let film = store.insert(session(1, "ann")).await.unwrap();
    drop(store.insert(session(2, "ann")).await.unwrap());
    let mut bob = session(3, "bob");
    bob.session.expires_at = 5_000;
    drop(store.insert(bob).await.unwrap());
    assert_eq!(store.sweep(UnixTime::from_seconds(199)).await.unwrap(), 0, "the last second");
    assert_eq!(store.sweep(UnixTime::from_seconds(200)).await.unwrap(), 1, "not the held one");
    assert!(find(&store, &session(2, "ann").session.id).is_none());
    store.look(NOT_SEEN).await.unwrap();
    assert!(!film.is_ended(), "expiry is not an end, and the disk still has it");

    assert_eq!(end_each_of(&*store, "ann").await, 1, "a revocation still reaches the film");
    assert!(film.is_ended());

    let held = store.insert(session(4, "cat")).await.unwrap();
    store.sweep(LATE).await.unwrap();
    drop(held);
    assert_eq!(store.sweep(LATE).await.unwrap(), 1, "forgotten once the film is over");
    let store = reopened(dir.path(), store);
    assert_eq!(store.session_count(), 1, "and gone from the disk: only bob's is left");
    assert!(find(&store, &session(3, "bob").session.id).is_some());
}

#[tokio::test]
async fn one_person_has_so_many_sessions_at_most() {
    let (dir, store) = fresh();
    // All in the same second: the new one must never be the one that goes.
    let ids: Vec<SessionId> = (0..=u8::try_from(MOST_PER_PERSON).unwrap() + 1)
        .map(|n| session(n, "ann").session.id)
        .collect();
    for n in 0..ids.len() {
        let n = u8::try_from(n).unwrap();
        let issued_at = if n == 3 { 1 } else { 100 };
        let mut ann = session(n, "ann");
        ann.session.issued_at = issued_at;
        let begun = store.insert(ann).await.unwrap();
        assert!(!begun.is_ended() && find(&store, &begun.session().id).is_some(), "{n}");
    }
    assert!(find(&store, &ids[3]).is_none(), "the oldest went first");
    assert_eq!(store.of_person("ann").len(), MOST_PER_PERSON);
    let store = reopened(dir.path(), store);
    assert_eq!(store.of_person("ann").len(), MOST_PER_PERSON, "on the disk too");
}

#[tokio::test]
async fn t29_a_flood_of_sign_ins_is_refused_and_ends_nobody() {
    let (_dir, store) = fresh();
    store.admit_at_most(3);
    for n in 0..3 {
        store.insert(session(n, &format!("person-{n}"))).await.unwrap();
    }
    let refused = store.begin_session(session(9, "eve")).await.unwrap_err();
    assert_eq!(refused, StoreFailure::TooManySessions { limit: 3 });
    assert_eq!(store.session_count(), 3);
    store.end(&session(0, "person-0").session.id).await.unwrap();
    store.insert(session(9, "eve")).await.expect("there is room again");
}

#[tokio::test]
async fn where_fewer_are_admitted_than_there_are_none_ends() {
    let (dir, store) = fresh();
    for n in 0..4 {
        store.insert(session(n, &format!("person-{n}"))).await.unwrap();
    }
    store.admit_at_most(3);
    store.sweep(UnixTime::from_seconds(1)).await.unwrap();
    assert_eq!(store.session_count(), 4);
    let store = reopened(dir.path(), store);
    store.admit_at_most(3);
    assert_eq!(store.session_count(), 4, "nor at a start");
    for (ended, there_is_room) in [(0, false), (1, true)] {
        store.end(&session(ended, "").session.id).await.unwrap();
        assert_eq!(store.begin_session(session(9, "eve")).await.is_ok(), there_is_room, "{ended}");
    }
    store.begin_session(session(10, "eve")).await.expect_err("three are in force");
    store.admit_at_most(4);
    store.begin_session(session(10, "eve")).await.expect("there is room for a fourth");
}

#[tokio::test]
async fn claims_without_end_are_refused() {
    let (_dir, store) = fresh();
    let mut large = session(1, "ann");
    Arc::make_mut(&mut large.person).claims.set("groups", vec!["g".repeat(LONGEST_SESSION).into()]);
    let refused = store.begin_session(large.clone()).await.unwrap_err();
    assert!(matches!(refused, StoreFailure::TooLarge { .. }), "{refused:?}");
    assert!(find(&store, &large.session.id).is_none());
    assert_eq!(store.health(), Ok(()), "not the disk's fault");
}

#[tokio::test]
async fn a_full_disk_refuses_sign_ins_and_nothing_else() {
    let (dir, store) = fresh();
    store.add(member("ann@example.com", &[]), secret("$hash")).await.unwrap();
    let early = store.insert(session(0, "ann")).await.unwrap();
    pragma(&store, "PRAGMA max_page_count = 1").await; // SQLite: as small as the file is now
    let mut kept = 0;
    let refused = loop {
        match store.begin_session(session(kept + 1, &format!("person-{kept}"))).await {
            Ok(_) => kept += 1,
            Err(failure) => break failure,
        }
    };
    assert_eq!(refused, StoreFailure::Full);
    assert!(refused.hint().contains("space"));
    assert!(find(&store, &session(kept + 1, "").session.id).is_none(), "not in memory either");
    assert_eq!(store.health(), Err(StoreFailure::Full));

    assert!(find(&store, &early.session().id).is_some() && !early.is_ended(), "others go on");
    assert!(People::find(&*store, "ann@example.com").await.unwrap().is_some(), "people are read");
    store.end(&early.session().id).await.expect("ending takes no new page");
    pragma(&store, "PRAGMA max_page_count = 1000").await;
    store.insert(session(kept + 1, "late")).await.expect("space again");
    assert_eq!(store.health(), Ok(()));
    let store = reopened(dir.path(), store);
    assert_eq!(store.session_count(), usize::from(kept) + 1, "every one that was answered");
}

#[tokio::test]
async fn one_failing_change_does_not_fail_those_beside_it() {
    let (_dir, store) = fresh();
    store.add(member("eve@example.com", &[]), secret("$hash")).await.unwrap();
    store.remove("eve@example.com").await.unwrap();
    let begin = |n, person| store.begin_session(session(n, person));
    // All three wait when the thread takes them up, or at least the last two do.
    let (ann, eve, bob) =
        tokio::join!(begin(1, "ann"), begin(2, "id-of-eve@example.com"), begin(3, "bob"));
    assert!(ann.is_ok() && bob.is_ok());
    assert_eq!(eve.unwrap_err(), StoreFailure::PersonRemoved);
}

/// The log of a real full disk has no page for the end of a session.
#[tokio::test]
async fn ending_uses_the_space_that_is_put_by_and_signing_in_does_not() {
    let (dir, store) = fresh();
    let reserve = dir.path().join("usher.reserve");
    let put_by = || std::fs::metadata(&reserve).map_or(0, |found| found.len());
    let work = || {
        let reserve = reserve.clone();
        move |_: &rusqlite::Connection| match reserve.exists() {
            true => Err(StoreFailure::Full),
            false => Ok(()),
        }
    };
    assert_eq!(put_by(), 1 << 20);
    assert_eq!(store.writer.write(work(), |()| ()).await, Err(StoreFailure::Full), "grants");
    assert_eq!(put_by(), 1 << 20, "kept for who needs it");
    assert_eq!(store.writer.revoke(work(), |()| ()).await, Ok(()), "revokes");
    assert_eq!(put_by(), 0);
    store.sweep(UnixTime::from_seconds(100)).await.unwrap();
    assert_eq!(put_by(), 1 << 20, "put by again");
}

/// A disk that can't be written to must not bring a session back that somebody ended.
#[tokio::test]
async fn an_end_that_can_not_be_written_down_holds_and_is_tried_again() {
    let (dir, store) = fresh();
    let live = store.insert(session(1, "ann")).await.unwrap();
    pragma(&store, "PRAGMA query_only = on").await;
    let refused = store.end(&session(1, "ann").session.id).await.unwrap_err().to_string();
    assert!(refused.contains("read-only") && refused.contains("mount"), "{refused}");
    assert!(
        live.is_ended() && find(&store, &session(1, "ann").session.id).is_none(),
        "ended all the same"
    );
    store.look(NOT_SEEN).await.unwrap();
    assert!(
        find(&store, &session(1, "ann").session.id).is_none(),
        "a look at the disk finds it there still"
    );
    assert!(store.begin_session(session(2, "ann")).await.is_err(), "nobody new");

    pragma(&store, "PRAGMA query_only = off").await;
    assert_eq!(store.sessions.ending().len(), 1, "it may still be on the disk");
    store.sweep(UnixTime::from_seconds(100)).await.unwrap();
    assert!(store.sessions.ending().is_empty(), "what is gone is not written down for ever");
    drop(live);
    let store = reopened(dir.path(), store);
    assert_eq!(store.session_count(), 0, "the sweep wrote the end down");
}

/// A job that panics is refused, rolled back and told; those beside it and after it go on.
#[tokio::test]
async fn a_job_that_panics_takes_no_other_along() {
    note_panics();
    let (_dir, store) = fresh();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    store.on_panic(move |panicked| heard.lock().unwrap().push(panicked.words));
    let kept = "INSERT INTO removed_people (id) VALUES ('kept')";
    let (read, write, settle, beside) = tokio::join!(
        store.writer.read(|_| -> Result<(), _> { panic!("a read") }),
        store.writer.write(
            |db| -> Result<(), _> {
                db.execute("INSERT INTO removed_people (id) VALUES ('gone')", [])?;
                panic!("a write")
            },
            |()| ()
        ),
        store.writer.write(|_| Ok(()), |()| -> () { panic!("a settle") }),
        store.writer.write(move |db| Ok(db.execute(kept, [])?), |rows| rows),
    );
    assert!(matches!(read, Err(StoreFailure::Panicked { .. })), "{read:?}");
    assert!(matches!(write, Err(StoreFailure::Panicked { .. })), "{write:?}");
    assert_eq!(settle, Err(StoreFailure::Closed), "nobody is told that it went well");
    assert_eq!(beside, Ok(1));
    let rows = "SELECT group_concat(id) FROM removed_people";
    let rows = store.writer.read(move |db| Ok(db.query_row(rows, [], |row| row.get(0))?)).await;
    assert_eq!(rows, Ok(String::from("kept")));
    assert_eq!(store.health(), Ok(()), "it is not the disk's fault");
    let told = told.lock().unwrap();
    for words in ["a read", "a write", "a settle"] {
        assert!(told.contains(&words), "{told:?}");
    }
}

/// An app that signs in anew keeps its session's id. What was read before, and is written in the same
/// commit or a later one, leaves its new token alone.
#[tokio::test]
async fn what_was_read_before_replaces_nothing_on_the_disk() {
    let (dir, store) = fresh();
    let app = |token: &str| {
        let mut new = session(1, "ann");
        new.session.app = Some(Box::new(BoundApp {
            token: token.into(),
            server: "http://tv:8096".into(),
            host: "tv.test".into(),
            user: "1".into(),
            client: "TV".into(),
            device: "SHIELD".into(),
            device_id: "tv".into(),
            by: LetInBy::Password,
            seat: None,
            label: None,
            language: None,
            seen: None,
            unfetched_until: None,
        }));
        new
    };
    let before = store.insert(app("a")).await.unwrap().newest();
    let mut stale = SignedIn::clone(&before);
    stale.session.vouched_at = 150;
    let (anew, _) = tokio::join!(store.insert(app("b")), store.renew(&before, stale.clone()));
    assert!(!store.renew(&before, stale).await.unwrap());
    let known = anew.unwrap().newest();
    let mut seen = SignedIn::clone(&known);
    seen.session.vouched_at = 160;
    assert!(store.renew(&known, seen.clone()).await.unwrap());
    let store = reopened(dir.path(), store);
    assert_eq!(find(&store, &seen.session.id).unwrap().signed_in(), &seen);
}

/// An app signs in with a password while another client brings it as `Basic`: whichever comes first
/// there, nothing but the app is in by it afterwards.
#[tokio::test]
async fn a_session_of_a_password_that_is_an_app_s_is_not_kept() {
    let (_dir, store) = fresh();
    let ann = member("ann@example.com", &[]);
    store.add(ann.clone(), secret("$hash")).await.unwrap();
    let mut by_password = session(1, &ann.id);
    by_password.session.sign_in.means = Means::AppPassword;
    let kept = AppPassword {
        id: by_password.session.id.as_str().into(),
        owner: ann.id.clone(),
        label: "Kodi".into(),
        host: "tv.test".into(),
        added_at: 1,
        over_at: 1_000,
        app: None,
    };
    assert!(store.add_app_password([7; 32], kept).await.unwrap());
    let basic = store.insert(by_password.clone()).await.unwrap();
    let kodi = AppOnDevice {
        client: "Kodi".into(),
        device: "attic".into(),
        device_id: "a".into(),
        library: "tv.test".into(),
    };
    assert!(store.take_for_app([7; 32], kodi).await.unwrap());
    assert!(basic.is_ended());
    let late = store.begin_session(by_password.clone()).await.unwrap_err();
    assert_eq!(late, StoreFailure::PasswordOfApp);
    assert!(find(&store, &by_password.session.id).is_none());
    assert_eq!(store.health(), Ok(()), "not the disk's fault");
}
