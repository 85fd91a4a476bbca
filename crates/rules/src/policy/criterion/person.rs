use super::{Doubt, Named, Names, Question, Who, Written, read::one_text};
use crate::{
    names::{is_mailbox, mailbox_domain},
    people::Person,
    policy::{
        matcher::{ListMatch, Manner, Spelt, TextMatch},
        report::Report,
    },
    session::SignedIn,
    yaml::Kind,
};

criteria! { Person: Email, Domain, Id, Groups; later: "record"; }

/// `email`: the whole address; empty when the provider tells none.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Email(TextMatch);

impl Email {
    /// Exactly this address.
    pub(in crate::policy) fn is(address: &str) -> Self {
        Self(TextMatch::is(address).without_missing())
    }
}

impl Question for Email {
    const NAME: &'static str = "email";
    const REASONS: [&'static str; 2] = ["email-ok", "email-unauthorized"];
    type Of = Named;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        let want = written.text::<Self>(report)?;
        Some(Self(if report.lets_in() { want.without_missing() } else { want }))
    }

    /// The address that counts; and, where that keeps out, every one that was said.
    fn holds(&self, Names { person, spelt }: Names<'_>, doubt: Doubt) -> bool {
        let takes = |text: &str| is_taken(&self.0, (text, None), doubt.manner(person));
        let own = spelt.map(|spelt| &spelt.email);
        let own = || is_taken(&self.0, (&person.email, own), doubt.manner(person));
        let unproven = &person.unproven;
        let mut said = unproven.values("email").filter_map(|value| value.as_str());
        match doubt {
            Doubt::Differs => {
                own() || unproven.is_unreadable("email") || said.any(takes)
            }
            // `not` must not pass because an address is missing here that was said
            Doubt::Fails if self.0.negates() => {
                own() && !unproven.is_unreadable("email") && said.all(takes)
            }
            Doubt::Fails => own(),
        }
    }

    fn in_words(&self) -> String {
        format!("email {}", self.0.in_words())
    }

    fn found(&self, Names { person, .. }: Names<'_>) -> String {
        match &*person.email {
            _ if !person.unproven.is_empty() => unproven(person),
            "" => "the provider told no email".into(),
            email => format!("email is `{email}`"),
        }
    }

    fn hardly_met(&self) -> Option<&str> {
        let unmet = |(text, whole): &(&str, bool)| *whole && !is_mailbox(text);
        self.0.wanted().find(|it| has_capitals(it.0) || unmet(it)).map(|(text, _)| text)
    }
}

/// `domain`: of an address that is one.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Domain(TextMatch);

impl Domain {
    /// Exactly this domain.
    pub(in crate::policy) fn is(domain: &str) -> Self {
        Self(TextMatch::is(domain))
    }
}

impl Question for Domain {
    const NAME: &'static str = "domain";
    const REASONS: [&'static str; 2] = ["domain-ok", "domain-unauthorized"];
    type Of = Named;

    /// Pomerium takes what is no text everywhere but here, where it has to be a text to be equal.
    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        let compared = match &written.data.kind {
            Kind::Map(_) => written.data.get("is"),
            Kind::Scalar { .. } | Kind::List(_) => Some(written.data),
        };
        if let Some(node) = compared.filter(|node| one_text(node).is_none()) {
            report.not_text(Self::NAME, node);
            return None;
        }
        written.text::<Self>(report).map(Self)
    }

    fn holds(&self, Names { person, spelt }: Names<'_>, doubt: Doubt) -> bool {
        let takes = |domain: &str| is_taken(&self.0, (domain, None), doubt.manner(person));
        let own = spelt.map(|spelt| &spelt.domain);
        let own = |domain| is_taken(&self.0, (domain, own), doubt.manner(person));
        let unproven = &person.unproven;
        let mut said = unproven.values("email").filter_map(|value| value.as_str());
        let own = mailbox_domain(&person.email).map(own);
        match doubt {
            Doubt::Differs => {
                own.unwrap_or_else(|| self.0.takes_absence())
                    || unproven.is_unreadable("email")
                    || said.any(|text| text.split('@').skip(1).any(takes))
            }
            Doubt::Fails if self.0.negates() => {
                own.unwrap_or_default()
                    && !unproven.is_unreadable("email")
                    && said.all(|text| mailbox_domain(text).is_some_and(takes))
            }
            Doubt::Fails => own.unwrap_or_default(),
        }
    }

    fn in_words(&self) -> String {
        format!("domain {}", self.0.in_words())
    }

    fn found(&self, Names { person, .. }: Names<'_>) -> String {
        match mailbox_domain(&person.email) {
            _ if !person.unproven.is_empty() => unproven(person),
            Some(domain) => format!("domain is `{domain}`"),
            None => format!("there is no domain in `{}`", person.email),
        }
    }

    fn hardly_met(&self) -> Option<&str> {
        let unmet = |(text, whole): &(&str, bool)| *whole && !is_mailbox(&format!("x@{text}"));
        self.0.wanted().find(|it| has_capitals(it.0) || unmet(it)).map(|(text, _)| text)
    }
}

/// Does it pass, with its other spellings where they are kept?
fn is_taken(wanted: &TextMatch, (text, spelt): (&str, Option<&Spelt>), manner: Manner) -> bool {
    match spelt {
        Some(spelt) => wanted.takes_address(text, spelt, manner),
        None => wanted.takes_address(text, &Spelt::default(), manner),
    }
}

pub(super) fn has_capitals(text: &str) -> bool {
    text.chars().any(char::is_uppercase)
}

/// An address that was told and does not count.
fn unproven(person: &Person) -> String {
    let said: Vec<String> =
        person.unproven.iter().filter(|d| &*d.claim == "email").map(ToString::to_string).collect();
    match (&*person.email, said.is_empty()) {
        ("", true) => "the provider told no email".into(),
        ("", false) => said.join("; "),
        (email, true) => format!("email is `{email}`"),
        (email, false) => format!("email is `{email}`; {}", said.join("; ")),
    }
}

/// `user`: the provider's id. A session without one has none that could differ.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Id(TextMatch);

impl Id {
    /// Exactly this id.
    pub(in crate::policy) fn is(id: &str) -> Self {
        Self(TextMatch::is(id))
    }
}

impl Question for Id {
    const NAME: &'static str = "user";
    const REASONS: [&'static str; 2] = ["user-ok", "user-unauthorized"];
    type Of = Named;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        written.text::<Self>(report).map(Self)
    }

    fn holds(&self, Names { person, spelt }: Names<'_>, doubt: Doubt) -> bool {
        let spelt = spelt.map(|spelt| &spelt.id);
        match &*person.id {
            "" => doubt == Doubt::Differs && self.0.takes_absence(),
            // Some providers' ids are addresses
            id if id.contains('@') => is_taken(&self.0, (id, spelt), doubt.manner(person)),
            id => self.0.takes(id),
        }
    }

    fn in_words(&self) -> String {
        format!("user {}", self.0.in_words())
    }

    fn found(&self, Names { person, .. }: Names<'_>) -> String {
        match &*person.id {
            "" => "the session names no user".into(),
            id => format!("user is `{id}`"),
        }
    }
}

/// `groups`: those of our own store, not the claim of an outside provider.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Groups(ListMatch);

impl Question for Groups {
    const NAME: &'static str = "groups";
    const MEANT: &'static [(&'static str, &'static str)] = &[("group", Self::NAME)];
    const REASONS: [&'static str; 2] = ["groups-ok", "groups-unauthorized"];
    type Of = Who;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        let want = written.list(report)?;
        if let Some(outcome) = want.without_text() {
            report.never_text(Self::NAME, written.data, outcome); // our own groups are words
        }
        Some(Self(want))
    }

    fn holds(&self, SignedIn { person, .. }: &SignedIn, doubt: Doubt) -> bool {
        match &person.directory_groups {
            Some(groups) => self.0.takes_groups(groups),
            None => doubt == Doubt::Differs && self.0.takes_groups(&[]),
        }
    }

    fn in_words(&self) -> String {
        format!("groups {}", self.0.in_words())
    }

    fn found(&self, SignedIn { person, .. }: &SignedIn) -> String {
        match person.directory_groups.as_deref() {
            Some([]) => "is in no group".into(),
            Some(groups) => {
                let ids: Vec<&str> = groups.iter().map(|group| &*group.id).collect();
                format!("groups are `{}`", ids.join("`, `"))
            }
            None => "only people of the built-in provider have groups; \
                     an outside provider's are `claim/groups`"
                .into(),
        }
    }
}
