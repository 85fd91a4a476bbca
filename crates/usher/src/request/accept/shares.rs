use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::limits;

/// What the process can give, and what of it one client can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Client connections and requests under way, of everybody: each may need a file.
    pub sockets: usize,
    /// Connections of one client.
    pub connections: usize,
    /// Bytes that wait for everybody, as [`limits::STREAM_COST`] counts them.
    pub bytes: usize,
}

impl Bounds {
    /// For a process that may open so many files. Half of what is not kept back is for clients
    /// and their requests; the other half for kept upstream connections.
    pub fn for_files(files: u64) -> Self {
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        let sockets = (files.saturating_sub(limits::FILES_KEPT_BACK) / 2)
            .clamp(limits::SOCKETS_AT_LEAST, 2 * limits::CONNECTIONS);
        let connections = (sockets / limits::CLIENT_PART).min(limits::CLIENT_CONNECTIONS);
        Self { sockets, connections, bytes: limits::WAITING_BYTES }
    }
}

/// Who counts as one client: an IPv4 address, an IPv6 /64, or everybody behind a proxy that is
/// trusted to know them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// One subscriber's address or network.
    Client(IpAddr),
    /// A proxy in front of us: its visitors share its connections, and only the process's
    /// budget counts.
    Proxy,
}

impl Whose {
    /// The client at this address. An IPv6 subscriber has a /64 at the least.
    pub fn client(address: IpAddr) -> Self {
        Self::Client(match address.to_canonical() {
            IpAddr::V4(v4) => v4.into(),
            IpAddr::V6(v6) => {
                let network = u128::from(v6) & !u128::from(u64::MAX);
                Ipv6Addr::from(network).into()
            }
        })
    }
}

/// What was refused since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusedSoFar {
    /// Connections that were closed as they came: everybody else's were at work.
    pub connections: u64,
    /// Connections that were closed to make room: the least busy of their client's.
    pub ended: u64,
    /// Requests that were answered with 503.
    pub requests: u64,
}

/// Everybody's share. One lock, taken when a connection comes or goes and when room is short.
pub struct Shares {
    bounds: Bounds,
    seats: Mutex<HashMap<Whose, Vec<Arc<Seat>>>>,
    sockets: AtomicUsize,
    bytes: AtomicUsize,
    refused_connections: AtomicU64,
    ended: AtomicU64,
    refused_requests: AtomicU64,
    opened: Instant,
    /// When room was last looked for, in milliseconds: a full house is not searched all the time.
    looked_at: AtomicU64,
}

/// One connection's account.
#[derive(Debug)]
pub struct Seat {
    whose: Whose,
    /// When it last had nothing to do, in milliseconds; what it opens with.
    since: AtomicU64,
    moved: AtomicU64,
    requests: AtomicU32,
    bytes: AtomicUsize,
    over: CancellationToken,
    marks: Mutex<[(u64, u64); 2]>,
}

/// A place that is held until this is dropped.
#[derive(Debug)]
pub struct Seated {
    seat: Arc<Seat>,
    shares: Arc<Shares>,
}

/// Below so many bytes a second a connection is in nobody's way when it ends.
const SLOW: u64 = 1024;
/// What a rate is taken over, in milliseconds.
const WINDOW: u64 = 2000;
/// Who has just come, or has just been answered, makes room last: else those who hold on would
/// push out everybody who comes after them.
const NEW: u64 = 5000;
/// How often room is looked for at most, in milliseconds.
const LOOK: u64 = 50;

impl Shares {
    /// For a process with these bounds.
    pub fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            bounds,
            seats: Mutex::default(),
            sockets: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            refused_connections: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            refused_requests: AtomicU64::new(0),
            opened: Instant::now(),
            looked_at: AtomicU64::new(0),
        })
    }

    /// What was refused so far.
    pub fn refused(&self) -> RefusedSoFar {
        RefusedSoFar {
            connections: self.refused_connections.load(Ordering::Relaxed),
            ended: self.ended.load(Ordering::Relaxed),
            requests: self.refused_requests.load(Ordering::Relaxed),
        }
    }

    /// Bytes that wait for clients, as they are counted here.
    pub fn waiting(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn clock(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<Whose, Vec<Arc<Seat>>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection. Where the client's share or the process's budget is full, the
    /// least busy connection makes room; where all of them work, the newcomer has none.
    pub fn admit(self: &Arc<Self>, whose: Whose) -> Option<Seated> {
        let now = self.clock();
        let mut seats = self.seats();
        let own = seats.get(&whose).map_or(0, Vec::len);
        let own_is_full = whose != Whose::Proxy && own >= self.bounds.connections;
        let all_is_full = self.sockets.load(Ordering::Relaxed) >= self.bounds.sockets;
        let has_room = match (own_is_full, all_is_full) {
            (true, _) => self.end_one(&mut seats, Some(whose), now),
            (false, true) => self.end_one(&mut seats, None, now),
            (false, false) => true,
        };
        if !has_room {
            self.refused_connections.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let seat = Arc::new(Seat {
            whose,
            since: AtomicU64::new(now),
            moved: AtomicU64::new(0),
            requests: AtomicU32::new(0),
            bytes: AtomicUsize::new(0),
            over: CancellationToken::new(),
            marks: Mutex::new([(now, 0); 2]),
        });
        seats.entry(whose).or_default().push(Arc::clone(&seat));
        self.sockets.fetch_add(1, Ordering::Relaxed);
        Some(Seated { seat, shares: Arc::clone(self) })
    }

    /// Ends the least busy connection of a client, or of whoever has the most. Is there one?
    fn end_one(
        &self,
        seats: &mut HashMap<Whose, Vec<Arc<Seat>>>,
        whose: Option<Whose>,
        now: u64,
    ) -> bool {
        let crowd = match whose {
            Some(whose) => seats.get_mut(&whose),
            None => seats.values_mut().max_by_key(|of_one| weight(of_one)),
        };
        let Some(crowd) = crowd else { return false };
        let least = crowd
            .iter()
            .enumerate()
            .filter(|(_, seat)| seat.is_slow(now))
            .min_by_key(|(_, seat)| seat.worth(now));
        let Some((index, _)) = least else { return false };
        crowd.swap_remove(index).over.cancel();
        self.ended.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// A request has come, or bytes wait: is there room, or can some be made?
    fn relieve(&self, seat: &Seat) -> bool {
        let of_one = self.bounds.bytes / limits::CLIENT_PART;
        let all_is_full = self.bytes.load(Ordering::Relaxed) > self.bounds.bytes
            || self.sockets.load(Ordering::Relaxed) > self.bounds.sockets;
        if !all_is_full && seat.bytes.load(Ordering::Relaxed) < of_one / limits::CLIENT_PART {
            return true;
        }
        let now = self.clock();
        let looked_at = self.looked_at.load(Ordering::Relaxed);
        if !all_is_full && now < looked_at + LOOK {
            return true;
        }
        self.looked_at.store(now, Ordering::Relaxed);
        let mut seats = self.seats();
        let waits = |seats: &HashMap<Whose, Vec<Arc<Seat>>>| {
            seats.get(&seat.whose).map_or(0, |own| {
                own.iter().map(|seat| seat.bytes.load(Ordering::Relaxed)).sum::<usize>()
            })
        };
        match seat.whose {
            Whose::Client(_) if waits(&seats) > of_one => {
                self.end_heaviest(&mut seats, Some(seat.whose), now)
            }
            Whose::Client(_) | Whose::Proxy if all_is_full => {
                self.end_heaviest(&mut seats, None, now)
            }
            Whose::Client(_) | Whose::Proxy => true,
        }
    }

    /// Ends the connection for which most waits while it takes little.
    fn end_heaviest(
        &self,
        seats: &mut HashMap<Whose, Vec<Arc<Seat>>>,
        whose: Option<Whose>,
        now: u64,
    ) -> bool {
        let heaviest = seats
            .iter()
            .filter(|(of, _)| whose.is_none_or(|whose| whose == **of))
            .flat_map(|(of, own)| own.iter().map(|seat| (*of, seat)))
            .filter(|(_, seat)| seat.is_slow(now))
            .max_by_key(|(_, seat)| seat.bytes.load(Ordering::Relaxed))
            .map(|(of, seat)| (of, Arc::clone(seat)));
        let Some((of, heaviest)) = heaviest else { return false };
        if let Some(own) = seats.get_mut(&of) {
            own.retain(|seat| !Arc::ptr_eq(seat, &heaviest));
        }
        heaviest.over.cancel();
        self.ended.fetch_add(1, Ordering::Relaxed);
        true
    }
}

/// What a client holds, for the choice of whose turn it is to give something back.
fn weight(of_one: &[Arc<Seat>]) -> usize {
    let requests = |seat: &Arc<Seat>| seat.requests.load(Ordering::Relaxed) as usize;
    of_one.len() + of_one.iter().map(requests).sum::<usize>()
}

impl Seat {
    /// Does it move less than a trickle? A new one is not judged by its first second.
    fn is_slow(&self, now: u64) -> bool {
        let moved = self.moved.load(Ordering::Relaxed);
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let [before, last] = &mut *marks;
        if now.saturating_sub(last.0) > WINDOW {
            *before = std::mem::replace(last, (now, moved));
        }
        let (at, bytes) = *before;
        let millis = now.saturating_sub(at).max(1000);
        moved.saturating_sub(bytes).saturating_mul(1000) / millis < SLOW
    }

    /// Who goes first: who has asked for nothing, and of these who has been here longest.
    fn worth(&self, now: u64) -> (bool, bool, u64) {
        let since = self.since.load(Ordering::Relaxed);
        let is_new = now.saturating_sub(since) < NEW;
        (is_new, self.requests.load(Ordering::Relaxed) > 0, since)
    }
}

impl Seated {
    /// Resolves when this connection has to make room.
    pub async fn must_go(&self) {
        self.seat.over.cancelled().await;
    }

    /// Bytes were read or written.
    pub(super) fn moved(&self, bytes: usize) {
        self.seat.moved.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A request is under way; `false` where there is no room for it.
    pub(super) fn request(&self) -> bool {
        self.seat.requests.fetch_add(1, Ordering::Relaxed);
        self.shares.sockets.fetch_add(1, Ordering::Relaxed);
        // Somebody's only request is answered however full it is: a connection has its place.
        let is_modest = self.seat.bytes.load(Ordering::Relaxed) < 2 * limits::STREAM_COST;
        let has_room = self.wait(limits::STREAM_COST) || is_modest;
        if !has_room {
            self.shares.refused_requests.fetch_add(1, Ordering::Relaxed);
        }
        has_room
    }

    /// A request is over.
    pub(super) fn answered(&self) {
        self.seat.requests.fetch_sub(1, Ordering::Relaxed);
        self.shares.sockets.fetch_sub(1, Ordering::Relaxed);
        self.taken(limits::STREAM_COST);
        self.seat.since.store(self.shares.clock(), Ordering::Relaxed);
    }

    /// So many bytes wait for the client; `false` where that is too much and none could be freed.
    pub(super) fn wait(&self, bytes: usize) -> bool {
        self.seat.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.shares.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.shares.relieve(&self.seat)
    }

    /// They wait no more.
    pub(super) fn taken(&self, bytes: usize) {
        self.seat.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.shares.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes that wait on this connection.
    pub(super) fn waiting(&self) -> usize {
        self.seat.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        self.shares.sockets.fetch_sub(1, Ordering::Relaxed);
        let mut seats = self.shares.seats();
        if let Some(own) = seats.get_mut(&self.seat.whose) {
            own.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
            if own.is_empty() {
                seats.remove(&self.seat.whose);
            }
        }
    }
}

impl fmt::Debug for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shares").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, time::Duration};

    use tokio::time::advance;

    use super::{Bounds, Shares, Whose, limits};

    const BOUNDS: Bounds = Bounds { sockets: 8, connections: 3, bytes: 16 << 20 };

    fn client(text: &str) -> Whose {
        Whose::client(text.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn who_counts_as_one_client() {
        assert_eq!(client("192.0.2.1"), client("::ffff:192.0.2.1"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:0:0:1"), "one /64");
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
    }

    #[test]
    fn files_decide_how_many_connections_there_are() {
        assert_eq!(Bounds::for_files(1024).sockets, (1024 - limits::FILES_KEPT_BACK) / 2);
        assert_eq!(Bounds::for_files(0).sockets, limits::SOCKETS_AT_LEAST);
        assert_eq!(Bounds::for_files(1 << 20).connections, limits::CLIENT_CONNECTIONS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_share_ends_its_own_idlest_connection_and_nobody_else_s() {
        let shares = Shares::new(BOUNDS);
        let other = shares.admit(client("192.0.2.9")).unwrap();
        let mut own = Vec::new();
        for _ in 0..3 {
            own.push(shares.admit(client("192.0.2.1")).unwrap());
            advance(Duration::from_secs(1)).await;
        }
        advance(Duration::from_secs(10)).await;
        assert!(own[0].request(), "it works, slowly");
        let fourth = shares.admit(client("192.0.2.1")).expect("one makes room");
        assert!(own[1].seat.over.is_cancelled(), "the one that asked for nothing longest");
        assert!(!own[0].seat.over.is_cancelled() && !other.seat.over.is_cancelled());
        let fifth = shares.admit(client("192.0.2.1")).expect("another one makes room");
        assert!(own[2].seat.over.is_cancelled(), "and not who has just come");
        assert!(!fourth.seat.over.is_cancelled());
        // Who plays a film is never in the way.
        for seat in [&own[0], &fifth, &fourth] {
            seat.moved(1 << 30);
        }
        assert!(shares.admit(client("192.0.2.1")).is_none(), "all of them work");
        assert_eq!((shares.refused().ended, shares.refused().connections), (2, 1));
        assert!(shares.admit(client("192.0.2.2")).is_some(), "somebody else comes in");
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_house_takes_from_whoever_has_most() {
        let shares = Shares::new(BOUNDS);
        let crowd: Vec<_> = (0..4).map(|_| shares.admit(Whose::Proxy).unwrap()).collect();
        let one = shares.admit(client("192.0.2.1")).unwrap();
        assert!(crowd[0].request() && crowd[1].request() && crowd[2].request());
        advance(Duration::from_secs(10)).await;
        let _new = shares.admit(client("192.0.2.2")).expect("the crowd makes room");
        assert!(crowd[3].seat.over.is_cancelled() && !one.seat.over.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_a_client_has_a_bound() {
        let shares = Shares::new(BOUNDS);
        let (heavy, light) =
            (shares.admit(client("::1")).unwrap(), shares.admit(client("::1")).unwrap());
        advance(Duration::from_secs(60)).await;
        assert!(heavy.wait(3 << 20));
        assert!(!heavy.seat.over.is_cancelled(), "within the share");
        advance(Duration::from_secs(1)).await;
        light.wait(2 << 20);
        assert!(heavy.seat.over.is_cancelled(), "the heaviest of this client's goes");
        assert!(!light.seat.over.is_cancelled());
        let before = shares.waiting();
        heavy.taken(3 << 20);
        assert_eq!(shares.waiting(), before - (3 << 20), "what is taken is given back");
    }
}
