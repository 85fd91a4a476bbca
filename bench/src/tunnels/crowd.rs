//! A thousand tunnels at once, half of them idle, and a reload every second.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    ops::Range,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    runtime::Runtime,
    sync::Semaphore,
    task::JoinSet,
    time,
};

use super::{Tunnel, far_end::Asked, open, route};
use crate::{
    client::Client,
    compare::sign_in,
    failure::Failure,
    front_door::{FrontDoor, HOST, Setup},
    options::Options,
    storm::reloads_in,
    table::Table,
};

/// So many idle ones, and as many at work.
const HALF: usize = 500;
/// Open before anything is measured and until the end, so that what the first ones set up once, and
/// what handshakes leave behind, count for none.
const FIRST: usize = 100;
/// Handshakes at once.
const AT_ONCE: usize = 32;
/// Tunnels of one household.
const SHARED: usize = 100;
/// From one reload to the next.
const EVERY: Duration = Duration::from_secs(1);
/// From one message of a tunnel at work to the next.
const PAUSE: Duration = Duration::from_millis(100);
/// A message.
const MESSAGE: usize = 1024;
/// What an idle tunnel may take of usher's memory, in KiB.
const EACH_LIMIT: f64 = 24.0;

/// Runs it, prints a table, and tells whether every figure is within its limit.
pub fn run(
    options: &Options,
    setup: &Setup<'_>,
    far: SocketAddr,
    runtime: &Runtime,
) -> Result<bool, Failure> {
    // Hashing a password leaves room behind that tunnels would take: they get a process that did not.
    let cookie: Arc<str> = sign_in::cookie(setup, &setup.open()?)?.into();
    let door = setup.open()?;
    let client = Client::new(door.address, HOST, setup.certificate)?;
    let time = Duration::from_secs(if options.short { 10 } else { 60 });
    let seen = runtime.block_on(crowd(setup, &door, far, (&client, &cookie), time))?;
    Ok(seen.print(&options.profile, time))
}

/// What came of it.
struct Seen {
    /// Resident memory in KiB: before, with the idle half, with all, at the end.
    memory: [u64; 4],
    reloads: (u64, u64),
    messages: u64,
    torn: Vec<String>,
    cpu: Duration,
}

async fn crowd(
    setup: &Setup<'_>,
    door: &FrontDoor,
    far: SocketAddr,
    (client, cookie): (&Client, &Arc<str>),
    time: Duration,
) -> Result<Seen, Failure> {
    let mut idle = open_many(client, cookie, 0..FIRST).await?;
    settle().await;
    let before = door.process.resident()?;
    idle.extend(open_many(client, cookie, FIRST..FIRST + HALF).await?);
    settle().await;
    let with_idle = door.process.resident()?;
    let busy = open_many(client, cookie, FIRST + HALF..FIRST + 2 * HALF).await?;
    settle().await;
    let with_all = door.process.resident()?;

    let (until, messages) = (Instant::now() + time, Arc::new(AtomicU64::new(0)));
    let mut at_work = JoinSet::new();
    for tunnel in busy {
        at_work.spawn(work(tunnel, Arc::clone(&messages), until));
    }
    let spent = door.process.cpu()?;
    let asked = reload(setup, door, far, until).await?;
    let mut torn = Vec::new();
    while let Some(ended) = at_work.join_next().await {
        let ended = ended.map_err(Failure::exchange("a tunnel"))?;
        torn.extend(ended.err().map(|error| format!("at work: {error}")));
    }
    let cpu = door.process.cpu()?.saturating_sub(spent);
    for tunnel in &mut idle {
        torn.extend(echo(tunnel, 1).await.err().map(|error| format!("idle: {error}")));
    }
    settle().await;
    let memory = [before, with_idle, with_all, door.process.resident()?];
    let reloads = (asked, reloads_in(setup)?);
    Ok(Seen { memory, reloads, messages: messages.load(Relaxed), torn, cpu })
}

/// What was only needed for opening is let go of.
async fn settle() {
    time::sleep(Duration::from_secs(3)).await;
}

async fn open_many(
    client: &Client,
    cookie: &Arc<str>,
    which: Range<usize>,
) -> Result<Vec<Tunnel>, Failure> {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    let mut tunnels = Vec::with_capacity(which.len());
    for nth in which {
        let (client, slots, cookie) = (client.clone(), Arc::clone(&slots), Arc::clone(cookie));
        tasks.spawn(async move {
            let _slot = slots.acquire().await.map_err(Failure::exchange("slot"))?;
            let mut tunnel = open(&client, home(nth), &cookie).await?;
            echo(&mut tunnel, 1).await.map_err(Failure::io("first message"))?;
            Ok::<_, Failure>(tunnel)
        });
    }
    while let Some(done) = tasks.join_next().await {
        tunnels.push(done.map_err(Failure::exchange("tunnel"))??);
    }
    Ok(tunnels)
}

/// Whose tunnel that is: all of them of one address are more than a client's share.
fn home(nth: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, u8::try_from(1 + nth / SHARED).unwrap_or(u8::MAX))
}

/// One message and its echo after the other.
async fn work(mut tunnel: Tunnel, messages: Arc<AtomicU64>, until: Instant) -> std::io::Result<()> {
    let mut number = 0;
    while Instant::now() < until {
        number += 1;
        echo(&mut tunnel, number).await?;
        messages.fetch_add(1, Relaxed);
        time::sleep(PAUSE).await;
    }
    Ok(())
}

/// A message that nobody else sent comes back as it went.
async fn echo(tunnel: &mut Tunnel, number: u64) -> std::io::Result<()> {
    let mut message = [0; MESSAGE];
    for (octet, of) in message.iter_mut().zip(number.to_be_bytes().iter().cycle()) {
        *octet = *of;
    }
    tunnel.write_all(&Asked::Echo.words(MESSAGE as u64)).await?;
    tunnel.write_all(&message).await?;
    tunnel.flush().await?;
    let mut heard = [0; MESSAGE];
    tunnel.read_exact(&mut heard).await?;
    if heard == message { Ok(()) } else { Err(std::io::Error::other("another message came back")) }
}

/// How often it was asked for.
async fn reload(
    setup: &Setup<'_>,
    door: &FrontDoor,
    far: SocketAddr,
    until: Instant,
) -> Result<u64, Failure> {
    let (file, new) = (setup.folder.join("config.yaml"), setup.folder.join("config.yaml.new"));
    let mut ticks = time::interval(EVERY);
    let mut asked = 0;
    while Instant::now() < until {
        ticks.tick().await;
        asked += 1;
        let policy = route(far, if asked % 2 == 1 { "other" } else { "one" });
        let text = Setup { policy: &policy, ..*setup }.config(door.address);
        fs::write(&new, text)
            .and_then(|()| fs::rename(&new, &file))
            .map_err(Failure::io("config"))?;
        let told = Command::new("kill").args(["-HUP", &door.process.id().to_string()]).status();
        told.map_err(Failure::io("kill"))?;
    }
    Ok(asked)
}

impl Seen {
    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    fn print(&self, profile: &str, time: Duration) -> bool {
        let [before, with_idle, with_all, end] = self.memory;
        let each = |from: u64, to: u64| to.saturating_sub(from) as f64 / HALF as f64;
        let mut table = Table::new(["", "", ""]);
        let mut all_hold = true;
        let mut row = |what: &str, figure: String, holds: bool| {
            all_hold &= holds;
            table.row([what.into(), figure, if holds { "ok" } else { "OVER" }.into()]);
        };
        let idle = each(before, with_idle);
        row(
            "memory of an idle tunnel, of the first 500",
            format!("{idle:.1} KiB"),
            idle <= EACH_LIMIT,
        );
        let second = each(with_idle, with_all);
        row("of the next 500", format!("{second:.1} KiB"), second <= EACH_LIMIT);
        let whole = format!("{} MiB, then {} MiB", with_all / 1024, end / 1024);
        row("memory, before and after", whole, end < with_all + with_all / 4);
        let (asked, in_force) = self.reloads;
        row("reloads that were asked for", asked.to_string(), asked > 0);
        row("reloads put in force", in_force.to_string(), in_force >= asked / 2);
        row("messages there and back", self.messages.to_string(), self.messages > 0);
        row("tunnels torn", self.torn.len().to_string(), self.torn.is_empty());
        row("CPU", format!("{:.1} s", self.cpu.as_secs_f64()), true);
        for torn in self.torn.iter().take(5) {
            println!("torn: {torn}");
        }
        println!(
            "usher, profile {profile}: {} tunnels of one session each with a policy, half of them \
             idle, a reload every second for {} s\n\n{}",
            2 * HALF,
            time.as_secs(),
            table.text()
        );
        all_hold
    }
}
