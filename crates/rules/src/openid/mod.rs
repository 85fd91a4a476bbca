//! Our own OpenID provider as values: what an app's request asks for, what a code is worth, what a
//! refresh token may still do, and what an app is told. Sockets, keys and the store are the room's.
//!
//! ```text
//! browser ─▶ authorize: AuthorizationRequest ─▶ policy ─▶ Code, sealed ─▶ redirect_uri
//! app ─────▶ token: authenticate ─▶ Code::redeem ─▶ Grant (one row) ─▶ ID token, access, refresh
//! app ─────▶ token: RefreshToken ─▶ grant::step: the newest one counts, an older one ends all
//! session ends ─▶ Logout, one for each client with a grant in it ─▶ backchannel_logout_uri
//! ```
//!
//! Codes and tokens are sealed texts, so that they cost no memory and nothing about them has to be
//! kept secret in the store. What has to be counted is one [`Grant`] for each code that was redeemed.

mod authorize;
mod claims;
mod code;
mod grant;
mod logout;
mod token;

pub use authorize::{
    AuthorizationRequest, AuthorizeError, NotAuthorized, Prompts, ShownHere, answer_url, client_of,
};
pub use claims::{IdToken, id_token, logout_token, session_id, subject, userinfo};
pub use code::{AccessToken, Code, CodeFault, RefreshToken};
pub use grant::{Grant, GrantId, GrantRefusal, GrantStep, Grants, MOST_GRANTS, SPENT_AFTER, step};
pub use logout::{Logout, LogoutAnswer, LogoutStep, Logouts, LogoutsDue, MOST_LOGOUTS, next_try};
pub use token::{Asked, TokenError, authenticate, claimed};

/// What is published about the provider (OpenID Connect Discovery 1.0 §4).
pub const DISCOVERY: &str = "/.well-known/openid-configuration";
/// The same for clients of OAuth alone (RFC 8414).
pub const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";
/// Where browsers are sent (OIDC Core §3.1.2).
pub const AUTHORIZE: &str = "/.pomerium/oidc/authorize";
/// Where codes are redeemed (OIDC Core §3.1.3).
pub const TOKEN: &str = "/.pomerium/oidc/token";
/// What an app may know of somebody (OIDC Core §5.3).
pub const USERINFO: &str = "/.pomerium/oidc/userinfo";
/// The keys that verify ID tokens (RFC 7517).
pub const JWKS: &str = "/.pomerium/oidc/jwks.json";
/// Where tokens are given back (RFC 7009).
pub const REVOKE: &str = "/.pomerium/oidc/revoke";
/// Where apps send somebody to sign out (RP-Initiated Logout 1.0).
pub const END_SESSION: &str = "/.pomerium/oidc/end_session";
