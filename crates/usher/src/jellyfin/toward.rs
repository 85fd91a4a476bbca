//! What is changed on the way to the server, and on the way back.

use bytes::Bytes;
use http::{HeaderValue, header, request, response, uri::Uri};
use serde_json::Value;
use usher_rules::{
    jellyfin::{Door, Endpoint, Opening, ServerState},
    plan::{Jellyfin, LegacyClients},
};

use super::{legacy, read::read, seat, starting};
use crate::request::{AnswerNeed, AppRequest, BodyNeed, TowardUpstream};

/// Octets of the longest document in which an address is written anew.
const INFO: usize = 64 * 1024;

/// Toward the server.
pub(super) fn upstream(
    (settings, state): (&Jellyfin, Option<ServerState>),
    asked: AppRequest<'_>,
    head: &mut request::Parts,
) -> TowardUpstream {
    let read = read(asked);
    if let (LegacyClients::Translate, Ok(found)) = (settings.legacy_clients, &read.credentials) {
        legacy::translate(head, found);
    }
    let tells = read.endpoint == Endpoint::Strangers(Opening::Info);
    let tells = tells || seat::button(settings, asked).is_some();
    let tells = tells || state == Some(ServerState::Starting) && starting::is_for_browser(asked);
    let answer = if tells { AnswerNeed::Readable } else { AnswerNeed::AsItIs };
    TowardUpstream { body: BodyNeed::AsItIs, answer }
}

/// Back to the client.
pub(super) fn client(
    settings: &Jellyfin,
    asked: AppRequest<'_>,
    head: &mut response::Parts,
) -> BodyNeed<response::Parts> {
    if starting::is_shown(asked, head) {
        return starting::page(asked);
    }
    let endpoint = read(asked).endpoint;
    if let Endpoint::Anonymous(Door::Pictures) = endpoint {
        keep_private(head);
    }
    stay_public(asked, head);
    if let (Some(button), true) = (seat::button(settings, asked), head.status == 200) {
        let rewrite = Box::new(move |_: &mut response::Parts, body: Bytes| {
            Ok(seat::with_button(body, &button))
        });
        return BodyNeed::Whole { at_most: INFO, rewrite };
    }
    if endpoint != Endpoint::Strangers(Opening::Info) || head.status != 200 {
        return BodyNeed::AsItIs;
    }
    let public = format!("https://{}{}", asked.authority, settings.base_path);
    let rewrite = Box::new(move |_: &mut response::Parts, body: Bytes| with_address(body, &public));
    BodyNeed::Whole { at_most: INFO, rewrite }
}

/// A cache that is shared would give them to everybody who has the address.
fn keep_private(head: &mut response::Parts) {
    let Some(said) = head.headers.get(header::CACHE_CONTROL) else { return };
    let said = String::from_utf8_lossy(said.as_bytes()).into_owned();
    let rest = said.split(',').map(str::trim);
    let rest = rest.filter(|one| !one.eq_ignore_ascii_case("public"));
    let rest = rest.filter(|one| !one.eq_ignore_ascii_case("private"));
    let value = std::iter::once("private").chain(rest).collect::<Vec<_>>().join(", ");
    if let Ok(value) = HeaderValue::try_from(value) {
        head.headers.insert(header::CACHE_CONTROL, value);
    }
}

/// `/web` leads to `http://HOST/web/` where the server does not know that we speak TLS.
fn stay_public(asked: AppRequest<'_>, head: &mut response::Parts) {
    let location = head.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let Some(uri) = location.and_then(|location| location.parse::<Uri>().ok()) else { return };
    let is_here =
        uri.host().is_some_and(|host| host.eq_ignore_ascii_case(asked.authority.host.as_str()));
    if uri.scheme_str() != Some("http") || !is_here {
        return;
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    if let Ok(value) = HeaderValue::try_from(format!("https://{}{path}", asked.authority)) {
        head.headers.insert(header::LOCATION, value);
    }
}

/// Which address its clients come by: ours, in the place of one in its own network.
fn with_address(body: Bytes, public: &str) -> Result<Bytes, &'static str> {
    let Ok(mut info) = serde_json::from_slice::<Value>(&body) else { return Ok(body) };
    let Some(members) = info.as_object_mut() else { return Ok(body) };
    // A server that starts writes its keys in camel case.
    for name in ["LocalAddress", "localAddress"] {
        if let Some(address) = members.get_mut(name) {
            *address = public.into();
        }
    }
    Ok(info.to_string().into())
}
