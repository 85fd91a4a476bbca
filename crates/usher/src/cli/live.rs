//! `usher check --live`: what the config says is tried from this machine. Nothing is changed, no
//! data is written, nobody is signed in, and root is not needed.
//!
//! | tried | how |
//! |---|---|
//! | [`names`] | each host of `from` is looked up |
//! | [`ports`] | each address is bound for a moment, or who answers there is asked |
//! | [`certificates`] | what a browser is shown, judged as a browser does |
//! | [`upstreams`] | TCP, TLS and one GET, as the route would speak |
//! | [`provider`] | discovery and keys |

mod certificates;
mod names;
mod ports;
mod provider;
mod upstreams;

use std::{
    fmt,
    io::{self, Write},
    path::Path,
    time::Duration,
};

use serde_json::json;
use usher_rules::{plan::Plan, problem::Severity, time::Now};

/// How long one thing may take: two would be enough on a good day.
const PATIENCE: Duration = Duration::from_secs(4);

/// What came of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tried {
    /// How bad it is; `None` is good.
    severity: Option<Severity>,
    /// `dns`, `port`, `certificate`, `upstream` or `provider`.
    about: &'static str,
    /// Which one.
    subject: String,
    /// What was seen.
    what: String,
    /// What to do; empty where all is well.
    help: String,
}

impl Tried {
    fn good(about: &'static str, subject: impl Into<String>, what: impl Into<String>) -> Self {
        let (subject, what) = (subject.into(), what.into());
        Self { severity: None, about, subject, what, help: String::new() }
    }

    fn bad(
        severity: Severity,
        about: &'static str,
        subject: impl Into<String>,
        (what, help): (impl Into<String>, impl Into<String>),
    ) -> Self {
        let (subject, what, help) = (subject.into(), what.into(), help.into());
        Self { severity: Some(severity), about, subject, what, help }
    }

    fn word(&self) -> &'static str {
        self.severity.map_or("ok", Severity::word)
    }

    fn to_json(&self) -> serde_json::Value {
        let Self { about, subject, what, help, .. } = self;
        json!({"severity": self.word(), "live": about, "subject": subject, "what": what, "help": help})
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}: {}", self.word(), self.about, self.subject, self.what)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "; {}", self.help) }
    }
}

/// Tries everything that `plan` names. Blocks until all have answered or had their time.
///
/// # Errors
///
/// The system gives no runtime.
pub(super) fn try_all(plan: &Plan, data_dir: Option<&Path>, now: Now) -> io::Result<Vec<Tried>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tried = runtime.block_on(async {
        let (names, ports) = tokio::join!(names::tried(plan), ports::tried(plan));
        let ours = ports.iter().any(|port| port.is_the_door);
        let (certificates, upstreams, providers) = tokio::join!(
            certificates::tried(plan, data_dir, ours, now.wall),
            upstreams::tried(plan),
            provider::tried(plan, now),
        );
        let ports = ports.into_iter().map(|port| port.tried);
        let all = names.into_iter().chain(ports).chain(certificates).chain(upstreams);
        all.chain(providers).collect()
    });
    // a resolver that is silent keeps a thread: nobody waits for it
    runtime.shutdown_background();
    Ok(tried)
}

/// Writes one line for each; whether none is an error.
///
/// # Errors
///
/// Nobody reads on.
pub(super) fn show(tried: &[Tried], as_json: bool, out: &mut impl Write) -> io::Result<bool> {
    for one in tried {
        if as_json { writeln!(out, "{}", one.to_json())? } else { writeln!(out, "{one}")? }
    }
    let count = |severity| tried.iter().filter(|one| one.severity == severity).count();
    let (errors, warnings) = (count(Some(Severity::Error)), count(Some(Severity::Warning)));
    if !as_json {
        writeln!(out, "live: {} tried, {errors} to mend, {warnings} to look at", tried.len())?;
    }
    Ok(errors == 0)
}
