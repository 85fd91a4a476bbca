use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    bound_app::BoundApp,
    device::{DeviceCredential, ShownDevice},
    id::SessionId,
    shared,
};
use crate::{
    people::{Claims, Group, Person, UnixTimeSeconds},
    time::UnixTime,
};

/// In place of a provider's id in the session of a service account: no provider vouches for it.
pub const SERVICE_ACCOUNTS: &str = "service-account";

/// Somebody who signed in: what the store remembers. The browser holds only a handle to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignedIn {
    /// Their session.
    #[serde(flatten)]
    pub session: Session,
    /// Who they are: one in memory for all of their sessions that know the same of them.
    #[serde(with = "shared")]
    pub person: Arc<Person>,
}

/// One sign-in, and how long it counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The handle's `jti`.
    pub id: SessionId,
    /// Which provider it came from; a changed provider makes its sessions void.
    pub idp_id: Box<str>,
    /// How and when they showed who they are.
    #[serde(default)]
    pub sign_in: SignIn,
    /// When it was started.
    pub issued_at: UnixTimeSeconds,
    /// From this second on it is over. Absolute: use does not extend it.
    pub expires_at: UnixTimeSeconds,
    /// What the provider said at sign-in: apps are told this first, policy asks
    /// [`Person::claims`] first.
    #[serde(default)]
    pub claims: Claims,
    /// The devices that it was proven on, in the order in which they were shown.
    #[serde(default)]
    pub devices: Box<[ShownDevice]>,
    /// The id of who acts in the person's place (RFC 8693 §4.1); `None`: they do themselves.
    #[serde(default)]
    pub actor: Option<Box<str>>,
    /// The same person's session that it came after in their browser, and which ends with it.
    #[serde(default)]
    pub replaces: Option<SessionId>,
    /// The provider's ID token, sealed, for `id_token_hint` at sign-out; absent for ours.
    pub id_token: Option<Box<str>>,
    /// What it takes to ask the provider again, sealed; absent where it can't be asked.
    #[serde(default)]
    pub tokens: Option<Box<str>>,
    /// When the provider last vouched for it; 0 in sessions from before it was asked again.
    #[serde(default)]
    pub vouched_at: UnixTimeSeconds,
    /// When it was used, as it was written down now and then where it may be idle for so long only.
    #[serde(default)]
    pub used_at: Option<UnixTimeSeconds>,
    /// The provider's own name for it (`sid`, Back-Channel Logout 1.0 §2.1).
    #[serde(default)]
    pub provider_session: Option<Box<str>>,
    /// With what they signed in, in words of ours; for their own eyes.
    #[serde(default)]
    pub browser: Option<Box<str>>,
    /// From which address.
    #[serde(default)]
    pub address: Option<Box<str>>,
    /// The app whose session it is; `None`: a browser's, or a program's.
    #[serde(default)]
    pub app: Option<Box<BoundApp>>,
}

/// What a provider vouches for: who somebody is, what it says of them, and how it knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Authentication {
    /// Who it is.
    pub person: Person,
    /// In the provider's words.
    pub claims: Claims,
    /// How and when they showed it.
    pub sign_in: SignIn,
}

/// An authentication's means and moment: not when a session began, since a provider may know its browser for long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// How.
    pub means: Means,
    /// When, as far as it is vouched for (`auth_time`, OIDC Core §2).
    pub at: Option<UnixTimeSeconds>,
}

impl SignIn {
    /// When it was, as far as that can be. A moment that is to come, by a clock that was set back
    /// or a provider that counts in other units, is none.
    pub fn moment(self, now: UnixTime) -> Option<UnixTime> {
        self.at.map(UnixTime::from_seconds).filter(|at| now.is_within(Duration::MAX, *at))
    }
}

/// How somebody showed who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Means {
    /// Sessions from before it was written down.
    #[default]
    Unrecorded,
    /// A password of the built-in provider.
    Password,
    /// A passkey of theirs, which made sure that it was them.
    Passkey,
    /// An OpenID Connect provider vouches for them.
    Provider,
    /// A hosted sign-in service does.
    Service,
    /// Nobody signed in: an operator gave a program its token.
    ServiceAccount,
    /// Nobody signed in: a client brings a password that somebody made for it.
    AppPassword,
}

impl Authentication {
    /// Person, claims, and how and when they were shown.
    pub const fn parts(&self) -> (&Person, &Claims, SignIn) {
        (&self.person, &self.claims, self.sign_in)
    }

    /// The session that it begins.
    pub fn begin(
        self,
        id: SessionId,
        idp_id: &str,
        issued_at: UnixTime,
        expires_at: UnixTime,
    ) -> SignedIn {
        let Self { person, claims, sign_in } = self;
        let session = Session {
            id,
            idp_id: idp_id.into(),
            sign_in,
            issued_at: issued_at.seconds(),
            expires_at: expires_at.seconds(),
            claims,
            devices: Box::default(),
            actor: None,
            replaces: None,
            id_token: None,
            tokens: None,
            vouched_at: issued_at.seconds(),
            used_at: None,
            provider_session: None,
            browser: None,
            address: None,
            app: None,
        };
        SignedIn { session, person: person.into() }
    }
}

impl Session {
    /// What is known of the device of that kind. Only the first one counts, also where it is gone.
    pub fn device(&self, kind: &str) -> Option<&DeviceCredential> {
        let shown = self.devices.iter().find(|shown| *shown.kind == *kind);
        shown.and_then(|shown| shown.credential.as_ref())
    }

    /// Does a program bring what leads to it, so that nobody can sign in again?
    pub fn is_of_program(&self) -> bool {
        matches!(self.sign_in.means, Means::ServiceAccount | Means::AppPassword)
    }

    /// Is it in the browser of somebody of the built-in provider? They alone have passkeys. An app's
    /// session says how its owner signed in, and nobody shows a passkey there.
    pub fn is_own_person_s_browser(&self) -> bool {
        let is_own = matches!(self.sign_in.means, Means::Password | Means::Passkey);
        is_own && self.app.is_none() && self.actor.is_none()
    }

    /// When a passkey was shown for it.
    pub fn passkey_shown(&self, now: UnixTime) -> Option<UnixTime> {
        let by_passkey = self.sign_in.means == Means::Passkey && self.is_own_person_s_browser();
        self.sign_in.moment(now).filter(|_| by_passkey)
    }

    /// Is it over when nobody has used it for `session_idle_timeout`? Nobody leaves a program or a TV
    /// unlocked on a desk.
    pub fn ends_when_idle(&self) -> bool {
        !self.is_of_program() && self.app.is_none()
    }

    /// Is it a program's, to which an operator gave a token? No provider is asked about it.
    pub fn is_of_service_account(&self) -> bool {
        self.sign_in.means == Means::ServiceAccount
    }

    /// When it was started.
    pub const fn issued_at(&self) -> UnixTime {
        UnixTime::from_seconds(self.issued_at)
    }

    /// From when on it is over.
    pub const fn expires_at(&self) -> UnixTime {
        UnixTime::from_seconds(self.expires_at)
    }
}

impl SignedIn {
    /// A claim as it is now, for policy: the person's record wins, also where it says nothing any
    /// more of what the provider said once (`pomerium-config.md` §4.7).
    pub fn claim(&self, name: &str) -> &[Value] {
        let Self { session, person } = self;
        person.claims.get(name).or_else(|| session.claims.get(name)).unwrap_or_default()
    }

    /// A claim as apps are told it: what the provider said at sign-in wins.
    pub fn claim_at_sign_in(&self, name: &str) -> &[Value] {
        let Self { session, person } = self;
        session.claims.get(name).or_else(|| person.claims.get(name)).unwrap_or_default()
    }

    /// Every claim as it is now, in order of name.
    pub fn claims(&self) -> Claims {
        let mut claims = self.session.claims.clone();
        self.person.claims.iter().for_each(|(name, values)| claims.set(name, values.to_vec()));
        claims
    }

    /// The groups that apps are told: ids and then names of our own store's, or else the claim.
    pub fn groups(&self) -> Vec<Value> {
        let Some(groups) = &self.person.directory_groups else {
            return self.claim_at_sign_in("groups").to_vec();
        };
        let names = groups.iter().filter(|group| group.name != group.id).map(|group| &group.name);
        groups.iter().map(|Group { id, .. }| id).chain(names).map(|text| (&**text).into()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::{Means, SignIn, SignedIn};
    use crate::people::Group;

    /// As the store had them before a session and its person were told apart.
    #[test]
    fn sessions_that_an_earlier_version_wrote_are_read() {
        let was = json!({
            "id": "12345678-1234-4234-8234-123456789012",
            "idp_id": "builtin",
            "person": {
                "id": "1", "email": "ann@example.com", "name": "Ann",
                "claims": {"groups": ["family"], "acr": ["high"]},
                "directory_groups": ["family"],
                "unproven": [],
                "spelling": "Kept",
            },
            "issued_at": 100,
            "expires_at": 200,
            "id_token": null,
        });
        let read: SignedIn = serde_json::from_value(was).unwrap();
        assert_eq!(read.session.sign_in, SignIn { means: Means::Unrecorded, at: None });
        assert_eq!((read.session.issued_at, read.session.expires_at), (100, 200));
        assert_eq!(read.person.directory_groups, Some(vec![Group::from("family")]));
        for name in ["groups", "acr"] {
            assert!(
                !read.claim(name).is_empty() && read.claim_at_sign_in(name) == read.claim(name)
            );
        }
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(serde_json::from_value::<SignedIn>(written).unwrap(), read, "and written again");
    }

    #[test]
    fn of_two_sayings_policy_asks_the_record_and_apps_the_provider() {
        let text = json!({
            "id": "12345678-1234-4234-8234-123456789012", "idp_id": "x",
            "issued_at": 1, "expires_at": 2, "id_token": null,
            "claims": {"groups": ["then"], "acr": ["high"], "gone": ["kids"]},
            "person": {
                "id": "1", "email": "", "name": "",
                "claims": {"groups": ["now"], "gone": [], "role": ["boss"]},
            },
        });
        let mut who: SignedIn = serde_json::from_value(text).unwrap();
        for (name, now, then) in [
            ("groups", json!(["now"]), json!(["then"])),
            ("acr", json!(["high"]), json!(["high"])),
            ("gone", json!([]), json!(["kids"])),
            ("role", json!(["boss"]), json!(["boss"])),
            ("none", json!([]), json!([])),
        ] {
            assert_eq!(json!(who.claim(name)), now, "{name}");
            assert_eq!(json!(who.claims().values(name)), now, "{name}");
            assert_eq!(json!(who.claim_at_sign_in(name)), then, "{name}");
        }
        assert_eq!(who.groups(), ["then"], "of a provider");
        let own = Group { id: "7".into(), name: "family".into() };
        Arc::make_mut(&mut who.person).directory_groups = Some(vec![own, "kids".into()]);
        assert_eq!(who.groups(), ["7", "kids", "family"], "our own: ids, then names");
    }
}
