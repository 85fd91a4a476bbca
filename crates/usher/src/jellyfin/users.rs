//! Whose each of a server's users is, for good: somebody whose apps have all ended has it still.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use usher_rules::{
    people::People,
    plan::{BUILTIN, Jellyfin},
};

use super::{api::Account, not_let_in::NotLetIn, turns::Turns};
use crate::request::{
    Remembered,
    identify::{LiveSession, StoreError},
};

/// What is remembered of whom.
pub(super) struct Users {
    remembered: Arc<dyn Remembered>,
    people: Arc<dyn People>,
    turns: Turns<Box<str>>,
}

/// Who got in as a user first.
#[derive(Debug, Deserialize, Serialize)]
struct FirstOwner {
    provider: Box<str>,
    person: Box<str>,
    email: Box<str>,
}

impl Users {
    pub(super) fn new(remembered: Arc<dyn Remembered>, people: Arc<dyn People>) -> Self {
        Self { remembered, people, turns: Turns::default() }
    }

    /// Theirs from now on, if it is nobody else's.
    ///
    /// # Errors
    ///
    /// [`NotLetIn::Taken`]; [`NotLetIn::Store`], and it is as it was.
    pub(super) async fn take(
        &self,
        settings: &Jellyfin,
        account: &Account,
        live: &LiveSession,
    ) -> Result<(), NotLetIn> {
        // No server: its address may be written anew, and the id of a user is like no other's.
        let name = format!("jellyfin-user:{}", account.id);
        let _one_at_a_time = self.turns.take(name.as_str().into()).await;
        if let Some(text) = self.remembered.recall(&name).await? {
            // What can't be read is somebody's all the same.
            let known: FirstOwner =
                serde_json::from_slice(&text).map_err(|error| unavailable(&error))?;
            match is_one(settings, (&known.provider, &known.person, &known.email), live) {
                true => return Ok(()),
                false if self.is_gone(&known).await? => {}
                false => return Err(NotLetIn::Taken),
            }
        }
        let (session, person) = (live.session(), live.person());
        let new = FirstOwner {
            provider: session.idp_id.clone(),
            person: person.id.clone(),
            email: person.email.clone(),
        };
        let text = serde_json::to_vec(&new).map_err(|error| unavailable(&error))?;
        Ok(self.remembered.remember(&name, &text).await?)
    }

    /// Was it one of our own people who is here no more? Of others nobody knows.
    async fn is_gone(&self, owner: &FirstOwner) -> Result<bool, StoreError> {
        if *owner.provider != *BUILTIN {
            return Ok(false);
        }
        let found = self.people.find(&owner.email).await;
        let found = found.map_err(|error| unavailable(&error))?;
        Ok(found.is_none_or(|(member, _)| member.id != owner.person))
    }
}

/// Is it the same person? Two providers that vouch for one address speak of one; a claim of another
/// kind may be chosen.
pub(super) fn is_one(
    settings: &Jellyfin,
    (provider, person, email): (&str, &str, &str),
    live: &LiveSession,
) -> bool {
    let by_address = settings.user_claim.as_deref().is_none_or(|claim| claim == "email");
    let is_one = *provider == *live.session().idp_id && *person == *live.person().id;
    is_one || (by_address && *email == *live.person().email)
}

fn unavailable(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string().into())
}
