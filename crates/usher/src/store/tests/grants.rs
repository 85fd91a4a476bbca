use usher_rules::{
    openid::{Grant, GrantId, GrantRefusal, GrantStep, Grants, MOST_GRANTS, SPENT_AFTER},
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
