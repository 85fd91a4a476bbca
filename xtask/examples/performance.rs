//! `docs/reference/performance.md`, from `bench/results.json` and the notes in `bench/misses.md`:
//! writes it, or with `--check` fails where it is stale. A program of its own because it reads JSON,
//! which the other chores need not wait for.
#![expect(clippy::print_stderr, reason = "chores talk to a person")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::Value;

const RESULTS: &str = "bench/results.json";
const NOTES: &str = "bench/misses.md";
const PAGE: &str = "docs/reference/performance.md";

/// What stands above the tables.
const METHOD: &str = "\
The proxy under test has one core for itself; load, app and authorization service share the other.
A repetition asks each contender in turn, every other one in reverse order, and only ratios inside
one repetition are compared, since the same program drifts by a fifth from minute to minute. What
counts is CPU time of the proxy's whole process tree, with the service that it asks about each
request, divided by what was done. Each contender is warmed up, and asked 400 things before: every
answer is the app's, over kept connections, and a service is asked exactly once per request.
Where the profile is `dist`, usher is what `cargo xtask dist` builds (decision 0114). It runs as the guide sets it up: a session cookie, a policy by e-mail, identity fields and a
signed assertion to the app, two records per request into a file. The peers run one worker without
an access log; those that ask no service do no identity work at all. *usher's libraries alone* are TLS
and HTTP of the same crates with the library's own client and nothing of usher, for small answers: what
is above them is usher's own. A film has 256 MiB, and eight go at once, down or up. What is sent up is passed
on as it comes, by the nginx of 64 KiB buffers too; the app reads it and answers when all has come. Clients offer TLS 1.3 with
AES-128-GCM and X25519 only. Figures are medians, with the least and the most.
";

fn main() -> ExitCode {
    let outcome = if std::env::args().any(|word| word == "--check") { check() } else { renew() };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn renew() -> Result<(), Box<dyn Error>> {
    Ok(fs::write(place(PAGE), fresh()?)?)
}

fn check() -> Result<(), Box<dyn Error>> {
    match read(PAGE)? == fresh()? {
        true => Ok(()),
        false => Err(format!("{PAGE} is stale: run `cargo xtask docs`").into()),
    }
}

/// The page as it would be if it were written now.
fn fresh() -> Result<String, Box<dyn Error>> {
    Ok(page(&serde_json::from_str(&read(RESULTS)?)?, &read(NOTES)?))
}

fn read(file: &str) -> Result<String, Box<dyn Error>> {
    fs::read_to_string(place(file)).map_err(|error| format!("{file}: {error}").into())
}

/// Where that lies, from the root of the repository.
fn place(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

/// The whole page.
fn page(results: &Value, notes: &str) -> String {
    let machine = &results["machine"];
    let mut page = format!(
        "# Performance\n\nWritten by `cargo xtask docs` from `{RESULTS}`, which `cargo xtask bench` \
         writes; the notes at the end are `{NOTES}`.\n\nMeasured on {} with the profile `{}`, {} \
         repetitions, {} sessions, on {} cores of {}, Linux {}.\n\n## How it is measured\n\n{METHOD}",
        text(&results["date"]),
        text(&results["profile"]),
        results["repetitions"],
        results["sessions"],
        machine["cores"],
        text(&machine["cpu"]),
        text(&machine["kernel"]),
    );
    // `cargo xtask bench` writes no such word: who puts figures together by hand says so here
    if let Some(provisional) = results["provisional"].as_str() {
        page = page.replacen("\n\n## How", &format!("\n\n**{provisional}**\n\n## How"), 1);
    }
    page += "\n## CPU time\n\n*usher / this* below 1 means that usher takes less.\n";
    for test in list(&results["tests"]) {
        page += &cpu(test);
    }
    page += &latency(&results["latency"]);
    page += &memory(results);
    page += &many(&results["many"]);
    page += "\n## What is missed, and why\n\n";
    page += notes;
    page
}

fn cpu(test: &Value) -> String {
    let mut rows = String::new();
    for peer in list(&test["contenders"]) {
        let name = text(&peer["name"]);
        let alone = list(&peer["costs_without_authorizer"]);
        if !alone.is_empty() {
            let ratio = spread(&peer["usher_to_this_without_authorizer"]);
            rows += &row(&[
                format!("{name}, proxy alone"),
                middle(alone),
                ratio,
                "–".into(),
                String::new(),
            ]);
        }
        let included = if alone.is_empty() { "" } else { ", authorizer included" };
        let (ratio, aim) = (&peer["usher_to_this"], &peer["aim"]);
        let own = peer["contender"] == "usher";
        rows += &row(&[
            format!("{name}{included}"),
            middle(list(&peer["costs"])),
            if own { "–".into() } else { spread(ratio) },
            target(aim),
            verdict(ratio, aim),
        ]);
    }
    let (title, unit) = (text(&test["title"]), text(&test["unit"]));
    section(title, &["", unit, "usher / this", "target", ""], &rows)
}

fn latency(situations: &Value) -> String {
    let mut page = heading(situations, "Latency");
    if page.is_empty() {
        return page;
    }
    page += "\n*p99 of a second* is the middle one of the p99 of each second of a load: few pauses of the\n\
             whole machine move it less. What is aimed at is the p99 of the load.\n";
    for situation in list(situations) {
        let mut rows = String::new();
        for peer in list(&situation["contenders"]) {
            let own = peer["contender"] == "usher";
            let (ratio, aim) = (&peer["usher_p99_to_this"], &peer["aim"]);
            let usual = &peer["usher_p99_of_a_second_to_this"];
            rows += &row(&[
                text(&peer["name"]).into(),
                spread(&peer["p50_ms"]),
                spread(&peer["p99_ms"]),
                spread(&peer["p99_9_ms"]),
                spread(&peer["p99_ms_of_a_second"]),
                if own { "–".into() } else { spread(usual) },
                if own { "–".into() } else { spread(ratio) },
                target(aim),
                verdict(ratio, aim),
            ]);
        }
        let columns = [
            "",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "p99 ms of a second",
            "usher / this, of a second",
            "usher / this, p99",
            "target",
            "",
        ];
        let rate = middle(list(&situation["requests_per_second"]));
        let title = format!("{}: {rate} a second", text(&situation["title"]));
        page += &section(&title, &columns, &rows);
        page += &idle(list(&situation["contenders"]));
    }
    page
}

/// How much room the load had; nothing where the results are older than the question.
fn idle(contenders: &[Value]) -> String {
    let end = |key: &'static str| {
        contenders.iter().filter_map(move |it| it["load_core_idle_percent"].get(key)?.as_f64())
    };
    match (end("least").reduce(f64::min), end("most").reduce(f64::max)) {
        (Some(least), Some(most)) => {
            let full =
                if least < 5.0 { ", so that its own queue may be in the figures" } else { "" };
            format!("\nThe load's core was idle for {least:.0} to {most:.0} % of the time{full}.\n")
        }
        _ => String::new(),
    }
}

fn memory(results: &Value) -> String {
    let weights = &results["memory"];
    let keys = ["idle_mib", "websocket_kib", "http2_connection_kib"];
    let aims: Vec<f64> = list(&results["memory_aims"]).iter().filter_map(Value::as_f64).collect();
    let mut page = heading(weights, "Memory");
    if page.is_empty() {
        return page;
    }
    page += "\nProportional set size of all processes of one; usher with its sessions.\n\n";
    page += &row(&[
        "".into(),
        "MiB at idle".into(),
        "KiB per idle WebSocket".into(),
        "KiB per idle HTTP/2 connection".into(),
    ]);
    page += "|---|---|---|---|\n";
    for weight in list(weights) {
        let figures = keys.map(|key| weight[key].as_f64().unwrap_or_default());
        let [idle, socket, http2] = figures.map(|figure| format!("{figure:.1}"));
        page += &row(&[text(&weight["name"]).into(), idle, socket, http2]);
        if weight["contender"] == "usher" {
            let mut cells = vec!["usher's target".to_owned()];
            cells.extend(aims.iter().zip(figures).map(|(aim, figure)| {
                format!("{aim:.0}, {}", if figure <= *aim { "met" } else { "**missed**" })
            }));
            page += &row(&cells);
        }
    }
    page
}

fn many(grown: &Value) -> String {
    let mut page = heading(grown, "Many of everything");
    if page.is_empty() {
        return page;
    }
    page += "\nFlat is what grows by no more than 1.15 from a tenth of the number to the whole. Where \
             fewer are held than are asked for, the machine gives a process no more open files. Routes \
             and sessions are weighed before anybody asks for something: a session that is in use takes \
             more (`limits.md`).\n\n";
    let columns =
        ["", "how many", "asked for", "KiB each", "grows", "CPU µs per small request", "grows"];
    page += &head(&columns);
    for growth in list(grown) {
        let flat = |key: &str| if growth[key] == true { "flat" } else { "**not flat**" };
        let pair = |key: &str| {
            let both: Vec<String> =
                list(&growth[key]).iter().filter_map(Value::as_f64).map(figure).collect();
            both.join(" to ")
        };
        let cpu: Vec<String> = list(&growth["cpu_us"]).iter().map(spread).collect();
        page += &row(&[
            text(&growth["what"]).into(),
            list(&growth["counts"]).iter().map(Value::to_string).collect::<Vec<_>>().join(" and "),
            growth["wanted"].to_string(),
            pair("kib_each"),
            format!(
                "{}, {}",
                figure(growth["memory_ratio"].as_f64().unwrap_or_default()),
                flat("memory_flat")
            ),
            cpu.join(" to "),
            format!("{}, {}", spread(&growth["cpu_ratio"]), flat("cpu_flat")),
        ]);
    }
    page
}

/// Of a part that was not measured nothing is said.
fn heading(of: &Value, title: &str) -> String {
    if list(of).is_empty() { String::new() } else { format!("\n## {title}\n") }
}

fn section(title: &str, columns: &[&str], rows: &str) -> String {
    let mut first = title.chars();
    let title: String =
        first.next().map(|it| it.to_uppercase().chain(first).collect()).unwrap_or_default();
    format!("\n### {title}\n\n{}{rows}", head(columns))
}

fn head(columns: &[&str]) -> String {
    let names: Vec<String> = columns.iter().map(|it| (*it).to_owned()).collect();
    format!("{}|{}\n", row(&names), "---|".repeat(columns.len()))
}

fn row(cells: &[String]) -> String {
    let mut row = "|".to_owned();
    for cell in cells {
        let _infallible = write!(row, " {cell} |");
    }
    row + "\n"
}

fn target(aim: &Value) -> String {
    aim.as_f64().map_or_else(|| "–".into(), |aim| format!("≤ {aim:.2}"))
}

fn verdict(ratio: &Value, aim: &Value) -> String {
    match (ratio["median"].as_f64(), aim.as_f64()) {
        (Some(ratio), Some(aim)) if ratio <= aim => "met".into(),
        (Some(_), Some(_)) => "**missed**".into(),
        _ => String::new(),
    }
}

/// `median (least to most)`.
fn spread(of: &Value) -> String {
    let part = |key: &str| of[key].as_f64();
    match (part("median"), part("least"), part("most")) {
        (Some(median), Some(least), Some(most)) => {
            format!("{} ({} to {})", figure(median), figure(least), figure(most))
        }
        _ => "–".into(),
    }
}

/// The one in the middle.
fn middle(figures: &[Value]) -> String {
    let mut figures: Vec<f64> = figures.iter().filter_map(Value::as_f64).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).map_or_else(|| "–".into(), |it| figure(*it))
}

fn figure(of: f64) -> String {
    if of >= 100.0 { format!("{of:.0}") } else { format!("{of:.2}") }
}

fn list(of: &Value) -> &[Value] {
    of.as_array().map_or(&[], Vec::as_slice)
}

fn text(of: &Value) -> &str {
    of.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ratio(median: f64) -> Value {
        json!({ "median": median, "least": 0.5, "most": 2.0 })
    }

    #[test]
    fn what_is_missed_is_seen_and_what_was_not_measured_is_left_out() {
        let peer = json!({
            "contender": "nginx-auth_request", "name": "nginx + auth_request", "aim": 0.5,
            "costs": [50.0, 60.0, 70.0], "costs_without_authorizer": [40.0, 50.0, 60.0],
            "usher_to_this": ratio(0.4), "usher_to_this_without_authorizer": ratio(0.6),
        });
        let other = json!({
            "contender": "nginx-tuned", "name": "nginx", "aim": 0.95, "costs": [20.0],
            "costs_without_authorizer": [], "usher_to_this": ratio(1.2),
        });
        let test = json!({ "title": "small requests", "unit": "µs", "contenders": [peer, other] });
        let page = page(&json!({ "date": "2026-11-28", "tests": [test] }), "A note.\n");
        for line in [
            "### Small requests",
            "| nginx + auth_request, proxy alone | 50.00 | 0.60 (0.50 to 2.00) | – |  |",
            "| nginx + auth_request, authorizer included | 60.00 | 0.40 (0.50 to 2.00) | ≤ 0.50 | met |",
            "| nginx | 20.00 | 1.20 (0.50 to 2.00) | ≤ 0.95 | **missed** |",
            "A note.",
        ] {
            assert!(page.lines().any(|it| it == line), "{line}\n{page}");
        }
        assert!(!page.contains("**No"), "{page}");
        assert!(!page.contains("## Memory") && !page.contains("## Latency"), "{page}");
    }

    #[test]
    fn how_idle_the_core_of_the_load_was_is_told_where_it_is_known() {
        let peer = |least: f64, most: f64| json!({ "load_core_idle_percent": { "least": least, "median": most, "most": most } });
        let (roomy, full) = (peer(31.4, 40.0), peer(4.0, 35.0));
        assert_eq!(
            idle(std::slice::from_ref(&roomy)),
            "\nThe load's core was idle for 31 to 40 % of the time.\n"
        );
        assert!(idle(&[roomy, full]).contains("4 to 40 % of the time, so that its own queue"));
        assert_eq!(idle(&[json!({ "load_core_idle_percent": null }), json!({})]), "");
    }

    #[test]
    fn what_grows_and_what_weighs_too_much_is_seen() {
        let weight = json!({
            "contender": "usher", "name": "usher",
            "idle_mib": 20.0, "websocket_kib": 17.0, "http2_connection_kib": 24.0,
        });
        let growth = json!({
            "what": "routes", "wanted": 10_000, "counts": [1000, 10_000], "kib_each": [9.0, 5.0],
            "memory_ratio": 0.55, "memory_flat": true, "cpu_us": [ratio(30.0), ratio(40.0)],
            "cpu_ratio": ratio(1.33), "cpu_flat": false,
        });
        let results = json!({ "provisional": "No.", "memory": [weight], "memory_aims": [24.0, 16.0, 24.0], "many": [growth] });
        let page = page(&results, "");
        assert!(page.contains("\n\n**No.**\n\n## How it is measured"), "{page}");
        assert!(page.contains("| usher's target | 24, met | 16, **missed** | 24, met |"), "{page}");
        assert!(
            page.contains("| routes | 1000 and 10000 | 10000 | 9.00 to 5.00 | 0.55, flat |"),
            "{page}"
        );
        assert!(page.contains("1.33 (0.50 to 2.00), **not flat** |"), "{page}");
    }
}
