//! What runs for as long as the process serves: what panics is told, and started again.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use usher_rules::time::Clock;

use crate::request::{Chore, accept::Tasks, caught, moment, record::Recorder};

/// The first pause before a task is started again. Short: visitors may wait for it.
const FIRST: Duration = Duration::from_millis(100);
/// Doubled with each panic, up to this: one that can't run must not fill the log.
const LONGEST: Duration = Duration::from_secs(60);
/// Who ran for so long begins with a short pause again.
const RAN_WELL: Duration = Duration::from_secs(120);

/// Keeps tasks running.
#[derive(Clone)]
pub(super) struct Supervisor {
    pub tasks: Tasks,
    pub recorder: Recorder,
    pub clock: Arc<dyn Clock>,
}

impl Supervisor {
    /// Runs a task on this thread's runtime until no new work is wanted.
    pub(super) fn keep<F: Future<Output = ()> + Send + 'static>(
        &self,
        chore: Chore,
        begin: impl Fn() -> F + Send + Sync + 'static,
    ) {
        let supervisor = self.clone();
        self.tasks.spawn_chore(async move { supervisor.kept(chore, begin).await });
    }

    /// Runs a task until it ends by itself. Each start begins anew with what `begin` makes.
    pub(super) async fn kept<F: Future<Output = ()>>(&self, chore: Chore, begin: impl Fn() -> F) {
        let mut pauses = Pauses::default();
        loop {
            let began = Instant::now();
            // `begin` may panic, too.
            let Err(panicked) = caught(pin!(Some(async { begin().await }))).await else { return };
            let pause = pauses.after(began.elapsed());
            self.recorder.restarted(chore, &panicked, pause, moment(&*self.clock));
            sleep(pause).await;
        }
    }
}

/// How long to wait before the next start.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    last: Option<Duration>,
}

impl Pauses {
    /// After a run that took so long.
    pub(crate) fn after(&mut self, ran: Duration) -> Duration {
        let again = self.last.filter(|_| ran < RAN_WELL);
        let pause = again.map_or(FIRST, |last| (last * 2).min(LONGEST));
        self.last = Some(pause);
        pause
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use tokio::time::Instant;
    use usher_rules::time::{Clock, Now, UnixTime};

    use super::{Pauses, Supervisor};
    use crate::request::{Chore, accept::Tasks, note_panics, record::Recorder};

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Now {
            let monotonic = Instant::now().into_std();
            Now { wall: UnixTime::from_seconds(1), wall_millis: 0, monotonic }
        }
    }

    #[test]
    fn pauses_grow_and_begin_anew() {
        let mut pauses = Pauses::default();
        let after = |pauses: &mut Pauses, ran| pauses.after(Duration::from_secs(ran)).as_millis();
        let growing: Vec<_> = (0..12).map(|_| after(&mut pauses, 1)).collect();
        let expected = [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000];
        assert_eq!(growing, expected);
        assert_eq!(after(&mut pauses, 119), 60000, "it had not run for long");
        assert_eq!(after(&mut pauses, 120), 100);
    }

    /// It begins again as often as it panics, whether as it is made or later, and what it owned is
    /// made anew; what ends by itself is not begun again.
    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_begun_again() {
        note_panics();
        let (tasks, recorder) = (Tasks::default(), Recorder::silent());
        let supervisor = Supervisor { tasks, recorder, clock: Arc::new(Still) };
        let starts = AtomicUsize::new(0);
        let began = Instant::now();
        supervisor
            .kept(Chore::Orders, || {
                let start = starts.fetch_add(1, Ordering::Relaxed);
                assert!(start != 1, "as it is made");
                async move {
                    tokio::task::yield_now().await;
                    assert!(start >= 3, "later");
                }
            })
            .await;
        assert_eq!(starts.load(Ordering::Relaxed), 4);
        assert_eq!(began.elapsed().as_millis(), 100 + 200 + 400);
    }
}
