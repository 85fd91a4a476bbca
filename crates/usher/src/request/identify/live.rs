use tokio_util::sync::CancellationToken;
use usher_rules::session::Session;

/// A session in memory, shared by everything that runs under it.
#[derive(Debug)]
pub struct LiveSession {
    session: Session,
    ended: CancellationToken,
}

impl LiveSession {
    /// Takes a session into memory.
    pub fn new(session: Session) -> Self {
        Self { session, ended: CancellationToken::new() }
    }

    /// What is remembered of the sign-in.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Ends it for everything that runs under it. Called by the store, after it has forgotten it.
    pub fn end(&self) {
        self.ended.cancel();
    }

    /// Was it ended by sign-out or revocation?
    pub fn is_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Resolves when it is ended by sign-out or revocation; expiry is not an end.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }
}
