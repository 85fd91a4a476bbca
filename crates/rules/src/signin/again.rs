//! A provider that is asked again says who somebody is now (OIDC Core §12).

use serde_json::{Map, Value};

use super::{ClaimsFault, IdTokenExpected, IdTokenFault, check_id_token, somebody_at};
use crate::{
    plan::OidcProvider,
    session::{Authentication, SignedIn},
    time::UnixTime,
};

/// Why what a provider says when it is asked again does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAgain {
    /// The new ID token is not good.
    #[error("the new ID token is not good: {0}")]
    IdToken(#[from] IdTokenFault),
    /// The claims don't say who it is.
    #[error(transparent)]
    Claims(#[from] ClaimsFault),
    /// They are about somebody else (OIDC Core §12.2).
    #[error("the provider speaks of another person than at sign-in")]
    OtherPerson,
}

/// What a provider that is asked again sends.
#[derive(Clone, Copy, Debug)]
pub struct SaidAgain<'a> {
    /// The claims of a new ID token, whose signature holds; a refresh need not bring one.
    pub id_token: Option<&'a Map<String, Value>>,
    /// Those of the one before.
    pub before: &'a Map<String, Value>,
    /// What the userinfo endpoint says.
    pub userinfo: Option<&'a Map<String, Value>>,
}

/// The same sign-in, with what the provider says of its person now in place of what it said then.
/// When and how they signed in stays as it was: nobody has signed in again.
///
/// # Errors
///
/// [`NotAgain`].
pub fn said_again(
    signed_in: &SignedIn,
    said: SaidAgain<'_>,
    provider: &OidcProvider,
    now: UnixTime,
) -> Result<SignedIn, NotAgain> {
    // Who signs nothing was asked by us, over TLS.
    if let Some(claims) = said.id_token.filter(|_| provider.kind.speaks_openid()) {
        let issuer = provider.issuer_of(claims).ok_or(IdTokenFault::Issuer)?;
        // It is of no sign-in (OIDC Core §12.2), and so of no nonce.
        let client_id = &provider.client_id;
        check_id_token(claims, &IdTokenExpected { issuer: &issuer, client_id, nonce: None }, now)?;
    }
    let id_token = said.id_token.unwrap_or(said.before);
    let Authentication { person, claims, .. } = somebody_at(provider, id_token, said.userinfo)?;
    if person.id != signed_in.person.id {
        return Err(NotAgain::OtherPerson);
    }
    let mut session = signed_in.session.clone();
    (session.claims, session.vouched_at) = (claims, now.seconds());
    Ok(SignedIn { session, person: person.into() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Map, Value, json};

    use super::{NotAgain, SaidAgain, said_again};
    use crate::{
        plan::{OidcProvider, ProviderKind, Subjects},
        session::{SessionId, SignedIn},
        signin::{ClaimsFault, IdTokenFault, person_from_claims},
        time::UnixTime,
    };

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn then(claims: &Map<String, Value>) -> SignedIn {
        let [from, to] = [100, 9000].map(UnixTime::from_seconds);
        let authentication = person_from_claims(claims, None).unwrap();
        authentication.begin(SessionId::from_random([1; 16]), "x", from, to)
    }

    fn groups_of(who: &SignedIn) -> String {
        json!(who.claim("groups")).to_string()
    }

    #[test]
    fn what_a_provider_says_now_replaces_what_it_said_then() {
        let provider = OidcProvider {
            issuer: "https://id.example".into(),
            client_id: "usher".into(),
            client_secret: None,
            secret_key: None,
            scopes: Vec::new(),
            request_params: Vec::new(),
            kind: ProviderKind::Oidc,
            subjects: Subjects::default(),
            domains: Arc::default(),
            id: "x".into(),
        };
        let at = UnixTime::from_seconds(1000);
        let before = map(json!({"sub": "ann", "groups": ["family"], "auth_time": 50}));
        let ann = then(&before);
        let new = |more: Value| {
            let mut claims = map(json!({
                "iss": "https://id.example", "aud": "usher", "sub": "ann", "iat": 990, "exp": 1300,
            }));
            claims.extend(map(more));
            claims
        };
        let said = |id_token: Option<&Map<String, Value>>,
                    userinfo: Option<&Map<String, Value>>| {
            said_again(&ann, SaidAgain { id_token, before: &before, userinfo }, &provider, at)
        };
        for (id_token, userinfo, expected, why) in [
            (None, None, r#"["family"]"#, "nothing new"),
            (Some(new(json!({"groups": []}))), None, "[]", "taken away in the token"),
            (Some(new(json!({}))), None, "[]", "left out of the token"),
            (None, Some(json!({"sub": "ann", "groups": ["kids"]})), r#"["kids"]"#, "in userinfo"),
            (
                Some(new(json!({"groups": ["family"]}))),
                Some(json!({"sub": "ann", "groups": []})),
                "[]",
                "userinfo speaks last",
            ),
        ] {
            let userinfo = userinfo.map(map);
            let now = said(id_token.as_ref(), userinfo.as_ref()).unwrap();
            assert_eq!(groups_of(&now), expected, "{why}");
            assert_eq!(now.session.sign_in, ann.session.sign_in, "nobody has signed in again");
            assert_eq!(now.session.expires_at, ann.session.expires_at, "and it lasts no longer");
            assert_eq!(now.session.vouched_at, 1000);
        }
        let other = map(json!({"sub": "eve"}));
        for (id_token, userinfo, expected) in [
            (Some(new(json!({"sub": "eve"}))), None, NotAgain::OtherPerson),
            (None, Some(&other), NotAgain::Claims(ClaimsFault::OtherSubject)),
            (Some(new(json!({"aud": "x"}))), None, NotAgain::IdToken(IdTokenFault::Audience)),
            (Some(new(json!({"iss": "x"}))), None, NotAgain::IdToken(IdTokenFault::Issuer)),
        ] {
            assert_eq!(said(id_token.as_ref(), userinfo).err(), Some(expected));
        }
    }
}
