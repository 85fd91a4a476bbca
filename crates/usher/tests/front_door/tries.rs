//! Passwords are guessed slowly, and nobody is locked out by somebody else's guesses.

use http::{Method, StatusCode};
use usher_lab::{browser::NAVIGATION, upstream::Upstream};

use crate::house::{ANN, House, config, friends};

const PAGE: &str = "https://tv.test/";
const DEVICE: &str = "__Host-_pomerium_device_";

#[tokio::test]
async fn a_neighbour_behind_the_same_router_locks_nobody_out() {
    let upstream = Upstream::echo();
    let house = House::open(&config(&[friends("tv.test", upstream.address)])).await;
    let mut ann = house.signed_in(PAGE, ANN).await;
    let device = |jar: &usher_lab::browser::Browser| {
        let held: Vec<_> = jar.jar["tv.test"].iter().collect();
        let ours = held.into_iter().filter(|(name, _)| name.starts_with(DEVICE));
        ours.map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>()
    };
    let [(name, value)] = &device(&ann)[..] else { panic!("one device: {:?}", device(&ann)) };
    assert!(!value.contains("ann"), "{value}");
    let seen = ann.fetch("https://tv.test/echo").await;
    assert!(!seen.body.contains("_device_"), "the app does not get it: {}", seen.body);

    let mut neighbour = house.browser();
    let mut last = StatusCode::OK;
    for _ in 0..12 {
        last = neighbour.sign_in(PAGE, ANN.0, "a guess").await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS, "guessing is slowed down");
    let mut strange = house.browser();
    let seen = strange.sign_in(PAGE, ANN.0, ANN.1).await;
    assert_eq!(seen.status, StatusCode::TOO_MANY_REQUESTS, "a browser that nobody knows waits");

    // Hers, long after her session: only what is kept for long is left.
    let mut later = house.browser();
    let jar = later.jar.entry("tv.test".into()).or_default();
    jar.insert(name.clone(), value.clone());
    let seen = later.sign_in(PAGE, ANN.0, ANN.1).await;
    assert_eq!(seen.status, StatusCode::OK, "she gets in from the same address");
    assert_eq!(device(&later).len(), 1, "and is the same device as before");
    assert_eq!(device(&later)[0].0, *name);

    // Not a way in, and not for others' accounts.
    let mut only = house.browser();
    only.jar.entry("tv.test".into()).or_default().insert(name.clone(), value.clone());
    assert_eq!(only.fetch(PAGE).await.status, StatusCode::UNAUTHORIZED, "it opens nothing");
    let fields = [NAVIGATION, &[("cookie", "__Host-_pomerium_device_x=1.y")]].concat();
    let seen = house.browser().send(Method::GET, PAGE, &fields, "").await;
    assert_eq!(seen.status, StatusCode::FOUND, "garbage is nobody's device");
}
