use std::time::Duration;

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::Logout;
use crate::{
    plan::{BUILTIN, LogoutNames, Scope, Scopes},
    session::{Means, SessionId, SignedIn},
    time::UnixTime,
};

/// How long an ID token counts: it is read when it comes.
const ID_TOKEN_LIFETIME: Duration = Duration::from_secs(300);

/// How long a logout token counts: clocks differ, and it is said anew with each try.
const LOGOUT_TOKEN_LIFETIME: Duration = Duration::from_secs(120);

/// The member of `events` that makes a token one for logging out.
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Longest `sub` that an app has to take (OIDC Core §2).
const LONGEST_SUBJECT: usize = 255;

/// What an ID token is for.
#[derive(Clone, Copy, Debug)]
pub struct IdToken<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// `aud`: the client that asked, and nobody else.
    pub client: &'a str,
    /// What it may be told.
    pub scopes: Scopes,
    /// Its `nonce`, on the answer to a code alone.
    pub nonce: Option<&'a str>,
    /// The access token beside it, for `at_hash`.
    pub access_token: &'a str,
}

/// The claims of an ID token (OIDC Core §2, §3.1.3.6). What its scopes tell is in it, too: many apps
/// ask no further.
pub fn id_token(token: IdToken<'_>, who: &SignedIn, now: UnixTime) -> Value {
    let IdToken { issuer, client, scopes, nonce, access_token } = token;
    let mut claims = told(who, scopes);
    let fixed = json!({
        "iss": issuer,
        "aud": client,
        "azp": client,
        "sub": subject(who),
        "sid": session_id(&who.session.id, client),
        "iat": now.seconds(),
        "exp": now.plus(ID_TOKEN_LIFETIME).seconds(),
        "at_hash": left_half(access_token),
    });
    claims.extend(fixed.as_object().cloned().unwrap_or_default());
    let mut put = |name: &str, value: Option<Value>| {
        claims.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("nonce", nonce.map(Value::from));
    put("auth_time", who.session.sign_in.at.map(Value::from));
    put("amr", means(who));
    Value::Object(claims)
}

/// The claims of a logout token (Back-Channel Logout 1.0 §2.4), with an id that no other one has.
pub fn logout_token(
    (issuer, names): (&str, LogoutNames),
    logout: &Logout,
    id: [u8; 16],
    now: UnixTime,
) -> Value {
    let Logout { client, session, person, .. } = logout;
    let sid = (names == LogoutNames::Session).then(|| session_id(session, client));
    let fixed = json!({
        "iss": issuer,
        "aud": client,
        "sub": subject_of(person),
        "iat": now.seconds(),
        "exp": now.plus(LOGOUT_TOKEN_LIFETIME).seconds(),
        "jti": BASE64_URL_SAFE_NO_PAD.encode(id),
        "events": {LOGOUT_EVENT: {}},
    });
    let mut claims = fixed.as_object().cloned().unwrap_or_default();
    claims.extend(sid.map(|sid| ("sid".to_owned(), sid.into())));
    Value::Object(claims)
}

/// What the userinfo endpoint says (OIDC Core §5.3.2): as it is now.
pub fn userinfo(who: &SignedIn, scopes: Scopes) -> Value {
    let mut claims = told(who, scopes);
    claims.insert("sub".into(), subject(who).into());
    Value::Object(claims)
}

/// `sub`: the same for every app and sign-in, whatever becomes of address and name.
pub fn subject(who: &SignedIn) -> String {
    subject_of(&who.person.id)
}

fn subject_of(id: &str) -> String {
    match id.is_ascii() && id.len() <= LONGEST_SUBJECT {
        true => id.to_owned(),
        false => BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, id.as_bytes())),
    }
}

/// `sid`: names a session to one client, and is worth nothing anywhere else.
pub fn session_id(session: &SessionId, client: &str) -> String {
    let text = format!("usher sid\0{}\0{client}", session.as_str());
    left_half(&text)
}

/// BASE64URL of the left half of SHA-256 (OIDC Core §3.1.3.6).
fn left_half(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(digest.as_ref().get(..16).unwrap_or_default())
}

/// The claims of scopes (OIDC Core §5.4).
fn told(who: &SignedIn, scopes: Scopes) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut put = |name: &str, text: &str| {
        if !text.is_empty() {
            claims.insert(name.into(), text.into());
        }
    };
    let person = &who.person;
    if scopes.has(Scope::Profile) {
        let said = |name| who.claim_at_sign_in(name).first().and_then(Value::as_str);
        put("name", said("name").filter(|name| !name.is_empty()).unwrap_or(&person.name));
        let or_address = if person.email.is_empty() { &person.id } else { &person.email };
        put("preferred_username", said("preferred_username").unwrap_or(or_address));
    }
    if scopes.has(Scope::Email) {
        put("email", &person.email);
        if !person.email.is_empty() {
            claims.insert("email_verified".into(), is_verified(who).into());
        }
    }
    if scopes.has(Scope::Groups) {
        claims.insert("groups".into(), Value::Array(who.groups()));
    }
    claims
}

/// Apps join accounts by address: one that somebody may have chosen must not open another's.
fn is_verified(who: &SignedIn) -> bool {
    let doubted = who.person.unproven.iter().any(|doubted| &*doubted.claim == "email");
    let said = who.claim("email_verified").first();
    let vouched = match said {
        Some(Value::Bool(is)) => *is,
        Some(Value::String(text)) => text == "true",
        Some(_) => false,
        None => &*who.session.idp_id == BUILTIN, // an operator wrote it
    };
    vouched && !doubted
}

/// How they showed who they are (RFC 8176). A provider's own word goes on.
fn means(who: &SignedIn) -> Option<Value> {
    match who.session.sign_in.means {
        Means::Password => Some(json!(["pwd"])),
        Means::Passkey => Some(json!(["pop", "user", "mfa"])),
        Means::Provider | Means::Service => {
            let said = who.claim_at_sign_in("amr");
            (!said.is_empty()).then(|| Value::Array(said.to_vec()))
        }
        Means::Unrecorded | Means::ServiceAccount | Means::AppPassword => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{IdToken, id_token, logout_token, session_id, subject, userinfo};
    use crate::{
        openid::Logout,
        plan::{LogoutNames, Scopes},
        session::{SessionId, SignedIn},
        signin::{check_logout_token, person_from_claims},
        time::UnixTime,
    };

    fn who(claims: &Value) -> SignedIn {
        let told = person_from_claims(claims.as_object().unwrap(), None).unwrap();
        let [from, to] = [1, 2].map(UnixTime::from_seconds);
        told.begin(SessionId::from_random([1; 16]), "somebody", from, to)
    }

    fn scopes(text: &str) -> Scopes {
        Scopes::parse(text)
    }

    /// The vector of OIDC Core's appendix A.4: `jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y`.
    #[test]
    fn an_id_token_is_for_one_client_and_one_request() {
        let ann = who(&json!({"sub": "ann", "email": "a@x.example", "email_verified": true,
            "auth_time": 7, "amr": ["otp"], "groups": ["family"]}));
        let token = IdToken {
            issuer: "https://login.example",
            client: "photos",
            scopes: scopes("openid email"),
            nonce: Some("n"),
            access_token: "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
        };
        let claims = id_token(token, &ann, UnixTime::from_seconds(100));
        for (name, expected) in [
            ("iss", json!("https://login.example")),
            ("aud", json!("photos")),
            ("sub", json!("ann")),
            ("nonce", json!("n")),
            ("iat", json!(100)),
            ("exp", json!(400)),
            ("auth_time", json!(7)),
            ("amr", json!(["otp"])),
            ("at_hash", json!("77QmUPtjPfzWtF2AnpK9RQ")),
            ("email", json!("a@x.example")),
            ("email_verified", json!(true)),
            ("groups", Value::Null),
            ("name", Value::Null),
        ] {
            assert_eq!(claims[name], expected, "{name}");
        }
        let other = session_id(&ann.session.id, "phone");
        assert_ne!(claims["sid"], json!(other), "apps can't tell each other who it is");
    }

    /// What a relying party checks, by our own reader of such tokens; and that its names are those
    /// of the ID token before.
    #[test]
    fn a_logout_token_names_whom_the_id_token_named() {
        let mut ann = who(&json!({"sub": "ann"}));
        let logout = Logout {
            id: 1,
            client: "photos".into(),
            session: ann.session.id.clone(),
            person: ann.person.id.clone(),
        };
        let now = UnixTime::from_seconds(100);
        let say = |names| logout_token(("https://login.example", names), &logout, [7; 16], now);
        let token = say(LogoutNames::Session);
        assert_eq!(say(LogoutNames::Person)["sid"], Value::Null);
        let before = IdToken {
            issuer: "https://login.example",
            client: "photos",
            scopes: scopes("openid"),
            nonce: None,
            access_token: "",
        };
        let before = id_token(before, &ann, now);
        assert_eq!((&token["sub"], &token["sid"]), (&before["sub"], &before["sid"]));
        assert_eq!((&token["exp"], &token["nonce"]), (&json!(220), &Value::Null));
        let header = json!({"typ": "logout+jwt"});
        let [header, claims] = [&header, &token].map(|value| value.as_object().unwrap());
        let expected = ("https://login.example", "photos");
        let read = check_logout_token(header, claims, expected, now).unwrap();
        ann.session.provider_session = before["sid"].as_str().map(Into::into);
        assert!(read.ends(&ann));
        assert!(
            check_logout_token(header, claims, ("https://login.example", "phone"), now).is_err()
        );
    }

    #[test]
    fn an_address_that_nobody_vouches_for_is_not_verified() {
        for (claims, expected) in [
            (json!({"sub": "1", "email": "a@x.example", "email_verified": true}), json!(true)),
            (json!({"sub": "1", "email": "a@x.example", "email_verified": "true"}), json!(true)),
            (json!({"sub": "1", "email": "a@x.example"}), json!(false)),
            (json!({"sub": "1", "email": "a@x.example", "email_verified": false}), Value::Null),
            (json!({"sub": "1"}), Value::Null),
        ] {
            let told = userinfo(&who(&claims), scopes("openid email"));
            assert_eq!(told["email_verified"], expected, "{claims}");
        }
    }

    #[test]
    fn a_subject_is_short_and_stays_the_same() {
        let long = "é".repeat(100);
        let one = who(&json!({"sub": long, "name": "a"}));
        let other = who(&json!({"sub": long, "name": "b"}));
        assert_eq!(subject(&one), subject(&other));
        assert_eq!(subject(&one).len(), 43);
        assert_eq!(userinfo(&one, scopes("openid")), json!({"sub": subject(&one)}));
    }
}
