//! Whose turn it is: what has come due goes to the place that has been free the longest.

use std::{collections::VecDeque, mem, sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::WARMING_UP;

/// Requests that come due, and the places that may each have one under way.
#[derive(Debug)]
pub struct Turns {
    rate: f64,
    /// How many have come due.
    due: u64,
    /// How many of those went to a connection.
    given: u64,
    /// The connection of each free place, the one that has been free the longest first.
    free: VecDeque<usize>,
    connections: Vec<Asking>,
    /// Each request that was answered, and how long after it was due.
    answered: Vec<(u64, Duration)>,
    over: bool,
}

#[derive(Debug, Default)]
struct Asking {
    /// What it is to ask next.
    next: Vec<u64>,
    /// Tells it that there is something.
    bell: Arc<Notify>,
}

impl Turns {
    /// So many requests a second for so many connections, each with so many places.
    pub fn new(rate: f64, connections: usize, places: usize) -> Self {
        // one of each connection after the other: else all of a moment would go to the same one
        let free = (0..places).flat_map(|_| 0..connections).collect();
        let mut all = Vec::new();
        all.resize_with(connections, Asking::default);
        let (due, given, answered, over) = (0, 0, Vec::new(), false);
        Self { rate, due, given, free, connections: all, answered, over }
    }

    /// What rings when that connection has something to ask, and when all is over.
    pub fn bell(&self, connection: usize) -> Arc<Notify> {
        self.connections.get(connection).map(|it| Arc::clone(&it.bell)).unwrap_or_default()
    }

    /// So much time has gone by since the beginning.
    pub fn come_due(&mut self, by: Duration) {
        self.due = self.due.max(whole((by.as_secs_f64() * self.rate).ceil()));
        while self.given < self.due {
            let Some(connection) = self.free.pop_front() else { return };
            self.give(connection);
        }
    }

    /// What that connection is to ask now.
    pub fn take(&mut self, connection: usize) -> Vec<u64> {
        self.connections.get_mut(connection).map(|it| mem::take(&mut it.next)).unwrap_or_default()
    }

    /// The end of an answer has come, so long after the beginning: its place is free again.
    pub fn answered(&mut self, connection: usize, nth: u64, at: Duration) {
        self.answered.push((nth, at.saturating_sub(self.due_after(nth))));
        if self.given < self.due && !self.over {
            self.give(connection);
        } else {
            self.free.push_back(connection);
        }
    }

    /// What nobody came to by now stays unanswered.
    pub fn end(&mut self) {
        self.over = true;
        for connection in &self.connections {
            connection.bell.notify_one();
        }
    }

    /// Will that connection be asked for nothing more?
    pub fn is_over(&self, connection: usize) -> bool {
        self.over && self.connections.get(connection).is_none_or(|it| it.next.is_empty())
    }

    /// Each that counts: the second in which it was due, and the microseconds that it took; who is
    /// unanswered has waited until now.
    pub fn taken(&self, now: Duration) -> Vec<(u64, u64)> {
        let counts_from = self.due / u64::from(WARMING_UP);
        let unanswered =
            (self.given..self.due).map(|nth| (nth, now.saturating_sub(self.due_after(nth))));
        let all = self.answered.iter().copied().chain(unanswered);
        let counted = all.filter(|(nth, _)| *nth >= counts_from);
        let micros = |it: Duration| u64::try_from(it.as_micros()).unwrap_or(u64::MAX);
        counted.map(|(nth, it)| (self.due_after(nth).as_secs(), micros(it))).collect()
    }

    fn give(&mut self, connection: usize) {
        if let Some(asking) = self.connections.get_mut(connection) {
            asking.next.push(self.given);
            asking.bell.notify_one();
        }
        self.given += 1;
    }

    /// When that request is due, from the beginning on.
    fn due_after(&self, nth: u64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "a moment")]
        Duration::from_secs_f64(nth as f64 / self.rate)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
fn whole(count: f64) -> u64 {
    count as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn the_place_that_has_been_free_the_longest_is_next() {
        let mut turns = Turns::new(1.0, 2, 2);
        turns.come_due(seconds(3));
        assert_eq!((turns.take(0), turns.take(1)), (vec![0, 2], vec![1]));
        turns.answered(0, 2, seconds(3));
        turns.answered(1, 1, seconds(3));
        turns.come_due(seconds(5));
        let (first, second) = (turns.take(0), turns.take(1));
        assert_eq!((first, second), (vec![4], vec![3]), "the other place of 1, then that of 0");
        turns.come_due(seconds(4));
        assert_eq!((turns.take(0), turns.take(1)), (vec![], vec![]), "each is given once");
    }

    #[test]
    fn what_waits_for_its_turn_counts_from_when_it_was_due() {
        let mut turns = Turns::new(1.0, 1, 1);
        turns.come_due(seconds(2));
        assert_eq!(turns.take(0), [0]);
        turns.answered(0, 0, seconds(10));
        assert_eq!(turns.take(0), [1], "at once: it has waited since the first second");
        turns.answered(0, 1, seconds(11));
        assert_eq!(turns.taken(seconds(11)), [(0, 10_000_000), (1, 10_000_000)]);
    }

    #[test]
    fn what_nobody_came_to_has_waited_until_the_end() {
        let mut turns = Turns::new(1.0, 1, 1);
        turns.come_due(seconds(3));
        turns.end();
        turns.answered(0, 0, seconds(4));
        assert!(turns.take(0) == [0] && turns.is_over(0), "no more after the end");
        assert_eq!(turns.taken(seconds(9)), [(0, 4_000_000), (1, 8_000_000), (2, 7_000_000)]);
    }

    #[test]
    fn the_beginning_does_not_count() {
        let mut turns = Turns::new(1.0, 1, 16);
        turns.come_due(seconds(16));
        for nth in turns.take(0) {
            turns.answered(0, nth, seconds(16));
        }
        assert_eq!(turns.taken(seconds(16)).len(), 14, "an eighth of 16 came before");
    }
}
