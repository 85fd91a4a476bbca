//! Our own OpenID provider, at the authenticate host: apps ask it who somebody is. What may happen
//! is decided in [`usher_rules::openid`]; here it is done, for whoever signed in as everybody does.
//!
//! | who asks | what | file |
//! |---|---|---|
//! | browser | authorization, sign-in where it needs one | `authorize` |
//! | app | codes and refresh tokens to tokens | `token` |
//! | app | what it may know; tokens given back | `userinfo` |
//! | browser | sign-out that began at an app | `end_session` |
//! | we | apps are told that a session ended | `logout`, side by side: `errands` |
//! | everybody | metadata and keys | here |

mod authorize;
mod end_session;
mod errands;
mod logout;
mod token;
mod userinfo;

pub use logout::LogoutTeller;

use std::net::IpAddr;

use http::{HeaderValue, Method, Response, StatusCode, header};
use serde_json::json;
use usher_rules::{
    openid::{AUTHORIZE, DISCOVERY, END_SESSION, JWKS, OAUTH_METADATA, REVOKE, TOKEN, USERINFO},
    plan::{OpenIdClient, Plan, Scope},
    policy::{Facts, RequestFacts, Verdict},
    session::{Means, SignedIn},
    time::UnixTime,
};

use super::{Ask, SignInRoom, answer, open};
use crate::request::{Body, shape::Signer};

/// Is it one of ours?
pub(super) fn is_its(ask: &Ask) -> bool {
    let path = ask.path();
    let is_its =
        path.starts_with("/.pomerium/oidc/") || [DISCOVERY, OAUTH_METADATA].contains(&path);
    is_its && ask.at_authenticate() && !ask.plan().openid_clients.is_empty()
}

impl SignInRoom {
    pub(super) async fn openid(&self, ask: &Ask) -> Response<Body> {
        let (get, post) = (ask.method() == Method::GET, ask.method() == Method::POST);
        match ask.path() {
            AUTHORIZE if get => self.authorize(ask).await,
            END_SESSION if get => self.end_session(ask).await,
            // Another site's form brings no cookies along (`SameSite=Lax`): asked for anew it does.
            AUTHORIZE | END_SESSION if post => again(ask),
            AUTHORIZE | END_SESSION => answer::method_not_allowed("GET, POST"),
            _ if ask.method() == Method::OPTIONS => preflight(),
            TOKEN if post => open_to_all(self.token(ask).await),
            REVOKE if post => open_to_all(self.revoke(ask).await),
            TOKEN | REVOKE => answer::method_not_allowed("POST"),
            USERINFO if get || post => open_to_all(self.userinfo(ask).await),
            DISCOVERY | OAUTH_METADATA if get => open_to_all(metadata(ask)),
            JWKS if get => match self.id_token_keys.get() {
                Some(signer) => open::jwks(ask, &signer.jwks()),
                None => answer::text(StatusCode::SERVICE_UNAVAILABLE, "no keys\n"),
            },
            _ => answer::text(StatusCode::NOT_FOUND, "Not Found\n"),
        }
    }

    pub(super) fn id_token_signer(&self) -> Option<&Signer> {
        self.id_token_keys.get()
    }
}

/// Who we are to apps: the same however the browser came here.
fn issuer(ask: &Ask) -> String {
    issuer_of(ask.plan())
}

fn issuer_of(plan: &Plan) -> String {
    plan.sign_in.authenticate.to_string()
}

/// What the client's policy says of somebody who asked from there. A program is nobody who signs in.
fn verdict(
    client: &OpenIdClient,
    who: &SignedIn,
    source: Option<IpAddr>,
    now: UnixTime,
) -> Verdict {
    let request = RequestFacts {
        method: "GET",
        path: AUTHORIZE,
        source,
        origin: None,
        access_control_request_method: None,
        tool: None,
    };
    let is_person =
        who.session.sign_in.means != Means::ServiceAccount && who.session.actor.is_none();
    match is_person {
        true => client.policy.decide(&Facts::of(Some(who), request).at(now)).verdict,
        false => Verdict::Deny,
    }
}

/// OpenID Connect Discovery 1.0 §3.
fn metadata(ask: &Ask) -> Response<Body> {
    let issuer = issuer(ask);
    let at = |path: &str| format!("{issuer}{path}");
    let methods = ["client_secret_basic", "client_secret_post", "none"];
    answer::json(&json!({
        "issuer": issuer,
        "authorization_endpoint": at(AUTHORIZE),
        "token_endpoint": at(TOKEN),
        "userinfo_endpoint": at(USERINFO),
        "jwks_uri": at(JWKS),
        "revocation_endpoint": at(REVOKE),
        "end_session_endpoint": at(END_SESSION),
        "scopes_supported": Scope::ALL.map(|(word, _)| word),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "select_account"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "amr", "sid", "name",
            "preferred_username", "email", "email_verified", "groups",
        ],
        "authorization_response_iss_parameter_supported": true,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    }))
}

fn again(ask: &Ask) -> Response<Body> {
    match ask.form_text() {
        form if form.len() <= 8192 => answer::see_other(&format!("{}?{form}", ask.path())),
        _ => answer::text(StatusCode::BAD_REQUEST, "Bad Request\n"),
    }
}

/// Apps that live in a browser ask from another origin. No cookie counts here, so that nothing is
/// given away by it.
fn open_to_all(mut response: Response<Body>) -> Response<Body> {
    let everybody = HeaderValue::from_static("*");
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, everybody);
    response
}

fn preflight() -> Response<Body> {
    let mut response = open_to_all(Response::new(Body::Empty));
    *response.status_mut() = StatusCode::NO_CONTENT;
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, "3600"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
