//! Requests that come at their own pace: run as a program of its own, on the load's core.
//!
//! Each request is due at a fixed time, whether the one before was answered or not, and its latency
//! counts from then: who falls behind can't make the load wait for him.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tokio::{sync::Semaphore, task::JoinSet};

use super::load::BROWSER;
use crate::{
    certificate::Certificate,
    client::{Client, Connection, Protocol},
    failure::Failure,
    front_door::HOST,
    process::pause,
    zeros::Zeros,
};

/// Connections of HTTP/1.1; each has one request under way.
const ALONE: usize = 64;
/// Connections of HTTP/2, and requests that each may have under way.
const SHARED: (usize, usize) = (10, 32);
/// How exactly the pace is kept.
const STEP: Duration = Duration::from_micros(200);
/// How long the last answers are waited for.
const LAST: Duration = Duration::from_secs(1);
/// What is asked before it counts, as a part of the whole time.
const WARMING_UP: u32 = 8;

const USAGE: &str = "usher-bench paced FOLDER ADDRESS h1|h2 RATE SECONDS COOKIE";

/// Says `p50 p99 p99.9` in microseconds.
pub fn run(mut words: impl Iterator<Item = String>) -> Result<bool, Failure> {
    let mut word = || words.next().ok_or_else(|| Failure::Usage(USAGE.into()));
    let (folder, address, protocol) = (word()?, word()?, word()?);
    let (rate, seconds, cookie) = (word()?, word()?, word()?);
    let address: SocketAddr = address.parse().map_err(Failure::exchange(&*address))?;
    let rate: f64 = rate.parse().map_err(Failure::exchange(&*rate))?;
    let seconds: u64 = seconds.parse().map_err(Failure::exchange(&*seconds))?;
    let protocol = if protocol == "h1" { Protocol::Http1 } else { Protocol::Http2 };
    let client = Client::new(address, HOST, &Certificate::read(Path::new(&folder))?)?;
    let pace = Pace { rate, time: Duration::from_secs(seconds) };
    let mut taken = super::runtime()?.block_on(ask(&client, protocol, &pace, &cookie))?;
    taken.sort_unstable();
    let [middle, high, highest] = [0.5, 0.99, 0.999].map(|share| quantile(&taken, share));
    println!("{middle} {high} {highest}");
    Ok(true)
}

/// How many a second, and for how long.
struct Pace {
    rate: f64,
    time: Duration,
}

/// Who asks: each takes the next request that is due.
struct Asker {
    due: Arc<Semaphore>,
    next: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    begun: Instant,
    rate: f64,
    cookie: Arc<str>,
}

/// Microseconds from when each was due to the end of its answer.
async fn ask(
    client: &Client,
    protocol: Protocol,
    pace: &Pace,
    cookie: &str,
) -> Result<Vec<u64>, Failure> {
    let connections = connect(client, protocol, cookie).await?;
    let (due, over) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicBool::new(false)));
    let (next, begun) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut askers = JoinSet::new();
    for connection in connections {
        let (due, next, over) = (Arc::clone(&due), Arc::clone(&next), Arc::clone(&over));
        let asker = Asker { due, next, over, begun, rate: pace.rate, cookie: cookie.into() };
        askers.spawn(asker.go_on(connection));
    }
    let (rate, time) = (pace.rate, pace.time);
    let beat = thread::spawn(move || {
        let mut given = 0;
        while begun.elapsed() < time {
            pause(STEP);
            let by_now = whole(begun.elapsed().min(time).as_secs_f64() * rate);
            due.add_permits(by_now.saturating_sub(given));
            given = by_now.max(given);
        }
        pause(LAST); // for the last answers
        over.store(true, Relaxed);
        due.close();
        given
    });
    let mut taken = Vec::new();
    while let Some(done) = askers.join_next().await {
        taken.append(&mut done.map_err(Failure::exchange("requests"))??);
    }
    let given = beat.join().map_err(|_| Failure::Usage("the pace".into()))?;
    // what was due and nobody came to has waited until now
    for nth in next.load(Relaxed)..given as u64 {
        let waited = begun.elapsed().saturating_sub(due_after(nth, rate));
        taken.push(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX));
    }
    Ok(taken)
}

/// As many as may have a request under way. Each connection is asked one thing at once: who says
/// nothing for long after a handshake is shown out.
async fn connect(
    client: &Client,
    protocol: Protocol,
    cookie: &str,
) -> Result<Vec<Connection>, Failure> {
    let (count, streams) = match protocol {
        Protocol::Http1 => (ALONE, 1),
        Protocol::Http2 => SHARED,
    };
    // beside each other: one after the other, the first would be idle for long
    let mut opening = JoinSet::new();
    for _ in 0..count {
        let (client, cookie) = (client.clone(), cookie.to_owned());
        opening.spawn(async move {
            let mut connection = client.connect(protocol).await?;
            once(&mut connection, &cookie).await?;
            Ok::<_, Failure>(connection)
        });
    }
    let mut connections = Vec::new();
    while let Some(opened) = opening.join_next().await {
        match opened.map_err(Failure::exchange("paced"))?? {
            Connection::Http2(sender) => {
                let shared = std::iter::repeat_n(sender, streams);
                connections.extend(shared.map(Connection::Http2));
            }
            alone @ Connection::Http1(_) => connections.push(alone),
        }
    }
    Ok(connections)
}

impl Asker {
    async fn go_on(self, mut connection: Connection) -> Result<Vec<u64>, Failure> {
        let mut taken = Vec::new();
        while let Ok(permit) = self.due.acquire().await {
            if self.over.load(Relaxed) {
                break; // what nobody came to in time stays unanswered
            }
            permit.forget();
            let due = self.begun + due_after(self.next.fetch_add(1, Relaxed), self.rate);
            once(&mut connection, &self.cookie).await?;
            let since = Instant::now().saturating_duration_since(due);
            taken.push((due, u64::try_from(since.as_micros()).unwrap_or(u64::MAX)));
        }
        let last = taken.last().map_or(self.begun, |(due, _)| *due);
        let counts_from = self.begun + last.saturating_duration_since(self.begun) / WARMING_UP;
        Ok(taken.into_iter().filter(|(due, _)| *due >= counts_from).map(|it| it.1).collect())
    }
}

/// When that request is due, from the beginning on.
fn due_after(nth: u64, rate: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "a moment")]
    Duration::from_secs_f64(nth as f64 / rate)
}

async fn once(connection: &mut Connection, cookie: &str) -> Result<(), Failure> {
    let mut request = Request::get(match connection {
        Connection::Http1(_) => "/small".to_owned(),
        Connection::Http2(_) => format!("https://{HOST}/small"),
    });
    for (name, value) in BROWSER {
        request = request.header(*name, *value);
    }
    let request = request.header("cookie", cookie);
    let failed = Failure::exchange("paced");
    let answer = match connection {
        Connection::Http1(sender) => {
            let request = request.header("host", HOST).body(Zeros::new(0));
            sender.ready().await.map_err(Failure::exchange("paced"))?;
            sender.send_request(request.map_err(Failure::exchange("paced"))?).await
        }
        Connection::Http2(sender) => {
            let request = request.body(Zeros::new(0));
            sender.send_request(request.map_err(Failure::exchange("paced"))?).await
        }
    };
    let answer = answer.map_err(failed)?;
    if answer.status() != StatusCode::OK {
        return Err(Failure::Status { what: "/small".into(), status: answer.status() });
    }
    answer.into_body().collect().await.map_err(Failure::exchange("paced")).map(drop)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
fn whole(count: f64) -> usize {
    count as usize
}

/// Of figures in order: the one that so great a share of them is at most.
fn quantile(sorted: &[u64], share: f64) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "a place")]
    let place = whole((sorted.len() as f64 * share).ceil()).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::upstream;

    #[test]
    fn quantiles() {
        let figures: Vec<u64> = (1..=1000).collect();
        for (share, expected) in [(0.5, 500), (0.99, 990), (0.999, 999), (1.0, 1000)] {
            assert_eq!(quantile(&figures, share), expected, "{share}");
        }
        assert_eq!(quantile(&[], 0.99), 0);
    }

    #[tokio::test]
    async fn what_waits_for_its_turn_counts_from_when_it_was_due() {
        let app = upstream::start().await.unwrap();
        let stream = tokio::net::TcpStream::connect(app).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let (sender, driver) = hyper::client::conn::http1::handshake(io).await.unwrap();
        let mut drivers = tokio::task::JoinSet::new();
        drivers.spawn(driver);
        let (due, next) = (Arc::new(Semaphore::new(1)), Arc::new(AtomicU64::new(0)));
        let over = Arc::new(AtomicBool::new(false));
        let hour = Duration::from_secs(3600);
        let begun = Instant::now().checked_sub(hour).unwrap(); // since when the first one waits
        let (ends, taken_up) = (Arc::clone(&due), Arc::clone(&next));
        let asker = Asker { due, next, over, begun, rate: 1.0, cookie: "a=b".into() };
        let (taken, ()) = tokio::join!(asker.go_on(Connection::Http1(sender)), async {
            while taken_up.load(Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
            ends.close();
        });
        let taken = taken.unwrap();
        assert_eq!(taken.len(), 1);
        assert!(Duration::from_micros(taken[0]) >= hour, "{taken:?}");
    }
}
