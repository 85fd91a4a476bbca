//! The next sign-in, asked for before the last one ends. The old token goes on until then, whatever
//! becomes of the question.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::Failure;

/// Somebody is asked so long before the end at least.
const AHEAD: Duration = Duration::from_secs(300);

/// The proxy's seconds and ours begin at different moments.
const SLACK: Duration = Duration::from_secs(30);

/// After the proxy could not be asked.
const PAUSE: Duration = Duration::from_secs(60);

/// How long a session lasts, as the proxy says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// From now on.
    pub left: Duration,
    /// From its begin to its end.
    pub whole: Duration,
}

/// What the proxy says of a session, and who asks for another one.
pub(super) trait Session {
    /// Nothing where the token counts no more, and where a proxy has no word for it.
    fn life(&self, token: &str) -> impl Future<Output = Result<Option<Life>, Failure>> + Send;

    /// Asks for a token of a session that begins now; `left` is what the old one has.
    fn next(&self, left: Duration) -> impl Future<Output = Result<String, Failure>> + Send;

    /// From now on it counts.
    fn take(&self, fresh: String);
}

impl Life {
    /// The last tenth, five minutes at least.
    fn ahead(self) -> Duration {
        (self.whole / 10).max(AHEAD)
    }

    /// Half of what is left passes in any case: who has just signed in is not asked at once.
    fn until_due(self) -> Duration {
        self.left.saturating_sub(self.ahead()).max(self.left / 2)
    }

    /// Nobody has made it longer meanwhile.
    fn is_due(self) -> bool {
        self.left <= self.ahead() + SLACK
    }
}

/// Runs for as long as there may be tokens. Whoever signs in meanwhile for another reason is asked
/// no more.
pub(super) async fn renew(session: &impl Session, mut tokens: watch::Receiver<Option<String>>) {
    loop {
        let token = tokens.borrow_and_update().clone();
        let asked = async {
            session.take(asked_in_time(session, token.as_deref()?).await?);
            Some(())
        };
        let another = tokio::select! {
            biased;
            another = tokens.changed() => another,
            _asked = asked => tokens.changed().await,
        };
        if another.is_err() {
            return;
        }
    }
}

/// A token of a session that ends later than this one's; nothing where nobody wants one.
async fn asked_in_time(session: &impl Session, token: &str) -> Option<String> {
    let mut life = life(session, token).await?;
    loop {
        sleep(life.until_due()).await;
        life = self::life(session, token).await?;
        if life.is_due() {
            break;
        }
    }
    let fresh = timeout(life.left, session.next(life.left)).await.ok()?.ok()?;
    let later = session.life(&fresh).await.ok().flatten()?;
    (later.left > life.left).then_some(fresh)
}

/// A network that is away comes back.
async fn life(session: &impl Session, token: &str) -> Option<Life> {
    loop {
        match session.life(token).await {
            Ok(life) => return life,
            Err(_) => sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests;
