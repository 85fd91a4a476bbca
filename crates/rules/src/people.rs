//! Who a person is, as far as a provider has told.

mod claims;

use std::{net::IpAddr, pin::Pin, time::Duration};

pub use claims::Claims;
use serde::{Deserialize, Serialize};

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
