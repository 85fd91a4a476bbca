use std::{collections::BTreeSet, future::Future, pin::Pin};

use futures_util::{StreamExt as _, stream::FuturesUnordered};

type Errand = Pin<Box<dyn Future<Output = Box<str>> + Send>>;

/// What is under way for each of several apps: one errand of each at a time, and so many at most. One
/// that takes long keeps its own app waiting and no other.
#[derive(Default)]
pub(super) struct Errands {
    under_way: FuturesUnordered<Errand>,
    busy: BTreeSet<Box<str>>,
}

impl Errands {
    /// How many apps are spoken with at once.
    pub(super) const AT_ONCE: usize = 64;

    /// May one begin for this app?
    pub(super) fn has_room_for(&self, app: &str) -> bool {
        self.busy.len() < Self::AT_ONCE && !self.busy.contains(app)
    }

    /// Begins it; it goes on while [`Self::one_ends`] is waited for.
    pub(super) fn begin(
        &mut self,
        app: Box<str>,
        errand: impl Future<Output = ()> + Send + 'static,
    ) {
        self.busy.insert(app.clone());
        self.under_way.push(Box::pin(async move {
            errand.await;
            app
        }));
    }

    /// Waits until one of them has ended; for ever where none is under way.
    pub(super) async fn one_ends(&mut self) {
        match self.under_way.next().await {
            Some(app) => drop(self.busy.remove(&app)),
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt as _;

    use super::Errands;

    /// An app that never answers was waited for before the others' next turn came.
    #[test]
    fn an_app_that_never_answers_delays_no_other() {
        let mut errands = Errands::default();
        errands.begin("silent".into(), pending());
        for _ in 0..3 {
            assert!(errands.has_room_for("photos"), "its turn comes");
            errands.begin("photos".into(), ready(()));
            assert!(!errands.has_room_for("photos"), "one at a time");
            assert_eq!(errands.one_ends().now_or_never(), Some(()));
            assert_eq!(errands.one_ends().now_or_never(), None, "nothing else ends");
        }
        assert!(!errands.has_room_for("silent"), "and is spoken with once");
    }

    #[test]
    fn so_many_are_spoken_with_at_once() {
        let mut errands = Errands::default();
        for number in 0..Errands::AT_ONCE {
            assert!(errands.has_room_for("another"), "{number}");
            errands.begin(format!("silent-{number}").into(), pending());
        }
        assert!(!errands.has_room_for("another"));
    }
}
