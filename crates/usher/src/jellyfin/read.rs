//! What a request brings and asks for, read once.

use std::sync::Arc;

use usher_rules::jellyfin::{
    Ambiguity, Credentials, Endpoint, Token, TokenHash, credentials, endpoint,
};

use super::settings;
use crate::request::AppRequest;

/// What follows from a request as the client sent it, and from its route.
pub(super) struct Read {
    /// What it brings; why nobody can tell where servers would read it in two ways.
    pub credentials: Result<Credentials, Ambiguity>,
    /// What is compared and kept of its token.
    pub hash: Option<TokenHash>,
    /// What it asks for.
    pub endpoint: Endpoint,
}

impl Read {
    fn of(asked: AppRequest<'_>) -> Self {
        let credentials = credentials(&asked.head.headers, asked.head.uri.query());
        let hash =
            credentials.as_ref().ok().and_then(|found| found.token.as_ref()).map(Token::hash);
        let base = settings(asked).map_or("", |settings| &settings.folded_base);
        let endpoint = endpoint(&asked.head.method, asked.path, base);
        Self { credentials, hash, endpoint }
    }

    /// Its token, in whichever place, with what is kept of it; `None` where it brings several.
    pub(super) fn token(&self) -> Option<(&Token, TokenHash)> {
        self.credentials.as_ref().ok()?.token.as_ref().zip(self.hash)
    }
}

/// Of this request.
pub(super) fn read(asked: AppRequest<'_>) -> Arc<Read> {
    asked.once(Read::of)
}
