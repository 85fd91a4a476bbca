//! GitHub: OAuth 2.0 without discovery, ID tokens or userinfo. Its endpoints are known, and its API
//! says who somebody is. GitHub Enterprise does the same at addresses of its own.

use serde_json::{Map, Value};
use url::Url;
use usher_rules::{
    plan::OidcProvider,
    signin::{GitHubAnswers, claims_of_github},
};

use super::{ProviderError, documents, known::ProviderState};

/// What says who somebody is.
pub(super) const USER: &str = "GitHub's `/user`";
/// How many organisations, teams or addresses are asked for at once: the most that it gives.
const PER_PAGE: usize = 100;
/// How often at most: who is in more groups than that is in some that are not known.
const MOST_PAGES: usize = 10;

/// Where the API is: beside github.com and each tenant of ghe.com, below anybody's own server.
pub(super) fn api(issuer: &str) -> String {
    let host = Url::parse(issuer).ok().and_then(|url| Some(url.host_str()?.to_owned()));
    match host.as_deref() {
        Some("github.com") => "https://api.github.com".into(),
        Some(host) if host.ends_with(".ghe.com") => format!("https://api.{host}"),
        Some(_) | None => format!("{issuer}/api/v3"),
    }
}

/// An authentication request without what only OpenID Connect knows: `scope` without `openid`, and
/// no `nonce`.
pub(super) fn plain_oauth2(url: &Url, provider: &OidcProvider) -> String {
    let mut plain = url.clone();
    plain.set_query(None);
    let kept = url.query_pairs().filter(|(name, _)| !matches!(&**name, "nonce" | "scope"));
    plain.query_pairs_mut().extend_pairs(kept).append_pair("scope", &provider.scopes.join(" "));
    plain.into()
}

/// Who the access token is for.
pub(super) async fn claims(
    known: &ProviderState,
    provider: &OidcProvider,
    token: &str,
) -> Result<Map<String, Value>, ProviderError> {
    let api = Api { known, base: api(&provider.issuer), token };
    let user = format!("{}/user", api.base);
    let user = documents::userinfo(&known.http.get(USER, &user, Some(token)).await?)?;
    let emails = api.list("/user/emails").await?;
    let organizations = api.list("/user/orgs").await?;
    let teams = api.list("/user/teams").await?;
    Ok(claims_of_github(
        &provider.issuer,
        GitHubAnswers {
            user: &user,
            emails: emails.as_deref().unwrap_or_default(),
            organizations: organizations.as_deref(),
            teams: teams.as_deref(),
        },
    ))
}

struct Api<'a> {
    known: &'a ProviderState,
    base: String,
    token: &'a str,
}

impl Api<'_> {
    /// All of a list; `None` where the scopes do not open it, or it does not end.
    async fn list(&self, path: &str) -> Result<Option<Vec<Value>>, ProviderError> {
        let mut all = Vec::new();
        for page in 1..=MOST_PAGES {
            let url = format!("{}{path}?per_page={PER_PAGE}&page={page}", self.base);
            let answer = match self.known.http.get("GitHub's API", &url, Some(self.token)).await {
                Ok(answer) => answer,
                Err(error) if error.is_down() => return Err(error),
                Err(_) => return Ok(None),
            };
            let Ok(Value::Array(some)) = serde_json::from_slice(&answer) else { return Ok(None) };
            let is_last = some.len() < PER_PAGE;
            all.extend(some);
            if is_last {
                return Ok(Some(all));
            }
        }
        Ok(None)
    }
}
