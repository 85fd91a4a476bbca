//! Asks a provider again about somebody who is signed in.

use serde_json::{Map, Value};
use usher_rules::{
    plan::{OidcProvider, Plan},
    session::ProviderTokens,
    time::{Now, UnixTime},
};

use super::{
    ProviderError, Providers, documents::Tokens, exchange, exchange::Grant, github, verified,
    with_all_groups,
};

/// What came of asking again.
pub(in crate::signin) struct AskedAgain {
    /// What the next question takes: a refresh token that rotates is spent whatever else fails.
    /// The claims are those of before: nobody has judged the new ones.
    pub tokens: ProviderTokens,
    /// What the provider says of them now; `None` where nothing is left to ask with.
    pub said: Option<Result<SaysNow, ProviderError>>,
}

/// What a provider says of somebody now.
pub(in crate::signin) struct SaysNow {
    /// The claims of a new ID token, its signature checked.
    pub id_token: Option<Map<String, Value>>,
    /// What the userinfo endpoint says.
    pub userinfo: Option<Map<String, Value>>,
}

impl Providers {
    /// Refreshes the tokens, where one was given for that, and asks the userinfo endpoint.
    ///
    /// # Errors
    ///
    /// [`ProviderError`]: nothing has changed, and the tokens are as good as they were.
    pub(in crate::signin) async fn ask_again(
        &self,
        plan: &Plan,
        provider: &OidcProvider,
        tokens: ProviderTokens,
        now: Now,
    ) -> Result<AskedAgain, ProviderError> {
        let cache = self.cache(plan, provider);
        let known = cache.of(plan, provider, now).await?;
        let Some(refresh) = tokens.refresh.clone() else {
            return Ok(ask_by_access_token(&known, provider, tokens, now.wall).await);
        };
        let (new, _) = exchange::redeem(&known, provider, plan, Grant::Refresh(&refresh)).await?;
        let (access, id_token) = (new.access_token.clone(), new.id_token.clone());
        let tokens = kept(new, Some(refresh), tokens.id_token, now.wall);
        let said = async {
            if !provider.kind.speaks_openid() {
                let claims = github::claims(&known, provider, &access).await?;
                return Ok(SaysNow { id_token: Some(claims), userinfo: None });
            }
            let id_token = match &id_token {
                Some(token) => {
                    let mut claims = verified(&cache, &known, token, now).await?;
                    with_all_groups(&known, provider, &access, &mut claims).await?;
                    Some(claims)
                }
                None => None,
            };
            let userinfo = exchange::userinfo(&known, &access).await?;
            Ok(SaysNow { id_token, userinfo })
        };
        let said = said.await;
        Ok(AskedAgain { tokens, said: Some(said.map_err(refused_at_once)) })
    }
}

/// Nothing refreshes it: it is asked with for as long as it lasts, and then no more.
async fn ask_by_access_token(
    known: &super::ProviderState,
    provider: &OidcProvider,
    tokens: ProviderTokens,
    now: UnixTime,
) -> AskedAgain {
    let speaks_openid = provider.kind.speaks_openid();
    let lasts = tokens.access_ends_at.map_or(!speaks_openid, |end| now.seconds() < end);
    let Some(access) = tokens.access.clone().filter(|_| lasts) else {
        let tokens = ProviderTokens { access: None, ..tokens };
        return AskedAgain { tokens, said: None };
    };
    let said = if speaks_openid {
        let userinfo = exchange::userinfo(known, &access).await;
        userinfo.map(|userinfo| SaysNow { id_token: None, userinfo })
    } else {
        let claims = github::claims(known, provider, &access).await;
        claims.map(|claims| SaysNow { id_token: Some(claims), userinfo: None })
    };
    AskedAgain { tokens, said: Some(said.map_err(refused_at_once)) }
}

/// A token that was given a moment ago, or that still lasts, and is not taken any more (RFC 6750
/// §3.1): the grant was taken back.
fn refused_at_once(error: ProviderError) -> ProviderError {
    let is_refused =
        matches!(error, ProviderError::Status { document: "userinfo" | github::USER, status: 401 });
    if is_refused { ProviderError::TakenBack } else { error }
}

/// What is kept of tokens that were given; a refresh token that none replaces is good for longer
/// (RFC 6749 §6).
pub(super) fn kept(
    new: Tokens,
    before: Option<Box<str>>,
    id_token: Map<String, Value>,
    now: UnixTime,
) -> ProviderTokens {
    let refresh = new.refresh_token.map(Into::into).or(before);
    let access_ends_at = new.expires_in.map(|seconds| now.seconds().saturating_add(seconds));
    let access = Some(new.access_token.into_boxed_str());
    let access = access.filter(|token| refresh.is_none() && !token.is_empty());
    ProviderTokens { refresh, access, access_ends_at, id_token }
}
