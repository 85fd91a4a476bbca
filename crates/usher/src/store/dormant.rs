//! A session that nobody has asked about: in one piece of memory, as it is written down.

use usher_rules::{
    session::{Session, SignedIn},
    time::UnixTime,
};

use super::packed::{pack, unpack};
use crate::request::identify::SessionFacts;

/// One of them: when it began, when it is over and what else is asked of all sessions in the clear,
/// then the rest, packed.
#[derive(Debug)]
pub(super) struct Dormant(Box<[u8]>);

const OF_APP: u8 = 1;
const OF_PROGRAM: u8 = 1 << 1;
const DEVICES: u8 = 1 << 2;
const TOKENS: u8 = 1 << 3;
const SEALED: u8 = 1 << 4;

/// Octets in the clear: two moments, and what else there is of [`SessionFacts`].
const HEAD: usize = 8 + 8 + 1;

impl Dormant {
    /// A session that was read, and the JSON of which it was.
    pub(super) fn read(session: &Session, text: &str) -> Self {
        let SessionFacts {
            issued_at,
            expires_at,
            is_of_app,
            is_of_program,
            has_devices,
            has_tokens,
            is_sealed,
        } = SessionFacts::of(session);
        let mut head = [0; HEAD];
        let mut told = 0;
        for (is_so, bit) in [
            (is_of_app, OF_APP),
            (is_of_program, OF_PROGRAM),
            (has_devices, DEVICES),
            (has_tokens, TOKENS),
            (is_sealed, SEALED),
        ] {
            told |= if is_so { bit } else { 0 };
        }
        let [from, to] = [issued_at, expires_at].map(|at| at.seconds().to_be_bytes());
        head.iter_mut().zip(from.into_iter().chain(to).chain([told])).for_each(|(at, it)| *at = it);
        Self(pack(&head, text))
    }

    /// A session that is known; `None` where it would not come back as it is.
    pub(super) fn of(known: &SignedIn) -> Option<Self> {
        let text = serde_json::to_string(known).ok()?;
        let dormant = Self::read(&known.session, &text);
        dormant.wake().is_some_and(|awake| awake == *known).then_some(dormant)
    }

    /// The session; `None` can't be: it was read before.
    pub(super) fn wake(&self) -> Option<SignedIn> {
        let (_, packed) = self.0.split_at_checked(HEAD)?;
        serde_json::from_str(&unpack(packed)?).ok()
    }

    /// What is in the clear. Of one that is cut off it is that it is over.
    pub(super) fn facts(&self) -> SessionFacts {
        let (times, _) = self.0.as_chunks::<8>();
        let at = |nth: usize| {
            let octets = times.get(nth).copied().unwrap_or_default();
            UnixTime::from_seconds(u64::from_be_bytes(octets))
        };
        let told = self.0.get(HEAD - 1).copied().unwrap_or_default();
        let is = |bit: u8| told & bit != 0;
        SessionFacts {
            issued_at: at(0),
            expires_at: at(1),
            is_of_app: is(OF_APP),
            is_of_program: is(OF_PROGRAM),
            has_devices: is(DEVICES),
            has_tokens: is(TOKENS),
            is_sealed: is(SEALED),
        }
    }

    /// Octets in memory behind the pointer to it.
    #[cfg(test)]
    pub(super) const fn octets(&self) -> usize {
        self.0.len()
    }

    /// One that nothing can be made of.
    #[cfg(test)]
    pub(super) fn damaged(session: &Session) -> Self {
        Self::read(session, "{")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::{Value, json};
    use usher_rules::{
        people::{Claims, Member},
        session::{
            AppSeen, BoundApp, DeviceCredential, Enrolment, LetInBy, Means, SessionId, ShownDevice,
            SignedIn,
        },
        signin::member_signs_in,
        time::UnixTime,
    };

    use super::Dormant;
    use crate::request::identify::{SessionFacts, contract::session};

    const NOW: UnixTime = UnixTime::from_seconds(1_795_900_000);

    fn app() -> BoundApp {
        BoundApp {
            token: "0f".repeat(32).into(),
            server: "http://127.0.0.1:8096".into(),
            host: "tv.example.com".into(),
            user: "9f86d081884c7d659a2feaa000000001".into(),
            client: "Jellyfin Android TV".into(),
            device: "SHIELD".into(),
            device_id: "TW96aWxsYS81LjAgKFgxMTsgTGludXgpfDE3Njk00000001".into(),
            by: LetInBy::Page,
            seat: None,
            label: None,
            language: Some("en".into()),
            seen: Some(AppSeen { at: 1_795_900_007, from: [192, 0, 2, 7].into() }),
            unfetched_until: None,
        }
    }

    /// As they are counted where it is measured how much memory ten thousand take.
    fn usual() -> SignedIn {
        let (id, email) = ("guest-1234".into(), "guest-1234@example.com".into());
        let member = Member { id, email, ..Member::default() };
        let id = SessionId::from_random([7; 16]);
        member_signs_in(&member, Means::Provider, NOW).begin(
            id,
            "provider",
            NOW,
            UnixTime::from_seconds(1_795_950_400),
        )
    }

    fn kinds() -> Vec<(&'static str, SignedIn)> {
        let changed = |change: &dyn Fn(&mut SignedIn)| {
            let mut new = usual();
            change(&mut new);
            new
        };
        let sealed = |length: usize| "aB3-_x".repeat(length).into();
        let credential = DeviceCredential {
            id: "k".into(),
            owner: "ann".into(),
            enrolment: Enrolment::Approved,
        };
        vec![
            ("a browser's", usual()),
            ("a short one", session(1, "ann")),
            ("an app's", changed(&|new| new.session.app = Some(Box::new(app())))),
            (
                "a web client's",
                changed(&|new| {
                    let seat = Some(SessionId::from_random([9; 16]));
                    new.session.app = Some(Box::new(BoundApp { seat, ..app() }));
                }),
            ),
            (
                "with devices",
                changed(&|new| {
                    new.session.devices = Box::new([
                        ShownDevice { kind: "any".into(), credential: Some(credential.clone()) },
                        ShownDevice { kind: "enclave_only".into(), credential: None },
                    ]);
                }),
            ),
            (
                "of a provider",
                changed(&|new| {
                    new.session.id_token = Some(sealed(200));
                    new.session.tokens = Some(sealed(301));
                    new.session.provider_session =
                        Some("08a5019c-17e1-4977-8f42-65a12843ea02".into());
                    new.session.replaces = Some(SessionId::from_random([3; 16]));
                    new.session.browser = Some("Firefox on Linux".into());
                    new.session.address = Some("2001:db8::7".into());
                    new.session.used_at = Some(1_795_900_100);
                    let claims = json!({"groups": ["Familie Müller", "\u{1}\n\""], "n": [1.5, -7]});
                    new.session.claims = Claims::from_json(claims.as_object().unwrap());
                }),
            ),
            (
                "a service account's",
                changed(&|new| new.session.sign_in.means = Means::ServiceAccount),
            ),
            ("of an app password", changed(&|new| new.session.sign_in.means = Means::AppPassword)),
            ("in another's place", changed(&|new| new.session.actor = Some("admin".into()))),
            (
                "with groups",
                changed(&|new| {
                    let person = Arc::make_mut(&mut new.person);
                    person.directory_groups = Some(vec!["family".into(), "kids".into()]);
                    person.claims.set("role", vec![Value::from("boss")]);
                }),
            ),
        ]
    }

    #[test]
    fn sessions_of_every_kind_come_back_as_they_were() {
        for (kind, known) in kinds() {
            let dormant = Dormant::of(&known).unwrap();
            assert_eq!(dormant.wake().as_ref(), Some(&known), "{kind}");
            assert_eq!(dormant.facts(), SessionFacts::of(&known.session), "{kind}");
        }
    }

    /// Ten thousand people who are signed in take no more than they need.
    #[test]
    fn a_session_that_nobody_asks_about_is_small() {
        for (kind, octets, known) in
            [("a browser's", 176, usual()), ("an app's", 384, kinds().swap_remove(2).1)]
        {
            let (text, dormant) =
                (serde_json::to_string(&known).unwrap(), Dormant::of(&known).unwrap());
            println!("{kind}: {} octets of {}", dormant.octets(), text.len());
            assert!(dormant.octets() <= octets, "{kind}: {} octets of {text}", dormant.octets());
        }
    }

    #[test]
    fn what_can_not_be_read_is_none() {
        assert_eq!(Dormant::damaged(&usual().session).wake(), None);
        assert_eq!(Dormant(Box::new([0; 3])).wake(), None);
        assert_eq!(Dormant(Box::new([0; 3])).facts().expires_at, UnixTime::from_seconds(0), "over");
    }

    proptest! {
        #[test]
        fn whatever_people_are_called_comes_back(
            name in any::<String>(), claim in any::<String>(), value in any::<i64>(),
            times in any::<[u64; 3]>(), label in proptest::option::of(any::<String>()),
        ) {
            let mut known = usual();
            known.session.claims.set(&claim, vec![Value::from(value), Value::from(name.as_str())]);
            let person = Arc::make_mut(&mut known.person);
            person.claims.set(&name, vec![]);
            person.name = name.into();
            [known.session.issued_at, known.session.expires_at, known.session.vouched_at] = times;
            known.session.app = Some(Box::new(BoundApp { label: label.map(Into::into), ..app() }));
            let dormant = Dormant::of(&known).unwrap();
            prop_assert_eq!(dormant.facts(), SessionFacts::of(&known.session));
            prop_assert_eq!(dormant.wake(), Some(known));
        }
    }
}
