//! Films down, uploads up, and a reader that stalls.

use std::time::{Duration, Instant};

use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{Figure, GROWTH_LIMIT};
use crate::{
    client::{Client, Protocol},
    failure::Failure,
    front_door::FrontDoor,
};

const MIB: u64 = 1 << 20;

/// Brings code and buffers into memory, so that what is measured is what a transfer adds.
pub async fn warm_up(client: &Client) -> Result<(), Failure> {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut connection = client.connect(protocol).await?;
        let path = format!("/zeros/{}", 16 * MIB);
        let mut response = client.send(&mut connection, Method::GET, &path, 0).await?;
        read(response.body_mut(), 16 * MIB).await?;
        client.send(&mut connection, Method::POST, "/sink", 16 * MIB).await?;
    }
    Ok(())
}

/// A response of `length` bytes, read as fast as it comes.
pub async fn down(
    door: &FrontDoor,
    client: &Client,
    protocol: Protocol,
    length: u64,
) -> Result<Figure, Failure> {
    let what = format!("film of 4 GiB, {}", protocol.name());
    weigh(door, what, length, async {
        let mut connection = client.connect(protocol).await?;
        let path = format!("/zeros/{length}");
        let mut response = client.send(&mut connection, Method::GET, &path, 0).await?;
        read(response.body_mut(), length).await
    })
    .await
}

/// A request of `length` bytes; the upstream says how many arrived.
pub async fn up(
    door: &FrontDoor,
    client: &Client,
    protocol: Protocol,
    length: u64,
) -> Result<Figure, Failure> {
    let what = format!("upload of 4 GiB, {}", protocol.name());
    weigh(door, what, length, async {
        let mut connection = client.connect(protocol).await?;
        let response = client.send(&mut connection, Method::POST, "/sink", length).await?;
        let body = response.into_body().collect().await.map_err(Failure::exchange("upload"))?;
        match std::str::from_utf8(&body.to_bytes()).ok().and_then(|text| text.parse::<u64>().ok()) {
            Some(arrived) if arrived == length => Ok(()),
            other => Err(short("upload", other.unwrap_or_default(), length)),
        }
    })
    .await
}

/// A reader that takes the head, then nothing for `patience`, and then goes on.
pub async fn stalled(
    door: &FrontDoor,
    client: &Client,
    protocol: Protocol,
    patience: Duration,
) -> Result<Figure, Failure> {
    let before = door.process.resident()?;
    door.process.forget_peak()?;
    let mut connection = client.connect(protocol).await?;
    let path = format!("/zeros/{}", super::FILM);
    let mut response = client.send(&mut connection, Method::GET, &path, 0).await?;
    tokio::time::sleep(patience).await;
    let kib = door.process.peak()?.saturating_sub(before);
    // Not cut: what it asks for after the pause still comes.
    read(response.body_mut(), 64 * MIB).await?;
    Ok(Figure {
        what: format!("reader that stalls, {}", protocol.name()),
        kib,
        limit: Some(GROWTH_LIMIT),
        note: format!("{} s, then went on", patience.as_secs()),
    })
}

/// How much `transfer` adds to what is resident now.
async fn weigh(
    door: &FrontDoor,
    what: String,
    length: u64,
    transfer: impl Future<Output = Result<(), Failure>>,
) -> Result<Figure, Failure> {
    let before = door.process.resident()?;
    door.process.forget_peak()?;
    let (began, cpu) = (Instant::now(), door.process.cpu()?);
    transfer.await?;
    let (taken, cpu) = (began.elapsed(), door.process.cpu()? - cpu);
    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    let gib = length as f64 / (1_u64 << 30) as f64;
    let note = format!(
        "{:.0} MiB/s, {:.2} CPU s/GiB",
        gib * 1024.0 / taken.as_secs_f64(),
        cpu.as_secs_f64() / gib
    );
    let kib = door.process.peak()?.saturating_sub(before);
    Ok(Figure { what, kib, limit: Some(GROWTH_LIMIT), note })
}

/// Reads at least `length` bytes.
async fn read(body: &mut Incoming, length: u64) -> Result<(), Failure> {
    let mut arrived = 0;
    while arrived < length {
        let frame = body.frame().await.ok_or_else(|| short("body", arrived, length))?;
        let frame = frame.map_err(Failure::exchange(format!("body after {arrived} bytes")))?;
        arrived += frame.data_ref().map_or(0, bytes::Bytes::len) as u64;
    }
    Ok(())
}

fn short(what: &str, arrived: u64, length: u64) -> Failure {
    Failure::Program {
        program: "usher".into(),
        what: format!("{what}: {arrived} of {length} bytes"),
    }
}
