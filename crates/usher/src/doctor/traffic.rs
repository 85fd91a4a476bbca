//! What comes through between usher and a Jellyfin: sockets, parts, long answers, large uploads.

use std::time::Duration;

use http::{HeaderName, Method, StatusCode, header};
use serde_json::Value;
use usher_rules::problem::Severity;

use super::{
    Code, Slowly, Tried, code,
    cure::{Area, Cure, Effect},
    server::{Question, Server, json, text},
};
use crate::request::forward::{Answered, ForwardError, Reading};

/// Octets of the answer that has to come whole, and how long it may take.
const LONG: (usize, Duration) = (1 << 23, Duration::from_secs(20));

/// Octets of an upload that Jellyfin takes nowhere.
const TOO_LARGE: usize = 12_000_000;

/// A key for a handshake that nobody goes on with (RFC 6455 §4.1).
const SOCKET_KEY: &str = "dXNoZXIgdGhlIGRvY3Rvcg==";

/// What it lets through to anybody.
pub(super) async fn traffic(server: &Server<'_>) -> [Tried; 3] {
    let (socket, preflight, codes) =
        tokio::join!(socket(server), preflight(server), quick_connect(server));
    [socket, preflight, codes]
}

/// A handshake without a token: it is understood, and refused.
async fn socket(server: &Server<'_>) -> Tried {
    let question = Question::get("/socket")
        .with(header::CONNECTION, "Upgrade")
        .with(header::UPGRADE, "websocket")
        .with(header::SEC_WEBSOCKET_VERSION, "13")
        .with(header::SEC_WEBSOCKET_KEY, SOCKET_KEY);
    let answered = server.as_visitor("192.168.1.5", question).await;
    let help = "between usher and Jellyfin is another proxy, which has to pass on `Upgrade`; let \
                `to` lead to Jellyfin itself";
    judged(server, (code::SOCKET, Severity::Error), answered, help, |answered| {
        let is_understood = matches!(
            answered.status,
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED | StatusCode::SWITCHING_PROTOCOLS
        );
        match is_understood {
            true => Ok("understands what opens a WebSocket".to_owned()),
            false => Err(format!("what opens a WebSocket is answered {}", answered.status)),
        }
    })
}

/// May pages of other origins ask it? (Fetch §4.8)
async fn preflight(server: &Server<'_>) -> Tried {
    let question = Question::new(Method::OPTIONS, "/Users/Me")
        .with(header::ORIGIN, "https://apps.example")
        .with(header::ACCESS_CONTROL_REQUEST_METHOD, "GET")
        .with(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization");
    let answered = server.as_visitor("192.168.1.5", question).await;
    let help = "add `*` to `CorsHosts` in its system.xml, or the origins of those apps; usher's \
                policy is what keeps others out";
    judged(server, (code::CORS, Severity::Warning), answered, help, |answered| {
        let allows = answered.fields.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        match allows && answered.status.is_success() {
            true => Ok("lets pages of other origins ask".to_owned()),
            false => Err(format!("a page of another origin that asks whether it may gets {}", {
                answered.status
            })),
        }
    })
}

async fn quick_connect(server: &Server<'_>) -> Tried {
    let answered = server.ask(Question::get("/QuickConnect/Enabled")).await;
    let help = "Dashboard > General > Enable Quick Connect on this server";
    let on = ("QuickConnectAvailable", Value::Bool(true));
    let cure = Cure::set(server, Area::System, on, Effect::AtOnce);
    let tried =
        judged(server, (code::QUICK_CONNECT, Severity::Warning), answered, help, |answered| {
            match json(answered) {
                Some(Value::Bool(false)) => Err("it says that Quick Connect is off".to_owned()),
                _ => Ok("has Quick Connect".to_owned()),
            }
        });
    let mends = tried.severity.is_some() && server.key().is_some();
    tried.cured_by(mends.then_some(cure))
}

/// What only who has its key may ask: parts, long answers, large uploads.
pub(super) async fn with_key(server: &Server<'_>) -> Vec<Tried> {
    let (part, long, upload) = tokio::join!(part(server), long(server), upload(server));
    part.into_iter().chain(long).chain(upload).collect()
}

async fn part(server: &Server<'_>) -> Option<Tried> {
    let films = "/Items?Recursive=true&IncludeItemTypes=Movie,Episode&Limit=1";
    let found = server.administered(films).await?;
    let id = text(found.pointer("/Items/0")?, "Id").to_owned();
    let path = format!("/Videos/{id}/stream?static=true");
    let question = server.with_key(Question::get(&path).with(header::RANGE, "bytes=0-1"))?;
    let answered = server.ask(question.reading(2, LONG.1)).await;
    let help = "between usher and Jellyfin is something that takes `Range` away or answers from a \
                cache; let `to` lead to Jellyfin itself";
    Some(judged(server, (code::RANGE, Severity::Error), answered, help, |answered| match answered
        .status
    {
        StatusCode::PARTIAL_CONTENT => Ok("gives parts of a film".to_owned()),
        status => Err(format!("two bytes of a film were asked for, and it answered {status}")),
    }))
}

async fn long(server: &Server<'_>) -> Option<Tried> {
    let path = format!("/Playback/BitrateTest?Size={}", LONG.0);
    let question = server.with_key(Question::get(&path))?.reading(LONG.0, LONG.1);
    let answered = server.ask(question).await;
    let help = "between usher and Jellyfin is something that cuts answers: a proxy's time limit, or \
                a bad link; let `to` lead to Jellyfin itself";
    Some(judged(server, (code::LONG_ANSWER, Severity::Error), answered, help, |answered| {
        let octets = answered.body.len();
        match answered.is_whole && (octets == LONG.0 || !answered.status.is_success()) {
            true => Ok("sends long answers to their end".to_owned()),
            false => Err(format!("of {} octets {octets} came", LONG.0)),
        }
    }))
}

/// Read as slowly as a film is: to who reads fast, what cuts answers after a minute shows nothing.
pub(super) async fn slow(server: &Server<'_>, slowly: Slowly) -> Option<Tried> {
    let Slowly { octets, over } = slowly;
    let path = format!("/Playback/BitrateTest?Size={octets}");
    let reading = Reading { longest: octets, over };
    let question = server.with_key(Question::get(&path))?.reading(reading, over * 2 + LONG.1);
    let answered = server.ask(question).await;
    let help = "between usher and Jellyfin is something that ends answers after a time, or that waits \
                for all of one first (nginx: `proxy_read_timeout`, `send_timeout`, \
                `proxy_buffering off`); let `to` lead to Jellyfin itself";
    let seconds = over.as_secs();
    Some(judged(server, (code::SLOW_ANSWER, Severity::Error), answered, help, |answered| {
        let came = answered.octets;
        match answered.is_whole && (came >= octets || !answered.status.is_success()) {
            true => Ok(format!("an answer that takes {seconds} s comes whole")),
            false => Err(format!("of {octets} octets that were read over {seconds} s {came} came")),
        }
    }))
}

/// It answers at once, before the body has come.
async fn upload(server: &Server<'_>) -> Option<Tried> {
    let question = Question::new(Method::POST, "/ClientLog/Document")
        .with(HeaderName::from_static("content-type"), "text/plain")
        .announcing(TOO_LARGE);
    let answered = server.ask(server.with_key(question)?).await;
    let help = "between usher and Jellyfin is a proxy with a limit of its own (nginx: \
                `client_max_body_size 0` and `proxy_request_buffering off`); let `to` lead to \
                Jellyfin itself";
    Some(judged(server, (code::UPLOAD, Severity::Warning), answered, help, |answered| {
        let kind = answered.fields.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_html = kind.is_some_and(|kind| kind.starts_with("text/html"));
        match answered.status {
            StatusCode::PAYLOAD_TOO_LARGE if is_html => {
                Err("a large upload is refused by something in front of it".to_owned())
            }
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::FORBIDDEN => {
                Ok("answers what is too large at once".to_owned())
            }
            status => Err(format!("a log of {TOO_LARGE} octets was announced: {status}")),
        }
    }))
}

/// An answer, judged; one that did not come is a finding of the same kind.
fn judged(
    server: &Server<'_>,
    (code, severity): (&'static Code, Severity),
    answered: Result<Answered, ForwardError>,
    help: &str,
    judge: impl FnOnce(&Answered) -> Result<String, String>,
) -> Tried {
    let judgement = match &answered {
        Ok(answered) => judge(answered),
        Err(error) => Err(error.to_string()),
    };
    match judgement {
        Ok(well) => Tried::good(code, server.subject(), well),
        Err(what) => Tried::bad(severity, code, server.subject(), (what, help)),
    }
}
