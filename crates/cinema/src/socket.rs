//! The WebSocket: on any path that no static file answers, for any token.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Method, Request, StatusCode, header};
use hyper::{body::Incoming, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, Interval, MissedTickBehavior},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};
use tokio_util::sync::CancellationToken;

use crate::{
    answer::{self, Answer},
    caller::{Caller, Who},
    credential::Claimed,
    media_server::{Heard, MediaServer, PersonId, SocketSeat, random_id},
    options::JellyfinVersion,
    target::Query,
};

/// What every accepting server appends to the client's key (RFC 6455 §1.3).
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Silence after which the server asks for a sign of life, and then asks again. It never closes.
const SILENCES: [Duration; 2] = [Duration::from_secs(48), Duration::from_secs(60)];

/// Between the PONG frames that nobody asked for.
const PONG_EVERY: Duration = Duration::from_secs(120);

/// Messages that wait for a socket before it starts to miss them.
const BACKLOG: usize = 60;

/// The longest message that a client may send, in bytes.
const MESSAGE_LIMIT: usize = 1024 * 1024;

/// The shortest interval at which sessions are told.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(250);

/// Whether this is a WebSocket handshake (RFC 6455 §4.2.1). The path is not looked at.
pub(crate) fn is_wanted(request: &Request<Incoming>) -> bool {
    let headers = request.headers();
    request.method() == Method::GET
        && has_element(headers, header::CONNECTION, "upgrade")
        && has_element(headers, header::UPGRADE, "websocket")
        && has_element(headers, header::SEC_WEBSOCKET_VERSION, "13")
        && headers
            .get(header::SEC_WEBSOCKET_KEY)
            .and_then(|key| BASE64.decode(key.as_bytes()).ok())
            .is_some_and(|key| key.len() == 16)
}

fn has_element(headers: &HeaderMap, name: header::HeaderName, wanted: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|item| item.trim().eq_ignore_ascii_case(wanted))
}

/// Accepts or refuses the handshake.
///
/// `decoded` is the query that came wholly encoded. A token found only there opens a socket that
/// is shut again at once (10.11 and 12) or stays without a word (10.10).
pub(crate) fn accept(
    server: &Arc<MediaServer>,
    caller: &Caller,
    decoded: Option<&Query>,
    request: &mut Request<Incoming>,
) -> Answer {
    let late = decoded.filter(|_| caller.who == Who::Nobody).map(|query| {
        Caller::identify(server, caller.peer, caller.origin.clone(), request.headers(), query)
    });
    let greeting = match (&late, server.version) {
        (None, _) => Greeting::KeepAlive,
        (Some(_), JellyfinVersion::V10_10) => Greeting::Nothing,
        (Some(_), JellyfinVersion::V10_11 | JellyfinVersion::V12) => Greeting::Shutdown,
    };
    let caller = late.as_ref().unwrap_or(caller);
    if caller.who == Who::Nobody {
        return answer::error(StatusCode::FORBIDDEN);
    }
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY).cloned() else {
        return answer::error(StatusCode::BAD_REQUEST);
    };
    let upgrade = hyper::upgrade::on(request);
    let (task_house, caller) = (server.clone(), caller.clone());
    server.tasks.spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            run(task_house, &caller, upgraded, greeting).await;
        }
    });
    let mut answer = answer::empty(StatusCode::SWITCHING_PROTOCOLS);
    answer::set(&mut answer, header::CONNECTION, "Upgrade");
    answer::set(&mut answer, header::UPGRADE, "websocket");
    answer::set(&mut answer, header::SEC_WEBSOCKET_ACCEPT, &accept_value(key.as_bytes()));
    answer
}

fn accept_value(key: &[u8]) -> String {
    let text = [key.trim_ascii(), ACCEPT_GUID].concat();
    BASE64.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &text))
}

/// What a socket is told first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Greeting {
    KeepAlive,
    Nothing,
    Shutdown,
}

/// One open socket.
struct Socket {
    server: Arc<MediaServer>,
    stream: WebSocketStream<TokioIo<Upgraded>>,
    /// Whose sessions it may hear of. `None` for an API key, which hears of all.
    person: Option<PersonId>,
    /// Set between `SessionsStart` and `SessionsStop`.
    sessions: Option<Interval>,
    /// The last list of sessions that it was told.
    reported: Value,
}

/// Why a socket ends.
enum End {
    /// The other side is gone, or said good-bye.
    Gone,
    /// The session or the server ended.
    Away,
}

async fn run(server: Arc<MediaServer>, caller: &Caller, upgraded: Upgraded, greeting: Greeting) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_LIMIT))
        .max_frame_size(Some(MESSAGE_LIMIT));
    let io = TokioIo::new(upgraded);
    let stream = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let (sender, heard) = mpsc::channel(BACKLOG);
    let person = caller.person().cloned();
    let ended = match &person {
        Some(person) => take_seat(&server, person, &caller.claimed, caller, sender.clone()),
        None => CancellationToken::new(),
    };
    let changes = server.session_changes();
    let mut socket =
        Socket { server: server.clone(), stream, person, sessions: None, reported: json!(null) };
    let greeted = match greeting {
        Greeting::KeepAlive => socket.send("ForceKeepAlive", Some(json!(60))).await,
        Greeting::Nothing => Ok(()),
        Greeting::Shutdown => Err(End::Away),
    };
    let end = match greeted {
        Ok(()) => socket.talk(heard, changes, &ended).await,
        Err(end) => end,
    };
    drop(sender);
    if let End::Away = end {
        let frame = CloseFrame { code: CloseCode::Away, reason: "System Shutdown".into() };
        let _gone = socket.stream.close(Some(frame)).await;
    }
    drop(socket);
    server.sessions_changed();
}

/// Puts the socket into its client's session. Its end closes the socket.
fn take_seat(
    server: &MediaServer,
    person: &PersonId,
    claimed: &Claimed,
    caller: &Caller,
    sender: mpsc::Sender<Heard>,
) -> CancellationToken {
    let now = server.now();
    let mut state = server.state();
    let id = state.open_session(person, claimed, Some(caller.origin.remote), now);
    let ended = match state.session_mut(&id) {
        Some(session) => {
            session.seats.push(SocketSeat { sender });
            session.ended.clone()
        }
        None => CancellationToken::new(),
    };
    drop(state);
    server.sessions_changed();
    ended
}

impl Socket {
    async fn talk(
        &mut self,
        mut heard: mpsc::Receiver<Heard>,
        mut changes: watch::Receiver<u64>,
        ended: &CancellationToken,
    ) -> End {
        let stopping = self.server.stopping.clone();
        let mut pongs = tokio::time::interval_at(Instant::now() + PONG_EVERY, PONG_EVERY);
        let mut last_sign = Instant::now();
        let mut asked = 0;
        loop {
            let silence = SILENCES.get(asked).map(|silence| last_sign + *silence);
            let done = tokio::select! {
                () = stopping.cancelled() => Err(End::Away),
                () = ended.cancelled() => Err(End::Away),
                Some(message) = heard.recv() => self.send(message.kind, Some(message.payload)).await,
                () = tick(self.sessions.as_mut()) => self.tell_sessions().await,
                // A change is told at once, and the interval begins anew.
                Ok(()) = changes.changed(), if self.sessions.is_some() => {
                    if let Some(sessions) = self.sessions.as_mut() {
                        sessions.reset_after(SHORTEST_INTERVAL);
                    }
                    Ok(())
                }
                _ = pongs.tick() => self.put(Message::Pong(bytes::Bytes::new())).await,
                () = sleep_until(silence) => {
                    asked += 1;
                    self.send("ForceKeepAlive", Some(json!(60))).await
                }
                frame = self.stream.next() => {
                    last_sign = Instant::now();
                    asked = 0;
                    match frame {
                        Some(Ok(Message::Text(text))) => self.hear(text.as_str()).await,
                        Some(Ok(_)) => Ok(()), // tungstenite answers PING and Close by itself
                        Some(Err(_)) | None => Err(End::Gone),
                    }
                }
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// Acts on one message of the client. What is not understood is passed over.
    async fn hear(&mut self, text: &str) -> Result<(), End> {
        let Ok(message) = serde_json::from_str::<Value>(text) else { return Ok(()) };
        let kind = message.get("MessageType").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "KeepAlive" => self.send("KeepAlive", None).await,
            "SessionsStart" => {
                let asked = message.get("Data").and_then(Value::as_str).unwrap_or("0,1500");
                self.sessions = Some(interval(asked));
                self.reported = json!(null);
                Ok(())
            }
            "SessionsStop" => {
                self.sessions = None;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Tells the sessions, if they are not what was told last.
    async fn tell_sessions(&mut self) -> Result<(), End> {
        let server_id = self.server.server_id();
        let version = self.server.version;
        let now = self.server.state().sessions_seen_by(self.person.as_ref(), &server_id, version);
        if now == self.reported {
            return Ok(());
        }
        self.reported = now.clone();
        self.send("Sessions", Some(now)).await
    }

    async fn send(&mut self, kind: &str, payload: Option<Value>) -> Result<(), End> {
        let mut message = json!({ "MessageId": random_id(), "MessageType": kind });
        if let Some(payload) = payload {
            crate::media_server::lay_over(&mut message, &json!({ "Data": payload }));
        }
        self.put(Message::text(message.to_string())).await
    }

    async fn put(&mut self, message: Message) -> Result<(), End> {
        self.stream.send(message).await.map_err(|_| End::Gone)
    }
}

/// `"initial delay,interval"` in milliseconds.
fn interval(asked: &str) -> Interval {
    let (first, every) = asked.split_once(',').unwrap_or((asked, "1500"));
    let millis = |text: &str, default| text.trim().parse().map_or(default, Duration::from_millis);
    let every = millis(every, Duration::from_millis(1_500)).max(SHORTEST_INTERVAL);
    let mut interval =
        tokio::time::interval_at(Instant::now() + millis(first, Duration::ZERO), every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn tick(interval: Option<&mut Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_value_of_rfc_6455() {
        // RFC 6455 §1.3
        assert_eq!(accept_value(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
