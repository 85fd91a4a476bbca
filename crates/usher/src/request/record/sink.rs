use std::{
    io::Write,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use crate::request::catch;

/// Lines are collected for so long before they are written together.
const COLLECT: Duration = Duration::from_millis(20);

/// What may wait for a slow reader of our lines. Beyond it lines are dropped, counted, and the
/// count is written as soon as there is room: a paused terminal must not stop the door.
const WAITING: usize = 16 * 1024 * 1024;

/// Where lines go. A thread of its own writes them, so that no request waits for a disk.
#[derive(Debug)]
pub struct Sink {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    waiting: Vec<u8>,
    writing: bool,
    dropped: u64,
    closed: bool,
}

impl Sink {
    /// Writes to `out` until it is dropped.
    pub fn new(mut out: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared { lines: Mutex::default(), changed: Condvar::new() });
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            while let Some(batch) = theirs.next_batch() {
                // Nowhere left to say it; whoever waits for a flush must not wait for ever.
                let _ = catch(|| out.write_all(&batch).and_then(|()| out.flush()));
                theirs.written(batch);
            }
        });
        Self { shared }
    }

    /// Lines that nobody reads, for tests and for commands that print something else.
    pub fn discard() -> Self {
        Self::new(std::io::sink())
    }

    /// Appends one line; `write` gets the buffer and ends its line itself.
    pub fn line(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut lines = self.shared.lock();
        if lines.waiting.len() > WAITING {
            lines.dropped += 1;
            return;
        }
        if lines.dropped > 0 {
            let dropped = std::mem::take(&mut lines.dropped);
            let note = format!(
                "{{\"level\":\"error\",\"message\":\"records dropped\",\"count\":{dropped},\
                 \"effect\":\"the reader of these lines is too slow; they are missing\"}}\n"
            );
            lines.waiting.extend_from_slice(note.as_bytes());
        }
        let was_empty = lines.waiting.is_empty();
        let mut whole = Whole::begin(&mut lines.waiting);
        write(whole.lines);
        whole.is_written = true;
        drop(whole);
        drop(lines);
        if was_empty {
            self.shared.changed.notify_all();
        }
    }

    /// Returns when everything that was appended has been written.
    pub fn flush(&self) {
        let mut lines = self.shared.lock();
        while !lines.waiting.is_empty() || lines.writing {
            lines = self.shared.changed.wait(lines).unwrap_or_else(PoisonError::into_inner);
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

impl Drop for Sink {
    fn drop(&mut self) {
        self.flush();
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines, lets a few more come, and takes them all; `None` when there is no more.
    fn next_batch(&self) -> Option<Vec<u8>> {
        let mut lines = self.lock();
        while lines.waiting.is_empty() {
            if lines.closed {
                return None;
            }
            lines = self.changed.wait(lines).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut lines, _) =
            self.changed.wait_timeout(lines, COLLECT).unwrap_or_else(PoisonError::into_inner);
        lines.writing = true;
        Some(std::mem::take(&mut lines.waiting))
    }

    /// A batch is out; its buffer serves again where it is not huge.
    fn written(&self, mut batch: Vec<u8>) {
        batch.clear();
        let mut lines = self.lock();
        if lines.waiting.capacity() == 0 && batch.capacity() <= 1 << 20 {
            lines.waiting = batch;
        }
        lines.writing = false;
        drop(lines);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use usher_lab::lines::Lines;

    use super::Sink;
    use crate::request::{catch, note_panics};

    /// The first write panics, as does one of the lines.
    #[test]
    fn a_writer_that_panics_holds_up_nobody() {
        struct Brittle(Lines, bool);
        impl Write for Brittle {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                assert!(std::mem::replace(&mut self.1, true), "the terminal broke");
                self.0.write(bytes)
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        note_panics();
        let out = Lines::default();
        let sink = Sink::new(Brittle(out.clone(), false));
        sink.line(|line| writeln!(line, "lost").unwrap());
        sink.flush();
        let half = catch(|| {
            sink.line(|line| {
                write!(line, "half").unwrap();
                panic!("in the middle");
            });
        });
        assert!(half.is_err());
        sink.line(|line| writeln!(line, "whole").unwrap());
        sink.flush();
        assert_eq!(out.text(), "whole\n");
    }

    #[test]
    fn every_line_is_there_after_a_flush_in_order() {
        let out = Lines::default();
        let sink = Sink::new(out.clone());
        for n in 0..1000 {
            sink.line(|line| writeln!(line, "{n}").unwrap());
        }
        sink.flush();
        let expected: String = (0..1000).map(|n| format!("{n}\n")).collect();
        assert_eq!(out.text(), expected);
    }
}
