//! Keys that people hold: shown, copied, lost, added and taken away.

use usher_rules::{
    accounts::{AccountRefusal, Accounts as _, MOST_PASSKEYS, NewCredential, ShownPasskey},
    passkey::Expected,
    people::{Member, PasswordRefusal},
    plan,
};

use super::World;
use crate::authenticator::Authenticator;

impl World {
    async fn shows(
        &mut self,
        key: &mut Authenticator,
        counts: bool,
    ) -> Result<Member, PasswordRefusal> {
        let challenge = format!("c{}", self.serial);
        if counts {
            key.counter += 1;
        }
        let assertion = key.signs(&challenge);
        let (from, now) = (self.somewhere(), self.time.now());
        let expected = Expected { origin: &self.origin, challenge: &challenge };
        self.ways.by_passkey(ShownPasskey { assertion: &assertion, expected, from, now }).await
    }

    pub(super) async fn shows_a_passkey(&mut self) {
        let Some(email) = self.anybody() else { return };
        let one = self.people.get_mut(&email).unwrap();
        let Some(at) = self.dice.of(one.passkeys.len()) else { return };
        let mut key = one.passkeys.swap_remove(at);
        let counts = key.counter == 0 || self.dice.below(5) > 0; // else: a copy of it
        let answer = self.shows(&mut key, counts).await;
        if matches!(answer, Err(PasswordRefusal::TooManyTries { .. })) && counts {
            key.counter -= 1;
        }
        self.people.get_mut(&email).unwrap().passkeys.push(key);
        self.is_let_in(&email, counts, answer).await;
    }

    pub(super) async fn shows_what_was_lost(&mut self) {
        let Some(at) = self.dice.of(self.lost.len()) else { return };
        let (_, mut key) = self.lost.swap_remove(at);
        let answer = self.shows(&mut key, true).await;
        assert!(answer.is_err(), "what was lost signs in");
    }

    pub(super) async fn adds_a_passkey(&mut self) {
        let Some(email) = self.anybody() else { return };
        let id = self.people[&email].id.clone();
        let key = Authenticator::new(self.serial, &id);
        let new = NewCredential::Passkey(key.made(), "key".into());
        let has = self.people[&email].passkeys.len();
        match self.ways.add(&id, new, self.time.wall()).await {
            Ok(()) => self.people.get_mut(&email).unwrap().passkeys.push(key),
            Err(AccountRefusal::TooMany) => assert_eq!(has, MOST_PASSKEYS),
            Err(refusal) => panic!("{refusal}"),
        }
    }

    pub(super) async fn removes_a_passkey(&mut self) {
        let Some(email) = self.anybody() else { return };
        let one = &self.people[&email];
        let Some(at) = self.dice.of(one.passkeys.len()) else { return };
        let is_last = one.password.is_none() && one.passkeys.len() == 1;
        let (owner, id) = (one.id.clone(), one.passkeys[at].id());
        let removed = self.ways.remove_passkey(&owner, &id, plan::Passwords::Taken).await;
        assert_eq!(removed.is_err(), is_last, "somebody is left without a way in");
        if removed.is_ok() {
            let key = self.people.get_mut(&email).unwrap().passkeys.swap_remove(at);
            self.lost.push((email.clone(), key));
            self.has_no_session(&email);
        }
    }
}
