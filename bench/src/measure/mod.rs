//! Memory: what a film, an upload, a reader that stalls and many idle WebSockets cost.
//!
//! Resident memory is the kernel's own peak (`VmHWM`), forgotten before each load, less what was
//! resident just before. Nothing is sampled, so no peak is missed.

mod sockets;
mod transfer;
pub mod upstream;

use std::time::Duration;

use crate::{
    certificate::Certificate,
    client::{Client, Protocol},
    failure::Failure,
    front_door::{FrontDoor, HOST, Setup},
    options::Options,
    table::Table,
};

const PUBLIC: &str = "    allow_public_unauthenticated_access: true\n";

/// 4 GiB.
const FILM: u64 = 4 << 30;
/// Idle, before the first request.
const IDLE_LIMIT: u64 = 40 * 1024;
/// Above what was resident before.
const GROWTH_LIMIT: u64 = 16 * 1024;
/// How many WebSockets are held at once.
const SOCKETS: usize = 2_000;

/// One figure beside its limit.
#[derive(Debug)]
struct Figure {
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
    let folder = tempfile::tempdir().map_err(Failure::io("a folder"))?;
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
        figures.push(transfer::down(&door, &client, protocol, FILM).await?);
        figures.push(transfer::up(&door, &client, protocol, FILM).await?);
    }
    let patience = Duration::from_secs(if options.short { 15 } else { 180 });
    for protocol in [Protocol::Http1, Protocol::Http2] {
        figures.push(transfer::stalled(&door, &client, protocol, patience).await?);
    }
    let patience = Duration::from_secs(if options.short { 5 } else { 60 });
    figures.push(sockets::idle(&door, &client, SOCKETS, patience).await?);
    Ok(figures)
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
