//! A siege: a thousand hostile clients of each kind, and a person who plays a film, comes anew,
//! signs in, while the operator reloads (`docs/reference/limits.md`).
//!
//! Most of the hostile have the person's own address, as behind one router; the others an address
//! each. Whoever is shown out comes back after a second.

mod hostile;
mod person;

use std::{net::Ipv4Addr, time::Duration};

use tokio::task::JoinSet;

use self::{
    hostile::{Hostile, Kind},
    person::Lived,
};
use crate::{
    certificate::Certificate,
    client::Client,
    compare::sign_in,
    failure::Failure,
    front_door::{FrontDoor, HOST, Setup},
    measure::upstream,
    options::Options,
    table::Table,
};

/// The host that everybody may enter.
pub const OPEN: &str = "open.test";
const HOSTILE: u32 = 1000;
/// How many of them come from the person's own address.
const HOUSEMATES: u32 = 700;
/// Resident memory in KiB, whatever comes.
const MEMORY_LIMIT: u64 = 768 * 1024;
/// The longest that a film may stand still, and that a newcomer may wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the siege, prints a table, and tells whether life went on under each kind.
pub fn run(options: &Options) -> Result<bool, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Failure::io("runtime"))?;
    runtime.block_on(siege(options))
}

async fn siege(options: &Options) -> Result<bool, Failure> {
    let usher = options.usher.as_deref().ok_or(Failure::Usage("--usher FILE".into()))?;
    let seconds = if options.short { 8 } else { 120 };
    let mut table =
        Table::new(["hostile", "film stood", "newcomer", "sign-ins", "reloads", "MiB", ""]);
    let mut all_hold = true;
    let asked = |kind: &Kind| options.kind.as_ref().is_none_or(|word| kind.name().contains(word));
    for kind in Kind::ALL.into_iter().filter(asked) {
        let folder = tempfile::tempdir().map_err(Failure::io("a folder"))?;
        let certificate = Certificate::make(folder.path(), &[HOST, OPEN])?;
        let upstream = upstream::start().await?;
        let policy = format!(
            "    policy: [{{allow: {{or: [{{email: {{is: ann@example.com}}}}]}}}}]\n\
             \x20 - from: https://{OPEN}\n\
             \x20   to: http://{upstream}\n\
             \x20   allow_websockets: true\n\
             \x20   timeout: 0s\n\
             \x20   allow_public_unauthenticated_access: true\n"
        );
        let setup = Setup {
            usher,
            folder: folder.path(),
            certificate: &certificate,
            upstream,
            policy: &policy,
            core: None,
        };
        sign_in::add_person(&setup)?;
        let door = setup.open()?;
        let lived = under(kind, &setup, &door, Duration::from_secs(seconds)).await?;
        let peak = door.process.peak()?;
        let holds = lived.went_on(PATIENCE) && peak < MEMORY_LIMIT;
        all_hold &= holds;
        let row = [
            kind.name().into(),
            seconds_of(lived.film_stood),
            seconds_of(lived.newcomer),
            format!("{} of {}", lived.sign_ins.0, lived.sign_ins.1),
            format!("{} of {}", lived.reloads.0, lived.reloads.1),
            format!("{}", peak / 1024),
            if holds { "ok".into() } else { format!("FELL {}", lived.trouble) },
        ];
        println!("{}", row.join(" | "));
        table.row(row);
    }
    println!(
        "\nusher, profile {}: {HOSTILE} of each kind for {seconds} s, memory under {} MiB\n\n{}",
        options.profile,
        MEMORY_LIMIT / 1024,
        table.text()
    );
    Ok(all_hold)
}

fn seconds_of(longest: Option<Duration>) -> String {
    longest.map_or_else(|| "failed".into(), |longest| format!("{:.1} s", longest.as_secs_f64()))
}

async fn under(
    kind: Kind,
    setup: &Setup<'_>,
    door: &FrontDoor,
    time: Duration,
) -> Result<Lived, Failure> {
    let (http1, http2) = (setup.certificate.client(b"http/1.1")?, setup.certificate.client(b"h2")?);
    let client = Client::new(door.address, OPEN, setup.certificate)?;
    let film = person::Film::begin(&client).await?;
    let mut crowd = JoinSet::new();
    for number in 0..HOSTILE {
        let from = match number < HOUSEMATES {
            true => Ipv4Addr::LOCALHOST,
            false => Ipv4Addr::from(0x7f01_0000 + number),
        };
        let (http1, http2) = (http1.clone(), http2.clone());
        crowd.spawn(Hostile { door: door.address, from, http1, http2 }.attack(kind));
    }
    let lived = person::live(film, &client, setup, door, time).await;
    crowd.abort_all();
    Ok(lived)
}
