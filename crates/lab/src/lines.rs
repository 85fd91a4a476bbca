//! A place for a log that a test reads.

use std::{
    io::{Result, Write},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Keeps what is written to it; its copies share it.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Everything that was written so far.
    pub fn text(&self) -> String {
        text(self.kept().clone())
    }

    /// What was written since the last time.
    pub fn take(&self) -> String {
        text(mem::take(&mut *self.kept()))
    }

    fn kept(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("a log is text")
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.kept().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
