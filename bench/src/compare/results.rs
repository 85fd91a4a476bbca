//! What a run found, as a file.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use super::{
    costs::{Costs, Row, Spread},
    latency::Latency,
    many::Growth,
    memory::{AIMS, Weight},
    sessions::SESSIONS,
};
use crate::failure::Failure;

/// What a run found.
#[derive(Debug)]
pub struct Results {
    profile: String,
    repetitions: usize,
    /// A scenario each.
    pub costs: Vec<Costs>,
    /// A situation each.
    pub latencies: Vec<Latency>,
    /// A contender each.
    pub weights: Vec<Weight>,
    /// What there was more and more of.
    pub many: Vec<Growth>,
}

impl Results {
    /// Nothing yet.
    pub fn new(profile: &str, repetitions: usize) -> Self {
        Self {
            profile: profile.into(),
            repetitions,
            costs: Vec::new(),
            latencies: Vec::new(),
            weights: Vec::new(),
            many: Vec::new(),
        }
    }

    /// Was every aim reached?
    pub fn reached(&self) -> bool {
        self.costs.iter().all(Costs::reached)
            && self.latencies.iter().all(Latency::reached)
            && self.weights.iter().all(Weight::reached)
    }

    /// Writes them as JSON, with the machine that they were measured on.
    pub fn write(&self, file: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(&self.json()).unwrap_or_default() + "\n";
        fs::write(file, text).map_err(Failure::io(file.display().to_string()))
    }

    fn json(&self) -> Value {
        let tests: Vec<Value> = self.costs.iter().map(test).collect();
        let latency: Vec<Value> = self.latencies.iter().map(latency).collect();
        let many: Vec<Value> = self.many.iter().map(growth).collect();
        let memory: Vec<Value> = self.weights.iter().map(weight).collect();
        json!({
            "date": date(),
            "profile": self.profile,
            "repetitions": self.repetitions,
            "sessions": SESSIONS,
            "machine": machine(),
            "tests": tests,
            "latency": latency,
            "memory": memory,
            "memory_aims": AIMS,
            "many": many,
        })
    }
}

fn test(costs: &Costs) -> Value {
    let contenders: Vec<Value> = costs
        .rows
        .iter()
        .map(|row| {
            let Row { contender, costs: figures, alone } = row;
            json!({
                "contender": contender.slug(),
                "name": contender.name(),
                "costs": figures,
                "costs_without_authorizer": alone,
                "usher_to_this": costs.ratios(*contender).as_ref().map(spread),
                "usher_to_this_without_authorizer": costs.ratios_alone(*contender).as_ref().map(spread),
                "aim": contender.aim(costs.scenario),
            })
        })
        .collect();
    json!({
        "test": costs.scenario.slug(),
        "title": costs.scenario.title(),
        "unit": costs.scenario.unit(),
        "contenders": contenders,
    })
}

fn latency(of: &Latency) -> Value {
    let contenders: Vec<Value> = of
        .rows
        .iter()
        .map(|row| {
            let contender = row.contender;
            let [p50, p99, highest, usual] =
                [0, 1, 2, 3].map(|nth| row.spread(nth).as_ref().map(spread));
            json!({
                "contender": contender.slug(),
                "name": contender.name(),
                "p50_ms": p50,
                "p99_ms": p99,
                "p99_9_ms": highest,
                "p99_ms_of_a_second": usual,
                "usher_p99_of_a_second_to_this": of.usual_ratios(contender).as_ref().map(spread),
                "usher_p99_to_this": of.ratios(contender).as_ref().map(spread),
                "load_core_idle_percent": Spread::of(row.idle.clone()).as_ref().map(spread),
                "aim": Latency::aim(contender),
            })
        })
        .collect();
    json!({ "title": of.title(), "requests_per_second": of.rates, "contenders": contenders })
}

fn spread(of: &Spread) -> Value {
    json!({ "median": of.median, "least": of.least, "most": of.most })
}

fn weight(of: &Weight) -> Value {
    json!({
        "contender": of.contender.slug(),
        "name": of.contender.name(),
        "idle_mib": of.idle,
        "websocket_kib": of.socket,
        "http2_connection_kib": of.http2,
    })
}

fn growth(of: &Growth) -> Value {
    let [memory_flat, cpu_flat] = of.is_flat();
    json!({
        "what": of.what.name(),
        "wanted": of.wanted(),
        "counts": of.counts,
        "open_at_the_end": of.open,
        "kib_each": of.kib,
        "memory_ratio": of.memory_ratio(),
        "memory_flat": memory_flat,
        "cpu_us": of.cpu.each_ref().map(|costs| Spread::of(costs.clone()).as_ref().map(spread)),
        "cpu_ratio": of.cpu_ratio().as_ref().map(spread),
        "cpu_flat": cpu_flat,
    })
}

/// The day in UTC, as the system's own program tells it.
fn date() -> String {
    let said = Command::new("date").args(["-u", "+%F"]).output();
    said.map_or_else(|_| String::new(), |it| String::from_utf8_lossy(&it.stdout).trim().into())
}

/// What kind of machine it was, and never which.
fn machine() -> Value {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model =
        cpu.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(": ")?.1));
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    json!({
        "cpu": model,
        "cores": cores,
        "kernel": read("/proc/sys/kernel/osrelease").trim().split('-').next(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{contender::Contender, scenario::Scenario};

    #[test]
    fn what_was_measured_is_written_down() {
        let mut results = Results::new("dist", 1);
        let row = |contender, cost| Row { costs: vec![cost], ..Row::new(contender) };
        let rows = vec![row(Contender::Envoy, 4.0), row(Contender::Usher, 1.0)];
        results.costs.push(Costs { scenario: Scenario::Handshake, rows });
        let (contender, idle, socket, http2) = (Contender::Usher, 20.0, 12.0, 25.0);
        results.weights.push(Weight { contender, idle, socket, http2 });
        assert!(!results.reached(), "25 KiB is more than 24");
        let json = results.json();
        let date = json["date"].as_str().unwrap();
        assert!(date.len() == 10 && date.starts_with("20"), "{date}");
        assert_eq!(json["tests"][0]["test"], "handshake");
        assert_eq!(json["tests"][0]["contenders"][0]["usher_to_this"]["median"], 0.25);
        assert_eq!(json["memory"][0]["http2_connection_kib"], 25.0);
    }
}
