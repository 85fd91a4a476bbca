//! What the recorded authorizer was shown, asked of a policy alone.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use usher::{request::accept::Presented, server::SystemClock};
use usher_rules::{
    mcp::Message,
    plan::{Plan, Route},
    policy::{Decision, Facts, RequestFacts, Verdict, WholeRequest},
    session::SignedIn,
    time::Clock as _,
};

use crate::{answer::Answer, frame::shown};

/// A request, as it was put to the authorizer.
pub(crate) struct Shown<'a> {
    pub method: &'a str,
    pub target: &'a str,
    /// None where what was said is no address.
    pub peer: Option<IpAddr>,
    /// PEM, leaf first; empty where nothing was shown.
    pub presented: &'a str,
    pub fields: &'a Value,
    pub body: &'a str,
}

impl Shown<'_> {
    /// What the first route's policy decides; `None` where it has none.
    pub(crate) fn decide(&self, plan: &Plan, who: Option<&SignedIn>) -> Option<Answer> {
        let route = plan.routes.first()?;
        let path = self.decoded_path();
        let field = |name: &str| {
            let mut fields = self.fields.as_object()?.iter();
            let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
            found?.1.as_str().filter(|value| !value.is_empty())
        };
        let message = self.message(route);
        let request = RequestFacts {
            method: self.method,
            path: &path,
            source: self.peer,
            origin: field("origin"),
            access_control_request_method: field("access-control-request-method"),
            tool: message.tool(),
        };
        let presented = Presented::new(shown(self.presented));
        if presented.is_unreadable() && route.client_trust.is_some() {
            return None; // no policy is asked
        }
        let now = SystemClock.now().wall;
        let certificate = presented.standing(route.client_trust.as_ref(), now);
        let (fields, authority) = (self.header_map(), field("host").unwrap_or_default());
        let (raw_path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        let whole = WholeRequest { authority, raw_path, query, fields: &fields };
        let facts = Facts::of(who, request).with_certificate(certificate).with_whole(Some(whole));
        let decision = route.policy.decide(&facts);
        let mut answer = Answer::from([
            ("allow".into(), side(decision.allow.holds, decision.allow_words())),
            ("deny".into(), side(decision.deny.holds, decision.deny_words())),
            ("forward".into(), json!(self.passes(&decision))),
        ]);
        if let Some(status) = status(&decision) {
            answer.insert("status".into(), json!(status));
        }
        Some(answer)
    }

    fn header_map(&self) -> HeaderMap {
        let fields = self.fields.as_object().into_iter().flatten();
        let read = |(name, value): (&String, &Value)| {
            let value = HeaderValue::from_str(value.as_str()?).ok()?;
            Some((HeaderName::try_from(name.as_str()).ok()?, value))
        };
        fields.filter_map(read).collect()
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
        Verdict::Deny if decision.has_failed() => 500,
        Verdict::Deny if decision.is_for_the_device() => 450,
        Verdict::Deny => 403,
        Verdict::ShowCertificate => 495,
        Verdict::SignIn | Verdict::SignInAgain | Verdict::ShowPasskey | Verdict::ShowDevice => 302,
    })
}

/// One side of a decision, in the form of the recordings.
fn side<'a>(holds: bool, reasons: impl Iterator<Item = &'a str>) -> Value {
    let mut reasons: Vec<&str> = reasons.collect();
    reasons.sort_unstable();
    json!({"value": holds, "reasons": reasons})
}
