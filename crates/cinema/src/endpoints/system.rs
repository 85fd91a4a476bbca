//! About the server: what it is, how it is, its settings.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{Request, StatusCode, header};
use hyper::body::{Body, Incoming};
use serde_json::{Value, json};

use super::{Ask, body, json_body};
use crate::{
    answer::{self, Answer, AnswerBody},
    fault::Fault,
    media_server::lay_over,
    options::Readiness,
};

/// The largest log that a client may leave, in bytes.
const CLIENT_LOG_LIMIT: u64 = 1_000_000;

/// The largest body of a speed test, in bytes.
const BITRATE_TEST_LIMIT: usize = 100_000_000;

pub(super) fn anonymous_info(ask: Ask<'_>) -> Answer {
    answer::json(public_info(ask))
}

fn public_info(ask: Ask<'_>) -> Value {
    let has = |fault| ask.server.has(fault);
    let by_request = ask.server.state().publishes_by_request();
    let published =
        if by_request { ask.caller.origin.base() } else { ask.server.state().published() };
    let version = if has(Fault::Old) { "10.8.13" } else { ask.server.version.number() };
    json!({
        "LocalAddress": published,
        "ServerName": ask.server.server_name(),
        "Version": version,
        "ProductName": "Jellyfin Server",
        "OperatingSystem": "",
        "Id": ask.server.server_id(),
        "StartupWizardCompleted": !has(Fault::SetupOpen),
    })
}

pub(super) fn info(ask: Ask<'_>) -> Answer {
    let mut info = public_info(ask);
    let more = json!({
        "OperatingSystemDisplayName": "",
        "PackageName": "usher stand-in",
        "HasPendingRestart": false,
        "IsShuttingDown": false,
        "SupportsLibraryMonitor": true,
        "WebSocketPortNumber": 8096,
        "CompletedInstallations": [],
        "CanSelfRestart": true,
        "CanLaunchWebBrowser": false,
        "ProgramDataPath": "/data",
        "WebPath": "/web",
        "ItemsByNamePath": "/data/metadata",
        "CachePath": "/cache",
        "LogPath": "/data/log",
        "InternalMetadataPath": "/data/metadata",
        "TranscodingTempPath": "/cache/transcodes",
        "CastReceiverApplications": [],
        "HasUpdateAvailable": false,
        "EncoderLocation": "System",
        "SystemArchitecture": "X64",
    });
    lay_over(&mut info, &more);
    answer::json(info)
}

pub(super) fn health(ask: Ask<'_>) -> Answer {
    let said = match ask.server.state().readiness {
        Readiness::Ready => "Healthy",
        Readiness::Starting => "Degraded", // still 200: only the body tells
    };
    let mut answer = Answer::new(AnswerBody::Chunked(said.into()));
    for (name, value) in [
        (header::CONTENT_TYPE, "text/plain"),
        (header::CACHE_CONTROL, "no-store, no-cache"),
        (header::EXPIRES, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (header::PRAGMA, "no-cache"),
    ] {
        answer::set(&mut answer, name, value);
    }
    answer
}

/// Anybody whose address counts as local may do this, and behind a proxy that is not known
/// everybody counts as local.
pub(super) fn restart(ask: Ask<'_>) -> Answer {
    ask.server.restart();
    answer::empty(StatusCode::NO_CONTENT)
}

pub(super) fn network_position(ask: Ask<'_>) -> Answer {
    let origin = &ask.caller.origin;
    answer::json(json!({
        "IsLocal": origin.remote == ask.caller.peer && origin.remote.is_loopback(),
        "IsInNetwork": origin.is_in_network(),
    }))
}

pub(super) fn utc_time(ask: Ask<'_>) -> Answer {
    let now = ask.server.timestamp();
    answer::json(json!({ "RequestReceptionTime": now, "ResponseTransmissionTime": now }))
}

pub(super) fn branding(ask: Ask<'_>) -> Answer {
    answer::json(ask.server.state().branding.clone())
}

pub(super) fn branding_css(ask: Ask<'_>) -> Answer {
    let css =
        ask.server.state().branding.get("CustomCss").and_then(Value::as_str).map(str::to_owned);
    answer::text("text/css; charset=utf-8", css.unwrap_or_default())
}

pub(super) fn open_api(ask: Ask<'_>) -> Answer {
    let document = json!({
        "openapi": "3.0.1",
        "info": { "title": "Stand-in for the Jellyfin API", "version": ask.server.version.number() },
        "paths": {},
    });
    let mut answer = Answer::new(AnswerBody::Chunked(document.to_string().into()));
    answer::set(&mut answer, header::CONTENT_TYPE, "application/json;charset=utf-8");
    answer
}

/// Any person may read the settings, the certificate's password included.
pub(super) fn settings(ask: Ask<'_>) -> Answer {
    answer::json(ask.server.state().system.clone())
}

pub(super) fn settings_named(ask: Ask<'_>) -> Result<Answer, Answer> {
    let state = ask.server.state();
    match ask.captured(0).to_ascii_lowercase().as_str() {
        "network" => Ok(answer::json(state.network.clone())),
        "branding" => Ok(answer::json(state.branding.clone())),
        _ => Err(answer::error(StatusCode::NOT_FOUND)),
    }
}

pub(super) async fn store_settings(
    ask: Ask<'_>,
    request: &mut Request<Incoming>,
) -> Result<Answer, Answer> {
    let given = json_body(request).await?;
    lay_over(&mut ask.server.state().system, &given);
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn store_settings_named(
    ask: Ask<'_>,
    request: &mut Request<Incoming>,
) -> Result<Answer, Answer> {
    let given = json_body(request).await?;
    let mut state = ask.server.state();
    match ask.captured(0).to_ascii_lowercase().as_str() {
        "network" => lay_over(&mut state.network, &given),
        "branding" => lay_over(&mut state.branding, &given),
        _ => return Err(answer::error(StatusCode::NOT_FOUND)),
    }
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

pub(super) fn startup_configuration(ask: Ask<'_>) -> Answer {
    answer::json(json!({
        "ServerName": ask.server.server_name(),
        "UICulture": "en-US",
        "MetadataCountryCode": "US",
        "PreferredMetadataLanguage": "en",
    }))
}

pub(super) fn startup_person(ask: Ask<'_>) -> Answer {
    let state = ask.server.state();
    answer::json(json!({ "Name": state.people.first().map(|person| &person.name) }))
}

/// A log that is told to be too long is refused at once, while its bytes are still coming.
pub(super) async fn client_log(request: &mut Request<Incoming>) -> Result<Answer, Answer> {
    static LOGS: AtomicU64 = AtomicU64::new(1);
    let too_long = || {
        let message = "Payload must be less than 1,000,000 bytes";
        answer::json_status(StatusCode::PAYLOAD_TOO_LARGE, message.into())
    };
    if request.body().size_hint().lower() > CLIENT_LOG_LIMIT {
        return Err(too_long());
    }
    let log = body(request).await?;
    if log.len() as u64 > CLIENT_LOG_LIMIT {
        return Err(too_long());
    }
    let number = LOGS.fetch_add(1, Ordering::Relaxed);
    Ok(answer::json(json!({ "FileName": format!("upload_{number}.log") })))
}

/// As many bytes as asked for, all of them zero.
pub(super) fn bitrate_test(ask: Ask<'_>) -> Answer {
    let asked = ask.target.query.first("size").map_or(Ok(102_400), str::parse::<usize>);
    match asked {
        Ok(size @ 1..=BITRATE_TEST_LIMIT) => {
            // The real one takes a buffer from its pool, and sends it whole.
            let size = size.next_power_of_two().max(16);
            let size = if ask.server.has(Fault::CutsLongAnswers) { size / 2 } else { size };
            answer::text("application/octet-stream", vec![0; size])
        }
        Ok(_) | Err(_) => answer::problem(StatusCode::BAD_REQUEST),
    }
}
