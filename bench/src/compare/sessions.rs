//! Many who are signed in already, as where usher has run for weeks.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::task::JoinSet;
use usher::{request::identify::SessionStore as _, store::Store};
use usher_rules::{
    people::Member,
    session::{Means, SessionId},
    signin::member_signs_in,
    time::UnixTime,
};

use crate::failure::Failure;

/// How many.
pub const SESSIONS: u32 = 10_000;

/// Written beside each other, so that the disk is waited for by many together.
const AT_ONCE: usize = 64;

const LIFE: Duration = Duration::from_secs(14 * 3600);

/// Begins `count` sessions in a data directory of usher's, before it starts.
///
/// To be awaited wherever a runtime is: one of its own would not start inside another.
pub async fn begin(data: &Path, count: u32) -> Result<(), Failure> {
    let store = Arc::new(Store::open(data).map_err(Failure::exchange("store"))?);
    store.admit_at_most(usize::MAX); // whoever serves says how many it admits
    let now = now();
    let mut beginning = JoinSet::new();
    for nth in 0..count {
        let (id, email) = (format!("guest-{nth}"), format!("guest-{nth}@example.com"));
        let member = Member { id: id.into(), email: email.into(), ..Member::default() };
        let mut octets = [7; 16];
        octets[..4].copy_from_slice(&nth.to_be_bytes());
        let session = member_signs_in(&member, Means::Provider, now).begin(
            SessionId::from_random(octets),
            "provider",
            now,
            now.plus(LIFE),
        );
        let store = Arc::clone(&store);
        beginning.spawn(async move { store.insert(session).await.map(drop) });
        if beginning.len() >= AT_ONCE {
            begun(beginning.join_next().await)?;
        }
    }
    while let Some(one) = beginning.join_next().await {
        begun(Some(one))?;
    }
    Ok(())
}

fn begun<E, J>(one: Option<Result<Result<(), E>, J>>) -> Result<(), Failure>
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
    J: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Some(one) = one else { return Ok(()) };
    one.map_err(Failure::exchange("a session"))?.map_err(Failure::exchange("a session"))
}

#[expect(clippy::disallowed_methods, reason = "the sessions end by the clock of the machine")]
fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_seconds(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn as_many_are_signed_in_as_were_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        begin(folder.path(), 300).await.unwrap();
        assert_eq!(Store::open(folder.path()).unwrap().session_count(), 300);
    }
}
