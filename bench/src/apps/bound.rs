//! Apps that were let in before usher starts: written by its own store, as if people had said yes.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::task::JoinSet;
use usher::{request::identify::SessionStore as _, store::Store};
use usher_rules::{
    jellyfin::TokenHash,
    people::{Member, People},
    plan::BUILTIN,
    session::{BoundApp, LetInBy, Means, SessionId, SignedIn},
    signin::member_signs_in,
    time::UnixTime,
};

use crate::{
    compare::sign_in::EMAIL,
    failure::Failure,
    front_door::{HOST, Setup},
};

/// How many.
pub const APPS: u32 = 10_000;
/// How many each person has.
const EACH: u32 = 5;

/// Written beside each other, so that the disk is waited for by many together.
const AT_ONCE: usize = 64;
const LIFE: Duration = Duration::from_secs(90 * 24 * 3600);

const CLIENTS: [(&str, &str); 5] = [
    ("Jellyfin Android TV", "Living room TV"),
    ("Jellyfin iOS", "Ann's phone"),
    ("Infuse-Direct", "Apple TV"),
    ("Jellyfin Media Player", "laptop-of-the-house"),
    ("Findroid", "Pixel 9"),
];

/// Writes them into usher's data directory; the token of the one that belongs to who signs in.
pub fn let_in(setup: &Setup<'_>) -> Result<String, Failure> {
    let store = Store::open(&setup.folder.join("data")).map_err(Failure::exchange("store"))?;
    let store = Arc::new(store);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::io("runtime"))?;
    runtime.block_on(async {
        let found = People::find(&*store, EMAIL).await.map_err(Failure::exchange("people"))?;
        let (ann, _) = found.ok_or_else(|| Failure::Usage(format!("{EMAIL} is not there")))?;
        let (now, mut beginning) = (now(), JoinSet::new());
        for nth in 0..APPS {
            let member = if nth == 0 { ann.clone() } else { guest(nth / EACH) };
            let (session, store) = (app(setup, &member, nth, now), Arc::clone(&store));
            if beginning.len() >= AT_ONCE
                && let Some(begun) = beginning.join_next().await
            {
                begun.map_err(Failure::exchange("an app"))??;
            }
            beginning.spawn(async move {
                store.insert(session).await.map(drop).map_err(Failure::exchange("an app"))
            });
        }
        for begun in beginning.join_all().await {
            begun?;
        }
        Ok(token(0))
    })
}

fn guest(nth: u32) -> Member {
    Member {
        id: format!("0d5c8f1e-0000-4000-8000-{nth:012x}").into(),
        email: format!("guest-{nth}@example.com").into(),
        name: format!("Guest {nth}").into(),
        groups: vec!["family".into()],
        ..Member::default()
    }
}

/// As servers make them: 32 hexadecimal digits.
fn token(nth: u32) -> String {
    format!("a1b2c3d4e5f6070809101112{nth:08x}")
}

fn app(setup: &Setup<'_>, member: &Member, nth: u32, now: UnixTime) -> SignedIn {
    let (client, device) = CLIENTS.get(nth as usize % CLIENTS.len()).copied().unwrap_or_default();
    let bound = BoundApp {
        token: TokenHash::of(token(nth).as_bytes()).to_hex().into(),
        server: format!("http://{}", setup.upstream).into(),
        host: HOST.into(),
        user: format!("9f86d081884c7d659a2feaa0{:08x}", nth / EACH).into(),
        client: client.into(),
        device: device.into(),
        device_id: format!("TW96aWxsYS81LjAgKFgxMTsgTGludXgpfDE3Njk{nth:08x}").into(),
        by: LetInBy::Page,
        seat: None,
        label: None,
        language: Some("en".into()),
        seen: None,
        unfetched_until: None,
    };
    let id = SessionId::from_random((u128::from(nth) << 96 | 9).to_be_bytes());
    let mut new =
        member_signs_in(member, Means::Provider, now).begin(id, BUILTIN, now, now.plus(LIFE));
    new.session.vouched_at = now.seconds();
    new.session.browser = Some(bound.shown().into());
    new.session.app = Some(Box::new(bound));
    new
}

#[expect(clippy::disallowed_methods, reason = "the sessions end by the clock of the machine")]
fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_seconds(since.as_secs())
}
