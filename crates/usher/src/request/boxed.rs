//! Futures on the heap that are made there.

use std::pin::Pin;

/// The future that `make` makes, on the heap.
///
/// `Box::pin(future)` makes it beside the heap and copies all of it there, for a request four
/// kilobytes of which a tenth is written yet: were there no memory, it would still have to be
/// dropped where it lies. Here the memory is there before, and only what is written is copied.
pub(crate) fn boxed<F>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    let room = Box::new_uninit();
    Box::into_pin(Box::write(room, make()))
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::ready};

    use super::boxed;
    use crate::request::caught::catch;

    struct Counted<'a>(&'a Cell<u32>);

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[tokio::test]
    async fn what_is_made_runs_and_is_dropped_once() {
        let dropped = Cell::new(0);
        let counted = Counted(&dropped);
        let answer = boxed(|| async move {
            let held = counted; // all of it, not what it points to
            ready(()).await;
            held.0.get()
        });
        assert_eq!((answer.await, dropped.get()), (0, 1));
        drop(boxed(|| ready(Counted(&dropped))));
        assert_eq!(dropped.get(), 2, "also where nobody asked it");
    }

    #[test]
    fn what_is_not_made_is_not_dropped() {
        let dropped = Cell::new(0);
        let made = catch(|| {
            let room = boxed(|| -> std::future::Ready<Counted<'_>> { panic!("none") });
            drop(room);
        });
        assert_eq!((made.is_err(), dropped.get()), (true, 0));
    }
}
