use usher_rules::{
    openid::{
        Grant, GrantId, GrantRefusal, GrantStep, Grants, LogoutStep, Logouts as _, LogoutsDue,
        MOST_GRANTS, MOST_LOGOUTS, SPENT_AFTER, next_try,
    },
    plan::Scopes,
    session::SessionId,
    time::UnixTime,
};

use super::Store;
use crate::request::identify::{SessionStore as _, contract::session};

fn grant(number: u8, begun_at: u64) -> Grant {
    Grant {
        id: GrantId::from_random([number; 16]),
        session: SessionId::from_random([2; 16]),
        client: "app".into(),
        scopes: Scopes::parse("openid"),
        source: "127.0.0.1".into(),
        generation: 0,
        is_revoked: false,
        begun_at,
        over_at: 100_000,
    }
}

fn redeem(number: u8, begun_at: u64) -> GrantStep {
    GrantStep::Redeem(Box::new(grant(number, begun_at)))
}

/// A code that was redeemed counts no more, a crash in between notwithstanding; nor does what a replay
/// or a second use took back.
#[tokio::test]
async fn what_was_redeemed_and_taken_back_is_so_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let now = UnixTime::from_seconds(1000);
    let store = Store::open(dir.path()).unwrap();
    for number in [1, 2] {
        store.take(redeem(number, 1000), now).await.unwrap();
    }
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.take(redeem(1, 1000), now).await, Err(GrantRefusal::Replayed));
    let refresh = |generation| GrantStep::Refresh { id: grant(2, 0).id, generation };
    assert_eq!(store.take(refresh(0), now).await.unwrap().generation, 1);
    assert_eq!(store.take(refresh(0), now).await, Err(GrantRefusal::Reused));
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    for number in [1, 2] {
        let look = store.take(GrantStep::Look(grant(number, 0).id), now).await;
        assert_eq!(look, Err(GrantRefusal::Over), "{number}");
    }
}

/// One session's apps fill no disk, and nobody gets a code counted twice by making many.
#[tokio::test]
async fn a_session_has_so_many_grants_and_the_newest_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let most = u8::try_from(MOST_GRANTS).unwrap();
    let at = |seconds| UnixTime::from_seconds(seconds);
    for number in 0..most {
        store.take(redeem(number, 1000), at(1000)).await.unwrap();
    }
    assert_eq!(store.take(redeem(most, 1001), at(1001)).await, Err(GrantRefusal::TooMany));
    assert_eq!(store.take(redeem(0, 1001), at(1001)).await, Err(GrantRefusal::Replayed));
    let later = 1001 + SPENT_AFTER.as_secs();
    store.take(redeem(most, later), at(later)).await.unwrap();
    let look = |number| GrantStep::Look(grant(number, 0).id);
    assert_eq!(store.take(look(0), at(later)).await, Err(GrantRefusal::Over), "the oldest");
    assert!(store.take(look(1), at(later)).await.is_ok());
    store.sweep(at(100_000)).await.unwrap();
    assert_eq!(store.take(look(1), at(later)).await, Err(GrantRefusal::Over), "swept");
}

/// An app that asks anew each time pushes out what it got itself, and not what another lives by.
#[tokio::test]
async fn a_grant_with_refresh_tokens_outlives_those_that_are_spent() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let at = |seconds| UnixTime::from_seconds(seconds);
    let lives_on = |number| {
        let scopes = Scopes::parse("openid offline_access");
        GrantStep::Redeem(Box::new(Grant { scopes, ..grant(number, 1000) }))
    };
    for number in [100, 101] {
        store.take(lives_on(number), at(1000)).await.unwrap();
    }
    store.take(GrantStep::Revoke(grant(101, 0).id), at(1000)).await.unwrap();
    let most = u8::try_from(MOST_GRANTS).unwrap();
    for number in 0..2 * most {
        let now = 1000 + u64::from(number) * SPENT_AFTER.as_secs();
        store.take(redeem(number, now), at(now)).await.unwrap();
    }
    let refresh = GrantStep::Refresh { id: grant(100, 0).id, generation: 0 };
    assert!(store.take(refresh, at(90_000)).await.is_ok());
    let look = store.take(GrantStep::Look(grant(101, 0).id), at(90_000)).await;
    assert_eq!(look, Err(GrantRefusal::Over), "what was taken back lives by nothing");
}

/// A session that was signed out of leaves nothing behind until its time would have come.
#[tokio::test]
async fn grants_are_gone_with_their_session() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let now = UnixTime::from_seconds(150);
    let live = store.insert(session(1, "ann")).await.unwrap();
    let session = live.session().id.clone();
    let of_session = Grant { session: session.clone(), ..grant(1, 1000) };
    store.take(GrantStep::Redeem(Box::new(of_session)), now).await.unwrap();
    store.sweep(now).await.unwrap();
    let look = || GrantStep::Look(grant(1, 0).id);
    assert!(store.take(look(), now).await.is_ok(), "it is in force");
    store.end(&session).await.unwrap();
    store.sweep(now).await.unwrap();
    let over = store.take(look(), now).await;
    assert_eq!(over, Err(GrantRefusal::Over));
}

fn redeemed_in(session: &SessionId, number: u8, client: &str) -> GrantStep {
    let grant = grant(number, 100);
    let (session, client) = (session.clone(), client.into());
    GrantStep::Redeem(Box::new(Grant { session, client, over_at: 200, ..grant }))
}

/// Whoever ends a session, each app that got something in it is to be told, once; and a crash in between
/// forgets none.
#[tokio::test]
async fn apps_of_a_session_that_ends_are_told_of_after_a_restart_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let now = UnixTime::from_seconds(150);
    for (number, person) in [(1, "ann"), (2, "eve")] {
        let live = store.insert(session(number, person)).await.unwrap();
        for (grant, client) in [(0, "photos"), (1, "photos"), (2, "phone")] {
            let step = redeemed_in(&live.session().id, number * 10 + grant, client);
            store.take(step, now).await.unwrap();
        }
    }
    assert_eq!(store.due(now).await.unwrap(), LogoutsDue::default(), "nothing has ended");
    let ann = session(1, "ann").session.id;
    store.end(&ann).await.unwrap();
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    let due = store.due(now).await.unwrap().logouts;
    let mut told: Vec<_> = due.iter().map(|one| (&*one.client, &*one.person)).collect();
    told.sort_unstable();
    assert_eq!(told, [("phone", "ann"), ("photos", "ann")]);
    assert!(due.iter().all(|one| one.session == ann));

    store.settle(LogoutStep::Over(due[0].id), now).await.unwrap();
    store.settle(LogoutStep::Away(due[1].client.clone()), now).await.unwrap();
    assert_eq!(store.due(now).await.unwrap().logouts, [], "one is told, one waits");
    let mut at = now;
    let mut tries = 1;
    while let Some(next) = next_try(tries, at) {
        at = next;
        assert_eq!(store.due(at).await.unwrap().logouts, [due[1].clone()]);
        tries += 1;
        let given_up = store.settle(LogoutStep::Again(due[1].id), at).await.unwrap();
        assert_eq!(given_up, usize::from(next_try(tries, at).is_none()));
    }
    assert_eq!(store.due(UnixTime::MAX).await.unwrap().logouts, [], "given up");
}

/// Its time was the apps' time as well.
#[tokio::test]
async fn apps_of_a_session_that_runs_out_are_not_told() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let live = store.insert(session(1, "ann")).await.unwrap();
    let id = live.session().id.clone();
    drop(live);
    store.take(redeemed_in(&id, 1, "photos"), UnixTime::from_seconds(150)).await.unwrap();
    store.sweep(UnixTime::from_seconds(250)).await.unwrap();
    assert_eq!(store.due(UnixTime::MAX).await.unwrap().logouts, []);
}

/// Apps that don't answer fill no disk, and one of them delays no other.
#[tokio::test]
async fn so_many_logouts_wait_and_each_client_has_its_turn() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let now = UnixTime::from_seconds(150);
    let live = store.insert(session(1, "ann")).await.unwrap();
    for (number, client) in [(1, "photos"), (2, "phone")] {
        store.take(redeemed_in(&live.session().id, number, client), now).await.unwrap();
    }
    let fill = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) \
         INSERT INTO openid_logouts (client, session_id, person_id) SELECT 'away', ?1, 'x' FROM n",
        MOST_LOGOUTS - 1
    );
    let other = super::super::open::connect_again(&store.file).unwrap();
    other.execute(&fill, [session(9, "x").session.id.as_str()]).unwrap();
    drop(other);
    store.end(&live.session().id).await.unwrap();
    let due = store.due(now).await.unwrap();
    assert!(due.is_full);
    let of = |client: &str| due.logouts.iter().filter(|one| *one.client == *client).count();
    let waiting = of("photos") + of("phone");
    assert_eq!((of("away"), waiting), (16, 1), "one found room, and comes beside the others");
    let given_up = store.settle(LogoutStep::Away("away".into()), now).await.unwrap();
    assert_eq!(given_up, 0);
    assert_eq!(store.due(now).await.unwrap().logouts.len(), 1);
    store.settle(LogoutStep::Unwanted("away".into()), now).await.unwrap();
    assert!(!store.due(UnixTime::MAX).await.unwrap().is_full);
}
