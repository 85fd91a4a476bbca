use serde_json::Value;

use super::{Answer, Reason};
use crate::{
    names::{is_mailbox, mailbox_domain},
    people::{ABOUT_THE_TOKEN, Person, Spelling, UNPROVEN},
    policy::matcher::{ListMatch, Manner, TextMatch, shown},
    session::SignedIn,
};

/// A question about who asks.
#[derive(Clone, Debug)]
pub(in crate::policy) enum AboutPerson {
    /// `authenticated_user`: somebody with an id.
    SignedIn,
    /// `email`: the whole address; empty when the provider tells none.
    Email(TextMatch),
    /// `domain`: of an address that is one.
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
    pub(super) fn ask(&self, who: &SignedIn, doubt: Doubt) -> Answer {
        use Reason as R;
        let person = &who.person;
        let differs = doubt == Doubt::Differs;
        match self {
            Self::SignedIn => Answer::new(!person.id.is_empty(), R::UserOk, R::UserUnauthorized),
            Self::Email(want) => {
                Answer::new(email(want, person, doubt), R::EmailOk, R::EmailUnauthorized)
            }
            Self::Domain(want) => {
                Answer::new(domain(want, person, doubt), R::DomainOk, R::DomainUnauthorized)
            }
            Self::Id(want) => Answer::new(
                match &*person.id {
                    "" => differs && want.takes_absence(),
                    // Some providers' ids are addresses
                    id if id.contains('@') => want.takes_address(id, doubt.manner(person)),
                    id => want.takes(id),
                },
                R::UserOk,
                R::UserUnauthorized,
            ),
            Self::Claim(claim) => {
                Answer::new(claim.ask(who, doubt), R::ClaimOk, R::ClaimUnauthorized)
            }
            Self::Groups(want) => Answer::new(
                match &person.directory_groups {
                    Some(groups) => want.takes_groups(groups),
                    None => differs && want.takes_groups(&[]),
                },
                R::GroupsOk,
                R::GroupsUnauthorized,
            ),
        }
    }

    /// What it asks of addresses that few of them can meet, or none.
    pub(in crate::policy) fn hardly_met(&self) -> Option<&str> {
        let capitals = |text: &str| text.chars().any(char::is_uppercase);
        match self {
            Self::Email(want) => want
                .wanted()
                .find(|(text, whole)| capitals(text) || *whole && !is_mailbox(text))
                .map(|(text, _)| text),
            Self::Domain(want) => want
                .wanted()
                .find(|(text, whole)| {
                    capitals(text) || *whole && !is_mailbox(&format!("somebody@{text}"))
                })
                .map(|(text, _)| text),
            Self::Claim(claim) if claim.name.eq_ignore_ascii_case("email") => {
                claim.want.wanted().find(|text| capitals(text) || !is_mailbox(text))
            }
            Self::SignedIn | Self::Id(_) | Self::Claim(_) | Self::Groups(_) => None,
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

    pub(super) fn found(&self, who: &SignedIn) -> String {
        let person = &who.person;
        match self {
            Self::SignedIn if person.id.is_empty() => "the session names no user".into(),
            Self::SignedIn => format!("signed in as `{}`", name_of(person)),
            Self::Email(_) | Self::Domain(_) if !person.unproven.is_empty() => {
                found_unproven(person)
            }
            Self::Email(_) if person.email.is_empty() => "the provider told no email".into(),
            Self::Email(_) => format!("email is `{}`", person.email),
            Self::Domain(_) => match domain_of(person) {
                Some(domain) => format!("domain is `{domain}`"),
                None => format!("there is no domain in `{}`", person.email),
            },
            Self::Id(_) if person.id.is_empty() => "the session names no user".into(),
            Self::Id(_) => format!("user is `{}`", person.id),
            Self::Claim(claim) => match claim.values(who) {
                [] => format!("there is no claim `{}`", claim.name),
                values => {
                    let values: Vec<String> = values.iter().map(shown).collect();
                    format!("claim `{}` is `{}`", claim.name, values.join("`, `"))
                }
            },
            Self::Groups(_) => match person.directory_groups.as_deref() {
                Some([]) => "is in no group".into(),
                Some(groups) => {
                    let ids: Vec<&str> = groups.iter().map(|group| &*group.id).collect();
                    format!("groups are `{}`", ids.join("`, `"))
                }
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

    /// Its name, if that is a claim which nobody has here; and whether it lets those pass.
    pub(in crate::policy) fn never_kept(&self) -> Option<(&str, bool)> {
        let known = |name: &str| ABOUT_THE_TOKEN.contains(&name) || name == UNPROVEN;
        known(&self.name).then(|| (&*self.name, self.want.takes(&[], Manner::LetsIn)))
    }

    fn ask(&self, who: &SignedIn, doubt: Doubt) -> bool {
        let manner = doubt.manner(&who.person);
        let values: Vec<&Value> = self.values(who).iter().collect();
        let takes = self.want.takes(&values, manner);
        let unproven = &who.person.unproven;
        // `mail` is the address under another name, and in doubt whenever that is
        let mail = self.name.eq_ignore_ascii_case("mail").then_some("email");
        let names = || [Some(&*self.name), self.lower.as_deref(), mail].into_iter().flatten();
        let unreadable = names().any(|name| unproven.is_unreadable(name))
            || !self.want.compares_maps() && self.is_a_map(who, &values);
        if unproven.is_empty() && !unreadable {
            return takes;
        }
        let said: Vec<&Value> = names().flat_map(|name| unproven.values(name)).collect();
        let all: Vec<&Value> = values.iter().chain(&said).copied().collect();
        match doubt {
            Doubt::Differs => {
                takes
                    || unreadable
                    || !said.is_empty() && self.want.takes(&said, manner)
                    || self.want.takes(&all, manner)
            }
            Doubt::Fails if self.want.asks_for_all() => {
                takes && !unreadable && self.want.takes(&all, manner)
            }
            Doubt::Fails => takes,
        }
    }

    /// A map or a list within the list, of which nobody can say whether the operand is in it.
    fn is_a_map(&self, who: &SignedIn, values: &[&Value]) -> bool {
        let names = || [Some(&*self.name), self.lower.as_deref()].into_iter().flatten();
        values.iter().any(|value| value.is_array() || value.is_object())
            || [&who.person.claims, &who.session.claims]
                .iter()
                .any(|claims| names().any(|name| claims.has_below(name)))
    }

    /// The values under the name as written; where there are none, under its lower case.
    fn values<'w>(&self, who: &'w SignedIn) -> &'w [Value] {
        match (who.claim(&self.name), &self.lower) {
            ([], Some(lower)) => who.claim(lower),
            (values, _) => values,
        }
    }
}

impl Doubt {
    const fn manner(self, person: &Person) -> Manner {
        match (person.spelling, self) {
            (Spelling::Kept, _) => Manner::Kept,
            (Spelling::AsSaid, Self::Fails) => Manner::LetsIn,
            (Spelling::AsSaid, Self::Differs) => Manner::KeepsOut,
        }
    }
}

/// The address that counts; and, where that keeps out, every one that was said.
fn email(want: &TextMatch, person: &Person, doubt: Doubt) -> bool {
    let manner = doubt.manner(person);
    let takes = want.takes_address(&person.email, manner);
    let unproven = &person.unproven;
    let mut said = unproven.values("email").filter_map(|value| value.as_str());
    match doubt {
        Doubt::Differs => {
            takes
                || unproven.is_unreadable("email")
                || said.any(|text| want.takes_address(text, manner))
        }
        // `not` must not pass because an address is missing here that was said
        Doubt::Fails if want.negates() => {
            takes
                && !unproven.is_unreadable("email")
                && said.all(|text| want.takes_address(text, manner))
        }
        Doubt::Fails => takes,
    }
}

fn domain(want: &TextMatch, person: &Person, doubt: Doubt) -> bool {
    let manner = doubt.manner(person);
    let unproven = &person.unproven;
    let mut said = unproven.values("email").filter_map(|value| value.as_str());
    let takes = domain_of(person).map(|domain| want.takes_address(domain, manner));
    match doubt {
        Doubt::Differs => {
            takes.unwrap_or_else(|| want.takes_absence())
                || unproven.is_unreadable("email")
                || said.any(|text| {
                    text.split('@').skip(1).any(|domain| want.takes_address(domain, manner))
                })
        }
        Doubt::Fails if want.negates() => {
            takes.unwrap_or_default()
                && !unproven.is_unreadable("email")
                && said.all(|text| {
                    mailbox_domain(text).is_some_and(|domain| want.takes_address(domain, manner))
                })
        }
        Doubt::Fails => takes.unwrap_or_default(),
    }
}

fn domain_of(person: &Person) -> Option<&str> {
    mailbox_domain(&person.email)
}

/// What was told and does not count, for `explain`.
fn found_unproven(person: &Person) -> String {
    let said: Vec<String> =
        person.unproven.iter().filter(|d| &*d.claim == "email").map(ToString::to_string).collect();
    match (&*person.email, said.is_empty()) {
        ("", true) => "the provider told no email".into(),
        ("", false) => said.join("; "),
        (email, true) => format!("email is `{email}`"),
        (email, false) => format!("email is `{email}`; {}", said.join("; ")),
    }
}

fn name_of(person: &Person) -> &str {
    if person.email.is_empty() { &person.id } else { &person.email }
}
