//! What a provider says of somebody and does not vouch for, or that can't be read. It lets nobody
//! in; whatever keeps people out looks at it as at the rest.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything of that kind about one person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unproven(Vec<Doubted>);

/// One claim that does not count for somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Doubted {
    /// Its name; `email` for every address.
    pub claim: Box<str>,
    /// What was said, as far as it can be compared.
    pub values: Vec<Value>,
    /// Why it does not count.
    pub why: Why,
}

/// Why a claim does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// The provider says `email_verified: false`, in one document at least.
    NotVerified,
    /// It is no address, or more than one.
    NoAddress,
    /// Another document of the same provider says something else, and that counts.
    Replaced,
    /// It is one text where a list is meant; its pieces are looked at.
    NoList,
    /// It is of a type that can't be read, so that nobody knows what it says.
    Unreadable,
    /// They chose it themselves when they joined by an invitation of ours.
    Chosen,
    /// The provider left it out and says so (OIDC Core §5.6.2; "overage" at Entra).
    LeftOut,
}

impl Unproven {
    /// Is there none?
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Doubted> {
        self.0.iter()
    }

    /// Adds one, once.
    pub fn add(&mut self, claim: &str, values: Vec<Value>, why: Why) {
        let doubted = Doubted { claim: claim.into(), values, why };
        if !self.0.contains(&doubted) {
            self.0.push(doubted);
        }
    }

    /// What was said under a claim's name.
    pub fn values<'a>(&'a self, claim: &'a str) -> impl Iterator<Item = &'a Value> {
        self.of(claim).flat_map(|doubted| &doubted.values)
    }

    /// Was something said under this name that nobody can read?
    pub fn is_unreadable(&self, claim: &str) -> bool {
        self.of(claim).any(|doubted| match doubted.why {
            Why::Unreadable | Why::LeftOut => true,
            // `bob` is no address and can be compared; what holds an `@` may be read in two ways
            Why::NoAddress => {
                let has_sign =
                    |text: &str| text.contains(['@', '＠', '﹫']) || text.contains("%40");
                doubted.values.iter().any(|v| v.as_str().is_none_or(has_sign))
            }
            Why::NotVerified | Why::Replaced | Why::NoList | Why::Chosen => false,
        })
    }

    fn of<'a>(&'a self, claim: &'a str) -> impl Iterator<Item = &'a Doubted> {
        let nested = move |name: &str| {
            name.strip_prefix(claim).is_some_and(|rest| rest.is_empty())
                || claim.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
        };
        self.0.iter().filter(move |doubted| nested(&doubted.claim))
    }
}

impl fmt::Display for Doubted {
    /// A sentence for people and logs: what does not count, and what to set at the provider.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.claim;
        let said: Vec<String> = self
            .values
            .iter()
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            .map(|text| text.escape_debug().take(80).collect())
            .take(3)
            .collect();
        let said = said.join("`, `");
        match self.why {
            Why::NotVerified => write!(
                f,
                "the provider calls the address `{said}` not verified, so it lets nobody in; \
                 set `email_verified` to true at the provider"
            ),
            Why::Chosen => write!(
                f,
                "they chose the address `{said}` themselves when they joined, so it lets nobody in; \
                 name a group of theirs in the policy, or invite them by their address"
            ),
            Why::NoAddress => write!(
                f,
                "`{name}` is `{said}`, which is not one address, so it lets nobody in; \
                 correct it at the provider"
            ),
            Why::Replaced => write!(
                f,
                "the provider says two things about `{name}`; `{said}` lets nobody in, and keeps \
                 out where a rule does"
            ),
            Why::NoList => write!(
                f,
                "`{name}` is one text and not a list, so its pieces let nobody in; make it a list \
                 at the provider"
            ),
            Why::Unreadable => write!(
                f,
                "`{name}` can't be read, so it lets nobody in; make it text or a list of texts at \
                 the provider"
            ),
            Why::LeftOut => write!(
                f,
                "the provider left `{name}` out of what it sent (too many?), so it lets nobody \
                 in; let it send only those of this application"
            ),
        }
    }
}
