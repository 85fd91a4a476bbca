use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use tokio::task::{Unconstrained, unconstrained};

/// What a task waits for beside its work. It is looked at when it was woken, and not each time that
/// the work was: a connection is woken for every packet, and ends by none of them.
pub(super) struct Aside<F> {
    /// Whatever the work has left of the task's turn: a client that keeps its socket full would never
    /// be looked at for its end.
    waited_for: Pin<Box<Unconstrained<F>>>,
    /// The task's, as it was last.
    task: Waker,
    bell: Arc<Bell>,
    rings: Waker,
}

/// Rung by what is waited for; wakes the task.
struct Bell {
    was_rung: AtomicBool,
    task: Mutex<Waker>,
}

impl<F: Future> Aside<F> {
    /// On the heap, so that no task has room made for it twice.
    pub(super) fn new(waited_for: F) -> Self {
        let task = Waker::noop().clone();
        let bell =
            Arc::new(Bell { was_rung: AtomicBool::new(true), task: Mutex::new(task.clone()) });
        let rings = Waker::from(Arc::clone(&bell));
        Self { waited_for: Box::pin(unconstrained(waited_for)), task, bell, rings }
    }

    /// What it came to. Not asked again after that.
    pub(super) fn over(&mut self) -> impl Future<Output = F::Output> {
        poll_fn(|cx| self.poll(cx))
    }

    fn poll(&mut self, cx: &Context<'_>) -> Poll<F::Output> {
        if !self.task.will_wake(cx.waker()) {
            self.task.clone_from(cx.waker());
            self.bell.lock().clone_from(cx.waker()); // before it is looked whether it rang
        }
        let was_rung = &self.bell.was_rung;
        if !was_rung.load(Ordering::Relaxed) || !was_rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        self.waited_for.as_mut().poll(&mut Context::from_waker(&self.rings))
    }
}

impl Bell {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waker> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.was_rung.swap(true, Ordering::AcqRel) {
            let task = self.lock().clone();
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        future::poll_fn,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::{Context, Poll, Wake, Waker},
    };

    use super::Aside;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn task() -> (Arc<Task>, Waker) {
        let task = Arc::new(Task::default());
        (Arc::clone(&task), Waker::from(task))
    }

    #[test]
    fn it_is_looked_at_when_it_rang_and_whichever_task_waits_then_is_woken() {
        let (looks, ring, is_over) = (Cell::new(0), RefCell::new(None), Cell::new(false));
        let mut aside = Aside::new(poll_fn(|cx: &mut Context<'_>| {
            looks.set(looks.get() + 1);
            *ring.borrow_mut() = Some(cx.waker().clone());
            if is_over.get() { Poll::Ready(7) } else { Poll::Pending }
        }));
        let ((one, by_one), (other, by_other)) = (task(), task());
        for _ in 0..3 {
            assert_eq!(aside.poll(&Context::from_waker(&by_one)), Poll::Pending);
        }
        assert_eq!(looks.get(), 1, "at first, and not for the task's other wake-ups");
        let rings = ring.borrow().clone().unwrap();
        rings.wake_by_ref();
        rings.wake_by_ref();
        assert_eq!(one.0.load(Ordering::Relaxed), 1, "once until it is looked at");
        assert_eq!(aside.poll(&Context::from_waker(&by_other)), Poll::Pending);
        assert_eq!(looks.get(), 2);
        is_over.set(true);
        rings.wake_by_ref();
        assert_eq!(one.0.load(Ordering::Relaxed), 1, "it waits no more");
        assert_eq!(other.0.load(Ordering::Relaxed), 1);
        assert_eq!(aside.poll(&Context::from_waker(&by_other)), Poll::Ready(7));
    }

    /// A flood of what costs little used up each turn of its connection's task.
    #[tokio::test]
    async fn it_is_looked_at_in_a_turn_that_the_work_has_used_up() {
        let mut aside = Aside::new(async {
            tokio::select! {
                biased;
                () = std::future::pending() => 1,
                () = std::future::ready(()) => 2,
            }
        });
        poll_fn(|cx| {
            while let Poll::Ready(spent) = tokio::task::coop::poll_proceed(cx) {
                spent.made_progress();
            }
            assert_eq!(aside.poll(cx), Poll::Ready(2));
            Poll::Ready(())
        })
        .await;
    }
}
