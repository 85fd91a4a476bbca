//! The limits of the HTTP layer, as measured on the real one.

use usher_cinema::{Cinema, CinemaOptions, RunningCinema};

use crate::wire::{Call, sign_in};

async fn cinema() -> RunningCinema {
    Cinema::start(CinemaOptions::default()).await.unwrap()
}

#[tokio::test]
async fn heads() {
    let cinema = cinema().await;
    // "GET " and " HTTP/1.1\r\n" are 15 of the 8,192 bytes of a request line.
    let path = |length: usize| format!("/{}", "a".repeat(length - 1));
    let (fits, too_long) = (path(8_192 - 15), path(8_192 - 14));
    for (path, expected, why) in [(&fits, 404, "fits"), (&too_long, 414, "one byte more")] {
        assert_eq!(Call::new("GET", path).send(cinema.addr).await.status, expected, "{why}");
    }
    for (bytes, lines, expected, why) in [
        (32_000, 1, 200, "below 32 KiB"),
        (33_000, 1, 431, "above 32 KiB"),
        (1, 97, 200, "100 lines with the three that are always there"),
        (1, 120, 431, "more than 100 lines"),
    ] {
        let mut call = Call::new("GET", "/health");
        for line in 0..lines {
            call = call.with(&format!("X-{line}"), "a".repeat(bytes));
        }
        assert_eq!(call.send(cinema.addr).await.status, expected, "{why}");
    }
}

#[tokio::test]
async fn bodies() {
    let cinema = cinema().await;
    let token = sign_in(cinema.addr, "demo", "", "a").await;
    for (path, length, expected, why) in [
        ("/Users/ForgotPassword", 30_000_001, 413, "above what the server takes at all"),
        ("/ClientLog/Document", 1_000_001, 413, "above what it takes for a log"),
    ] {
        // Only the head is sent: the answer must not wait for the body.
        let call = Call::new("POST", path)
            .token(&token)
            .with("Content-Type", "application/json")
            .with("Content-Length", length.to_string());
        let (_, reply) = call.begin(cinema.addr).await;
        assert_eq!(reply.status, expected, "{why}");
    }
    let mut log = Call::new("POST", "/ClientLog/Document").token(&token);
    log.body = vec![b'x'; 1_000_000];
    assert_eq!(log.send(cinema.addr).await.status, 200, "a log that fits");
}

#[tokio::test]
async fn a_speed_test_is_as_long_as_the_next_power_of_two() {
    let cinema = cinema().await;
    let token = sign_in(cinema.addr, "demo", "", "a").await;
    for (size, expected) in [
        ("5000", Some(8_192)),
        ("1", Some(16)),
        ("65536", Some(65_536)),
        ("0", None),
        ("999999999", None),
    ] {
        let path = format!("/Playback/BitrateTest?Size={size}");
        let reply = Call::new("GET", &path).token(&token).send(cinema.addr).await;
        let found = (reply.status == 200).then_some(reply.body.len());
        assert_eq!(found, expected, "{size}");
    }
}
