//! One thread owns the connection: writes that come together are made durable together.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread::JoinHandle,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{StoreFailure, reserve::Reserve};
use crate::request::{Panicked, catch};

/// How many jobs may wait. More wait at the door, without memory of ours.
const QUEUE: usize = 256;
/// How many writes share one `fsync` at most.
const BATCH: usize = 64;

type Read = Box<dyn FnOnce(&Connection) + Send>;

enum Job {
    Read(Read),
    Write(Box<dyn Write>),
}

/// A change that can be tried again: when a batch fails, each of its changes is tried alone, so
/// that nobody pays for another's failure.
trait Write: Send {
    fn run(&mut self, db: &Connection) -> Result<(), StoreFailure>;
    fn kind(&self) -> Kind;
    /// After the commit, or after its failure: changes memory, then answers.
    fn settle(self: Box<Self>, durable: Result<(), StoreFailure>);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It lets somebody in, or makes no difference: a full disk refuses it.
    Grants,
    /// It takes something away: it may use the space that is put by.
    Revokes,
}

struct Change<T, A, W, S> {
    kind: Kind,
    work: W,
    settle: S,
    outcome: Option<T>,
    answer: oneshot::Sender<Result<A, StoreFailure>>,
}

impl<T, A, W, S> Write for Change<T, A, W, S>
where
    T: Send,
    A: Send,
    W: Fn(&Connection) -> Result<T, StoreFailure> + Send,
    S: FnOnce(T) -> A + Send,
{
    fn run(&mut self, db: &Connection) -> Result<(), StoreFailure> {
        self.outcome = Some((self.work)(db)?);
        Ok(())
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn settle(self: Box<Self>, durable: Result<(), StoreFailure>) {
        let Self { settle, outcome, answer, .. } = *self;
        let result = durable.and_then(|()| outcome.map(settle).ok_or(StoreFailure::Closed));
        drop(answer.send(result)); // whoever asked may have gone: the change stands all the same
    }
}

/// The way to the thread; dropping it finishes what is queued and closes the store.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    health: Arc<Mutex<Result<(), StoreFailure>>>,
    alarm: Alarm,
}

/// Hears of a job that panicked: the thread goes on, and whoever asked is refused.
#[derive(Clone, Default)]
struct Alarm(Arc<OnceLock<Hears>>);

type Hears = Box<dyn Fn(&Panicked) + Send + Sync>;

impl Alarm {
    /// Does a part of a job.
    fn guard<T>(&self, part: impl FnOnce() -> T) -> Result<T, StoreFailure> {
        catch(part).map_err(|panicked| {
            if let Some(heard) = self.0.get() {
                heard(&panicked);
            }
            StoreFailure::Panicked { what: panicked.to_string().into() }
        })
    }
}

impl Writer {
    pub(super) fn start(db: Connection, reserve: Reserve) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let health = Arc::new(Mutex::new(Ok(())));
        let (reported, alarm) = (Arc::clone(&health), Alarm::default());
        let told = alarm.clone();
        let thread = std::thread::Builder::new()
            .name("usher-store".into())
            .spawn(move || serve(&db, &reserve, queue, &reported, &told))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), health, alarm })
    }

    /// Who hears of jobs that panic; the first one does.
    pub(super) fn on_panic(&self, heard: impl Fn(&Panicked) + Send + Sync + 'static) {
        let _first = self.alarm.0.set(Box::new(heard));
    }

    /// How the last job went.
    pub(super) fn health(&self) -> Result<(), StoreFailure> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the store so that somebody may be let in, or that nobody's access changes.
    ///
    /// `settle` runs on the thread once the change is durable, in the order of
    /// the changes, so that what it does to memory follows the store step by step.
    pub(super) async fn write<T: Send + 'static, A: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, StoreFailure> + Send + 'static,
        settle: impl FnOnce(T) -> A + Send + 'static,
    ) -> Result<A, StoreFailure> {
        self.change(Kind::Grants, work, settle).await
    }

    /// Changes the store so that something is taken away from somebody: [`Writer::write`] that
    /// works on a full disk too.
    pub(super) async fn revoke<T: Send + 'static, A: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, StoreFailure> + Send + 'static,
        settle: impl FnOnce(T) -> A + Send + 'static,
    ) -> Result<A, StoreFailure> {
        self.change(Kind::Revokes, work, settle).await
    }

    async fn change<T: Send + 'static, A: Send + 'static>(
        &self,
        kind: Kind,
        work: impl Fn(&Connection) -> Result<T, StoreFailure> + Send + 'static,
        settle: impl FnOnce(T) -> A + Send + 'static,
    ) -> Result<A, StoreFailure> {
        let (answer, answered) = oneshot::channel();
        let change = Change { kind, work, settle, outcome: None, answer };
        self.send(Job::Write(Box::new(change))).await?;
        answered.await.unwrap_or(Err(StoreFailure::Closed))
    }

    /// Reads the store, between two batches of changes.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreFailure> + Send + 'static,
    ) -> Result<T, StoreFailure> {
        let (answer, answered) = oneshot::channel();
        let (health, alarm) = (Arc::clone(&self.health), self.alarm.clone());
        self.send(Job::Read(Box::new(move |db| {
            let result = alarm.guard(|| work(db)).flatten();
            report(&health, result.as_ref().err());
            drop(answer.send(result));
        })))
        .await?;
        answered.await.unwrap_or(Err(StoreFailure::Closed))
    }

    async fn send(&self, job: Job) -> Result<(), StoreFailure> {
        let jobs = self.jobs.as_ref().ok_or(StoreFailure::Closed)?;
        jobs.send(job).await.map_err(|_closed| StoreFailure::Closed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join()); // a panic there was told when it happened
        }
    }
}

fn serve(
    db: &Connection,
    reserve: &Reserve,
    mut queue: mpsc::Receiver<Job>,
    health: &Mutex<Result<(), StoreFailure>>,
    alarm: &Alarm,
) {
    let settle = |write: Box<dyn Write>, durable| drop(alarm.guard(|| write.settle(durable)));
    while let Some(first) = queue.blocking_recv() {
        let mut batch = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Read(read) => read(db),
                Job::Write(write) => batch.push(write),
            }
            next = if batch.len() < BATCH { queue.try_recv().ok() } else { None };
        }
        if !batch.is_empty() && transaction(db, &mut batch, alarm).is_ok() {
            report(health, None);
            batch.into_iter().for_each(|write| settle(write, Ok(())));
            continue;
        }
        for mut write in batch {
            let result = alone(db, reserve, &mut write, alarm);
            report(health, result.as_ref().err());
            settle(write, result);
        }
    }
}

/// Runs one change on its own, with the space that is put by if it needs and may use it.
fn alone(
    db: &Connection,
    reserve: &Reserve,
    write: &mut Box<dyn Write>,
    alarm: &Alarm,
) -> Result<(), StoreFailure> {
    let one = std::slice::from_mut(write);
    let result = transaction(db, one, alarm);
    let is_short = result == Err(StoreFailure::Full);
    if is_short && one.iter().all(|write| write.kind() == Kind::Revokes) && reserve.release() {
        return transaction(db, one, alarm);
    }
    result
}

/// Runs the changes in one transaction: all of them are durable, or none is.
fn transaction(
    db: &Connection,
    batch: &mut [Box<dyn Write>],
    alarm: &Alarm,
) -> Result<(), StoreFailure> {
    db.execute_batch("BEGIN IMMEDIATE")?;
    let result = batch
        .iter_mut()
        .try_for_each(|write| alarm.guard(|| write.run(db)).flatten())
        .and_then(|()| Ok(db.execute_batch("COMMIT")?));
    // Some failures (a full disk, for one) have rolled back already; a failed COMMIT may not have.
    if result.is_err() && !db.is_autocommit() {
        db.execute_batch("ROLLBACK")?;
    }
    result
}

/// Remembers how the store is. A refusal that is not the disk's fault says nothing about it.
fn report(health: &Mutex<Result<(), StoreFailure>>, failure: Option<&StoreFailure>) {
    let state = match failure {
        None => Ok(()),
        Some(
            StoreFailure::TooManySessions { .. }
            | StoreFailure::TooLarge { .. }
            | StoreFailure::PersonRemoved
            | StoreFailure::PasswordOfApp
            | StoreFailure::Panicked { .. }
            | StoreFailure::Closed,
        ) => return,
        Some(
            failure @ (StoreFailure::Full
            | StoreFailure::ReadOnly
            | StoreFailure::Corrupt { .. }
            | StoreFailure::Locked
            | StoreFailure::Io { .. }
            | StoreFailure::Unexpected { .. }),
        ) => Err(failure.clone()),
    };
    *health.lock().unwrap_or_else(PoisonError::into_inner) = state;
}
