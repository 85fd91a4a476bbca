//! How much of a route is under way, held against `circuit_breaker_thresholds`.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::Notify;
use usher_rules::plan::CircuitBreakers;

use super::{super::ForwardError, Busy};

/// What a route has under way; kept across reloads.
#[derive(Clone, Debug, Default)]
pub(in crate::request::forward) struct Breakers {
    pub requests: Arc<Count>,
    pub pending: Arc<Count>,
    pub connections: Arc<Count>,
    pub retries: Arc<Count>,
}

/// How many there are of something.
#[derive(Debug, Default)]
pub(in crate::request::forward) struct Count {
    taken: AtomicU32,
    freed: Notify,
}

/// One of them, until it is dropped; none where nothing is counted.
#[derive(Debug, Default)]
pub(in crate::request::forward) struct Taken(Option<Arc<Count>>);

/// What a request takes until the body of its answer is over.
#[derive(Debug, Default)]
pub struct UnderWay {
    /// Counts at the upstream.
    pub(in crate::request::forward) busy: Option<Busy>,
    _request: Taken,
    /// Of a connection that left the pool for good.
    pub(in crate::request::forward) connection: Taken,
    retry: Option<Taken>,
}

impl UnderWay {
    /// For a request that begins.
    pub(in crate::request::forward) fn begin(
        breakers: &Breakers,
        limits: CircuitBreakers,
    ) -> Result<Self, ForwardError> {
        let request = breakers.requests.take(limits.max_requests);
        let request = request.map_err(|Full| ForwardError::Overflow { limit: "max_requests" })?;
        Ok(Self { _request: request, ..Self::default() })
    }

    /// For one that goes on to another address.
    pub(in crate::request::forward) fn go_on(
        &mut self,
        breakers: &Breakers,
        limits: CircuitBreakers,
    ) -> Result<(), Full> {
        if self.retry.is_none() {
            self.retry = Some(breakers.retries.take(limits.max_retries)?);
        }
        Ok(())
    }
}

/// All are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::request::forward) struct Full;

impl Count {
    /// One more, where there are fewer than `most`. Nothing is counted where nothing is limited.
    pub(in crate::request::forward) fn take(
        self: &Arc<Self>,
        most: Option<u32>,
    ) -> Result<Taken, Full> {
        let Some(most) = most else { return Ok(Taken(None)) };
        let more = |taken: u32| (taken < most).then_some(taken + 1);
        match self.taken.fetch_update(Relaxed, Relaxed, more) {
            Ok(_) => Ok(Taken(Some(Arc::clone(self)))),
            Err(_) => Err(Full),
        }
    }

    /// The same, as soon as there is one, within `patience`.
    pub(in crate::request::forward) async fn wait(
        self: &Arc<Self>,
        most: Option<u32>,
        patience: Duration,
    ) -> Result<Taken, Full> {
        let waiting = async {
            loop {
                let mut freed = pin!(self.freed.notified());
                freed.as_mut().enable(); // what is freed from here on is not missed
                if let Ok(taken) = self.take(most) {
                    return taken;
                }
                freed.await;
            }
        };
        tokio::time::timeout(patience, waiting).await.map_err(|_| Full)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(count) = self.0.take() {
            count.taken.fetch_sub(1, Relaxed);
            count.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::{Count, Full};

    #[test]
    fn no_more_than_so_many_and_each_is_given_back() {
        let count = Arc::new(Count::default());
        let two = Some(2);
        let (one, other) = (count.take(two).unwrap(), count.take(two).unwrap());
        assert_eq!(count.take(two).err(), Some(Full));
        assert!(count.take(Some(3)).is_ok() && count.take(None).is_ok());
        drop(one);
        assert!(count.take(two).is_ok());
        drop(other);
        assert_eq!(count.take(Some(0)).err(), Some(Full));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_has_the_next_one_and_no_longer_than_it_may() {
        let (count, most) = (Arc::new(Count::default()), Some(1));
        let held = count.take(most).unwrap();
        let patience = Duration::from_secs(5);
        assert_eq!(count.wait(most, patience).await.err(), Some(Full));
        let (waiting, ()) = tokio::join!(count.wait(most, patience), async {
            tokio::task::yield_now().await;
            drop(held);
        });
        assert!(waiting.is_ok());
    }
}
