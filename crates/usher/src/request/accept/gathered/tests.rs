use std::{
    future::{Future as _, poll_fn},
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex};

use super::{Gathered, Pulse, limits};
use crate::request::accept::{Bounds, Protocol, Shares, Whose};

/// Counts what is written to it as calls.
#[derive(Debug)]
struct Counting(DuplexStream, Arc<AtomicUsize>);

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

fn gathered(room: usize) -> (Gathered<Counting>, DuplexStream, Arc<AtomicUsize>) {
    let (near, far) = duplex(room);
    let calls = Arc::new(AtomicUsize::new(0));
    let pulse = Pulse::new(Protocol::Http2);
    (Gathered::new(Counting(near, Arc::clone(&calls)), pulse), far, calls)
}

/// No two neighbours are alike, wherever one looks.
pub(in crate::request::accept) fn octets(count: usize) -> Vec<u8> {
    (0..count).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// One turn, no more, and no time: what it has written is with the peer.
#[tokio::test]
async fn what_a_turn_has_written_is_sent_at_its_end_in_one_go() {
    let (gathered, mut far, calls) = gathered(1 << 20);
    let mut stream = gathered.another();
    let mut turn = pin!(async move {
        for part in [&b"one "[..], b"two ", b"three"] {
            stream.write_all(part).await.unwrap();
            stream.flush().await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    let mut turns = pin!(gathered.turns(turn.as_mut()));
    assert!(turns.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    let mut came = [0; 13];
    far.read_exact(&mut came).await.unwrap();
    assert_eq!(&came, b"one two three");
    assert_eq!(gathered.lock().held.capacity(), 0, "nothing to send takes no memory");
}

/// The last turn is one as well.
#[tokio::test]
async fn what_the_last_turn_has_written_is_sent() {
    let (gathered, mut far, _) = gathered(64);
    let mut stream = gathered.another();
    let mut turn = pin!(async move { stream.write_all(b"bye").await.unwrap() });
    gathered.turns(turn.as_mut()).await;
    let mut came = [0; 3];
    far.read_exact(&mut came).await.unwrap();
    assert_eq!(&came, b"bye");
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_waited_for_and_loses_nothing() {
    let (gathered, mut far, _) = gathered(1000);
    let sent = octets(5 * limits::GATHERED);
    let mut stream = gathered.another();
    let mut turn = pin!(async {
        for part in sent.chunks(16_393) {
            stream.write_all(part).await.unwrap();
        }
        stream.shutdown().await.unwrap();
    });
    let mut turns = pin!(gathered.turns(turn.as_mut()));
    let polled = poll_fn(|cx| Poll::Ready(turns.as_mut().poll(cx))).await;
    assert!(polled.is_pending());
    assert!(gathered.lock().held.len() <= limits::GATHERED, "and no more is kept for it");
    let read = async {
        let mut came = Vec::new();
        let mut piece = [0; 777];
        loop {
            match far.read(&mut piece).await.unwrap() {
                0 => break came,
                octets => came.extend_from_slice(&piece[..octets]),
            }
        }
    };
    let ((), came) = tokio::join!(turns, read);
    assert!(came == sent, "{} of {} octets, or in another order", came.len(), sent.len());
}

/// A head and a frame that are longer together than one go.
#[tokio::test]
async fn several_parts_are_taken_in_their_order() {
    let (gathered, mut far, _) = gathered(1 << 20);
    let mut stream = gathered.another();
    let sent = octets(limits::GATHERED + 1000);
    let (mut left, mut turn) = (&sent[..], 0);
    while !left.is_empty() {
        let (head, rest) = left.split_at(left.len().min(9));
        let parts = [io::IoSlice::new(head), io::IoSlice::new(rest)];
        let took = poll_fn(|cx| Pin::new(&mut stream).poll_write_vectored(cx, &parts)).await;
        left = &left[took.unwrap()..];
        turn += 1;
    }
    assert_eq!(turn, 2, "what has no room comes in the next call");
    stream.shutdown().await.unwrap();
    let mut came = Vec::new();
    far.read_to_end(&mut came).await.unwrap();
    assert!(came == sent);
}

#[tokio::test]
async fn who_has_left_is_told_of() {
    let (gathered, far, _) = gathered(64);
    let mut stream = gathered.another();
    drop(far);
    let write = async { stream.write_all(&octets(2 * limits::GATHERED)).await.is_err() };
    assert!(gathered.turns(pin!(write)).await);
}

/// Else a thousand connections that nobody reads would hold what no share knows of.
#[tokio::test]
async fn what_is_held_counts_among_what_waits_for_the_client() {
    let shares = Shares::new(Bounds::for_files(1024));
    let whose = Whose::client([192, 0, 2, 1].into());
    let pulse = Pulse::admitted(Protocol::Http2, shares.admit(whose).await.unwrap());
    let (near, mut far) = duplex(10);
    let gathered = Gathered::new(near, pulse);
    let mut stream = gathered.another();
    stream.write_all(&octets(30)).await.unwrap();
    assert_eq!(shares.waiting(), 30);
    let (mut shut, mut read) = (pin!(stream.shutdown()), [0; 30]);
    let (all, _) = tokio::join!(gathered.turns(shut.as_mut()), far.read_exact(&mut read));
    all.unwrap();
    assert_eq!(shares.waiting(), 0, "the client has it");
    stream.write_all(&octets(30)).await.unwrap();
    assert_eq!(shares.waiting(), 30);
    drop((stream, gathered));
    assert_eq!(shares.waiting(), 0, "it never will");
}
