//! How people of the built-in provider get in beside a typed password, and look after that.
//!
//! ```text
//!  signin ── Accounts ──▶ idp ── AccountStore ──▶ store
//! ```

mod typed;

pub use typed::TypedWrong;

use std::{net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    names::Origin,
    passkey::{Assertion, Expected, NewPasskey, PasskeyFault},
    people::{BoxFuture, Member, PasswordRefusal, PeopleError, UnixTimeSeconds},
    plan::Passwords,
    secret::Secret,
    time::{Now, UnixTime},
    totp::CodeApp,
};

/// How many passkeys somebody may have.
pub const MOST_PASSKEYS: usize = 20;

/// A passkey that somebody may sign in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptPasskey {
    /// Id, public key and counter.
    pub key: NewPasskey,
    /// Whose it is: [`Member::id`].
    pub owner: Box<str>,
    /// What its owner calls it.
    pub label: Box<str>,
    /// When it was made.
    pub added_at: UnixTimeSeconds,
    /// When it signed somebody in last; `None` before the first time.
    pub used_at: Option<UnixTimeSeconds>,
}

/// A passkey that was shown to sign in, and where.
#[derive(Debug)]
pub struct ShownPasskey<'a> {
    /// What the browser said.
    pub assertion: &'a Assertion,
    /// What it has to be about: the challenge was ours, this browser's, and not too old.
    pub expected: Expected<'a>,
    /// What tries are counted by.
    pub from: IpAddr,
    /// When.
    pub now: Now,
}

/// What lets whoever opens a link do one thing without a sign-in. Only its digest is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLink {
    /// What it is for.
    pub purpose: LinkPurpose,
    /// From this second on it is no good.
    pub over_at: UnixTimeSeconds,
    /// How often it may still be used.
    pub uses_left: u32,
}

/// What becomes of earlier links by which the same person gets in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// The newest one counts.
    End,
    /// They are good until one is used.
    Stay,
}

/// What a link is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkPurpose {
    /// Somebody new joins.
    Join(Invitation),
    /// The member with this id lost what signed them in. All of it is replaced.
    Recover {
        /// [`Member::id`].
        id: Box<str>,
    },
}

/// What somebody who joins will be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The address to sign in with; `None` where they choose one, which then counts for no rule.
    pub email: Option<Box<str>>,
    /// The name to show at first.
    pub name: Box<str>,
    /// The groups to be in.
    pub groups: Vec<Box<str>>,
    /// When their access ends, for a guest.
    pub until: Option<UnixTimeSeconds>,
}

/// What somebody who opened a link chose to sign in with from now on.
#[derive(Debug)]
pub enum NewCredential {
    /// A passkey, and what it is called.
    Passkey(NewPasskey, Box<str>),
    /// A password as it was typed.
    Password(Secret),
}

/// What somebody who opened a link wants to be.
#[derive(Debug)]
pub struct Joining<'a> {
    /// The id that a passkey of theirs has in it.
    pub id: &'a str,
    /// The address, where they may choose it.
    pub email: &'a str,
    /// The name to show.
    pub name: &'a str,
    /// What they sign in with.
    pub credential: NewCredential,
}

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountRefusal {
    /// The link is unknown, too old, or used up; which one is never told.
    #[error("no such link, or it was used or ran out")]
    Link,
    /// Too many tries from this peer.
    #[error("too many tries")]
    TooManyTries,
    /// What was typed does not do.
    #[error("{0}")]
    Typed(#[from] TypedWrong),
    /// It would leave nothing to sign in with.
    #[error("it is the only thing that they can sign in with")]
    Last,
    /// Nobody would be left who looks after people.
    #[error("nobody would be left who looks after people")]
    LastAdmin,
    /// There are enough already.
    #[error("somebody may have {MOST_PASSKEYS} passkeys at most")]
    TooMany,
    /// The store of people refused.
    #[error(transparent)]
    People(#[from] PeopleError),
}

/// The built-in provider as the pages of sign-in see it, beside passwords.
pub trait Accounts: Send + Sync {
    /// Whose passkey it is, if all about it is as it has to be. Its counter has moved on then.
    fn by_passkey<'a>(
        &'a self,
        shown: ShownPasskey<'a>,
    ) -> BoxFuture<'a, Result<Member, PasswordRefusal>>;
    /// Somebody, by [`Member::id`].
    fn member<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Member>, PeopleError>>;
    /// Is somebody here as they were read, with nothing changed since?
    fn is_still<'a>(&'a self, member: &'a Member) -> BoxFuture<'a, Result<bool, PeopleError>>;
    /// Somebody's passkeys, oldest first.
    fn passkeys<'a>(
        &'a self,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<Vec<KeptPasskey>, PeopleError>>;
    /// Gives somebody one more way in, or another password.
    fn add<'a>(
        &'a self,
        owner: &'a str,
        new: NewCredential,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<(), AccountRefusal>>;
    /// Takes a passkey away, unless it is the last thing to sign in with: a password is none where
    /// they are turned off. Ends the sessions that its owner has.
    fn remove_passkey<'a>(
        &'a self,
        owner: &'a str,
        id: &'a str,
        passwords: Passwords,
    ) -> BoxFuture<'a, Result<(), AccountRefusal>>;
    /// What has to be shown beside somebody's password; `None` where that is enough.
    fn code_app<'a>(
        &'a self,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<Option<CodeApp>, PeopleError>>;
    /// Takes a code of somebody's app, or a recovery code, once.
    fn take_code<'a>(
        &'a self,
        owner: &'a str,
        typed: &'a str,
        now: Now,
    ) -> BoxFuture<'a, Result<Member, PasswordRefusal>>;
    /// Asks somebody for codes from now on, once their app has shown one; gives recovery codes.
    fn add_code_app<'a>(
        &'a self,
        owner: &'a str,
        secret: Secret,
        typed: &'a str,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<Vec<Secret>, AccountRefusal>>;
    /// Asks somebody for no codes any more.
    fn remove_code_app<'a>(&'a self, owner: &'a str) -> BoxFuture<'a, Result<(), AccountRefusal>>;
    /// May one more link be asked for from there?
    ///
    /// # Errors
    ///
    /// Not before so long.
    fn may_ask_for_link(&self, from: IpAddr, now: Now) -> Result<(), Duration>;
    /// The token of a link by which somebody gets in again, for their own mailbox: those that they
    /// have stay good until one is used.
    fn mailed_link<'a>(
        &'a self,
        email: &'a str,
        life: Duration,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<Secret, AccountRefusal>>;
    /// What the link is for, while it is good.
    fn link<'a>(
        &'a self,
        token: &'a str,
        from: IpAddr,
        now: Now,
    ) -> BoxFuture<'a, Result<AccountLink, AccountRefusal>>;
    /// Uses the link: somebody joins, or gets in again.
    fn use_link<'a>(
        &'a self,
        token: &'a str,
        joining: Joining<'a>,
        from: IpAddr,
        now: Now,
    ) -> BoxFuture<'a, Result<Member, AccountRefusal>>;
}

/// What is kept of passkeys and links. Implemented in `store/`, used by `idp/`. Each change is all
/// or nothing.
pub trait AccountStore: Send + Sync {
    /// Somebody, by [`Member::id`], and the hash of their password, which is empty without one.
    fn member<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<(Member, Secret)>, PeopleError>>;
    /// The passkey of this id.
    fn passkey<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Option<KeptPasskey>, PeopleError>>;
    /// Somebody's passkeys, oldest first.
    fn passkeys<'a>(
        &'a self,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<Vec<KeptPasskey>, PeopleError>>;
    /// Keeps a passkey of somebody who is here, unless that id is known.
    fn add_passkey(&self, passkey: KeptPasskey) -> BoxFuture<'_, Result<(), PeopleError>>;
    /// Moves the counter from `was` on; `false` where it is another one by now.
    fn count_passkey<'a>(
        &'a self,
        was: &'a NewPasskey,
        counter: u32,
        now: UnixTime,
    ) -> BoxFuture<'a, Result<bool, PeopleError>>;
    /// Removes somebody's passkey and ends their sessions.
    fn remove_passkey<'a>(
        &'a self,
        owner: &'a Member,
        id: &'a str,
    ) -> BoxFuture<'a, Result<(), PeopleError>>;
    /// What is kept of somebody's app.
    fn code_app<'a>(
        &'a self,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<Option<CodeApp>, PeopleError>>;
    /// Replaces what is kept of somebody's app, if it is still `was`; `false` where it is not.
    fn swap_code_app<'a>(
        &'a self,
        owner: &'a str,
        was: Option<CodeApp>,
        now: Option<CodeApp>,
    ) -> BoxFuture<'a, Result<bool, PeopleError>>;
    /// Changes when somebody's access ends, and ends their sessions.
    fn set_until<'a>(
        &'a self,
        email: &'a str,
        until: Option<UnixTimeSeconds>,
    ) -> BoxFuture<'a, Result<Member, PeopleError>>;
    /// Keeps a link under the digest of its token, and forgets those that ran out.
    fn add_link(
        &self,
        digest: [u8; 32],
        link: AccountLink,
        earlier: Earlier,
        now: UnixTime,
    ) -> BoxFuture<'_, Result<(), PeopleError>>;
    /// The link of that digest.
    fn link(&self, digest: [u8; 32]) -> BoxFuture<'_, Result<Option<AccountLink>, PeopleError>>;
    /// Uses the link `was` once more, while it has uses left: adds its member, or replaces all
    /// that they sign in with and ends their sessions. The member as they are then; `None` where
    /// other uses came first.
    fn use_link(
        &self,
        digest: [u8; 32],
        was: AccountLink,
        member: Member,
        credential: KeptCredential,
    ) -> BoxFuture<'_, Result<Option<Member>, PeopleError>>;
}

/// What somebody signs in with, as it is kept.
#[derive(Debug)]
pub enum KeptCredential {
    /// A passkey.
    Passkey(KeptPasskey),
    /// An argon2id hash (PHC string).
    Password(Secret),
}

/// The address of a link. The token is in the query, which no log has.
pub fn link_address(at: &Origin, token: &Secret) -> String {
    format!("{at}/.pomerium/welcome?invitation={}", token.expose_str().unwrap_or_default())
}

impl AccountLink {
    /// May it still be used?
    pub const fn is_good(&self, now: UnixTime) -> bool {
        self.uses_left > 0 && now.seconds() < self.over_at
    }
}

impl From<PasskeyFault> for PasswordRefusal {
    fn from(fault: PasskeyFault) -> Self {
        Self::Passkey(fault)
    }
}
