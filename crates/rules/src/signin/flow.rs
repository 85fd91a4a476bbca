use std::time::Duration;

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    CLOCK_SKEW, Goal, IdTokenExpected, IdTokenFault, check_id_token, form::decode,
    person::ClaimsFault, said::somebody_at,
};
use crate::{
    plan::OidcProvider,
    session::{Authentication, Keys, Purpose},
    time::UnixTime,
};

/// One browser's authorization-code flow (OIDC Core §3.1, PKCE: RFC 7636) while the person is at
/// the provider. It is kept sealed in a cookie of that browser, so it survives a restart and
/// costs no memory here.
#[derive(Debug, Serialize, Deserialize)]
pub struct Pending {
    state: Box<str>,
    nonce: Box<str>,
    verifier: Box<str>,
    provider: Box<str>,
    give_up_at: u64,
    goal: Goal,
    /// How many tries came before.
    #[serde(default)]
    tries: u8,
}

/// A code is being redeemed. Made once per [`Pending`], which is gone then.
#[derive(Debug)]
pub struct Redeeming {
    nonce: Box<str>,
    /// The authorization code, for the token endpoint.
    pub code: Box<str>,
    /// The PKCE verifier that goes with it.
    pub verifier: Box<str>,
    /// What the sign-in is for.
    pub goal: Goal,
}

/// What a provider's redirect says (OIDC Core §3.1.2.5, §3.1.2.6; `iss`: RFC 9207).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizationResponse {
    /// `state`.
    pub state: Box<str>,
    /// `code`.
    pub code: Option<Box<str>>,
    /// `error`.
    pub error: Option<Box<str>>,
    /// `iss`.
    pub issuer: Option<Box<str>>,
}

/// Why a sign-in at a provider did not end well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// This browser has no such sign-in under way: another browser, a second use, no cookies.
    #[error("this browser has no such sign-in under way")]
    NotUnderWay,
    /// The person took longer than [`Pending::LIFETIME`].
    #[error("the sign-in took too long")]
    TooSlow,
    /// The provider was changed in the config meanwhile.
    #[error("the provider was changed meanwhile")]
    OtherProvider,
    /// The response is from another provider than the one that was asked (mix-up, RFC 9207 §2.4).
    #[error("the response names another issuer")]
    OtherIssuer,
    /// The provider promises to name itself and did not.
    #[error("the response does not name its issuer")]
    NoIssuer,
    /// The person or the provider said no.
    #[error("the provider refused: `{0}`")]
    Refused(Box<str>),
    /// The provider asks for another try (RFC 6749 §4.1.2.1; Keycloak, for a page that waited).
    #[error("the provider asks for another try: `{code}`")]
    TryAgain {
        /// Its error.
        code: Box<str>,
        /// Which try this will be.
        tries: u8,
    },
    /// Neither code nor error.
    #[error("the response holds no code")]
    NoCode,
    /// The ID token is not for this sign-in.
    #[error("the ID token: {0}")]
    IdToken(#[from] IdTokenFault),
    /// The provider did not ask anew, or does not say when it did (`auth_time`).
    #[error("`auth_time`: nobody signed in anew, or nobody says so")]
    NotAnew,
    /// The claims do not say who somebody is.
    #[error("the claims: {0}")]
    Claims(#[from] ClaimsFault),
}

impl AuthorizationResponse {
    /// Reads the query of the redirect. What is not known is let be, however it is encoded (RFC 6749
    /// §4.1.2); one of ours that comes twice or can't be read makes it the answer of nobody.
    pub fn read(query: &str) -> Self {
        let mut response = Self::default();
        let mut seen = Vec::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Ok(name) = decode(name) else { continue };
            if !["state", "code", "error", "iss"].contains(&&*name) {
                continue;
            }
            let Ok(value) = decode(value) else { return Self::default() };
            if seen.contains(&name) {
                return Self::default(); // two readers could take different ones
            }
            let given = (!value.is_empty()).then(|| value.clone());
            match &*name {
                "state" => response.state = value,
                "code" => response.code = given,
                "error" => response.error = given,
                _ => response.issuer = given,
            }
            seen.push(name);
        }
        response
    }
}

impl Pending {
    /// How long somebody may take at the provider.
    pub const LIFETIME: Duration = Duration::from_secs(15 * 60);

    /// Begins one. `random` becomes state, nonce and verifier, 256 bits each.
    pub fn start(
        random: &[[u8; 32]; 3],
        provider: &OidcProvider,
        goal: Goal,
        now: UnixTime,
    ) -> Self {
        let [state, nonce, verifier] =
            random.map(|bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes).into_boxed_str());
        let give_up_at = now.plus(Self::LIFETIME).seconds();
        Self { state, nonce, verifier, provider: provider.id.clone(), give_up_at, goal, tries: 0 }
    }

    /// The same after so many tries.
    #[must_use]
    pub fn after(mut self, tries: u8) -> Self {
        self.tries = tries;
        self
    }

    /// What stays of a flow that is over, in the place of its cookie: the page that it led to, for
    /// a browser that goes back. It opens as no flow, and says nothing of who may see the page.
    pub fn over(
        keys: &Keys,
        cookie: &str,
        goal: &Goal,
        nonce: [u8; 12],
        now: UnixTime,
    ) -> Option<String> {
        let Goal::Page { target, .. } = goal else { return None };
        let bound_to = [b"over ", cookie.as_bytes()].concat();
        let sealed = keys.seal(Purpose::BrowserFlow, &bound_to, target.as_bytes(), nonce);
        Some(format!("{}.{sealed}", now.plus(Self::LIFETIME).seconds()))
    }

    /// The page that a flow led to which is over.
    pub fn page_of(keys: &Keys, cookie: &str, value: &str) -> Option<String> {
        let bound_to = [b"over ", cookie.as_bytes()].concat();
        let (_, sealed) = value.split_once('.')?;
        let page = keys.open(Purpose::BrowserFlow, &bound_to, sealed).ok()?;
        String::from_utf8(page).ok()
    }

    /// `state`: comes back in the response.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// `nonce`: comes back in the ID token.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// `code_verifier`: leaves this machine only towards the token endpoint.
    pub fn verifier(&self) -> &str {
        &self.verifier
    }

    /// A name for this very flow, by which it is used once.
    pub fn digest(&self) -> [u8; 32] {
        let mut name = [0; 32];
        name.copy_from_slice(digest::digest(&digest::SHA256, self.state.as_bytes()).as_ref());
        name
    }

    /// `code_challenge` for the method S256 (RFC 7636 §4.2).
    pub fn code_challenge(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.verifier.as_bytes()))
    }

    /// What the names of its cookies begin with.
    pub fn cookie_prefix(session_cookie: &str) -> String {
        format!("__Host-{session_cookie}_oidc_")
    }

    /// The name of its cookie: one per `state`, so that tabs don't disturb each other.
    pub fn cookie_name(session_cookie: &str, state: &str) -> String {
        let digest = digest::digest(&digest::SHA256, state.as_bytes());
        let id = BASE64_URL_SAFE_NO_PAD.encode(digest.as_ref().get(..12).unwrap_or_default());
        format!("{}{id}", Self::cookie_prefix(session_cookie))
    }

    /// Its cookie's value: the second in which it gives up, and itself, sealed.
    pub fn seal(&self, keys: &Keys, session_cookie: &str, nonce: [u8; 12]) -> String {
        let name = Self::cookie_name(session_cookie, &self.state);
        // Text and numbers always serialise; what does not would not open.
        let text = serde_json::to_vec(self).unwrap_or_default();
        let sealed = keys.seal(Purpose::BrowserFlow, name.as_bytes(), &text, nonce);
        format!("{}.{sealed}", self.give_up_at)
    }

    /// Opens the value of the cookie that is named after `state`.
    ///
    /// # Errors
    ///
    /// [`Failure::NotUnderWay`].
    pub fn open(
        keys: &Keys,
        session_cookie: &str,
        state: &str,
        value: &str,
    ) -> Result<Self, Failure> {
        let name = Self::cookie_name(session_cookie, state);
        let (_, sealed) = value.split_once('.').ok_or(Failure::NotUnderWay)?;
        let text = keys
            .open(Purpose::BrowserFlow, name.as_bytes(), sealed)
            .map_err(|_| Failure::NotUnderWay)?;
        serde_json::from_slice(&text).map_err(|_| Failure::NotUnderWay)
    }

    /// The id of the provider that was asked.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// What it is for.
    pub const fn goal(&self) -> &Goal {
        &self.goal
    }

    /// The browser is back. Consumes the flow: nothing is left to redeem a second code.
    ///
    /// # Errors
    ///
    /// [`Failure`], one variant per rule.
    pub fn answered(
        self,
        response: &AuthorizationResponse,
        provider: &OidcProvider,
        names_itself: bool,
        now: UnixTime,
    ) -> Result<Redeeming, Failure> {
        if response.state != self.state {
            return Err(Failure::NotUnderWay); // RFC 6749 §10.12
        }
        if !UnixTime::from_seconds(self.give_up_at).is_ahead_of(now, Self::LIFETIME) {
            return Err(Failure::TooSlow);
        }
        if self.provider != provider.id {
            return Err(Failure::OtherProvider);
        }
        match &response.issuer {
            Some(issuer) if !provider.may_answer_as(issuer) => return Err(Failure::OtherIssuer),
            None if names_itself => return Err(Failure::NoIssuer),
            Some(_) | None => {}
        }
        if let Some(error) = &response.error {
            let code = error_code(error);
            let transient = ["temporarily_unavailable", "authentication_expired", "login_required"];
            if transient.contains(&&*code) && self.tries < MOST_TRIES {
                return Err(Failure::TryAgain { code, tries: self.tries + 1 });
            }
            return Err(Failure::Refused(code));
        }
        let code = response.code.clone().ok_or(Failure::NoCode)?;
        Ok(Redeeming { nonce: self.nonce, code, verifier: self.verifier, goal: self.goal })
    }
}

impl Redeeming {
    /// `nonce`, as the ID token has to hold it.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The provider answered: who is it? `id_token` holds claims whose signature was verified.
    ///
    /// # Errors
    ///
    /// [`Failure::IdToken`], [`Failure::Claims`].
    pub fn accept(
        &self,
        id_token: &Map<String, Value>,
        userinfo: Option<&Map<String, Value>>,
        provider: &OidcProvider,
        now: UnixTime,
    ) -> Result<Authentication, Failure> {
        // Who signs nothing was asked by us, over TLS, with the token that this code stood for.
        if provider.kind.speaks_openid() {
            let issuer = provider.issuer_of(id_token).ok_or(IdTokenFault::Issuer)?;
            let (client_id, nonce) = (&provider.client_id, Some(&*self.nonce));
            let expected = IdTokenExpected { issuer: &issuer, client_id, nonce };
            check_id_token(id_token, &expected, now)?;
        }
        let authentication = somebody_at(provider, id_token, userinfo)?;
        // `prompt` went through the browser, where anybody could take it away.
        if !self.goal.is_met_by(authentication.sign_in, now, CLOCK_SKEW) {
            return Err(Failure::NotAnew);
        }
        Ok(authentication)
    }
}

/// How often a provider may ask for another try.
const MOST_TRIES: u8 = 2;

/// An error code as the RFC has them; strangers can put anything there, and logs are read.
fn error_code(text: &str) -> Box<str> {
    let plain = text.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_');
    if plain && text.len() <= 64 { text.into() } else { "unreadable".into() }
}

#[cfg(test)]
mod tests;
