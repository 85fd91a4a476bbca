//! What usher writes about requests, by their ids.

use std::collections::HashMap;

use serde_json::{Value, json};
use usher::request::record::{Format, Log, Recorder};
use usher_lab::lines::Lines;

/// Every line of every door.
pub(crate) struct Records {
    /// What doors write with.
    pub recorder: Recorder,
    lines: Lines,
}

impl Records {
    pub(crate) fn new() -> Self {
        let lines = Lines::default();
        Self { recorder: Recorder::new([Log::new(lines.clone(), Format::Json)]), lines }
    }

    /// The decision of each request.
    pub(crate) fn decisions(&self) -> HashMap<String, Value> {
        self.recorder.flush();
        let written = self.lines.text();
        let lines = written.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let decisions = lines.filter(|line| line["message"] == json!("authorize check"));
        let by_id = |line: Value| Some((line["request-id"].as_str()?.to_owned(), line));
        decisions.filter_map(by_id).collect()
    }
}
