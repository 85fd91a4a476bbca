use super::person::member_as_person;
use crate::{
    people::{Claims, Member},
    session::{Authentication, Means, SERVICE_ACCOUNTS, SessionId, SignIn, SignedIn},
    time::UnixTime,
};

/// A program that an operator gives a token: nobody signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    name: Box<str>,
    /// The address that policies may name; empty for none.
    pub email: Box<str>,
    /// The groups that they may name.
    pub groups: Vec<Box<str>>,
}

/// Before a service account's name in the id by which policies and apps know it, so that it can't
/// be taken for a person's.
const PREFIX: &str = "service-account:";

/// The longest name, in octets.
const LONGEST_NAME: usize = 64;

impl ServiceAccount {
    /// One of this name, in no group; `None` where that is no name: lower-case letters, digits, `.`,
    /// `_` and `-`.
    pub fn named(name: &str) -> Option<Self> {
        let fits = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit();
        let is_name = (1..=LONGEST_NAME).contains(&name.len())
            && name.bytes().all(|octet| fits(octet) || b"._-".contains(&octet));
        is_name.then(|| Self { name: name.into(), email: Box::default(), groups: Vec::new() })
    }

    /// The id of whoever is called so.
    pub fn id(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// The name of the service account whose session this is; `None` where it is a person's.
    pub fn name_of(who: &SignedIn) -> Option<&str> {
        let name = who.person.id.strip_prefix(PREFIX)?;
        who.session.is_of_service_account().then_some(name)
    }

    /// What its token leads to, from now until then.
    pub fn begin(&self, id: SessionId, now: UnixTime, until: UnixTime) -> SignedIn {
        let member = Member {
            id: self.id().into(),
            email: self.email.to_lowercase().into(),
            name: self.name.clone(),
            groups: self.groups.clone(),
            added_at: now.seconds(),
            ..Member::default()
        };
        let mut person = member_as_person(&member);
        if self.email.is_empty() {
            for name in ["email", "email_verified"] {
                person.claims.set(name, Vec::new());
            }
        }
        let sign_in = SignIn { means: Means::ServiceAccount, at: None };
        let told = Authentication { person, claims: Claims::default(), sign_in };
        told.begin(id, SERVICE_ACCOUNTS, now, until)
    }
}

#[cfg(test)]
mod tests {
    use super::ServiceAccount;
    use crate::{
        names::Origin,
        plan::{BUILTIN, Plan, Provider, SignInBy},
        session::{SERVICE_ACCOUNTS, SessionId, test_keys},
        time::UnixTime,
    };

    #[test]
    fn a_service_account_is_nobody_else_and_says_only_what_it_was_given() {
        for odd in ["", "CI", "a b", "ann@example.com", "a:b", &"x".repeat(65)] {
            assert_eq!(ServiceAccount::named(odd), None, "{odd:?}");
        }
        let mut account = ServiceAccount::named("ci-2.nightly_x").unwrap();
        account.groups = vec!["builders".into()];
        let now = UnixTime::from_seconds(1_800_000_000);
        let who = account.begin(SessionId::from_random([7; 16]), now, UnixTime::MAX);
        assert_eq!(&*who.person.id, "service-account:ci-2.nightly_x");
        assert_eq!(ServiceAccount::name_of(&who), Some("ci-2.nightly_x"));
        assert!(who.person.email.is_empty() && who.claim("email_verified").is_empty());
        assert_eq!(who.claim("groups"), ["builders"]);
        let mut person = who.clone();
        person.session.sign_in.means = crate::session::Means::Provider;
        assert_eq!(ServiceAccount::name_of(&person), None, "a provider may call somebody so");
    }

    /// Where a route names its providers, what runs under one would end at the next reload.
    #[test]
    fn a_service_account_counts_wherever_a_policy_lets_it_in() {
        let origin = Origin::parse("https://auth.example").unwrap();
        let plan = Plan::sketch(origin, Provider::Builtin, Vec::new());
        let names = SignInBy::Names(["other".into()].into());
        for by in [None, Some(&names)] {
            assert!(plan.sign_in.providers.counts_on(by, SERVICE_ACCOUNTS));
        }
        assert!(!plan.sign_in.providers.counts_on(Some(&names), BUILTIN));
    }

    #[test]
    fn its_token_is_in_force_for_as_long_as_it_was_given() {
        let (now, keys) = (UnixTime::from_seconds(1_800_000_000), test_keys());
        let until = UnixTime::from_seconds(1_800_000_100);
        let account = ServiceAccount::named("ci").unwrap();
        let who = account.begin(SessionId::from_random([7; 16]), now, until);
        let token = keys.sign_service_account(&who);
        let read = keys.verify_handle(&token, now).unwrap();
        assert_eq!((&read.session, &*read.subject), (&who.session.id, "service-account:ci"));
        assert!(read.audience.is_empty() && read.depends_on_time);
        assert!(keys.verify_handle(&token, until).is_err(), "over");
        let before = UnixTime::from_seconds(1_799_999_999);
        assert!(keys.verify_handle(&token, before).is_err(), "not yet");
        let endless = account.begin(who.session.id, now, UnixTime::MAX);
        let token = keys.sign_service_account(&endless);
        let later = UnixTime::from_seconds(9_000_000_000);
        assert!(keys.verify_handle(&token, later).is_ok(), "without an end");
    }
}
