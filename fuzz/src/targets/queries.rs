//! What comes in queries, cookies and tokens: nobody but us can have made what is taken.

use std::{sync::LazyLock, time::Duration};

use serde_json::Value;
use usher_rules::{
    mcp::Message,
    names::is_mailbox,
    openid::{Asked, AuthorizationRequest, NotAuthorized, RefreshToken, authenticate},
    plan::{ClientSecret, OpenIdClient, RedirectUri, Scopes},
    policy::Policy,
    secret::Secret,
    session::Keys,
    signin::{
        AuthorizationResponse, Params, ProgramRedirect,
        hosted::{HostedKey, Profile, PublicKey, SealedForm, Unsealed, unmark},
        person_from_claims, verify_url,
    },
    time::UnixTime,
};

use super::text;

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    Keys::derive(&Secret::new([7; 32]), &Secret::new([9; 32])).expect("32 octets each")
});
static HOSTED: LazyLock<HostedKey> = LazyLock::new(|| HostedKey::derive(&Secret::new([7; 32])));

fn now() -> UnixTime {
    UnixTime::from_seconds(1_700_000_000)
}

pub fn query(input: &[u8]) {
    let Some(given) = text(input) else { return };
    let _ = Params::parse(given);
    let base = "https://auth.example/.pomerium/sign_in";
    let verified = verify_url(&KEYS, base, given, now(), Duration::ZERO);
    assert!(verified.is_err(), "nobody signed this: {given}");
    let _ = unmark(given);
}

pub fn callback(input: &[u8]) {
    let Some(given) = text(input) else { return };
    let response = AuthorizationResponse::read(given);
    let times = |name: &str| given.split('&').filter(|pair| pair.starts_with(name)).count();
    if times("code=") > 1 || times("state=") > 1 {
        assert!(response.code.is_none() && response.state.is_empty(), "RFC 6749 §3.1: {given}");
    }
}

static APPS: LazyLock<Vec<OpenIdClient>> = LazyLock::new(|| {
    let uris = ["https://app.example/cb", "http://127.0.0.1/cb", "com.example.app:/cb"];
    let redirect_uris = uris.map(|uri| RedirectUri::parse(uri).expect("an address")).to_vec();
    vec![OpenIdClient {
        id: "app".into(),
        secret: Some(ClientSecret::of(b"a secret that nobody guesses")),
        redirect_uris,
        post_logout_redirect_uris: vec!["https://app.example/bye".into()],
        logout: None,
        scopes: Scopes::parse("openid email"),
        policy: Policy::deny_all(),
    }]
});

/// An app's request, and what it says to the token endpoint.
pub fn authorize(input: &[u8]) {
    let Some(given) = text(input) else { return };
    let told = match AuthorizationRequest::read(&APPS, given) {
        Ok(request) => {
            assert_eq!(request.challenge.len(), 43, "PKCE: {given}");
            Some(request.redirect_uri)
        }
        Err(NotAuthorized::Told { redirect_uri, .. }) => Some(redirect_uri),
        Err(NotAuthorized::Here(_)) => None,
    };
    let ours = ["https://app.example/cb", "http://127.0.0.1", "com.example.app:/cb"];
    if let Some(uri) = told {
        assert!(ours.iter().any(|one| uri.starts_with(one)) && uri.ends_with("/cb"), "{uri}");
    }
    if let Ok(form) = Params::parse(given) {
        let _ = Asked::read(&form);
        let known = authenticate(&APPS, Some(given), &form).or_else(|_| authenticate(&APPS, None, &form));
        let has_secret = form.text("client_secret") == Some("a secret that nobody guesses");
        assert!(known.is_err() || has_secret, "nobody knows the secret: {given}");
    }
    assert!(RefreshToken::open(&KEYS, given).is_none(), "nobody sealed this: {given}");
    if let Some(client) = APPS.first().filter(|client| client.is_left_for(given)) {
        assert!(given.starts_with("https://app.example/bye"), "{client:?} {given}");
    }
}

pub fn sealed(input: &[u8]) {
    let Some(given) = text(input) else { return };
    if let Ok(unsealed) = SealedForm::unseal(given, &HOSTED) {
        let _ = unsealed.read(Unsealed::OF_ANYBODY);
    }
    let _ = PublicKey::parse(given).map(|key| key.takes_seals());
    let _ = Profile::parse(given);
}

pub fn handle(input: &[u8]) {
    let Some(given) = text(input) else { return };
    assert!(KEYS.verify_handle(given, now()).is_err(), "nobody signed this: {given}");
}

pub fn claims(input: &[u8]) {
    let Ok(Value::Object(claims)) = serde_json::from_slice(input) else { return };
    let Ok(told) = person_from_claims(&claims, None) else { return };
    let person = told.person;
    assert!(!person.id.is_empty());
    assert!(person.email.is_empty() || is_mailbox(&person.email), "{}", person.email);
    if claims.get("email_verified").is_some_and(|verified| !matches!(verified, Value::Bool(true)))
        && claims.get("email_verified") != Some(&Value::from("true"))
    {
        assert!(person.email.is_empty(), "an address that nobody vouches for: {claims:?}");
    }
}

pub fn program(input: &[u8]) {
    let Some(given) = text(input) else { return };
    if let Ok(redirect) = ProgramRedirect::parse(&["localhost".into()], given) {
        let url = redirect.as_str();
        let host = url.split_once("://").expect("it has a scheme").1;
        assert!(
            ["localhost", "127.", "[::1]"].iter().any(|own| host.starts_with(own)),
            "a program listens on this machine: {url}"
        );
    }
}

/// A call that another reader finds is found here, by its name, or the message is none.
pub fn message(input: &[u8]) {
    let read = Message::read(input);
    let Ok(other) = serde_json::from_slice::<Value>(input) else {
        assert!(read.unreadable().is_some(), "another reader finds no JSON in it");
        return;
    };
    if other["method"] == "tools/call" && read.unreadable().is_none() {
        let name = other["params"]["name"].as_str().unwrap_or_default();
        assert_eq!(read.tool(), Some(name), "{other}");
    } else {
        assert_eq!(read.tool(), None, "{other}");
    }
}
