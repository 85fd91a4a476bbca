use usher_rules::{
    accounts::{AccountLink, AccountStore, Earlier, Invitation, KeptCredential, LinkPurpose},
    people::{People, PeopleError},
    time::UnixTime,
};

use super::{find, fresh, member, secret};
use crate::{
    request::identify::{SessionStore, contract::session},
    store::{Store, StoreFailure},
};

async fn hash_of(store: &Store, email: &str) -> String {
    let (_, hash) = People::find(store, email).await.unwrap().unwrap();
    hash.expose_str().unwrap().into()
}

#[tokio::test]
async fn people_are_added_once_listed_by_address_and_removed_for_good() {
    let (dir, store) = fresh();
    let [ann, bob] = [member("ann@example.com", &["family"]), member("bob@example.com", &[])];
    store.add(bob.clone(), secret("$bob")).await.unwrap();
    store.add(ann.clone(), secret("$ann")).await.unwrap();
    let again = store.add(ann.clone(), secret("$other")).await.unwrap_err();
    assert!(matches!(again, PeopleError::AlreadyHere(_)), "{again}");
    assert_eq!(hash_of(&store, "ann@example.com").await, "$ann", "the first stands");
    drop(store);

    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.list().await.unwrap(), [ann.clone(), bob.clone()], "every field, by address");
    assert_eq!(store.remove("bob@example.com").await.unwrap().id, bob.id);
    assert!(People::find(&store, "bob@example.com").await.unwrap().is_none());
    for unknown in [
        store.remove("bob@example.com").await,
        store.set_groups("bob@example.com", vec![]).await,
        store.set_password("bob@example.com", secret("$")).await,
    ] {
        assert!(matches!(unknown, Err(PeopleError::Unknown(_))), "{unknown:?}");
    }
    store.add(bob, secret("$bob")).await.expect("the address is free again");
}

#[tokio::test]
async fn changes_that_take_away_end_sessions() {
    let (_dir, store) = fresh();
    let ann = member("ann@example.com", &["family"]);
    store.add(ann.clone(), secret("$1")).await.unwrap();
    let begin = |n| store.insert(session(n, &ann.id));
    let other = store.insert(session(99, "bob")).await.unwrap();

    let live = begin(1).await.unwrap();
    let changed = store.set_groups("ann@example.com", vec!["kids".into()]).await.unwrap();
    assert_eq!(changed.groups, [Box::from("kids")]);
    assert!(live.is_ended() && find(&store, &live.session().id).is_none(), "other groups");

    let live = begin(2).await.unwrap();
    store.set_password("ann@example.com", secret("$2")).await.unwrap();
    assert!(live.is_ended() && store.of_person(&ann.id).is_empty(), "another password");
    assert_eq!(hash_of(&store, "ann@example.com").await, "$2");

    let live = begin(3).await.unwrap();
    store.rehash("ann@example.com", secret("$2"), secret("$3")).await.unwrap();
    assert!(!live.is_ended(), "the same password at another cost");
    store.rehash("ann@example.com", secret("$2"), secret("$4")).await.unwrap();
    assert_eq!(hash_of(&store, "ann@example.com").await, "$3", "a stale rehash changes nothing");

    store.remove("ann@example.com").await.unwrap();
    assert!(live.is_ended() && find(&store, &live.session().id).is_none(), "removed");
    let late = store.begin_session(session(4, &ann.id)).await.unwrap_err();
    assert_eq!(late, StoreFailure::PersonRemoved, "a sign-in that was under way");
    assert!(!other.is_ended(), "nobody else");
}

/// What a sign-in that is under way is told by.
#[tokio::test]
async fn whatever_ends_somebody_s_sessions_is_counted() {
    let (dir, store) = fresh();
    let ann = member("ann@example.com", &["family"]);
    let (id, email) = (&*ann.id, &*ann.email);
    store.add(ann.clone(), secret("$1")).await.unwrap();
    store.rehash(email, secret("$1"), secret("$2")).await.unwrap();
    let now = async |store: &Store| AccountStore::member(store, id).await.unwrap().unwrap().0;
    assert_eq!(now(&store).await, ann, "the same password at another cost");
    assert_eq!(store.set_groups(email, ann.groups.clone()).await.unwrap().changes, 1);
    assert_eq!(store.set_password(email, secret("$3")).await.unwrap().changes, 2);
    assert_eq!(store.set_until(email, None).await.unwrap().changes, 3);
    store.remove_passkey(&ann, "none").await.unwrap();
    let purpose = LinkPurpose::Recover { id: id.into() };
    let link = AccountLink { purpose, over_at: 9, uses_left: 1 };
    store.add_link([1; 32], link.clone(), Earlier::End, UnixTime::EARLIEST).await.unwrap();
    let password = KeptCredential::Password(secret("$4"));
    let used = store.use_link([1; 32], link, ann.clone(), password).await.unwrap().unwrap();
    assert_eq!((used.changes, &now(&store).await), (5, &used), "as they are after it");
    drop(store);
    assert_eq!(now(&Store::open(dir.path()).unwrap()).await, used, "after a restart");
}

#[tokio::test]
async fn two_who_join_by_one_link_at_once_are_both_in() {
    let (_dir, store) = fresh();
    let purpose = LinkPurpose::Join(Invitation::default());
    let link = AccountLink { purpose, over_at: 9, uses_left: 2 };
    store.add_link([1; 32], link.clone(), Earlier::End, UnixTime::EARLIEST).await.unwrap();
    for (email, is_in) in [("ann@example.com", true), ("bob@example.com", true), ("c@d.e", false)] {
        let password = KeptCredential::Password(secret("$"));
        // Each had read the link before anybody used it.
        let used = store.use_link([1; 32], link.clone(), member(email, &[]), password).await;
        assert_eq!(used.unwrap().is_some(), is_in, "{email}");
    }
}
