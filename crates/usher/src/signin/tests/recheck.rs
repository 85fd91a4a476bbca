use std::time::{Duration, Instant};

use usher_rules::{
    plan::Provider,
    session::{Means, RecheckPolicy, SessionId},
    time::{Clock, Now, UnixTime},
};

use super::test_room::{START, TestRoom, plan};
use crate::request::identify::{SessionStore, contract::session};

struct Stopped(Now);

impl Clock for Stopped {
    fn now(&self) -> Now {
        self.0
    }
}

/// Each second it is looked whether something is due for somebody: for all others it is not asked.
#[tokio::test]
async fn sessions_for_which_nothing_is_due_are_left_alone() {
    let room = TestRoom::new(Provider::Builtin);
    let wall = UnixTime::from_seconds(START);
    let clock = Stopped(Now { wall, wall_millis: 0, monotonic: Instant::now() });
    let [browser, asked, program, over] = [1, 2, 3, 4].map(|n| {
        let mut new = session(n, "ann");
        (new.session.issued_at, new.session.expires_at) = (START, START + 3600);
        new.session.tokens = (n == 2).then(|| "sealed by nobody".into());
        new.session.sign_in.means = if n == 3 { Means::ServiceAccount } else { Means::Password };
        if n == 4 {
            new.session.expires_at = START;
        }
        new
    });
    let of = |n: u8| SessionId::from_random([n; 16]);
    for new in [browser, asked, program, over] {
        room.sessions.insert(new).await.unwrap();
    }
    let policy =
        RecheckPolicy { every: Duration::from_secs(600), grace: Duration::from_secs(3600) };
    let hour = Some(Duration::from_secs(3600));
    for (recheck, idle, expected, why) in [
        (None, None, vec![4], "what is over, under which something may run"),
        (Some(policy), None, vec![2, 4], "whom a provider vouches for"),
        (None, hour, vec![1, 2, 4], "whoever may have left"),
    ] {
        let mut plan = plan(Provider::Builtin);
        (plan.sessions.recheck, plan.sessions.idle) = (recheck, idle);
        room.sessions.given.lock().unwrap().clear();
        room.room.recheck(&plan, &clock, &|| false).await;
        let mut given = std::mem::take(&mut *room.sessions.given.lock().unwrap());
        given.sort();
        assert_eq!(given, expected.into_iter().map(of).collect::<Vec<_>>(), "{why}");
    }
}
