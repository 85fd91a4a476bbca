use std::sync::Arc;

use super::BearerFormat;

/// Tokens of the provider's that stand for a session on a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// Which kind; never the app's own.
    pub format: BearerFormat,
    /// `idp_access_token_allowed_audiences`: whom an access token has to be for, one of these;
    /// `None` where any will do.
    pub audiences: Option<Arc<[Box<str>]>>,
}
