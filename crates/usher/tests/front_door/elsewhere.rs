//! Sessions that another node keeps: "not here" is not "no". The store is the test's own.

use std::sync::{Arc, Mutex};

use usher::request::identify::{Found, LiveSession, NotOnce, SessionStore, StoreError};
use usher_lab::upstream::Upstream;
use usher_rules::{
    people::{BoxFuture, Claims, Person},
    session::{Authentication, Handle, SessionId, SignIn, SignedIn},
    time::UnixTime,
};

use crate::{
    panics::{Hut, field, keys, rest},
    test_server::{self, FRIENDS, config},
};

/// What the others say of every session; silence is `None`.
type Said = Option<Result<Option<Arc<LiveSession>>, StoreError>>;

/// A store that knows nothing by itself.
struct Far(Mutex<Said>);

impl SessionStore for Far {
    fn find(&self, _: &SessionId) -> Found {
        Found::Elsewhere
    }
    fn fetch<'a>(
        &'a self,
        _: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<Arc<LiveSession>>, StoreError>> {
        match self.0.lock().unwrap().clone() {
            Some(said) => Box::pin(std::future::ready(said)),
            None => Box::pin(std::future::pending()),
        }
    }
    fn insert(&self, _: SignedIn) -> BoxFuture<'_, Result<Arc<LiveSession>, StoreError>> {
        panic!("nobody signs in")
    }
    fn renew<'a>(
        &'a self,
        _: &'a Arc<SignedIn>,
        _: SignedIn,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        panic!("nobody is asked about")
    }
    fn all(&self) -> Vec<Arc<LiveSession>> {
        panic!("nobody looks")
    }
    fn end<'a>(&'a self, _: &'a SessionId) -> BoxFuture<'a, Result<(), StoreError>> {
        panic!("nobody signs out")
    }
    fn of_person(&self, _: &str) -> Vec<Arc<LiveSession>> {
        panic!("nobody looks")
    }
    fn once(&self, _: [u8; 32], _: UnixTime, _: UnixTime) -> BoxFuture<'_, Result<(), NotOnce>> {
        panic!("nobody signs in")
    }
}

fn ann() -> SignedIn {
    let mut claims = Claims::default();
    claims.set("groups", vec![FRIENDS.into()]);
    let person = Person {
        id: "ann".into(),
        email: "ann@example.com".into(),
        name: "Ann".into(),
        claims: Claims::default(),
        directory_groups: Some(vec![FRIENDS.into()]),
        unproven: Default::default(),
        spelling: Default::default(),
    };
    let told = Authentication { person, claims, sign_in: SignIn::default() };
    let id = SessionId::from_random([1; 16]);
    told.begin(id, "builtin", UnixTime::from_seconds(0), UnixTime::MAX)
}

#[tokio::test]
async fn a_session_that_nobody_can_tell_of_is_neither_let_in_nor_signed_out() {
    let upstream = Upstream::echo();
    let plan = test_server::plan(&config(&[test_server::friends("tv.test", upstream.address)]));
    let handle = keys().sign_handle(&Handle::to(&ann(), "tv.test", vec!["tv.test".into()]));
    let fields = format!(
        "connection: close\r\naccept: application/json\r\ncookie: {}={handle}\r\n",
        plan.cookie.host_name
    );
    let far = Arc::new(Far(Mutex::default()));
    let hut = Hut::with(plan, Arc::<Far>::clone(&far)).await;
    let error = |kind: fn(Box<str>) -> StoreError| Some(Err(kind("x".into())));
    for (path, said, status, retry_after) in [
        ("/live", Some(Ok(Some(Arc::new(LiveSession::new(ann()))))), 200, ""),
        ("/ended", Some(Ok(None)), 401, ""),
        ("/silent", None, 503, "5"),
        ("/down", error(StoreError::Unavailable), 503, "5"),
        ("/full", error(StoreError::Full), 503, "60"),
        ("/damaged", error(StoreError::Damaged), 500, ""),
        ("/live-again", Some(Ok(Some(Arc::new(LiveSession::new(ann()))))), 200, ""),
    ] {
        *far.0.lock().unwrap() = said;
        let answer = rest(&mut hut.send(path, &fields).await).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        let clears = answer.contains("\r\nset-cookie: ");
        assert_eq!(clears, path == "/ended", "a cookie is cleared when its session has ended");
        assert_eq!(answer.contains("\r\nretry-after: "), !retry_after.is_empty(), "{answer}");
        if !retry_after.is_empty() {
            assert_eq!(field(&answer, "retry-after"), retry_after);
        }
        let line = hut.line("http-request", "path", path).await;
        let told = line["response-code-details"] == "session_store";
        assert_eq!(told, !["/live", "/ended", "/live-again"].contains(&path), "{line}");
        if told {
            assert_eq!(line["rule"], "session-store", "{line}");
            let event = hut.line("store", "request-id", field(&answer, "x-request-id")).await;
            assert!(event["effect"].as_str().unwrap().contains(&status.to_string()), "{event}");
        }
    }
    assert_eq!(upstream.heads().len(), 2, "nobody else was let in");
}
