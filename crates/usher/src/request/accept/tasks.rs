use std::{
    fmt,
    future::Future,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hyper::rt::Executor;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use super::aside::Aside;
use crate::request::caught::{Panicked, caught};

/// What a client that reads slowly may still take of answers that are complete, and how long a
/// connection may stay that carries nothing but sockets.
const LAST_BYTES: Duration = Duration::from_secs(2);

/// What runs beside the accept loops: counted, told when to finish, and waited for.
///
/// Two moments, since films and sockets differ: at `drain` connections finish the requests they
/// have and close; at `end` whatever is left stops, upgraded connections last.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    exchanges: TaskTracker,
    connections: TaskTracker,
    upgraded: TaskTracker,
    drain: CancellationToken,
    end: CancellationToken,
    alarm: Alarm,
}

/// What runs beside requests, and may panic without any of them knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskOwner {
    /// A client's connection, or a stream of it.
    Connection(SocketAddr),
    /// A connection to this upstream.
    Upstream(Box<str>),
}

/// Hears of what panicked beside requests.
type Heard = dyn Fn(&TaskOwner, &Panicked) + Send + Sync;

#[derive(Clone, Default)]
struct Alarm(Arc<OnceLock<Box<Heard>>>);

impl Tasks {
    /// Who hears of panics beside requests; the first one does.
    pub fn on_panic(&self, heard: impl Fn(&TaskOwner, &Panicked) + Send + Sync + 'static) {
        let _first = self.alarm.0.set(Box::new(heard));
    }

    /// Tells of a panic that was caught elsewhere.
    pub fn panicked(&self, beside: &TaskOwner, panicked: &Panicked) {
        self.alarm.tell(beside, panicked);
    }

    /// Runs a client's connection; it is waited for at drain.
    pub fn spawn_connection(
        &self,
        peer: SocketAddr,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        // On the heap once: each of the two that hold it would have room made for it twice.
        let guarded = self.alarm.guarded(TaskOwner::Connection(peer), Box::pin(task));
        self.connections.spawn(self.until_end(guarded));
    }

    /// What runs the tasks of one connection that HTTP/2 asks for.
    pub fn streams_of(&self, beside: TaskOwner) -> Streams {
        Streams { alarm: self.alarm.clone(), beside }
    }

    /// Held while a request is answered; a drain waits for it.
    pub fn exchange(&self) -> Exchange {
        Exchange { _counted: self.exchanges.token() }
    }

    /// Runs an upgraded connection; it is waited for after all others.
    pub fn spawn_upgraded(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.upgraded.spawn(self.until_end(Box::pin(task)));
    }

    /// Runs a chore for as long as the process serves; it is not waited for.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns without waiting")]
    pub fn spawn_chore(&self, task: impl Future<Output = ()> + Send + 'static) {
        let drain = self.drain.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = task => {}
                () = drain.cancelled() => {}
            }
        });
    }

    /// Runs what a drain waits for: half of it is worth less than nothing.
    pub fn spawn_whole(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        self.exchanges.spawn(self.until_end(task))
    }

    /// Runs a connection to an upstream, which its users share; they are waited for, it is not.
    #[expect(clippy::disallowed_methods, reason = "ends with the requests that use it")]
    pub fn spawn_upstream(
        &self,
        beside: TaskOwner,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        tokio::spawn(self.until_end(self.alarm.guarded(beside, task)));
    }

    fn until_end(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let end = self.end.clone();
        async move {
            let mut ended = Aside::new(end.cancelled());
            tokio::select! {
                biased;
                () = task => {}
                () = ended.over() => {}
            }
        }
    }

    /// Resolves when new work is no longer wanted.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Is new work no longer wanted?
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Connections that are open, upgraded ones included.
    pub fn open(&self) -> usize {
        self.connections.len() + self.upgraded.len()
    }

    /// Asks everybody to finish. Requests have `patience`; when the last is answered, or patience
    /// is at its end, whatever is open is closed, upgraded connections last.
    pub async fn finish(&self, patience: Duration) {
        self.drain.cancel();
        for all in [&self.exchanges, &self.connections, &self.upgraded] {
            all.close();
        }
        let answered = async {
            self.exchanges.wait().await;
            // A socket over HTTP/2 holds its connection for as long as it likes.
            let _closed = tokio::time::timeout(LAST_BYTES, self.connections.wait()).await;
        };
        let _all = tokio::time::timeout(patience, answered).await;
        self.end.cancel();
        self.connections.wait().await;
        self.upgraded.wait().await;
    }
}

impl Alarm {
    fn tell(&self, beside: &TaskOwner, panicked: &Panicked) {
        if let Some(heard) = self.0.get() {
            heard(beside, panicked);
        }
    }

    /// A task whose panic ends the task alone, and is told.
    fn guarded(
        &self,
        beside: TaskOwner,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let alarm = self.clone();
        async move {
            if let Err(panicked) = caught(pin!(Some(task))).await {
                alarm.tell(&beside, &panicked);
            }
        }
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Alarm")
    }
}

/// Runs what HTTP/2 asks to be run for one connection: its streams, or its bytes. A panic ends the
/// one task, and is told with whose it was.
#[derive(Clone, Debug)]
pub struct Streams {
    alarm: Alarm,
    beside: TaskOwner,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    #[expect(clippy::disallowed_methods, reason = "ends with its connection")]
    fn execute(&self, task: F) {
        tokio::spawn(self.alarm.guarded(self.beside.clone(), task));
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Exchange {
    _counted: TaskTrackerToken,
}
