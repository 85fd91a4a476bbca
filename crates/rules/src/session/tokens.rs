use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Keys, Purpose, Session, SessionId};

/// The most that is kept of a provider's tokens and claims, in octets. Beyond, the session can't
/// be checked again: claims come from a provider, which may let people write them.
const LONGEST: usize = 32 * 1024;

/// What a provider gave with a sign-in, and what it takes to ask it again.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderTokens {
    /// Asks for new tokens (RFC 6749 §6); a provider need not give one.
    pub refresh: Option<Box<str>>,
    /// Opens the userinfo endpoint. Kept only where nothing refreshes it.
    pub access: Option<Box<str>>,
    /// From which second on it opens nothing; unknown where the provider does not say.
    pub access_ends_at: Option<u64>,
    /// The claims of the latest ID token: a refresh need not bring another (OIDC Core §12.2).
    pub id_token: Map<String, Value>,
}

impl ProviderTokens {
    /// Can the provider be asked again at all?
    pub const fn can_ask(&self) -> bool {
        self.refresh.is_some() || self.access.is_some()
    }
}

impl fmt::Debug for ProviderTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProviderTokens(..)")
    }
}

impl Keys {
    /// Seals tokens for the store, bound to their session. `None` where they are too long, or where
    /// nothing could be asked with them. `nonce` is fresh random bytes.
    pub fn seal_tokens(
        &self,
        id: &SessionId,
        tokens: &ProviderTokens,
        nonce: [u8; 12],
    ) -> Option<Box<str>> {
        let text = serde_json::to_vec(tokens).ok().filter(|text| text.len() <= LONGEST)?;
        let bound_to = id.as_str().as_bytes();
        tokens.can_ask().then(|| self.seal(Purpose::Tokens, bound_to, &text, nonce).into())
    }

    /// The session with what is sealed in it sealed with the newest key; `None` where it is so.
    pub fn resealed_session(&self, session: &Session, nonces: [[u8; 12]; 2]) -> Option<Session> {
        let [first, second] = nonces;
        let anew = |purpose, sealed: Option<&str>, nonce| {
            self.resealed(purpose, session.id.as_str().as_bytes(), sealed?, nonce)
        };
        let id_token = anew(Purpose::IdToken, session.id_token.as_deref(), first);
        let tokens = anew(Purpose::Tokens, session.tokens.as_deref(), second);
        if id_token.is_none() && tokens.is_none() {
            return None;
        }
        let mut new = session.clone();
        new.id_token = id_token.map(Into::into).or(new.id_token);
        new.tokens = tokens.map(Into::into).or(new.tokens);
        Some(new)
    }

    /// Opens what [`Keys::seal_tokens`] made for this session.
    pub fn tokens(&self, session: &Session) -> Option<ProviderTokens> {
        let (id, sealed) = (session.id.as_str().as_bytes(), session.tokens.as_deref()?);
        serde_json::from_slice(&self.open(Purpose::Tokens, id, sealed).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::{LONGEST, ProviderTokens};
    use crate::{
        people::Claims,
        session::{Authentication, Session, SessionId, SignIn, test_keys},
        signin::person_from_claims,
        time::UnixTime,
    };

    fn session(n: u8) -> Session {
        let claims = json!({"sub": "1"});
        let Authentication { person, .. } =
            person_from_claims(claims.as_object().unwrap(), None).unwrap();
        let told = Authentication { person, claims: Claims::default(), sign_in: SignIn::default() };
        let [from, to] = [1, 2].map(UnixTime::from_seconds);
        told.begin(SessionId::from_random([n; 16]), "x", from, to).session
    }

    #[test]
    fn tokens_open_for_their_own_session_alone_and_show_in_no_log() {
        let keys = test_keys();
        let (mut ann, mut eve) = (session(1), session(2));
        let id_token = Map::from_iter([("sub".into(), json!("1"))]);
        let tokens = ProviderTokens {
            refresh: Some("canary".into()),
            access: None,
            access_ends_at: None,
            id_token,
        };
        ann.tokens = keys.seal_tokens(&ann.id, &tokens, [7; 12]);
        eve.tokens.clone_from(&ann.tokens);
        assert_eq!(keys.tokens(&ann), Some(tokens.clone()));
        assert_eq!(keys.tokens(&eve), None, "another's");
        assert!(!serde_json::to_string(&ann).unwrap().contains("canary"));
        assert!(!format!("{tokens:?}").contains("canary"));
        let none = ProviderTokens { refresh: None, ..tokens.clone() };
        assert_eq!(keys.seal_tokens(&ann.id, &none, [7; 12]), None, "nothing to ask with");
        let long = ProviderTokens { refresh: Some("x".repeat(LONGEST).into()), ..tokens };
        assert_eq!(keys.seal_tokens(&ann.id, &long, [7; 12]), None, "too long");
    }
}
