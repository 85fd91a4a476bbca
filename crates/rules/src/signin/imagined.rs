use super::person::member_as_person;
use crate::{
    people::{Claims, Member, Person, Spelling},
    plan::BUILTIN,
    session::{Authentication, Means, SessionId, SignIn, SignedIn},
    time::UnixTime,
    unproven::Unproven,
};

/// Somebody who did not sign in: in a test of a policy, or asked about by `usher explain`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imagined {
    /// The provider's id; where it is empty, the address stands for it.
    pub id: Box<str>,
    /// The address; empty for none.
    pub email: Box<str>,
    /// The groups that our own store has them in; `None` where nothing is said of them.
    pub groups: Option<Vec<Box<str>>>,
    /// What their provider says of them.
    pub claims: Claims,
    /// When they showed who they are; `None` for just now.
    pub signed_in_at: Option<UnixTime>,
    /// When they showed a passkey of the built-in provider for it; `None` for none.
    pub passkey_at: Option<UnixTime>,
}

impl Imagined {
    /// Signed in with the provider of this id, as it would have been. Who is in groups is known to
    /// our own store.
    pub fn signed_in(&self, provider_id: &str, now: UnixTime) -> SignedIn {
        let Self { id, email, groups, claims, signed_in_at, passkey_at } = self;
        let provider_id = if passkey_at.is_some() { BUILTIN } else { provider_id };
        let own = groups.is_some() || provider_id == BUILTIN;
        let id = [id, email].into_iter().find(|id| !id.is_empty());
        let id = id.map_or_else(|| "somebody".into(), Clone::clone);
        let (means, person) = if own {
            let groups = groups.clone().unwrap_or_default();
            let email = email.to_lowercase().into(); // as our own store keeps it
            let added_at = now.seconds();
            let member = Member { id, email, groups, added_at, ..Member::default() };
            let means = passkey_at.map_or(Means::Password, |_| Means::Passkey);
            (means, member_as_person(&member))
        } else {
            (Means::Provider, stranger(id, email.clone()))
        };
        let at = Some(passkey_at.or(*signed_in_at).unwrap_or(now).seconds());
        let sign_in = SignIn { means, at };
        let told = Authentication { person, claims: claims.clone(), sign_in };
        told.begin(SessionId::from_random([0; 16]), provider_id, now, UnixTime::MAX)
    }
}

/// Somebody of an outside provider.
fn stranger(id: Box<str>, email: Box<str>) -> Person {
    Person {
        id,
        email,
        name: Box::default(),
        claims: Claims::default(),
        directory_groups: None,
        unproven: Unproven::default(),
        spelling: Spelling::AsSaid,
    }
}

#[cfg(test)]
mod tests {
    use super::{BUILTIN, Imagined, UnixTime};

    #[test]
    fn somebody_imagined_is_as_their_provider_would_have_them() {
        let now = UnixTime::from_seconds(1_800_000_000);
        let ann = Imagined { email: "Ann@Example.com".into(), ..Imagined::default() };
        let own = ann.signed_in(BUILTIN, now);
        assert_eq!((&*own.person.id, &*own.person.email), ("Ann@Example.com", "ann@example.com"));
        assert_eq!(own.person.directory_groups, Some(vec![]), "in no group of ours");
        let theirs = ann.signed_in("idp", now);
        assert_eq!(
            (&*theirs.person.email, theirs.person.directory_groups.clone()),
            ("Ann@Example.com", None)
        );
        let groups = Some(vec!["family".into()]);
        let in_a_group = Imagined { groups, ..ann }.signed_in("idp", now);
        assert_eq!(in_a_group.person.directory_groups, Some(vec!["family".into()]));
        assert_eq!(in_a_group.session.sign_in.at, Some(now.seconds()), "just now");
    }
}
