//! What the recorded authorizer was shown, asked of a policy alone.

use std::net::IpAddr;

use serde_json::{Value, json};
use usher_rules::{
    mcp::Message,
    plan::{Plan, Route},
    policy::{Decision, Facts, Finding, RequestFacts, Verdict},
    session::SignedIn,
};

use crate::answer::Answer;

/// A request, as it was put to the authorizer.
pub struct Shown<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub peer: IpAddr,
    pub fields: &'a Value,
    pub body: &'a str,
}

impl Shown<'_> {
    /// What the first route's policy decides; `None` where it has none.
    pub fn decide(&self, plan: &Plan, who: Option<&SignedIn>) -> Option<Answer> {
        let route = plan.routes.first()?;
        let (path, field) = (self.decoded_path(), |name: &str| self.fields[name].as_str());
        let message = self.message(route);
        let request = RequestFacts {
            method: self.method,
            path: &path,
            source: self.peer,
            origin: field("origin"),
            access_control_request_method: field("access-control-request-method"),
            tool: message.tool(),
        };
        let decision = route.policy.decide(&Facts::of(who, request));
        let mut answer = Answer::from([
            ("allow".into(), side(decision.allow)),
            ("deny".into(), side(decision.deny)),
            ("forward".into(), json!(self.passes(&decision))),
        ]);
        if let Some(status) = status(&decision) {
            answer.insert("status".into(), json!(status));
        }
        Some(answer)
    }

    /// Where devices are enrolled, nobody has to have one.
    fn passes(&self, decision: &Decision) -> bool {
        let path = self.target.split('?').next().unwrap_or_default();
        let enrols = ["/.pomerium/webauthn", "/.pomerium/device-enrolled"].contains(&path);
        decision.verdict == Verdict::Allow || decision.verdict == Verdict::ShowDevice && enrols
    }

    /// What the body says, where the route is asked for it.
    fn message(&self, route: &Route) -> Message {
        let is_json = self.fields["content-type"] == "application/json";
        match route.mcp.and_then(|server| server.reads_at_most) {
            Some(_) if self.method == "POST" && is_json => Message::read(self.body.as_bytes()),
            Some(_) | None => Message::Nothing,
        }
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

fn status(decision: &Decision) -> Option<u16> {
    Some(match decision.verdict {
        Verdict::Allow => return None,
        Verdict::Deny if decision.is_for_the_device() => 450,
        Verdict::Deny => 403,
        Verdict::SignIn | Verdict::SignInAgain | Verdict::ShowDevice => 302,
    })
}

/// One side of a decision, in the form of the recordings.
fn side(found: Finding) -> Value {
    let mut reasons: Vec<&str> = found.reasons.iter().map(|reason| reason.word()).collect();
    reasons.sort_unstable();
    json!({"value": found.holds, "reasons": reasons})
}
