use std::time::Duration;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Map, Value};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::super::person::{ClaimsFault, person_from_claims};
use crate::{
    session::{Authentication, Means},
    time::UnixTime,
};

/// How long before its tokens' end a session ends, so that nobody is let in by a token that a
/// provider no longer honours (measured).
const BEFORE_THE_END: Duration = Duration::from_secs(60);

/// Who somebody is, as the service says it: protojson of `pomerium.identity.Profile`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// `providerId`: the id that the proxy asked for; empty when the service does not say.
    pub provider_id: Box<str>,
    /// `claims`: as the provider behind the service sent them.
    pub claims: Map<String, Value>,
    /// When the earlier of its two tokens ends, where one says so. The tokens themselves are not
    /// kept: nothing here may use them.
    pub tokens_end: Option<UnixTime>,
}

/// Why a profile is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileFault {
    /// It is no JSON object.
    #[error("the profile can't be read")]
    Unreadable,
    /// A field has another type than it must have.
    #[error("the profile's `{0}` can't be read")]
    Field(&'static str),
    /// It is about another provider than the one that was asked for.
    #[error("the profile is from another provider than the one that was asked for")]
    OtherProvider,
    /// It does not say who somebody is.
    #[error("the profile: {0}")]
    Claims(#[from] ClaimsFault),
    /// A token of it has ended or will in a minute.
    #[error("the tokens in the profile are over")]
    Over,
}

impl Profile {
    /// Reads a profile. Fields that are not known are let be: a newer service may add some.
    ///
    /// # Errors
    ///
    /// [`ProfileFault`], of reading only.
    pub fn parse(text: &str) -> Result<Self, ProfileFault> {
        let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
            return Err(ProfileFault::Unreadable);
        };
        // protojson reads both spellings of a name, and null as absent
        let field = |camel: &'static str, snake: &str| {
            let value = fields.get(camel).or_else(|| fields.get(snake));
            (camel, value.filter(|value| !value.is_null()))
        };
        let provider_id = text_of(field("providerId", "provider_id"))?;
        let claims = match field("claims", "claims") {
            (_, None) => Map::new(),
            (_, Some(Value::Object(claims))) => claims.clone(),
            (name, Some(_)) => return Err(ProfileFault::Field(name)),
        };
        let id_token = octets_of(field("idToken", "id_token"))?;
        let oauth_token = octets_of(field("oauthToken", "oauth_token"))?;
        let tokens_end = tokens_end(&id_token, &oauth_token);
        Ok(Self { provider_id: provider_id.into(), claims, tokens_end })
    }

    /// As it is sent to a proxy: no tokens, and no field that a strict reader does not know. When it
    /// is to end stands where the end of a token does, which is what proxies look at.
    pub fn to_text(&self) -> String {
        let mut fields = Map::new();
        fields.insert("providerId".into(), Value::from(&*self.provider_id));
        fields.insert("claims".into(), Value::Object(self.claims.clone()));
        let end = self.tokens_end.and_then(|end| i64::try_from(end.seconds()).ok());
        let end = end.and_then(|end| OffsetDateTime::from_unix_timestamp(end).ok());
        if let Some(end) = end.and_then(|end| end.format(&Rfc3339).ok()) {
            let token = serde_json::json!({ "expiry": end }).to_string();
            fields.insert("oauthToken".into(), BASE64_STANDARD.encode(token).into());
        }
        Value::Object(fields).to_string()
    }

    /// Who somebody is and until when that counts, if the profile is from the provider that was
    /// asked for.
    ///
    /// The id is `sub`, or `user` where there is no `sub`; a number counts by its digits. It is
    /// never `oid`, which a generic provider lets its people choose.
    ///
    /// # Errors
    ///
    /// [`ProfileFault`].
    pub fn person(
        &self,
        asked_for: &str,
        now: UnixTime,
    ) -> Result<(Authentication, Option<UnixTime>), ProfileFault> {
        if !self.provider_id.is_empty() && *self.provider_id != *asked_for {
            return Err(ProfileFault::OtherProvider);
        }
        let end = self.tokens_end.map(|end| end.minus(BEFORE_THE_END));
        if end.is_some_and(|end| end <= now) {
            return Err(ProfileFault::Over);
        }
        let mut claims = self.claims.clone();
        let subject = ["sub", "user"].iter().find_map(|name| subject(&claims, name));
        if let Some(subject) = subject {
            claims.insert("sub".into(), subject.into());
        }
        let mut authentication = person_from_claims(&claims, None)?;
        authentication.sign_in.means = Means::Service;
        Ok((authentication, end))
    }
}

fn subject(claims: &Map<String, Value>, name: &str) -> Option<String> {
    match claims.get(name)? {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn text_of<'a>(field: (&'static str, Option<&'a Value>)) -> Result<&'a str, ProfileFault> {
    let (name, value) = field;
    value.map_or(Ok(""), |value| value.as_str().ok_or(ProfileFault::Field(name)))
}

/// `bytes` in protojson: base64 of either alphabet, padded or not.
fn octets_of(field: (&'static str, Option<&Value>)) -> Result<Vec<u8>, ProfileFault> {
    const EITHER: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let text = text_of(field)?.replace('-', "+").replace('_', "/");
    EITHER.decode(text).map_err(|_| ProfileFault::Field(field.0))
}

/// When the earlier of an ID token (JWT text) and an OAuth token (JSON) ends. What says nothing
/// that can be read sets no end, as for the real proxy; the ID token's signature is not looked
/// at, since it can only make the session shorter.
pub fn tokens_end(id_token: &[u8], oauth_token: &[u8]) -> Option<UnixTime> {
    let ends = [id_token_end(id_token), oauth_token_end(oauth_token)];
    ends.into_iter().flatten().min()
}

fn id_token_end(token: &[u8]) -> Option<UnixTime> {
    let payload = std::str::from_utf8(token).ok()?.split('.').nth(1)?;
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
    let exp = claims.get("exp")?;
    let seconds = exp.as_u64().or_else(|| exp.as_f64().map(whole))?;
    Some(UnixTime::from_seconds(seconds))
}

/// Below 1970 is 1970, and over.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn whole(seconds: f64) -> u64 {
    seconds as u64
}

/// Go writes the year 1 for "no expiry".
fn oauth_token_end(token: &[u8]) -> Option<UnixTime> {
    let fields: Map<String, Value> = serde_json::from_slice(token).ok()?;
    let expiry = OffsetDateTime::parse(fields.get("expiry")?.as_str()?, &Rfc3339).ok()?;
    (expiry.year() > 1)
        .then(|| UnixTime::from_seconds(u64::try_from(expiry.unix_timestamp()).unwrap_or_default()))
}
