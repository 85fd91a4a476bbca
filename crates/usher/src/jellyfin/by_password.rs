//! App passwords as apps bring them: which there are, who tries, and one sign-in with each at a time.

use std::sync::{Arc, Mutex, PoisonError};

use usher_rules::{
    app_passwords::{AppOnDevice, AppPassword, AppPasswords},
    jellyfin::{PasswordTries, Tried, pairing::Network},
    people::{Member, PeopleError},
};

use super::turns::{Turn, Turns};
use crate::request::{AppRequest, identify::StoreError};

/// What is known of app passwords.
pub(super) struct ByPassword {
    kept: Arc<dyn AppPasswords>,
    tries: Mutex<PasswordTries>,
    /// By the password's id.
    turns: Turns<Box<str>>,
}

/// The digest of one, what is kept of it, and its owner as they are now.
pub(super) struct Known {
    pub digest: [u8; 32],
    pub kept: AppPassword,
    pub owner: Member,
}

impl ByPassword {
    pub(super) fn new(kept: Arc<dyn AppPasswords>) -> Self {
        Self { kept, tries: Mutex::default(), turns: Turns::default() }
    }

    /// Takes a try for that name.
    pub(super) fn take(&self, name: &str, asked: AppRequest<'_>) -> Tried {
        let (from, now) = (Network::of(asked.visitor), asked.now.monotonic);
        self.tries.lock().unwrap_or_else(PoisonError::into_inner).take(name, from, now)
    }

    /// It was no good.
    pub(super) fn was_wrong(&self, name: &str, asked: AppRequest<'_>) {
        let (from, now) = (Network::of(asked.visitor), asked.now.monotonic);
        self.tries.lock().unwrap_or_else(PoisonError::into_inner).was_wrong(name, from, now);
    }

    /// The one that was typed; `None` where there is none such. It is found by its digest, whoever is
    /// said to be its owner: names of nobody take as long as others.
    pub(super) async fn find(&self, password: &str) -> Result<Option<Known>, StoreError> {
        if !AppPassword::is_one(password) {
            return Ok(None);
        }
        let digest = AppPassword::digest(password);
        let found = self.kept.app_password(digest).await.map_err(unavailable)?;
        Ok(found.map(|(kept, owner)| Known { digest, kept, owner }))
    }

    /// Has it be that app's alone; `false` where it is another's, or gone.
    pub(super) async fn take_for(
        &self,
        known: &Known,
        app: AppOnDevice,
    ) -> Result<bool, StoreError> {
        self.kept.take_for_app(known.digest, app).await.map_err(unavailable)
    }

    /// What is known of it now.
    pub(super) async fn again(&self, known: &Known) -> Result<Option<Known>, StoreError> {
        let found = self.kept.app_password(known.digest).await.map_err(unavailable)?;
        Ok(found.map(|(kept, owner)| Known { digest: known.digest, kept, owner }))
    }

    /// Two sign-ins with one password come one after the other: the token of the later one counts,
    /// here as at the server.
    pub(super) async fn turn(&self, known: &Known) -> Turn {
        self.turns.take(known.kept.id.clone()).await
    }
}

fn unavailable(error: PeopleError) -> StoreError {
    StoreError::Unavailable(error.to_string().into())
}
