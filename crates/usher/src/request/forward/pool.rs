use std::{cell::RefCell, collections::HashMap, pin::Pin, time::Duration};

use foldhash::fast::RandomState;
use tokio::time::{Instant, Sleep};
use usher_rules::{
    names::{Scheme, Upstream},
    plan::UpstreamTls,
};

use super::{RequestBody, UpstreamIo, breakers::Taken, http1::Connection, tls::same_settings};

/// Idle connections are closed after this; Kestrel closes its own after 130 s (`jellyfin.md` §5.3).
const IDLE: Duration = Duration::from_secs(60);

/// Idle connections kept per upstream and core.
const KEPT: usize = 256;

/// An HTTP/1.1 connection to an upstream, driven by whoever uses it: no task of its own, no
/// wake-up between two of them (`performance.md` §7.1).
pub(super) struct Lease {
    /// Moves the bytes; polled by the user of the lease.
    pub connection: Box<Connection<UpstreamIo, RequestBody>>,
    /// Was it used before, and how long ago? Then it may have gone stale.
    pub idle_for: Option<Duration>,
    /// For whoever waits for an answer: moving a timer is cheaper than making one.
    pub timer: Option<Pin<Box<Sleep>>>,
    /// Of the route whose request it carries.
    pub place: Taken,
    key: Box<Key>,
}

/// What a connection may be used for again: the very same upstream, judged by the same settings.
/// A pool that leaves TLS out would send one route's visitors over another's client certificate.
#[derive(Clone, Debug)]
pub(super) struct Key {
    upstream: Upstream,
    tls: Option<UpstreamTls>,
}

struct Idle {
    lease: Lease,
    since: Instant,
}

thread_local! {
    static POOL: RefCell<HashMap<u64, Vec<Idle>, RandomState>> = RefCell::default();
}

impl Key {
    /// For a connection that was made with these.
    pub(super) fn new(upstream: &Upstream, tls: &UpstreamTls) -> Self {
        let tls = (upstream.scheme == Scheme::Https).then(|| tls.clone());
        Self { upstream: upstream.clone(), tls }
    }

    /// May a request for `upstream` go over it?
    pub(super) fn is_for(&self, upstream: &Upstream, tls: &UpstreamTls) -> bool {
        let same_place = self.upstream.scheme == upstream.scheme
            && self.upstream.host == upstream.host
            && self.upstream.port == upstream.port;
        same_place && self.tls.as_ref().is_none_or(|own| same_settings(own, tls))
    }
}

/// The pool's bucket; equality is checked in full inside it.
fn bucket(upstream: &Upstream) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325; // FNV-1a: short keys, no secret
    for byte in upstream.host.bytes().chain(upstream.port.to_be_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^ u64::from(upstream.scheme == Scheme::Https)
}

impl Lease {
    /// A connection that was just made.
    pub(super) fn new(io: UpstreamIo, upstream: &Upstream, tls: &UpstreamTls) -> Self {
        let (connection, key) = (Box::new(Connection::new(io)), Box::new(Key::new(upstream, tls)));
        let place = Taken::default();
        Self { connection, idle_for: None, timer: None, place, key }
    }

    /// Carries a request that has this place among its route's connections.
    #[must_use]
    pub(super) fn at(self, place: Taken) -> Self {
        Self { place, ..self }
    }

    /// The most recently used idle connection that is still alive.
    pub(super) fn take(upstream: &Upstream, tls: &UpstreamTls, now: Instant) -> Option<Self> {
        POOL.with_borrow_mut(|pool| {
            let idle = pool.get_mut(&bucket(upstream))?;
            while let Some(at) = idle.iter().rposition(|idle| idle.lease.key.is_for(upstream, tls))
            {
                let Idle { mut lease, since } = idle.swap_remove(at);
                if now - since < IDLE && lease.connection.is_alive() {
                    lease.idle_for = Some(now - since);
                    return Some(lease);
                }
            }
            None
        })
    }

    /// Back into the pool, if another request can follow; closed otherwise.
    pub(super) fn give_back(mut self) {
        // Whoever takes it looks at what has come since.
        if !self.connection.finish() {
            return;
        }
        self.place = Taken::default();
        let since = Instant::now();
        POOL.with_borrow_mut(|pool| {
            let idle = pool.entry(bucket(&self.key.upstream)).or_default();
            if idle.len() >= KEPT {
                idle.remove(0); // the one that was idle for longest
            }
            idle.push(Idle { lease: self, since });
        });
    }
}

/// Closes connections that were idle for too long.
pub(super) fn sweep(now: Instant) {
    POOL.with_borrow_mut(|pool| {
        for idle in pool.values_mut() {
            idle.retain_mut(|idle| now - idle.since < IDLE && idle.lease.connection.is_alive());
        }
        pool.retain(|_, idle| !idle.is_empty());
    });
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease").field("key", &self.key).finish_non_exhaustive()
    }
}
