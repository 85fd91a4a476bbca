use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use usher_rules::{
    plan::{Plan, Route},
    session::SignedIn,
    time::UnixTime,
};

use super::Signer;
use crate::request::identify::{LiveSession, MadeFields};

const ASSERTION: HeaderName = HeaderName::from_static("x-pomerium-jwt-assertion");

/// An assertion's life (`pomerium-config.md` §5.1).
const LIFE: Duration = Duration::from_secs(300);

/// How long one assertion serves the requests of a session to a host. Signing for each request
/// would cost more than the rest of the path together (`docs/decisions`).
const REUSE: Duration = Duration::from_secs(30);

/// The assertion and the claim fields for `session` (or nobody) on `host`, made or made before.
///
/// `None` when the assertion can't be signed: the request must not go on without it.
pub fn identity_fields(
    plan: &Plan,
    signer: &Signer,
    session: Option<&LiveSession>,
    (host, route): (&str, &Route),
    now: UnixTime,
) -> Option<Arc<[(HeaderName, HeaderValue)]>> {
    let issuer_is_uri = route.issuer_is_uri;
    let fits = |made: &MadeFields| {
        *made.host == *host
            && *made.plan == *plan.id
            && made.issuer_is_uri == issuer_is_uri
            && now < made.until
            && made.until.since(now) <= REUSE
    };
    if let Some(live) = session
        && let Some(fields) = live.made_fields(fits)
    {
        return Some(fields);
    }
    let issuer = if issuer_is_uri { format!("https://{host}/") } else { host.to_owned() };
    let claims = claims(plan, session.map(LiveSession::signed_in), (&issuer, host), now);
    let assertion = HeaderValue::try_from(signer.sign(&claims).ok()?).ok()?;
    let mut fields = vec![(ASSERTION, assertion)];
    for (name, claim) in &plan.claim_fields {
        // A claim that is missing, or can't be written in a field, goes as empty: what the
        // client said under this name must not stand.
        let text = claims.get(&**claim).map(field_text).unwrap_or_default();
        let value = HeaderValue::from_bytes(text.as_bytes());
        fields.push((name.clone(), value.unwrap_or(HeaderValue::from_static(""))));
    }
    let fields: Arc<[_]> = fields.into();
    if let Some(live) = session {
        let (plan, host) = (plan.id.clone(), host.into());
        let until = now.plus(REUSE);
        live.keep_fields(MadeFields {
            plan,
            host,
            issuer_is_uri,
            until,
            fields: Arc::clone(&fields),
        });
    }
    Some(fields)
}

pub(super) fn assertion_of(made: &[(HeaderName, HeaderValue)]) -> Option<&HeaderValue> {
    made.iter().find(|(name, _)| *name == ASSERTION).map(|(_, value)| value)
}

/// What the identity fields of a request take, in octets: names are not counted.
pub fn identity_octets(plan: &Plan, fields: &HeaderMap) -> usize {
    let octets =
        |name: &HeaderName| fields.get_all(name).iter().map(HeaderValue::len).sum::<usize>();
    octets(&ASSERTION) + plan.claim_fields.iter().map(|(name, _)| octets(name)).sum::<usize>()
}

/// The assertion's claims (`pomerium-protocols.md` §4.1). For nobody, `sub` and the rest are empty.
fn claims(
    plan: &Plan,
    who: Option<&SignedIn>,
    (issuer, audience): (&str, &str),
    now: UnixTime,
) -> Value {
    let text = |get: fn(&SignedIn) -> &str| who.map_or("", get);
    let groups = who.map(SignedIn::groups).unwrap_or_default();
    // What the provider calls somebody, or else what our own record does.
    let said = who.map(|who| joined(who.claim_at_sign_in("name"))).unwrap_or_default();
    let name = if said.is_empty() { text(|who| &who.person.name).into() } else { said };
    let mut claims = Map::new();
    for (_, claim) in &plan.claim_fields {
        let values = who.map_or(&[][..], |who| who.claim_at_sign_in(claim));
        if !values.is_empty() {
            claims.insert(claim.to_string(), Value::String(joined(values)));
        }
    }
    let base = json!({
        "iss": issuer,
        "aud": audience,
        "jti": uuid::Uuid::new_v4().to_string(),
        "iat": now.seconds(),
        "exp": now.plus(LIFE).seconds(),
        "sub": text(|who| &who.person.id),
        "user": text(|who| &who.person.id),
        "email": text(|who| &who.person.email),
        "name": name,
        "sid": text(|who| who.session.id.as_str()),
        "groups": texts(&groups),
    });
    if let Value::Object(base) = base {
        claims.extend(base); // what identifies can't be overridden by a claim of the same name
    }
    Value::Object(claims)
}

/// What apps learn about somebody, and the keys to verify it with. Implemented beside what signs
/// the assertion, so that `/.pomerium/user` and the assertion can't drift apart.
pub trait Assertions: Send + Sync {
    /// The JWK set, ready to be sent.
    fn jwks(&self) -> Arc<[u8]>;
    /// The assertion that the apps of a route get from somebody on `host`; `None` when it can't be
    /// signed.
    fn assertion(
        &self,
        plan: &Plan,
        who: &LiveSession,
        place: (&str, &Route),
        now: UnixTime,
    ) -> Option<HeaderValue>;
    /// The assertion's claims that are about the person: without `iss`, `aud`, `exp`, `iat`, `jti`.
    fn about(&self, plan: &Plan, who: &SignedIn) -> serde_json::Value;
}

impl Assertions for Signer {
    fn jwks(&self) -> Arc<[u8]> {
        Self::jwks(self)
    }

    fn assertion(
        &self,
        plan: &Plan,
        who: &LiveSession,
        place: (&str, &Route),
        now: UnixTime,
    ) -> Option<HeaderValue> {
        let made = identity_fields(plan, self, Some(who), place, now)?;
        assertion_of(&made).cloned()
    }

    fn about(&self, plan: &Plan, who: &SignedIn) -> Value {
        let mut about = claims(plan, Some(who), ("", ""), UnixTime::from_seconds(0));
        if let Value::Object(claims) = &mut about {
            claims.retain(|name, _| !["iss", "aud", "exp", "iat", "jti"].contains(&name.as_str()));
        }
        about
    }
}

fn field_text(claim: &Value) -> String {
    match claim {
        Value::Array(values) => joined(values),
        Value::String(text) => text.clone(),
        Value::Number(number) => number_text(number),
        Value::Bool(yes) => yes.to_string(),
        Value::Null | Value::Object(_) => String::new(),
    }
}

/// Values joined with commas, as Pomerium writes lists into fields.
fn joined(values: &[Value]) -> String {
    texts(values).join(",")
}

/// Each value as text, as Pomerium tells them; lists, objects and null are dropped.
fn texts(values: &[Value]) -> Vec<String> {
    let is_plain =
        |value: &&Value| !matches!(value, Value::Null | Value::Object(_) | Value::Array(_));
    values.iter().filter(is_plain).map(field_text).collect()
}

/// Numbers as the real server writes them: from a million on in exponent form.
fn number_text(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(value) if value.abs() >= 1e6 && value.abs() < 1e21 => {
            let text = format!("{value:e}");
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            format!("{mantissa}e+{exponent:0>2}")
        }
        Some(_) | None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::field_text;

    #[test]
    fn claims_as_field_text() {
        for (given, expected) in [
            (json!("ann"), "ann"),
            (json!(["a", "b"]), "a,b"),
            (json!(["a", null, {"x": 1}, 7]), "a,7"),
            (json!(12_345_678), "1.2345678e+07"),
            (json!(999_999), "999999"),
            (json!(1e20), "1e+20"),
            (json!(1e21), "1e+21"),
            (json!(true), "true"),
            (json!(null), ""),
            (json!({"a": 1}), ""),
        ] {
            assert_eq!(field_text(&given), expected, "{given}");
        }
    }
}
