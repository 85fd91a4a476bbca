//! Ordinary life under siege: a film, newcomers, sign-ins, reloads.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    process::Command,
    time::{Duration, Instant},
};

use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{sleep, timeout};

use crate::{
    client::{Client, Connection, Protocol},
    compare::sign_in,
    failure::Failure,
    front_door::{FrontDoor, Setup},
};

/// What became of it.
#[derive(Debug, Default)]
pub struct Lived {
    /// The longest that the film stood still; none where it ended.
    pub film_stood: Option<Duration>,
    /// The longest that a newcomer waited for an answer; none where one got no answer.
    pub newcomer: Option<Duration>,
    /// Sign-ins that went well, and all of them.
    pub sign_ins: (u32, u32),
    /// Reloads likewise.
    pub reloads: (u32, u32),
    /// What went wrong last.
    pub trouble: String,
    failed: bool,
}

impl Lived {
    /// Did it go on?
    pub fn went_on(&self, patience: Duration) -> bool {
        !self.failed
            && self.film_stood.is_some_and(|stood| stood < patience)
            && self.newcomer.is_some_and(|waited| waited < patience)
            && self.sign_ins.0 == self.sign_ins.1
            && self.reloads.0 == self.reloads.1
    }

    fn failed(&mut self, what: &str, why: impl std::fmt::Display) {
        self.failed = true;
        let why = why.to_string();
        let first = why.lines().next().unwrap_or_default();
        self.trouble = format!("{what}: {first}");
    }
}

/// A film that has begun before the siege.
pub struct Film {
    _connection: Connection,
    body: Incoming,
}

/// What a film takes a second; it is read faster than it is shown only at first.
const PIECES_A_SECOND: u32 = 20;

impl Film {
    /// Asks for it.
    pub async fn begin(client: &Client) -> Result<Self, Failure> {
        let mut connection = client.connect(Protocol::Http1).await?;
        let path = format!("/zeros/{}", 1_u64 << 40);
        let response = client.send(&mut connection, Method::GET, &path, 0).await?;
        Ok(Self { _connection: connection, body: response.into_body() })
    }

    async fn play(mut self, until: Instant) -> Result<Duration, String> {
        let mut stood = Duration::ZERO;
        while Instant::now() < until {
            let asked = Instant::now();
            let frame = timeout(Duration::from_secs(30), self.body.frame()).await;
            match frame {
                Ok(Some(Ok(_))) => stood = stood.max(asked.elapsed()),
                Ok(Some(Err(error))) => return Err(error.to_string()),
                Ok(None) => return Err("it ended".into()),
                Err(_) => return Err("it stands still".into()),
            }
            sleep(Duration::from_secs(1) / PIECES_A_SECOND).await;
        }
        Ok(stood)
    }
}

/// Lives for `time`.
pub async fn live(
    film: Film,
    client: &Client,
    setup: &Setup<'_>,
    door: &FrontDoor,
    time: Duration,
) -> Lived {
    let until = Instant::now() + time;
    let mut lived = Lived::default();
    let (played, newcomer, (sign_ins, reloads)) =
        tokio::join!(film.play(until), come_anew(client, until), operate(setup, door, time));
    match played {
        Ok(stood) => lived.film_stood = Some(stood),
        Err(error) => lived.failed("the film", error),
    }
    match newcomer {
        Ok(waited) => lived.newcomer = Some(waited),
        Err(error) => lived.failed("a newcomer", error),
    }
    match sign_ins {
        Ok(count) => lived.sign_ins = (count, count),
        Err(error) => lived.failed("signing in", error),
    }
    lived.reloads = reloads;
    lived
}

/// Twice a second somebody opens a connection and asks for a page.
async fn come_anew(client: &Client, until: Instant) -> Result<Duration, Failure> {
    let mut longest = Duration::ZERO;
    while Instant::now() < until {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let began = Instant::now();
            let mut connection = client.connect(protocol).await?;
            client.send(&mut connection, Method::GET, "/", 0).await?;
            longest = longest.max(began.elapsed());
        }
        sleep(Duration::from_secs(1)).await;
    }
    Ok(longest)
}

/// Four times somebody signs in, and the operator reloads.
async fn operate(
    setup: &Setup<'_>,
    door: &FrontDoor,
    time: Duration,
) -> (Result<u32, Failure>, (u32, u32)) {
    const ROUNDS: u32 = 4;
    let file = File::open(setup.log()).ok().map(BufReader::new);
    let mut log = Log { file, line: String::new() };
    let (mut signed_in, mut reloads) = (Ok(0), 0);
    for round in 1..=ROUNDS {
        sleep(time / (ROUNDS + 1)).await;
        let _first = fs::remove_file(setup.folder.join("cookies.txt"));
        let outcome = tokio::task::block_in_place(|| sign_in::cookie(setup, door));
        signed_in = signed_in.and_then(|_| outcome.map(|_| round));
        log.has_reloaded(); // what came before does not count
        let _sent = Command::new("kill").args(["-HUP", &door.process.id().to_string()]).status();
        for _ in 0..50 {
            sleep(Duration::from_millis(100)).await;
            if log.has_reloaded() {
                reloads += 1;
                break;
            }
        }
    }
    (signed_in, (reloads, ROUNDS))
}

/// The door's log, read once.
struct Log {
    file: Option<BufReader<File>>,
    line: String,
}

impl Log {
    /// Did a reload go well since this was last asked? One that was refused has no plan.
    fn has_reloaded(&mut self) -> bool {
        let Self { file: Some(file), line } = self else { return false };
        let mut found = false;
        while file.read_line(line).is_ok_and(|bytes| bytes > 0) {
            if line.ends_with('\n') {
                found |= line.contains("\"message\":\"reload\"") && line.contains("\"plan\":");
                line.clear();
            }
        }
        found
    }
}
