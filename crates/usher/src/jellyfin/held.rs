//! The sign-ins that are held: how many, and what each is known by.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::{hmac, rand::SystemRandom};
use usher_rules::jellyfin::pairing::{MOST_FROM_NETWORK, Network};

/// So many requests are held at all.
const MOST_HELD: usize = 32;

/// The requests that are held.
#[derive(Default)]
pub(super) struct Held {
    by_network: Mutex<BTreeMap<Network, usize>>,
    /// Of this process: what was typed is kept nowhere.
    key: Mutex<Option<hmac::Key>>,
}

/// A request that is held, as long as somebody waits for its answer.
pub(super) struct Place<'a> {
    held: &'a Held,
    network: Network,
}

impl Held {
    /// One more, where there is room for it.
    pub(super) fn take(&self, network: Network) -> Option<Place<'_>> {
        let mut all = self.by_network.lock().unwrap_or_else(PoisonError::into_inner);
        let here = all.get(&network).copied().unwrap_or_default();
        if here >= MOST_FROM_NETWORK || all.values().sum::<usize>() >= MOST_HELD {
            return None;
        }
        all.insert(network, here + 1);
        Some(Place { held: self, network })
    }

    /// What an app is known by when it comes back.
    pub(super) fn secret(&self, parts: &[&str]) -> Option<Vec<u8>> {
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if key.is_none() {
            *key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok();
        }
        let key = key.as_ref()?;
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
