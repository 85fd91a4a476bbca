use std::{collections::BTreeSet, sync::Arc, time::Duration};

use usher_rules::{
    people::{
        BoxFuture, Member, PasswordCheck, PasswordRefusal, People, PeopleError, TypedPassword,
    },
    secret::Secret,
    time::UnixTime,
};

use super::{
    AddressError, HashingError, LONGEST_PASSWORD, NoRandomness, Passwords, SHORTEST_PASSWORD,
    generate::canonical,
    normalised,
    passwords::Match,
    throttle::{By, Throttle},
    weak::is_weak,
};

/// The longest name and the longest group's name, in octets.
const LONGEST_NAME: usize = 200;
/// In how many groups somebody can be.
const MOST_GROUPS: usize = 100;

/// The people of this server: added and changed by an operator, checked at sign-in.
pub struct Directory {
    pub(super) people: Arc<dyn People>,
    passwords: Passwords,
    pub(super) throttle: Throttle,
}

/// Somebody to add, as an operator typed it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewMember<'a> {
    /// The address to sign in with.
    pub email: &'a str,
    /// The name to show; may be empty.
    pub name: &'a str,
    /// Groups; one that is there twice counts once.
    pub groups: &'a [String],
}

/// Why somebody was not added or changed.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The address is none.
    #[error("`{}` is not an address: {rule}", email.escape_debug())]
    Address {
        /// As it was typed.
        email: Box<str>,
        /// The rule that it breaks.
        rule: AddressError,
    },
    /// The name is too long or can't be shown.
    #[error("a name has at most {LONGEST_NAME} octets and no control characters")]
    Name,
    /// The group can't be put into a header field.
    #[error("`{}` can't be a group: 1 to {LONGEST_NAME} octets, no comma, no control characters, \
             no space at either end", .0.escape_debug())]
    Group(Box<str>),
    /// Too many groups.
    #[error("somebody can be in {MOST_GROUPS} groups at most")]
    TooManyGroups,
    /// The password is too short or too long.
    #[error("a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} octets; this one has {0}")]
    PasswordLength(usize),
    /// The password is one of those that are tried first.
    #[error(
        "this password is among the first that anybody tries: take three or four words that don't \
         belong together, or leave the choice to usher"
    )]
    PasswordWeak,
    /// The password could not be hashed.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// Nothing can be made that nobody guesses.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// The store of people refused.
    #[error(transparent)]
    People(#[from] PeopleError),
}

impl Directory {
    /// The people in `people`, whose passwords `passwords` checks.
    pub fn new(people: Arc<dyn People>, passwords: Passwords) -> Self {
        Self { people, passwords, throttle: Throttle::new() }
    }

    /// Adds somebody.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`]; nobody was added then.
    pub async fn add(
        &self,
        new: NewMember<'_>,
        password: Secret,
        now: UnixTime,
    ) -> Result<Member, DirectoryError> {
        let email = address(new.email)?;
        let member = Member {
            id: uuid::Uuid::new_v4().to_string().into(),
            email,
            name: name(new.name)?,
            groups: groups(new.groups)?,
            added_at: now.seconds(),
            ..Member::default()
        };
        let hash = self.hash(password, &member.email).await?;
        self.people.add(member.clone(), hash).await?;
        Ok(member)
    }

    /// Removes somebody and ends their sessions.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`]; nothing was changed then.
    pub async fn remove(&self, email: &str) -> Result<Member, DirectoryError> {
        Ok(self.people.remove(&address(email)?).await?)
    }

    /// Everybody, by address.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::People`].
    pub async fn list(&self) -> Result<Vec<Member>, DirectoryError> {
        Ok(self.people.list().await?)
    }

    /// Replaces somebody's groups and ends their sessions.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`]; nothing was changed then.
    pub async fn set_groups(
        &self,
        email: &str,
        given: &[String],
    ) -> Result<Member, DirectoryError> {
        Ok(self.people.set_groups(&address(email)?, groups(given)?).await?)
    }

    /// Replaces somebody's password and ends their sessions.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`]; nothing was changed then.
    pub async fn set_password(
        &self,
        email: &str,
        password: Secret,
    ) -> Result<Member, DirectoryError> {
        let email = address(email)?;
        let hash = self.hash(password, &email).await?;
        Ok(self.people.set_password(&email, hash).await?)
    }

    /// Somebody, by an address as it is kept.
    pub(super) async fn find(&self, address: &str) -> Result<Option<Member>, PeopleError> {
        Ok(self.people.find(address).await?.map(|(member, _hash)| member))
    }

    /// How many password checks were made; for tests and metrics.
    pub fn checks(&self) -> u64 {
        self.passwords.checks()
    }

    #[cfg(test)]
    pub(super) const fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    pub(super) async fn hash(
        &self,
        password: Secret,
        email: &str,
    ) -> Result<Secret, DirectoryError> {
        let octets = password.expose().len();
        if !(SHORTEST_PASSWORD..=LONGEST_PASSWORD).contains(&octets) {
            return Err(DirectoryError::PasswordLength(octets));
        }
        if password.expose_str().is_some_and(|password| is_weak(password, email)) {
            return Err(DirectoryError::PasswordWeak);
        }
        Ok(self.passwords.hash(password).await?)
    }

    async fn try_password(&self, typed: TypedPassword<'_>) -> Result<Member, PasswordRefusal> {
        let TypedPassword { email, password, from, devices, now } = typed;
        // What is no address is nobody's: it is counted and costs as much as an unknown one.
        let address = normalised(email).unwrap_or_default();
        let known = devices.iter().find(|device| *device.email == *address);
        let by = known.map_or(By::Stranger(from), |device| By::Device(device.id));
        let counted = self
            .throttle
            .take(&address, by, now.monotonic)
            .map_err(|retry_after| PasswordRefusal::TooManyTries { retry_after })?;
        if password.expose().len() > LONGEST_PASSWORD {
            return Err(PasswordRefusal::Wrong); // for every address alike
        }
        let found = self.people.find(&address).await;
        let found = found.map_err(|_failed| PasswordRefusal::Unavailable)?;
        let typed = Secret::new(password.expose());
        // Who has no password costs as much as nobody.
        let hash = found.as_ref().map(|(_, hash)| hash).filter(|hash| !hash.expose().is_empty());
        let mut matched =
            self.passwords.check(typed, hash, counted.tried).await.map_err(unchecked)?;
        // What was generated is read out and typed on remote controls. Known or unknown, a second
        // look costs the same: it hangs on what was typed alone.
        if matched == Match::No
            && let Some(made) = password.expose_str().and_then(canonical)
            && made.as_bytes() != password.expose()
        {
            let made = Secret::new(made.into_bytes());
            matched = self.passwords.check(made, hash, counted.tried).await.map_err(unchecked)?;
            if matched == Match::YesAtOldCost {
                matched = Match::Yes; // to be hashed anew when it is typed as it was made
            }
        }
        match (found, matched) {
            (Some((member, _)), Match::Yes) => {
                self.throttle.give_back(counted);
                still_let_in(member, now.wall)
            }
            (Some((member, was)), Match::YesAtOldCost) => {
                self.throttle.give_back(counted);
                self.rehash(&member.email, was, password).await;
                still_let_in(member, now.wall)
            }
            (Some(_), Match::No) | (None, _) => Err(PasswordRefusal::Wrong),
        }
    }

    /// Brings a hash to today's cost. That it can't be is no reason to keep its owner out: the
    /// next sign-in tries again.
    async fn rehash(&self, email: &str, was: Secret, password: Secret) {
        if let Ok(hash) = self.passwords.hash(password).await {
            drop(self.people.rehash(email, was, hash).await);
        }
    }
}

impl PasswordCheck for Directory {
    fn check<'a>(
        &'a self,
        typed: TypedPassword<'a>,
    ) -> BoxFuture<'a, Result<Member, PasswordRefusal>> {
        Box::pin(self.try_password(typed))
    }

    fn owner<'a>(&'a self, email: &'a str) -> BoxFuture<'a, Option<Member>> {
        Box::pin(async move {
            let address = normalised(email).ok()?;
            self.people.find(&address).await.ok()?.map(|(member, _hash)| member)
        })
    }
}

const fn unchecked(failed: HashingError) -> PasswordRefusal {
    match failed {
        HashingError::Busy => PasswordRefusal::TooManyTries { retry_after: Duration::from_secs(1) },
        HashingError::Failed => PasswordRefusal::Unavailable,
    }
}

pub(super) fn address(email: &str) -> Result<Box<str>, DirectoryError> {
    normalised(email).map_err(|rule| DirectoryError::Address { email: email.into(), rule })
}

/// Whoever showed who they are, if their access has not ended.
pub(super) fn still_let_in(member: Member, now: UnixTime) -> Result<Member, PasswordRefusal> {
    if member.ends() > now { Ok(member) } else { Err(PasswordRefusal::Over) }
}

/// A name as it is kept.
pub(super) fn name(given: &str) -> Result<Box<str>, DirectoryError> {
    let name = given.trim();
    match name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        true => Err(DirectoryError::Name),
        false => Ok(name.into()),
    }
}

/// Groups as they are kept: each once, in order.
///
/// No comma: `X-Pomerium-Claim-Groups` joins them with commas, and one group named `kids,admins`
/// would be two to the app behind.
pub(super) fn groups(given: &[String]) -> Result<Vec<Box<str>>, DirectoryError> {
    if let Some(odd) = given.iter().find(|group| {
        group.is_empty()
            || group.len() > LONGEST_NAME
            || group.trim() != group.as_str()
            || group.chars().any(|c| c.is_control() || c == ',')
    }) {
        return Err(DirectoryError::Group(odd.as_str().into()));
    }
    let groups: BTreeSet<Box<str>> = given.iter().map(|group| group.as_str().into()).collect();
    if groups.len() > MOST_GROUPS {
        return Err(DirectoryError::TooManyGroups);
    }
    Ok(groups.into_iter().collect())
}
