//! Who asks, by what `Authorization` holds that only those can judge who sign people in: a token of
//! the provider's (`bearer_token_format`), or an app password.

use http::HeaderMap;
use usher_rules::{
    fields::{app_passwords, bearer_tokens},
    plan::Route,
};

use super::{
    identify::{Identity, Rejection, StoreError},
    own::{Brought, BroughtSecret, OwnPages},
    route::Routed,
    seen::Seen,
};

/// The same as `by_us`, or who asks by such a credential. Two in one request are nobody's: which one
/// is meant can't be known.
///
/// # Errors
///
/// [`StoreError`] where those who could say don't.
pub(super) async fn identity(
    own: &dyn OwnPages,
    by_us: Identity,
    (seen, routed, route): (&Seen, &Routed, &Route),
    fields: &HeaderMap,
) -> Result<Identity, StoreError> {
    let mut passwords = app_passwords(fields);
    let mut tokens = route.bearer.iter().flat_map(|_| bearer_tokens(fields));
    let password = passwords.next();
    let token = tokens.next();
    let secret = match (&password, token) {
        (None, None) => return Ok(by_us),
        (Some(_), Some(_)) => return Ok(Identity::Rejected(Rejection::Contradiction)),
        (Some(password), None) => BroughtSecret::AppPassword(password),
        (None, Some(token)) => match std::str::from_utf8(token) {
            Ok(token) => BroughtSecret::Token(token),
            Err(_) => return Ok(Identity::Rejected(Rejection::Forged)),
        },
    };
    let is_more = passwords.next().is_some() || tokens.next().is_some();
    if is_more || !matches!(by_us, Identity::Anonymous) {
        return Ok(Identity::Rejected(Rejection::Contradiction));
    }
    let Seen { plan, visitor, now, .. } = seen;
    let host = routed.authority.host.as_str();
    let brought = Brought { plan, route, host, secret, visitor: *visitor, now: *now };
    let live = own.session_by(brought).await?;
    Ok(live.map_or(Identity::Rejected(Rejection::Forged), Identity::Session))
}
