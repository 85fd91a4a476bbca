//! Stories that no single exchange tells.

use std::time::Duration;

use serde_json::{Value, json};
use usher_cinema::{
    Cinema, CinemaOptions, CinemaUser, Film, JellyfinVersion, Readiness, RunningCinema, SMALL_FILM,
};

use crate::wire::{Call, device, sign_in};

const KEY: &str = "0123456789abcdef0123456789abcdef";

async fn cinema(options: CinemaOptions) -> RunningCinema {
    Cinema::start(CinemaOptions { admin_key: Some(KEY.to_owned()), ..options }).await.unwrap()
}

async fn film_path(cinema: &RunningCinema) -> String {
    let items = Call::new("GET", "/Items?recursive=true").token(KEY).send(cinema.addr).await;
    format!("/Videos/{}/stream", items.json()["Items"][0]["Id"].as_str().unwrap())
}

#[tokio::test]
async fn starting_and_ready() {
    for version in [JellyfinVersion::V10_10, JellyfinVersion::V10_11, JellyfinVersion::V12] {
        let readiness = Readiness::Starting;
        let cinema = cinema(CinemaOptions { version, readiness, ..CinemaOptions::default() }).await;
        for (path, expected, why) in [
            ("/System/Info/Public", 503, "an endpoint"),
            ("/nowhere", 503, "any path"),
            ("/health", 200, "health tells by its body alone"),
            ("/web/", 200, "static files come first"),
            ("/Users/Me", 401, "nobody is told that it starts"),
        ] {
            let reply = Call::new("GET", path).send(cinema.addr).await;
            assert_eq!(reply.status, expected, "{path}: {why}");
        }
        let health = Call::new("GET", "/health").send(cinema.addr).await;
        assert_eq!(health.text(), "Degraded");
        cinema.set_readiness(Readiness::Ready);
        let health = Call::new("GET", "/health").send(cinema.addr).await;
        assert_eq!(health.text(), "Healthy");
    }
}

/// What makes an unprotected path to the server dangerous: behind a proxy that it does not know
/// everybody counts as local, and may restart it.
#[tokio::test]
async fn a_stranger_restarts_a_server_that_does_not_know_its_proxy() {
    let quick = CinemaOptions { restart_time: Duration::ZERO, ..CinemaOptions::default() };
    let trusting = cinema(quick.clone()).await;
    let known = vec!["127.0.0.1".parse().unwrap()];
    let careful = cinema(CinemaOptions { known_proxies: known, ..quick }).await;
    let restart = || Call::new("POST", "/System/Restart").with("X-Forwarded-For", "8.8.8.8");
    assert_eq!(restart().send(trusting.addr).await.status, 204);
    assert_eq!(restart().send(careful.addr).await.status, 401);
    let healthy =
        async || Call::new("GET", "/health").send(trusting.addr).await.text() == "Healthy";
    while !healthy().await {}
    assert_eq!((trusting.restarts(), careful.restarts()), (1, 0));
}

#[tokio::test]
async fn a_header_renames_the_device_and_a_key_names_nobody() {
    let cinema = cinema(CinemaOptions::default()).await;
    let token = sign_in(cinema.addr, "DEMO", "", "tv").await;
    let evil = format!(
        "MediaBrowser Client=\"Other\", Device=\"Evil\", DeviceId=\"x\", Version=\"9\", Token=\"{token}\""
    );
    let me = Call::new("GET", "/Users/Me").with("Authorization", evil).send(cinema.addr).await;
    assert_eq!(me.status, 200, "the device id is not compared");
    let devices = Call::new("GET", "/Devices").token(KEY).send(cinema.addr).await.json();
    let row = &devices["Items"][0];
    assert_eq!((&row["Name"], &row["Id"]), (&json!("Evil"), &json!("tv")));
    assert!(row.get("AccessToken").is_none());
    let key = Call::new("GET", "/Users/Me").token(KEY).send(cinema.addr).await;
    assert_eq!(key.status, 400, "this is how a key is told from a person's token");
}

#[tokio::test]
async fn camel_case_where_it_is_asked_for_first() {
    let cinema = cinema(CinemaOptions::default()).await;
    for (accept, expected, why) in [
        ("application/json; profile=\"CamelCase\"", "version", "asked for"),
        ("application/json, application/json; profile=\"CamelCase\"", "Version", "the first holds"),
        ("*/*", "Version", "not asked for"),
    ] {
        let call = Call::new("GET", "/System/Info/Public").with("Accept", accept);
        let info = call.send(cinema.addr).await.json();
        assert_eq!(info.get(expected), Some(&json!("10.11.11")), "{accept}: {why}");
    }
}

#[tokio::test]
async fn a_film_from_a_file_equals_the_built_in_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.mp4");
    std::fs::write(&path, SMALL_FILM).unwrap();
    let small = cinema(CinemaOptions::default()).await;
    let file = cinema(CinemaOptions { film: Film::File(path), ..CinemaOptions::default() }).await;
    let (small_path, file_path) = (film_path(&small).await, film_path(&file).await);
    for (query, range, expected) in [
        ("?static=true", None, 200),
        ("?static=true", Some("bytes=1000-"), 206),
        ("?static=true", Some("bytes=-1"), 206),
        ("?static=true", Some("bytes=99999999-"), 416),
        ("", Some("bytes=5-9"), 200),
    ] {
        let mut replies = Vec::new();
        for (cinema, path) in [(&small, &small_path), (&file, &file_path)] {
            let path = format!("{path}{query}");
            let mut call = Call::new("GET", &path);
            if let Some(range) = range {
                call = call.with("Range", range);
            }
            replies.push(call.send(cinema.addr).await);
        }
        let [small, file] = replies.as_slice() else { unreachable!() };
        assert_eq!((small.status, file.status), (expected, expected), "{query} {range:?}");
        assert_eq!(small.header("Content-Range"), file.header("Content-Range"));
        assert!(small.body == file.body, "{query} {range:?}: other bytes");
        assert_eq!(small.header("Transfer-Encoding").is_some(), query.is_empty(), "as transcoded");
    }
}

#[tokio::test]
async fn nobody_but_an_administrator_touches_others() {
    let users = vec![
        CinemaUser::new("root", "r").administrator(),
        CinemaUser::new("ann", "a"),
        CinemaUser::new("eve", "e"),
    ];
    let cinema = cinema(CinemaOptions { users, ..CinemaOptions::default() }).await;
    let (root, eve) =
        (sign_in(cinema.addr, "root", "r", "1").await, sign_in(cinema.addr, "eve", "e", "2").await);
    let people = Call::new("GET", "/Users").token(&eve).send(cinema.addr).await.json();
    let id = |name: &str| {
        let list = people.as_array().unwrap();
        list.iter().find(|person| person["Name"] == name).unwrap()["Id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let ann = id("ann");
    let (views, password) =
        (format!("/Users/{ann}/Views"), format!("/Users/Password?userId={ann}"));
    for (method, path, body, for_eve, for_root) in [
        ("GET", views.as_str(), Value::Null, 403, 200),
        ("POST", password.as_str(), json!({ "NewPw": "x" }), 403, 204),
        ("GET", "/Devices", Value::Null, 403, 200),
        ("DELETE", "/Auth/Keys/whatever", Value::Null, 403, 404),
        ("GET", "/System/Configuration/network", Value::Null, 200, 200),
    ] {
        for (token, expected) in [(&eve, for_eve), (&root, for_root)] {
            let call = Call::new(method, path).token(token).json(body.clone());
            assert_eq!(call.send(cinema.addr).await.status, expected, "{method} {path}");
        }
    }
    sign_in(cinema.addr, "ann", "x", "3").await;
}

#[tokio::test]
async fn the_page_and_its_parts() {
    let cinema = cinema(CinemaOptions::default()).await;
    let page = Call::new("GET", "/web/").send(cinema.addr).await;
    assert!(page.text().contains("This is not Jellyfin"));
    assert!(!page.text().contains("<script>") && !page.text().contains("style="), "nothing inline");
    for id in ["film", "events", "status", "session-user", "watching", "send-message"] {
        assert!(page.text().contains(&format!("id=\"{id}\"")), "{id}");
    }
    for name in ["cinema.js", "cinema.css", "icon.svg", "robots.txt"] {
        let path = format!("/web/{name}");
        let first = Call::new("GET", &path).send(cinema.addr).await;
        assert_eq!(first.status, 200, "{name}");
        let tag = first.header("ETag").unwrap();
        let again = Call::new("GET", &path).with("If-None-Match", tag).send(cinema.addr).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{name}");
    }
    let public = Call::new("GET", "/Users/Public").send(cinema.addr).await.json();
    assert_eq!(public[0]["Name"], "demo", "whom the page signs in by itself");
}

#[tokio::test]
async fn only_known_devices_where_the_policy_says_so() {
    let cinema = cinema(CinemaOptions::default()).await;
    let people = Call::new("GET", "/Users").token(KEY).send(cinema.addr).await.json();
    let path = format!("/Users/{}/Policy", people[0]["Id"].as_str().unwrap());
    let mut policy = people[0]["Policy"].clone();
    policy["EnableAllDevices"] = json!(false);
    policy["EnabledDevices"] = json!(["tv"]);
    let set = Call::new("POST", &path).token(KEY).json(policy).send(cinema.addr).await;
    assert_eq!(set.status, 204);
    sign_in(cinema.addr, "demo", "", "tv").await;
    let refused = Call::new("POST", "/Users/AuthenticateByName")
        .with("Authorization", device("phone"))
        .json(json!({ "Username": "demo", "Pw": "" }))
        .send(cinema.addr)
        .await;
    assert_eq!(refused.status, 403);
}
