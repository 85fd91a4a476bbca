//! What the log says of Jellyfins whose routes do not know them.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::mpsc,
    thread,
};

use serde_json::Value;
use tokio::sync::oneshot;
use usher_cinema::{Cinema, CinemaOptions};

use super::{Desk, route};

/// A server at the port that a Jellyfin has, at an address that no other process has; it ends with
/// what is given beside it.
fn at_home() -> (SocketAddr, oneshot::Sender<()>) {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let bind = SocketAddr::from((Ipv4Addr::new(127, 101 ^ high, low, 11), 8096));
    let (started, address) = mpsc::channel();
    let (end, over) = oneshot::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let options = CinemaOptions { bind, ..CinemaOptions::default() };
            let cinema = Cinema::start(options).await.unwrap();
            started.send(cinema.addr).unwrap();
            let _its_test_is_over = over.await;
        });
    });
    (address.recv().unwrap(), end)
}

/// It is told that it is one, and where it is; only the config makes it one.
#[test]
fn a_jellyfin_that_its_route_does_not_know_is_told() {
    let (address, _lives) = at_home();
    let desk = Desk::new();
    let text = route(desk.port, address);
    desk.write(&text);
    let running = desk.start();
    let says = |line: &Value, field: &str, words: &str| {
        line[field].as_str().is_some_and(|said| said.contains(words))
    };
    let line = running.line(|line| says(line, "what", "the route does not say so"));
    assert!(says(&line, "hint", "write `jellyfin` into the route"), "{line}");
    assert_eq!((&line["message"], &line["level"]), (&"upstream".into(), &"warn".into()), "{line}");

    desk.write(&format!("{text}  jellyfin: {{base_path: /other}}\n"));
    running.signal("-HUP");
    let line = running.line(|line| says(line, "what", "what answers is no Jellyfin"));
    assert!(says(&line, "hint", "delete `jellyfin.base_path`"), "{line}");
}
