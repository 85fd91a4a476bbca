//! What providers of other makes do otherwise than OpenID Connect has it.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{
    Lie, Shared,
    endpoints::{ACCESS_TOKEN, Answer, json_answer, metadata, redeemed, status},
};

/// Whose manners the provider has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// As it is written.
    #[default]
    OpenId,
    /// GitHub's own server: OAuth 2.0 and an API below `/api/v3`, which takes nobody who does not
    /// name the program that asks.
    GitHub,
    /// Microsoft Entra's for all tenants, below `/common/v2.0`, and Graph.
    Entra,
    /// Cognito: no `end_session_endpoint`.
    Cognito,
    /// Auth0: no `end_session_endpoint`, and an issuer that ends in a slash.
    Auth0,
}

/// One request.
pub(super) struct Asked<'a> {
    pub path: &'a str,
    pub query: &'a str,
    pub bearer: Option<&'a str>,
    pub names_itself: bool,
}

impl Dialect {
    /// Would it go on with a request for these scopes?
    pub fn takes(self, scope: &str, nonce: Option<&str>) -> bool {
        let openid = scope.split(' ').any(|scope| scope == "openid");
        match self {
            Self::GitHub => !openid && nonce.is_none(),
            Self::OpenId | Self::Entra | Self::Cognito | Self::Auth0 => openid,
        }
    }

    /// The issuer of an ID token with these claims.
    pub fn issuer(self, issuer: &str, claims: &Map<String, Value>) -> String {
        let tenant = claims.get("tid").and_then(Value::as_str).unwrap_or_default();
        match self {
            Self::Entra => format!("{issuer}/{tenant}/v2.0"),
            Self::Auth0 => format!("{issuer}/"),
            Self::OpenId | Self::GitHub | Self::Cognito => issuer.into(),
        }
    }
}

/// What is answered otherwise; `None` for all that is as it is written.
pub(super) fn answer(
    shared: &Shared,
    asked: &Asked<'_>,
    form: &HashMap<String, String>,
) -> Option<Answer> {
    let dialect = shared.state().dialect;
    match (dialect, asked.path) {
        (Dialect::GitHub, "/login/oauth/access_token") => Some(github_token(shared, form)),
        (Dialect::GitHub, _) if asked.path.starts_with("/.well-known/") => {
            Some(status(404, "nothing is published"))
        }
        (Dialect::GitHub, _) if !asked.names_itself => Some(status(403, "who is asking?")),
        (Dialect::GitHub, "/api/v3/user") => Some(whole(shared, asked)),
        (Dialect::GitHub, _) => Some(numbered_page(shared, asked)),
        (Dialect::Entra, "/common/v2.0/.well-known/openid-configuration") => {
            Some(json_answer(200, &template(shared)))
        }
        (Dialect::Entra, path) if path.starts_with("/v1.0/") => Some(linked_page(shared, asked)),
        (Dialect::Cognito | Dialect::Auth0, "/.well-known/openid-configuration") => {
            let mut metadata = metadata(shared, Lie::None);
            metadata["issuer"] = dialect.issuer(&shared.issuer, &Map::new()).into();
            if let Some(members) = metadata.as_object_mut() {
                members.remove("end_session_endpoint");
                members.remove("authorization_response_iss_parameter_supported");
            }
            Some(json_answer(200, &metadata))
        }
        (Dialect::OpenId | Dialect::Entra | Dialect::Cognito | Dialect::Auth0, _) => None,
    }
}

fn is_known(asked: &Asked<'_>) -> bool {
    asked.bearer.and_then(|value| value.strip_prefix("Bearer ")) == Some(ACCESS_TOKEN)
}

/// GitHub answers 200 whatever is wrong.
fn github_token(shared: &Shared, form: &HashMap<String, String>) -> Answer {
    let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if text("client_id") != shared.client_id || text("client_secret") != shared.client_secret {
        return json_answer(200, &json!({"error": "incorrect_client_credentials"}));
    }
    let mut state = shared.state();
    let (granted, no) = match text("grant_type") {
        "refresh_token" => (state.refreshing.spend(text("refresh_token")), "bad_refresh_token"),
        _ => (redeemed(&mut state, form).is_some(), "bad_verification_code"),
    };
    if !granted {
        return json_answer(200, &json!({"error": no}));
    }
    let mut answer = json!({"access_token": ACCESS_TOKEN, "token_type": "bearer"});
    if let Some(token) = state.refreshing.make() {
        answer["refresh_token"] = token.into();
    }
    json_answer(200, &answer)
}

fn whole(shared: &Shared, asked: &Asked<'_>) -> Answer {
    if !is_known(asked) {
        return json_answer(401, &json!({"message": "Bad credentials"}));
    }
    json_answer(200, &shared.state().claims.clone().into())
}

/// `per_page` and `page`; a path that holds nothing is not open to the token.
fn numbered_page(shared: &Shared, asked: &Asked<'_>) -> Answer {
    let number = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(asked.query.as_bytes());
        pairs.find(|(found, _)| found == name).and_then(|(_, value)| value.parse::<usize>().ok())
    };
    let (size, page) = (number("per_page").unwrap_or(30), number("page").unwrap_or(1));
    let state = shared.state();
    let Some(items) = state.pages.get(asked.path).filter(|_| is_known(asked)) else {
        return json_answer(403, &json!({"message": "Resource not accessible"}));
    };
    let some: Vec<Value> =
        items.iter().skip(size * page.saturating_sub(1)).take(size).cloned().collect();
    json_answer(200, &some.into())
}

/// One at a time, each with the address of the next.
fn linked_page(shared: &Shared, asked: &Asked<'_>) -> Answer {
    let state = shared.state();
    let Some(items) = state.pages.get(asked.path).filter(|_| is_known(asked)) else {
        return json_answer(403, &json!({"error": {"code": "Authorization_RequestDenied"}}));
    };
    let skip = asked.query.split_once("$skiptoken=").and_then(|(_, at)| at.parse().ok());
    let at: usize = skip.unwrap_or_default();
    let mut answer = json!({"value": items.iter().skip(at).take(1).collect::<Vec<_>>()});
    if at + 1 < items.len() {
        let next = format!("{}{}?$skiptoken={}", shared.issuer, asked.path, at + 1);
        answer["@odata.nextLink"] = next.into();
    }
    json_answer(200, &answer)
}

fn template(shared: &Shared) -> Value {
    let mut metadata = metadata(shared, Lie::None);
    let host = shared.issuer.split_once("://").map(|(_, host)| host).unwrap_or_default();
    metadata["issuer"] = format!("{}/{{tenantid}}/v2.0", shared.issuer).into();
    metadata["msgraph_host"] = host.into();
    metadata["authorization_response_iss_parameter_supported"] = false.into();
    metadata
}
