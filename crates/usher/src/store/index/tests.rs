use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{Arc, Barrier},
};

use usher_rules::{
    people::Member,
    session::{DeviceCredential, Enrolment, Means, SessionId, ShownDevice, SignedIn},
    signin::member_signs_in,
    time::{Now, UnixTime},
};

use super::{Dormant, Index, Key, MOST_TOLD, Slot, Theirs};
use crate::request::identify::contract::session;

#[test]
fn what_changes_is_told_to_whoever_follows() {
    let index = Index::new();
    let told = |n: u8| session(n, "ann").session.id;
    let ids = |index: &Index| {
        let changed = index.changed()?;
        Some(changed.iter().map(|one| one.session.id.clone()).collect::<Vec<_>>())
    };
    let first = index.put(session(1, "ann"));
    assert_eq!(ids(&index), None, "what was before");
    assert_eq!(ids(&index), Some(vec![]), "nothing since");
    index.put(session(2, "ann"));
    assert_eq!(ids(&index), Some(vec![told(2)]), "one begins");
    assert!(index.renew(&first.newest(), session(1, "ann")));
    assert_eq!(ids(&index), Some(vec![told(1)]), "is renewed");
    index.end(&[told(2)]);
    assert_eq!(ids(&index), Some(vec![told(2)]), "ends");
    drop(first);
    index.forget_expired(session(1, "ann").session.expires_at());
    assert_eq!(ids(&index), Some(vec![told(1)]), "is forgotten");
    for _ in 0..MOST_TOLD {
        index.put(session(3, "ann")); // each is told, and so is the one before
    }
    assert_eq!(ids(&index), None, "too much");
    assert_eq!(ids(&index), Some(vec![]), "and from then on one by one");
}

#[test]
fn what_sessions_of_somebody_know_alike_is_in_memory_once() {
    let index = Index::new();
    let [one, two] = [1, 2].map(|n| {
        let mut new = session(n, "ann");
        new.session.claims.set("groups", vec!["family".into()]);
        index.put(new)
    });
    let is_shared = |other: &Arc<_>| Arc::ptr_eq(&one.signed_in().person, other);
    assert!(is_shared(&two.signed_in().person));
    let values = [&one, &two].map(|live| live.session().claims.values("groups").as_ptr());
    assert_eq!(values[0], values[1]);
    let mut moved = session(2, "ann");
    Arc::make_mut(&mut moved.person).directory_groups = Some(Vec::new());
    assert!(index.renew(&two.newest(), moved));
    let renewed = index.find(&two.session().id).unwrap();
    assert_eq!(renewed.person().directory_groups, Some(Vec::new()), "what differs is its own");
    assert!(
        !is_shared(&renewed.signed_in().person)
            && !is_shared(&index.put(session(4, "bob")).signed_in().person)
    );
    assert!(index.renew(&renewed.newest(), session(2, "ann")));
    assert!(is_shared(&index.put(session(5, "ann")).signed_in().person), "as before");
}

/// Between the look and the taking a request may have begun: what runs under the session must
/// be reached by a revocation.
#[test]
fn a_session_that_somebody_got_hold_of_is_not_forgotten() {
    let index = Index::new();
    let id = session(1, "ann").session.id;
    let held = index.put(session(1, "ann"));
    assert!(index.take_unheld(&mut index.order(), (&id).into()).is_none());
    assert_eq!((index.len(), index.of_person("ann").len()), (1, 1));
    drop(held);
    assert!(index.take_unheld(&mut index.order(), (&id).into()).is_some());
    assert!(index.take_unheld(&mut index.order(), (&id).into()).is_none(), "nobody's");
    assert_eq!((index.len(), index.of_person("ann").len()), (0, 0));
}

/// Takes sessions in as they were read from the disk.
fn reads(index: &Index, all: &[SignedIn]) {
    for one in all {
        index.put_read(one.clone(), &serde_json::to_string(one).unwrap());
    }
}

fn told(index: &Index) -> Vec<SignedIn> {
    index.changed().unwrap().into_iter().map(Arc::unwrap_or_clone).collect()
}

#[test]
fn whoever_asks_at_once_gets_the_session_that_stays() {
    let index = Index::new();
    let all: Vec<_> = (0..50).map(|n| session(n, "ann")).collect();
    reads(&index, &all);
    assert_eq!((index.len(), index.dormant()), (50, 50));
    for one in &all {
        let start = Barrier::new(4);
        let found: Vec<_> = std::thread::scope(|scope| {
            let asks = || {
                start.wait();
                index.find(&one.session.id).unwrap()
            };
            let asking: Vec<_> = (0..4).map(|_| scope.spawn(asks)).collect();
            asking.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        let stays = index.find(&one.session.id).unwrap();
        assert!(found.iter().all(|live| Arc::ptr_eq(live, &stays)));
        assert_eq!(stays.signed_in(), one);
        index.end(std::slice::from_ref(&one.session.id));
        assert!(found.iter().all(|live| live.is_ended()));
    }
    assert_eq!((index.len(), index.of_person("ann").len()), (0, 0));
}

#[test]
fn a_session_that_nobody_asked_about_ends_as_others_do() {
    let index = Index::new();
    let [ann, bob, cat] = [(1, "ann"), (2, "bob"), (3, "cat")].map(|(n, who)| session(n, who));
    index.changed();
    reads(&index, &[ann.clone(), bob.clone(), cat.clone()]);
    assert_eq!(told(&index), [ann.clone(), bob.clone(), cat.clone()], "they came");
    assert_eq!(index.end(std::slice::from_ref(&ann.session.id)), 1);
    assert_eq!(index.ending(), std::slice::from_ref(&ann.session.id));
    assert_eq!(told(&index), std::slice::from_ref(&ann), "ended");
    assert!(index.find(&ann.session.id).is_none() && index.of_person("ann").is_empty());
    let on_disk = [&ann, &bob].map(|one| one.session.id.clone()).into();
    assert_eq!(index.differences(&on_disk), (vec![cat.session.id.clone()], vec![]));
    let before = index.find(&bob.session.id).unwrap();
    reads(&index, std::slice::from_ref(&bob));
    assert!(before.is_ended(), "another one of this id is there");
    assert_eq!(index.forget_expired(UnixTime::from_seconds(199)), 0, "the last second");
    told(&index);
    assert_eq!((index.forget_expired(UnixTime::from_seconds(200)), index.len()), (2, 0));
    assert_eq!(told(&index).len(), 2, "forgotten");
    assert!(index.of_person("bob").is_empty() && index.order().by_person.is_empty());
}

#[test]
fn what_is_learnt_of_devices_holds_for_whoever_asks_later() {
    let index = Index::new();
    let key = |enrolment| DeviceCredential { id: "key".into(), owner: "ann".into(), enrolment };
    let known = |enrolment| HashMap::from([("key".into(), key(enrolment))]);
    let mut ann = session(1, "ann");
    let credential = Some(key(Enrolment::Pending));
    ann.session.devices = Box::new([ShownDevice { kind: "any".into(), credential }]);
    index.know_devices(known(Enrolment::Pending));
    reads(&index, &[ann.clone(), session(2, "ann")]);
    let says = |one: &SignedIn| one.session.device("any").map(|it| it.enrolment);
    index.changed();
    index.know_devices(known(Enrolment::Approved));
    assert_eq!(told(&index).iter().map(says).collect::<Vec<_>>(), [Some(Enrolment::Approved)]);
    index.know_devices(known(Enrolment::Approved));
    assert_eq!(told(&index), [], "nothing new");
    assert_eq!(index.dormant(), 2, "nobody asked");
    let live = index.find(&ann.session.id).unwrap();
    assert_eq!(says(live.signed_in()), Some(Enrolment::Approved));
    index.know_devices(HashMap::new());
    assert_eq!(says(&live.newest()), None, "removed, while something runs under it");
    drop(live);
    reads(&index, &[ann.clone()]);
    let read = index.find(&ann.session.id).unwrap();
    assert_eq!(says(read.signed_in()), None, "what the disk says of it is older");
}

#[test]
fn what_was_only_looked_at_is_packed_again() {
    let index = Index::new();
    let [ann, bob] = [session(1, "ann"), session(2, "bob")];
    reads(&index, &[ann.clone(), bob.clone()]);
    let now = Now {
        wall: UnixTime::from_seconds(150),
        wall_millis: 0,
        monotonic: std::time::Instant::now(),
    };
    assert!(index.all().iter().all(|live| !live.is_over_in_list(now)));
    assert_eq!(index.dormant(), 0);
    index.rest();
    assert_eq!(index.dormant(), 2, "nobody asked anything of it");

    let held = index.find(&ann.session.id).unwrap();
    index.rest();
    assert!(Arc::ptr_eq(&held, &index.find(&ann.session.id).unwrap()), "somebody has hold of it");
    let known = held.newest();
    drop(held);
    index.rest();
    assert_eq!(index.dormant(), 1, "somebody knows what was known of it, and may renew it");
    let mut new = SignedIn::clone(&known);
    new.session.vouched_at = 160;
    assert!(index.renew(&known, new.clone()));
    drop(known);
    index.rest();
    assert_eq!(index.dormant(), 2);
    let live = index.find(&ann.session.id).unwrap();
    assert_eq!(live.signed_in(), &new, "as it was renewed");

    assert!(!live.is_over(now));
    drop(live);
    index.rest();
    assert_eq!(index.dormant(), 1, "what was asked of it is remembered");
}

#[test]
fn what_was_known_before_renews_nothing_that_nobody_asked_about() {
    let index = Index::new();
    let ann = session(1, "ann");
    reads(&index, std::slice::from_ref(&ann));
    assert!(!index.renew(&Arc::new(ann.clone()), session(1, "ann")));
    assert_eq!(index.find(&ann.session.id).unwrap().signed_in(), &ann);
}

#[test]
fn whoever_is_asked_about_has_in_common_what_they_had() {
    let index = Index::new();
    let own = [1, 2].map(|n| {
        let mut new = session(n, "ann");
        new.session.claims.set("groups", vec!["family".into()]);
        new
    });
    reads(&index, &own);
    reads(&index, &[session(3, "bob")]);
    let [one, two] = <[_; 2]>::try_from(index.of_person("ann")).unwrap();
    assert_eq!(index.dormant(), 1, "bob's");
    assert_eq!([one.signed_in(), two.signed_in()], [&own[0], &own[1]], "in their order");
    assert!(Arc::ptr_eq(&one.signed_in().person, &two.signed_in().person));
    let values = [&one, &two].map(|live| live.session().claims.values("groups").as_ptr());
    assert_eq!(values[0], values[1]);
}

#[test]
fn whoever_looks_at_all_leaves_alone_what_is_nothing_to_them() {
    let index = Index::new();
    let mut sealed = session(1, "ann");
    sealed.session.tokens = Some("sealed".into());
    reads(&index, &[sealed.clone(), session(2, "ann"), session(3, "bob")]);
    assert!(index.those(|facts| facts.is_of_app).is_empty());
    assert!(index.any(|facts| facts.issued_at <= UnixTime::from_seconds(100)));
    assert!(!index.any(|facts| facts.has_devices));
    let seen = RefCell::new(Vec::new());
    let is_meant = |known: &SignedIn| {
        seen.borrow_mut().push(known.clone());
        false
    };
    assert!(index.meant(|facts| facts.is_sealed, is_meant).is_empty());
    assert_eq!(*seen.borrow(), std::slice::from_ref(&sealed));
    assert!(index.has(&sealed.session.id) && !index.has(&session(9, "ann").session.id));
    assert_eq!(index.dormant(), 3);
    assert_eq!(index.meant(|_| true, |known| *known.person.id == *"bob").len(), 1);
    assert_eq!(index.dormant(), 2);
    index.rest();
    let due = index.those(|facts| facts.has_tokens);
    assert_eq!((due.len(), index.dormant()), (1, 2));
    assert!(Arc::ptr_eq(&due[0], &index.find(&sealed.session.id).unwrap()));
}

/// It was read before it was packed: it can't be. Nobody is let in by it all the same.
#[test]
fn what_can_not_be_unpacked_is_as_if_it_had_ended() {
    let index = Index::new();
    let damages = |n| {
        let ann = session(n, "ann");
        reads(&index, std::slice::from_ref(&ann));
        let key = Key::from(&ann.session.id);
        index.write(key).insert(key, Slot::Dormant(Dormant::damaged(&ann.session)));
        ann.session.id
    };
    let [asked, ended, old] = [1, 2, 3].map(damages);
    index.changed();
    assert!(index.find(&asked).is_none() && !index.has(&asked));
    assert!(index.changed().is_none(), "which one it was can't be told");
    assert_eq!((index.end(&[ended]), index.len()), (1, 1));
    assert_eq!((index.of_person("ann").len(), index.len()), (0, 0));
    assert!(index.find(&old).is_none() && index.order().by_person.is_empty());
}

/// All that ten thousand take of whom nobody has asked anything: at most 300 octets each.
#[test]
fn ten_thousand_who_ask_nothing_take_little() {
    const SESSIONS: u32 = 10_000;
    let index = Index::new();
    for nth in 0..SESSIONS {
        let mut octets = [7; 16];
        octets[..4].copy_from_slice(&nth.to_be_bytes());
        let (id, email) = (format!("guest-{nth}"), format!("guest-{nth}@example.com"));
        let member = Member { id: id.into(), email: email.into(), ..Member::default() };
        let id = SessionId::from_random(octets);
        let [from, to] = [1_795_900_000, 1_795_950_400].map(UnixTime::from_seconds);
        let told = member_signs_in(&member, Means::Provider, from);
        reads(&index, &[told.begin(id, "provider", from, to)]);
    }
    let allocated = |octets: usize| octets.next_multiple_of(16);
    let table =
        |capacity: usize, entry: usize| (capacity * 8 / 7).next_power_of_two() * (entry + 1);
    let mut total = 0;
    for shard in &index.shards {
        let shard = shard.read().unwrap();
        total += table(shard.capacity(), size_of::<(Key, Slot)>());
        total += shard.values().fold(0, |sum, slot| match slot {
            Slot::Dormant(dormant) => sum + allocated(dormant.octets()),
            Slot::Live(_) => panic!("nobody asked"),
        });
    }
    let order = index.order();
    total += table(order.by_person.capacity(), size_of::<(Box<str>, Theirs)>());
    total += order.by_person.keys().map(|id| allocated(id.len())).sum::<usize>();
    let each = total / SESSIONS as usize;
    println!("{each} octets for each session");
    assert!(each <= 300, "{each} octets");
}
