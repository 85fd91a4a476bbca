//! What the recorded authorizer was shown, asked of a policy alone.

use std::net::IpAddr;

use serde_json::{Value, json};
use usher::{request::accept::Presented, server::SystemClock};
use usher_rules::{
    plan::Plan,
    policy::{Facts, Finding, RequestFacts, Verdict},
    session::SignedIn,
    time::Clock as _,
};

use crate::{answer::Answer, frame::shown};

/// A request, as it was put to the authorizer.
pub struct Shown<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub peer: IpAddr,
    /// PEM, leaf first; empty where nothing was shown.
    pub presented: &'a str,
    pub fields: &'a Value,
}

impl Shown<'_> {
    /// What the first route's policy decides; `None` where it has none.
    pub fn decide(&self, plan: &Plan, who: Option<&SignedIn>) -> Option<Answer> {
        let route = plan.routes.first()?;
        let (path, field) = (self.decoded_path(), |name: &str| self.fields[name].as_str());
        let request = RequestFacts {
            method: self.method,
            path: &path,
            source: self.peer,
            origin: field("origin"),
            access_control_request_method: field("access-control-request-method"),
        };
        let presented = Presented::new(shown(self.presented));
        if presented.is_unreadable() && route.client_trust.is_some() {
            return None; // no policy is asked
        }
        let now = SystemClock.now().wall;
        let certificate = presented.standing(route.client_trust.as_ref(), now);
        let facts = Facts::of(who, request).with_certificate(certificate);
        let decision = route.policy.decide(&facts);
        let mut answer = Answer::from([
            ("allow".into(), side(decision.allow)),
            ("deny".into(), side(decision.deny)),
            ("forward".into(), json!(decision.verdict == Verdict::Allow)),
        ]);
        match decision.verdict {
            Verdict::Allow => {}
            Verdict::Deny => drop(answer.insert("status".into(), json!(403))),
            Verdict::ShowCertificate => drop(answer.insert("status".into(), json!(495))),
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
