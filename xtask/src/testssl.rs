//! `testssl.sh` against a host that usher serves with its local authority: nothing above "low",
//! but for what decision 0015 accepts.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    served::{Server, free_port},
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
        let server = Server::start(&folder, port, &config(port))?;
        let report = scan(&folder, port)?;
        drop(server);
        judge(&report)
    })
}

fn config(port: u16) -> String {
    format!(
        "address: 127.0.0.1:{port}
routes:
- from: https://localhost:{port}
  to: http://127.0.0.1:9
  allow_any_authenticated_user: true
"
    )
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
