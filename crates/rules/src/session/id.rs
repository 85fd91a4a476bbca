use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

/// A session's id: a UUID, the handle's `jti`.
///
/// Every copy of it is the same text in memory: maps have it for each session several times.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "Box<str>")]
pub struct SessionId(Arc<str>);

impl TryFrom<Box<str>> for SessionId {
    type Error = &'static str;

    fn try_from(read: Box<str>) -> Result<Self, Self::Error> {
        Self::parse(&read).ok_or("an id that is no UUID")
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

    /// The id of these octets, whatever they are.
    pub fn of_octets(octets: [u8; 16]) -> Self {
        Self(uuid::Uuid::from_bytes(octets).to_string().into())
    }

    /// Its octets: two ids have the same ones where they are the same.
    pub fn octets(&self) -> [u8; 16] {
        uuid::Uuid::try_parse(&self.0).unwrap_or_default().into_bytes() // it is one
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::SessionId;

    #[test]
    fn an_id_is_a_uuid_however_it_is_read() {
        let text = "12345678-1234-4234-8234-12345678abcd";
        let id = SessionId::parse(text).unwrap();
        assert_eq!(SessionId::of_octets(id.octets()), id);
        assert_eq!(serde_json::from_value::<SessionId>(text.into()).unwrap(), id);
        assert_eq!(SessionId::parse(&text.to_uppercase()), Some(id), "one way of writing it");
        assert!(serde_json::from_value::<SessionId>("ann".into()).is_err());
    }
}
