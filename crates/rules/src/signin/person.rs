use std::time::Duration;

use serde_json::{Map, Value};

use super::{address, doubts};
use crate::{
    people::{ABOUT_THE_TOKEN, AddressBy, Claims, Member, Person, Spelling, UNPROVEN},
    session::{Authentication, Means, SignIn},
    time::UnixTime,
    unproven::{Unproven, Why},
};

/// Why claims do not say who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsFault {
    /// No `sub`, an empty one, or one over 255 octets (OIDC Core §2).
    #[error("there is no usable `sub`")]
    NoSubject,
    /// The userinfo endpoint speaks of somebody else (OIDC Core §5.3.2).
    #[error("`sub` of userinfo is not that of the ID token")]
    OtherSubject,
    /// The account is of none of the domains that may sign in by this provider.
    #[error("the account is of no domain that `domains` or `hd` allows")]
    OtherDomain,
    /// The subject would be taken for somebody of a provider beside this one.
    #[error("`sub` begins with the name of another provider")]
    OfAnotherProvider,
}

/// Claims that userinfo can't replace: they were signed.
const SIGNED_ONLY: &[&str] = &["iss", "sub", "aud"];

/// Who somebody is, by a verified ID token and what the userinfo endpoint adds.
///
/// The id is `sub`, never `oid`: a generic provider lets its people choose other claims
/// (`pomerium-protocols.md` §11.4 T6). An address counts if it is one, and unless
/// `email_verified` says no in either document; a provider that says nothing is taken at its word,
/// since most self-hosted ones have one administrator and no such claim. What does not count is
/// kept in [`Person::unproven`], and in no claim, so that no allow meets it by another name and
/// every deny does.
///
/// # Errors
///
/// [`ClaimsFault`].
pub fn person_from_claims(
    id_token: &Map<String, Value>,
    userinfo: Option<&Map<String, Value>>,
) -> Result<Authentication, ClaimsFault> {
    let subject =
        text(id_token, "sub").filter(|sub| sub.len() <= 255).ok_or(ClaimsFault::NoSubject)?;
    if userinfo.is_some_and(|userinfo| text(userinfo, "sub") != Some(subject)) {
        return Err(ClaimsFault::OtherSubject);
    }
    let mut unproven = doubts::carried([userinfo, Some(id_token)]);
    let mut merged = id_token.clone();
    for (name, value) in userinfo.into_iter().flatten() {
        if SIGNED_ONLY.contains(&name.as_str()) {
            continue;
        }
        if let Some(signed) = merged.insert(name.clone(), value.clone())
            && signed != *value
        {
            doubts::replaced(&mut unproven, name, &signed);
        }
    }
    merged.retain(|name, _| !ABOUT_THE_TOKEN.contains(&name.as_str()) && name != UNPROVEN);
    let mail = merged.get("mail").cloned();
    doubts::unreadable(&mut unproven, &merged);

    let email = address::counting(id_token, userinfo, &mut unproven);
    for name in ["email", "mail", "email_verified"] {
        merged.remove(name);
    }
    if let Some(verified) = email.verified {
        merged.insert("email_verified".into(), verified.into());
    }
    if let Some(email) = email.text {
        merged.insert("email".into(), email.into());
        if let Some(mail) = mail.filter(|mail| mail.as_str() == Some(email)) {
            merged.insert("mail".into(), mail); // `claim/mail` asks for it under this name
        }
    }
    let person = Person {
        id: subject.into(),
        email: email.text.unwrap_or_default().into(),
        name: name(&merged).into(),
        claims: Claims::default(),
        directory_groups: None,
        unproven,
        spelling: Spelling::AsSaid,
    };
    // The signed one alone: what keeps somebody in or out is no place for userinfo.
    let at = id_token.get("auth_time").and_then(Value::as_f64); // a number, with or without a point
    let at = at.and_then(|at| Duration::try_from_secs_f64(at).ok()).map(|at| at.as_secs());
    let sign_in = SignIn { means: Means::Provider, at };
    Ok(Authentication { person, claims: Claims::from_json(&merged), sign_in })
}

fn name(claims: &Map<String, Value>) -> String {
    let given = [text(claims, "given_name"), text(claims, "family_name")];
    let joined = given.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let joined = Some(joined.as_str()).filter(|joined| !joined.is_empty());
    text(claims, "name")
        .or(joined)
        .or_else(|| text(claims, "preferred_username"))
        .unwrap_or_default()
        .into()
}

pub(super) fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Somebody who has just shown the built-in provider who they are.
pub fn member_signs_in(member: &Member, means: Means, now: UnixTime) -> Authentication {
    let sign_in = SignIn { means, at: Some(now.seconds()) };
    Authentication { person: member_as_person(member), claims: Claims::default(), sign_in }
}

/// Somebody whom the built-in provider knows, with the claims that another one would send.
pub fn member_as_person(member: &Member) -> Person {
    let mut claims = Claims::default();
    let own = |text: &str| vec![Value::from(text)];
    claims.set("sub", own(&member.id));
    let mut unproven = Unproven::default();
    let email = match member.address_by {
        AddressBy::Operator => {
            claims.set("email", own(&member.email));
            claims.set("email_verified", vec![Value::Bool(true)]);
            member.email.clone()
        }
        AddressBy::Themselves => {
            unproven.add("email", own(&member.email), Why::Chosen);
            Box::default()
        }
    };
    claims.set("groups", member.groups.iter().map(|group| Value::from(&**group)).collect());
    if !member.name.is_empty() {
        claims.set("name", own(&member.name));
    }
    Person {
        id: member.id.clone(),
        email,
        name: member.name.clone(),
        claims,
        directory_groups: Some(member.groups.iter().map(|group| (&**group).into()).collect()),
        unproven,
        spelling: Spelling::Kept,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Authentication, ClaimsFault, person_from_claims};

    fn of(id_token: serde_json::Value, userinfo: serde_json::Value) -> Result<String, ClaimsFault> {
        let Authentication { person, claims, .. } =
            person_from_claims(id_token.as_object().unwrap(), userinfo.as_object())?;
        let claim = claims.text("email").unwrap_or("-");
        Ok(format!("{}|{}|{}|{claim}", person.id, person.email, person.name))
    }

    #[test]
    fn t19_addresses_count_unless_said_otherwise() {
        let none = json!(null);
        for (id_token, userinfo, expected, why) in [
            (json!({"sub": "1", "email": "a@x"}), none.clone(), "1|a@x||a@x", "nothing said"),
            (
                json!({"sub": "1", "email": "a@x", "email_verified": true}),
                none.clone(),
                "1|a@x||a@x",
                "verified",
            ),
            (
                json!({"sub": "1", "email": "a@x", "email_verified": "True"}),
                none.clone(),
                "1|a@x||a@x",
                "Cognito",
            ),
            (
                json!({"sub": "1", "email": "a@x", "email_verified": false}),
                none.clone(),
                "1|||-",
                "not verified",
            ),
            (
                json!({"sub": "1", "email": "a@x", "email_verified": "false"}),
                none.clone(),
                "1|||-",
                "in text",
            ),
            (
                json!({"sub": "1", "email": "a@x", "email_verified": 1}),
                none.clone(),
                "1|a@x||a@x",
                "a number",
            ),
            (
                json!({"sub": "1", "email": "a@x", "email_verified": []}),
                none.clone(),
                "1|||-",
                "unreadable",
            ),
            (
                json!({"sub": "1", "email": "a@x", "email_verified": false}),
                json!({"sub": "1", "email": "a@x"}),
                "1|||-",
                "what is repeated without the flag is the same address",
            ),
            (
                json!({"sub": "1", "email": "a@x"}),
                json!({"sub": "1", "email": "A@x", "email_verified": false}),
                "1|||-",
                "in the other document, in capitals",
            ),
            (json!({"sub": "1", "email": "a@x@y"}), none.clone(), "1|||-", "two domains are none"),
            (json!({"sub": "1", "email": ["a@x"]}), none.clone(), "1|||-", "a list"),
            (json!({"sub": "1", "mail": "a@x"}), none.clone(), "1|a@x||a@x", "Ping"),
            (
                json!({"sub": "1", "mail": "a@x", "email_verified": false}),
                none.clone(),
                "1|||-",
                "by no other name",
            ),
            (
                json!({"sub": "1", "email": "a@x", "email_verified": true}),
                json!({"sub": "1", "email": "b@x", "email_verified": false}),
                "1|||-",
                "the flag of one document says nothing about the other's address",
            ),
            (
                json!({"sub": "1"}),
                json!({"sub": "1", "email": "b@x"}),
                "1|b@x||b@x",
                "userinfo adds",
            ),
        ] {
            assert_eq!(of(id_token, userinfo).as_deref(), Ok(expected), "{why}");
        }
    }

    #[test]
    fn t6_t19_the_subject_is_the_signed_one() {
        let none = json!(null);
        for (id_token, userinfo, expected, why) in [
            (
                json!({"sub": "1", "oid": "2"}),
                none.clone(),
                Ok("1|||-"),
                "an `oid` makes nobody else",
            ),
            (
                json!({"sub": "1"}),
                json!({"sub": "1", "oid": "2"}),
                Ok("1|||-"),
                "nor from userinfo",
            ),
            (
                json!({"sub": "1"}),
                json!({"sub": "2"}),
                Err(ClaimsFault::OtherSubject),
                "somebody else",
            ),
            (
                json!({"sub": "1"}),
                json!({"email": "a@x"}),
                Err(ClaimsFault::OtherSubject),
                "nobody",
            ),
            (json!({"sub": ""}), none.clone(), Err(ClaimsFault::NoSubject), "empty"),
            (json!({"sub": 1}), none.clone(), Err(ClaimsFault::NoSubject), "a number"),
            (
                json!({"sub": "x".repeat(256)}),
                none.clone(),
                Err(ClaimsFault::NoSubject),
                "too long",
            ),
        ] {
            assert_eq!(of(id_token, userinfo), expected.map(String::from), "{why}");
        }
    }

    #[test]
    fn names_and_what_is_kept() {
        for (claims, name) in [
            (json!({"sub": "1", "name": "Ann", "preferred_username": "a"}), "Ann"),
            (json!({"sub": "1", "given_name": "Ann", "family_name": "Bee"}), "Ann Bee"),
            (json!({"sub": "1", "preferred_username": "a"}), "a"),
            (json!({"sub": "1"}), ""),
        ] {
            let authentication = person_from_claims(claims.as_object().unwrap(), None).unwrap();
            assert_eq!(&*authentication.person.name, name);
        }
        let id_token =
            json!({"sub": "1", "iss": "i", "aud": "c", "nonce": "n", "exp": 1, "groups": ["g"]});
        let userinfo = json!({"sub": "1", "iss": "evil", "groups": ["h"], "nonce": "m"});
        let authentication =
            person_from_claims(id_token.as_object().unwrap(), userinfo.as_object()).unwrap();
        let kept: Vec<_> = authentication
            .claims
            .iter()
            .map(|(name, values)| format!("{name}={values:?}"))
            .collect();
        let text = |text: &str| format!("[String({text:?})]");
        let expected = [("aud", "c"), ("groups", "h"), ("iss", "i"), ("sub", "1")];
        assert_eq!(kept, expected.map(|(name, value)| format!("{name}={}", text(value))));
    }
}
