use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

use tokio_util::sync::CancellationToken;

use super::limits;

/// What one connection takes, and how it behaves. Times are milliseconds of [`super::Shares`].
#[derive(Debug)]
pub(super) struct Usage {
    opened: u64,
    /// When it last had nothing to do; what it opens with.
    since: AtomicU64,
    /// When it was asked for the first of the answers that are under way.
    asked: AtomicU64,
    /// Bytes beyond those that a client's system takes by itself as an answer begins.
    moved: AtomicU64,
    requests: AtomicU32,
    pub(super) bytes: AtomicUsize,
    pub(super) over: CancellationToken,
    has_gone_too_far: AtomicBool,
    makes_room: AtomicBool,
    marks: Mutex<[(u64, u64); 2]>,
}

/// What waits for a connection that asks for one thing at a time: it is not ended for that.
pub(super) const MODEST: usize = 2 * limits::STREAM_COST;
/// Who moves fewer bytes a second is in nobody's way when it ends.
const SLOW: u64 = 1024;
/// What a rate is taken over, at the least: players read in bursts.
const WINDOW: u64 = 15_000;
/// So long the buffers of a client's system fill, whether anybody reads or not.
const FILLS: u64 = 3000;
/// Who has just come, or has just been answered, has its turn: else those who hold on would push
/// out everybody who comes after them.
const NEW: u64 = 1000;

impl Usage {
    pub(super) fn new(now: u64) -> Self {
        Self {
            opened: now,
            since: AtomicU64::new(now),
            asked: AtomicU64::new(now),
            moved: AtomicU64::new(0),
            requests: AtomicU32::new(0),
            bytes: AtomicUsize::new(0),
            over: CancellationToken::new(),
            has_gone_too_far: AtomicBool::new(false),
            makes_room: AtomicBool::new(false),
            marks: Mutex::new([(now, 0); 2]),
        }
    }

    /// The handshake is done.
    pub(super) fn is_ready(&self, now: u64) {
        self.since.store(now, Ordering::Relaxed);
    }

    pub(super) fn moved(&self, bytes: usize, now: u64) {
        if now.saturating_sub(self.asked.load(Ordering::Relaxed)) > FILLS {
            self.moved.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    pub(super) fn asked(&self, now: u64) {
        if self.requests.fetch_add(1, Ordering::Relaxed) == 0 {
            self.asked.store(now, Ordering::Relaxed);
        }
    }

    pub(super) fn answered(&self, now: u64) {
        self.requests.fetch_sub(1, Ordering::Relaxed);
        self.since.store(now, Ordering::Relaxed);
    }

    pub(super) fn waiting(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Does it play a film, or upload one?
    pub(super) fn is_at_work(&self, now: u64) -> bool {
        let moved = self.moved.load(Ordering::Relaxed);
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let [before, last] = &mut *marks;
        if now.saturating_sub(last.0) > WINDOW {
            *before = std::mem::replace(last, (now, moved));
        }
        let (at, bytes) = *before;
        let millis = now.saturating_sub(at).max(1000);
        moved.saturating_sub(bytes).saturating_mul(1000) / millis >= SLOW
    }

    /// Has it just come, or just been answered?
    pub(super) fn is_new(&self, now: u64) -> bool {
        now.saturating_sub(self.since.load(Ordering::Relaxed)) < NEW
    }

    /// Does no more wait for it than for somebody who asks for one thing at a time?
    pub(super) fn is_modest(&self) -> bool {
        self.waiting() <= MODEST
    }

    /// Who makes room first: who has asked for much and takes little; then who has asked for
    /// nothing; and of these who has been idle longest.
    pub(super) fn idleness(&self) -> (bool, bool, u64) {
        let asks = self.requests.load(Ordering::Relaxed) > 0;
        (self.is_modest(), asks, self.since.load(Ordering::Relaxed))
    }

    /// The same where all are new.
    pub(super) fn age(&self) -> (bool, u64) {
        (self.is_modest(), self.opened)
    }

    /// It has to make room: somebody waits for its place.
    pub(super) fn end_for_another(&self) {
        self.makes_room.store(true, Ordering::Relaxed);
        self.over.cancel();
    }

    /// Does somebody wait for its place?
    pub(super) fn makes_room(&self) -> bool {
        self.makes_room.load(Ordering::Relaxed)
    }

    /// It took so much that it has to make room, and its place stays empty for a while.
    pub(super) fn end_for_what_it_took(&self) {
        self.has_gone_too_far.store(true, Ordering::Relaxed);
        self.over.cancel();
    }

    pub(super) fn has_gone_too_far(&self) -> bool {
        self.has_gone_too_far.load(Ordering::Relaxed)
    }
}
