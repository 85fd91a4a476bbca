//! One tunnel at full speed, beside `socat` with TLS.
//!
//! Who carries has one core for itself; client and far end share the other. Contenders take turns
//! inside a repetition, in reverse order every other time, and only ratios inside one repetition
//! are compared: the same program drifts from one minute to the next.

use std::{
    fs::File,
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    runtime::{Builder, Runtime},
};

use super::{PORT, far_end::Asked, open};
use crate::{
    client::{Client, Connection, Protocol},
    compare::{Spread, sign_in},
    failure::Failure,
    front_door::{HOST, Setup, await_port, free_address},
    options::Options,
    process::{Process, own_cpu},
    table::Table,
    zeros::Zeros,
};

const PROXY_CORE: u32 = 0;
const LOAD_CORE: &str = "1";
/// What a tunnel's throughput has to be at least, beside `socat`'s.
const AIM: f64 = 0.9;

/// Who carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contender {
    Socat,
    /// With a buffer of 64 KiB, eight times its own.
    SocatWide,
    UsherHttp2,
    Usher,
}

impl Contender {
    const ALL: [Self; 4] = [Self::Socat, Self::SocatWide, Self::UsherHttp2, Self::Usher];

    const fn name(self) -> &'static str {
        match self {
            Self::Socat => "socat",
            Self::SocatWide => "socat -b 65536",
            Self::UsherHttp2 => "usher, HTTP/2",
            Self::Usher => "usher",
        }
    }
}

/// What one carried in one repetition.
#[derive(Clone, Copy, Debug)]
struct Carried {
    mib_per_second: f64,
    cpu_per_gib: f64,
    /// Of client and far end together, which share a core.
    ends_per_gib: f64,
}

/// Everybody who carries, running.
struct Field<'a> {
    cookie: String,
    usher: (Client, Process),
    socat: (Client, Process),
    wide: (Client, Process),
    runtime: &'a Runtime,
}

/// Compares, prints a table for each way, and tells whether the aim was reached.
pub fn run(options: &Options, setup: &Setup<'_>, far: SocketAddr) -> Result<bool, Failure> {
    let itself = std::process::id().to_string();
    let pinned = Command::new("taskset").args(["-acp", LOAD_CORE, &itself]).output();
    pinned.map_err(Failure::io("taskset"))?;
    let setup = Setup { core: Some(PROXY_CORE), ..*setup };
    let door = setup.open()?;
    let cookie = sign_in::cookie(&setup, &door)?;
    let usher = Client::new(door.address, HOST, setup.certificate)?;
    // One thread, since it has one core: with HTTP/2 a stream and its connection would else wake each
    // other across threads for every frame, and that would be measured.
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::io("runtime"))?;
    let length = if options.short { 128 << 20 } else { 1 << 30 };
    let field = Field {
        cookie,
        usher: (usher, door.process),
        socat: socat(&setup, far, "8192")?,
        wide: socat(&setup, far, "65536")?,
        runtime: &runtime,
    };
    let repetitions = if options.short { 3 } else { 7 };
    let mut reached = true;
    for asked in [Asked::Pour, Asked::Swallow] {
        let mut rows = Contender::ALL.map(|contender| (contender, Vec::new()));
        for repetition in 0..repetitions {
            rows.reverse();
            for (contender, carried) in &mut rows {
                carried.push(field.carry(*contender, asked, length)?);
            }
            eprintln!("  {asked:?} {} of {repetitions}", repetition + 1);
        }
        rows.sort_by_key(|(contender, _)| Contender::ALL.iter().position(|it| it == contender));
        reached &= print(asked, length, &rows);
    }
    Ok(reached)
}

/// `socat` with TLS, on the proxy's core, to the far end.
fn socat(setup: &Setup<'_>, far: SocketAddr, buffer: &str) -> Result<(Client, Process), Failure> {
    let address = free_address()?;
    let (chain, key) = (setup.certificate.chain.display(), setup.certificate.key.display());
    let listen = format!(
        "OPENSSL-LISTEN:{},bind=127.0.0.1,reuseaddr,fork,cert={chain},key={key},verify=0,nodelay",
        address.port()
    );
    let log = setup.folder.join(format!("socat-{buffer}.log"));
    let errors = File::create(&log).map_err(Failure::io("log"))?;
    let mut command = Command::new("taskset");
    command.args(["-c", &PROXY_CORE.to_string(), "socat", "-b", buffer, &listen]);
    command.arg(format!("TCP:{far},nodelay")).stderr(errors);
    let mut process = Process::start(&mut command)?;
    await_port(address, &mut process, &log)?;
    Ok((Client::new(address, HOST, setup.certificate)?, process))
}

impl Field<'_> {
    fn carry(&self, who: Contender, asked: Asked, length: u64) -> Result<Carried, Failure> {
        let (client, process) = match who {
            Contender::Socat => &self.socat,
            Contender::SocatWide => &self.wide,
            Contender::UsherHttp2 | Contender::Usher => &self.usher,
        };
        let here = std::net::Ipv4Addr::LOCALHOST;
        self.runtime.block_on(async {
            match who {
                Contender::Socat | Contender::SocatWide => {
                    time(client.tls(Protocol::Http1).await?, process, asked, length).await
                }
                Contender::UsherHttp2 => {
                    let (_connection, stream) = stream(client, &self.cookie).await?;
                    time(stream, process, asked, length).await
                }
                Contender::Usher => {
                    time(open(client, here, &self.cookie).await?, process, asked, length).await
                }
            }
        })
    }
}

/// A tunnel on a stream of HTTP/2 (RFC 9113 §8.5), and the connection that it lives on.
async fn stream(
    client: &Client,
    cookie: &str,
) -> Result<(Connection, impl AsyncRead + AsyncWrite + Unpin + use<>), Failure> {
    let mut connection = client.connect(Protocol::Http2).await?;
    let asked = http::Request::connect(format!("{HOST}:{PORT}")).header("cookie", cookie);
    let asked = asked.body(Zeros::new(0)).map_err(Failure::exchange("CONNECT"))?;
    let Connection::Http2(sender) = &mut connection else {
        return Err(Failure::Usage("HTTP/2".into()));
    };
    let answer = sender.send_request(asked).await.map_err(Failure::exchange("CONNECT"))?;
    if !answer.status().is_success() {
        return Err(Failure::Status { what: "CONNECT".into(), status: answer.status() });
    }
    let upgraded = hyper::upgrade::on(answer).await.map_err(Failure::exchange("CONNECT"))?;
    Ok((connection, TokioIo::new(upgraded)))
}

/// How long it takes until all has come, and what that costs `process`.
async fn time(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    process: &Process,
    asked: Asked,
    length: u64,
) -> Result<Carried, Failure> {
    let failed = |error| Failure::Io { what: format!("{asked:?}"), source: error };
    exchange(&mut stream, asked, length / 64).await.map_err(failed)?; // windows grow
    let (began, before, ends) = (Instant::now(), process.cpu()?, own_cpu()?);
    exchange(&mut stream, asked, length).await.map_err(failed)?;
    let (took, cpu) = (began.elapsed(), process.cpu()?.saturating_sub(before));
    Ok(Carried::of(length, took, (cpu, own_cpu()?.saturating_sub(ends))))
}

async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    asked: Asked,
    length: u64,
) -> std::io::Result<()> {
    let mut room = vec![0; 256 * 1024];
    stream.write_all(&asked.words(length)).await?;
    stream.flush().await?;
    let mut left = length;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(room.len());
        let piece = room.get_mut(..most).unwrap_or_default();
        let moved = if asked == Asked::Swallow {
            stream.write(piece).await?
        } else {
            stream.read(piece).await?
        };
        if moved == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        left -= moved as u64;
    }
    stream.flush().await?;
    if asked == Asked::Swallow { stream.read_u8().await.map(drop) } else { Ok(()) }
}

impl Carried {
    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    fn of(length: u64, took: Duration, (cpu, ends): (Duration, Duration)) -> Self {
        let mib = length as f64 / f64::from(1 << 20);
        Self {
            mib_per_second: mib / took.as_secs_f64(),
            cpu_per_gib: cpu.as_secs_f64() * 1024.0 / mib,
            ends_per_gib: ends.as_secs_f64() * 1024.0 / mib,
        }
    }
}

fn print(asked: Asked, length: u64, rows: &[(Contender, Vec<Carried>)]) -> bool {
    let all_of = |who: Contender| {
        rows.iter().find(|(it, _)| *it == who).map_or(&[][..], |(_, carried)| carried)
    };
    let ratio = |who: Contender| {
        let pairs = all_of(Contender::Usher).iter().zip(all_of(who));
        Spread::of(pairs.map(|(usher, it)| usher.mib_per_second / it.mib_per_second).collect())
    };
    let reached = ratio(Contender::Socat).is_some_and(|ratio| ratio.median >= AIM);
    let mut table = Table::new(["", "MiB/s", "CPU s per GiB", "of both ends", "usher / this", ""]);
    for (who, carried) in rows {
        let text = |of: fn(&Carried) -> f64| {
            Spread::of(carried.iter().map(of).collect()).map_or_else(String::new, |it| it.text())
        };
        let verdict = match (who, reached) {
            (Contender::Socat, true) => "reached: at least 0.9",
            (Contender::Socat, false) => "MISSED: at least 0.9",
            _ => "",
        };
        table.row([
            who.name().into(),
            text(|it| it.mib_per_second),
            text(|it| it.cpu_per_gib),
            text(|it| it.ends_per_gib),
            ratio(*who).map_or_else(String::new, |ratio| ratio.text()),
            verdict.into(),
        ]);
    }
    let way = if asked == Asked::Pour { "down" } else { "up" };
    println!(
        "one tunnel, {} MiB {way}, median (least to most) of {}\n{}",
        length >> 20,
        all_of(Contender::Usher).len(),
        table.text()
    );
    reached
}
