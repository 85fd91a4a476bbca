//! What the recorded authorizer was shown, asked of a policy alone.

use std::net::IpAddr;

use serde_json::{Value, json};
use usher_rules::{
    plan::Plan,
    policy::{Facts, Finding, RequestFacts, Verdict},
    session::SignedIn,
};

use crate::answer::Answer;

/// A request, as it was put to the authorizer.
pub struct Shown<'a> {
    pub method: &'a str,
    pub target: &'a str,
    /// None where what was said is no address.
    pub peer: Option<IpAddr>,
    pub fields: &'a Value,
}

impl Shown<'_> {
    /// What the first route's policy decides; `None` where it has none.
    pub fn decide(&self, plan: &Plan, who: Option<&SignedIn>) -> Option<Answer> {
        let route = plan.routes.first()?;
        let path = self.decoded_path();
        let field = |name: &str| {
            let mut fields = self.fields.as_object()?.iter();
            let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
            found?.1.as_str().filter(|value| !value.is_empty())
        };
        let request = RequestFacts {
            method: self.method,
            path: &path,
            source: self.peer,
            origin: field("origin"),
            access_control_request_method: field("access-control-request-method"),
        };
        let decision = route.policy.decide(&Facts::of(who, request));
        let mut answer = Answer::from([
            ("allow".into(), side(decision.allow)),
            ("deny".into(), side(decision.deny)),
            ("forward".into(), json!(decision.verdict == Verdict::Allow)),
        ]);
        match decision.verdict {
            Verdict::Allow => {}
            Verdict::Deny => drop(answer.insert("status".into(), json!(403))),
            Verdict::SignIn | Verdict::SignInAgain => {
                drop(answer.insert("status".into(), json!(302)))
            }
        }
        Some(answer)
    }

    /// The path had not been normalised before, and an escape that can't be read leaves nothing.
    fn decoded_path(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        let readable = path.match_indices('%').all(|(at, _)| {
            path.get(at + 1..at + 3).is_some_and(|hex| u8::from_str_radix(hex, 16).is_ok())
        });
        let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
        if readable { decoded.into_owned() } else { String::new() }
    }
}

/// One side of a decision, in the form of the recordings.
fn side(found: Finding) -> Value {
    let mut reasons: Vec<&str> = found.reasons.iter().map(|reason| reason.word()).collect();
    reasons.sort_unstable();
    json!({"value": found.holds, "reasons": reasons})
}
