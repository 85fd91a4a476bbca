use std::time::Duration;

use serde_json::{Map, Value};

use crate::{config::duration::show, time::UnixTime};

/// How far a provider's clock may be off.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// What an ID token has to say to be the one that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct IdTokenExpected<'a> {
    /// The configured issuer, octet for octet.
    pub issuer: &'a str,
    /// Our client id.
    pub client_id: &'a str,
    /// The nonce of this sign-in; `None` where it is of none.
    pub nonce: Option<&'a str>,
}

/// What is wrong with an ID token (OIDC Core §3.1.3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenFault {
    /// Step 2.
    #[error("`iss`: it is from another issuer")]
    Issuer,
    /// Step 3.
    #[error("`aud`: it is for another client")]
    Audience,
    /// Steps 4 and 5: `azp` names somebody else, or several audiences and no `azp`.
    #[error("`azp`: it was issued to another party")]
    AuthorizedParty,
    /// Step 9: so long ago, or it does not say when.
    #[error("`exp`: {}", ended(*.0))]
    Expired(Option<Duration>),
    /// `nbf`, or `iat` in the future by so much, or it does not say when it was made.
    #[error("`iat` or `nbf`: {}", begins(*.0))]
    TooEarly(Option<Duration>),
    /// Step 11.
    #[error("`nonce`: it is for another sign-in")]
    Nonce,
}

fn ended(ago: Option<Duration>) -> String {
    ago.map_or_else(
        || "it does not say when it ends".to_owned(),
        |ago| format!("it ended {} ago by this machine's clock, {COMPARE}", show(ago)),
    )
}

fn begins(ahead: Option<Duration>) -> String {
    ahead.map_or_else(
        || "it does not say when it was made".to_owned(),
        |ahead| format!("it is from {} after this machine's time, {COMPARE}", show(ahead)),
    )
}

const COMPARE: &str = "which is wrong or the provider's is: compare `date -u` here with the true time, and \
                       set the wrong clock (`timedatectl set-ntp true`)";

/// Checks the claims of an ID token whose signature holds.
///
/// # Errors
///
/// [`IdTokenFault`], one variant per rule.
pub fn check_id_token(
    claims: &Map<String, Value>,
    expected: &IdTokenExpected<'_>,
    now: UnixTime,
) -> Result<(), IdTokenFault> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let time = |name: &str| claims.get(name).and_then(Value::as_f64);
    if text("iss") != Some(expected.issuer) {
        return Err(IdTokenFault::Issuer);
    }
    let audiences: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => vec![],
    };
    if !audiences.contains(&expected.client_id) {
        return Err(IdTokenFault::Audience);
    }
    let authorized = match claims.get("azp") {
        Some(party) => party.as_str() == Some(expected.client_id),
        None => audiences.len() == 1,
    };
    if !authorized {
        return Err(IdTokenFault::AuthorizedParty);
    }
    // Seconds since 1970 are exact in an f64 for the next 285 million years.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let (now, skew) = (now.seconds() as f64, CLOCK_SKEW.as_secs_f64());
    let far =
        |seconds: f64| Some(Duration::try_from_secs_f64(seconds.trunc()).unwrap_or(Duration::MAX));
    let exp = time("exp").ok_or(IdTokenFault::Expired(None))?;
    if now - exp >= skew {
        return Err(IdTokenFault::Expired(far(now - exp)));
    }
    let iat = time("iat").ok_or(IdTokenFault::TooEarly(None))?;
    if let Some(from) = [Some(iat), time("nbf")].into_iter().flatten().find(|at| at - now > skew) {
        return Err(IdTokenFault::TooEarly(far(from - now)));
    }
    if expected.nonce.is_some() && text("nonce") != expected.nonce {
        return Err(IdTokenFault::Nonce);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{IdTokenExpected, IdTokenFault::*, check_id_token};
    use crate::time::UnixTime;

    const MINUTE: Duration = Duration::from_secs(60);
    const MORE: Duration = Duration::from_secs(61);

    /// "It is not valid yet" was all that the log said where a clock was three hours off.
    #[test]
    fn clocks_that_differ_are_told_by_how_much() {
        let hours = Some(Duration::from_secs(3 * 3600));
        for (fault, expected) in [
            (Expired(hours), "it ended 3h0m0s ago by this machine's clock"),
            (TooEarly(hours), "it is from 3h0m0s after this machine's time"),
        ] {
            let said = fault.to_string();
            assert!(said.contains(expected) && said.contains("set the wrong clock"), "{said}");
        }
    }

    #[test]
    fn t19_claims_of_an_id_token() {
        let expected =
            IdTokenExpected { issuer: "https://idp.example", client_id: "usher", nonce: Some("n") };
        let good = json!({"iss": "https://idp.example", "aud": "usher", "exp": 1100, "iat": 1000, "nonce": "n"});
        for (change, fault, why) in [
            (json!({}), None, "as it should be"),
            (json!({"aud": ["usher"]}), None, "a list of one"),
            (json!({"aud": ["usher", "other"], "azp": "usher"}), None, "several, issued to us"),
            (json!({"azp": "usher"}), None, "issued to us"),
            (json!({"exp": 1000.5}), None, "a fraction"),
            (json!({"exp": 941}), None, "within the skew"),
            (json!({"iat": 1060}), None, "within the skew"),
            (json!({"iss": "https://idp.example/"}), Some(Issuer), "one slash more"),
            (json!({"iss": "https://evil.example"}), Some(Issuer), "another issuer"),
            (json!({"iss": null}), Some(Issuer), "no issuer"),
            (json!({"aud": "other"}), Some(Audience), "another client"),
            (json!({"aud": []}), Some(Audience), "nobody"),
            (json!({"aud": null}), Some(Audience), "nobody"),
            (json!({"aud": "usher2"}), Some(Audience), "a prefix is not enough"),
            (json!({"aud": ["usher", "other"]}), Some(AuthorizedParty), "several, issued to whom?"),
            (
                json!({"aud": ["usher", "other"], "azp": "other"}),
                Some(AuthorizedParty),
                "to another",
            ),
            (json!({"azp": "other"}), Some(AuthorizedParty), "issued to another"),
            (json!({"azp": 1}), Some(AuthorizedParty), "no text"),
            (json!({"exp": 940}), Some(Expired(Some(MINUTE))), "past the skew"),
            (json!({"exp": null}), Some(Expired(None)), "never expires"),
            (json!({"exp": "1100"}), Some(Expired(None)), "no number"),
            (json!({"iat": 1061}), Some(TooEarly(Some(MORE))), "from the future"),
            (json!({"iat": null}), Some(TooEarly(None)), "from no time"),
            (json!({"nbf": 1061}), Some(TooEarly(Some(MORE))), "not yet"),
            (json!({"nonce": "m"}), Some(Nonce), "another sign-in"),
            (json!({"nonce": null}), Some(Nonce), "no sign-in"),
        ] {
            let mut claims = good.as_object().unwrap().clone();
            for (name, value) in change.as_object().unwrap() {
                if value.is_null() {
                    claims.remove(name);
                } else {
                    claims.insert(name.clone(), value.clone());
                }
            }
            let got = check_id_token(&claims, &expected, UnixTime::from_seconds(1000));
            assert_eq!(got.err(), fault, "{why}");
        }
    }
}
