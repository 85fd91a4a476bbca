use std::sync::Arc;

use usher_rules::{
    enrolment::{EnrolledDevice, EnrolledDevices as _, Ids, MOST_DEVICES},
    passkey::NewPasskey,
    people::People as _,
    session::{Enrolment, SignedIn},
};

use super::{NOT_SEEN, find, fresh, member, secret};
use crate::{
    request::identify::{SessionStore as _, contract::session},
    store::Store,
};

const WORK: &str = "https://id.work.example";

fn device(id: &str, owner: &str) -> EnrolledDevice {
    EnrolledDevice {
        key: NewPasskey { id: id.into(), public_key: Box::from(*b"key"), counter: 1 },
        owner: owner.into(),
        provider: "builtin".into(),
        called: "ann@example.com".into(),
        site: "tv.example".into(),
        label: "laptop".into(),
        added_at: 5,
        used_at: None,
        approved_at: None,
    }
}

/// What a session says of a device is what the store knows of it, whoever says it, also when it was
/// changed by another process or by an answer that was read before.
#[tokio::test]
async fn what_a_session_says_of_a_device_is_a_copy() {
    let (dir, store) = fresh();
    let laptop = device("a2V5", "ann");
    assert!(store.enrol(laptop.clone(), Ids::NeverMeet).await.unwrap());
    assert!(!store.enrol(laptop.clone(), Ids::NeverMeet).await.unwrap(), "it is known");
    let mut shown = session(1, "ann");
    shown.session.devices = [laptop.shown()].into();
    store.insert(shown.clone()).await.unwrap();
    let says = |store: &Store| {
        let live = find(store, &shown.session.id).unwrap();
        live.session().device("any").map(|device| device.enrolment)
    };
    assert_eq!(says(&store), Some(Enrolment::Pending));

    let command = Store::open(dir.path()).unwrap();
    assert!(command.approve("a2V5", 9).await.unwrap());
    store.look(NOT_SEEN).await.unwrap();
    assert_eq!(says(&store), Some(Enrolment::Approved), "approved elsewhere");
    assert!(store.proven(&laptop, 2, 11).await.unwrap());
    assert!(!store.proven(&laptop, 3, 12).await.unwrap(), "somebody was faster");
    let kept = store.enrolled_by("ann").await.unwrap();
    assert_eq!((kept[0].key.counter, kept[0].used_at, kept[0].approved_at), (2, Some(11), Some(9)));

    assert!(command.remove_enrolled("a2V5").await.unwrap());
    store.look(NOT_SEEN).await.unwrap();
    assert_eq!(says(&store), None, "removed elsewhere");
    let known = find(&store, &shown.session.id).unwrap().newest();
    assert!(store.renew(&known, shown.clone()).await.unwrap());
    assert_eq!(says(&store), None, "what was read before brings it back to nobody");
    drop(command);
    drop(Arc::into_inner(store).unwrap());
    assert_eq!(says(&Store::open(dir.path()).unwrap()), None, "nor does a restart");
}

#[tokio::test]
async fn devices_are_bounded_and_go_with_their_person() {
    let (_dir, store) = fresh();
    let ann = member("ann@example.com", &[]);
    store.add(ann.clone(), secret("$hash")).await.unwrap();
    for n in 0..MOST_DEVICES {
        assert!(store.enrol(device(&format!("key-{n}"), &ann.id), Ids::NeverMeet).await.unwrap());
    }
    assert!(!store.enrol(device("one-more", &ann.id), Ids::NeverMeet).await.unwrap());
    assert!(store.enrol(device("bobs", "bob"), Ids::NeverMeet).await.unwrap());
    let work = |id| EnrolledDevice { provider: WORK.into(), ..device(id, &ann.id) };
    assert!(
        store.enrol(work("works"), Ids::NeverMeet).await.unwrap(),
        "another provider's person of that id"
    );
    store.remove("ann@example.com").await.unwrap();
    let left = store.all_enrolled().await.unwrap();
    let left: Vec<&str> = left.iter().map(|kept| &*kept.key.id).collect();
    assert_eq!(left, ["bobs", "works"], "hers went with her, and nobody else's");
    assert!(
        !store.enrol(device("late", &ann.id), Ids::NeverMeet).await.unwrap(),
        "and none comes after"
    );
    assert!(store.enrol(work("works-too"), Ids::NeverMeet).await.unwrap(), "nobody removed them");
}

/// Devices of before providers were written down are nobody's where two people may have one id: they
/// kept others from enrolling any, who could neither see nor remove them.
#[tokio::test]
async fn devices_that_nobody_can_call_their_own_take_nobody_s_place() {
    let (_dir, store) = fresh();
    for n in 0..MOST_DEVICES {
        let old = EnrolledDevice { provider: Box::default(), ..device(&format!("old-{n}"), "7") };
        assert!(store.enrol(old, Ids::NeverMeet).await.unwrap());
    }
    let work = |n| EnrolledDevice { provider: WORK.into(), ..device(&format!("new-{n}"), "7") };
    assert!(!store.enrol(work(0), Ids::NeverMeet).await.unwrap(), "all of them are theirs");
    for n in 0..MOST_DEVICES {
        assert!(store.enrol(work(n), Ids::MayMeet).await.unwrap(), "{n}: none of them is");
    }
    assert!(!store.enrol(work(99), Ids::MayMeet).await.unwrap(), "twenty of their own");
}

/// One from before providers were written down learns its own when it is shown.
#[tokio::test]
async fn a_device_that_names_no_provider_learns_it_once() {
    let (_dir, store) = fresh();
    let old = EnrolledDevice { provider: Box::default(), ..device("old", "7") };
    assert!(store.enrol(old.clone(), Ids::NeverMeet).await.unwrap());
    let shown = EnrolledDevice { provider: WORK.into(), ..old };
    assert!(store.proven(&shown, 2, 9).await.unwrap());
    let kept = store.enrolled_by("7").await.unwrap();
    assert_eq!((&*kept[0].provider, kept[0].key.counter), (WORK, 2));
    let other = EnrolledDevice { provider: "builtin".into(), ..kept[0].clone() };
    assert!(store.proven(&other, 3, 10).await.unwrap());
    assert_eq!(&*store.enrolled_by("7").await.unwrap()[0].provider, WORK, "and keeps it");
}

/// Every row was read, and every session looked at, for each device that was shown.
#[tokio::test]
async fn a_device_is_shown_without_a_look_at_the_others() {
    let (dir, store) = fresh();
    let laptop = device("a2V5", "ann");
    assert!(store.enrol(laptop.clone(), Ids::NeverMeet).await.unwrap());
    assert!(store.enrol(device("other", "bob"), Ids::NeverMeet).await.unwrap());
    let db = rusqlite::Connection::open(dir.path().join("usher.sqlite3")).unwrap();
    db.execute("UPDATE enrolled_devices SET checksum = 0 WHERE id = 'other'", []).unwrap();
    assert!(store.all_enrolled().await.is_err(), "its row is damaged");
    assert!(store.proven(&laptop, 2, 9).await.unwrap(), "which is in nobody's way");
}

/// A provider that was asked again, or a use that was noted, wrote back what had been read before.
#[tokio::test]
async fn what_was_read_before_undoes_no_proof() {
    let (dir, store) = fresh();
    let laptop = device("a2V5", "ann");
    assert!(store.enrol(laptop.clone(), Ids::NeverMeet).await.unwrap());
    let live = store.insert(session(1, "ann")).await.unwrap();
    let before = live.newest();
    let mut proven = SignedIn::clone(&before);
    proven.session.devices = [laptop.shown()].into();
    assert!(store.renew(&before, proven.clone()).await.unwrap());
    let stale = SignedIn::clone(&before);
    assert!(!store.renew(&before, stale).await.unwrap(), "somebody was faster");
    assert!(store.renew(&live.newest(), proven.clone()).await.unwrap());
    let is_proven = |store: &Store| {
        let live = find(store, &proven.session.id).unwrap();
        live.session().device("any").is_some()
    };
    assert!(is_proven(&store));
    drop(live);
    drop(Arc::into_inner(store).unwrap());
    assert!(is_proven(&Store::open(dir.path()).unwrap()), "nor on the disk");
}
