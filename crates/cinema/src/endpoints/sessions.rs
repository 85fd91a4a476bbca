//! Sessions: who is connected, what plays where, and messages from one client to another.

use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{Ask, body, field, json_body, library, text_field};
use crate::{
    answer::{self, Answer},
    media_server::{Heard, PersonId, SessionId, lay_over, no_capabilities, nothing_plays},
};

pub(super) fn list(ask: Ask<'_>) -> Answer {
    let (server_id, version) = (ask.server.server_id(), ask.server.version);
    let mut sessions =
        ask.server.state().sessions_seen_by(ask.caller.person(), &server_id, version);
    if let (Some(wanted), Some(list)) =
        (ask.target.query.first("deviceId"), sessions.as_array_mut())
    {
        list.retain(|session| session.get("DeviceId").and_then(Value::as_str) == Some(wanted));
    }
    answer::json(sessions)
}

/// Ends the caller's token. A key stays.
pub(super) fn logout(ask: Ask<'_>) -> Answer {
    let token = ask.caller.claimed.token.clone();
    ask.server.state().end_grants(|grant| grant.token == token);
    ask.server.sessions_changed();
    answer::empty(StatusCode::NO_CONTENT)
}

/// Opens or refreshes the caller's session and lets `change` at it.
fn with_session(
    ask: Ask<'_>,
    change: impl FnOnce(&mut crate::media_server::Session),
) -> Option<PersonId> {
    let person = ask.caller.person()?.clone();
    let now = ask.server.now();
    let mut state = ask.server.state();
    let remote = Some(ask.caller.origin.remote);
    let id = state.open_session(&person, &ask.caller.claimed, remote, now);
    if let Some(session) = state.session_mut(&id) {
        change(session);
    }
    drop(state);
    ask.server.sessions_changed();
    Some(person)
}

/// What the client can do: from the body (`/Full`) or from the query.
pub(super) async fn capabilities(
    ask: Ask<'_>,
    request: &mut Request<Incoming>,
) -> Result<Answer, Answer> {
    let query = &ask.target.query;
    let body = if ask.target.segments.len() > 2 {
        json_body(request).await?
    } else {
        let list = |name| {
            let joined = query.joined(name).unwrap_or_default();
            joined.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        json!({
            "PlayableMediaTypes": list("playableMediaTypes"),
            "SupportedCommands": list("supportedCommands"),
            "SupportsMediaControl": query.is_true("supportsMediaControl"),
        })
    };
    let mut capabilities = no_capabilities();
    let names: Vec<String> =
        capabilities.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    for name in names {
        if let Some(value) = field(&body, &name) {
            lay_over(&mut capabilities, &json!({ name: value }));
        }
    }
    with_session(ask, |session| session.capabilities = capabilities);
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// A film has begun, or goes on.
pub(super) async fn playing(
    ask: Ask<'_>,
    request: &mut Request<Incoming>,
) -> Result<Answer, Answer> {
    let body = json_body(request).await?;
    let known = crate::target::guid(&text_field(&body, "ItemId"))
        == Some(library::film_id(&ask.server.film));
    let item = known.then(|| library::short_item(ask.server));
    let mut play_state = nothing_plays();
    for name in ["PositionTicks", "CanSeek", "IsPaused", "IsMuted", "PlayMethod", "MediaSourceId"] {
        if let Some(value) = field(&body, name) {
            lay_over(&mut play_state, &json!({ name: value }));
        }
    }
    with_session(ask, |session| {
        session.playing = item;
        session.play_state = play_state;
    });
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// A film has ended. Everything of that person hears that the place in it has changed.
pub(super) async fn stopped(
    ask: Ask<'_>,
    request: &mut Request<Incoming>,
) -> Result<Answer, Answer> {
    let body = json_body(request).await?;
    let person = with_session(ask, |session| {
        session.playing = None;
        session.play_state = nothing_plays();
    });
    if let Some(person) = person {
        let mut place = library::place_in_film(ask.server);
        let position = field(&body, "PositionTicks").cloned().unwrap_or(json!(0));
        lay_over(&mut place, &json!({ "PlaybackPositionTicks": position, "PlayCount": 1 }));
        let heard = Heard {
            kind: "UserDataChanged",
            payload: json!({ "UserId": person.0, "UserDataList": [place] }),
        };
        ask.server.state().tell(&heard, |session| session.person == person);
    }
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Sends something to every socket of the session in the path. The real server picks the socket
/// that was active last; here both tabs of a browser hear it.
fn send(ask: Ask<'_>, kind: &'static str, payload: Value) -> Result<Answer, Answer> {
    let id = SessionId(ask.id(0, "sessionId")?);
    let mut state = ask.server.state();
    if state.session(&id).is_none() {
        return Err(answer::error(StatusCode::NOT_FOUND));
    }
    state.tell(&Heard { kind, payload }, |session| session.id == id);
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

fn controlling(ask: Ask<'_>) -> Value {
    ask.caller.person().map_or(Value::Null, |person| json!(person.0))
}

pub(super) async fn send_message(
    ask: Ask<'_>,
    request: &mut Request<Incoming>,
) -> Result<Answer, Answer> {
    let body = json_body(request).await?;
    let text = text_field(&body, "Text");
    if text.is_empty() {
        return Err(answer::problem(StatusCode::BAD_REQUEST));
    }
    let mut arguments = json!({ "Header": text_field(&body, "Header"), "Text": text });
    if let Some(timeout) = field(&body, "TimeoutMs").filter(|value| !value.is_null()) {
        lay_over(&mut arguments, &json!({ "TimeoutMs": timeout.to_string() }));
    }
    let payload = json!({
        "Name": "DisplayMessage",
        "ControllingUserId": controlling(ask),
        "Arguments": arguments,
    });
    send(ask, "GeneralCommand", payload)
}

/// A command, named in the path or in the body.
pub(super) async fn send_command(
    ask: Ask<'_>,
    request: &mut Request<Incoming>,
) -> Result<Answer, Answer> {
    let (name, arguments) = match ask.captured {
        [_, name] => {
            body(request).await?;
            (name.clone(), json!({}))
        }
        _ => {
            let body = json_body(request).await?;
            let arguments = field(&body, "Arguments").cloned().unwrap_or(json!({}));
            (text_field(&body, "Name"), arguments)
        }
    };
    let payload =
        json!({ "Name": name, "ControllingUserId": controlling(ask), "Arguments": arguments });
    send(ask, "GeneralCommand", payload)
}

/// "Play this": items and a command from the query.
pub(super) fn send_play(ask: Ask<'_>) -> Result<Answer, Answer> {
    let query = &ask.target.query;
    let items = query.joined("itemIds").unwrap_or_default();
    let payload = json!({
        "ItemIds": items.split(',').filter_map(crate::target::guid).collect::<Vec<_>>(),
        "PlayCommand": query.first("playCommand").unwrap_or("PlayNow"),
        "ControllingUserId": controlling(ask),
    });
    send(ask, "Play", payload)
}

/// "Pause", "Stop", "Seek" and the like.
pub(super) fn send_playstate(ask: Ask<'_>) -> Result<Answer, Answer> {
    let mut payload = json!({ "Command": ask.captured(1), "ControllingUserId": controlling(ask) });
    if let Some(ticks) = ask.target.query.first("seekPositionTicks") {
        lay_over(&mut payload, &json!({ "SeekPositionTicks": ticks.parse::<u64>().ok() }));
    }
    send(ask, "Playstate", payload)
}
