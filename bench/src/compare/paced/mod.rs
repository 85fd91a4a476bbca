//! Requests that come at their own pace: run as a program of its own, on the load's core.
//!
//! Each request is due at a fixed time, whether the one before was answered or not, and its latency
//! counts from then: who falls behind can't make the load wait for him. The octets of a request are
//! made once and of an answer no more is read than its status and its end: what the load takes of
//! its core would else be measured as the proxy's latency.

mod connection;
mod hpack;
mod http1;
mod http2;
mod idle;
mod turns;

use std::{
    cell::RefCell,
    collections::BTreeSet,
    net::SocketAddr,
    path::Path,
    rc::Rc,
    sync::{Arc, Weak},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    net::TcpStream,
    sync::Notify,
    task::{JoinSet, LocalSet},
    time::{sleep, timeout},
};
use tokio_rustls::client::TlsStream;

use super::{LOAD_CORE, load::BROWSER};
use crate::{
    certificate::Certificate,
    client::{Client, Protocol},
    failure::Failure,
    front_door::HOST,
    process::pause,
};
use connection::{Connection, Wire};
use http1::Http1;
use http2::Http2;
use idle::Ticks;
use turns::Turns;

/// Connections of HTTP/1.1; each has one request under way.
const ALONE: (usize, usize) = (64, 1);
/// Connections of HTTP/2, and requests that each may have under way.
const SHARED: (usize, usize) = (10, 32);
/// How exactly the pace is kept.
const STEP: Duration = Duration::from_micros(200);
/// How long the last answers are waited for before what nobody came to is given up.
const LAST: Duration = Duration::from_secs(1);
/// After which an answer that is still missing is a failure.
const NEVER: Duration = Duration::from_secs(60);
/// What is asked before it counts, as a part of the whole time.
const WARMING_UP: u32 = 8;
/// What is asked for.
const PATH: &str = "/small";

const USAGE: &str = "usher-bench paced FOLDER ADDRESS h1|h2 RATE SECONDS COOKIE";

/// Says `p50 p99 p99.9` in microseconds, the middle one of the p99 of each second, and how many
/// percent of that time the load's core was idle, where the kernel tells.
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
    let asked = LocalSet::new();
    let asked = asked.run_until(ask(&client, protocol, &pace, &cookie));
    let (taken, idle) = super::runtime()?.block_on(asked)?;
    let usual = usual(&taken, 0.99);
    let taken = in_order(taken.iter().map(|(_, micros)| *micros));
    let [middle, high, highest] = [0.5, 0.99, 0.999].map(|share| quantile(&taken, share));
    let idle = idle.map_or_else(String::new, |percent| format!(" {percent:.1}"));
    println!("{middle} {high} {highest} {usual}{idle}");
    Ok(true)
}

/// How many a second, and for how long.
struct Pace {
    rate: f64,
    time: Duration,
}

/// In which second each was due and the microseconds from then to the end of its answer, and how
/// idle this core was.
async fn ask(
    client: &Client,
    protocol: Protocol,
    pace: &Pace,
    cookie: &str,
) -> Result<(Vec<(u64, u64)>, Option<f64>), Failure> {
    let (count, places) = match protocol {
        Protocol::Http1 => ALONE,
        Protocol::Http2 => SHARED,
    };
    let connections = connect(client, protocol, (count, places), cookie).await?;
    let turns = Rc::new(RefCell::new(Turns::new(pace.rate, count, places)));
    let begun = Instant::now();
    let mut asking = JoinSet::new();
    for (nth, connection) in connections.into_iter().enumerate() {
        asking.spawn_local(connection.go_on(nth, Rc::clone(&turns), begun));
    }
    let all = async {
        while let Some(done) = asking.join_next().await {
            done.map_err(Failure::exchange("requests"))??;
        }
        Ok(())
    };
    let last = timeout(pace.time + LAST + NEVER, all);
    let last = async { last.await.map_err(Failure::exchange("the last answers"))? };
    let idle = async { Ok::<_, Failure>(keep(pace, &turns, begun).await) };
    let ((), idle) = tokio::try_join!(last, idle)?;
    let taken = turns.borrow().taken(begun.elapsed());
    Ok((taken, idle))
}

/// Lets requests come due at that pace until all is over. How many percent of the time that counts
/// this core was idle.
async fn keep(pace: &Pace, turns: &RefCell<Turns>, begun: Instant) -> Option<f64> {
    let beat = beat();
    let mut before = None;
    loop {
        beat.notified().await;
        let now = begun.elapsed().min(pace.time);
        turns.borrow_mut().come_due(now);
        if before.is_none() && now >= pace.time / WARMING_UP {
            before = Some(Ticks::of(LOAD_CORE));
        }
        if now == pace.time {
            break;
        }
    }
    let idle = before.flatten().and_then(|before| Ticks::of(LOAD_CORE)?.idle_since(before));
    sleep(LAST).await;
    turns.borrow_mut().end();
    idle
}

/// Rings at each step, as long as anybody listens. The runtime's own clock knows milliseconds only.
fn beat() -> Arc<Notify> {
    let beat = Arc::new(Notify::new());
    let heard = Arc::downgrade(&beat);
    thread::spawn(move || {
        while let Some(beat) = Weak::upgrade(&heard) {
            beat.notify_one();
            drop(beat);
            pause(STEP);
        }
    });
    beat
}

/// Beside each other: one after the other, the first would be idle for long.
async fn connect(
    client: &Client,
    protocol: Protocol,
    (count, places): (usize, usize),
    cookie: &str,
) -> Result<Vec<Connection<TlsStream<TcpStream>>>, Failure> {
    let mut opening = JoinSet::new();
    for _ in 0..count {
        let (client, wire) = (client.clone(), wire(protocol, places, cookie)?);
        opening
            .spawn_local(async move { Connection::open(client.tls(protocol).await?, wire).await });
    }
    let mut connections = Vec::new();
    while let Some(opened) = opening.join_next().await {
        connections.push(opened.map_err(Failure::exchange("paced"))??);
    }
    Ok(connections)
}

/// What a browser asks.
fn wire(protocol: Protocol, places: usize, cookie: &str) -> Result<Box<dyn Wire>, Failure> {
    let fields = [BROWSER, &[("cookie", cookie)]].concat();
    Ok(match protocol {
        Protocol::Http1 => Box::new(Http1::new(HOST, &fields)),
        Protocol::Http2 => Box::new(Http2::new(HOST, &fields, places)?),
    })
}

/// Of each second the figure that so great a share of its own is at most, and of those the middle
/// one: a rare pause of the whole machine is in one second and not in it.
fn usual(taken: &[(u64, u64)], share: f64) -> u64 {
    let seconds: BTreeSet<u64> = taken.iter().map(|(second, _)| *second).collect();
    let of = |wanted| taken.iter().filter(move |(second, _)| *second == wanted);
    let each = |second| quantile(&in_order(of(second).map(|(_, micros)| *micros)), share);
    quantile(&in_order(seconds.into_iter().map(each)), 0.5)
}

fn in_order(figures: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut figures: Vec<u64> = figures.collect();
    figures.sort_unstable();
    figures
}

/// Of figures in order: the one that so great a share of them is at most.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place"
)]
fn quantile(sorted: &[u64], share: f64) -> u64 {
    let place = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_in_one_second_is_not_the_usual_one() {
        let second = |nth, figure| (0..100).map(move |_| (nth, figure));
        let taken: Vec<_> = second(1, 20).chain(second(2, 9000)).chain(second(3, 30)).collect();
        assert_eq!(usual(&taken, 0.99), 30);
        assert_eq!(usual(&[], 0.99), 0);
    }

    #[test]
    fn quantiles() {
        let figures: Vec<u64> = (1..=1000).collect();
        for (share, expected) in [(0.5, 500), (0.99, 990), (0.999, 999), (1.0, 1000)] {
            assert_eq!(quantile(&figures, share), expected, "{share}");
        }
        assert_eq!(quantile(&[], 0.99), 0);
    }
}
