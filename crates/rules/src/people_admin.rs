//! The people of the built-in provider, as an admin's page sees and changes them.
//!
//! ```text
//!  signin ── PeopleAdmin ──▶ idp ── People, AccountStore ──▶ store
//! ```

use std::time::Duration;

use crate::{
    accounts::{AccountRefusal, Invitation},
    people::{BoxFuture, Member, PeopleError},
    secret::Secret,
    time::UnixTime,
};

/// Somebody, and how they sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedMember {
    /// Who.
    pub member: Member,
    /// Is there a password?
    pub has_password: bool,
    /// How many passkeys there are.
    pub passkeys: usize,
    /// Are codes of an app asked for beside the password?
    pub has_codes: bool,
}

/// What an admin may do: whoever is in one of the `admin_groups` that are told. A change that leaves
/// nobody who looks after people, or nobody for as long as before, is refused. Implemented in
/// `idp/`, used by `signin/`.
pub trait PeopleAdmin: Send + Sync {
    /// Everybody, by address.
    fn everybody(&self) -> BoxFuture<'_, Result<Vec<ListedMember>, PeopleError>>;
    /// The token of a link by which one person joins.
    fn invitation_link(
        &self,
        invitation: Invitation,
        life: Duration,
        now: UnixTime,
    ) -> BoxFuture<'_, Result<Secret, AccountRefusal>>;
    /// The token of a link by which somebody gets in again.
    fn recovery_link<'a>(
        &'a self,
        email: &'a str,
        life: Duration,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<(Member, Secret), AccountRefusal>>;
    /// Changes when somebody's access ends, and ends their sessions.
    fn end_at<'a>(
        &'a self,
        email: &'a str,
        until: Option<UnixTime>,
        admin_groups: &'a [Box<str>],
    ) -> BoxFuture<'a, Result<Member, AccountRefusal>>;
    /// Removes somebody and ends their sessions.
    fn remove<'a>(
        &'a self,
        email: &'a str,
        admin_groups: &'a [Box<str>],
    ) -> BoxFuture<'a, Result<Member, AccountRefusal>>;
}
