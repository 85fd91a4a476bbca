//! Whoever guesses has so many tries.

use std::{sync::Arc, time::Duration};

use usher::{idp::WaysIn, store::Store};
use usher_rules::{
    accounts::{Accounts as _, Invitation},
    people::People as _,
    session::Keys,
    time::Clock as _,
};

use crate::{
    authenticator::{FILM, house},
    passkeys::{ann_asks_for_codes, asked_for_a_code, invited, shown_by_app},
    test_server::ANN,
};

/// Whoever knows the password must not have months of tries at six digits.
#[tokio::test]
async fn an_app_s_codes_are_guessed_a_hundred_times_at_most() {
    let (server, _upstream) = house().await;
    let (_ann, secret, codes) = ann_asks_for_codes(&server).await;
    let (mut thief, mut page) = asked_for_a_code(&server).await;
    for n in 0..100 {
        server.clock.turn(Duration::from_secs(30));
        if n % 20 == 19 {
            (thief, page) = asked_for_a_code(&server).await;
        }
        assert_eq!(thief.post(&page, "", &[("code", "no code")]).await.status, 403, "{n}");
    }
    server.clock.turn(Duration::from_secs(3600));
    let (mut browser, page) = asked_for_a_code(&server).await;
    let code = shown_by_app(&server, &secret);
    assert_eq!(browser.post(&page, "", &[("code", &code)]).await.status, 403, "also the right one");
    let seen = browser.post(&page, "", &[("code", &codes[0])]).await;
    assert_eq!(seen.url.as_str(), FILM, "a recovery code gets its owner in");
}

#[tokio::test]
async fn a_good_link_tries_out_no_addresses_for_long() {
    let (server, _upstream) = house().await;
    let (mut kim, page) = invited(&server, Invitation::default()).await;
    let typed = [("email", ANN.0), ("password", "a good long password of kim")];
    for n in 0..10 {
        let seen = kim.post(&page, "", &typed).await;
        assert!(seen.body.contains("has that address already"), "{n}: {}", seen.body);
    }
    let seen = kim.post(&page, "", &typed).await;
    assert!(seen.body.contains("Too many tries"), "{}", seen.body);
    server.clock.turn(Duration::from_secs(30));
    let own = [("email", "kim@example.com"), ("password", "a good long password of kim")];
    assert_eq!(kim.post(&page, "", &own).await.status, 200, "and it is still good");
}

/// Tries that come at once are no cheaper than one after another.
#[tokio::test]
async fn wrong_codes_that_come_at_once_are_each_counted() {
    let (server, _upstream) = house().await;
    let (_ann, secret, _codes) = ann_asks_for_codes(&server).await;
    let store = Arc::new(Store::open(&server.data_dir()).unwrap());
    let made = &server.keys()[0];
    store.seal_with(Arc::new(Keys::derive(&made.shared, &made.cookie).unwrap())).unwrap();
    let (ann, _) = store.find(ANN.0).await.unwrap().unwrap();
    let ways = WaysIn::new(Arc::new(server.directory()), Arc::<Store>::clone(&store));
    for n in 0..50 {
        server.clock.turn(Duration::from_secs(60));
        let now = server.clock.now();
        let (one, other) = tokio::join!(
            ways.take_code(&ann.id, "no code", now),
            ways.take_code(&ann.id, "nor this", now)
        );
        assert!(one.is_err() && other.is_err(), "{n}");
    }
    server.clock.turn(Duration::from_secs(60));
    let code = shown_by_app(&server, &secret);
    let taken = ways.take_code(&ann.id, &code, server.clock.now()).await;
    assert!(taken.is_err(), "a hundred of them");
}
