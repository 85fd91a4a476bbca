use std::time::Duration;

use serde_json::{Map, Value};

use crate::time::UnixTime;

/// How far a provider's clock may be off.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// What an ID token has to say to be the one that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct IdTokenExpected<'a> {
    /// The configured issuer, octet for octet.
    pub issuer: &'a str,
    /// Our client id.
    pub client_id: &'a str,
    /// The nonce of this sign-in.
    pub nonce: &'a str,
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
    /// Step 9.
    #[error("`exp`: it has expired, or does not say when")]
    Expired,
    /// `nbf`, or `iat` in the future.
    #[error("`iat` or `nbf`: it is not valid yet")]
    TooEarly,
    /// Step 11.
    #[error("`nonce`: it is for another sign-in")]
    Nonce,
}

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
    let (soonest, latest) =
        (now.minus(CLOCK_SKEW).seconds() as f64, now.plus(CLOCK_SKEW).seconds() as f64);
    if time("exp").is_none_or(|exp| soonest >= exp) {
        return Err(IdTokenFault::Expired);
    }
    let in_future = |name| time(name).is_some_and(|at| at > latest);
    if time("iat").is_none() || in_future("iat") || in_future("nbf") {
        return Err(IdTokenFault::TooEarly);
    }
    if text("nonce") != Some(expected.nonce) {
        return Err(IdTokenFault::Nonce);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{IdTokenExpected, IdTokenFault::*, check_id_token};
    use crate::time::UnixTime;

    #[test]
    fn t19_claims_of_an_id_token() {
        let expected =
            IdTokenExpected { issuer: "https://idp.example", client_id: "usher", nonce: "n" };
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
            (json!({"exp": 940}), Some(Expired), "past the skew"),
            (json!({"exp": null}), Some(Expired), "never expires"),
            (json!({"exp": "1100"}), Some(Expired), "no number"),
            (json!({"iat": 1061}), Some(TooEarly), "from the future"),
            (json!({"iat": null}), Some(TooEarly), "from no time"),
            (json!({"nbf": 1061}), Some(TooEarly), "not yet"),
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
