//! What each contender weighs: at idle, and for each connection that says nothing.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use http::Method;

use super::{Contender, Peers, sessions, sign_in};
use crate::{
    certificate::Certificate,
    client::{Client, Connection, Protocol},
    failure::Failure,
    front_door::{FrontDoor, HOST, Setup},
    measure::{sockets, upstream},
    options::Options,
    process::Process,
    table::Table,
};

/// How many connections of each kind are held at once.
const HELD: usize = 1_000;

/// How long one is left alone before it is weighed.
const SETTLING: Duration = Duration::from_secs(2);

/// Usher's aims: MiB at idle, KiB for each WebSocket, KiB for each connection of HTTP/2.
pub const AIMS: [f64; 3] = [24.0, 16.0, 24.0];

/// What one contender weighs, proportional set size (`smaps_rollup`, `proc(5)`) of all its
/// processes.
#[derive(Debug)]
pub struct Weight {
    /// Whose it is.
    pub contender: Contender,
    /// MiB before anybody asked for anything; of usher, with many who are signed in.
    pub idle: f64,
    /// KiB for each idle WebSocket over TLS.
    pub socket: f64,
    /// KiB for each idle connection of HTTP/2.
    pub http2: f64,
}

impl Weight {
    /// Weighs one after the other, each alone on the machine.
    pub fn of_all(
        options: &Options,
        contenders: &[Contender],
        folder: &Path,
        certificate: &Certificate,
    ) -> Result<Vec<Self>, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::io("runtime"))?;
        contenders
            .iter()
            .filter(|it| it.is_weighed())
            .map(|contender| {
                let scales = Scales { options, folder, certificate };
                runtime.block_on(scales.weigh(*contender))
            })
            .collect()
    }

    /// The three figures in the order of [`AIMS`].
    const fn figures(&self) -> [f64; 3] {
        [self.idle, self.socket, self.http2]
    }

    /// Of usher: does it weigh no more than it may?
    pub fn reached(&self) -> bool {
        self.contender != Contender::Usher
            || self.figures().iter().zip(AIMS).all(|(figure, aim)| *figure <= aim)
    }
}

/// A row for each, and what usher may weigh.
pub fn table(weights: &[Weight]) -> Table {
    let mut table =
        Table::new(["", "MiB at idle", "KiB per WebSocket", "KiB per HTTP/2 connection", ""]);
    for weight in weights {
        let verdict = match (weight.contender, weight.reached()) {
            (Contender::Usher, true) => "reached",
            (Contender::Usher, false) => "MISSED",
            _ => "",
        };
        let [idle, socket, http2] = weight.figures().map(|figure| format!("{figure:.1}"));
        table.row([weight.contender.name().into(), idle, socket, http2, verdict.into()]);
    }
    let [idle, socket, http2] = AIMS.map(|aim| format!("{aim:.0}"));
    table.row(["usher's aim".into(), idle, socket, http2, String::new()]);
    table
}

struct Scales<'a> {
    options: &'a Options,
    folder: &'a Path,
    certificate: &'a Certificate,
}

/// Whoever is weighed; it ends when this is dropped.
#[derive(Debug)]
enum Running {
    Usher(FrontDoor),
    Peer(Box<Peers>, Contender),
}

impl Running {
    /// Where it listens, and the process that is weighed.
    fn parts(&self) -> Result<(SocketAddr, &Process), Failure> {
        match self {
            Self::Usher(door) => Ok((door.address, &door.process)),
            Self::Peer(peers, contender) => {
                let asked = peers.of(*contender);
                let asked = asked.ok_or_else(|| Failure::Usage(contender.slug().into()))?;
                Ok((asked.address, asked.proxy))
            }
        }
    }
}

impl Scales<'_> {
    async fn weigh(&self, contender: Contender) -> Result<Weight, Failure> {
        let idle = self.idle(contender).await?;
        let opened = async |client: &Client| sockets::open(client, HELD).await;
        let open = async |_: &Client, mut held: Vec<_>| sockets::answering(&mut held).await;
        let socket = self.each(contender, "sockets", opened, open).await?;
        // by another process: memory that the first has kept would hold these for nothing
        let http2 = self.each(contender, "http2", connections, answering).await?;
        Ok(Weight { contender, idle, socket, http2 })
    }

    /// What a fresh one weighs in MiB; usher with many who are signed in.
    async fn idle(&self, contender: Contender) -> Result<f64, Failure> {
        let running = self.start(contender, "idle", sessions::SESSIONS).await?;
        let (_, process) = running.parts()?;
        tokio::time::sleep(SETTLING).await;
        #[expect(clippy::cast_precision_loss, reason = "for people to read")]
        let mib = process.proportional()? as f64 / 1024.0;
        Ok(mib)
    }

    /// What each of those weighs in KiB that `open` holds open. Nobody is signed in to usher there:
    /// what it frees once it has read ten thousand sessions would hold a thousand connections, and
    /// they would seem to take nothing. All have to answer once more when they were weighed: one that
    /// was closed weighs nothing.
    async fn each<T>(
        &self,
        contender: Contender,
        name: &str,
        open: impl AsyncFn(&Client) -> Result<Vec<T>, Failure>,
        answering: impl AsyncFn(&Client, Vec<T>) -> usize,
    ) -> Result<f64, Failure> {
        let running = self.start(contender, name, 0).await?;
        let (address, process) = running.parts()?;
        let client = Client::new(address, HOST, self.certificate)?;
        let before = self.settled(&client, process).await?;
        let held = open(&client).await?;
        tokio::time::sleep(SETTLING).await; // what opening took is let go of
        let weight = process.proportional()?.saturating_sub(before);
        let open = answering(&client, held).await;
        if open < HELD {
            let what = format!("{open} of {HELD} {name} were open when they were weighed");
            return Err(Failure::Program { program: contender.slug().into(), what });
        }
        #[expect(clippy::cast_precision_loss, reason = "for people to read")]
        let each = weight as f64 / HELD as f64;
        Ok(each)
    }

    /// Starts one in a folder of its own; usher with so many who are signed in.
    async fn start(
        &self,
        contender: Contender,
        name: &str,
        sessions: u32,
    ) -> Result<Running, Failure> {
        let folder = self.folder.join(format!("weigh-{}-{name}", contender.slug()));
        fs::create_dir(&folder).map_err(Failure::io("a folder"))?;
        let (folder, upstream) = (&*folder, upstream::start().await?);
        let (today, before) = (self.options.usher.as_deref(), self.options.before.as_deref());
        let usher = contender.ours(today, before);
        let certificate = self.certificate;
        let Some(usher) = usher else {
            let (wanted, programs) = ([contender], &self.options.programs);
            let peers = Peers::start(folder, certificate, &wanted, programs, Some(upstream))?;
            return Ok(Running::Peer(Box::new(peers), contender));
        };
        // everybody may come in here, since what is weighed are connections; the others are there
        let (policy, core) = ("    allow_public_unauthenticated_access: true\n", None);
        let setup = Setup { usher, folder, certificate, upstream, policy, core };
        sign_in::add_person(&setup)?;
        sessions::begin(&setup.data(), sessions).await?;
        setup.open().map(Running::Usher)
    }

    /// What it weighs once a few connections of both kinds were there and are gone.
    async fn settled(&self, client: &Client, process: &Process) -> Result<u64, Failure> {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let mut connection = client.connect(protocol).await?;
            client.send(&mut connection, Method::GET, "/here", 0).await?;
        }
        tokio::time::sleep(SETTLING).await;
        process.proportional()
    }
}

/// Connections of HTTP/2, each of which has asked one thing.
async fn connections(client: &Client) -> Result<Vec<Connection>, Failure> {
    let mut held = Vec::with_capacity(HELD);
    for nth in 0..HELD {
        let mut connection = client.connect_from(sockets::home(nth), Protocol::Http2).await?;
        client.send(&mut connection, Method::GET, "/here", 0).await?;
        held.push(connection);
    }
    Ok(held)
}

/// How many of them answer once more.
async fn answering(client: &Client, held: Vec<Connection>) -> usize {
    let mut answering = 0;
    for mut connection in held {
        let answer = client.send(&mut connection, Method::GET, "/here", 0);
        let answer = tokio::time::timeout(sockets::ANSWER, answer).await;
        answering += usize::from(answer.is_ok_and(|said| said.is_ok()));
    }
    answering
}
