//! Apps that know no Quick Connect: their sign-in is held while somebody says yes to it.
//!
//! What was typed there proves nothing and is asked of nobody. It is what the app is known by when it
//! comes back, since most give up before somebody has looked: the next try with the same name,
//! password, device and network gets what was made for it, once.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::hmac;
use http::{Response, StatusCode};
use tokio::time::{Instant, sleep};
use usher_rules::{
    jellyfin::{
        NameAndPassword,
        pairing::{AppNames, MOST_FROM_NETWORK, Network, TooMany},
    },
    secret::Secret,
};

use super::{
    let_in::random,
    pairing::{Pairing, failed, of_type, too_many},
    quick_connect::drawn,
};
use crate::request::{AppRequest, Body};

/// How long a request is held. Apps give up after twenty or thirty seconds.
const HELD_FOR: Duration = Duration::from_secs(45);
/// How often it is looked whether somebody has said yes.
const LOOK: Duration = Duration::from_secs(1);
/// So many requests are held at all.
const MOST_HELD: usize = 32;
/// Characters of the longest name that is shown.
const LONGEST_NAME: usize = 64;

/// The requests that are held.
#[derive(Default)]
pub(super) struct Held {
    by_network: Mutex<BTreeMap<Network, usize>>,
    /// Of this process: what was typed is kept nowhere.
    key: Mutex<Option<hmac::Key>>,
}

/// A request that is held, as long as somebody waits for its answer.
struct Place<'a> {
    held: &'a Held,
    network: Network,
}

impl Held {
    fn take(&self, network: Network) -> Option<Place<'_>> {
        let mut all = self.by_network.lock().unwrap_or_else(PoisonError::into_inner);
        let here = all.get(&network).copied().unwrap_or_default();
        if here >= MOST_FROM_NETWORK || all.values().sum::<usize>() >= MOST_HELD {
            return None;
        }
        all.insert(network, here + 1);
        Some(Place { held: self, network })
    }

    /// What an app is known by when it comes back.
    fn secret(&self, parts: &[&str]) -> Option<Vec<u8>> {
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        let octets: [u8; 32] = random().ok()?;
        let key = key.get_or_insert_with(|| hmac::Key::new(hmac::HMAC_SHA256, &octets));
        let mut context = hmac::Context::with_key(key);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        Some(context.sign().as_ref().to_vec())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut all = self.held.by_network.lock().unwrap_or_else(PoisonError::into_inner);
        let left = all.get(&self.network).map_or(0, |here| here.saturating_sub(1));
        match left {
            0 => drop(all.remove(&self.network)),
            left => drop(all.insert(self.network, left)),
        }
    }
}

impl Pairing {
    /// Answers once somebody has said yes, or that nobody has.
    pub(super) async fn hold(
        &self,
        asked: AppRequest<'_>,
        server: &str,
        (app, given): (AppNames, NameAndPassword),
    ) -> Response<Body> {
        let name = &*given.name;
        let password = given.password.expose_str().unwrap_or_default();
        let network = Network::of(asked.visitor);
        let Some(_until_it_is_answered) = self.held.take(network) else {
            return too_many(HELD_FOR);
        };
        let from = format!("{network:?}");
        let AppNames { client, device_id, .. } = &app;
        let parts = [name, password, &**client, &**device_id, &*from];
        let Some(secret) = self.held.secret(&parts) else {
            return failed(StatusCode::INTERNAL_SERVER_ERROR);
        };
        let shown: String = name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
        if let Err(TooMany { retry_after }) = self.comes(asked, server, (shown, app), &secret) {
            return too_many(retry_after);
        }
        let began = Instant::now();
        while began.elapsed() < HELD_FOR {
            let now = asked.now.monotonic + began.elapsed();
            if let Some(answer) = self.with(server, |all| all.exchange(&secret, now)) {
                return of_type(StatusCode::OK, answer);
            }
            sleep(LOOK).await;
        }
        failed(StatusCode::UNAUTHORIZED)
    }

    /// It waits already, or does from now on.
    fn comes(
        &self,
        asked: AppRequest<'_>,
        server: &str,
        (name, app): (String, AppNames),
        secret: &[u8],
    ) -> Result<(), TooMany> {
        let (from, now) = (asked.visitor, asked.now.monotonic);
        let (codes, _) = drawn().ok_or(TooMany { retry_after: LOOK })?;
        self.with(server, |all| match all.knows(secret, now) {
            true => Ok(()),
            false => all.hold((name.into(), app), from, (&codes, Secret::new(secret)), now),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn so_many_are_held_and_each_gives_its_place_back() {
        let held = Held::default();
        let at = |n: u8| Network::of(IpAddr::from([192, 0, 2, n]));
        let here: Vec<_> = (0..MOST_FROM_NETWORK).filter_map(|_| held.take(at(1))).collect();
        assert_eq!(here.len(), MOST_FROM_NETWORK);
        assert!(held.take(at(1)).is_none(), "one network has its share");
        let all: Vec<_> = (2..100).filter_map(|n| held.take(at(n))).collect();
        assert_eq!(here.len() + all.len(), MOST_HELD);
        drop(here);
        assert!(held.take(at(1)).is_some(), "given back");
        drop(all);
        assert!(held.by_network.lock().unwrap().is_empty(), "nothing is left behind");
    }

    #[test]
    fn what_was_typed_tells_two_apart() {
        let held = Held::default();
        let one = held.secret(&["ann", "pw", "Kodi", "1"]).unwrap();
        assert_eq!(held.secret(&["ann", "pw", "Kodi", "1"]).unwrap(), one);
        for other in
            [["ann", "pW", "Kodi", "1"], ["annp", "w", "Kodi", "1"], ["ann", "pw", "Kodi", "2"]]
        {
            assert_ne!(held.secret(&other).unwrap(), one, "{other:?}");
        }
        assert_ne!(Held::default().secret(&["ann", "pw", "Kodi", "1"]).unwrap(), one);
    }
}
