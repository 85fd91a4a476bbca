//! Devices and API keys, for administrators.

use http::StatusCode;
use serde_json::json;

use super::Ask;
use crate::{
    answer::{self, Answer},
    clock::timestamp,
    media_server::{ApiKey, random_id},
    target::guid,
};

pub(super) fn list(ask: Ask<'_>) -> Answer {
    let wanted = ask.target.query.first("userId").and_then(guid);
    let mut devices = ask.server.state().devices();
    if let Some(wanted) = wanted {
        devices.retain(|device| {
            device.get("LastUserId").and_then(|id| id.as_str()) == Some(wanted.as_str())
        });
    }
    answer::json(json!({ "TotalRecordCount": devices.len(), "Items": devices, "StartIndex": 0 }))
}

/// Ends every token with that device id, whoever's it is.
pub(super) fn delete(ask: Ask<'_>) -> Result<Answer, Answer> {
    let id = ask.target.query.first("id").unwrap_or_default();
    let mut state = ask.server.state();
    if !state.grants.iter().any(|grant| grant.device_id == id) {
        return Err(answer::problem(StatusCode::NOT_FOUND));
    }
    state.end_grants(|grant| grant.device_id == id);
    drop(state);
    ask.server.sessions_changed();
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

pub(super) fn keys(ask: Ask<'_>) -> Answer {
    let state = ask.server.state();
    let keys = state.keys.iter().map(|key| {
        json!({
            "Id": key.id,
            "AccessToken": key.value,
            "DeviceId": "",
            "AppName": key.app,
            "AppVersion": "",
            "DeviceName": "",
            "UserId": uuid::Uuid::nil().simple().to_string(),
            "IsActive": false,
            "DateCreated": timestamp(key.created),
            "DateLastActivity": "0001-01-01T00:00:00.0000000Z",
        })
    });
    let keys: Vec<_> = keys.collect();
    answer::json(json!({ "TotalRecordCount": keys.len(), "Items": keys, "StartIndex": 0 }))
}

/// Makes a key. Its value is not in the answer.
pub(super) fn create_key(ask: Ask<'_>) -> Result<Answer, Answer> {
    let app = ask.target.query.first("app").unwrap_or_default();
    if app.is_empty() {
        return Err(answer::problem(StatusCode::BAD_REQUEST));
    }
    let created = ask.server.now();
    let mut state = ask.server.state();
    let id = state.keys.len();
    state.keys.push(ApiKey { id, value: random_id(), app: app.to_owned(), created });
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

pub(super) fn delete_key(ask: Ask<'_>) -> Result<Answer, Answer> {
    let value = ask.captured(0);
    let mut state = ask.server.state();
    let before = state.keys.len();
    state.keys.retain(|key| key.value != value);
    let removed = state.keys.len() < before;
    let status = if removed { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND };
    Ok(answer::empty(status))
}
