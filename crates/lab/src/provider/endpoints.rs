use std::{collections::HashMap, convert::Infallible, sync::Arc};

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_TYPE, LOCATION},
};
use serde_json::{Value, json};

use super::{
    Grant, Lie, Shared, State,
    dialect::{self, Asked, Dialect},
    keys::{encode, sign_with_secret, unsigned},
};

pub(super) type Answer = Response<Full<Bytes>>;

/// The access token; it says nothing by itself.
pub(super) const ACCESS_TOKEN: &str = "an-access-token";

pub(super) async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let lie = {
        let mut state = shared.state();
        *state.asked.entry(path.clone()).or_default() += 1;
        state.lie
    };
    let fixed = shared.state().fixed.get(&path).cloned();
    if let Some(super::Fixed { status: code, location, body }) = fixed {
        let mut answer = status(code, &body);
        let location = location.and_then(|to| to.parse().ok());
        answer.headers_mut().extend(location.map(|to| (LOCATION, to)));
        return Ok(answer);
    }
    if lie == Lie::Down {
        return Ok(status(503, "the provider is being mended"));
    }
    let bearer = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let names_itself = request.headers().contains_key(hyper::header::USER_AGENT);
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let asked = Asked { path: &path, query: &query, bearer: bearer.as_deref(), names_itself };
    if let Some(answer) = dialect::answer(&shared, &asked, &form(&body)) {
        return Ok(answer);
    }
    Ok(match path.as_str() {
        "/.well-known/openid-configuration" => json_answer(200, &metadata(&shared, lie)),
        "/jwks" => json_answer(200, &shared.state().keys.published()),
        "/authorize" => {
            authorize(&shared, &query).map_or_else(|| status(400, "what?"), |to| redirect(&to))
        }
        "/token" => match lie {
            Lie::TokenDown => status(503, "{\"error\":\"temporarily_unavailable\"}"),
            Lie::TokenSilent => std::future::pending().await,
            Lie::TokenHuge => status(200, &" ".repeat(2 << 20)),
            Lie::TokenRedirects => redirect(&format!("{}/elsewhere", shared.issuer)),
            _ => token(&shared, bearer.as_deref(), &form(&body)),
        },
        "/userinfo" if lie == Lie::UserinfoDown => status(503, "later"),
        "/userinfo" if bearer.as_deref() == Some("Bearer an-access-token") => userinfo(&shared),
        "/userinfo" => status(401, "who?"),
        "/logout" => logout(&query),
        _ => status(404, "nothing here"),
    })
}

pub(super) fn metadata(shared: &Shared, lie: Lie) -> Value {
    let at = |path: &str| format!("{}{path}", shared.issuer);
    let issuer = if lie == Lie::MetadataOfAnother { at("/") } else { shared.issuer.clone() };
    json!({
        "issuer": issuer,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/jwks"),
        "end_session_endpoint": at("/logout"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    })
}

/// The authorization endpoint, with somebody who always says yes.
pub(super) fn authorize(shared: &Shared, query: &str) -> Option<String> {
    let params = form(query.as_bytes());
    let text = |name: &str| params.get(name).cloned();
    let known = text("client_id")? == shared.client_id
        && text("response_type")? == "code"
        && text("code_challenge_method")? == "S256"
        && shared.state().dialect.takes(&text("scope")?, text("nonce").as_deref());
    known.then_some(())?;
    let redirect_uri = text("redirect_uri")?;
    let mut state = shared.state();
    let code = format!("code-{}", state.grants.len() + 1);
    let grant = Grant {
        nonce: text("nonce"),
        challenge: text("code_challenge")?,
        redirect_uri: redirect_uri.clone(),
    };
    state.grants.insert(code.clone(), grant);
    let mut url = url::Url::parse(&redirect_uri).ok()?;
    url.query_pairs_mut().append_pair("code", &code).append_pair("state", &text("state")?);
    match state.lie {
        Lie::ResponseOfNobody => {}
        _ if state.dialect != Dialect::OpenId => {}
        Lie::ResponseOfAnother => {
            url.query_pairs_mut().append_pair("iss", "https://evil.example");
        }
        _ => {
            url.query_pairs_mut().append_pair("iss", &shared.issuer);
        }
    }
    Some(url.into())
}

fn token(shared: &Shared, authorization: Option<&str>, form: &HashMap<String, String>) -> Answer {
    let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let basic = format!("{}:{}", shared.client_id, form_encoded(&shared.client_secret));
    let basic = format!("Basic {}", BASE64_STANDARD.encode(basic));
    let by_form =
        text("client_id") == shared.client_id && text("client_secret") == shared.client_secret;
    let by_basic = authorization == Some(&basic) && !shared.state().by_post_only;
    if !by_basic && !by_form {
        return json_answer(401, &json!({"error": "invalid_client"}));
    }
    let mut state = shared.state();
    let granted = match text("grant_type") {
        "refresh_token" => state.refreshing.spend(text("refresh_token")).then_some(None),
        _ => redeemed(&mut state, form).map(|grant| grant.nonce),
    };
    let Some(nonce) = granted else {
        return json_answer(400, &json!({"error": "invalid_grant"}));
    };
    let mut answer =
        json!({"access_token": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 300});
    if let Some(token) = state.refreshing.make() {
        answer["refresh_token"] = token.into();
    }
    if state.lie != Lie::NoIdToken {
        let claims = id_token_claims(shared, &state, nonce);
        let token = match state.lie {
            Lie::AlgNone => unsigned(&claims),
            Lie::HsWithPublicKey => state.keys.sign_with_public_key(&claims),
            Lie::HsWithClientSecret => sign_with_secret(&shared.client_secret, &claims),
            Lie::OtherKey => state.keys.sign_as_stranger(true, &claims),
            Lie::UnknownKid => state.keys.sign_as_stranger(false, &claims),
            Lie::Changed => changed(&state.keys.sign(state.algorithm, &claims), &claims),
            _ => state.keys.sign(state.algorithm, &claims),
        };
        answer["id_token"] = token.into();
    }
    for (name, value) in &state.more_in_tokens {
        answer[name] = value.clone();
    }
    json_answer(200, &answer)
}

/// What a code stands for, once, with the verifier that goes with it.
pub(super) fn redeemed(state: &mut State, form: &HashMap<String, String>) -> Option<Grant> {
    let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let grant = state.grants.remove(text("code")).filter(|grant| {
        let digest = digest::digest(&digest::SHA256, text("code_verifier").as_bytes());
        encode(digest) == grant.challenge && text("redirect_uri") == grant.redirect_uri
    });
    grant.filter(|_| text("grant_type") == "authorization_code")
}

fn id_token_claims(shared: &Shared, state: &State, nonce: Option<String>) -> Value {
    let mut claims = state.claims.clone();
    let mut set = |name: &str, value: Value| claims.insert(name.into(), value);
    set("iss", state.dialect.issuer(&shared.issuer, &state.claims).into());
    set("aud", shared.client_id.clone().into());
    set("iat", state.now.into());
    set("exp", (state.now + 300).into());
    set("nonce", nonce.into());
    match state.lie {
        Lie::WrongAudience => set("aud", "another".into()),
        Lie::ManyAudiences => set("aud", json!([shared.client_id, "another"])),
        Lie::OtherParty => set("azp", "another".into()),
        Lie::WrongNonce => set("nonce", "another".into()),
        Lie::NoNonce => claims.remove("nonce"),
        Lie::WrongIssuer => set("iss", "https://evil.example".into()),
        Lie::Expired => set("exp", (state.now - 120).into()),
        Lie::FromTheFuture => set("iat", (state.now + 120).into()),
        _ => None,
    };
    claims.into()
}

/// The same signature over other claims.
fn changed(token: &str, claims: &Value) -> String {
    let mut claims = claims.clone();
    claims["sub"] = "somebody else".into();
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    if let Some(payload) = parts.get_mut(1) {
        *payload = encode(claims.to_string());
    }
    parts.join(".")
}

fn userinfo(shared: &Shared) -> Answer {
    let state = shared.state();
    let mut claims = state.userinfo.clone().unwrap_or_else(|| state.claims.clone());
    if state.lie == Lie::UserinfoOfAnother {
        claims.insert("sub".into(), "somebody else".into());
    }
    json_answer(200, &claims.into())
}

fn logout(query: &str) -> Answer {
    let params = form(query.as_bytes());
    let Some(mut url) =
        params.get("post_logout_redirect_uri").and_then(|to| url::Url::parse(to).ok())
    else {
        return status(200, "signed out here");
    };
    if let Some(state) = params.get("state") {
        url.query_pairs_mut().append_pair("state", state);
    }
    redirect(url.as_str())
}

fn form(body: &[u8]) -> HashMap<String, String> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

pub(super) fn status(code: u16, words: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::copy_from_slice(words.as_bytes())));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or_default();
    answer
}

pub(super) fn json_answer(code: u16, value: &Value) -> Answer {
    let mut answer = status(code, &value.to_string());
    answer.headers_mut().extend("application/json".parse().map(|json| (CONTENT_TYPE, json)));
    answer
}

fn redirect(to: &str) -> Answer {
    let mut answer = status(302, "");
    answer.headers_mut().extend(to.parse().map(|to| (LOCATION, to)));
    answer
}
