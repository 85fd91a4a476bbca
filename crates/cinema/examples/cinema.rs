//! The stand-in alone, for suites that start it as a program of its own:
//! `cinema --port 0 --film FILE` prints one line of JSON and serves until it is ended.

use std::{
    error::Error,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
};

use usher_cinema::{Cinema, CinemaOptions, CinemaUser, Film};

const USAGE: &str = "usage: cinema [--port PORT] [--film FILE] [--admin-key KEY]";
/// A word that occurs nowhere else, so that a suite notices where it turns up.
const PASSWORD: &str = "canary-jellyfin-pass-8Hd3";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (mut port, mut film, mut admin_key) = (0, Film::Small, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        match argument.as_str() {
            "--port" => port = value.parse()?,
            "--film" => film = Film::File(value.into()),
            "--admin-key" => admin_key = Some(value),
            _ => return Err(USAGE.into()),
        }
    }
    let cinema = Cinema::start(CinemaOptions {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        film,
        admin_key,
        // The page signs in as the first; programs sign in as the second, with a password.
        users: vec![CinemaUser::new("demo", "").listed(), CinemaUser::new("casey", PASSWORD)],
        ..CinemaOptions::default()
    })
    .await?;
    let ready = serde_json::json!({
        "url": cinema.base_url(),
        "people": [{ "name": "casey", "password": PASSWORD }],
    });
    writeln!(io::stdout(), "{ready}")?;
    std::future::pending::<()>().await;
    Ok(())
}
