//! A storm of reloads: ten a second under load drop no request, tear none, and leak nothing.
//!
//! Two configs take turns. Each says which it is in a field toward the app, which the app sends back,
//! and in one of the answer: where the two differ, a request was torn.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use http::Method;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::{task::JoinSet, time};

use crate::{
    certificate::Certificate,
    client::{Client, Connection, Protocol},
    failure::Failure,
    front_door::{FrontDoor, HOST, Setup},
    measure::upstream::{self, CONFIG, SEEN_CONFIG},
    options::Options,
    stop,
    table::Table,
};

/// From one reload to the next.
const EVERY: Duration = Duration::from_millis(100);
/// Clients that ask one thing after the other, half of them for HTTP/2.
const CLIENTS: usize = 16;
/// How much a request takes.
const OCTETS: u64 = 10_000;
/// Resident memory may grow by this much in the second half, in KiB.
const GROWTH_LIMIT: u64 = 8 * 1024;

/// What the clients saw.
#[derive(Debug, Default)]
struct Seen {
    answers: AtomicU64,
    /// By the one config, by the other.
    by: [AtomicU64; 2],
    torn: AtomicU64,
}

/// Runs it, prints a table, and tells whether everything held.
pub fn run(options: &Options) -> Result<bool, Failure> {
    let usher = options.usher.as_deref().ok_or(Failure::Usage("--usher FILE".into()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Failure::io("runtime"))?;
    let folder = stop::folder()?;
    let certificate = Certificate::make(folder.path(), &[HOST])?;
    let upstream = runtime.block_on(upstream::start())?;
    let policy = policy(0);
    let setup = Setup {
        usher,
        folder: folder.path(),
        certificate: &certificate,
        upstream,
        policy: &policy,
        core: None,
    };
    let door = setup.open()?;
    let time = Duration::from_secs(if options.short { 10 } else { 60 });
    let stormed = runtime.block_on(storm(&setup, &door, time))?;
    Ok(stormed.print(&options.profile, time))
}

/// The end of the route in the config of that number.
fn policy(number: usize) -> String {
    format!(
        "    allow_public_unauthenticated_access: true\n\
         \x20   set_response_headers: {{{CONFIG}: '{number}'}}\n\
         \x20   set_request_headers: {{{CONFIG}: '{number}'}}\n"
    )
}

/// What came of it.
struct Stormed {
    seen: Arc<Seen>,
    failures: Vec<String>,
    asked: u64,
    in_force: u64,
    film: Result<u64, String>,
    /// Resident memory in KiB in the middle and at the end.
    memory: (u64, u64),
    files: (usize, usize),
    cpu: Duration,
}

async fn storm(setup: &Setup<'_>, door: &FrontDoor, time: Duration) -> Result<Stormed, Failure> {
    let client = Client::new(door.address, HOST, setup.certificate)?;
    let (seen, until) = (Arc::new(Seen::default()), Instant::now() + time);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let protocol = if number % 2 == 0 { Protocol::Http1 } else { Protocol::Http2 };
        clients.spawn(ask(client.clone(), protocol, Arc::clone(&seen), until));
    }
    let film = film(&client, until);
    let reloads = reload(setup, door, until, time);
    let (film, reloaded) = tokio::join!(film, reloads);
    let (asked, middle) = reloaded?;
    let mut failures = Vec::new();
    while let Some(ended) = clients.join_next().await {
        let ended = ended.map_err(Failure::exchange("a client"))?;
        failures.extend(ended.err().map(|failure| failure.to_string()));
    }
    time::sleep(Duration::from_secs(2)).await; // the last reload, and what is let go after it
    let end = (door.process.resident()?, files(door)?);
    Ok(Stormed {
        seen,
        failures,
        asked,
        in_force: reloads_in(setup)?,
        film: film.map_err(|failure| failure.to_string()),
        memory: (middle.0, end.0),
        files: (middle.1, end.1),
        cpu: door.process.cpu()?,
    })
}

/// One request after the other on one connection, which no reload may end.
async fn ask(
    client: Client,
    protocol: Protocol,
    seen: Arc<Seen>,
    until: Instant,
) -> Result<(), Failure> {
    let mut connection = client.connect(protocol).await?;
    while Instant::now() < until {
        let path = format!("/zeros/{OCTETS}");
        let answer = client.send(&mut connection, Method::GET, &path, 0).await?;
        let number = |name| answer.headers().get(name)?.to_str().ok()?.parse::<usize>().ok();
        let number = number(CONFIG).filter(|said| number(SEEN_CONFIG) == Some(*said));
        let octets = read(answer.into_body()).await?;
        seen.answers.fetch_add(1, Relaxed);
        match number.and_then(|number| seen.by.get(number)) {
            Some(by) if octets == OCTETS => drop(by.fetch_add(1, Relaxed)),
            Some(_) | None => drop(seen.torn.fetch_add(1, Relaxed)),
        }
    }
    Ok(())
}

async fn read(mut body: Incoming) -> Result<u64, Failure> {
    let mut octets = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Failure::exchange("an answer"))?;
        octets += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(octets)
}

/// One answer that goes on for the whole time; how much of it came.
async fn film(client: &Client, until: Instant) -> Result<u64, Failure> {
    let mut connection: Connection = client.connect(Protocol::Http1).await?;
    let path = format!("/zeros/{}", 1_u64 << 40);
    let mut body = client.send(&mut connection, Method::GET, &path, 0).await?.into_body();
    let mut octets = 0;
    while Instant::now() < until {
        match body.frame().await {
            Some(frame) => {
                let frame = frame.map_err(Failure::exchange("the film"))?;
                octets += frame.data_ref().map_or(0, |data| data.len() as u64);
                time::sleep(Duration::from_millis(5)).await; // as a player reads
            }
            None => {
                let what = format!("it ended after {octets} octets");
                return Err(Failure::Program { program: "the film".into(), what });
            }
        }
    }
    Ok(octets)
}

/// How often it was asked for, and memory and open files in the middle.
async fn reload(
    setup: &Setup<'_>,
    door: &FrontDoor,
    until: Instant,
    time: Duration,
) -> Result<(u64, (u64, usize)), Failure> {
    let (file, new) = (setup.folder.join("config.yaml"), setup.folder.join("config.yaml.new"));
    let mut ticks = time::interval(EVERY);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Skip);
    let (mut asked, mut middle) = (0, None);
    while Instant::now() < until {
        ticks.tick().await;
        asked += 1;
        let policy = policy(usize::from(asked % 2 == 1));
        let text = Setup { policy: &policy, ..*setup }.config(door.address);
        fs::write(&new, text)
            .and_then(|()| fs::rename(&new, &file))
            .map_err(Failure::io("config"))?;
        let told = Command::new("kill").args(["-HUP", &door.process.id().to_string()]).status();
        told.map_err(Failure::io("kill"))?;
        if middle.is_none() && until.saturating_duration_since(Instant::now()) < time / 2 {
            middle = Some((door.process.resident()?, files(door)?));
        }
    }
    Ok((asked, middle.unwrap_or_default()))
}

/// How many files it has open.
fn files(door: &FrontDoor) -> Result<usize, Failure> {
    let open = fs::read_dir(format!("/proc/{}/fd", door.process.id()));
    Ok(open.map_err(Failure::io("/proc/PID/fd"))?.count())
}

/// How many reloads the log tells of; one that was refused is a failure.
pub fn reloads_in(setup: &Setup<'_>) -> Result<u64, Failure> {
    let log = fs::File::open(setup.log()).map_err(Failure::io("log"))?;
    let mut reloads = 0;
    for line in BufReader::new(log).lines() {
        let line = line.map_err(Failure::io("log"))?;
        if line.contains("\"message\":\"reload\"") {
            if line.contains("\"level\":\"error\"") {
                return Err(Failure::Program { program: "usher".into(), what: line });
            }
            reloads += 1;
        }
    }
    Ok(reloads)
}

impl Stormed {
    fn print(&self, profile: &str, time: Duration) -> bool {
        let Self { seen, failures, asked, in_force, film, memory, files, cpu } = self;
        let count = |counter: &AtomicU64| counter.load(Relaxed);
        let [one, other] = [&seen.by[0], &seen.by[1]].map(count);
        let (answers, torn) = (count(&seen.answers), count(&seen.torn));
        let grown = memory.1.saturating_sub(memory.0);
        let mut table = Table::new(["", "", ""]);
        let mut all_hold = true;
        let mut row = |what: &str, figure: String, holds: bool| {
            all_hold &= holds;
            table.row([what.into(), figure, if holds { "ok" } else { "LOST" }.into()]);
        };
        row("reloads asked for", asked.to_string(), *asked > 0);
        row("put in force", in_force.to_string(), *in_force > 0);
        row("answers", answers.to_string(), answers > 0);
        row("by the one config", one.to_string(), one > 0);
        row("by the other", other.to_string(), other > 0);
        row("torn", torn.to_string(), torn == 0);
        row("dropped", failures.len().to_string(), failures.is_empty());
        let played =
            film.as_ref().map_or_else(Clone::clone, |octets| format!("{} MiB", octets >> 20));
        row("the film", played, film.is_ok());
        let memory = format!("{} MiB, then {} MiB", memory.0 / 1024, memory.1 / 1024);
        row("memory, middle and end", memory, grown < GROWTH_LIMIT);
        let open = format!("{}, then {}", files.0, files.1);
        row("open files, middle and end", open, files.1 <= files.0);
        row("CPU", format!("{:.1} s", cpu.as_secs_f64()), true);
        for failure in failures {
            println!("dropped: {failure}");
        }
        println!(
            "usher, profile {profile}: a reload every {} ms for {} s, under {CLIENTS} clients\n\n{}",
            EVERY.as_millis(),
            time.as_secs(),
            table.text()
        );
        all_hold
    }
}
