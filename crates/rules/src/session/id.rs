use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

/// A session's id: a UUID, the handle's `jti`.
///
/// Every copy of it is the same text in memory: maps have it for each session several times.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(from = "Box<str>")]
pub struct SessionId(Arc<str>);

impl From<Box<str>> for SessionId {
    fn from(read: Box<str>) -> Self {
        Self(read.into())
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

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
