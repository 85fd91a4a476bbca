//! Sessions: what is remembered of a sign-in, and the sealed handle that a browser carries.

mod bound_app;
mod browser;
mod cookie;
mod credential;
mod device;
mod handle;
mod id;
mod keys;
mod recheck;
mod record;
mod seal;
mod shared;
mod tokens;

pub use bound_app::{AppSeen, BoundApp, LetInBy};
pub use browser::shown_browser;
pub use cookie::{CookieLife, SetCookie};
pub use credential::{
    CookieNames, Credential, CredentialSource, OfSession, Verify, all_cookies, cookies, credential,
    credential_by,
};
pub use device::{DeviceCredential, Enrolment, ShownDevice};
pub use handle::{Handle, HandleError};
pub use id::SessionId;
pub use keys::{Keys, KeysError};
pub use recheck::{Answer, Outcome, Recheck, RecheckPolicy};
pub use record::{Authentication, Means, SERVICE_ACCOUNTS, Session, SignIn, SignedIn};
pub use seal::{NotSealedHere, Purpose};
pub use tokens::ProviderTokens;

#[cfg(test)]
pub(crate) use keys::tests::keys as test_keys;
