//! Datagrams of this machine's programs: each program's port has a tunnel of its own, a flow.

use std::{
    collections::HashMap,
    future::pending,
    io::{self, Write as _},
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::{AbortHandle, abortable};
use rustix::io::Errno;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::UdpSocket,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, sleep, sleep_until, timeout},
};
use usher_rules::capsule::{self, Capsules, LONGEST};

use super::{
    beside,
    client::Client,
    listen::{BETWEEN_TRIES, reached},
    losses::{Loss, Losses},
};

/// So many at once. One more ends the open one that is silent the longest.
const FLOWS: usize = 256;

/// A flow that is silent so long ends (RFC 4787 §4.3: no sooner).
const IDLE: Duration = Duration::from_secs(120);

/// So many octets of one flow wait for the proxy.
const ROOM: usize = 256 * 1024;

/// What one that waits takes beside its payload.
const EACH: usize = 64;

/// A program that is refused and asks on is no reason to ask the proxy as often.
const AFTER_REFUSAL: Duration = Duration::from_secs(10);

/// Longer nobody waits for the proxy to hear that a flow ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is read of the proxy at once.
const PIECE: usize = 16 * 1024;

/// Until the process ends.
pub(super) async fn serve(socket: UdpSocket, client: Arc<Client>) {
    let Ok(at) = socket.local_addr() else { return };
    let losses = Arc::new(Losses::at(at));
    let socket = Arc::new(socket);
    let carry = move |near, queue| carry(Arc::clone(&client), near, queue);
    let flows = Flows::new(socket, Arc::clone(&losses), carry);
    tokio::join!(losses.tell(), flows.take_all());
}

/// The flows of one port. `carry` is what each of them does.
struct Flows<C> {
    socket: Arc<UdpSocket>,
    losses: Arc<Losses>,
    of: HashMap<SocketAddr, Flow>,
    carry: C,
}

/// One of them, as the port sees it.
struct Flow {
    queue: UnboundedSender<Vec<u8>>,
    state: Arc<State>,
    begun: AbortHandle,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offered {
    Taken,
    Full,
    Ended,
}

/// What both ends of a flow know of it.
#[derive(Debug, Default)]
struct State {
    waiting: AtomicUsize,
    /// The last datagram of either side; none before its tunnel is open.
    last: Mutex<Option<Instant>>,
}

/// The program that has the flow.
struct Near {
    socket: Arc<UdpSocket>,
    peer: SocketAddr,
    losses: Arc<Losses>,
    state: Arc<State>,
}

/// What it sent, in its order. What is never sent on is counted.
struct Queue {
    came: UnboundedReceiver<Vec<u8>>,
    losses: Arc<Losses>,
    state: Arc<State>,
}

impl<C, F> Flows<C>
where
    C: Fn(Near, Queue) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    fn new(socket: Arc<UdpSocket>, losses: Arc<Losses>, carry: C) -> Self {
        Self { socket, losses, of: HashMap::new(), carry }
    }

    async fn take_all(mut self) {
        let mut buffer = vec![0; LONGEST + 1].into_boxed_slice(); // one octet more is seen to be too long
        loop {
            match self.socket.recv_from(&mut buffer).await {
                Ok((length, peer)) => match buffer.get(..length) {
                    Some(payload) if length <= LONGEST => self.take(peer, payload),
                    _ => self.losses.add(Loss::TooLong),
                },
                Err(_) => sleep(BETWEEN_TRIES).await,
            }
        }
    }

    fn take(&mut self, peer: SocketAddr, payload: &[u8]) {
        let mut offered = self.of.get(&peer).map_or(Offered::Ended, |flow| flow.offer(payload));
        if offered == Offered::Ended {
            self.of.remove(&peer);
            if self.has_room() {
                let flow = self.begin(peer);
                offered = flow.offer(payload);
                self.of.insert(peer, flow);
            }
        }
        if offered != Offered::Taken {
            self.losses.add(Loss::NoRoom);
        }
    }

    /// Who waits for a sign-in makes room for nobody: whoever came next would ask for another one.
    fn has_room(&mut self) -> bool {
        if self.of.len() < FLOWS {
            return true;
        }
        self.of.retain(|_, flow| !flow.queue.is_closed());
        if self.of.len() < FLOWS {
            return true;
        }
        let open = self.of.iter().filter_map(|(peer, flow)| Some((flow.state.last()?, *peer)));
        open.min_by_key(|(last, _)| *last).is_some_and(|(_, peer)| self.of.remove(&peer).is_some())
    }

    fn begin(&self, peer: SocketAddr) -> Flow {
        let (queue, came) = unbounded_channel();
        let state = Arc::new(State::default());
        let (socket, losses) = (Arc::clone(&self.socket), Arc::clone(&self.losses));
        let queued = Queue { came, losses: Arc::clone(&losses), state: Arc::clone(&state) };
        let near = Near { socket, peer, losses, state: Arc::clone(&state) };
        let (carried, begun) = abortable((self.carry)(near, queued));
        beside(async move {
            let _aborted = carried.await;
        });
        Flow { queue, state, begun }
    }
}

impl Flow {
    fn offer(&self, payload: &[u8]) -> Offered {
        if self.queue.is_closed() {
            return Offered::Ended;
        }
        let takes = payload.len() + EACH;
        if self.state.waiting.load(Ordering::Relaxed) + takes > ROOM {
            return Offered::Full;
        }
        self.state.waiting.fetch_add(takes, Ordering::Relaxed);
        match self.queue.send(payload.to_vec()) {
            Ok(()) => Offered::Taken,
            Err(_) => Offered::Ended,
        }
    }
}

/// A later flow of the same program never overtakes this one.
impl Drop for Flow {
    fn drop(&mut self) {
        self.begun.abort();
    }
}

impl State {
    fn last(&self) -> Option<Instant> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_used(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// When nothing has come of either side for so long.
    async fn is_silent(&self) {
        while let Some(end) =
            self.last().map(|last| last + IDLE).filter(|end| *end > Instant::now())
        {
            sleep_until(end).await;
        }
    }
}

impl Queue {
    /// The next one; none when nobody sends any more.
    async fn next(&mut self) -> Option<Vec<u8>> {
        let payload = self.came.recv().await?;
        self.state.waiting.fetch_sub(payload.len() + EACH, Ordering::Relaxed);
        Some(payload)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.came.close();
        while self.came.try_recv().is_ok() {
            self.losses.add(Loss::NoTunnel);
        }
    }
}

impl Near {
    /// Sends what came for it; what its network does not take is counted.
    async fn hears(&self, payload: &[u8]) {
        self.state.is_used();
        if let Err(error) = self.socket.send_to(payload, self.peer).await {
            let is_too_long = Errno::from_io_error(&error) == Some(Errno::MSGSIZE);
            self.losses.add(if is_too_long { Loss::TooLong } else { Loss::NoRoom });
        }
    }
}

/// One flow, from its first datagram to its end.
async fn carry(client: Arc<Client>, near: Near, mut queue: Queue) {
    match reached(&client, pending()).await {
        Ok(Some(far)) => relay(far, &near, queue).await,
        Ok(None) => {}
        Err(why) => {
            let _nowhere_left = writeln!(io::stderr(), "error: {why}");
            let lost = async {
                while queue.next().await.is_some() {
                    near.losses.add(Loss::NoTunnel);
                }
            };
            let _asked_again = timeout(AFTER_REFUSAL, lost).await;
        }
    }
}

/// Until the proxy ends it, or both sides are silent. There is no half-close.
async fn relay(far: impl AsyncRead + AsyncWrite + Unpin, near: &Near, mut queue: Queue) {
    near.state.is_used();
    let (mut from, mut to) = tokio::io::split(far);
    tokio::select! {
        () = up(&mut queue, &mut to) => {}
        () = down(&mut from, near) => {}
        () = near.state.is_silent() => {}
    }
    drop(queue);
    let _unheard = timeout(FAREWELL, to.shutdown()).await;
}

async fn up(queue: &mut Queue, to: &mut (impl AsyncWrite + Unpin)) {
    let mut waiting = Vec::new();
    while let Some(payload) = queue.next().await {
        queue.state.is_used();
        waiting.clear();
        capsule::write(&payload, &mut waiting);
        let written = async {
            to.write_all(&waiting).await?;
            to.flush().await
        };
        if written.await.is_err() {
            queue.losses.add(Loss::NoTunnel);
            return;
        }
    }
}

async fn down(from: &mut (impl AsyncRead + Unpin), near: &Near) {
    let (mut capsules, mut piece) = (Capsules::default(), Vec::with_capacity(PIECE));
    loop {
        piece.clear();
        if from.read_buf(&mut piece).await.map_or(true, |length| length == 0) {
            return;
        }
        let mut whole = Vec::new();
        let read = capsules.read(&piece, |payload| whole.push(payload.to_vec()));
        for payload in whole {
            near.hears(&payload).await;
        }
        if read.is_err() {
            return; // RFC 9297 §3.3
        }
    }
}

#[cfg(test)]
mod tests;
