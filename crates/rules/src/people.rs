//! Who a person is, as far as a provider has told.

use std::{collections::BTreeMap, fmt, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize, Serializer};

use crate::{
    passkey::PasskeyFault,
    secret::Secret,
    time::{Now, UnixTime},
    unproven::Unproven,
};

/// Claims that are about the token, not about the person: none of them is kept.
pub const ABOUT_THE_TOKEN: &[&str] = &[
    "exp",
    "iat",
    "nbf",
    "jti",
    "nonce",
    "at_hash",
    "c_hash",
    "s_hash",
    "azp",
    "typ",
    "rat",
    "sid",
    "session_state",
];

/// Under which name a hosted sign-in passes on what does not count. It can only keep out.
pub const UNPROVEN: &str = "usher_unproven";

/// What a provider says about somebody: claim name to values.
///
/// Nested objects are flattened to dotted names and every value is a list, as Pomerium stores
/// them (`pomerium-config.md` §4.7).
///
/// In order of name, and no longer than it has to be: each session has some for as long as it lives.
/// A clone is the same ones in memory, until one of the two is changed.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(from = "BTreeMap<Box<str>, Vec<serde_json::Value>>")]
pub struct Claims(Arc<Vec<Claim>>);

/// One of them: its name, and its values.
type Claim = (Box<str>, Box<[serde_json::Value]>);

impl From<BTreeMap<Box<str>, Vec<serde_json::Value>>> for Claims {
    fn from(read: BTreeMap<Box<str>, Vec<serde_json::Value>>) -> Self {
        Self(Arc::new(read.into_iter().map(|(name, values)| (name, values.into())).collect()))
    }
}

impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Claims {
    /// Flattens a JSON object of claims. Where a map and a dotted name meet, both are kept: a
    /// claim that another one hides would keep nobody out.
    pub fn from_json(object: &serde_json::Map<String, serde_json::Value>) -> Self {
        let mut claims = Self::default();
        for (name, value) in object {
            claims.add(name, value);
        }
        claims
    }

    fn add(&mut self, name: &str, value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(nested) => {
                for (inner, value) in nested {
                    self.add(&format!("{name}.{inner}"), value);
                }
            }
            serde_json::Value::Array(values) => {
                self.put(name, |before| before.extend_from_slice(values));
            }
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_) => {
                self.put(name, |before| before.push(value.clone()));
            }
        }
    }

    /// Is a claim of this name a map, whose values have names of their own?
    pub fn has_below(&self, name: &str) -> bool {
        let from = self.0.partition_point(|(other, _)| **other < *name);
        let mut rest = self.0.iter().skip(from).map_while(|(other, _)| other.strip_prefix(name));
        rest.any(|rest| rest.starts_with('.'))
    }

    /// The values of a claim; `None` when it is absent, which is not the same as empty.
    pub fn get(&self, name: &str) -> Option<&[serde_json::Value]> {
        let (_, values) = self.0.get(self.find(name).ok()?)?;
        Some(values)
    }

    /// The values of a claim; empty when it is absent.
    pub fn values(&self, name: &str) -> &[serde_json::Value] {
        self.get(name).unwrap_or_default()
    }

    /// The first value of a claim, when it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values(name).first().and_then(serde_json::Value::as_str)
    }

    /// Replaces a claim.
    pub fn set(&mut self, name: &str, values: Vec<serde_json::Value>) {
        self.put(name, |before| *before = values);
    }

    /// Where a claim stands, or would.
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(name))
    }

    /// Changes the values of a claim, which has none where it is absent.
    fn put(&mut self, name: &str, change: impl FnOnce(&mut Vec<serde_json::Value>)) {
        let found = self.find(name);
        let all = Arc::make_mut(&mut self.0);
        let at = found.unwrap_or_else(|at| {
            all.reserve_exact(1);
            all.insert(at, (name.into(), Box::default()));
            at
        });
        if let Some((_, values)) = all.get_mut(at) {
            let mut changed = std::mem::take(values).into_vec();
            change(&mut changed);
            *values = changed.into();
        }
    }

    /// Where they are the same, they are so in memory from now on.
    pub fn share(&mut self, others: &Self) {
        if *self == *others {
            self.0 = Arc::clone(&others.0);
        }
    }

    /// Every claim, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[serde_json::Value])> {
        self.0.iter().map(|(name, values)| (&**name, &**values))
    }
}

/// Somebody who signed in: what policy, headers and pages may know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// The provider's stable id: the `sub` claim, or `oid` from Entra.
    pub id: Box<str>,
    /// The address that the provider tells; empty when it tells none.
    pub email: Box<str>,
    /// The name to show; empty when there is none.
    pub name: Box<str>,
    /// What their record says now. What a provider said at sign-in is the session's.
    pub claims: Claims,
    /// The groups that our own store has them in; `None` for people of outside providers.
    ///
    /// The `groups` criterion looks here and nowhere else, by id: what an outside provider calls
    /// groups is the claim `groups` (`pomerium-config.md` §4.5).
    #[serde(default)]
    pub directory_groups: Option<Vec<Group>>,
    /// What was said and does not count for them.
    #[serde(default)]
    pub unproven: Unproven,
    /// In whose spelling the address is.
    #[serde(default)]
    pub spelling: Spelling,
}

/// A group of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenGroup")]
pub struct Group {
    /// What rules name it by.
    pub id: Box<str>,
    /// What people call it; our own have no other name than their id.
    pub name: Box<str>,
}

/// As sessions have it on the disk; earlier ones had the id alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenGroup {
    Id(Box<str>),
    Both { id: Box<str>, name: Box<str> },
}

impl From<WrittenGroup> for Group {
    fn from(written: WrittenGroup) -> Self {
        match written {
            WrittenGroup::Id(id) => (&*id).into(),
            WrittenGroup::Both { id, name } => Self { id, name },
        }
    }
}

impl From<&str> for Group {
    /// A group whose id is its name.
    fn from(id: &str) -> Self {
        Self { id: id.into(), name: id.into() }
    }
}

/// In whose spelling an address is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spelling {
    /// As the provider says it.
    #[default]
    AsSaid,
    /// As our own store keeps it: what was typed in capitals is not known any more, so rules are
    /// compared without case.
    Kept,
}

/// A person whom the built-in provider knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// A random id that outlives a change of address.
    pub id: Box<str>,
    /// What they sign in with; lower case, unique.
    pub email: Box<str>,
    /// The name to show.
    pub name: Box<str>,
    /// The groups they are in, in order.
    pub groups: Vec<Box<str>>,
    /// When they were added.
    pub added_at: UnixTimeSeconds,
    /// From this second on they are let in no more; `None` for whoever is no guest.
    #[serde(default)]
    pub until: Option<UnixTimeSeconds>,
    /// Who said that the address is theirs.
    #[serde(default)]
    pub address_by: AddressBy,
    /// How often something was changed that ended their sessions: a sign-in that began before one
    /// of these changes comes to nothing.
    #[serde(default)]
    pub changes: u64,
}

/// Who said that an address is somebody's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AddressBy {
    /// An operator, who knows them.
    #[default]
    Operator,
    /// They did, when they joined by an invitation that names none: it lets nobody in, or they could
    /// choose the one that a rule is about.
    Themselves,
}

/// [`UnixTime`] as it is written down.
pub type UnixTimeSeconds = u64;

/// Why the store of people could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeopleError {
    /// Nobody has that address.
    #[error("nobody here has the address `{0}`")]
    Unknown(Box<str>),
    /// Somebody has that address already.
    #[error("`{0}` is here already")]
    AlreadyHere(Box<str>),
    /// The store itself failed; nobody is let in by mistake.
    #[error("the store of people failed: {0}")]
    Store(Box<str>),
}

/// A boxed future, as the traits of this workspace return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where the built-in provider keeps its people. Implemented in `store/`, used by `idp/`.
///
/// Addresses arrive normalised. A change that takes something away from somebody also ends their
/// sessions, all or nothing: a session carries the groups that it began with.
pub trait People: Send + Sync {
    /// Adds somebody, with an argon2id hash (PHC string) of their password.
    fn add(&self, member: Member, password_hash: Secret) -> BoxFuture<'_, Result<(), PeopleError>>;
    /// Removes somebody and ends their sessions. Their id never signs in again.
    fn remove<'a>(&'a self, email: &'a str) -> BoxFuture<'a, Result<Member, PeopleError>>;
    /// Everybody, by address.
    fn list(&self) -> BoxFuture<'_, Result<Vec<Member>, PeopleError>>;
    /// One person and the hash of their password; `None` when nobody has that address.
    fn find<'a>(
        &'a self,
        email: &'a str,
    ) -> BoxFuture<'a, Result<Option<(Member, Secret)>, PeopleError>>;
    /// Replaces somebody's groups and ends their sessions.
    fn set_groups<'a>(
        &'a self,
        email: &'a str,
        groups: Vec<Box<str>>,
    ) -> BoxFuture<'a, Result<Member, PeopleError>>;
    /// Replaces somebody's password hash and ends their sessions.
    fn set_password<'a>(
        &'a self,
        email: &'a str,
        password_hash: Secret,
    ) -> BoxFuture<'a, Result<Member, PeopleError>>;
    /// Replaces the hash `was` by one of the same password at today's cost; sessions go on.
    /// Changes nothing when the hash is not `was` any more: a new password must win.
    fn rehash<'a>(
        &'a self,
        email: &'a str,
        was: Secret,
        password_hash: Secret,
    ) -> BoxFuture<'a, Result<(), PeopleError>>;
}

/// Checks what somebody typed into the built-in sign-in page. Implemented in `idp/`, used by
/// `signin/`.
///
/// An unknown address costs the same work and gets the same answer as a wrong password, so that
/// nobody can list the people by asking.
pub trait PasswordCheck: Send + Sync {
    /// The person, if the password is theirs.
    fn check<'a>(
        &'a self,
        typed: TypedPassword<'a>,
    ) -> BoxFuture<'a, Result<Member, PasswordRefusal>>;

    /// Whose account an address as typed is, for the operator's log alone.
    fn owner<'a>(&'a self, email: &'a str) -> BoxFuture<'a, Option<Member>>;
}

/// What somebody typed into the built-in sign-in page, and where.
#[derive(Debug)]
pub struct TypedPassword<'a> {
    /// The address as typed: it is trimmed and lower-cased by whoever checks it.
    pub email: &'a str,
    /// The password as typed.
    pub password: Secret,
    /// What tries are counted by, beside the address.
    pub from: IpAddr,
    /// Whom this browser has signed in before.
    pub devices: &'a [KnownDevice],
    /// When.
    pub now: Now,
}

/// A browser that has signed somebody in before. Its tries at that account are counted apart, so
/// that nobody else uses them up, wherever they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    /// The account's address, as it is kept.
    pub email: Box<str>,
    /// Which browser.
    pub id: [u8; 16],
}

/// Why nobody is signed in by a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRefusal {
    /// The address is unknown or the password is not theirs; which one is never told.
    #[error("wrong address or password")]
    Wrong,
    /// Too many tries for this address or from this peer; the password was not looked at.
    #[error("too many tries")]
    TooManyTries {
        /// How long to wait before the next try is looked at.
        retry_after: Duration,
    },
    /// A passkey does not count.
    #[error(transparent)]
    Passkey(PasskeyFault),
    /// The code is not what their app shows, or was used before.
    #[error("wrong code")]
    WrongCode,
    /// Nobody here has that passkey.
    #[error("nobody here has that passkey")]
    UnknownPasskey,
    /// They showed who they are, and their access has ended.
    #[error("their access has ended")]
    Over,
    /// The store of people failed; nobody is let in by mistake.
    #[error("the store of people failed")]
    Unavailable,
}

impl Member {
    /// When they were added.
    pub const fn added_at(&self) -> UnixTime {
        UnixTime::from_seconds(self.added_at)
    }

    /// When their access ends; for most it does not.
    pub fn ends(&self) -> UnixTime {
        self.until.map_or(UnixTime::MAX, UnixTime::from_seconds)
    }

    /// Are they in one of `groups`?
    pub fn is_in_any(&self, groups: &[Box<str>]) -> bool {
        self.groups.iter().any(|group| groups.contains(group))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Claims;

    #[test]
    fn claims_are_in_order_and_read_as_they_were_written() {
        let said = json!({
            "groups": ["b", "a"], "a.b": 1, "a": {"b": [2, 3], "c": null}, "z": [], "name": "Ann"
        });
        let claims = Claims::from_json(said.as_object().unwrap());
        let text = serde_json::to_string(&claims).unwrap();
        let expected = concat!(
            "{\"a.b\":[2,3,1],\"a.c\":[null],\"groups\":[\"b\",\"a\"],",
            "\"name\":[\"Ann\"],\"z\":[]}"
        );
        assert_eq!(text, expected);
        let read: Claims = serde_json::from_str(&text).unwrap();
        assert_eq!(read, claims);
        let twice = "{\"b\": [1], \"a\": [2], \"b\": [3]}";
        let twice: Claims = serde_json::from_str(twice).unwrap();
        assert_eq!(twice.values("b"), [json!(3)], "the last counts, as it did");
        for (name, below) in [("a", true), ("a.b", false), ("grou", false), ("z", false)] {
            assert_eq!(read.has_below(name), below, "{name}");
        }
        for (name, values) in [("z", Some(&[][..])), ("name", Some(&[json!("Ann")])), ("n", None)] {
            assert_eq!(read.get(name), values, "{name}");
        }
    }

    /// Ten thousand sessions have some for as long as they live.
    #[test]
    fn claims_take_no_more_room_than_they_need() {
        let mut claims: Claims = serde_json::from_str("{\"a\": [1], \"b\": [2]}").unwrap();
        assert_eq!(claims.0.capacity(), 2);
        claims.set("c", vec![json!(3)]);
        claims.set("a", Vec::with_capacity(100));
        assert_eq!((claims.0.capacity(), claims.iter().count()), (3, 3));
    }
}
