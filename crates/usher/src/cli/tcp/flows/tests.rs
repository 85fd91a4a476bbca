use std::{
    future::pending,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    net::UdpSocket,
    time::advance,
};
use usher_lab::patience::within;
use usher_rules::capsule::{self, Capsules, LONGEST};

use super::{FLOWS, Flows, IDLE, Losses, Near, Queue, ROOM, relay};

async fn socket() -> (Arc<UdpSocket>, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    (Arc::new(socket), at)
}

fn peer(port: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap()))
}

type Begun = Arc<Mutex<Vec<u16>>>;
type Waits = BoxFuture<'static, ()>;

/// Flows that open at once and wait, and who has begun one.
fn waiting(
    socket: Arc<UdpSocket>,
    losses: &Arc<Losses>,
) -> (Flows<impl Fn(Near, Queue) -> Waits>, Begun) {
    let begun = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&begun);
    let carry = move |near: Near, queue: Queue| {
        told.lock().unwrap().push(near.peer.port());
        let waits: Waits = Box::pin(async move {
            let _held = (near, queue);
            pending().await
        });
        waits
    };
    (Flows::new(socket, Arc::clone(losses), carry), begun)
}

fn said(losses: &Losses) -> String {
    let said = losses.to_string();
    said.split_once("so far: ").unwrap().1.to_owned()
}

/// However many programs come, so many flows there are; what is open and silent makes room, and
/// what waits for its sign-in does not.
#[tokio::test]
async fn flows_are_bounded_and_the_most_silent_one_makes_room() {
    let (socket, at) = socket().await;
    let losses = Arc::new(Losses::at(at));
    let (mut flows, begun) = waiting(socket, &losses);
    for port in 1..=FLOWS {
        flows.take(peer(port), b"one");
    }
    flows.take(peer(FLOWS + 1), b"one");
    assert_eq!((flows.of.len(), begun.lock().unwrap().len()), (FLOWS, FLOWS), "all wait");
    assert!(said(&losses).contains("1 faster than"), "{losses}");
    for port in [7, 3, 5] {
        flows.of[&peer(port)].state.is_used();
    }
    flows.take(peer(FLOWS + 1), b"one");
    assert_eq!(flows.of.len(), FLOWS);
    assert!(!flows.of.contains_key(&peer(7)), "it was silent the longest");
    assert!(flows.of.contains_key(&peer(3)) && flows.of.contains_key(&peer(FLOWS + 1)));
}

/// What waits for the proxy is bounded in octets, empty datagrams count, and what was never sent on
/// is counted when its flow ends.
#[tokio::test]
async fn what_waits_is_bounded_and_what_is_lost_is_counted() {
    let (socket, at) = socket().await;
    let losses = Arc::new(Losses::at(at));
    let (mut flows, _) = waiting(socket, &losses);
    for _ in 0..ROOM / 1000 {
        flows.take(peer(1), &[7; 1000]);
    }
    let taken = ROOM / 1064;
    let lost = ROOM / 1000 - taken;
    assert!(said(&losses).contains(&format!(" {lost} faster than")), "{losses}");
    for _ in 0..=ROOM / 64 {
        flows.take(peer(2), b"");
    }
    assert!(said(&losses).contains(&format!(" {} faster than", lost + 1)), "{losses}");
    drop(flows);
    let all = taken + ROOM / 64;
    within("the queues are given up", async {
        while !said(&losses).ends_with(&format!(" {all} without a tunnel")) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A flow with its far end, its program, and what is lost.
async fn flow() -> (Near, UdpSocket, Arc<Losses>) {
    let (ours, at) = socket().await;
    let program = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    program.connect(at).await.unwrap();
    let losses = Arc::new(Losses::at(at));
    let near = Near {
        socket: ours,
        peer: program.local_addr().unwrap(),
        losses: Arc::clone(&losses),
        state: Arc::default(),
    };
    (near, program, losses)
}

fn queue(near: &Near) -> (tokio::sync::mpsc::UnboundedSender<Vec<u8>>, Queue) {
    let (queue, came) = tokio::sync::mpsc::unbounded_channel();
    let (losses, state) = (Arc::clone(&near.losses), Arc::clone(&near.state));
    (queue, Queue { came, losses, state })
}

async fn says(far: &mut DuplexStream, payload: &[u8]) {
    let mut stream = Vec::new();
    capsule::write(payload, &mut stream);
    far.write_all(&stream).await.unwrap();
}

/// IPv4 carries 65,507 octets: what is longer is counted, and the next one comes whole.
#[tokio::test]
async fn what_the_path_does_not_take_is_counted_and_never_cut() {
    let (near, program, losses) = flow().await;
    let (_kept, queue) = queue(&near);
    let (mut far, ours) = tokio::io::duplex(1024);
    let talk = async {
        for length in [LONGEST, 65_508, 65_507, 0] {
            says(&mut far, &vec![7; length]).await;
        }
        let mut heard = vec![0; LONGEST + 1];
        let lengths =
            [program.recv(&mut heard).await.unwrap(), program.recv(&mut heard).await.unwrap()];
        assert_eq!(lengths, [65_507, 0]);
        drop(far);
    };
    within("it ends", async { tokio::join!(relay(ours, &near, queue), talk) }).await;
    assert!(said(&losses).starts_with("2 too long for the path, 0 "), "{losses}");
}

/// What a program sent goes on in its order; two minutes of silence end a flow, and no sooner.
#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "ends with the flow that the test drives")]
async fn a_flow_ends_in_silence_and_keeps_its_order() {
    let (near, _program, losses) = flow().await;
    let (program, queue) = queue(&near);
    near.state.waiting.store(ROOM, std::sync::atomic::Ordering::Relaxed);
    let (mut far, ours) = tokio::io::duplex(1 << 20);
    let relayed = tokio::spawn(async move { relay(ours, &near, queue).await });
    for number in 0..100_u8 {
        program.send(vec![number; usize::from(number)]).unwrap();
    }
    let (mut capsules, mut heard) = (Capsules::default(), Vec::new());
    while heard.len() < 100 {
        let mut piece = Vec::with_capacity(999);
        far.read_buf(&mut piece).await.unwrap();
        capsules.read(&piece, |payload| heard.push(payload.to_vec())).unwrap();
    }
    for (number, payload) in (0..100_u8).zip(heard) {
        assert_eq!(payload, vec![number; usize::from(number)]);
    }
    advance(IDLE / 2).await;
    program.send(b"again".to_vec()).unwrap();
    tokio::task::yield_now().await;
    advance(IDLE - std::time::Duration::from_millis(10)).await;
    tokio::task::yield_now().await;
    assert!(!relayed.is_finished(), "no sooner");
    advance(std::time::Duration::from_millis(20)).await;
    within("it ends", relayed).await.unwrap();
    assert!(said(&losses).ends_with(" 0 without a tunnel"), "{losses}");
}
