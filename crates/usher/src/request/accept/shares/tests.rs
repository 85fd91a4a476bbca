use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::time::{Instant, advance, sleep};

use super::{Admitted, Bounds, Shares, Whose, limits};

pub(super) const BOUNDS: Bounds = Bounds { sockets: 8, connections: 3, bytes: 16 << 20 };

pub(super) fn client(text: &str) -> Whose {
    Whose::client(text.parse::<IpAddr>().unwrap())
}

/// Comes in at once; it would wait where it has to.
pub(super) async fn admitted(shares: &Arc<Shares>, whose: Whose) -> Admitted {
    let began = Instant::now();
    let admitted = shares.admit(whose).await.expect("there is a place");
    assert_eq!(began.elapsed(), Duration::ZERO);
    admitted
}

pub(super) fn is_over(connection: &Admitted) -> bool {
    connection.usage.over.is_cancelled()
}

/// Ends as its task would end it.
pub(super) async fn until_it_must_go(connection: Admitted) {
    connection.must_go().await;
}

#[test]
fn who_counts_as_one_client() {
    assert_eq!(client("192.0.2.1"), client("::ffff:192.0.2.1"));
    assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
    assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:0:0:1"), "one /64");
    assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
}

#[test]
fn files_decide_how_many_connections_there_are() {
    assert_eq!(Bounds::for_files(1024).sockets, (1024 - limits::FILES_KEPT_BACK) / 2);
    assert_eq!(Bounds::for_files(0).sockets, limits::SOCKETS_AT_LEAST);
    assert_eq!(Bounds::for_files(1 << 20).connections, limits::CLIENT_CONNECTIONS);
}

#[tokio::test(start_paused = true)]
async fn a_full_share_ends_its_own_idlest_connection_and_nobody_else_s() {
    let shares = Shares::new(BOUNDS);
    let other = admitted(&shares, client("192.0.2.9")).await;
    let working = admitted(&shares, client("192.0.2.1")).await;
    advance(Duration::from_secs(1)).await;
    let idle = admitted(&shares, client("192.0.2.1")).await;
    advance(Duration::from_secs(1)).await;
    let later = admitted(&shares, client("192.0.2.1")).await;
    advance(Duration::from_secs(10)).await;
    assert!(working.request(), "it works, slowly");
    let began = Instant::now();
    let (fourth, ()) = tokio::join!(shares.admit(client("192.0.2.1")), until_it_must_go(idle));
    let fourth = fourth.expect("the one that asked for nothing longest makes room");
    assert_eq!(began.elapsed(), Duration::ZERO, "at once");
    assert!(!is_over(&working) && !is_over(&later) && !is_over(&other) && !is_over(&fourth));
    assert_eq!((shares.refused().ended, shares.refused().connections), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn who_has_just_come_has_its_turn_before_it_makes_room() {
    let shares = Shares::new(BOUNDS);
    let mut crowd = Vec::new();
    for _ in 0..3 {
        crowd.push(admitted(&shares, client("192.0.2.1")).await);
        advance(Duration::from_millis(10)).await;
    }
    let began = Instant::now();
    let oldest = crowd.remove(0);
    let (newcomer, ()) = tokio::join!(shares.admit(client("192.0.2.1")), until_it_must_go(oldest));
    assert!(newcomer.is_some());
    let waited = began.elapsed();
    assert!((900..2000).contains(&waited.as_millis()), "{waited:?}");
    let elsewhere = shares.admit(client("192.0.2.2")).await;
    assert!(elsewhere.is_some(), "nobody else waits for it");
}

#[tokio::test(start_paused = true)]
async fn who_plays_a_film_is_in_nobody_s_way() {
    let shares = Shares::new(BOUNDS);
    let mut films = Vec::new();
    for _ in 0..3 {
        films.push(admitted(&shares, client("192.0.2.1")).await);
    }
    let show = || films.iter().for_each(|film| film.moved(1 << 20));
    for _ in 0..20 {
        advance(Duration::from_secs(1)).await;
        show();
    }
    let began = Instant::now();
    let play = async {
        loop {
            show();
            sleep(Duration::from_secs(1)).await;
        }
    };
    let newcomer = tokio::select! {
        newcomer = shares.admit(client("192.0.2.1")) => newcomer,
        () = play => None,
    };
    assert!(newcomer.is_none(), "all of them work");
    assert_eq!(began.elapsed(), limits::PLACE);
    assert_eq!((shares.refused().ended, shares.refused().connections), (0, 1));
    assert!(!films.iter().any(is_over));
    assert!(shares.admit(client("192.0.2.2")).await.is_some(), "somebody else comes in");
}

#[tokio::test(start_paused = true)]
async fn a_full_process_takes_from_whoever_has_most() {
    let shares = Shares::new(BOUNDS);
    let mut crowd = Vec::new();
    for _ in 0..4 {
        crowd.push(admitted(&shares, Whose::Proxy).await);
    }
    let one = admitted(&shares, client("192.0.2.1")).await;
    assert!(crowd[0].request() && crowd[1].request() && crowd[2].request());
    advance(Duration::from_secs(10)).await;
    let _new = admitted(&shares, client("192.0.2.2")).await;
    assert!(is_over(&crowd[3]) && !is_over(&one));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_client_has_a_bound() {
    let shares = Shares::new(BOUNDS);
    let heavy = admitted(&shares, client("::1")).await;
    let light = admitted(&shares, client("::1")).await;
    advance(Duration::from_secs(60)).await;
    assert!(heavy.wait(3 << 20));
    assert!(!is_over(&heavy), "within the share");
    advance(Duration::from_secs(1)).await;
    assert!(!light.wait(2 << 20), "no more than its share");
    assert!(is_over(&heavy), "the heaviest of this client's goes");
    assert!(!is_over(&light));
    let before = shares.waiting();
    heavy.taken(3 << 20);
    assert_eq!(shares.waiting(), before - (3 << 20), "what is taken is given back");
}

#[tokio::test(start_paused = true)]
async fn many_requests_that_wait_are_as_many_bytes() {
    let shares = Shares::new(Bounds { sockets: 1000, ..BOUNDS });
    let greedy = admitted(&shares, client("192.0.2.1")).await;
    let share = (BOUNDS.bytes / limits::CLIENT_PART) / limits::STREAM_COST;
    advance(Duration::from_secs(60)).await;
    for _ in 0..share {
        assert!(greedy.request());
    }
    assert!(!greedy.request(), "one more than its share");
    assert_eq!(shares.refused().requests, 1);
    assert!(is_over(&greedy), "it takes nothing of what it asked for");
    let modest = admitted(&shares, client("192.0.2.1")).await;
    assert!(modest.request(), "the only request of a connection is answered nevertheless");
}

/// What fills the buffers of a client's system is no proof that anybody reads.
#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_reads_is_no_film() {
    let shares = Shares::new(Bounds { connections: 1, ..BOUNDS });
    let unread = admitted(&shares, client("192.0.2.1")).await;
    assert!(unread.request());
    unread.moved(6 << 20);
    advance(Duration::from_secs(6)).await;
    let (newcomer, ()) = tokio::join!(shares.admit(client("192.0.2.1")), until_it_must_go(unread));
    assert!(newcomer.is_some());
}

/// Who is ended for what it took comes back at once, and asks for as much again.
#[tokio::test(start_paused = true)]
async fn the_place_of_a_connection_that_took_too_much_stays_empty_for_a_while() {
    let shares = Shares::new(Bounds { connections: 4, ..BOUNDS });
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(admitted(&shares, client("192.0.2.1")).await);
    }
    let greedy = admitted(&shares, client("192.0.2.1")).await;
    for _ in 0..=limits::CLIENT_CANCELS {
        greedy.cancelled();
    }
    assert!(is_over(&greedy), "more than a client may take back");
    drop(greedy);
    let began = Instant::now();
    let film = || others.iter().for_each(|film| film.moved(1 << 20));
    let play = async {
        loop {
            film();
            sleep(Duration::from_secs(1)).await;
        }
    };
    let back = tokio::select! {
        back = shares.admit(client("192.0.2.1")) => back,
        () = play => None,
    };
    assert!(back.is_some());
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
    let behind_a_proxy = admitted(&shares, Whose::Proxy).await;
    for _ in 0..=limits::CLIENT_CANCELS {
        behind_a_proxy.cancelled();
    }
    assert!(!is_over(&behind_a_proxy), "these are many people");
}

/// Who takes too much on every connection would else close all places of its household.
#[tokio::test(start_paused = true)]
async fn most_places_of_a_client_open_again_at_once() {
    let shares = Shares::new(Bounds { connections: 4, ..BOUNDS });
    let mut greedy = Vec::new();
    for _ in 0..4 {
        greedy.push(admitted(&shares, client("192.0.2.1")).await);
    }
    for one in &greedy {
        (0..=limits::CLIENT_CANCELS).for_each(|_| one.cancelled());
        assert!(is_over(one));
    }
    drop(greedy);
    let mut back = Vec::new();
    for _ in 0..3 {
        back.push(admitted(&shares, client("192.0.2.1")).await);
    }
}

/// The connection that was to make room was ended for what it took, and its place stays empty:
/// who waited for it has another make room, and nobody queues behind for ever.
#[tokio::test(start_paused = true)]
async fn who_waits_for_a_place_that_stays_empty_gets_another() {
    let shares = Shares::new(Bounds { connections: 4, ..BOUNDS });
    let mut crowd = Vec::new();
    for _ in 0..4 {
        crowd.push(admitted(&shares, client("192.0.2.1")).await);
        advance(Duration::from_secs(2)).await;
    }
    let (second, first) = (crowd.remove(1), crowd.remove(0));
    let greedy = async {
        first.must_go().await;
        (0..=limits::CLIENT_CANCELS).for_each(|_| first.cancelled());
        drop(first);
    };
    let began = Instant::now();
    let newcomer = shares.admit(client("192.0.2.1"));
    let (newcomer, (), ()) = tokio::join!(newcomer, greedy, until_it_must_go(second));
    assert!(newcomer.is_some());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_left_is_forgotten() {
    let shares = Shares::new(BOUNDS);
    let one = admitted(&shares, client("192.0.2.1")).await;
    let two = admitted(&shares, client("192.0.2.1")).await;
    drop(one);
    assert_eq!(shares.clients().len(), 1);
    two.cancelled();
    drop(two);
    assert_eq!(shares.clients().len(), 1, "it has taken something back");
    advance(Duration::from_secs(2)).await;
    let _other = admitted(&shares, client("192.0.2.2")).await;
    assert_eq!(shares.clients().len(), 1, "and that is forgiven");
}
