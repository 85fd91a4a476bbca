use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use usher_rules::{
    people::{BoxFuture, Member, People, PeopleError},
    secret::Secret,
};

/// A member and the hash of their password.
type Row = (Member, Box<[u8]>);

/// People in memory, who can be made to fail.
#[derive(Default)]
pub struct Kept {
    pub people: Mutex<BTreeMap<Box<str>, Row>>,
    pub is_broken: AtomicBool,
}

impl Kept {
    fn with<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut BTreeMap<Box<str>, Row>) -> Result<T, PeopleError>,
    ) -> BoxFuture<'_, Result<T, PeopleError>> {
        let result = match self.is_broken.load(Ordering::Relaxed) {
            true => Err(PeopleError::Store("broken".into())),
            false => change(&mut self.people.lock().unwrap()),
        };
        Box::pin(std::future::ready(result))
    }

    pub fn hash_of(&self, email: &str) -> String {
        String::from_utf8(self.people.lock().unwrap()[email].1.to_vec()).unwrap()
    }
}

impl People for Kept {
    fn add(&self, member: Member, password_hash: Secret) -> BoxFuture<'_, Result<(), PeopleError>> {
        self.with(|people| match people.contains_key(&member.email) {
            true => Err(PeopleError::AlreadyHere(member.email)),
            false => {
                people.insert(member.email.clone(), (member, password_hash.expose().into()));
                Ok(())
            }
        })
    }

    fn remove<'a>(&'a self, email: &'a str) -> BoxFuture<'a, Result<Member, PeopleError>> {
        self.with(|people| {
            people.remove(email).map(|kept| kept.0).ok_or(PeopleError::Unknown(email.into()))
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Member>, PeopleError>> {
        self.with(|people| Ok(people.values().map(|kept| kept.0.clone()).collect()))
    }

    fn find<'a>(
        &'a self,
        email: &'a str,
    ) -> BoxFuture<'a, Result<Option<(Member, Secret)>, PeopleError>> {
        self.with(|people| {
            Ok(people.get(email).map(|(member, hash)| (member.clone(), Secret::new(hash.clone()))))
        })
    }

    fn set_groups<'a>(
        &'a self,
        email: &'a str,
        groups: Vec<Box<str>>,
    ) -> BoxFuture<'a, Result<Member, PeopleError>> {
        self.with(|people| {
            let kept = people.get_mut(email).ok_or(PeopleError::Unknown(email.into()))?;
            kept.0.groups = groups;
            Ok(kept.0.clone())
        })
    }

    fn set_password<'a>(
        &'a self,
        email: &'a str,
        password_hash: Secret,
    ) -> BoxFuture<'a, Result<Member, PeopleError>> {
        self.with(|people| {
            let kept = people.get_mut(email).ok_or(PeopleError::Unknown(email.into()))?;
            kept.1 = password_hash.expose().into();
            Ok(kept.0.clone())
        })
    }

    fn rehash<'a>(
        &'a self,
        email: &'a str,
        was: Secret,
        password_hash: Secret,
    ) -> BoxFuture<'a, Result<(), PeopleError>> {
        self.with(|people| {
            if let Some(kept) = people.get_mut(email).filter(|kept| was.same_as(&kept.1)) {
                kept.1 = password_hash.expose().into();
            }
            Ok(())
        })
    }
}
