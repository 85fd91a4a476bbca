//! Panics: caught where one request or one stream ends, with the place where they happened.
//!
//! What a panic says may hold anything a visitor sent, so only words that stand in the source are
//! kept, and the place.

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook},
    pin::Pin,
    sync::Once,
    task::Poll,
};

/// A panic that went no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked {
    /// File and line, where known.
    pub place: Box<str>,
    /// What it says, if that is fixed in the source.
    pub words: &'static str,
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.words, self.place)
    }
}

impl std::error::Error for Panicked {}

thread_local! {
    /// How many catchers are above us on this thread's stack.
    static CATCHERS: Cell<usize> = const { Cell::new(0) };
    static LAST: RefCell<Option<Panicked>> = const { RefCell::new(None) };
}

/// Has panics noted where they will be caught; elsewhere they are printed as before.
pub(crate) fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if CATCHERS.get() == 0 {
                before(info);
            } else {
                LAST.set(Some(noted(info)));
            }
        }));
    });
}

fn noted(info: &PanicHookInfo<'_>) -> Panicked {
    let place = info.location().map_or_else(|| "unknown place".into(), ToString::to_string);
    let words = info.payload().downcast_ref::<&'static str>();
    Panicked { place: place.into(), words: words.copied().unwrap_or("a panic") }
}

struct Catcher;

impl Catcher {
    fn begin() -> Self {
        CATCHERS.set(CATCHERS.get() + 1);
        Self
    }
}

impl Drop for Catcher {
    fn drop(&mut self) {
        CATCHERS.set(CATCHERS.get().saturating_sub(1));
    }
}

/// Does it, and catches a panic. What it touched is not to be used again, or only to end it.
pub(crate) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, Panicked> {
    let _catcher = Catcher::begin();
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let unknown = || Panicked { place: "unknown place".into(), words: "a panic" };
        drop(catch_unwind(AssertUnwindSafe(|| drop(payload)))); // a payload may panic as well
        LAST.take().unwrap_or_else(unknown)
    })
}

/// The same for what takes a while. What it held is let go of under the same guard: a lock that the
/// panic left poisoned may make that panic as well.
///
/// It is pinned by its caller (`caught(pin!(Some(future)))`): a future that is handed over has room
/// made for it twice, and again in whatever holds that.
pub(crate) async fn caught<F: Future>(
    mut running: Pin<&mut Option<F>>,
) -> Result<F::Output, Panicked> {
    let ended = poll_fn(|cx| {
        let Some(future) = running.as_mut().as_pin_mut() else { return Poll::Pending };
        match catch(|| future.poll(cx)) {
            Ok(polled) => polled.map(Ok),
            Err(panicked) => Poll::Ready(Err(panicked)),
        }
    })
    .await;
    let let_go = catch(|| running.set(None));
    ended.and_then(|output| let_go.map(|()| output))
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::{Pin, pin},
        task::{Context, Poll},
    };

    use super::{catch, caught, note_panics};

    #[test]
    fn a_panic_tells_its_place_and_no_data() {
        note_panics();
        let secret = "hunter2";
        let panicked = catch(|| panic!("it was {secret}")).unwrap_err();
        assert_eq!(panicked.words, "a panic");
        assert!(panicked.place.contains("caught.rs:"), "{panicked}");
        assert_eq!(catch(|| panic!("fixed words")).unwrap_err().words, "fixed words");
        assert_eq!(catch(|| 7), Ok(7));
    }

    #[tokio::test]
    async fn a_future_that_panics_later_is_caught() {
        note_panics();
        let later = async {
            tokio::task::yield_now().await;
            panic!("later");
        };
        assert_eq!(caught(pin!(Some(later))).await.unwrap_err().words, "later");
    }

    /// As HTTP/2's streams do when their connection's lock is poisoned.
    struct Poisoned;

    impl Future for Poisoned {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            panic!("first");
        }
    }

    impl Drop for Poisoned {
        fn drop(&mut self) {
            panic!("as it is let go of");
        }
    }

    #[tokio::test]
    async fn what_panics_as_it_is_let_go_of_is_caught_too() {
        note_panics();
        assert_eq!(caught(pin!(Some(Poisoned))).await.unwrap_err().words, "first");
    }
}
