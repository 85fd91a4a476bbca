use serde_json::Value;

use super::{Answer, Reason};
use crate::{
    people::Person,
    policy::matcher::{ListMatch, TextMatch, shown},
};

/// A question about who asks.
#[derive(Clone, Debug)]
pub(in crate::policy) enum AboutPerson {
    /// `authenticated_user`: somebody with an id.
    SignedIn,
    /// `email`: the whole address; empty when the provider tells none.
    Email(TextMatch),
    /// `domain`: what stands between the first and the second `@` of the address.
    Domain(TextMatch),
    /// `user`: the provider's id. A session without one has none that could differ.
    Id(TextMatch),
    /// `claim/<name>`.
    Claim(Claim),
    /// `groups`: those of our own store, not the claim of an outside provider.
    Groups(ListMatch),
}

/// A claim's name and what its values must be.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Claim {
    /// As written.
    name: Box<str>,
    /// In lower case, where that differs: how Pomerium reads every name in its file.
    lower: Option<Box<str>>,
    want: ListMatch,
}

/// What becomes of what can't be read: the domain of an address without an `@`, an id that the
/// provider left out, groups of somebody whom our own store doesn't know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Doubt {
    /// It passes nothing. Right wherever passing lets somebody in.
    Fails,
    /// It differs from everything, so that negative operators pass. Right under `deny`, where
    /// `domain: {not: example.com}` must not overlook somebody without a domain
    /// (`pomerium-policy-measured.md` 7).
    Differs,
}

impl AboutPerson {
    pub(super) fn ask(&self, person: &Person, doubt: Doubt) -> Answer {
        use Reason as R;
        let differs = doubt == Doubt::Differs;
        match self {
            Self::SignedIn => Answer::new(!person.id.is_empty(), R::UserOk, R::UserUnauthorized),
            Self::Email(want) => {
                Answer::new(want.takes(&person.email), R::EmailOk, R::EmailUnauthorized)
            }
            Self::Domain(want) => Answer::new(
                match domain(person) {
                    Some(domain) => want.takes(domain),
                    None => differs && want.takes_absence(),
                },
                R::DomainOk,
                R::DomainUnauthorized,
            ),
            Self::Id(want) => Answer::new(
                match &*person.id {
                    "" => differs && want.takes_absence(),
                    id => want.takes(id),
                },
                R::UserOk,
                R::UserUnauthorized,
            ),
            Self::Claim(claim) => Answer::new(
                claim.want.takes(claim.values(person)),
                R::ClaimOk,
                R::ClaimUnauthorized,
            ),
            Self::Groups(want) => Answer::new(
                match &person.directory_groups {
                    Some(groups) => want.takes_words(groups),
                    None => differs && want.takes_words(&[]),
                },
                R::GroupsOk,
                R::GroupsUnauthorized,
            ),
        }
    }

    pub(super) fn in_words(&self) -> String {
        match self {
            Self::SignedIn => "somebody is signed in".into(),
            Self::Email(want) => format!("email {}", want.in_words()),
            Self::Domain(want) => format!("domain {}", want.in_words()),
            Self::Id(want) => format!("user {}", want.in_words()),
            Self::Claim(claim) => format!("claim `{}` {}", claim.name, claim.want.in_words()),
            Self::Groups(want) => format!("groups {}", want.in_words()),
        }
    }

    pub(super) fn found(&self, person: &Person) -> String {
        match self {
            Self::SignedIn if person.id.is_empty() => "the session names no user".into(),
            Self::SignedIn => format!("signed in as `{}`", name_of(person)),
            Self::Email(_) if person.email.is_empty() => "the provider told no email".into(),
            Self::Email(_) => format!("email is `{}`", person.email),
            Self::Domain(_) => match domain(person) {
                Some(domain) => format!("domain is `{domain}`"),
                None => format!("there is no domain in `{}`", person.email),
            },
            Self::Id(_) if person.id.is_empty() => "the session names no user".into(),
            Self::Id(_) => format!("user is `{}`", person.id),
            Self::Claim(claim) => match claim.values(person) {
                [] => format!("there is no claim `{}`", claim.name),
                values => {
                    let values: Vec<String> = values.iter().map(shown).collect();
                    format!("claim `{}` is `{}`", claim.name, values.join("`, `"))
                }
            },
            Self::Groups(_) => match person.directory_groups.as_deref() {
                Some([]) => "is in no group".into(),
                Some(groups) => format!("groups are `{}`", groups.join("`, `")),
                None => "only people of the built-in provider have groups; \
                         an outside provider's are `claim/groups`"
                    .into(),
            },
        }
    }
}

impl Claim {
    pub(in crate::policy) fn new(name: &str, want: ListMatch) -> Self {
        let lower = name.to_ascii_lowercase();
        let lower = (lower != name).then(|| lower.into());
        Self { name: name.into(), lower, want }
    }

    /// The values under the name as written; where there are none, under its lower case.
    fn values<'p>(&self, person: &'p Person) -> &'p [Value] {
        match (person.claims.values(&self.name), &self.lower) {
            ([], Some(lower)) => person.claims.values(lower),
            (values, _) => values,
        }
    }
}

fn domain(person: &Person) -> Option<&str> {
    person.email.split('@').nth(1)
}

fn name_of(person: &Person) -> &str {
    if person.email.is_empty() { &person.id } else { &person.email }
}
