use std::sync::Arc;

use usher_rules::{
    enrolment::{EnrolledDevice, EnrolledDevices as _, MOST_DEVICES},
    passkey::NewPasskey,
    people::People as _,
    session::Enrolment,
};

use super::{find, fresh, member, secret};
use crate::{
    request::identify::{SessionStore as _, contract::session},
    store::Store,
};

fn device(id: &str, owner: &str) -> EnrolledDevice {
    EnrolledDevice {
        key: NewPasskey { id: id.into(), public_key: Box::from(*b"key"), counter: 1 },
        owner: owner.into(),
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
    assert!(store.enrol(laptop.clone()).await.unwrap());
    assert!(!store.enrol(laptop.clone()).await.unwrap(), "it is known");
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
    store.look(None).await.unwrap();
    assert_eq!(says(&store), Some(Enrolment::Approved), "approved elsewhere");
    assert!(store.proven(&laptop, 2, 11).await.unwrap());
    assert!(!store.proven(&laptop, 3, 12).await.unwrap(), "somebody was faster");
    let kept = store.enrolled_by("ann").await.unwrap();
    assert_eq!((kept[0].key.counter, kept[0].used_at, kept[0].approved_at), (2, Some(11), Some(9)));

    assert!(command.remove_enrolled("a2V5").await.unwrap());
    store.look(None).await.unwrap();
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
        assert!(store.enrol(device(&format!("key-{n}"), &ann.id)).await.unwrap());
    }
    assert!(!store.enrol(device("one-more", &ann.id)).await.unwrap());
    assert!(store.enrol(device("bobs", "bob")).await.unwrap());
    store.remove("ann@example.com").await.unwrap();
    assert_eq!(store.all_enrolled().await.unwrap().len(), 1, "hers went with her");
    assert!(!store.enrol(device("late", &ann.id)).await.unwrap(), "and none comes after");
}
