//! A siege: a thousand hostile clients of each kind, and a person who plays a film, comes anew,
//! signs in, while the operator reloads (`docs/reference/limits.md`).
//!
//! Most of the hostile have the person's own address, as behind one router; the others an address
//! each. Whoever is shown out comes back after a second.

mod crowd;
mod guess;
mod hostile;
mod person;

use std::{
    net::SocketAddr,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

pub use self::crowd::run as crowd;
use self::{crowd::HOSTILE, hostile::Kind, person::Lived};
use crate::{
    certificate::Certificate,
    client::Client,
    compare::sign_in,
    failure::Failure,
    front_door::{FrontDoor, HOST, Setup},
    measure::upstream,
    options::Options,
    stop,
    table::Table,
};

/// The host that everybody may enter.
pub const OPEN: &str = "open.test";
/// Resident memory in KiB, whatever comes.
const MEMORY_LIMIT: u64 = 768 * 1024;
/// How long the film has played when they come.
const BEFORE: Duration = Duration::from_secs(5);
/// The longest that anything of ordinary life may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the siege, prints a table, and tells whether life went on under each kind.
pub fn run(options: &Options) -> Result<bool, Failure> {
    let usher = options.usher.as_deref().ok_or(Failure::Usage("--usher FILE".into()))?;
    let time = Duration::from_secs(if options.short { 8 } else { 120 });
    let upstream = upstream_beside()?;
    let mut table =
        Table::new(["hostile", "film stood", "newcomer", "sign-in", "reload", "CPU", "MiB", ""]);
    let mut all_hold = true;
    let asked = |kind: &Kind| options.kind.as_ref().is_none_or(|word| kind.name().contains(word));
    for kind in Kind::ALL.into_iter().filter(asked) {
        let (lived, cpu, peak) = under(kind, usher, upstream, time)?;
        let lost = lived
            .lost(PATIENCE)
            .or_else(|| (peak >= MEMORY_LIMIT).then(|| format!("{} MiB", peak / 1024)));
        all_hold &= lost.is_none();
        let row = [
            kind.name().into(),
            seconds(&lived.film),
            seconds(&lived.newcomer),
            seconds(&lived.sign_in),
            seconds(&lived.reload),
            format!("{:.0} s", cpu.as_secs_f64()),
            format!("{}", peak / 1024),
            lost.map_or_else(|| "ok".into(), |why| format!("LOST: {why}")),
        ];
        println!("{}", row.join(" | ")); // as it comes: the whole takes minutes
        table.row(row);
    }
    println!(
        "\nusher, profile {}: {HOSTILE} of each kind for {} s, memory under {} MiB; each the \
         longest\n\n{}",
        options.profile,
        time.as_secs(),
        MEMORY_LIMIT / 1024,
        table.text()
    );
    Ok(all_hold)
}

fn seconds(longest: &Result<Duration, String>) -> String {
    longest.as_ref().map_or_else(|_| "-".into(), |time| format!("{:.1} s", time.as_secs_f64()))
}

/// The upstream has a thread of its own: it is another program.
fn upstream_beside() -> Result<SocketAddr, Failure> {
    let (tell, told) = mpsc::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::io("runtime"))?;
    thread::spawn(move || {
        runtime.block_on(async {
            let _nobody_waits = tell.send(upstream::start().await);
            std::future::pending::<()>().await;
        });
    });
    told.recv().map_err(Failure::exchange("upstream"))?
}

/// A door of its own for each kind, and what became of life under it, with the CPU time and the most memory of the
/// door.
fn under(
    kind: Kind,
    usher: &std::path::Path,
    upstream: SocketAddr,
    time: Duration,
) -> Result<(Lived, Duration, u64), Failure> {
    let folder = stop::folder()?;
    let certificate = Certificate::make(folder.path(), &[HOST, OPEN])?;
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
    let lived = live(kind, &setup, &door, time)?;
    Ok((lived, door.process.cpu()?, door.process.peak()?))
}

fn live(kind: Kind, setup: &Setup<'_>, door: &FrontDoor, time: Duration) -> Result<Lived, Failure> {
    let client = Client::new(door.address, OPEN, setup.certificate)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Failure::io("runtime"))?;
    runtime.block_on(async {
        let film = person::Film::begin(&client).await?;
        let film = film.play_until(Instant::now() + BEFORE).await?;
        let _crowd = crowd::set_on(door.address, kind, setup.folder)?;
        Ok(person::live(film, &client, setup, door, time).await)
    })
}
