//! A device hears that its app was ended, and somebody lets another one in on it meanwhile.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use tokio::sync::Semaphore;
use usher_lab::{
    browser::Browser,
    patience::within,
    upstream::{Exchange, Upstream},
};

use crate::{
    jellyfin::{KEY, TV, heads, open},
    jellyfin_kept::{let_in, tell},
    test_server::{ANN, eventually},
};

/// How often a library was told to drop a device.
fn dropped(library: &Upstream, id: &str) -> usize {
    let line = format!("DELETE /Devices?id={id} ");
    heads(library).iter().filter(|head| head.starts_with(&line)).count()
}

/// Ends one of hers, by its place on the page.
async fn end(ann: &mut Browser, place: usize) {
    let page = ann.open(&format!("{TV}/link")).await;
    let ids = page.body.split("name=\"end\" value=\"").skip(1);
    let ids = ids.filter_map(|rest| rest.split('"').next()).filter(|id| *id != "others");
    let id = ids.collect::<Vec<_>>()[place].to_owned();
    ann.post(&page, "/link", &[("end", &id)]).await;
}

/// The library ends every token of a device, also those that came since.
#[tokio::test]
async fn an_app_that_is_let_in_while_its_device_hears_of_an_end_stays() {
    let (asked, tokens) = (Arc::new(Semaphore::new(0)), AtomicUsize::new(0));
    let hears = Arc::clone(&asked);
    let library = Upstream::start(async move |exchange: &mut Exchange| {
        exchange.body().await?;
        if exchange.target().1.starts_with("/Sessions?deviceId=") {
            hears.add_permits(1);
            exchange.hung_up().await; // it never says who is there
            return Ok(());
        }
        tell(exchange, &tokens).await
    });
    let server = open(&library, &format!("api_key: {KEY}")).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let_in(&server, &mut ann, "phone").await;
    server.clock.turn(Duration::from_secs(1));
    let_in(&server, &mut ann, "tv").await;
    end(&mut ann, 0).await; // the newest is listed first: the television
    within("it hears of it", asked.acquire()).await.unwrap().forget();
    assert_eq!(dropped(&library, "tv"), 0, "it has to hear of it first");
    let_in(&server, &mut ann, "tv").await;
    assert_eq!(dropped(&library, "tv"), 1, "before the new token was made");
    // The telephone hears of its end after the television, and is dropped after that.
    end(&mut ann, 1).await;
    eventually("it is dropped", || (dropped(&library, "phone") == 1).then_some(())).await;
    assert_eq!(dropped(&library, "tv"), 1, "the new one stays");
}
