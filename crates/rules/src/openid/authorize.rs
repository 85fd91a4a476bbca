use crate::{
    plan::{OpenIdClient, Scope, Scopes},
    signin::{Params, ParamsError},
};

/// What an app asks for, read whole (OIDC Core §3.1.2.1, RFC 7636 §4.3).
#[derive(Debug)]
pub struct AuthorizationRequest<'a> {
    /// Who asks.
    pub client: &'a OpenIdClient,
    /// Where the answer goes: one that the client registered.
    pub redirect_uri: Box<str>,
    /// What it gets of what it asks for.
    pub scopes: Scopes,
    /// `state`, which comes back.
    pub state: Option<Box<str>>,
    /// `nonce`, which comes back in the ID token.
    pub nonce: Option<Box<str>>,
    /// `code_challenge` of the method S256.
    pub challenge: Box<str>,
    /// Whom it wants asked.
    pub prompts: Prompts,
    /// The oldest sign-in that does, in seconds.
    pub max_age: Option<u64>,
}

/// `prompt` (OIDC Core §3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompts {
    /// Whoever is not known is asked.
    IfNeeded,
    /// Nobody is.
    None,
    /// Everybody is.
    Login,
}

/// Why a request is not answered with a code.
#[derive(Debug, PartialEq, Eq)]
pub enum NotAuthorized {
    /// The browser goes nowhere: nobody knows whether the address is the app's (RFC 6749 §4.1.2.1).
    Here(ShownHere),
    /// The app is told.
    Told {
        /// Where: one that the client registered.
        redirect_uri: Box<str>,
        /// Its `state`.
        state: Option<Box<str>>,
        /// What.
        error: AuthorizeError,
    },
}

/// What is shown to the person, since the app can't be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShownHere {
    /// The query can't be read in one way only.
    #[error("the request can't be read: {0}")]
    Params(#[from] ParamsError),
    /// No client of ours.
    #[error("`client_id` names no client of `openid_clients`")]
    Client,
    /// Not an address that it registered.
    #[error("`redirect_uri` is none of the client's `redirect_uris`")]
    RedirectUri,
}

/// What an app is told (RFC 6749 §4.1.2.1, OIDC Core §3.1.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizeError {
    /// `response_type` is missing.
    #[error("`response_type` is missing")]
    NoResponseType,
    /// Anything but `code`.
    #[error("`response_type` is not `code`")]
    ResponseType,
    /// Anything but `query`.
    #[error("`response_mode` is not `query`")]
    ResponseMode,
    /// OIDC Core §6.1.
    #[error("request objects are not taken")]
    Request,
    /// OIDC Core §6.2.
    #[error("request objects are not taken")]
    RequestUri,
    /// OIDC Core §7.2.1.
    #[error("clients do not register themselves")]
    Registration,
    /// `openid` is not among the scopes.
    #[error("`scope` has no `openid`")]
    Scope,
    /// RFC 9700 §2.1.1: without it a stolen code is good for whoever stole it.
    #[error("PKCE is needed: `code_challenge` with `code_challenge_method=S256`")]
    Challenge,
    /// `prompt` contradicts itself, or `max_age` is no number.
    #[error("`prompt` or `max_age` can't be read")]
    Prompt,
    /// Longer than what comes back in a token.
    #[error("`nonce` is too long")]
    Nonce,
    /// Nobody is known, and nobody may be asked.
    #[error("nobody is signed in")]
    LoginRequired,
    /// The client's policy.
    #[error("the policy of this client does not let them in")]
    Denied,
    /// The store or the keys fail.
    #[error("usher can't answer now")]
    NotNow,
}

impl AuthorizeError {
    /// The word for the app.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ResponseType => "unsupported_response_type",
            Self::Request => "request_not_supported",
            Self::RequestUri => "request_uri_not_supported",
            Self::Registration => "registration_not_supported",
            Self::Scope => "invalid_scope",
            Self::LoginRequired => "login_required",
            Self::Denied => "access_denied",
            Self::NotNow => "temporarily_unavailable",
            Self::NoResponseType
            | Self::ResponseMode
            | Self::Challenge
            | Self::Prompt
            | Self::Nonce => "invalid_request",
        }
    }
}

/// Longest `nonce`, in octets.
const LONGEST_NONCE: usize = 512;

/// The client of that id.
pub fn client_of<'a>(clients: &'a [OpenIdClient], id: &str) -> Option<&'a OpenIdClient> {
    clients.iter().find(|client| *client.id == *id)
}

impl<'a> AuthorizationRequest<'a> {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// [`NotAuthorized`]: told to the app only once it is known that the address is its own.
    pub fn read(clients: &'a [OpenIdClient], query: &str) -> Result<Self, NotAuthorized> {
        let here = |fault| NotAuthorized::Here(fault);
        let params = Params::parse(query).map_err(|error| here(error.into()))?;
        let id = params.text("client_id").unwrap_or_default();
        let client = client_of(clients, id).ok_or(here(ShownHere::Client))?;
        let uri = params.text("redirect_uri").unwrap_or_default();
        if !client.redirect_uris.iter().any(|registered| registered.takes(uri)) {
            return Err(here(ShownHere::RedirectUri));
        }
        Self::of(client, &params).map_err(|error| NotAuthorized::Told {
            redirect_uri: uri.into(),
            state: params.text("state").map(Into::into),
            error,
        })
    }

    fn of(client: &'a OpenIdClient, params: &Params) -> Result<Self, AuthorizeError> {
        let text = |name| params.text(name).filter(|text| !text.is_empty());
        for (name, error) in [
            ("request", AuthorizeError::Request),
            ("request_uri", AuthorizeError::RequestUri),
            ("registration", AuthorizeError::Registration),
        ] {
            text(name).map_or(Ok(()), |_| Err(error))?;
        }
        match text("response_type") {
            Some("code") => {}
            Some(_) => return Err(AuthorizeError::ResponseType),
            None => return Err(AuthorizeError::NoResponseType),
        }
        if text("response_mode").is_some_and(|mode| mode != "query") {
            return Err(AuthorizeError::ResponseMode);
        }
        let asked = Scopes::parse(text("scope").unwrap_or_default());
        if !asked.has(Scope::OpenId) {
            return Err(AuthorizeError::Scope);
        }
        let nonce = text("nonce");
        if nonce.is_some_and(|nonce| nonce.len() > LONGEST_NONCE) {
            return Err(AuthorizeError::Nonce);
        }
        let max_age = text("max_age").map(str::parse).transpose();
        Ok(Self {
            client,
            redirect_uri: text("redirect_uri").unwrap_or_default().into(),
            scopes: asked.within(client.scopes),
            state: params.text("state").map(Into::into),
            nonce: nonce.map(Into::into),
            challenge: challenge(params)?.into(),
            prompts: prompts(text("prompt").unwrap_or_default())?,
            max_age: max_age.map_err(|_| AuthorizeError::Prompt)?,
        })
    }
}

/// The method has to be said: where it is missing it would be `plain` (RFC 7636 §4.3), which hides
/// nothing from who reads the request.
fn challenge(params: &Params) -> Result<&str, AuthorizeError> {
    let is_s256 = params.text("code_challenge_method") == Some("S256");
    let base64 = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    let challenge = params.text("code_challenge").filter(|_| is_s256);
    let challenge = challenge.filter(|text| text.len() == 43 && text.bytes().all(base64));
    challenge.ok_or(AuthorizeError::Challenge)
}

/// `consent` needs no page: who wrote the config agreed. Other words are let be.
fn prompts(text: &str) -> Result<Prompts, AuthorizeError> {
    let has = |word| text.split(' ').any(|one| one == word);
    match (has("none"), has("login") || has("select_account")) {
        (true, _) if text != "none" => Err(AuthorizeError::Prompt),
        (true, _) => Ok(Prompts::None),
        (false, true) => Ok(Prompts::Login),
        (false, false) => Ok(Prompts::IfNeeded),
    }
}

/// An answer in the address (RFC 6749 §4.1.2), with who gives it (RFC 9207 §2): an app that asks
/// several providers must not take ours for another's.
pub fn answer_url(
    redirect_uri: &str,
    issuer: &str,
    state: Option<&str>,
    pairs: &[(&str, &str)],
) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs).extend_pairs(state.map(|state| ("state", state)));
    let query = query.append_pair("iss", issuer).finish();
    let joint = if redirect_uri.contains('?') { '&' } else { '?' };
    format!("{redirect_uri}{joint}{query}")
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::{AuthorizationRequest, AuthorizeError::*, NotAuthorized, Prompts, ShownHere};
    use crate::{
        plan::{ClientSecret, OpenIdClient, RedirectUri, Scopes},
        policy::Policy,
    };

    pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"; // RFC 7636

    pub(crate) fn clients() -> Vec<OpenIdClient> {
        let client = |id: &str, secret: Option<&str>, uri: &str| OpenIdClient {
            id: id.into(),
            secret: secret.map(|secret| ClientSecret::of(secret.as_bytes())),
            redirect_uris: vec![RedirectUri::parse(uri).unwrap()],
            post_logout_redirect_uris: Vec::new(),
            logout: None,
            scopes: Scopes::parse("openid email offline_access"),
            policy: Policy::deny_all(),
        };
        vec![
            client("photos", Some("canary secret + &"), "https://photos.example/cb?from=us"),
            client("phone", None, "com.example.app:/cb"),
        ]
    }

    fn query(more: &str) -> String {
        let known = [
            ("client_id", "photos"),
            ("redirect_uri", "https://photos.example/cb?from=us"),
            ("response_type", "code"),
            ("scope", "openid email profile"),
            ("state", "s t"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let more: Vec<_> = more.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let rest = known.iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
        let pairs = rest.chain(&more).filter(|(_, value)| *value != "-");
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    }

    #[test]
    fn a_request_is_read_and_gets_what_its_client_may_have() {
        let clients = clients();
        let read = AuthorizationRequest::read(&clients, &query("prompt=login")).unwrap();
        assert_eq!(read.scopes.to_string(), "openid email", "no profile: not the client's");
        assert_eq!((&*read.client.id, read.prompts), ("photos", Prompts::Login));
        let url = super::answer_url(
            &read.redirect_uri,
            "https://login.example",
            read.state.as_deref(),
            &[("code", "c&c")],
        );
        let expected = "https://photos.example/cb?from=us&code=c%26c&state=s+t\
                        &iss=https%3A%2F%2Flogin.example";
        assert_eq!(url, expected);
    }

    #[test]
    fn whoever_is_not_known_is_sent_nowhere() {
        let clients = clients();
        for (more, expected) in [
            ("client_id=other", ShownHere::Client),
            ("client_id=-", ShownHere::Client),
            ("redirect_uri=-", ShownHere::RedirectUri),
            ("redirect_uri=https://evil.example/", ShownHere::RedirectUri),
            ("client_id=phone", ShownHere::RedirectUri),
            ("redirect_uri=com.example.app:/cb", ShownHere::RedirectUri),
        ] {
            let told = AuthorizationRequest::read(&clients, &query(more)).err();
            assert_eq!(told, Some(NotAuthorized::Here(expected)), "{more}");
        }
        let twice = format!("{}&redirect_uri=https://evil.example/", query(""));
        let told = AuthorizationRequest::read(&clients, &twice).unwrap_err();
        assert!(matches!(told, NotAuthorized::Here(ShownHere::Params(_))), "{told:?}");
    }

    #[test]
    fn what_is_wrong_with_a_request_is_told_to_its_app() {
        let clients = clients();
        for (more, expected, word) in [
            ("code_challenge=-", Challenge, "invalid_request"),
            ("code_challenge_method=-", Challenge, "invalid_request"),
            ("code_challenge_method=plain", Challenge, "invalid_request"),
            ("code_challenge_method=s256", Challenge, "invalid_request"),
            ("code_challenge=short", Challenge, "invalid_request"),
            ("response_type=-", NoResponseType, "invalid_request"),
            ("response_type=token", ResponseType, "unsupported_response_type"),
            ("response_type=code id_token", ResponseType, "unsupported_response_type"),
            ("response_mode=fragment", ResponseMode, "invalid_request"),
            ("scope=email", Scope, "invalid_scope"),
            ("request=eyJ", Request, "request_not_supported"),
            ("request_uri=https://evil.example/", RequestUri, "request_uri_not_supported"),
            ("registration={}", Registration, "registration_not_supported"),
            ("prompt=none login", Prompt, "invalid_request"),
            ("max_age=soon", Prompt, "invalid_request"),
            ("max_age=-1", Prompt, "invalid_request"),
        ] {
            match AuthorizationRequest::read(&clients, &query(more)) {
                Err(NotAuthorized::Told { redirect_uri, state, error }) => {
                    assert_eq!(&*redirect_uri, "https://photos.example/cb?from=us");
                    assert_eq!(state.as_deref(), Some("s t"), "{more}");
                    assert_eq!((error, error.word()), (expected, word), "{more}");
                }
                other => panic!("{more}: {other:?}"),
            }
        }
    }

    fn goes_to(query: &str) -> Option<Box<str>> {
        match AuthorizationRequest::read(&clients(), query) {
            Ok(request) => Some(request.redirect_uri),
            Err(NotAuthorized::Told { redirect_uri, .. }) => Some(redirect_uri),
            Err(NotAuthorized::Here(_)) => None,
        }
    }

    #[test]
    fn hostile_requests_lead_nowhere() {
        let lines = include_str!("../../tests/corpus/authorize.txt").lines();
        for line in lines.filter(|line| !line.starts_with('#')) {
            assert_eq!(goes_to(&line.replace("client_id=app", "client_id=photos")), None, "{line}");
        }
    }

    proptest! {
        /// Whatever is asked for in whatever order, an answer goes to an address of the very client.
        #[test]
        fn an_answer_goes_to_its_client_alone(pairs in prop::collection::vec((0_usize..8, 0_usize..9), 0..10)) {
            let names = ["client_id", "redirect_uri", "response_type", "scope", "prompt", "max_age", "code_challenge", "request"];
            let values = ["photos", "phone", "https://photos.example/cb?from=us", "com.example.app:/cb", "https://evil.example/", "code", "openid", CHALLENGE, "S256"];
            let pairs = pairs.iter().map(|(name, value)| (names[*name], values[*value]));
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            if let Some(uri) = goes_to(&query) {
                let own = if query.contains("client_id=photos") { values[2] } else { values[3] };
                prop_assert_eq!(&*uri, own);
            }
        }
    }
}
