use super::rego::Script;
use crate::problem::Span;

/// What a route's own allow keys say, before PPL (`pomerium-config.md` §4.3).
///
/// They become one rule, `allow: or: […]`, in the order of the fields here.
#[derive(Clone, Debug, Default)]
pub struct LegacyAllow {
    /// The route, for what is wrong with several keys together.
    pub span: Span,
    /// `allow_public_unauthenticated_access`.
    pub public: bool,
    /// `cors_allow_preflight`.
    pub cors_preflight: bool,
    /// `allow_any_authenticated_user`.
    pub any_authenticated: bool,
    /// `allowed_domains`.
    pub domains: Vec<(Box<str>, Span)>,
    /// `allowed_idp_claims`: claim and one value; a list of values is several of these.
    pub claims: Vec<(Box<str>, serde_json::Value, Span)>,
    /// `allowed_users`: ids or addresses.
    pub users: Vec<(Box<str>, Span)>,
    /// `sub_policies`' rules in Rego. They are asked beside all the rest.
    pub rego: Vec<Script>,
}
