//! Sign-in as values: signed hops between hosts, the flow at a provider, and where a browser may
//! be sent. Nothing here waits, reads a clock or rolls a die; the room around it does.
//!
//! ```text
//! route host            authenticate host                        provider
//! ── sign_in_redirect ▸ /.pomerium/sign_in ── Pending::start ──▸ authorization endpoint
//!    sets BrowserBinding        │  (built-in: the form)                  │
//!                               ▼                                        ▼
//! ◂── /.pomerium/callback/ ◂── session ◂── Redeeming::accept ◂── /oauth2/callback
//!    needs BrowserBinding, once
//! ```

mod address;
mod again;
mod bearer;
mod binding;
mod csrf;
mod deep_link;
mod dependents;
mod device;
mod doubts;
mod flow;
mod form;
mod github;
mod goal;
pub mod hosted;
mod id_token;
mod imagined;
mod logout_token;
mod person;
mod program;
mod replay;
mod said;
mod service_account;
mod sign_out;
mod signed_url;
mod target;

pub use again::{NotAgain, SaidAgain, said_again};
pub use bearer::{
    BroughtToken, NotVouched, Vouched, vouched_by_access_token, vouched_by_identity_token,
};
pub use binding::{BINDINGS_PER_BROWSER, BindingUse, BrowserBinding, surplus_cookies};
pub use csrf::{CrossSite, same_origin};
pub use deep_link::DeepLink;
pub use dependents::Dependents;
pub use device::DeviceCookie;
pub use flow::{AuthorizationResponse, Failure, Pending, Redeeming};
pub use form::ParamsError;
pub use github::{GitHubAnswers, claims_of_github};
pub use goal::{Goal, GoalError, Proof};
pub use id_token::{CLOCK_SKEW, IdTokenExpected, IdTokenFault, check_id_token};
pub use imagined::Imagined;
pub use logout_token::{LogoutToken, LogoutTokenFault, check_logout_token};
pub use person::{ClaimsFault, member_as_person, member_signs_in, person_from_claims};
pub use program::{ProgramRedirect, ProgramRedirectError};
pub use replay::{Replay, ReplayRefusal};
pub use said::somebody_at;
pub use service_account::ServiceAccount;
pub use sign_out::{SignedOutState, WayBack, person_digest, sign_out_origins};
pub use signed_url::{LEEWAY, LIFETIME, Params, SignedUrl, UrlRefusal, sign_url, verify_url};
pub use target::{Target, TargetError, serves};

/// Whoever is known signs in again (OIDC Core §3.1.2.1).
pub const PROMPT_LOGIN: &str = "login";
/// Whoever is known shows a passkey, whatever they signed in with. Ours.
pub const PROMPT_PASSKEY: &str = "passkey";
/// Where a browser lands on the authenticate host to sign in.
pub const SIGN_IN: &str = "/.pomerium/sign_in";
/// Where a browser lands on a route's host with its new handle.
pub const CALLBACK: &str = "/.pomerium/callback/";
/// Where a provider sends the browser back to.
pub const OAUTH2_CALLBACK: &str = "/oauth2/callback";
/// Where sessions are ended.
pub const SIGN_OUT: &str = "/.pomerium/sign_out";
/// Where a provider says that somebody signed out there (Back-Channel Logout 1.0 §2.2).
pub const BACK_CHANNEL_LOGOUT: &str = "/.pomerium/backchannel_logout";
/// What is shown afterwards.
pub const SIGNED_OUT: &str = "/.pomerium/signed_out";

/// Names of query parameters: Pomerium's (`pomerium-protocols.md` §1.0), and some of ours.
pub mod param {
    /// Where to go in the end.
    pub const REDIRECT_URI: &str = "pomerium_redirect_uri";
    /// Which provider.
    pub const IDP_ID: &str = "pomerium_idp_id";
    /// Where a programmatic sign-in hands its handle over.
    pub const CALLBACK_URI: &str = "pomerium_callback_uri";
    /// `true`: a program waits for the handle.
    pub const PROGRAMMATIC: &str = "pomerium_programmatic";
    /// The handle, sealed.
    pub const SESSION_ENCRYPTED: &str = "pomerium_session_encrypted";
    /// Hosts that a browser goes on to after a sign-in; in links to an authenticate service it is
    /// empty.
    pub const ADDITIONAL_HOSTS: &str = "pomerium_additional_hosts";
    /// What a provider hands back to the page after signing out (RP-Initiated Logout 1.0 §3).
    pub const STATE: &str = "state";
    /// The handle, as a program gets it.
    pub const JWT: &str = "pomerium_jwt";
    /// The kind of device that a policy asks for.
    pub const DEVICE_TYPE: &str = "pomerium_device_type";
    /// When a URL was signed, in Unix seconds.
    pub const ISSUED: &str = "pomerium_issued";
    /// Until when its signature counts, in Unix seconds.
    pub const EXPIRY: &str = "pomerium_expiry";
    /// Who somebody is, as a hosted service says it.
    pub const PROFILE: &str = "pomerium_identity_profile";
    /// Which software speaks.
    pub const VERSION: &str = "pomerium_version";
    /// A sign-in, for the log of a hosted service.
    pub const REQUEST_UUID: &str = "pomerium_request_uuid";
    /// Comes back from a hosted service as it went there.
    pub const BIND_SESSION: &str = "pomerium_bind_session";
    /// The signature.
    pub const SIGNATURE: &str = "pomerium_signature";
    /// Ours: which [`BrowserBinding`](super::BrowserBinding) the callback needs.
    pub const FLOW: &str = "usher_flow";
    /// Ours: `login` where a session that is known will not do (OIDC Core §3.1.2.1, `prompt`),
    /// `passkey` where nothing but a passkey does.
    pub const PROMPT: &str = "usher_prompt";
    /// Ours: whose sessions a signed sign-out ends.
    pub const PERSON: &str = "usher_person";
}
