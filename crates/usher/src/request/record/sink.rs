use std::{
    io::Write,
    mem::{replace, take},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
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
/// count is written as soon as there is room: a paused terminal must not stop the door.
const WAITING: usize = 16 << 20;

/// Who learns what happens: one of several, each with what it does of it.
pub(super) trait Sink: std::fmt::Debug + Send + Sync {
    /// Takes a record, without waiting for anybody.
    fn take(&self, record: &Record<'_>);

    /// Returns when everything that it took is where it belongs.
    fn flush(&self) {}
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
    closed: bool,
}

impl Log {
    /// Writes to `out` until it is dropped.
    pub fn new(out: impl Write + Send + 'static, format: Format) -> Self {
        Self::holding(WAITING, out, format)
    }

    fn holding(most: usize, mut out: impl Write + Send + 'static, format: Format) -> Self {
        let shared = Shared { queue: Mutex::default(), changed: Condvar::new(), most };
        let shared = Arc::new(shared);
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            while let Some(batch) = theirs.next_batch(format) {
                // Nowhere left to say it; whoever waits for a flush must not wait for ever.
                let _ = catch(|| out.write_all(&batch).and_then(|()| out.flush()));
                theirs.written(batch);
            }
        });
        Self { format, shared }
    }

    /// Appends one line, which `write` ends itself.
    fn line(&self, at: Now, write: impl FnOnce(&mut Vec<u8>)) {
        let mut queue = self.shared.lock();
        if queue.waiting.len() > self.shared.most {
            queue.dropped += 1;
            queue.since.get_or_insert(at);
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
        while queue.out < came {
            queue = self.shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
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
                (EventField::Effect, "the reader of these lines is too slow".to_owned()),
            ];
            let what = (Level::Error, EventName::RecordsDropped, since);
            happening::line(format, &mut batch, what, &said);
        }
        Some(batch)
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
        queue.out = queue.taken;
        drop(queue);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
