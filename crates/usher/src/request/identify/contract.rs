//! What every [`SessionStore`] must do; each implementation calls it in its own tests.

use std::sync::Arc;

use usher_rules::{
    people::{Claims, Person},
    session::{Session, SessionId},
};

use super::SessionStore;

/// Session number `n` of a person, from second 100 to second 200.
pub fn session(n: u8, person_id: &str) -> Session {
    Session {
        id: SessionId::from_random([n; 16]),
        idp_id: "builtin".into(),
        person: Person {
            id: person_id.into(),
            email: format!("{person_id}@example.com").into(),
            name: person_id.into(),
            claims: Claims::default(),
            directory_groups: Some(vec!["family".into()]),
            unproven: Default::default(),
            spelling: Default::default(),
        },
        issued_at: 100,
        expires_at: 200,
        id_token: None,
    }
}

/// The contract. `store` is empty.
pub async fn contract(store: Arc<dyn SessionStore>) {
    let [ann1, ann2, bob] = [session(1, "ann"), session(2, "ann"), session(3, "bob")];
    assert!(store.find(&ann1.id).is_none(), "never was");

    let live = store.insert(ann1.clone()).await.unwrap();
    assert_eq!(live.session(), &ann1);
    let found = store.find(&ann1.id).unwrap();
    assert!(Arc::ptr_eq(&live, &found), "one session, shared by all that runs under it");
    let other = store.insert(ann2.clone()).await.unwrap();
    let bobs = store.insert(bob.clone()).await.unwrap();
    assert_eq!(store.of_person("ann").len(), 2);

    let told = async {
        live.ended().await;
        assert!(store.find(&ann1.id).is_none(), "gone before what runs under it is told");
    };
    let (ended, ()) = tokio::join!(store.end(&ann1.id), told);
    ended.unwrap();
    assert!(store.find(&ann1.id).is_none() && live.is_ended());
    store.end(&ann1.id).await.expect("twice is fine");
    store.end(&session(9, "nobody").id).await.expect("unknown is fine");
    assert!(!other.is_ended() && store.find(&ann2.id).is_some(), "ending one leaves the others");

    let again = store.insert(ann1.clone()).await.unwrap();
    assert_eq!(store.end_all_of("ann").await.unwrap(), 2);
    assert!(again.is_ended() && other.is_ended() && store.of_person("ann").is_empty());
    assert!([&ann1.id, &ann2.id].iter().all(|id| store.find(id).is_none()));
    assert_eq!(store.end_all_of("ann").await.unwrap(), 0, "none is left");
    assert!(!bobs.is_ended() && store.find(&bob.id).is_some(), "others stay");

    let before = store.insert(ann1.clone()).await.unwrap();
    let moved = Session { expires_at: 300, ..ann1.clone() };
    store.insert(moved.clone()).await.unwrap();
    assert_eq!(store.find(&ann1.id).unwrap().session(), &moved, "a second insert wins");
    assert!(before.is_ended(), "and ends the first");
    assert_eq!(store.of_person("ann").len(), 1);

    let (begun, ended) = tokio::join!(store.insert(ann2.clone()), store.end_all_of("ann"));
    ended.unwrap();
    assert!(begun.unwrap().is_ended(), "a session that was on its way is ended too");
    assert!(store.find(&ann2.id).is_none() && store.of_person("ann").is_empty());
}
