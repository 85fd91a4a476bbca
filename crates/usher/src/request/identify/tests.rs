//! A session that others keep: "not here" is not "no".

use std::{sync::Arc, time::Instant};

use http::{HeaderMap, HeaderValue, Uri, header::COOKIE};
use usher_rules::{
    names::{Host, Origin},
    plan::{Plan, Provider},
    secret::Secret,
    session::{Handle, Keys, SessionId},
    time::{Now, UnixTime},
};

use super::{
    Asker, Identity, Rejection, SessionStore as _, StoreError, Verifier,
    contract::session,
    memory::{MemorySessions, Place},
    who,
};

const HOST: &str = "tv.example";

fn down() -> StoreError {
    StoreError::Unavailable("down".into())
}

/// Who asks with cookies for these sessions, at second 150.
async fn asked(sessions: &MemorySessions, named: &[&SessionId]) -> Result<Identity, StoreError> {
    let origin = Origin::parse("https://auth.example").unwrap();
    let plan = Plan::sketch(origin, Provider::Builtin, vec![Host::parse(HOST).unwrap()]);
    let keys = Arc::new(Keys::derive(&Secret::new([1; 32]), &Secret::new([2; 32])).unwrap());
    let mut fields = HeaderMap::new();
    for id in named {
        let mut session = session(0, "ann");
        session.session.id = (*id).clone();
        let handle = keys.sign_handle(&Handle::to(&session, HOST, vec![HOST.into()]));
        let pair = format!("{}={handle}", plan.cookie.host_name);
        fields.append(COOKIE, HeaderValue::try_from(pair).unwrap());
    }
    let now = Now { wall: UnixTime::from_seconds(150), wall_millis: 0, monotonic: Instant::now() };
    let asker = Asker { fields: &fields, uri: &Uri::from_static("/"), host: HOST, now };
    who(&plan, &Verifier::new(keys), sessions, asker).await
}

#[tokio::test]
async fn a_session_that_is_elsewhere_is_asked_for_and_judged() {
    let [young, mut over, ended] = [1, 2, 3].map(|n| session(n, "ann"));
    over.session.expires_at = 120;
    let sessions = MemorySessions::default();
    for session in [&young, &over] {
        sessions.insert(session.clone()).await.unwrap();
    }
    *sessions.place.lock().unwrap() = Place::Elsewhere;
    let identity = asked(&sessions, &[&young.session.id]).await.unwrap();
    assert_eq!(identity.session().map(|live| live.signed_in()), Some(&young));
    for (id, why) in
        [(&over.session.id, Rejection::Expired), (&ended.session.id, Rejection::Unknown)]
    {
        let identity = asked(&sessions, &[id]).await.unwrap();
        assert!(matches!(identity, Identity::Rejected(found) if found == why), "{identity:?}");
    }
    assert!(matches!(asked(&sessions, &[]).await, Ok(Identity::Anonymous)), "nobody is asked");
}

/// A cookie that can't be judged yet might contradict the one that can.
#[tokio::test]
async fn what_can_not_be_judged_yet_is_not_passed_over() {
    let sessions = MemorySessions::default();
    let [one, other] = [1, 2].map(|n| session(n, "ann"));
    for session in [&one, &other] {
        sessions.insert(session.clone()).await.unwrap();
    }
    *sessions.place.lock().unwrap() = Place::Elsewhere;
    let identity = asked(&sessions, &[&one.session.id, &other.session.id]).await.unwrap();
    assert!(matches!(identity, Identity::Rejected(Rejection::Contradiction)), "{identity:?}");
    let identity =
        asked(&sessions, &[&session(9, "ann").session.id, &one.session.id]).await.unwrap();
    assert_eq!(identity.session().map(|live| live.signed_in()), Some(&one), "both are asked for");
    *sessions.place.lock().unwrap() = Place::Failing(down());
    assert_eq!(asked(&sessions, &[&one.session.id]).await.unwrap_err(), down());
}

#[tokio::test(start_paused = true)]
async fn who_keeps_a_session_and_says_nothing_is_not_waited_for_without_end() {
    let sessions = MemorySessions::default();
    *sessions.place.lock().unwrap() = Place::Silent;
    let began = tokio::time::Instant::now();
    let late = asked(&sessions, &[&session(1, "ann").session.id]).await.unwrap_err();
    assert!(matches!(late, StoreError::Unavailable(_)), "{late:?}");
    assert_eq!(began.elapsed().as_secs(), 2);
}
