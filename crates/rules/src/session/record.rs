use serde::{Deserialize, Serialize};

use crate::{
    people::{Person, UnixTimeSeconds},
    time::UnixTime,
};

/// A session's id: a UUID, the handle's `jti`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(Box<str>);

impl SessionId {
    /// A fresh id from random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string().into())
    }

    /// An id as a handle or the store has it; `None` when it is no UUID.
    pub fn parse(text: &str) -> Option<Self> {
        uuid::Uuid::try_parse(text).ok().map(|id| Self(id.to_string().into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the store remembers of one sign-in. The browser holds only a handle to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The handle's `jti`.
    pub id: SessionId,
    /// Which provider it came from; a changed provider makes its sessions void.
    pub idp_id: Box<str>,
    /// Who signed in.
    pub person: Person,
    /// When.
    pub issued_at: UnixTimeSeconds,
    /// From this second on it is over. Absolute: use does not extend it.
    pub expires_at: UnixTimeSeconds,
    /// The provider's ID token, sealed, for `id_token_hint` at sign-out; absent for ours.
    pub id_token: Option<Box<str>>,
}

impl Session {
    /// When it was started.
    pub const fn issued_at(&self) -> UnixTime {
        UnixTime::from_seconds(self.issued_at)
    }

    /// From when on it is over.
    pub const fn expires_at(&self) -> UnixTime {
        UnixTime::from_seconds(self.expires_at)
    }
}
