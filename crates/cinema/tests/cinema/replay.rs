//! Recorded exchanges of real servers, replayed in their order. Status, the headers that matter,
//! the keys of the JSON and some of its values must be equal.
//!
//! `{…}` in a record stands for something that differs from run to run. The first value seen for
//! one is remembered, and from then on it must be that one: so "the same token each time" is
//! checked by the names alone. `…` stands for any value.

use std::{collections::HashMap, net::SocketAddr, path::PathBuf, time::Duration};

use serde_json::{Value, json};
use usher_cinema::{Cinema, CinemaOptions, CinemaUser, Film, JellyfinVersion, SMALL_FILM};

use crate::{
    broken::broken,
    wire::{Call, Reply, device, sign_in},
};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Headers that are compared; others may differ.
pub const COMPARED: &[&str] = &[
    "Content-Type",
    "Content-Length",
    "Transfer-Encoding",
    "Location",
    "Accept-Ranges",
    "Content-Range",
    "Cache-Control",
    "Content-Language",
    "Allow",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Origin",
    "Vary",
    "Content-Disposition",
    "Upgrade",
    "Last-Modified",
    "ETag",
    "Server",
    "Expires",
    "Pragma",
];

/// Devices of the recordings, as they introduced themselves.
const WEB: &str =
    r#"MediaBrowser Client="Jellyfin Web", Device="Bench", DeviceId="usher-web-1", Version="1.0""#;
const SHIELD: &str =
    r#"MediaBrowser Client="TV", Device="Shield", DeviceId="shield-1", Version="0.18""#;
const BOBS_TV: &str = r#"MediaBrowser Client="TV", Device="T", DeviceId="bobdev", Version="1.0""#;

struct Replay {
    addr: SocketAddr,
    names: HashMap<String, String>,
    /// The device that the recording let in by Quick Connect.
    paired: &'static str,
    /// The secret of the last request that had to be begun for a code in a record.
    fresh_secret: Option<String>,
}

pub async fn replay(
    records: &str,
    version: JellyfinVersion,
    people: &[(&str, &str)],
    proxies: &[&str],
) {
    let wrong = differences(records, version, people, proxies).await;
    assert!(wrong.is_empty(), "{records}, {} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// What the stand-in answers otherwise than was recorded.
pub async fn differences(
    records: &str,
    version: JellyfinVersion,
    people: &[(&str, &str)],
    proxies: &[&str],
) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let is_matroska = records.starts_with("transcoding");
    let film = if is_matroska { "Second Film (2021).mkv" } else { "Test Movie (2020).mp4" };
    let film = folder.path().join(film);
    std::fs::write(&film, SMALL_FILM).unwrap();
    let mut users = vec![CinemaUser::new("admin", "adminpw").administrator()];
    users.extend(people.iter().map(|(name, password)| CinemaUser::new(*name, *password)));
    let cinema = Cinema::start(CinemaOptions {
        version,
        film: Film::File(film),
        users,
        admin_key: Some(KEY.to_owned()),
        known_proxies: proxies.iter().map(|proxy| proxy.parse().unwrap()).collect(),
        restart_time: Duration::from_secs(3600), // what was recorded while it starts, is replayed so
        ..CinemaOptions::default()
    })
    .await
    .unwrap();
    let paired = if records.starts_with("people") { BOBS_TV } else { SHIELD };
    let mut replay =
        Replay { addr: cinema.addr, names: HashMap::new(), paired, fresh_secret: None };
    replay.name_what_is_known().await;

    let mut wrong = Vec::new();
    for exchange in &exchanges(records) {
        let name = exchange["name"].as_str().unwrap();
        replay.prepare(name).await;
        let reply = replay.send(&exchange["request"]).await;
        let found = replay.compare(&exchange["response"], &reply);
        if found.is_empty() {
            for (what, other) in broken(&exchange["response"]) {
                assert_ne!(replay.compare(&other, &reply), [""; 0], "{name}: {what} counts");
            }
        }
        wrong.extend(found.into_iter().map(|found| format!("{name}: {found}")));
    }
    cinema.stop().await;
    wrong
}

/// The exchanges of a file.
pub fn exchanges(records: &str) -> Vec<Value> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded").join(records);
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

impl Replay {
    fn name(&mut self, name: &str, value: impl Into<String>) {
        self.names.insert(format!("{{{name}}}"), value.into());
    }

    async fn name_what_is_known(&mut self) {
        let addr = self.addr;
        self.name("api-key", KEY);
        self.name("base", format!("http://{addr}"));
        self.name("base-https", format!("https://{addr}"));
        self.name("length", SMALL_FILM.len().to_string());
        self.name("last", (SMALL_FILM.len() - 1).to_string());
        self.name("length-500", (SMALL_FILM.len() - 500).to_string());
        let people = Call::new("GET", "/Users").token(KEY).send(addr).await.json();
        for person in people.as_array().unwrap() {
            let name = format!("user-{}", person["Name"].as_str().unwrap());
            self.name(&name, person["Id"].as_str().unwrap());
        }
        let items = Call::new("GET", "/Items?recursive=true").token(KEY).send(addr).await.json();
        let film = items["Items"][0]["Id"].as_str().unwrap().to_owned();
        let dashed = format!(
            "{}-{}-{}-{}-{}",
            &film[..8],
            &film[8..12],
            &film[12..16],
            &film[16..20],
            &film[20..]
        );
        for name in ["item-mp4", "item-mkv"] {
            self.name(name, film.clone());
            self.name(&format!("{name}-dashed"), dashed.clone());
        }
    }

    /// Steps between two records that were not recorded themselves.
    async fn prepare(&mut self, name: &str) {
        let policy = |field: &str, value: bool| {
            let path = format!("/Users/{}/Policy", self.names["{user-alice}"]);
            let addr = self.addr;
            let fields = json!({
                field: value, "AuthenticationProviderId": "Jellyfin.Server.Implementations.Users.DefaultAuthenticationProvider",
                "PasswordResetProviderId": "x",
            });
            async move { Call::new("POST", &path).token(KEY).json(fields).send(addr).await }
        };
        let settings = |path: &'static str, fields: Value| {
            Call::new("POST", path).token(KEY).json(fields).send(self.addr)
        };
        match name {
            "device-delete" => {
                sign_in(self.addr, "alice", "new-alice", "dev-del").await;
            }
            "qc-enabled-off" => {
                settings("/System/Configuration", json!({ "QuickConnectAvailable": false })).await;
            }
            "user-noremote" => {
                let open = json!({ "EnableRemoteAccess": true });
                settings("/System/Configuration/network", open).await;
                policy("EnableRemoteAccess", false).await;
            }
            "network-get" => {
                let known = json!({ "KnownProxies": ["127.0.0.1"] });
                settings("/System/Configuration/network", known).await;
            }
            "restart-anon" => {
                let token = self.sign_in_somehow("{token-1}").await;
                self.name("token-1", token);
            }
            "devices-key" => {
                self.approve_for("alice").await;
            }
            _ => {}
        }
    }

    /// Gives every placeholder of a request a value, by the way that the recording must have had.
    async fn resolve(&mut self, text: &str) -> String {
        if let Some((_, rest)) = text.split_once("code=") {
            let code = rest.get(..6).unwrap().to_owned();
            if !self.names.contains_key(&code) && code != "000000" {
                self.begin_quick_connect(&code).await;
            }
        }
        for name in placeholders(text) {
            if self.names.contains_key(&name) {
                continue;
            }
            if name.starts_with("{token-") {
                let token = match name.as_str() {
                    "{token-upper}" => self.any_token().to_uppercase(),
                    "{token-dashed}" => format!("{:?}", self.any_token()),
                    _ => self.sign_in_somehow(&name).await,
                };
                self.names.insert(name, token);
            } else if name.starts_with("{secret-") {
                let secret = match self.fresh_secret.take() {
                    Some(secret) => secret,
                    None => self.approve_for("bob").await,
                };
                self.names.insert(name, secret);
            }
        }
        self.substitute(text)
    }

    fn any_token(&self) -> String {
        let found = self.names.iter().find(|(name, _)| name.starts_with("{token-"));
        found.expect("a token before").1.clone()
    }

    async fn sign_in_somehow(&self, name: &str) -> String {
        let other = device(&format!("for {name}"));
        for password in ["pw-alice", "new-alice"] {
            let reply = Call::new("POST", "/Users/AuthenticateByName")
                .with("Authorization", if name == "{token-1}" { WEB } else { &other })
                .json(json!({ "Username": "alice", "Pw": password }))
                .send(self.addr)
                .await;
            if reply.status == 200 {
                return reply.json()["AccessToken"].as_str().unwrap().to_owned();
            }
        }
        panic!("alice has neither password");
    }

    async fn begin_quick_connect(&mut self, recorded_code: &str) {
        let reply = Call::new("POST", "/QuickConnect/Initiate")
            .with("Authorization", self.paired)
            .send(self.addr)
            .await
            .json();
        self.names.insert(recorded_code.to_owned(), reply["Code"].as_str().unwrap().to_owned());
        self.fresh_secret = Some(reply["Secret"].as_str().unwrap().to_owned());
    }

    async fn approve_for(&mut self, person: &str) -> String {
        self.begin_quick_connect("a code").await;
        let path = format!(
            "/QuickConnect/Authorize?code={}&userId={}",
            self.names["a code"],
            self.names[&format!("{{user-{person}}}")]
        );
        assert_eq!(Call::new("POST", &path).token(KEY).send(self.addr).await.status, 200);
        self.fresh_secret.take().unwrap()
    }

    fn substitute(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.names {
            if name.starts_with('{') || text.contains("code=") {
                text = text.replace(name, value);
            }
        }
        text
    }

    async fn send(&mut self, request: &Value) -> Reply {
        let path = self.resolve(request["path"].as_str().unwrap()).await;
        let mut call = Call::new(request["method"].as_str().unwrap(), &path);
        for (name, values) in request["headers"].as_object().into_iter().flatten() {
            let lines = values.as_array().cloned().unwrap_or_else(|| vec![values.clone()]);
            for line in lines {
                let line = self.resolve(line.as_str().unwrap()).await;
                call = call.with(name, line);
            }
        }
        if let Some(body) = request.get("body") {
            call.body = self.resolve(&body.to_string()).await.into_bytes();
        }
        if call.headers.iter().any(|(name, _)| name == "Upgrade") {
            return self.send_handshake(call).await;
        }
        call.send(self.addr).await
    }

    /// A handshake, and the first frame that comes after it.
    async fn send_handshake(&self, call: Call<'_>) -> Reply {
        let call = call
            .with("Connection", "Upgrade")
            .with("Sec-WebSocket-Version", "13")
            .with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        let (mut stream, mut reply) = call.begin(self.addr).await;
        if reply.status == 101 {
            use tokio::io::AsyncReadExt;
            while reply.body.len() < 2 || reply.body.len() < 2 + usize::from(reply.body[1]) {
                assert_ne!(stream.read_buf(&mut reply.body).await.unwrap(), 0);
            }
        }
        reply
    }

    fn compare(&mut self, recorded: &Value, reply: &Reply) -> Vec<String> {
        let mut wrong = Vec::new();
        if recorded["status"] != json!(reply.status) {
            wrong.push(format!("status {}, recorded {}", reply.status, recorded["status"]));
            return wrong;
        }
        let headers = recorded["headers"].as_object().unwrap();
        // Of what a browser told of, not every header was kept.
        let kept = recorded["compares"].as_array();
        let is_kept = |name: &&&str| kept.is_none_or(|kept| kept.contains(&json!(name)));
        for name in COMPARED.iter().filter(is_kept) {
            let expected = headers.get(*name).map(|value| self.substitute(value.as_str().unwrap()));
            let found = reply.header(name);
            let same = match expected.as_deref() {
                Some("…") => found.is_some(),
                expected => expected == found,
            };
            if !same {
                wrong.push(format!("{name}: {found:?}, recorded {expected:?}"));
            }
        }
        if let Some(text) = recorded.get("text") {
            let found = reply.text();
            if !is_like(&self.substitute(text.as_str().unwrap()), &found) {
                wrong.push(format!("body {found:?}, recorded {text}"));
            }
        }
        if let Some(expected) = recorded.get("json") {
            self.compare_json("", expected, &reply.json(), &mut wrong);
        }
        if let Some(first) = recorded.get("first_message") {
            let (opcode, payload) = (reply.body[0] & 0x0f, &reply.body[2..]);
            let found = match opcode {
                1 => serde_json::from_slice::<Value>(payload).unwrap()["MessageType"].clone(),
                8 => json!("close"),
                other => json!(other),
            };
            if *first != found {
                wrong.push(format!("first message {found}, recorded {first}"));
            }
        }
        wrong
    }

    fn compare_json(&mut self, at: &str, expected: &Value, found: &Value, wrong: &mut Vec<String>) {
        match (expected, found) {
            (Value::Object(expected), Value::Object(found)) => {
                let mut keys: Vec<_> = expected.keys().chain(found.keys()).collect();
                keys.sort_unstable();
                keys.dedup();
                for key in keys {
                    match (expected.get(key), found.get(key)) {
                        (Some(expected), Some(found)) => {
                            self.compare_json(&format!("{at}.{key}"), expected, found, wrong);
                        }
                        (Some(_), None) => wrong.push(format!("{at}.{key} is missing")),
                        (None, _) => wrong.push(format!("{at}.{key} was not recorded")),
                    }
                }
            }
            (Value::Array(expected), Value::Array(found)) => {
                match (expected.first(), found.first()) {
                    (Some(expected), Some(found)) => {
                        self.compare_json(&format!("{at}[]"), expected, found, wrong);
                    }
                    (None, None) => {}
                    _ => wrong.push(format!("{at}: {found:?}, recorded {expected:?}")),
                }
            }
            (Value::String(expected), _) if expected == "…" => {}
            (Value::String(expected), Value::String(found)) => {
                let is_name = expected.starts_with('{') && placeholders(expected).len() == 1
                    || at.ends_with(".Code");
                let known = self.names.get(expected);
                match known {
                    Some(known) if is_name && known != found => {
                        wrong.push(format!("{at}: {found}, but {expected} was {known}"));
                    }
                    None if is_name => {
                        self.names.insert(expected.clone(), found.clone());
                    }
                    _ if !is_name && self.substitute(expected) != *found => {
                        wrong.push(format!("{at}: {found}, recorded {expected}"));
                    }
                    _ => {}
                }
            }
            (expected, found) if expected == found => {}
            (expected, found) => wrong.push(format!("{at}: {found}, recorded {expected}")),
        }
    }
}

/// The same text, where `…` is any.
fn is_like(expected: &str, found: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = found.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut ends = rest.is_empty();
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
        ends = part.is_empty() || rest.is_empty();
    }
    ends
}

/// Every `{name}` in a text, none of which a JSON object would be taken for.
fn placeholders(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        rest = &rest[start..];
        let Some(end) = rest.find('}') else { break };
        let name = &rest[..=end];
        let plain = name[1..end].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if plain && end > 1 {
            found.push(name.to_owned());
            rest = &rest[end..];
        } else {
            rest = &rest[1..];
        }
    }
    found
}
