//! Runs the stand-in by itself: `cargo run -p usher-cinema --example cinema [PORT] [FILM]`.

use std::{io::Write, path::PathBuf};

use usher_cinema::{Cinema, CinemaOptions, Film};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(8096), |port| port.parse())?;
    let film = arguments.next().map_or(Film::Small, |path| Film::File(PathBuf::from(path)));
    let options =
        CinemaOptions { bind: ([127, 0, 0, 1], port).into(), film, ..CinemaOptions::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let cinema = Cinema::start(options).await?;
        writeln!(std::io::stdout(), "{}/web/", cinema.base_url())?;
        tokio::signal::ctrl_c().await?;
        cinema.stop().await;
        Ok(())
    })
}
