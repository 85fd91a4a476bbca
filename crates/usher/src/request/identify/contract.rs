//! What every [`SessionStore`] must do; each implementation calls it in its own tests.

use std::sync::Arc;

use usher_rules::{
    people::{Claims, Person},
    session::{Authentication, SessionId, SignIn, SignedIn},
    time::UnixTime,
};

use super::{Found, LiveSession, NotOnce, SessionFacts, SessionStore};

/// Session number `n` of a person, from second 100 to second 200.
pub fn session(n: u8, person_id: &str) -> SignedIn {
    let person = Person {
        id: person_id.into(),
        email: format!("{person_id}@example.com").into(),
        name: person_id.into(),
        claims: Claims::default(),
        directory_groups: Some(vec!["family".into()]),
        unproven: Default::default(),
        spelling: Default::default(),
    };
    let told = Authentication { person, claims: Claims::default(), sign_in: SignIn::default() };
    let [from, to] = [100, 200].map(UnixTime::from_seconds);
    told.begin(SessionId::from_random([n; 16]), "builtin", from, to)
}

/// The contract, for a fresh store each: made by `fresh`, with what has to live as long.
pub async fn contract<Kept, S: SessionStore + 'static>(fresh: impl Fn() -> (Kept, Arc<S>)) {
    sessions_are_shared_and_end_for_good(&*fresh().1).await;
    ending_each_of_somebody_s_leaves_the_others(&*fresh().1).await;
    a_second_insert_wins(&*fresh().1).await;
    what_is_new_holds_for_what_runs_and_revives_nothing(&*fresh().1).await;
    what_was_known_before_replaces_nothing(&*fresh().1).await;
    what_counts_once_counts_once(&*fresh().1).await;
    whoever_means_some_gets_those(&*fresh().1).await;
}

/// Ends whatever sessions a person has; how many.
pub async fn end_each_of(store: &dyn SessionStore, person_id: &str) -> usize {
    let own = store.of_person(person_id);
    for live in &own {
        store.end(&live.session().id).await.unwrap();
    }
    own.len()
}

/// The session, where the store says that it is live.
pub fn live(store: &dyn SessionStore, id: &SessionId) -> Option<Arc<LiveSession>> {
    match store.find(id) {
        Found::Live(live) => Some(live),
        Found::Ended => None,
        Found::Elsewhere => panic!("a store of one node knows all sessions"),
    }
}

async fn sessions_are_shared_and_end_for_good(store: &dyn SessionStore) {
    let [ann1, ann2] = [session(1, "ann"), session(2, "ann")];
    assert!(live(store, &ann1.session.id).is_none(), "never was");

    let first = store.insert(ann1.clone()).await.unwrap();
    assert_eq!(first.signed_in(), &ann1);
    let found = live(store, &ann1.session.id).unwrap();
    assert!(Arc::ptr_eq(&first, &found), "one session, shared by all that runs under it");
    let other = store.insert(ann2.clone()).await.unwrap();
    assert_eq!(store.of_person("ann").len(), 2);

    let ended = async {
        first.ended().await;
        assert!(live(store, &ann1.session.id).is_none(), "gone before what runs under it is told");
    };
    let (end, ()) = tokio::join!(store.end(&ann1.session.id), ended);
    end.unwrap();
    assert!(live(store, &ann1.session.id).is_none() && first.is_ended());
    store.end(&ann1.session.id).await.expect("twice is fine");
    store.end(&session(9, "nobody").session.id).await.expect("unknown is fine");
    assert!(
        !other.is_ended() && live(store, &ann2.session.id).is_some(),
        "ending one leaves the others"
    );
}

async fn ending_each_of_somebody_s_leaves_the_others(store: &dyn SessionStore) {
    let ids = [session(1, "ann"), session(2, "ann")].map(|new| new.session.id);
    let anns = [session(1, "ann"), session(2, "ann")].map(|new| store.insert(new));
    let anns = futures_util::future::try_join_all(anns).await.unwrap();
    let bob = store.insert(session(3, "bob")).await.unwrap();
    assert_eq!(end_each_of(store, "ann").await, 2);
    assert!(anns.iter().all(|ann| ann.is_ended()) && store.of_person("ann").is_empty());
    assert!(ids.iter().all(|id| live(store, id).is_none()));
    assert_eq!(end_each_of(store, "ann").await, 0, "none is left");
    assert!(!bob.is_ended() && live(store, &bob.session().id).is_some(), "others stay");
}

async fn what_is_new_holds_for_what_runs_and_revives_nothing(store: &dyn SessionStore) {
    let ann = session(1, "ann");
    let runs = store.insert(ann.clone()).await.unwrap();
    let mut moved = ann.clone();
    Arc::make_mut(&mut moved.person).directory_groups = Some(Vec::new());
    assert!(store.renew(&runs.newest(), moved.clone()).await.unwrap());
    assert_eq!(runs.signed_in(), &ann, "a request is decided by one state");
    assert_eq!(*runs.newest(), moved, "and a stream by the newest");
    let found = live(store, &ann.session.id).unwrap();
    assert_eq!(found.signed_in(), &moved);
    assert_eq!((store.all().len(), store.of_person("ann").len()), (1, 1));
    drop(found);
    store.end(&ann.session.id).await.unwrap();
    assert!(runs.is_ended(), "what runs under the older state hears of the end");
    assert!(!store.renew(&runs.newest(), moved).await.unwrap(), "there is nothing to renew");
    assert!(live(store, &ann.session.id).is_none() && store.all().is_empty(), "it stays ended");
}

/// Of two who change a session at once the later one looks again; and whoever knew one of the same id
/// before it began anew changes nothing of it.
async fn what_was_known_before_replaces_nothing(store: &dyn SessionStore) {
    let before = store.insert(session(1, "ann")).await.unwrap().newest();
    let changed = |seconds| {
        let mut new = SignedIn::clone(&before);
        new.session.vouched_at = seconds;
        new
    };
    assert!(store.renew(&before, changed(110)).await.unwrap());
    assert!(!store.renew(&before, changed(120)).await.unwrap(), "somebody was faster");
    let id = before.session.id.clone();
    assert_eq!(live(store, &id).unwrap().signed_in(), &changed(110));
    let second = live(store, &id).unwrap().newest();
    let anew = store.insert(session(1, "ann")).await.unwrap();
    assert!(!store.renew(&second, changed(130)).await.unwrap(), "it began anew");
    assert_eq!(live(store, &id).unwrap().signed_in(), anew.signed_in());
    assert!(store.renew(&anew.newest(), changed(140)).await.unwrap());
}

async fn a_second_insert_wins(store: &dyn SessionStore) {
    let before = store.insert(session(1, "ann")).await.unwrap();
    let mut moved = session(1, "ann");
    moved.session.expires_at = 300;
    store.insert(moved.clone()).await.unwrap();
    assert_eq!(live(store, &moved.session.id).unwrap().signed_in(), &moved);
    assert!(before.is_ended(), "and ends the first");
    assert_eq!(store.of_person("ann").len(), 1);
}

/// By what is told of a session as it is now.
async fn whoever_means_some_gets_those(store: &dyn SessionStore) {
    let ann = store.insert(session(1, "ann")).await.unwrap();
    let mut bob = session(2, "bob");
    bob.session.expires_at = 300;
    bob.session.tokens = Some("sealed".into());
    store.insert(bob.clone()).await.unwrap();
    let at = UnixTime::from_seconds;
    let ids = |wanted: &dyn Fn(&SessionFacts) -> bool| {
        let those = store.those(wanted);
        let mut ids: Vec<_> = those.iter().map(|live| live.session().id.clone()).collect();
        ids.sort();
        ids
    };
    let [anns, bobs] = [&ann.session().id, &bob.session.id].map(|id| vec![id.clone()]);
    assert_eq!(ids(&|facts| facts.expires_at <= at(200)), anns);
    assert_eq!(ids(&|facts| facts.has_tokens && facts.is_sealed), bobs);
    assert_eq!(ids(&|facts| facts.issued_at == at(100) && facts.ends_when_idle()).len(), 2);
    assert_eq!(ids(&|facts| facts.is_of_app || facts.is_of_program || facts.has_devices), []);
    let mut new = SignedIn::clone(&ann.newest());
    new.session.tokens = Some("sealed".into());
    assert!(store.renew(&ann.newest(), new).await.unwrap());
    assert_eq!(ids(&|facts| facts.has_tokens).len(), 2, "since it was renewed");
    let found = live(store, &ann.session().id).unwrap();
    let those = store.those(&|facts| facts.expires_at <= at(200));
    assert!(Arc::ptr_eq(&those[0], &found), "the one that everybody gets");
}

async fn what_counts_once_counts_once(store: &dyn SessionStore) {
    let at = UnixTime::from_seconds;
    let tries = [1, 2].map(|_| store.once([1; 32], at(400), at(100)));
    let [first, second] = <[_; 2]>::try_from(futures_util::future::join_all(tries).await).unwrap();
    assert_eq!((first, second), (Ok(()), Err(NotOnce::Used)), "at the same moment");
    assert_eq!(store.once([2; 32], at(400), at(100)).await, Ok(()), "another one");
    assert_eq!(store.once([1; 32], at(400), at(400)).await, Err(NotOnce::Used), "to the end");
}
