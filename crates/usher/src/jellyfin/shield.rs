//! What nobody may ask from outside, and what strangers may.

use http::{HeaderMap, HeaderName, Method, header};
use usher_rules::{
    jellyfin::{Door, Endpoint, Opening, ServerState, Token, TokenHash, takes_sockets},
    plan::{Jellyfin, Service},
};

use super::{Devices, read::read};
use crate::request::{Answers, AppRefusal, AppRequest, Demand, Wrong, authorize::Unbound};

const SHUT: &str = "Nobody gets this from outside.";
const SETUP_OPEN: &str = "The server behind this was never set up.";
const ADMINISTRATION: &str = "This is for those who look after the server.";
const SOCKET: &str = "Sockets are opened at /socket.";
const API_KEY: &str = "An API key is nobody's token.";
const NOBODYS: &str = "This is for those who are signed in.";

/// What a request has to be beside what the policy says.
pub(super) fn demands(
    settings: &Jellyfin,
    (devices, state): (&dyn Devices, Option<ServerState>),
    asked: AppRequest<'_>,
) -> Demand {
    let read = read(asked);
    if let Err(ambiguity) = read.credentials {
        let (rule, why, wrong) = ("jellyfin-ambiguous", ambiguity.why(), Wrong::Itself);
        return Demand::Refused(AppRefusal { rule, why, wrong });
    }
    if state != Some(ServerState::SetupOpen) && service(settings, asked).is_some() {
        return Demand::Nothing; // the config names what it may
    }
    let is_key = |(token, hash): (&Token, TokenHash)| {
        is_api_key(settings, (token, hash))
            || passes_unknown(asked) && !devices.is_no_key(hash, asked)
    };
    if read.token().is_some_and(is_key) {
        let (rule, why, wrong) = ("jellyfin-api-key", API_KEY, Wrong::Nobody);
        return Demand::Refused(AppRefusal { rule, why, wrong });
    }
    if is_socket(&asked.head.headers) && !takes_sockets(asked.path, &settings.folded_base) {
        let (rule, why, wrong) = ("jellyfin-socket", SOCKET, Wrong::Asked);
        return Demand::Refused(AppRefusal { rule, why, wrong });
    }
    let is_open = |door: Door| settings.open.contains(&door);
    let admin = |rule: &'static str, why: &'static str| match &settings.admin_policy {
        Some(policy) => Demand::Also(policy.clone()),
        None => Demand::Refused(AppRefusal { rule, why, wrong: Wrong::Asked }),
    };
    match read.endpoint {
        // It takes whoever asks for its administrator.
        _ if state == Some(ServerState::SetupOpen) => admin(Door::Wizard.reason(), SETUP_OPEN),
        Endpoint::Shut(door) | Endpoint::Anonymous(door) if is_open(door) => Demand::Nothing,
        // Without a token the server would do it for whoever comes from its own network: us.
        Endpoint::Shut(Door::Restart) if read.hash.is_some() => admin(Door::Restart.reason(), SHUT),
        Endpoint::Shut(Door::Wizard) => admin(Door::Wizard.reason(), SHUT),
        Endpoint::Shut(door) => {
            Demand::Refused(AppRefusal { rule: door.reason(), why: SHUT, wrong: Wrong::Asked })
        }
        Endpoint::Administration => admin("jellyfin-administration", ADMINISTRATION),
        Endpoint::Anonymous(door) if asked.identity.session().is_none() => {
            let wrong = Wrong::Nobody;
            Demand::Refused(AppRefusal { rule: door.reason(), why: NOBODYS, wrong })
        }
        Endpoint::Anonymous(_) | Endpoint::Person | Endpoint::Strangers(_) => Demand::Nothing,
    }
}

/// What strangers may ask, and nothing else.
pub(super) fn allows_unbound(
    settings: &Jellyfin,
    devices: &dyn Devices,
    asked: AppRequest<'_>,
) -> Unbound {
    if service(settings, asked).is_some() {
        return Unbound::Open("jellyfin-service");
    }
    if is_preflight(asked) {
        return Unbound::Open(Opening::Preflight.reason());
    }
    match read(asked).endpoint {
        Endpoint::Strangers(opening) if is_open(opening, devices, asked) => {
            Unbound::Open(opening.reason())
        }
        Endpoint::Anonymous(door) if settings.open.contains(&door) => Unbound::Open(door.reason()),
        Endpoint::Strangers(_) | Endpoint::Anonymous(_) | Endpoint::Person => Unbound::No,
        Endpoint::Administration | Endpoint::Shut(_) => Unbound::No,
    }
}

fn is_open(opening: Opening, devices: &dyn Devices, asked: AppRequest<'_>) -> bool {
    match opening {
        Opening::Info | Opening::Ping | Opening::Branding | Opening::UserNames => true,
        Opening::Health | Opening::Preflight => true,
        Opening::QuickConnect | Opening::Password => {
            devices.answers(opening, asked) != Answers::Upstream
        }
        // A browser's page is where its person signs in.
        Opening::Web => {
            let fields = &asked.head.headers;
            !is_document(fields) || is_window_of_an_app(fields)
        }
    }
}

/// A window in which an app shows the web client: Android's WebView, where the app waits ten seconds
/// for the web client's script and takes our page for no server, and webOS, where a frame keeps no
/// cookies. Both pair by a code on the web client's own page, whose files are open anyway: who only
/// says so gets nothing else.
pub(super) fn is_window_of_an_app(fields: &HeaderMap) -> bool {
    let agent = fields.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    agent.is_some_and(|agent| agent.contains("; wv)") || agent.contains("(Web0S;"))
}

/// Asks for a WebSocket, over either version of HTTP (RFC 6455 §4.1, RFC 8441 §5).
fn is_socket(fields: &HeaderMap) -> bool {
    [header::UPGRADE, header::SEC_WEBSOCKET_KEY, header::SEC_WEBSOCKET_VERSION]
        .iter()
        .any(|name| fields.contains_key(name))
}

/// Does a browser show it as a page? (Fetch Metadata §2.3; those that say none ask for HTML.)
pub(super) fn is_document(fields: &HeaderMap) -> bool {
    let says = |name: &HeaderName, what: &[u8]| {
        fields.get_all(name).iter().any(|value| {
            value.as_bytes().windows(what.len()).any(|part| part.eq_ignore_ascii_case(what))
        })
    };
    match fields.contains_key("sec-fetch-mode") {
        true => says(&HeaderName::from_static("sec-fetch-mode"), b"navigate"),
        false => says(&header::ACCEPT, b"text/html"),
    }
}

/// Asks whether a page of another origin may ask something (Fetch §4.8).
pub(super) fn is_preflight(asked: AppRequest<'_>) -> bool {
    let fields = &asked.head.headers;
    asked.head.method == Method::OPTIONS
        && fields.contains_key(header::ORIGIN)
        && fields.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The service that asks: its key, for one of its paths, from one of its addresses.
pub(super) fn service<'a>(settings: &'a Jellyfin, asked: AppRequest<'_>) -> Option<&'a Service> {
    if settings.services.is_empty() {
        return None;
    }
    let key = read(asked).hash?;
    let path = asked.path.small();
    settings.services.iter().find(|service| {
        service.key == key
            && service.is_at(asked.visitor)
            && asked.path.other_readings().is_empty()
            && service.paths.iter().any(|pattern| takes(pattern, &path))
    })
}

/// `/Items/*` takes what is below `/Items`.
fn takes(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some(above) => path.strip_prefix(above).is_some_and(|below| below.starts_with('/')),
        None => pattern == path.trim_end_matches('/'),
    }
}

/// Does a token that nobody here knows go on, beside a browser's session or on a public route?
pub(super) fn passes_unknown(asked: AppRequest<'_>) -> bool {
    match asked.identity.session() {
        Some(live) => live.session().app.is_none(),
        None => asked.route.is_public,
    }
}

/// Is it a key that we know of: our own, or a service's?
pub(super) fn is_api_key(settings: &Jellyfin, (token, hash): (&Token, TokenHash)) -> bool {
    let is_ours = |key: &usher_rules::secret::Secret| key.same_as(token.expose().as_bytes());
    settings.api_key.as_ref().is_some_and(is_ours)
        || settings.services.iter().any(|service| service.key == hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_visitor_reads_is_said_in_every_language() {
        for english in [SHUT, SETUP_OPEN, ADMINISTRATION] {
            for messages in
                usher_pages::Language::ALL.into_iter().filter_map(usher_pages::Language::messages)
            {
                assert!(messages.contains_key(english), "{english}");
            }
        }
    }
}
