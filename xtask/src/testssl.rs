//! `testssl.sh` against a host that usher serves with its local authority: nothing above "low",
//! but for what decision 0015 accepts.

use std::{
    fmt::Write as _,
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    shell::{Failure, Log, Outcome, cargo, found, run, target},
    tools,
};

/// Findings of a private authority (docs/decisions/0015-private-authority-findings.md).
const ACCEPTED: &[(&str, &str)] = &[
    ("cert_chain_of_trust", "the local authority is in nobody's store"),
    ("cert_revocation", "leaves of 47 days are not revoked, they are let run out"),
    ("cert_expirationStatus", "leaves live for 47 days, on purpose"),
    ("cert_notAfter", "leaves live for 47 days, on purpose"),
];

/// Findings of these severities fail.
const ABOVE_LOW: &[&str] = &["MEDIUM", "HIGH", "CRITICAL", "FATAL"];

/// Serves, scans, judges; the summary stays in `testssl-summary.txt` of the target folder.
pub fn check(log: &mut Log) -> Outcome {
    tools::debian(&[("testssl", "testssl.sh")])?;
    log.command("build", &mut cargo(["build", "--package", "usher", "--bin", "usher"]))?;
    let folder = target().join("testssl");
    log.step("testssl.sh", || {
        let port = free_port()?;
        let server = Server::start(&folder, port)?;
        let report = scan(&folder, port)?;
        drop(server);
        judge(&report)
    })
}

struct Server(Child);

impl Server {
    #[expect(clippy::disallowed_methods, reason = "another process begins to listen")]
    fn start(folder: &Path, port: u16) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::new(error.to_string());
        let _fresh = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).map_err(failed)?;
        let config = folder.join("config.yaml");
        let text = format!(
            "address: 127.0.0.1:{port}
routes:
- from: https://localhost:{port}
  to: http://127.0.0.1:9
  allow_any_authenticated_user: true
"
        );
        fs::write(&config, text).map_err(failed)?;
        let child = Command::new(target().join("debug/usher"))
            .args(["run", "--config"])
            .arg(&config)
            .arg("--data-dir")
            .arg(folder.join("data"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let server = Self(child);
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begin.elapsed() > Duration::from_secs(20) {
                return Err(Failure::new("usher does not listen"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0");
    let address = listener.and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(|error| Failure::new(error.to_string()))
}

fn scan(folder: &Path, port: u16) -> Result<PathBuf, Failure> {
    if !found("testssl") {
        return Err(Failure::new("no testssl\nhint: apt-get install testssl.sh"));
    }
    let report = folder.join("report.csv");
    let scanned = run(Command::new("testssl")
        .args(["--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1"])
        .args(["--openssl-timeout", "10", "--csvfile"])
        .arg(&report)
        .arg(format!("https://localhost:{port}"))
        .stdout(Stdio::null()));
    // Its status counts findings; whether it ran to the end, the report says.
    let _findings = scanned;
    Ok(report)
}

fn judge(report: &Path) -> Outcome {
    let text = fs::read_to_string(report)
        .map_err(|error| Failure::new(format!("testssl wrote no report: {error}")))?;
    let (mut summary, mut bad, mut count) = (String::new(), Vec::new(), 0);
    for line in text.lines().skip(1) {
        // "id","fqdn/ip","port","severity","finding","cve","cwe"; no line end stands in a field.
        let fields: Vec<&str> = line.trim_matches('"').split("\",\"").collect();
        let [id, _, _, severity, finding, ..] = fields.as_slice() else {
            return Err(Failure::new(format!("testssl's report can't be read: {line}")));
        };
        let (id, severity, finding) = (*id, *severity, *finding);
        count += 1;
        let id_alone = id.split_whitespace().next().unwrap_or(id);
        let accepted = ACCEPTED.iter().find(|(known, _)| *known == id_alone);
        let above = ABOVE_LOW.contains(&severity);
        let word = match (above, accepted) {
            (true, Some((_, why))) => format!("accepted: {why}"),
            (true, None) => {
                bad.push(format!("{severity} {id}: {}", finding));
                "REFUSED".into()
            }
            (false, _) => String::new(),
        };
        let _written = writeln!(summary, "{severity:9} {id:34} {} {word}", finding);
    }
    let path = target().join("testssl-summary.txt");
    fs::write(path, &summary).map_err(|error| Failure::new(error.to_string()))?;
    // A scan that was broken off has few findings.
    if count < 100 {
        return Err(Failure::new(format!("testssl found only {count} things")));
    }
    match bad.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(format!("testssl.sh found:\n{}", bad.join("\n")))),
    }
}
