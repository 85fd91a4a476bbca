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

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use usher_rules::{
        config::{self, Environment, Input, NoFiles},
        people::{BoxFuture, Member, PeopleError},
        plan::{self, Plan},
        secret::Secret,
    };

    use super::*;
    use crate::request::identify::contract::session;

    /// Whoever asks waits a moment for the answer, as for a disk.
    #[derive(Default)]
    struct Slow(Mutex<Option<Vec<u8>>>);

    impl Remembered for Slow {
        fn recall<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
            Box::pin(async {
                let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
                tokio::task::yield_now().await;
                Ok(known)
            })
        }

        fn remember<'a>(
            &'a self,
            _: &'a str,
            value: &'a [u8],
        ) -> BoxFuture<'a, Result<(), StoreError>> {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value.to_vec());
            Box::pin(std::future::ready(Ok(())))
        }
    }

    struct NoPeople;

    fn unknown<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, PeopleError>> {
        Box::pin(std::future::ready(Err(PeopleError::Unknown("nobody".into()))))
    }

    impl People for NoPeople {
        fn add(&self, _: Member, _: Secret) -> BoxFuture<'_, Result<(), PeopleError>> {
            unknown()
        }
        fn remove<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Member, PeopleError>> {
            unknown()
        }
        fn list(&self) -> BoxFuture<'_, Result<Vec<Member>, PeopleError>> {
            unknown()
        }
        fn find<'a>(
            &'a self,
            _: &'a str,
        ) -> BoxFuture<'a, Result<Option<(Member, Secret)>, PeopleError>> {
            unknown()
        }
        fn set_groups<'a>(
            &'a self,
            _: &'a str,
            _: Vec<Box<str>>,
        ) -> BoxFuture<'a, Result<Member, PeopleError>> {
            unknown()
        }
        fn set_password<'a>(
            &'a self,
            _: &'a str,
            _: Secret,
        ) -> BoxFuture<'a, Result<Member, PeopleError>> {
            unknown()
        }
        fn rehash<'a>(
            &'a self,
            _: &'a str,
            _: Secret,
            _: Secret,
        ) -> BoxFuture<'a, Result<(), PeopleError>> {
            unknown()
        }
    }

    fn plan() -> Plan {
        let text = "routes:\n- from: https://tv.test\n  to: http://tv:8096\n  \
                    allow_any_authenticated_user: true\n  jellyfin: {}\n";
        let draft = config::read(Input { name: None, text }, &Environment::new());
        plan::compile(draft, &NoFiles).unwrap().0
    }

    /// Both look before either is written down: one of them has the user, and the other does not.
    #[tokio::test]
    async fn of_two_first_owners_at_once_one_is_let_in() {
        let users = Users::new(Arc::new(Slow::default()), Arc::new(NoPeople));
        let account = Account { id: "1".into() };
        let [ann, bob] = [(1, "ann"), (2, "bob")].map(|(n, name)| {
            let mut new = session(n, name);
            new.session.idp_id = "x".into();
            LiveSession::new(new)
        });
        let plan = plan();
        let settings = plan.routes[0].jellyfin.as_deref().unwrap();
        let (first, second) = tokio::join!(
            users.take(settings, &account, &ann),
            users.take(settings, &account, &bob)
        );
        assert!(first.is_ok(), "{first:?}");
        assert!(matches!(second, Err(NotLetIn::Taken)), "{second:?}");
        assert!(users.take(settings, &account, &ann).await.is_ok(), "hers for good");
    }
}
