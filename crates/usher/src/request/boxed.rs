//! Futures on the heap that are made there.

use std::pin::Pin;

/// The future that `make` makes, on the heap.
///
/// `Box::pin(future)` makes it on the stack, where it would be dropped if there were no memory, and
/// copies all of it: four kilobytes for a request, of which a tenth is written yet. Here the memory is
/// there before, and an optimised build writes into it what there is to write and no more.
pub(crate) fn boxed<F>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    let room = Box::new_uninit();
    Box::into_pin(Box::write(room, make()))
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::ready};

    use super::boxed;

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
}
