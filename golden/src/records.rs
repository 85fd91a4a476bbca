//! What usher writes about requests, by their ids.

use std::{
    collections::HashMap,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Value, json};
use usher::request::record::{Format, Log, Recorder};

/// Every line of every door.
pub struct Records {
    /// What doors write with.
    pub recorder: Recorder,
    lines: Lines,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Records {
    pub fn new() -> Self {
        let lines = Lines::default();
        Self { recorder: Recorder::new([Log::new(lines.clone(), Format::Json)]), lines }
    }

    /// The decision of each request.
    pub fn decisions(&self) -> HashMap<String, Value> {
        self.recorder.flush();
        let written = self.lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = written.split(|octet| *octet == b'\n');
        let lines = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        let decisions = lines.filter(|line| line["message"] == json!("authorize check"));
        let by_id = |line: Value| Some((line["request-id"].as_str()?.to_owned(), line));
        decisions.filter_map(by_id).collect()
    }
}
