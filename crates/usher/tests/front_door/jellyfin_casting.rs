//! What an app hands on: to a Chromecast, to a player beside it, and to what reads lists of
//! segments, new and old.

use http::Method;
use serde_json::json;
use usher_cinema::RunningCinema;
use usher_lab::browser::{Browser, Seen};

use crate::{
    apps_let_in::{App, TV, button, let_in, library, open},
    test_server::{ANN, TestServer},
};

/// Another network than the app's.
const ELSEWHERE: u8 = 8;

/// A library, Ann's app and her browser; the film that it will play.
struct Playing {
    server: TestServer,
    _library: RunningCinema,
    ann: Browser,
    app: App,
    token: String,
    film: String,
}

impl Playing {
    async fn begin() -> Self {
        let library = library(&[ANN.0]).await;
        let server = open(&library).await;
        let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
        let mut app = App::new(server.browser());
        let token = let_in(&mut ann, &mut app).await;
        let items = app.get("/Items?Recursive=true&IncludeItemTypes=Movie", &token).await.json();
        let film = items["Items"][0]["Id"].as_str().unwrap().to_owned();
        Self { server, _library: library, ann, app, token, film }
    }

    /// The app asks how the film is to be played; gives the address of its transcoding.
    async fn asks_to_play(&mut self) -> String {
        let body = json!({ "DeviceProfile": {
            "DirectPlayProfiles": [],
            "TranscodingProfiles": [{ "Container": "ts", "Type": "Video", "Protocol": "hls" }],
        } });
        let path = format!("/Items/{}/PlaybackInfo", self.film);
        let info = self.app.ask(Method::POST, &path, &self.token, &body.to_string()).await;
        assert_eq!(info.status, 200, "{}", info.body);
        let url = info.json()["MediaSources"][0]["TranscodingUrl"].clone();
        url.as_str().unwrap().to_owned()
    }

    async fn end(&mut self) {
        let page = self.ann.open(&format!("{TV}/link")).await;
        self.ann.post(&page, "/link", &[("end", &button(&page, "end"))]).await;
    }
}

/// By somebody who says nothing of themselves.
async fn bare(browser: &mut Browser, method: Method, path: &str) -> Seen {
    let fields = [("accept", "*/*"), ("user-agent", "VLC/3.0.20 LibVLC/3.0.20")];
    browser.send(method, &format!("{TV}{path}"), &fields, "").await
}

async fn status(browser: &mut Browser, path: &str) -> u16 {
    bare(browser, Method::HEAD, path).await.status.as_u16()
}

/// As the list's reader gets it.
async fn got(browser: &mut Browser, path: &str) -> u16 {
    bare(browser, Method::GET, path).await.status.as_u16()
}

/// The receiver is a page of another origin on the television, with its sender's token.
#[tokio::test]
async fn a_chromecast_is_its_sender_s_and_ends_with_it() {
    let mut at = Playing::begin().await;
    let url = at.asks_to_play().await;
    let mut receiver = at.server.browser();
    let origin = "https://apps.jellyfin.org";
    let film = at.film.clone();
    for (path, method) in [
        (format!("/Items/{film}/PlaybackInfo"), "POST"),
        (url.clone(), "GET"),
        ("/Sessions/Playing".into(), "POST"),
    ] {
        let fields = [
            ("origin", origin),
            ("access-control-request-method", method),
            ("access-control-request-headers", "authorization,content-type"),
            ("sec-fetch-mode", "cors"),
        ];
        let asked = receiver.send(Method::OPTIONS, &format!("{TV}{path}"), &fields, "").await;
        assert!(asked.status.is_success(), "{path}: {} {}", asked.status, asked.body);
        assert_ne!(asked.field("access-control-allow-origin"), "", "{path}");
        assert_eq!(asked.body, "", "{path}");
    }
    let cast = |token: &str| {
        format!(
            "MediaBrowser Client=\"Chromecast\", Device=\"TV\", DeviceId=\"c\", Version=\"3\", Token=\"{token}\""
        )
    };
    let token = at.token.clone();
    let ask = async |browser: &mut Browser, token: &str| {
        let said = cast(token);
        let fields = [
            ("authorization", &*said),
            ("origin", origin),
            ("accept", "application/json"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "cors"),
        ];
        browser.send(Method::GET, &format!("{TV}/Users/Me"), &fields, "").await
    };
    let me = ask(&mut receiver, &token).await;
    assert_eq!((me.status.as_u16(), &me.json()["Name"]), (200, &json!(ANN.0)), "{}", me.body);
    let (decided, _) = at.server.recorded(me.field("x-request-id")).await;
    assert_eq!(decided["email"], json!(ANN.0), "on record as its sender's");
    assert_eq!(ask(&mut receiver, "0123456789abcdef0123456789abcdef").await.status, 401);
    // Its pictures say nothing: they are open at its sender's address alone.
    let picture = format!("/Items/{film}/Images/Primary");
    assert_eq!(status(&mut receiver, &picture).await, 200);
    assert_eq!(status(&mut receiver.at(ELSEWHERE), &picture).await, 401);
    at.end().await;
    assert_eq!(ask(&mut receiver, &token).await.status, 401, "it ends with its sender");
    assert_eq!(status(&mut receiver, &picture).await, 401);
    assert_eq!(status(&mut receiver, &url).await, 401);
}

/// Another program is given an address and knows nothing else: no fields, no cookies.
#[tokio::test]
async fn an_external_player_has_what_stands_in_its_address_and_ends_with_its_app() {
    let mut at = Playing::begin().await;
    at.asks_to_play().await;
    let (film, token) = (at.film.clone(), at.token.clone());
    let mut player = at.server.browser();
    let original = format!("/Videos/{film}/stream.mp4?static=true&mediaSourceId={film}");
    for key in ["api_key", "ApiKey"] {
        let with_key = format!("{original}&{key}={token}");
        assert_eq!(status(&mut player, &with_key).await, 200, "{key}");
        assert_eq!(status(&mut player.at(9), &with_key).await, 200, "wherever it runs");
    }
    let words = format!("/Videos/{film}/{film}/Subtitles/2/0/Stream.vtt");
    let read = bare(&mut player, Method::GET, &format!("{words}?ApiKey={token}")).await;
    assert_eq!((read.status.as_u16(), read.body.starts_with("WEBVTT")), (200, true));
    // Without a key: where its app asked for the film, as it is, and nowhere else.
    assert_eq!(status(&mut player, &original).await, 200);
    assert_eq!(bare(&mut player, Method::GET, &words).await.status, 200);
    for other in [&original, &words] {
        assert_eq!(status(&mut player.at(ELSEWHERE), other).await, 401, "{other}");
    }
    for wrong in [
        &*original.replace("static=true", "static=false"),
        &original.replace(&film, &"7".repeat(32)),
        &format!("/Videos/{film}/master.m3u8?mediaSourceId={film}"),
        &format!("/Items/{film}/Download"),
        &format!("/Items/{film}/PlaybackInfo"),
    ] {
        assert_eq!(status(&mut player, wrong).await, 401, "{wrong}");
    }
    // A key that is none opens nothing, however near its app is.
    let bad = format!("{original}&ApiKey={}", "0".repeat(32));
    assert_eq!(status(&mut player, &bad).await, 401, "what is brought is judged");
    let page = bare(&mut player, Method::GET, &format!("{original}&ApiKey={token}")).await;
    let (decided, access) = at.server.recorded(page.field("x-request-id")).await;
    assert_eq!(decided["email"], json!(ANN.0));
    assert!(!access.to_string().contains(&token), "no token in a line");
    at.end().await;
    for gone in [&*original, &format!("{original}&api_key={token}"), &words] {
        assert_eq!(status(&mut player, gone).await, 401, "{gone}");
    }
}

/// The lines of a list have what its own address had: a token, or none.
#[tokio::test]
async fn segments_are_asked_for_with_their_list_s_token_or_with_the_app_s_field() {
    let mut at = Playing::begin().await;
    let url = at.asks_to_play().await;
    let mut player = at.server.browser();
    // By the address alone, as web clients' players do it.
    let list = bare(&mut player, Method::GET, &url).await;
    let main = first_line(&list);
    let list = bare(&mut player, Method::GET, &main).await;
    let segment = first_line(&list);
    assert!(segment.contains(&at.token), "its line has the token: {segment}");
    assert_eq!(got(&mut player, &segment).await, 200);
    // By a field, as Roku and mpv do it: the lines have none, and the field comes with each.
    let key = format!("&ApiKey={}", at.token);
    let own = url.replace(&key, "").replace(&key.replace("ApiKey", "api_key"), "");
    assert!(!own.contains(&at.token), "{own}");
    let list = at.app.get(&own, &at.token).await;
    let main = first_line(&list);
    let list = at.app.get(&main, &at.token).await;
    let segment = first_line(&list);
    assert!(!segment.contains(&at.token), "{segment}");
    assert_eq!(at.app.get(&segment, &at.token).await.status, 200);
    // And by neither, nowhere: the library wants a token for these, and the film that its app
    // asked for opens no transcoding.
    for path in [&own, &main, &segment] {
        assert_eq!(got(&mut player, path).await, 401, "{path}");
    }
    at.end().await;
    assert_eq!(at.app.get(&segment, &at.token).await.status, 401);
    assert_eq!(got(&mut player, &segment).await, 401);
}

/// What a list has in its first line, as a path.
fn first_line(list: &Seen) -> String {
    assert_eq!(list.status, 200, "{}", list.body);
    let line = list.body.lines().find(|line| !line.starts_with('#')).unwrap();
    let url = list.url.join(line).unwrap();
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

/// The library asks for no token for segments of old lists. Their film has to play there.
#[tokio::test]
async fn segments_of_old_lists_are_open_where_their_film_plays_and_nowhere_else() {
    let mut at = Playing::begin().await;
    let film = at.film.clone();
    let mut player = at.server.browser();
    let segments = [
        format!("/Videos/{film}/hls/abcdef/3.ts"),
        format!("/videos/{film}/HLS/abcdef/3.mp4"),
        format!("/Audio/{film}/hls/abcdef/stream.mp3"),
        format!("/Audio/{film}/hls/abcdef/stream.aac"),
    ];
    for path in &segments {
        assert_eq!(status(&mut player, path).await, 401, "{path}: nothing plays");
    }
    at.asks_to_play().await;
    for path in &segments {
        // The stand-in has none of them: that it says so is that it was asked.
        assert_eq!(status(&mut player, path).await, 404, "{path}");
        assert_eq!(status(&mut player.at(ELSEWHERE), path).await, 401, "{path}: elsewhere");
        let other = path.replace(&film, &"7".repeat(32));
        assert_eq!(status(&mut player, &other).await, 401, "{other}: another film");
        let posted = bare(&mut player, Method::POST, path).await;
        assert_eq!(posted.status, 401, "{path}: no reading");
    }
    // The list itself, and what ends a transcoding, want a token.
    for (method, path) in [
        (Method::GET, format!("/Videos/{film}/hls/abcdef/stream.m3u8")),
        (Method::DELETE, "/Videos/ActiveEncodings?deviceId=shield-1&playSessionId=1".to_owned()),
    ] {
        assert_eq!(bare(&mut player, method, &path).await.status, 401, "{path}");
    }
    at.end().await;
    for path in &segments {
        assert_eq!(status(&mut player, path).await, 401, "{path}: it ended");
    }
}
