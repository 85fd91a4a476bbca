use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

use super::{Pulse, limits};

/// The bytes of one answer that wait for its client: counted until they are written or dropped.
#[derive(Debug)]
pub struct Waiting(Arc<Account>);

struct Account {
    pulse: Arc<Pulse>,
    bytes: AtomicUsize,
    waker: Mutex<Option<Waker>>,
}

/// A piece of an answer. When the last view of it goes, the client has it, or never will.
struct Counted {
    bytes: Bytes,
    _held: Held,
}

/// Bytes that are held and counted.
#[derive(Debug)]
pub struct Held {
    octets: usize,
    account: Arc<Account>,
}

impl Waiting {
    /// For an answer on the connection with this pulse.
    pub fn new(pulse: Arc<Pulse>) -> Self {
        Self(Arc::new(Account { pulse, bytes: AtomicUsize::new(0), waker: Mutex::new(None) }))
    }

    /// Ready when another piece may be asked for: always while none waits, so that an answer that
    /// is read goes on beside a hundred that are not.
    pub fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        if self.0.has_room() {
            return Poll::Ready(());
        }
        *self.0.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        if self.0.has_room() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Counts a piece.
    pub fn count(&self, bytes: Bytes) -> Bytes {
        if bytes.is_empty() {
            return bytes;
        }
        let mut held = self.nothing();
        held.grow_to(bytes.len());
        Bytes::from_owner(Counted { bytes, _held: held })
    }

    /// What begins to be held.
    pub fn nothing(&self) -> Held {
        Held { octets: 0, account: Arc::clone(&self.0) }
    }
}

impl Held {
    /// So many octets are held now.
    pub fn grow_to(&mut self, octets: usize) {
        let more = octets.saturating_sub(self.octets);
        if more > 0 {
            self.octets = octets;
            self.account.bytes.fetch_add(more, Ordering::Relaxed);
            self.account.pulse.wait(more);
        }
    }
}

impl Account {
    fn has_room(&self) -> bool {
        let own = self.bytes.load(Ordering::Relaxed);
        own == 0 || (own < limits::ANSWER_AHEAD && self.pulse.waiting() < self.pulse.may_wait())
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.account.bytes.fetch_sub(self.octets, Ordering::Relaxed);
        self.account.pulse.taken(self.octets);
        if self.account.has_room() {
            let waker = self.account.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        task::{Context, Poll, Wake, Waker},
    };

    use bytes::Bytes;

    use super::{Pulse, Waiting};
    use crate::request::accept::{Bounds, Protocol, Shares, Whose, limits};

    #[derive(Default)]
    struct Bell(AtomicBool);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// One that nobody reads stands still, the others go on beside it, a piece at a time.
    #[tokio::test]
    async fn answers_take_turns_where_much_waits() {
        let shares = Shares::new(Bounds::for_files(1024));
        let whose = Whose::client([192, 0, 2, 1].into());
        let pulse = Pulse::admitted(Protocol::Http2, shares.admit(whose).await.unwrap());
        let [large, small] = [&pulse, &pulse].map(|pulse| Waiting::new(Arc::clone(pulse)));
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        let cx = Context::from_waker(&waker);

        let little = large.count(Bytes::from(vec![0; 1000]));
        assert_eq!(large.poll_room(&cx), Poll::Ready(()), "little waits");
        let much = large.count(Bytes::from(vec![0; limits::CONNECTION_WAITING]));
        assert_eq!(large.poll_room(&cx), Poll::Pending);
        assert_eq!(small.poll_room(&cx), Poll::Ready(()), "nothing of it waits");
        let piece = small.count(Bytes::from_static(b"x"));
        assert_eq!(small.poll_room(&cx), Poll::Pending, "one piece each");
        drop((piece, little));
        assert!(!bell.0.load(Ordering::Relaxed) || small.poll_room(&cx).is_ready());
        drop(much);
        assert!(bell.0.load(Ordering::Relaxed), "it is told");
        assert_eq!(large.poll_room(&cx), Poll::Ready(()));
        assert_eq!(shares.waiting(), 0);
    }

    /// What is read ahead for a client that takes nothing lies in memory, and out of the cache.
    #[test]
    fn an_answer_that_nobody_takes_is_read_so_far_and_no_further() {
        let waiting = Waiting::new(Pulse::new(Protocol::Http1));
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        let cx = Context::from_waker(&waker);
        let piece = waiting.count(Bytes::from(vec![0; limits::ANSWER_AHEAD - 1]));
        assert_eq!(waiting.poll_room(&cx), Poll::Ready(()), "small pieces go together");
        let _last = waiting.count(Bytes::from_static(b"x"));
        assert_eq!(waiting.poll_room(&cx), Poll::Pending);
        drop(piece);
        assert!(bell.0.load(Ordering::Relaxed), "it goes on as soon as some of it is written");
        assert_eq!(waiting.poll_room(&cx), Poll::Ready(()));
    }
}
