use std::{
    io::{self, ErrorKind, Write},
    mem::{replace, take},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use usher_rules::{plan::Level, time::Now};

use super::{Format, Record, happening};
use crate::request::{EventField, EventName, catch};

/// Lines are collected for so long before they are written together.
const COLLECT: Duration = Duration::from_millis(20);

/// A buffer that is larger than this is not kept for the next lines, in octets.
const KEPT: usize = 1 << 20;

/// What may wait for a slow reader, in octets. Beyond it records are dropped and counted, and the
/// count is written as soon as there is room: a paused terminal must not stop the door. Where half of
/// it waits a log is stuck, and whoever wants no request without a record has room for what runs.
const WAITING: usize = 16 << 20;

/// Why lines are missing.
const NO_ROOM: &str =
    "there was no more room for these lines: they are read too slowly, or could not be written";

/// How long after a write that failed the same is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Who learns what happens: one of several, each with what it does of it.
pub(super) trait Sink: std::fmt::Debug + Send + Sync {
    /// Takes a record, without waiting for anybody.
    fn take(&self, record: &Record<'_>);

    /// Returns when everything that it took is where it belongs, or can't be brought there now.
    fn flush(&self) {}

    /// Is what comes in danger of being lost?
    fn is_stuck(&self) -> bool {
        false
    }

    /// Records that it could not keep, since the start.
    fn lost(&self) -> u64 {
        0
    }

    /// Why it can't write what it took, where it can't.
    fn failure(&self) -> Option<String> {
        None
    }
}

/// Log lines. A thread of its own writes them, so that no request waits for a disk; it has a queue
/// of its own, so that a slow reader of one log takes no line of another.
#[derive(Debug)]
pub struct Log {
    format: Format,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// How many octets may wait.
    most: usize,
    stuck: AtomicBool,
    /// Lines that were lost since the start.
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<u8>,
    /// Where the next lines go: what has room already is not grown, and copied, anew.
    spare: Vec<u8>,
    /// How many lines have come, how many of those are with the writer or out, and how many are out.
    came: u64,
    taken: u64,
    out: u64,
    dropped: u64,
    /// Since when there was no room.
    since: Option<Now>,
    /// Why the last write failed.
    failed: Option<String>,
    closed: bool,
}

impl Log {
    /// Writes to `out` until it is dropped.
    pub fn new(out: impl Write + Send + 'static, format: Format) -> Self {
        Self::holding(WAITING, out, format)
    }

    fn holding(most: usize, mut out: impl Write + Send + 'static, format: Format) -> Self {
        let shared = Arc::new(Shared::holding(most));
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            while let Some(batch) = theirs.next_batch(format) {
                theirs.put(&mut out, batch);
            }
        });
        Self { format, shared }
    }

    /// Appends one line, which `write` ends itself.
    fn line(&self, at: Now, write: impl FnOnce(&mut Vec<u8>)) {
        let mut queue = self.shared.lock();
        if queue.waiting.len() > self.shared.most / 2 && !self.shared.has_room(&mut queue, at) {
            return;
        }
        let was_empty = queue.waiting.is_empty();
        let mut whole = Whole::begin(&mut queue.waiting);
        write(whole.lines);
        whole.is_written = true;
        drop(whole);
        queue.came += 1;
        drop(queue);
        if was_empty {
            self.shared.changed.notify_all();
        }
    }
}

impl Sink for Log {
    fn take(&self, record: &Record<'_>) {
        if record.has_line(self.format) {
            self.line(record.at(), |out| record.write(self.format, out));
        }
    }

    fn flush(&self) {
        let mut queue = self.shared.lock();
        let came = queue.came; // those that come meanwhile are not waited for: they may never end
        while queue.out < came && queue.failed.is_none() {
            queue = self.shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn is_stuck(&self) -> bool {
        self.shared.stuck.load(Relaxed)
    }

    fn lost(&self) -> u64 {
        self.shared.lost.load(Relaxed)
    }

    fn failure(&self) -> Option<String> {
        self.shared.lock().failed.clone()
    }
}

/// A line that is being written. If its writer panics no half of it stays, in which the next one
/// would be lost.
struct Whole<'a> {
    lines: &'a mut Vec<u8>,
    before: usize,
    is_written: bool,
}

impl<'a> Whole<'a> {
    fn begin(lines: &'a mut Vec<u8>) -> Self {
        let before = lines.len();
        Self { lines, before, is_written: false }
    }
}

impl Drop for Whole<'_> {
    fn drop(&mut self) {
        if !self.is_written {
            self.lines.truncate(self.before);
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.flush();
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn holding(most: usize) -> Self {
        let (queue, changed) = (Mutex::default(), Condvar::new());
        Self { queue, changed, most, stuck: AtomicBool::new(false), lost: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines, lets a few more come, and takes them all, with a word of those that came
    /// after them and found no room; `None` when there is no more.
    fn next_batch(&self, format: Format) -> Option<Vec<u8>> {
        let mut queue = self.lock();
        while queue.waiting.is_empty() {
            if queue.closed {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut queue, _) =
            self.changed.wait_timeout(queue, COLLECT).unwrap_or_else(PoisonError::into_inner);
        queue.taken = queue.came;
        let next = take(&mut queue.spare);
        let mut batch = replace(&mut queue.waiting, next);
        let dropped = take(&mut queue.dropped);
        if let Some(since) = queue.since.take() {
            let said = [
                (EventField::Records, dropped.to_string()),
                (EventField::Effect, NO_ROOM.to_owned()),
            ];
            let what = (Level::Error, EventName::RecordsDropped, since);
            happening::line(format, &mut batch, what, &said);
        }
        Some(batch)
    }

    /// More than half of what may wait does. Is there room for one more line? Else it is lost.
    #[cold]
    fn has_room(&self, queue: &mut Queue, at: Now) -> bool {
        self.stuck.store(true, Relaxed);
        let has_room = queue.waiting.len() <= self.most;
        if !has_room {
            queue.dropped += 1;
            self.lost.fetch_add(1, Relaxed);
            queue.since.get_or_insert(at);
        }
        has_room
    }

    /// Writes a batch to its end. Where that fails the rest is tried again and again, and what comes
    /// meanwhile waits: a disk that is full has room again some day. After the end of the log it is
    /// tried no more.
    fn put(&self, out: &mut impl Write, batch: Vec<u8>) {
        let mut rest = batch.as_slice();
        loop {
            let goes_on = match catch(|| some(out, rest)) {
                Ok(Ok(None)) => break,
                Ok(Ok(Some(written))) => {
                    rest = rest.get(written..).unwrap_or_default();
                    true
                }
                Ok(Err(error)) => self.go_on_after(&error),
                Err(_panicked) => false, // who knows how far it came
            };
            if !goes_on {
                self.lost.fetch_add(lines(rest), Relaxed);
                break;
            }
        }
        self.written(batch);
    }

    /// After a pause; not after the end of the log.
    fn go_on_after(&self, error: &io::Error) -> bool {
        let mut queue = self.lock();
        self.stuck.store(true, Relaxed);
        queue.failed = Some(error.to_string());
        queue.out = queue.taken; // whoever waits for a flush must not wait for ever
        self.changed.notify_all();
        let is_open = |queue: &mut Queue| !queue.closed;
        let waited = self.changed.wait_timeout_while(queue, AGAIN, is_open);
        let (queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !queue.closed
    }

    /// A batch is out; its buffer serves again where it is neither huge nor nearly empty, as after a
    /// burst.
    fn written(&self, mut batch: Vec<u8>) {
        let serves = batch.capacity() <= KEPT && batch.len() >= batch.capacity() / 8;
        batch.clear();
        let mut queue = self.lock();
        if serves {
            queue.spare = batch;
        }
        queue.failed = None;
        self.stuck.store(queue.waiting.len() > self.most / 2, Relaxed);
        queue.out = queue.taken;
        drop(queue);
        self.changed.notify_all();
    }
}

/// Writes what is taken of `octets` at once, how many those are; `None` where all has left.
fn some(out: &mut impl Write, octets: &[u8]) -> io::Result<Option<usize>> {
    if octets.is_empty() {
        return out.flush().map(|()| None);
    }
    match out.write(octets) {
        Ok(0) => Err(ErrorKind::WriteZero.into()),
        Ok(written) => Ok(Some(written)),
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Some(0)),
        Err(error) => Err(error),
    }
}

fn lines(octets: &[u8]) -> u64 {
    octets.iter().map(|octet| u64::from(*octet == b'\n')).sum()
}

#[cfg(test)]
mod tests;
