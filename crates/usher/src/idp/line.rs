//! Who waits for a core to check a password on: whoever has tried least comes first, and leaves
//! last. So a thousand guessers, each at an address of its own, keep no person out: their second
//! guess stands behind everybody's first.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// How much somebody has tried lately, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tried {
    /// A browser that has signed in to the account before, and the thousandths of its tries that
    /// are used up.
    Device(u32),
    /// Somebody at an address of a network, likewise.
    Stranger(u32),
}

impl Tried {
    /// Nothing at all, by somebody who is known.
    pub(super) const NOTHING: Self = Self::Device(0);
}

/// So much room and no more; the places are given in turn.
pub(super) struct Line {
    state: Mutex<State>,
    most_waiting: usize,
}

struct State {
    free: usize,
    arrivals: u64,
    waiting: BTreeMap<Place, oneshot::Sender<Turn>>,
}

/// Among those who have tried as much, whoever came first.
type Place = (Tried, u64);

/// The right to a core, handed to the next when it is dropped.
pub(super) struct Turn(Option<Arc<Line>>);

/// Nobody gets a turn: those who wait have tried no more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Line {
    /// For `at_once` turns at a time, and `most_waiting` who wait for theirs.
    pub(super) fn new(at_once: usize, most_waiting: usize) -> Arc<Self> {
        let state = State { free: at_once.max(1), arrivals: 0, waiting: BTreeMap::new() };
        Arc::new(Self { state: Mutex::new(state), most_waiting })
    }

    /// Waits for a turn. Who gives up while waiting leaves the line.
    ///
    /// # Errors
    ///
    /// [`Full`], at once or when somebody came who has tried less.
    pub(super) async fn turn(self: &Arc<Self>, tried: Tried) -> Result<Turn, Full> {
        let (place, turn) = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Ok(Turn(Some(Arc::clone(self))));
            }
            let place = (tried, state.arrivals);
            state.arrivals = state.arrivals.wrapping_add(1);
            let (hand_over, turn) = oneshot::channel();
            state.waiting.insert(place, hand_over);
            if state.waiting.len() > self.most_waiting {
                state.waiting.pop_last(); // dropped, it tells whoever stood there
            }
            (place, turn)
        };
        let _leaves = Leaves { line: self, place };
        turn.await.map_err(|_turned_away| Full)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass_on(self: Arc<Self>) {
        let mut state = self.lock();
        while let Some((_, next)) = state.waiting.pop_first() {
            match next.send(Turn(Some(Arc::clone(&self)))) {
                Ok(()) => return,
                Err(mut gone) => gone.0 = None, // its drop would wait for the lock that is held
            }
        }
        state.free += 1;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(line) = self.0.take() {
            line.pass_on();
        }
    }
}

/// Whoever waits no more stands in nobody's way.
struct Leaves<'a> {
    line: &'a Line,
    place: Place,
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.line.lock().waiting.remove(&self.place);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, future::join_all};

    use super::{
        Tried::{Device, Stranger},
        *,
    };

    /// Who is let in, in that order, of those who came while the one core was taken.
    async fn order(come: &[Tried], most_waiting: usize) -> (Vec<usize>, Vec<usize>) {
        let line = Line::new(1, most_waiting);
        let first = line.turn(Stranger(0)).await.ok();
        let served = Mutex::new(Vec::new());
        let wait = |number: usize, tried| {
            let (line, served) = (&line, &served);
            async move {
                let turn = line.turn(tried).await;
                turn.map(|_turn| served.lock().unwrap().push(number)).map_err(|Full| number)
            }
        };
        let all = join_all(come.iter().enumerate().map(|(number, tried)| wait(number, *tried)));
        let mut all = std::pin::pin!(all);
        assert!(all.as_mut().now_or_never().is_none(), "everybody has come");
        drop(first);
        let away = all.await.into_iter().filter_map(Result::err).collect();
        let served = served.lock().unwrap().clone();
        assert_eq!(line.lock().free, 1, "the core is free again");
        (served, away)
    }

    #[tokio::test]
    async fn whoever_has_tried_least_comes_first_and_is_turned_away_last() {
        for (come, most, served, away, why) in [
            (vec![Stranger(1), Stranger(1)], 9, vec![0, 1], vec![], "alike: in turn"),
            (vec![Stranger(9), Stranger(1)], 9, vec![1, 0], vec![], "tried less"),
            (vec![Stranger(0), Device(9)], 9, vec![1, 0], vec![], "a browser that is known"),
            (vec![Stranger(1), Stranger(1)], 1, vec![0], vec![1], "full: the last"),
            (vec![Stranger(9), Stranger(1)], 1, vec![1], vec![0], "full: who has tried more"),
            (vec![Device(9), Stranger(0)], 1, vec![0], vec![1], "full: the stranger"),
        ] {
            assert_eq!(order(&come, most).await, (served, away), "{why}");
        }
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_line_and_takes_no_turn_along() {
        let line = Line::new(1, 1);
        let first = line.turn(Stranger(0)).await.ok();
        {
            let mut gives_up = Box::pin(line.turn(Stranger(0)));
            assert!(gives_up.as_mut().now_or_never().is_none());
        }
        let mut patient = Box::pin(line.turn(Stranger(5)));
        assert!(patient.as_mut().now_or_never().is_none(), "there is room for it");
        drop(first); // hands the turn over, but nobody takes it up
        drop(patient);
        assert!(line.turn(Stranger(5)).now_or_never().is_some_and(|turn| turn.is_ok()));
    }
}
