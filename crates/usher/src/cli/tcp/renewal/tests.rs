use std::{sync::Mutex, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{super::Failure, Life, Session, renew};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// What somebody does who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    /// Signs in a minute later.
    Yes,
    /// Half an hour later.
    Late,
    /// Says yes to a session that ends no later.
    Same,
    Refuses,
    Never,
}

/// A proxy, and when somebody was asked for a session that begins anew.
struct Desk {
    began: Instant,
    answers: Answers,
    token: watch::Sender<Option<String>>,
    /// Token, from when, until when.
    sessions: Mutex<Vec<(String, Duration, Duration)>>,
    asked: Mutex<Vec<Duration>>,
    /// The network is away until then.
    away: Duration,
}

impl Desk {
    fn new(answers: Answers, ends: Duration) -> Self {
        Self {
            began: Instant::now(),
            answers,
            token: watch::Sender::new(Some("first".into())),
            sessions: Mutex::new(vec![("first".into(), Duration::ZERO, ends)]),
            asked: Mutex::default(),
            away: Duration::ZERO,
        }
    }

    fn gives(&self, token: &str, ends: Duration) {
        self.sessions.lock().unwrap().push((token.into(), self.began.elapsed(), ends));
    }

    /// What was asked until `end`, and the token then.
    async fn until(&self, end: Duration) -> (Vec<Duration>, String) {
        tokio::select! {
            () = renew(self, self.token.subscribe()) => {}
            () = sleep(end) => {}
        }
        (self.asked.lock().unwrap().clone(), self.token.borrow().clone().unwrap())
    }
}

impl Session for Desk {
    async fn life(&self, token: &str) -> Result<Option<Life>, Failure> {
        let now = self.began.elapsed();
        if now < self.away {
            return Err(Failure::NothingOpen);
        }
        let sessions = self.sessions.lock().unwrap();
        let known = sessions.iter().rfind(|(known, _, end)| known == token && *end > now);
        Ok(known.map(|(_, begin, end)| Life { left: *end - now, whole: *end - *begin }))
    }

    async fn next(&self, left: Duration) -> Result<String, Failure> {
        self.asked.lock().unwrap().push(self.began.elapsed());
        match self.answers {
            Answers::Yes | Answers::Late => {
                sleep(if self.answers == Answers::Late { HOUR / 2 } else { MINUTE }).await;
                let number = self.asked.lock().unwrap().len();
                let token = format!("next {number}");
                self.gives(&token, self.began.elapsed() + 10 * HOUR);
                Ok(token)
            }
            Answers::Same => {
                self.gives("same", self.began.elapsed() + left);
                Ok("same".into())
            }
            Answers::Refuses => Err(Failure::Token),
            Answers::Never => std::future::pending().await,
        }
    }

    fn take(&self, fresh: String) {
        self.token.send_replace(Some(fresh));
    }
}

/// In its last tenth, and five minutes before its end at least; the next one is asked for in its turn.
#[tokio::test(start_paused = true)]
async fn a_sign_in_is_asked_for_before_the_last_one_ends() {
    let desk = Desk::new(Answers::Yes, 10 * HOUR);
    let (asked, token) = desk.until(19 * HOUR).await;
    assert_eq!(asked, [9 * HOUR, 18 * HOUR + MINUTE]);
    assert_eq!(token, "next 2");
    let desk = Desk::new(Answers::Yes, 20 * MINUTE);
    assert_eq!(desk.until(20 * MINUTE).await.0, [15 * MINUTE]);
    let desk = Desk::new(Answers::Yes, 6 * MINUTE);
    assert_eq!(desk.until(6 * MINUTE).await.0, [3 * MINUTE], "nobody who has just signed in");
}

/// Whoever says no, says nothing, or brings a session that ends no later is asked once, and the old
/// token stays.
#[tokio::test(start_paused = true)]
async fn a_renewal_that_nobody_wants_changes_nothing() {
    for answers in [Answers::Refuses, Answers::Never, Answers::Same] {
        let desk = Desk::new(answers, 10 * HOUR);
        let (asked, token) = desk.until(30 * HOUR).await;
        assert_eq!((asked, &*token), (vec![9 * HOUR], "first"), "{answers:?}");
    }
}

/// A provider that vouches for them again makes a session longer without a word here.
#[tokio::test(start_paused = true)]
async fn nobody_is_asked_whose_session_was_made_longer() {
    let desk = Desk::new(Answers::Yes, 10 * HOUR);
    let longer = async {
        sleep(8 * HOUR).await;
        desk.sessions.lock().unwrap()[0].2 = 15 * HOUR;
        std::future::pending::<()>().await;
    };
    let (asked, _) = tokio::select! {
        seen = desk.until(14 * HOUR) => seen,
        () = longer => unreachable!("it waits"),
    };
    assert_eq!(asked, [13 * HOUR + HOUR / 2]);
}

/// A sign-in that was needed meanwhile does for this, too: nobody is asked twice, and what was asked
/// before comes too late.
#[tokio::test(start_paused = true)]
async fn who_signs_in_meanwhile_is_asked_no_more() {
    let desk = Desk::new(Answers::Late, 10 * HOUR);
    let another = async {
        sleep(9 * HOUR + MINUTE).await;
        desk.gives("another", 30 * HOUR);
        desk.take("another".into());
        std::future::pending::<()>().await;
    };
    let (asked, token) = tokio::select! {
        seen = desk.until(27 * HOUR) => seen,
        () = another => unreachable!("it waits"),
    };
    assert_eq!((asked, &*token), (vec![9 * HOUR], "another"));
}

/// A proxy that has no word for it, or no session: nothing is asked. A network that is away is waited
/// for.
#[tokio::test(start_paused = true)]
async fn where_nothing_is_known_of_a_session_nobody_is_asked() {
    let desk = Desk::new(Answers::Yes, 10 * HOUR);
    desk.token.send_replace(Some("of a Pomerium".into()));
    assert!(desk.until(30 * HOUR).await.0.is_empty());
    let desk = Desk { away: 8 * HOUR, ..Desk::new(Answers::Yes, 10 * HOUR) };
    assert_eq!(desk.until(10 * HOUR).await.0.len(), 1, "it came back in time");
}
