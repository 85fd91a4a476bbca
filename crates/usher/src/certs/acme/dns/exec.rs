use std::{process::Stdio, time::Duration};

use tokio::process::Command;
use usher_rules::people::BoxFuture;

use super::{DnsError, DnsRecords, TxtRecord};

/// Longest last line of a program's errors that is told, in characters.
const LONGEST_LINE: usize = 300;

/// The operator's own program: `COMMAND … publish NAME VALUE`, and `withdraw` afterwards. It is
/// started as it stands, by no shell; `USHER_ACME_NAME` and `USHER_ACME_VALUE` say the same. It
/// ends with 0 when the record is set.
pub struct Exec {
    command: Vec<Box<str>>,
    patience: Duration,
}

impl Exec {
    /// Starts `command` for each record.
    pub fn new(command: &[Box<str>], patience: Duration) -> Self {
        Self { command: command.to_vec(), patience }
    }

    async fn run(&self, what: &str, record: &TxtRecord) -> Result<(), DnsError> {
        let name = self.command.first().cloned().unwrap_or_default();
        let failed = |why: String| DnsError::Hook { command: name.clone(), why: why.into() };
        let child = Command::new(&*name)
            .args(self.command.iter().skip(1).map(|argument| &**argument))
            .args([what, &record.name, &record.value])
            .env("USHER_ACME_NAME", &*record.name)
            .env("USHER_ACME_VALUE", &*record.value)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("can't be started: {error}")))?;
        let ended = tokio::time::timeout(self.patience, child.wait_with_output())
            .await
            .map_err(|_| {
                failed(format!("took longer than {} s and was ended", self.patience.as_secs()))
            })?
            .map_err(|error| failed(error.to_string()))?;
        if ended.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&ended.stderr);
        let last = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("nothing");
        let last: String = last.chars().take(LONGEST_LINE).collect();
        Err(failed(format!("ended with {}, and said: {last}", ended.status)))
    }
}

impl DnsRecords for Exec {
    fn publish<'a>(&'a self, record: &'a TxtRecord) -> BoxFuture<'a, Result<(), DnsError>> {
        Box::pin(self.run("publish", record))
    }

    fn withdraw<'a>(&'a self, record: &'a TxtRecord) -> BoxFuture<'a, Result<(), DnsError>> {
        Box::pin(self.run("withdraw", record))
    }
}
