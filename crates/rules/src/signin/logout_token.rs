use std::time::Duration;

use serde_json::{Map, Value};

use super::{CLOCK_SKEW, person::text};
use crate::{session::SignedIn, time::UnixTime};

/// The member of `events` that makes a token one for logging out.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// So long after it was made a token counts, whatever its `exp`: for so long its use is remembered.
const LIFETIME: Duration = Duration::from_secs(300);

/// What a provider tells over the back channel: whose sessions end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    subject: Option<Box<str>>,
    session: Option<Box<str>>,
    id: Box<str>,
    over_at: UnixTime,
}

/// What is wrong with a logout token (Back-Channel Logout 1.0 §2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogoutTokenFault {
    /// Its header says that it is something else.
    #[error("`typ`: it is no logout token")]
    Type,
    /// Step 3.
    #[error("`iss`: it is from another issuer")]
    Issuer,
    /// Step 3.
    #[error("`aud`: it is for another client")]
    Audience,
    /// Step 3.
    #[error("`exp` or `iat`: it is too old, from a time to come, or does not say")]
    Time,
    /// Step 4.
    #[error("it names neither `sub` nor `sid`")]
    Nobody,
    /// Step 5.
    #[error("`events`: it is about something else")]
    Event,
    /// Step 6: an ID token must not be taken for one.
    #[error("`nonce`: it is an ID token")]
    Nonce,
    /// §2.4.
    #[error("`jti`: it has no name of its own")]
    NoId,
}

/// Checks a logout token whose signature holds. That it is used once is up to the caller, who has
/// a store: see [`LogoutToken::digest`].
///
/// # Errors
///
/// [`LogoutTokenFault`], one variant per rule.
pub fn check_logout_token(
    header: &Map<String, Value>,
    claims: &Map<String, Value>,
    (issuer, client_id): (&str, &str),
    now: UnixTime,
) -> Result<LogoutToken, LogoutTokenFault> {
    use LogoutTokenFault::{Audience, Event, Issuer, NoId, Nobody, Nonce, Time, Type};
    let is_type = |typ: &Value| {
        let typ = typ.as_str().unwrap_or_default();
        ["jwt", "logout+jwt", "application/logout+jwt"]
            .iter()
            .any(|known| typ.eq_ignore_ascii_case(known))
    };
    header.get("typ").is_none_or(is_type).then_some(()).ok_or(Type)?;
    (text(claims, "iss") == Some(issuer)).then_some(()).ok_or(Issuer)?;
    is_for(claims.get("aud"), client_id).then_some(()).ok_or(Audience)?;
    let time = |name: &str| {
        let seconds = claims.get(name).and_then(Value::as_f64);
        seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).map(|at| at.as_secs())
    };
    let made = UnixTime::from_seconds(time("iat").ok_or(Time)?);
    let over_at = made.plus(LIFETIME + CLOCK_SKEW);
    if made > now.plus(CLOCK_SKEW) || now >= over_at {
        return Err(Time);
    }
    if claims.contains_key("exp") {
        let end = UnixTime::from_seconds(time("exp").ok_or(Time)?);
        (!end.is_expired_at(now, CLOCK_SKEW)).then_some(()).ok_or(Time)?;
    }
    let event = claims.get("events").and_then(|events| events.get(EVENT));
    event.is_some_and(Value::is_object).then_some(()).ok_or(Event)?;
    (!claims.contains_key("nonce")).then_some(()).ok_or(Nonce)?;
    let id = text(claims, "jti").ok_or(NoId)?.into();
    // What is there and can't be read names somebody that we don't know, not everybody.
    let name = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(_) => text(claims, name).map(|text| Some(text.into())).ok_or(Nobody),
    };
    let (subject, session) = (name("sub")?, name("sid")?);
    (subject.is_some() || session.is_some()).then_some(()).ok_or(Nobody)?;
    Ok(LogoutToken { subject, session, id, over_at })
}

fn is_for(audience: Option<&Value>, client_id: &str) -> bool {
    match audience {
        Some(Value::String(one)) => one == client_id,
        Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(client_id)),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => false,
    }
}

impl LogoutToken {
    /// Is this one of the sessions that end? `sid` names one, `sub` alone all of a person's (§2.7).
    pub fn ends(&self, signed_in: &SignedIn) -> bool {
        let SignedIn { session, person } = signed_in;
        let of_subject =
            |subject: &str| *person.id == *subject || session.claims.text("sub") == Some(subject);
        self.subject.as_deref().is_none_or(of_subject)
            && self.session.as_ref().is_none_or(|id| session.provider_session.as_ref() == Some(id))
    }

    /// A name for this very token of this provider, by which it is used once.
    pub fn digest(&self, provider: &str) -> [u8; 32] {
        let text = format!("logout token {provider} {}", self.id);
        let mut name = [0; 32];
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        name.copy_from_slice(digest.as_ref());
        name
    }

    /// From when on it would not count any more.
    pub const fn over_at(&self) -> UnixTime {
        self.over_at
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{
        EVENT,
        LogoutTokenFault::{Audience, Event, Issuer, NoId, Nobody, Nonce, Time, Type},
        check_logout_token,
    };
    use crate::{
        session::{SessionId, SignedIn},
        signin::person_from_claims,
        time::UnixTime,
    };

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn session(n: u8, subject: &str, sid: Option<&str>) -> SignedIn {
        let told = person_from_claims(&map(&json!({"sub": subject})), None).unwrap();
        let [from, to] = [1, 2].map(UnixTime::from_seconds);
        let mut signed_in = told.begin(SessionId::from_random([n; 16]), "x", from, to);
        signed_in.session.provider_session = sid.map(Into::into);
        signed_in
    }

    #[test]
    fn claims_of_a_logout_token() {
        let good = map(&json!({
            "iss": "https://id.example", "aud": "usher", "iat": 1000, "exp": 1120, "jti": "j",
            "sub": "ann", "sid": "s", "events": {EVENT: {}},
        }));
        let expected = ("https://id.example", "usher");
        let at = UnixTime::from_seconds(1000);
        for (header, change, fault, why) in [
            (json!({}), json!({}), None, "as it should be"),
            (json!({"typ": "logout+jwt"}), json!({}), None, "says what it is"),
            (json!({"typ": "JWT"}), json!({"aud": ["other", "usher"]}), None, "for several"),
            (json!({}), json!({"sub": null}), None, "by session"),
            (json!({}), json!({"sid": null}), None, "by person"),
            (json!({}), json!({"exp": null}), None, "as before `exp` was required"),
            (json!({}), json!({"iat": 641}), None, "as old as it may be"),
            (json!({"typ": "at+jwt"}), json!({}), Some(Type), "an access token"),
            (json!({"typ": 1}), json!({}), Some(Type), "no text"),
            (json!({}), json!({"iss": "https://evil.example"}), Some(Issuer), "another issuer"),
            (json!({}), json!({"aud": "usher2"}), Some(Audience), "a prefix is not enough"),
            (json!({}), json!({"aud": null}), Some(Audience), "nobody"),
            (json!({}), json!({"iat": 640}), Some(Time), "too old"),
            (json!({}), json!({"iat": 1061}), Some(Time), "from the future"),
            (json!({}), json!({"iat": null}), Some(Time), "of no time"),
            (json!({}), json!({"iat": "1000"}), Some(Time), "no number"),
            (json!({}), json!({"exp": 940}), Some(Time), "over"),
            (json!({}), json!({"exp": "1120"}), Some(Time), "no number"),
            (json!({}), json!({"events": null}), Some(Event), "no event"),
            (json!({}), json!({"events": {}}), Some(Event), "another event"),
            (json!({}), json!({"events": {EVENT: true}}), Some(Event), "no object"),
            (json!({}), json!({"events": [EVENT]}), Some(Event), "a list"),
            (json!({}), json!({"nonce": "n"}), Some(Nonce), "an ID token"),
            (json!({}), json!({"jti": null}), Some(NoId), "nameless"),
            (json!({}), json!({"sub": null, "sid": null}), Some(Nobody), "nobody"),
            (json!({}), json!({"sub": 7, "sid": null}), Some(Nobody), "no text"),
            (json!({}), json!({"sid": ""}), Some(Nobody), "an empty one is not everybody"),
        ] {
            let mut claims = good.clone();
            for (name, value) in map(&change) {
                if value.is_null() {
                    claims.remove(&name)
                } else {
                    claims.insert(name, value)
                };
            }
            let got = check_logout_token(&map(&header), &claims, expected, at);
            assert_eq!(got.err(), fault, "{why}");
        }
    }

    #[test]
    fn a_session_ends_by_its_own_name_or_with_all_of_its_person() {
        let sessions = [
            session(1, "ann", Some("a")),
            session(2, "ann", Some("b")),
            session(3, "eve", Some("a")),
            session(4, "ann", None),
        ];
        for (names, ended) in [
            (json!({"sub": "ann"}), vec![1, 2, 4]),
            (json!({"sid": "a"}), vec![1, 3]),
            (json!({"sub": "ann", "sid": "a"}), vec![1]),
            (json!({"sub": "eve", "sid": "b"}), vec![]),
            (json!({"sid": "none"}), vec![]),
        ] {
            let mut claims = map(&json!({
                "iss": "i", "aud": "c", "iat": 1, "jti": "j", "events": {EVENT: {}},
            }));
            claims.extend(map(&names));
            let at = UnixTime::from_seconds(1);
            let token = check_logout_token(&Map::new(), &claims, ("i", "c"), at).unwrap();
            let ends = (1..).zip(&sessions).filter(|(_, one)| token.ends(one));
            assert_eq!(ends.map(|(n, _)| n).collect::<Vec<u8>>(), ended, "{names}");
        }
    }
}
