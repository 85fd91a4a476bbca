use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, advance},
};

use super::{InFlight, Protocol, Pulse, Watched, limits};
use crate::request::accept::{Bounds, Shares, Whose, gathered::tests::octets};

const IDLE: Option<Duration> = Some(Duration::from_secs(300));

/// Seconds until the connection has outstayed its welcome.
async fn shown_out_after(pulse: &Pulse) -> u64 {
    let began = Instant::now();
    pulse.outstayed(IDLE).await;
    began.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn t12_who_says_nothing_is_shown_out() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let silent = Pulse::new(protocol);
        assert_eq!(shown_out_after(&silent).await, limits::FIRST_BYTE.as_secs());
    }
    // A byte now and then is no progress: the whole head has one limit.
    let dribbling = Pulse::new(Protocol::Http1);
    let (mut client, server) = tokio::io::duplex(64);
    let mut server = Watched::new(server, std::sync::Arc::clone(&dribbling));
    let began = Instant::now();
    while began.elapsed() < limits::HEAD - Duration::from_secs(1) {
        client.write_all(b"x").await.unwrap();
        server.read_u8().await.unwrap();
        advance(Duration::from_secs(5)).await;
    }
    dribbling.outstayed(IDLE).await;
    assert_eq!(began.elapsed().as_secs(), limits::HEAD.as_secs());

    // Between two requests it is the idle limit, from the end of the first on.
    let idle = Pulse::new(Protocol::Http1);
    let request = idle.request();
    assert!(idle.deadline(IDLE).is_none(), "a request that runs has its own limits");
    advance(Duration::from_secs(9000)).await;
    drop(request);
    assert_eq!(shown_out_after(&idle).await, 300);
    assert!(idle.deadline(None).is_none(), "and none where the config says so");
}

/// The timer slept through the whole idle limit, whatever began meanwhile.
#[tokio::test(start_paused = true)]
async fn a_head_in_an_open_connection_has_its_own_time() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let pulse = Pulse::new(protocol);
        let (mut client, server) = tokio::io::duplex(64);
        let mut server = Watched::new(server, std::sync::Arc::clone(&pulse));
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        client.write_all(preface).await.unwrap();
        server.read_exact(&mut [0; 24]).await.unwrap();
        drop(pulse.request());
        let talking = async {
            tokio::time::sleep(Duration::from_secs(100)).await;
            client.write_all(b"\0").await.unwrap();
            server.read_u8().await.unwrap();
        };
        let (shown_out, ()) = tokio::join!(shown_out_after(&pulse), talking);
        assert_eq!(shown_out, 100 + limits::HEAD.as_secs());
    }
}

/// What comes on a connection of a client, until it ends; gives what of it counts while it is half.
async fn counted(protocol: Protocol, begins: &[u8]) -> usize {
    let shares = Shares::new(Bounds::for_files(1024));
    let whose = Whose::client([192, 0, 2, 1].into());
    let pulse = Pulse::admitted(protocol, shares.admit(whose).await.unwrap());
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let mut server = Watched::new(server, std::sync::Arc::clone(&pulse));
    client.write_all(begins).await.unwrap();
    client.write_all(&vec![b'x'; 200 * 1024]).await.unwrap();
    server.read_exact(&mut vec![0; begins.len() + 200 * 1024]).await.unwrap();
    let while_half = shares.waiting();
    if !protocol.is_multiplexed() {
        drop(pulse.request());
        assert_eq!(shares.waiting(), 0, "a head that is complete is a request");
    }
    drop((server, pulse));
    assert_eq!(shares.waiting(), 0, "nothing is left of it");
    while_half
}

/// A thousand half heads were 256 MiB that nobody had counted.
#[tokio::test]
async fn what_waits_for_the_rest_of_a_head_counts_in_the_client_s_share() {
    let frame_of_a_mebibyte = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x10\0\0\x01\x04\0\0\0\x01";
    for (protocol, begins) in
        [(Protocol::Http1, &b"GET / HTTP/1.1\r\nx: "[..]), (Protocol::Http2, frame_of_a_mebibyte)]
    {
        let counted = counted(protocol, begins).await;
        let (least, most) = (200 * 1024 - limits::SHORT_HEAD, 200 * 1024);
        assert!((least..most).contains(&counted), "{counted}");
    }
    assert_eq!(limits::SHORT_HEAD, 8 * 1024, "as limits.md says");
}

/// A page may take back all that it was offered, again and again; who floods is shown out.
#[tokio::test(start_paused = true)]
async fn who_takes_back_more_than_a_page_does_is_shown_out() {
    let shown_out = async |pulse: &Pulse| {
        let patience = Duration::from_nanos(1);
        tokio::time::timeout(patience, pulse.cancels_too_much()).await.is_ok()
    };
    let pulse = Pulse::new(Protocol::Http2);
    let request = pulse.request();
    let take_back = |times| (0..times).for_each(|_| request.cancelled());
    take_back(limits::CANCELS);
    assert!(!shown_out(&pulse).await, "as many at once as anybody has a reason to");
    advance(Duration::from_secs(1)).await;
    take_back(limits::CANCELS_PER_SECOND);
    assert!(!shown_out(&pulse).await, "and as many as time has forgiven");
    take_back(1);
    assert!(shown_out(&pulse).await, "and no more");

    let one_by_one = Pulse::new(Protocol::Http1);
    let request = one_by_one.request();
    (0..=limits::CANCELS).for_each(|_| request.cancelled());
    assert!(!shown_out(&one_by_one).await, "over HTTP/1.1 each is a connection");
}

/// What a request waits for counts before it is answered.
#[tokio::test]
async fn a_connection_that_asks_for_too_much_has_no_room() {
    let shares = Shares::new(Bounds { sockets: 1000, connections: 3, bytes: 16 << 20 });
    let whose = Whose::client([192, 0, 2, 1].into());
    let pulse = Pulse::admitted(Protocol::Http2, shares.admit(whose).await.unwrap());
    let answered: Vec<_> =
        (0..1000).map(|_| pulse.request()).take_while(InFlight::has_room).collect();
    assert_eq!(answered.len(), (4 << 20) / limits::STREAM_COST, "its client's share of the bytes");
    drop(answered);
    assert!(pulse.request().has_room(), "and again");
}

/// A film's place is kept by what passes the wire, in either direction, and by nothing else.
#[tokio::test(start_paused = true)]
async fn what_passes_the_wire_keeps_the_place_of_a_film() {
    const SECOND: [u8; 4096] = [0; 4096];
    for (goes_out, comes_in, stays) in
        [(true, false, true), (false, true, true), (false, false, false)]
    {
        let shares = Shares::new(Bounds { sockets: 1000, connections: 1, bytes: 16 << 20 });
        let whose = Whose::client([192, 0, 2, 1].into());
        let pulse = Pulse::admitted(Protocol::Http1, shares.admit(whose).await.unwrap());
        let _film = pulse.request();
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let mut near = Watched::new(near, Arc::clone(&pulse));
        for _ in 0..20 {
            advance(Duration::from_secs(1)).await;
            if goes_out {
                near.write_all(&SECOND).await.unwrap();
            }
            if comes_in {
                far.write_all(&SECOND).await.unwrap();
                near.read_exact(&mut SECOND.clone()).await.unwrap();
            }
        }
        let has_gone = tokio::select! {
            biased;
            () = pulse.must_go() => true,
            newcomer = shares.admit(whose) => newcomer.is_some(),
        };
        assert_eq!(has_gone, !stays, "out: {goes_out}, in: {comes_in}");
    }
}

/// HTTP/1.1 has room for the longest head: an upload filled all of it before any was sent on.
#[tokio::test]
async fn an_upload_is_read_a_part_at_a_time_and_all_of_it() {
    let upload = octets(1_000_000);
    let (mut client, server) = tokio::io::duplex(upload.len());
    let mut server = Watched::new(server, Pulse::new(Protocol::Http1));
    client.write_all(&upload).await.unwrap();
    drop(client);
    let (mut came, mut room) = (Vec::new(), vec![0; 800 * 1024]);
    loop {
        let read = server.read(&mut room).await.unwrap();
        assert!(read as u64 <= limits::READ_AHEAD, "{read} at once");
        came.extend_from_slice(&room[..read]);
        if read == 0 {
            break;
        }
    }
    assert!(came == upload, "{} octets came", came.len());
}
