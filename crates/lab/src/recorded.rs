//! The real authenticate service as it was recorded: it signs one person in without a question, and
//! answers each request with what it answered then. Times and addresses alone are today's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD as STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use usher_rules::signin::hosted::{HostedKey, Request, SealedForm, Unsealed};

/// One sign-in, opened: what was asked, what was answered, what the proxy made of it.
pub const SIGN_IN: &str = include_str!("../../rules/tests/golden/hosted-sign-in.json");

/// The recorded answer to a sign-in request, for whoever asks now. `None` when the query is not
/// sealed for `key`, which the real service answers with an error.
pub fn answer(query: &str, key: &HostedKey) -> Option<Response<()>> {
    let recorded: Value = serde_json::from_str(SIGN_IN).ok()?;
    let answered = recorded.get("answered")?;
    let opened = SealedForm::unseal(query, key).ok()?.read(Unsealed::OF_ANYBODY).ok()?;
    let request = Request::read(&opened).ok()?;
    let now = now();
    let at = |at: Duration| at.as_millis().to_string();
    let (issued, expiry) = (at(now), at(now + Duration::from_secs(300)));
    let params = answered.get("params")?.as_object()?;
    let mut pairs = Vec::new();
    for (name, value) in params {
        let value = match name.as_str() {
            "pomerium_issued" => issued.clone(),
            "pomerium_expiry" => expiry.clone(),
            "pomerium_redirect_uri" => request.redirect_text.to_string(),
            "pomerium_identity_profile" => {
                // The provider's id goes back as it came.
                let asked = recorded.get("asked")?.get("pomerium_idp_id")?.as_str()?;
                tokens_of_today(value.as_str()?, now)?.replace(asked, &request.idp_id)
            }
            _ => value.as_str()?.to_owned(),
        };
        pairs.push((name.as_str(), value));
    }
    let pairs = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut ephemeral = [0; 32];
    aws_lc_rs::rand::fill(&mut ephemeral).ok()?;
    let query = SealedForm::seal(pairs, request.version, key, &request.sender, ephemeral)?;
    let mut location = request.callback.clone();
    location.set_query(Some(&query));

    let mut response = Response::new(());
    let status = u16::try_from(answered.get("status")?.as_u64()?).ok()?;
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    for field in answered.get("headers")?.as_array()? {
        let name = HeaderName::try_from(field.get(0)?.as_str()?).ok()?;
        let value = HeaderValue::try_from(field.get(1)?.as_str()?).ok()?;
        response.headers_mut().append(name, value);
    }
    response.headers_mut().insert("location", HeaderValue::try_from(location.as_str()).ok()?);
    Some(response)
}

/// The profile octet for octet, but for the moment at which its tokens end: an hour from now. The
/// ID token's signature does not hold then, and nobody looks at it.
fn tokens_of_today(profile: &str, now: Duration) -> Option<String> {
    let end = now + Duration::from_secs(3600);
    let profile = dated(profile, "exp", end)?;
    let profile = rewritten(&profile, "idToken", |token| {
        let mut parts = token.split('.');
        let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
        let payload = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let payload = BASE64_URL_SAFE_NO_PAD.encode(dated(&payload, "exp", end)?);
        Some(format!("{header}.{payload}.{signature}"))
    })?;
    rewritten(&profile, "oauthToken", |token| {
        let (head, rest) = token.split_once("\"expiry\":\"")?;
        let (_, tail) = rest.split_once('"')?;
        let end = OffsetDateTime::from_unix_timestamp(i64::try_from(end.as_secs()).ok()?).ok()?;
        Some(format!("{head}\"expiry\":\"{}\"{tail}", end.format(&Rfc3339).ok()?))
    })
}

/// The text with another value for a field of octets, which stand in it as base64.
fn rewritten(text: &str, field: &str, with: impl Fn(&str) -> Option<String>) -> Option<String> {
    let (before, rest) = text.split_once(&format!("\"{field}\":\""))?;
    let (octets, after) = rest.split_once('"')?;
    let octets = String::from_utf8(STANDARD.decode(octets).ok()?).ok()?;
    let octets = STANDARD.encode(with(&octets)?);
    Some(format!("{before}\"{field}\":\"{octets}\"{after}"))
}

/// The text with another second in a field.
fn dated(text: &str, field: &str, at: Duration) -> Option<String> {
    let (before, rest) = text.split_once(&format!("\"{field}\":"))?;
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    Some(format!("{before}\"{field}\":{}{after}", at.as_secs()))
}

/// Clients judge what it says by the machine's clock.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
