use serde_json::Value;

use super::{
    Doubt, MetBy, NeverMet, Possible, Question, SubPath, Who, Written, person::has_capitals,
};
use crate::{
    names::is_mailbox,
    people::{ABOUT_THE_TOKEN, UNPROVEN},
    policy::{
        matcher::{ListMatch, Manner, shown},
        report::Report,
    },
    session::SignedIn,
};

criteria! { Claim: Claim; }

/// `claim/<name>`: what is said about somebody under this name.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Claim {
    /// As written.
    name: Box<str>,
    /// In lower case, where that differs: how Pomerium reads every name in its file.
    lower: Option<Box<str>>,
    want: ListMatch,
}

impl Question for Claim {
    const NAME: &'static str = "claim";
    const MEANT: &'static [(&'static str, &'static str)] =
        &[("claims", "claim/NAME"), ("role", "claim/role"), ("roles", "claim/roles")];
    const PATH: SubPath = SubPath::With;
    const REASONS: [&'static str; 2] = ["claim-ok", "claim-unauthorized"];
    type Of = Who;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        let want = written.list(report);
        let Some(name) = written.path.filter(|name| !name.is_empty()) else {
            report.error(
                "U315",
                written.at,
                format!("`{}` names no claim", written.name),
                "write the claim's name after a `/`: `claim/groups`",
            );
            return None;
        };
        Some(Self::new(name, want?))
    }

    fn holds(&self, who: &SignedIn, doubt: Doubt) -> bool {
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

    fn in_words(&self) -> String {
        format!("claim `{}` {}", self.name, self.want.in_words())
    }

    fn found(&self, who: &SignedIn) -> String {
        match self.values(who) {
            [] => format!("there is no claim `{}`", self.name),
            values => {
                let values: Vec<String> = values.iter().map(shown).collect();
                format!("claim `{}` is `{}`", self.name, values.join("`, `"))
            }
        }
    }

    fn hardly_met(&self) -> Option<&str> {
        let unmet = |text: &&str| has_capitals(text) || !is_mailbox(text);
        self.name.eq_ignore_ascii_case("email").then(|| self.want.wanted().find(unmet)).flatten()
    }

    /// Claims that are about the token are never kept.
    fn never_met(&self, _: Possible<'_>) -> Vec<NeverMet> {
        let name = &*self.name;
        let unkept = (ABOUT_THE_TOKEN.contains(&name) || name == UNPROVEN).then(|| NeverMet {
            code: "U332",
            by: MetBy::Nothing,
            negates: self.want.takes(&[], Manner::LetsIn),
            what: format!("the claim `{name}` is about the token, and nobody has it here"),
            help: "ask for a claim about the person: `claim/groups`, `claim/acr` …".into(),
        });
        unkept.into_iter().collect()
    }
}

impl Claim {
    pub(in crate::policy) fn new(name: &str, want: ListMatch) -> Self {
        let lower = name.to_ascii_lowercase();
        let lower = (lower != name).then(|| lower.into());
        Self { name: name.into(), lower, want }
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
