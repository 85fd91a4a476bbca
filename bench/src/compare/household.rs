//! Many who are signed in already, as in a house that was not set up this minute.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use usher::{request::identify::SessionStore as _, store::Store};
use usher_rules::{
    people::Member,
    session::{Means, SessionId},
    signin::member_signs_in,
    time::UnixTime,
};

use crate::{failure::Failure, front_door::Setup};

/// How many.
pub const SESSIONS: u32 = 10_000;

const LIFE: Duration = Duration::from_secs(14 * 3600);

/// Writes their sessions into usher's data directory, before it starts.
pub fn signs_in(setup: &Setup<'_>) -> Result<(), Failure> {
    let store = Store::open(&setup.folder.join("data")).map_err(Failure::exchange("store"))?;
    let now = now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::io("runtime"))?;
    runtime.block_on(async {
        for nth in 0..SESSIONS {
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
            store.insert(session).await.map_err(Failure::exchange("a session"))?;
        }
        Ok(())
    })
}

#[expect(clippy::disallowed_methods, reason = "the sessions end by the clock of the machine")]
fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_seconds(since.as_secs())
}
