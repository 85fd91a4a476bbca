//! What differs between the releases, where no record tells it.

use serde_json::json;
use usher_cinema::{
    Cinema, CinemaOptions,
    JellyfinVersion::{self, V10_10, V10_11, V12},
    RunningCinema,
};

use crate::wire::{Call, sign_in};

const KEY: &str = "0123456789abcdef0123456789abcdef";

async fn cinema(version: JellyfinVersion) -> RunningCinema {
    let admin_key = Some(KEY.to_owned());
    Cinema::start(CinemaOptions { version, admin_key, ..CinemaOptions::default() }).await.unwrap()
}

fn media_browser(token: &str) -> String {
    format!("MediaBrowser Token=\"{token}\"")
}

#[tokio::test]
async fn which_of_two_headers_counts() {
    for (version, authorization, emby, expected) in [
        (V10_10, "good", "bad", 401),
        (V10_10, "bad", "good", 200),
        (V10_10, "basic", "good", 200),
        (V10_11, "good", "bad", 200),
        (V10_11, "bad", "good", 401),
        (V10_11, "basic", "good", 401),
        (V12, "good", "bad", 200),
        (V12, "bad", "good", 401),
    ] {
        let cinema = cinema(version).await;
        let token = sign_in(cinema.addr, "demo", "", "a").await;
        let value = |kind: &str| match kind {
            "good" => media_browser(&token),
            "bad" => media_browser("bad"),
            _ => "Basic YTpi".to_owned(),
        };
        let call = Call::new("GET", "/Users/Me")
            .with("Authorization", value(authorization))
            .with("X-Emby-Authorization", value(emby));
        let status = call.send(cinema.addr).await.status;
        assert_eq!(status, expected, "{version:?}: {authorization} beside {emby}");
    }
}

#[tokio::test]
async fn the_legacy_switch_of_12_works_at_once() {
    let cinema = cinema(V12).await;
    let token = sign_in(cinema.addr, "demo", "", "a").await;
    let ask = async || {
        let call = Call::new("GET", "/Users/Me").with("X-Emby-Token", &token);
        call.send(cinema.addr).await.status
    };
    let switch = async |on: bool| {
        let call = Call::new("POST", "/System/Configuration").token(KEY);
        let call = call.json(json!({ "EnableLegacyAuthorization": on }));
        assert_eq!(call.send(cinema.addr).await.status, 204);
    };
    assert_eq!(ask().await, 401, "off on a new server");
    switch(true).await;
    assert_eq!(ask().await, 200);
    switch(false).await;
    assert_eq!(ask().await, 401);
}

#[tokio::test]
async fn small_differences() {
    for (version, cached, language, forgot, initiate, prefix) in [
        (V10_10, None, None, "InNetworkRequired", 400, 200),
        (V10_11, Some("no-cache"), None, "PinCode", 400, 200),
        (V12, Some("no-cache"), Some("en-US"), "PinCode", 405, 404),
    ] {
        let cinema = cinema(version).await;
        let page = Call::new("GET", "/web/").send(cinema.addr).await;
        assert_eq!(page.header("Cache-Control"), cached, "{version:?}");
        assert_eq!(page.header("Content-Language"), language, "{version:?}");
        let unknown = Call::new("POST", "/Users/ForgotPassword")
            .json(json!({ "EnteredUsername": "nobody" }))
            .send(cinema.addr)
            .await;
        assert_eq!(unknown.json()["Action"], forgot, "{version:?}");
        let begun = Call::new("GET", "/QuickConnect/Initiate").send(cinema.addr).await;
        assert_eq!(begun.status, initiate, "{version:?}");
        let prefixed = Call::new("GET", "/emby/System/Ping").send(cinema.addr).await;
        assert_eq!(prefixed.status, prefix, "{version:?}");
    }
}
