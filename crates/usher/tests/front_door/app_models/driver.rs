//! Makes a model do what it does: through the front door, from its first request until it is ended.

use std::{collections::BTreeMap, time::Duration};

use futures_util::StreamExt as _;
use http::Method;
use serde_json::{Value, json};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};
use usher_cinema::{Cinema, CinemaOptions, CinemaUser, JellyfinVersion, RunningCinema};
use usher_lab::{
    browser::{Browser, Seen, Tls},
    patience::within,
};

use super::{Model, Pairs, Shows, Twelve, When};
use crate::{
    app_passwords,
    apps_let_in::{button, route, say_yes},
    test_server::{ANN, TestServer, config},
};

const TV: &str = "https://tv.test";
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// One app, with whatever it has learnt.
struct Running<'a> {
    model: &'a Model,
    browser: Browser,
    knows: BTreeMap<&'static str, String>,
}

/// All of its life, with a library of that version.
pub async fn live(model: &Model, version: JellyfinVersion) {
    let library = library(version).await;
    let is_translated = version == JellyfinVersion::V12 && model.twelve == Twelve::Translated;
    let translate = if is_translated { "legacy_clients: translate, api_key" } else { "api_key" };
    let route = route(&library).replace("api_key", translate);
    let server = TestServer::open(&config(&[route])).await;
    let mut app = Running { model, browser: server.browser(), knows: BTreeMap::new() };
    app.ask_all(|when| when == When::First).await;

    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    app.pair(&server, &mut ann).await;
    app.ask_all(|when| when != When::First).await;
    let socket = app.open_socket().await;
    assert_eq!(app.get("/Users/Me").await.json()["Name"], json!(ANN.0), "{}", model.name);
    app.is_ended(&mut ann, socket).await;
    let log = server.log();
    assert!(!log.contains(&app.knows["{token}"]), "{}: its token is in the log", model.name);
}

async fn library(version: JellyfinVersion) -> RunningCinema {
    let users = vec![CinemaUser::new(ANN.0, "known to nobody")];
    let admin_key = Some(KEY.into());
    Cinema::start(CinemaOptions { users, admin_key, version, ..Default::default() }).await.unwrap()
}

impl Running<'_> {
    async fn ask_all(&mut self, takes: impl Fn(When) -> bool) {
        for (when, what, shows, expected) in self.model.asks.iter().filter(|asks| takes(asks.0)) {
            let seen = self.ask(*when, what, *shows).await;
            let (name, status) = (self.model.name, seen.status.as_u16());
            assert_eq!(status, *expected, "{name}: {what}: {}", seen.body.get(..200).unwrap_or(""));
            self.learn(&seen);
        }
    }

    async fn ask(&mut self, when: When, what: &str, shows: Shows) -> Seen {
        let what = self.filled(what);
        let mut words = what.splitn(3, ' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let method: Method = method.parse().unwrap();
        let body = if method == Method::POST { self.body(when, path) } else { String::new() };
        let mut fields = vec![("user-agent".to_owned(), self.model.user_agent.to_owned())];
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        // Before it is let in it is its sender, which is no page of another site.
        let is_its_sender = self.model.pairs == Pairs::Sender && when == When::First;
        let always = self.model.always.iter().filter(|_| !is_its_sender);
        fields.extend(always.map(own));
        fields.extend(words.next().and_then(|more| more.split_once(": ")).as_ref().map(own));
        if !body.is_empty() {
            fields.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        if matches!(shows, Shows::Field | Shows::Both) {
            fields.push((self.model.says.0.to_owned(), self.filled(self.model.says.1)));
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        let url = if path.starts_with("https:") { path.to_owned() } else { format!("{TV}{path}") };
        let seen = self.browser.send(method, &url, &fields, body).await;
        if self.model.pairs != Pairs::Page {
            self.browser.jar.clear(); // it keeps no cookies
        }
        seen
    }

    async fn get(&mut self, path: &str) -> Seen {
        self.ask(When::Browse, &format!("GET {path}"), Shows::Field).await
    }

    fn filled(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.knows {
            text = text.replace(name, value);
        }
        // Nobody's: an empty token, as apps send it.
        text.replace("{token}", "")
    }

    fn body(&self, when: When, path: &str) -> String {
        let path = path.to_ascii_lowercase();
        let plays = if when == When::Transcode { "mkv" } else { "mkv,mp4" };
        match path.split('?').next().unwrap_or_default().rsplit('/').next() {
            Some("playbackinfo") => json!({ "DeviceProfile": {
                "DirectPlayProfiles": [{ "Container": plays, "Type": "Video" }],
                "TranscodingProfiles": [{ "Container": "ts", "Type": "Video", "Protocol": "hls" }],
            } })
            .to_string(),
            Some("authenticatebyname") => json!({ "Username": ANN.0, "Pw": "guessed" }).to_string(),
            Some("playing" | "progress" | "stopped") => json!({
                "ItemId": self.knows["{film}"], "MediaSourceId": self.knows["{film}"],
                "PlaySessionId": self.knows["{play}"], "PositionTicks": 50_000_000,
            })
            .to_string(),
            _ => "{}".to_owned(),
        }
    }

    /// What later requests are made of.
    fn learn(&mut self, seen: &Seen) {
        if seen.field("content-type").contains("mpegurl") {
            let line = seen.body.lines().find(|line| !line.starts_with('#')).unwrap();
            self.knows.insert("{next}", seen.url.join(line).unwrap().to_string());
        }
        let Ok(json) = serde_json::from_str::<Value>(&seen.body) else { return };
        let films = json["Items"].as_array().or(json.as_array());
        let film = films.into_iter().flatten().find(|item| item["Type"] == "Movie");
        for (name, found) in [
            ("{film}", film.map_or(&Value::Null, |film| &film["Id"])),
            ("{play}", &json["PlaySessionId"]),
            ("{transcoded}", &json["MediaSources"][0]["TranscodingUrl"]),
        ] {
            found.as_str().map(|found| self.knows.insert(name, found.to_owned()));
        }
    }

    async fn pair(&mut self, server: &TestServer, ann: &mut Browser) {
        match self.model.pairs {
            Pairs::Code { every } => self.by_code(server, ann, every).await,
            Pairs::Password => self.by_password(server).await,
            // Its token is the sender's, whose client it names to nobody.
            Pairs::Sender => self.by_code(server, ann, Duration::from_secs(1)).await,
            Pairs::Page => {
                let (email, password) = ANN;
                self.browser.sign_in(&format!("{TV}/web/"), email, password).await;
                self.by_code(server, ann, Duration::from_secs(5)).await;
            }
        }
    }

    /// It shows a code, somebody types it at `/link`, and it asks until they did.
    async fn by_code(&mut self, server: &TestServer, ann: &mut Browser, every: Duration) {
        let begin = "POST /QuickConnect/Initiate";
        let begun = self.ask(When::First, begin, Shows::Field).await;
        assert_eq!(begun.status, 200, "{}: {}", self.model.name, begun.body);
        let begun = begun.json();
        let secret = begun["Secret"].as_str().unwrap().to_owned();
        let poll = format!("GET /QuickConnect/Connect?secret={secret}");
        for is_in in [false, true] {
            let polled = self.ask(When::First, &poll, Shows::Field).await;
            assert_eq!(polled.json()["Authenticated"], json!(is_in), "{}", polled.body);
            if !is_in {
                let page = say_yes(ann, begun["Code"].as_str().unwrap()).await;
                assert!(page.body.contains("is in."), "{}", page.body);
            }
            server.clock.turn(every);
        }
        let field = (self.model.says.0, &*self.filled(self.model.says.1));
        let fields = [("content-type", "application/json"), field];
        let url = format!("{TV}/Users/AuthenticateWithQuickConnect");
        let body = json!({ "Secret": secret }).to_string();
        let answer = self.browser.send(Method::POST, &url, &fields, body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.is_in(&answer.json());
    }

    fn is_in(&mut self, answer: &Value) {
        for (name, value) in
            [("{token}", &answer["AccessToken"]), ("{user}", &answer["User"]["Id"])]
        {
            self.knows.insert(name, value.as_str().unwrap().to_owned());
        }
    }

    /// Somebody made an app password, and types it into the app's own form beside their name.
    async fn by_password(&mut self, server: &TestServer) {
        let password = app_passwords::made(server, &format!("{} tv.test", ANN.0)).await;
        let field = (self.model.says.0, &*self.filled(self.model.says.1));
        let fields = [("content-type", "application/json"), field];
        let url = format!("{TV}/Users/AuthenticateByName");
        let body = json!({ "Username": ANN.0, "Pw": password }).to_string();
        let answer = self.browser.send(Method::POST, &url, &fields, body).await;
        assert_eq!(answer.status, 200, "{}: {}", self.model.name, answer.body);
        self.is_in(&answer.json());
        assert!(!server.log().contains(&password), "{}: it is in the log", self.model.name);
    }

    async fn open_socket(&mut self) -> Option<WebSocketStream<Tls>> {
        let (path, shows) = self.model.socket?;
        let url = format!("wss://tv.test{}", self.filled(path));
        let mut request = url.into_client_request().unwrap();
        if matches!(shows, Shows::Field | Shows::Both) {
            let said = self.filled(self.model.says.1).parse().unwrap();
            request.headers_mut().insert(self.model.says.0, said);
        }
        let stream = self.browser.connect("tv.test").await;
        let (mut socket, _) = client_async(request, stream).await.unwrap();
        let first = within("the first message", socket.next()).await.unwrap().unwrap();
        assert!(first.to_text().unwrap().contains("ForceKeepAlive"), "{first:?}");
        let keep = json!({ "MessageType": "KeepAlive" }).to_string();
        futures_util::SinkExt::send(&mut socket, Message::text(keep)).await.unwrap();
        Some(socket)
    }

    /// Its owner ends it: whatever it asked then is refused, and its socket closed.
    async fn is_ended(&mut self, ann: &mut Browser, socket: Option<WebSocketStream<Tls>>) {
        self.browser.jar.clear(); // a window of its own stays signed in, and is not what ends
        let page = ann.open(&format!("{TV}/link")).await;
        ann.post(&page, "/link", &[("end", &button(&page, "end"))]).await;
        if let Some(mut socket) = socket {
            within("it ends", async { while let Some(Ok(_)) = socket.next().await {} }).await;
        }
        let name = self.model.name;
        assert_eq!(self.get("/Users/Me").await.status, 401, "{name}");
        let asks = self.model.asks.iter().filter(|asks| asks.0 != When::First && asks.3 < 300);
        let is_anybodys = |what: &str| what.starts_with("OPTIONS") || what.contains(" /web/");
        for (when, what, shows, _) in asks.filter(|(_, what, ..)| !is_anybodys(what)) {
            let status = self.ask(*when, what, *shows).await.status;
            assert_eq!(status, 401, "{name}: {what} after it was ended");
        }
    }
}
