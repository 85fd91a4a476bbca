//! Signing out that began at an app (OpenID Connect RP-Initiated Logout 1.0).

use http::Response;
use serde_json::Value;
use usher_rules::{
    openid::{session_id, subject},
    plan::OpenIdClient,
    signin::{Params, SIGN_OUT, SIGNED_OUT, WayBack, param},
};

use super::super::{Ask, SignInRoom, answer};
use crate::request::{Body, identify::LiveSession};

impl SignInRoom {
    /// Without asking only where an ID token says that it is this very session that is to end: a link
    /// of anybody's signs nobody out (§2, §6).
    pub(super) async fn end_session(&self, ask: &Ask) -> Response<Body> {
        let Ok(params) = Params::parse(ask.query()) else { return answer::found(SIGN_OUT) };
        let hint = params.text("id_token_hint");
        let hint = hint.and_then(|hint| self.id_token_signer()?.verified(hint));
        let client = client(ask, &params, hint.as_ref());
        let back = client.and_then(|client| way_back(ask, client, &params));
        let Some(live) = ask.known_here() else {
            let last = || format!("{}{SIGNED_OUT}", ask.authenticate());
            return answer::found(&back.map_or_else(last, |back| back.to_string()));
        };
        match client.filter(|client| is_about(&live, client, hint.as_ref())) {
            Some(_) => self.sign_out_by_app(ask, &live, back).await,
            None => {
                let mut query = url::form_urlencoded::Serializer::new(String::new());
                query.extend_pairs(back.map(|back| (param::REDIRECT_URI, back.to_string())));
                answer::found(&format!("{SIGN_OUT}?{}", query.finish()))
            }
        }
    }
}

/// Whose ID token it is, or who it says it is: both say the same, or nobody is known.
fn client<'a>(ask: &'a Ask, params: &Params, hint: Option<&Value>) -> Option<&'a OpenIdClient> {
    let named = params.text("client_id");
    let by_hint = hint.and_then(|claims| claims.get("aud")?.as_str());
    let id = by_hint.or(named).filter(|id| named.is_none_or(|named| named == *id))?;
    ask.plan().openid_clients.iter().find(|client| *client.id == *id)
}

fn way_back(ask: &Ask, client: &OpenIdClient, params: &Params) -> Option<WayBack> {
    let uri = params.text("post_logout_redirect_uri")?;
    client.post_logout_redirect_uris.iter().find(|registered| ***registered == *uri)?;
    let state = params.text("state").map(|state| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let query = query.append_pair("state", state).finish();
        format!("{uri}{}{query}", if uri.contains('?') { '&' } else { '?' })
    });
    WayBack::parse(ask.plan(), state.as_deref().unwrap_or(uri))
}

fn is_about(live: &LiveSession, client: &OpenIdClient, hint: Option<&Value>) -> bool {
    let says = |name: &str, expected: &str| {
        hint.and_then(|claims| claims.get(name)?.as_str()).is_some_and(|text| text == expected)
    };
    says("sid", &session_id(&live.session().id, &client.id))
        && says("sub", &subject(live.signed_in()))
}
