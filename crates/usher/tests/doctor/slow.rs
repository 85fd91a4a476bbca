//! Answers that take their time, and what stands between that ends them.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncWriteExt as _, copy},
    net::TcpStream,
    time::timeout,
};
use usher::doctor::Slowly;
use usher_lab::upstream::{Exchange, Upstream};

use crate::setup::Setup;

/// More than the buffers on the way take, in three seconds.
const SLOWLY: Slowly = Slowly { octets: 40_000_000, over: Duration::from_secs(3) };

/// What ends every answer after a second.
fn impatient(to: SocketAddr) -> Upstream {
    Upstream::start(async move |exchange: &mut Exchange| {
        let mut beyond = TcpStream::connect(to).await?;
        beyond.write_all(format!("{}\r\n\r\n", exchange.head.trim_end()).as_bytes()).await?;
        let _over = timeout(Duration::from_secs(1), copy(&mut beyond, &mut exchange.stream)).await;
        Err(std::io::ErrorKind::TimedOut.into())
    })
}

#[tokio::test]
async fn what_cuts_a_slow_answer_is_named_and_only_where_one_is_read_slowly() {
    let mut setup = Setup::healthy().await;
    let between = impatient(setup.cinema.addr);
    let text = std::fs::read_to_string(setup.config()).unwrap();
    let text = text.replace(&setup.cinema.addr.to_string(), &between.address.to_string());
    assert!(text.contains(&between.address.to_string()), "{text}");
    std::fs::write(setup.config(), text).unwrap();
    assert_eq!(
        setup.wrong().await,
        [""; 0],
        "fast answers are over by then: {:?}",
        setup.told().await
    );
    setup.slow = Some(SLOWLY);
    assert_eq!(setup.wrong().await, ["D226"], "{:?}", setup.told().await);
}

#[tokio::test]
async fn a_slow_answer_that_comes_whole_is_fine() {
    let mut setup = Setup::healthy().await;
    setup.slow = Some(Slowly { over: Duration::from_secs(1), ..SLOWLY });
    let all = setup.examined().await;
    let one = all.iter().find(|one| one.code.id == "D226").unwrap();
    assert_eq!(one.severity, None, "{one}");
}
