//! Who goes first when too much waits, and who never does.

use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{advance, sleep};

use super::{
    Bounds, Shares, Whose, limits,
    tests::{BOUNDS, admitted, client, is_over, until_it_must_go},
    usage::MODEST,
};

const SECOND: Duration = Duration::from_secs(1);
const MIB: usize = 1 << 20;

#[tokio::test(start_paused = true)]
async fn who_asks_for_one_thing_at_a_time_is_not_ended_for_bytes() {
    let shares = Shares::new(Bounds { bytes: MIB, ..BOUNDS });
    let one = admitted(&shares, client("::1")).await;
    let other = admitted(&shares, client("::1")).await;
    advance(60 * SECOND).await;
    assert!(one.wait(MODEST));
    assert!(other.wait(MODEST));
    let third = admitted(&shares, client("::1")).await;
    assert!(!third.wait(1), "a byte more than the client's share");
    assert!(![&one, &other, &third].into_iter().any(is_over), "nobody has more than is modest");
}

#[tokio::test(start_paused = true)]
async fn who_has_just_come_goes_after_those_who_have_stalled() {
    let shares = Shares::new(BOUNDS);
    let stalled = admitted(&shares, client("::1")).await;
    assert!(stalled.wait(2 * MIB));
    advance(60 * SECOND).await;
    let newcomer = admitted(&shares, client("::1")).await;
    assert!(!newcomer.wait(3 * MIB));
    assert!(is_over(&stalled) && !is_over(&newcomer), "though more waits for the newcomer");
}

#[tokio::test(start_paused = true)]
async fn one_place_is_made_for_one_who_waits() {
    let shares = Shares::new(BOUNDS);
    let mut crowd = Vec::new();
    for _ in 0..3 {
        crowd.push(admitted(&shares, client("::1")).await);
    }
    advance(60 * SECOND).await;
    tokio::select! {
        _none = shares.admit(client("::1")) => panic!("nobody has left yet"),
        () = sleep(3 * SECOND) => {}
    }
    assert_eq!(crowd.iter().filter(|one| is_over(one)).count(), 1, "it was asked for once");
}

#[tokio::test(start_paused = true)]
async fn a_film_is_not_ended_for_what_waits_for_it() {
    let shares = Shares::new(BOUNDS);
    let film = admitted(&shares, client("::1")).await;
    let stalled = admitted(&shares, client("::1")).await;
    for _ in 0..20 {
        advance(SECOND).await;
        film.moved(MIB);
    }
    assert!(film.wait(3 * MIB));
    assert!(!stalled.wait(2 * MIB));
    assert!(is_over(&stalled) && !is_over(&film));
}

#[tokio::test(start_paused = true)]
async fn a_film_that_has_stopped_is_a_film_no_more() {
    let shares = Shares::new(BOUNDS);
    let film = admitted(&shares, client("::1")).await;
    for _ in 0..20 {
        advance(SECOND).await;
        film.moved(MIB);
    }
    assert!(film.usage.is_at_work(shares.clock()));
    for _ in 0..3 {
        advance(16 * SECOND).await;
        film.usage.is_at_work(shares.clock());
    }
    assert!(!film.usage.is_at_work(shares.clock()), "for most of a minute nothing was taken");
}

#[tokio::test(start_paused = true)]
async fn what_fills_buffers_in_the_first_moments_is_no_reading() {
    let shares = Shares::new(Bounds { connections: 1, ..BOUNDS });
    let unread = admitted(&shares, client("::1")).await;
    assert!(unread.request());
    advance(SECOND).await;
    unread.moved(6 * MIB);
    advance(6 * SECOND).await;
    let (newcomer, ()) = tokio::join!(shares.admit(client("::1")), until_it_must_go(unread));
    assert!(newcomer.is_some());
}

/// What a proxy carries is many people's: only the process's budget holds for it.
#[tokio::test(start_paused = true)]
async fn a_proxy_has_the_process_s_budget_and_no_client_s() {
    let shares = Shares::new(BOUNDS);
    let proxy = admitted(&shares, Whose::Proxy).await;
    assert!(proxy.wait(5 * MIB), "more than a client's share");
    assert_eq!(proxy.may_wait(), limits::CONNECTION_WAITING);
    assert!(!proxy.wait(12 * MIB), "more than the process has");
    let busy = Shares::new(BOUNDS);
    let proxy = admitted(&busy, Whose::Proxy).await;
    let taken = (0..20).take_while(|_| proxy.request()).count();
    assert_eq!(taken, BOUNDS.sockets - 1, "as many requests as the process has room for");
}

#[tokio::test(start_paused = true)]
async fn where_half_is_taken_little_may_wait_on_a_connection() {
    let shares = Shares::new(BOUNDS);
    let one = admitted(&shares, client("::1")).await;
    assert_eq!(one.may_wait(), limits::CONNECTION_WAITING);
    assert!(one.wait(3 * MIB));
    assert_eq!(one.may_wait(), MODEST, "half of the client's");
    let other = admitted(&shares, client("192.0.2.1")).await;
    assert_eq!(other.may_wait(), limits::CONNECTION_WAITING, "nobody else's");
    let proxy = admitted(&shares, Whose::Proxy).await;
    assert!(proxy.wait(6 * MIB));
    assert_eq!(other.may_wait(), MODEST, "half of the process's");
}

#[tokio::test(start_paused = true)]
async fn a_process_full_of_new_connections_has_the_oldest_of_them_make_room() {
    let shares = Shares::new(BOUNDS);
    let mut crowd = Vec::new();
    for _ in 0..BOUNDS.sockets {
        crowd.push(admitted(&shares, Whose::Proxy).await);
    }
    assert!(shares.admit(client("::1")).await.is_some());
    assert_eq!(crowd.iter().filter(|one| is_over(one)).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_asked_for_much_makes_room_before_who_has_been_idle_longest() {
    let shares = Shares::new(BOUNDS);
    let idle = admitted(&shares, client("::1")).await;
    advance(5 * SECOND).await;
    let greedy = admitted(&shares, client("::1")).await;
    let _third = admitted(&shares, client("::1")).await;
    assert!(greedy.request() && greedy.wait(2 * MODEST));
    advance(5 * SECOND).await;
    let pending = shares.admit(client("::1")).now_or_never();
    assert!(pending.is_none(), "it waits until somebody has gone");
    assert!(is_over(&greedy) && !is_over(&idle));
}

/// Who is answered again and again is never settled: after a second one of them goes nevertheless.
#[tokio::test(start_paused = true)]
async fn whoever_is_always_answered_makes_room_after_a_second_the_greedy_first() {
    let shares = Shares::new(BOUNDS);
    let oldest = admitted(&shares, client("::1")).await;
    advance(SECOND).await;
    let greedy = admitted(&shares, client("::1")).await;
    let third = admitted(&shares, client("::1")).await;
    assert!(greedy.wait(2 * MODEST));
    let asks = async {
        while !is_over(&oldest) && !is_over(&greedy) {
            for one in [&oldest, &greedy, &third] {
                one.request();
                one.answered();
            }
            sleep(SECOND / 10).await;
        }
    };
    tokio::select! {
        biased; // or the first look finds one of them idle
        () = asks => {}
        _none = shares.admit(client("::1")) => panic!("nobody has left"),
    }
    assert!(is_over(&greedy) && !is_over(&oldest) && !is_over(&third));
}

#[tokio::test(start_paused = true)]
async fn no_more_wait_for_a_place_than_there_are() {
    let shares = Shares::new(Bounds { sockets: 100, ..BOUNDS });
    let mut places = Vec::new();
    for _ in 0..BOUNDS.connections {
        places.push(admitted(&shares, client("::1")).await);
    }
    let mut queue = Vec::new();
    for _ in 0..BOUNDS.connections {
        let mut waits = Box::pin(shares.admit(client("::1")));
        assert!(waits.as_mut().now_or_never().is_none());
        queue.push(waits);
    }
    let turned_away = shares.admit(client("::1")).now_or_never();
    assert!(matches!(turned_away, Some(None)), "at once");
}
