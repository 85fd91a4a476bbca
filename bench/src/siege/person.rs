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

/// What became of it: of each the longest time, or why it was none.
#[derive(Debug)]
pub struct Lived {
    /// That the film stood still.
    pub film: Outcome,
    /// That a newcomer waited for an answer.
    pub newcomer: Outcome,
    /// That signing in took, from the first page to the app.
    pub sign_in: Outcome,
    /// That a reload took, from the signal to the line in the log.
    pub reload: Outcome,
}

type Outcome = Result<Duration, String>;

impl Lived {
    /// What was lost first: it failed, or nobody would have waited.
    pub fn lost(&self, patience: Duration) -> Option<String> {
        let all = [
            ("the film", &self.film),
            ("a newcomer", &self.newcomer),
            ("signing in", &self.sign_in),
            ("a reload", &self.reload),
        ];
        all.into_iter().find_map(|(what, outcome)| match outcome {
            Ok(longest) if *longest < patience => None,
            Ok(_) => Some(format!("{what} was too slow")),
            Err(why) => Some(format!("{what}: {why}")),
        })
    }
}

/// A film that has begun before the siege.
pub struct Film {
    _connection: Connection,
    body: Incoming,
}

/// What a film takes a second; it is read faster than it is shown only at first.
const PIECES_A_SECOND: u32 = 20;
/// How long the person tries to sign in.
const TRIES_AGAIN: Duration = Duration::from_secs(8);
/// How long the person waits for anything at all.
const GIVES_UP: Duration = Duration::from_secs(30);

impl Film {
    /// Asks for it.
    pub async fn begin(client: &Client) -> Result<Self, Failure> {
        let mut connection = client.connect(Protocol::Http1).await?;
        let path = format!("/zeros/{}", 1_u64 << 40);
        let response = client.send(&mut connection, Method::GET, &path, 0).await?;
        Ok(Self { _connection: connection, body: response.into_body() })
    }

    /// Plays a while in peace.
    pub async fn play_until(mut self, until: Instant) -> Result<Self, Failure> {
        let played = self.watch(until).await;
        let what = |what| Failure::Program { program: "the film, in peace".into(), what };
        played.map(|_| self).map_err(what)
    }

    /// The longest that it stood still.
    async fn watch(&mut self, until: Instant) -> Outcome {
        let mut stood = Duration::ZERO;
        while Instant::now() < until {
            let asked = Instant::now();
            let frame = timeout(GIVES_UP, self.body.frame()).await;
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
    mut film: Film,
    client: &Client,
    setup: &Setup<'_>,
    door: &FrontDoor,
    time: Duration,
) -> Lived {
    let until = Instant::now() + time;
    let (film, newcomer, (sign_in, reload)) =
        tokio::join!(film.watch(until), come_anew(client, until), operate(setup, door, time));
    Lived { film, newcomer, sign_in, reload }
}

/// Every second somebody opens two connections and asks for a page.
async fn come_anew(client: &Client, until: Instant) -> Outcome {
    let mut longest = Duration::ZERO;
    while Instant::now() < until {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let began = Instant::now();
            let asks = async {
                let mut connection = client.connect(protocol).await?;
                client.send(&mut connection, Method::GET, "/", 0).await
            };
            let answer = timeout(GIVES_UP, asks).await.map_err(|_| "no answer".to_owned())?;
            answer.map_err(|error| error.to_string())?;
            longest = longest.max(began.elapsed());
        }
        sleep(Duration::from_secs(1)).await;
    }
    Ok(longest)
}

/// Four times somebody signs in, and the operator reloads.
async fn operate(setup: &Setup<'_>, door: &FrontDoor, time: Duration) -> (Outcome, Outcome) {
    const ROUNDS: u32 = 4;
    let file = File::open(setup.log()).ok().map(BufReader::new);
    let mut log = Log { file, line: String::new() };
    let (mut sign_in, mut reload) = (Ok(Duration::ZERO), Ok(Duration::ZERO));
    let longer = |longest: Outcome, now: Outcome| Ok(longest?.max(now?));
    for _ in 0..ROUNDS {
        sleep(time / (ROUNDS + 1)).await;
        sign_in = longer(sign_in, signs_in(setup, door).await);
        reload = longer(reload, reloads(&mut log, door).await);
    }
    (sign_in, reload)
}

/// Whoever is told that too many try at the moment, and to try again, does so.
async fn signs_in(setup: &Setup<'_>, door: &FrontDoor) -> Outcome {
    let began = Instant::now();
    loop {
        let _as_a_stranger = fs::remove_file(setup.folder.join("cookies.txt"));
        match tokio::task::block_in_place(|| sign_in::cookie(setup, door)) {
            Ok(_) => return Ok(began.elapsed()),
            Err(_) if began.elapsed() < TRIES_AGAIN => sleep(Duration::from_secs(1)).await,
            Err(why) => {
                let why = why.to_string();
                return Err(why
                    .lines()
                    .take(3)
                    .collect::<Vec<_>>()
                    .join(" ")
                    .chars()
                    .take(300)
                    .collect());
            }
        }
    }
}

async fn reloads(log: &mut Log, door: &FrontDoor) -> Outcome {
    log.has_reloaded(); // what came before does not count
    let began = Instant::now();
    let _sent = Command::new("kill").args(["-HUP", &door.process.id().to_string()]).status();
    while began.elapsed() < GIVES_UP {
        sleep(Duration::from_millis(50)).await;
        if log.has_reloaded() {
            return Ok(began.elapsed());
        }
    }
    Err("the log tells of none".into())
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
