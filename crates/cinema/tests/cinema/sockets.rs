//! Sockets: what they are told, and what ends them.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, protocol::frame::coding::CloseCode},
};
use usher_cinema::{Cinema, CinemaOptions, RunningCinema};

use crate::wire::{Call, sign_in};

async fn cinema() -> RunningCinema {
    Cinema::start(CinemaOptions::default()).await.unwrap()
}

async fn open(cinema: &RunningCinema, token: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(cinema.addr).await.unwrap();
    let url = format!("ws://{}/socket?ApiKey={token}", cinema.addr);
    let (mut socket, _) = client_async(url, stream).await.unwrap();
    let first = next(&mut socket).await;
    assert_eq!((&first["MessageType"], &first["Data"]), (&json!("ForceKeepAlive"), &json!(60)));
    socket
}

/// The next message, whatever frames lie between.
async fn next(socket: &mut WebSocketStream<TcpStream>) -> Value {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(text.as_str()).unwrap(),
            Message::Close(frame) => panic!("closed: {frame:?}"),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
}

/// The next message of a kind; others are passed over.
async fn next_of(socket: &mut WebSocketStream<TcpStream>, kind: &str) -> Value {
    loop {
        let message = next(socket).await;
        if message["MessageType"] == kind {
            return message;
        }
    }
}

async fn say(socket: &mut WebSocketStream<TcpStream>, message: Value) {
    socket.send(Message::text(message.to_string())).await.unwrap();
}

async fn close_code(socket: &mut WebSocketStream<TcpStream>) -> CloseCode {
    loop {
        if let Message::Close(frame) = socket.next().await.unwrap().unwrap() {
            return frame.unwrap().code;
        }
    }
}

#[tokio::test]
async fn keep_alive_is_echoed_and_nonsense_passed_over() {
    let cinema = cinema().await;
    let token = sign_in(cinema.addr, "demo", "", "a").await;
    let mut socket = open(&cinema, &token).await;
    socket.send(Message::text("not json")).await.unwrap();
    say(&mut socket, json!({ "MessageType": "Unheard" })).await;
    say(&mut socket, json!({ "MessageType": "KeepAlive" })).await;
    let answer = next(&mut socket).await;
    assert_eq!(answer["MessageType"], "KeepAlive");
    assert!(answer.get("Data").is_none() && answer["MessageId"].is_string());
}

#[tokio::test]
async fn two_tabs_see_each_other_and_what_plays() {
    let cinema = cinema().await;
    let (first_token, second_token) = (
        sign_in(cinema.addr, "demo", "", "first").await,
        sign_in(cinema.addr, "demo", "", "second").await,
    );
    let mut first = open(&cinema, &first_token).await;
    let _second = open(&cinema, &second_token).await;
    say(&mut first, json!({ "MessageType": "SessionsStart", "Data": "0,1000" })).await;
    let sessions = next_of(&mut first, "Sessions").await;
    assert_eq!(sessions["Data"].as_array().unwrap().len(), 2);

    let items = Call::new("GET", "/Items?recursive=true").token(&second_token);
    let film = items.send(cinema.addr).await.json()["Items"][0]["Id"].clone();
    let started = Call::new("POST", "/Sessions/Playing")
        .token(&second_token)
        .json(json!({ "ItemId": film, "PositionTicks": 50_000_000, "IsPaused": false }))
        .send(cinema.addr)
        .await;
    assert_eq!(started.status, 204);
    let sessions = next_of(&mut first, "Sessions").await;
    let playing: Vec<_> = sessions["Data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|session| session["NowPlayingItem"]["Id"] == film)
        .collect();
    assert_eq!(playing.len(), 1);
    assert_eq!(playing[0]["DeviceId"], "second");
    assert_eq!(playing[0]["PlayState"]["PositionTicks"], 50_000_000);
}

#[tokio::test]
async fn a_message_reaches_every_tab_of_a_session() {
    let cinema = cinema().await;
    let token = sign_in(cinema.addr, "demo", "", "shared").await;
    let mut tabs = [open(&cinema, &token).await, open(&cinema, &token).await];
    let sessions = Call::new("GET", "/Sessions").token(&token).send(cinema.addr).await.json();
    assert_eq!(sessions.as_array().unwrap().len(), 1, "one browser, one session");
    let path = format!("/Sessions/{}/Message", sessions[0]["Id"].as_str().unwrap());
    let sent = Call::new("POST", &path)
        .token(&token)
        .json(json!({ "Header": "tab one", "Text": "hello", "TimeoutMs": 5000 }))
        .send(cinema.addr)
        .await;
    assert_eq!(sent.status, 204);
    for tab in &mut tabs {
        let heard = next_of(tab, "GeneralCommand").await;
        assert_eq!(heard["Data"]["Name"], "DisplayMessage");
        let arguments = json!({ "Header": "tab one", "Text": "hello", "TimeoutMs": "5000" });
        assert_eq!(heard["Data"]["Arguments"], arguments);
    }
    assert_eq!(cinema.open_sockets(), 2);
}

#[tokio::test]
async fn a_token_that_ends_takes_its_sockets_along() {
    let cinema = cinema().await;
    let token = sign_in(cinema.addr, "demo", "", "a").await;
    let mut socket = open(&cinema, &token).await;
    let logout = Call::new("POST", "/Sessions/Logout").token(&token).send(cinema.addr).await;
    assert_eq!(logout.status, 204);
    assert_eq!(close_code(&mut socket).await, CloseCode::Away);
    let after = Call::new("GET", "/Users/Me").token(&token).send(cinema.addr).await;
    assert_eq!(after.status, 401);
}

#[tokio::test]
async fn stopping_says_good_bye_and_frees_the_port() {
    let cinema = cinema().await;
    let token = sign_in(cinema.addr, "demo", "", "a").await;
    let mut socket = open(&cinema, &token).await;
    let addr = cinema.addr;
    cinema.stop().await;
    assert_eq!(close_code(&mut socket).await, CloseCode::Away);
    let options = CinemaOptions { bind: addr, ..CinemaOptions::default() };
    Cinema::start(options).await.expect("the port is free again");
}
