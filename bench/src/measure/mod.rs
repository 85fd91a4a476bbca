//! Memory: what a film, an upload, a reader that stalls and many idle WebSockets cost.
//!
//! Resident memory is the kernel's own peak (`VmHWM`), forgotten before each load, less what was
//! resident just before. Nothing is sampled, so no peak is missed.

pub mod sockets;
mod transfer;
pub mod upstream;

use std::time::Duration;

use crate::{
    certificate::Certificate,
    client::{Client, Protocol},
    failure::Failure,
    front_door::{FrontDoor, HOST, Setup},
    options::Options,
    stop,
    table::Table,
};

const PUBLIC: &str = "    allow_public_unauthenticated_access: true\n";

/// 4 GiB.
const FILM: u64 = 4 << 30;
/// Idle, before the first request.
const IDLE_LIMIT: u64 = 40 * 1024;
/// Above what was resident before.
const GROWTH_LIMIT: u64 = 16 * 1024;
/// How often a figure over its limit is taken anew.
const AGAIN: usize = 2;
/// How many WebSockets are held at once.
const SOCKETS: usize = 2_000;

/// One figure beside its limit.
#[derive(Debug)]
pub struct Figure {
    what: String,
    kib: u64,
    limit: Option<u64>,
    note: String,
}

impl Figure {
    fn holds(&self) -> bool {
        self.limit.is_none_or(|limit| self.kib < limit)
    }
}

/// Measures, prints a table, and tells whether every figure is within its limit.
pub fn run(options: &Options) -> Result<bool, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::io("runtime"))?;
    let figures = runtime.block_on(measure(options))?;
    let mut table = Table::new(["resident memory", "MiB", "limit", "", ""]);
    for figure in &figures {
        let limit = figure.limit.map_or_else(|| "-".into(), mib);
        let verdict = if figure.holds() { "ok" } else { "OVER" };
        table.row([
            figure.what.clone(),
            mib(figure.kib),
            limit,
            verdict.into(),
            figure.note.clone(),
        ]);
    }
    println!("usher, profile {}, over loopback TLS\n\n{}", options.profile, table.text());
    Ok(figures.iter().all(Figure::holds))
}

async fn measure(options: &Options) -> Result<Vec<Figure>, Failure> {
    let usher = options.usher.as_deref().ok_or(Failure::Usage("--usher FILE".into()))?;
    let folder = stop::folder()?;
    let certificate = Certificate::make(folder.path(), &[HOST])?;
    let upstream = upstream::start().await?;
    let folder = folder.path();
    let setup =
        Setup { usher, folder, certificate: &certificate, upstream, policy: PUBLIC, core: None };
    let door = setup.open()?;
    let client = Client::new(door.address, HOST, &certificate)?;

    let mut figures = vec![idle(&door).await?];
    transfer::warm_up(&client).await?;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        figures.push(steady(async || transfer::down(&door, &client, protocol, FILM).await).await?);
        figures.push(steady(async || transfer::up(&door, &client, protocol, FILM).await).await?);
    }
    let patience = Duration::from_secs(if options.short { 15 } else { 180 });
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let stalled = async || transfer::stalled(&door, &client, protocol, patience).await;
        figures.push(steady(stalled).await?);
    }
    let patience = Duration::from_secs(if options.short { 5 } else { 60 });
    figures.push(sockets::idle(&door, &client, SOCKETS, patience).await?);
    Ok(figures)
}

/// A figure over its limit is taken anew, twice at most, and the note tells of it: what usher holds
/// of a body shows each time, what its allocator keeps for a moment does not.
async fn steady(weigh: impl AsyncFn() -> Result<Figure, Failure>) -> Result<Figure, Failure> {
    let (mut figure, mut over) = (weigh().await?, Vec::new());
    while !figure.holds() && over.len() < AGAIN {
        over.push(mib(figure.kib));
        figure = weigh().await?;
    }
    if !over.is_empty() {
        figure.note += &format!("; over before: {}", over.join(", "));
    }
    Ok(figure)
}

/// A second after it began to listen, before anybody asked for anything.
async fn idle(door: &FrontDoor) -> Result<Figure, Failure> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(Figure {
        what: "idle".into(),
        kib: door.process.resident()?,
        limit: Some(IDLE_LIMIT),
        note: String::new(),
    })
}

fn mib(kib: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    let mib = kib as f64 / 1024.0;
    format!("{mib:.1}")
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What three figures in a row come to.
    async fn of(kib: [u64; 3]) -> (bool, String) {
        let at = Cell::new(0);
        let weigh = async || {
            let kib = kib[at.replace(at.get() + 1)];
            Ok(Figure { what: String::new(), kib, limit: Some(GROWTH_LIMIT), note: "8 s".into() })
        };
        let figure = steady(weigh).await.unwrap();
        (figure.holds(), figure.note)
    }

    #[tokio::test]
    async fn what_is_held_each_time_is_over_and_what_is_held_once_is_not() {
        let over = 18 * 1024;
        assert_eq!(of([1, over, over]).await, (true, "8 s".into()));
        assert_eq!(of([over, 1, over]).await, (true, "8 s; over before: 18.0".into()));
        assert_eq!(of([over; 3]).await, (false, "8 s; over before: 18.0, 18.0".into()));
    }
}
