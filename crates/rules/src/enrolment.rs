//! Devices that people enrolled (WebAuthn): what a policy's `device` asks for.
//!
//! A key is made on a device, an operator approves it, and a session is proven on it. Nothing vouches
//! for the device itself, since no attestation is asked for: of the kinds only [`ANY_KIND`] can be
//! enrolled, which promises nothing but the key.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::{
    passkey::NewPasskey,
    people::{BoxFuture, PeopleError, UnixTimeSeconds},
    session::{DeviceCredential, Enrolment, ShownDevice},
};

/// The kind of device that can be enrolled: whatever holds a key.
pub const ANY_KIND: &str = "any";
/// How many somebody may have.
pub const MOST_DEVICES: usize = 20;

/// What is kept of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolledDevice {
    /// Its key.
    pub key: NewPasskey,
    /// Whose it is: a person's id.
    pub owner: Box<str>,
    /// Who says that they are: the address of a provider, or its id where it has none. Empty in devices
    /// from before it was written down.
    #[serde(default)]
    pub provider: Box<str>,
    /// The same for whoever approves it: an address, where there is one.
    pub called: Box<str>,
    /// The host whose pages it answers (WebAuthn §5.1.2).
    pub site: Box<str>,
    /// What it is called.
    pub label: Box<str>,
    /// When it was enrolled.
    pub added_at: UnixTimeSeconds,
    /// When a session was last proven on it.
    pub used_at: Option<UnixTimeSeconds>,
    /// When an operator approved it.
    pub approved_at: Option<UnixTimeSeconds>,
}

/// May another provider call somebody else by the id that a person has?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// It may.
    MayMeet,
    /// It may not, or there is no other.
    NeverMeet,
}

impl EnrolledDevice {
    /// Is it of whom this provider calls so? One that names no provider is where there is one person of
    /// that id alone.
    pub fn is_of(&self, owner: &str, provider: &str, ids: Ids) -> bool {
        let said_by = match &*self.provider {
            "" => ids == Ids::NeverMeet,
            named => named == provider,
        };
        said_by && *self.owner == *owner
    }

    /// How far it came.
    pub const fn enrolment(&self) -> Enrolment {
        match self.approved_at {
            Some(_) => Enrolment::Approved,
            None => Enrolment::Pending,
        }
    }

    /// What a session says that was proven on it.
    pub fn shown(&self) -> ShownDevice {
        let (id, owner, enrolment) = (self.key.id.clone(), self.owner.clone(), self.enrolment());
        let credential = DeviceCredential { id, owner, enrolment };
        ShownDevice { kind: ANY_KIND.into(), credential: Some(credential) }
    }

    /// Whose key it is, in words of an authenticator. It is another name than that of their passkeys:
    /// an authenticator keeps one discoverable key for each name, and a device must not take the place
    /// of what somebody signs in with (WebAuthn §6.3.2).
    pub fn handle(owner: &str) -> String {
        let named = digest(&SHA256, format!("device of {owner}").as_bytes());
        named.as_ref().iter().take(16).map(|octet| format!("{octet:02x}")).collect()
    }
}

/// What is kept of enrolled devices. Implemented in `store/`. Each change is all or nothing, and
/// holds for the sessions that were proven on the device when it resolves.
pub trait EnrolledDevices: Send + Sync {
    /// Keeps a new one; `false` where its owner has enough of what is theirs by these ids, or the key
    /// is known.
    fn enrol(&self, new: EnrolledDevice, ids: Ids) -> BoxFuture<'_, Result<bool, PeopleError>>;
    /// Of everybody with this id, whichever provider calls them so, oldest first.
    fn enrolled_by<'a>(
        &'a self,
        owner: &'a str,
    ) -> BoxFuture<'a, Result<Vec<EnrolledDevice>, PeopleError>>;
    /// Everybody's, oldest first.
    fn all_enrolled(&self) -> BoxFuture<'_, Result<Vec<EnrolledDevice>, PeopleError>>;
    /// A session was proven on it, its counter stands there now, and its provider is written down where
    /// it was not; `false` where it is gone, or somebody was faster.
    fn proven<'a>(
        &'a self,
        before: &'a EnrolledDevice,
        counter: u32,
        at: UnixTimeSeconds,
    ) -> BoxFuture<'a, Result<bool, PeopleError>>;
    /// An operator approves it; `false` where there is none of this id.
    fn approve<'a>(
        &'a self,
        id: &'a str,
        at: UnixTimeSeconds,
    ) -> BoxFuture<'a, Result<bool, PeopleError>>;
    /// It counts no more; `false` where there was none of this id.
    fn remove_enrolled<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, PeopleError>>;
}

#[cfg(test)]
mod tests {
    use super::{EnrolledDevice, Ids};
    use crate::passkey::NewPasskey;

    #[test]
    fn a_device_is_of_whom_its_provider_calls_so() {
        let of = |provider: &str| EnrolledDevice {
            key: NewPasskey { id: "key".into(), public_key: Box::default(), counter: 0 },
            owner: "7".into(),
            provider: provider.into(),
            called: "ann@example.com".into(),
            site: "tv.example".into(),
            label: "laptop".into(),
            added_at: 1,
            used_at: None,
            approved_at: None,
        };
        let home = "https://home.example";
        for (provider, owner, by, ids, expected, why) in [
            (home, "7", home, Ids::MayMeet, true, "hers"),
            (home, "7", "https://work.example", Ids::MayMeet, false, "another's person of that id"),
            (home, "7", "https://work.example", Ids::NeverMeet, false, "whatever is listed today"),
            (home, "8", home, Ids::NeverMeet, false, "somebody else's"),
            ("", "7", home, Ids::NeverMeet, true, "of before: there is one of that id"),
            ("", "7", home, Ids::MayMeet, false, "of before: nobody knows whose"),
        ] {
            assert_eq!(of(provider).is_of(owner, by, ids), expected, "{why}");
        }
    }

    #[test]
    fn a_device_has_another_name_than_its_owner_s_passkeys() {
        let ann = EnrolledDevice::handle("id-of-ann");
        assert_ne!(ann, EnrolledDevice::handle("id-of-bob"));
        assert_eq!((ann.len(), ann.contains("ann")), (32, false));
    }
}
