//! Sees what somebody does to this machine's clock, and tells the operator: it explains why people
//! have to sign in again, or can't.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use usher_rules::{
    plan::Level,
    time::{Clock, Now},
};

use crate::request::{EventField, EventName, record::Recorder};

const LOOK: Duration = Duration::from_secs(5);
/// Time servers move a clock by less.
const JUMP: Duration = Duration::from_secs(60);

/// What was seen last; it outlives the task that looks.
pub(super) type LastLook = Arc<Mutex<Option<Now>>>;

pub(super) async fn watch_clock(clock: Arc<dyn Clock>, recorder: Recorder, last: LastLook) {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let now = clock.now();
        let before = last.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        tell(&recorder, before, now);
    }
}

fn tell(recorder: &Recorder, before: Option<Now>, now: Now) {
    let was_set = before.is_none_or(|before| before.wall.is_plausible());
    let is_set = now.wall.is_plausible();
    if !is_set && (was_set || before.is_none()) {
        recorder
            .event(Level::Error, EventName::Clock, now)
            .with(EventField::Cause, "this machine's clock is not set: it shows a time before 2026")
            .with(
                EventField::Effect,
                "nobody is let in but by public routes, and nobody can sign in",
            )
            .with(
                EventField::Hint,
                "set it: `timedatectl set-ntp true`; all goes on by itself then",
            )
            .write();
        return;
    }
    let Some(before) = before else { return };
    if is_set && !was_set {
        let effect = "the clock is set: sessions count again";
        recorder.event(Level::Info, EventName::Clock, now).with(EventField::Effect, effect).write();
    } else if let Some((direction, by)) = jumped(before, now) {
        recorder
            .event(Level::Warn, EventName::Clock, now)
            .with(
                EventField::Cause,
                format!("the clock went {direction} by {} s at once", by.as_secs()),
            )
            .with(
                EventField::Effect,
                "sessions end by whichever is earlier, this clock or the time that passed",
            )
            .write();
    }
}

/// How far the wall clock moved away from the time that passed.
fn jumped(before: Now, now: Now) -> Option<(&'static str, Duration)> {
    let passed = now.monotonic.saturating_duration_since(before.monotonic);
    let expected = before.wall.plus(passed);
    let (forward, back) = (now.wall.since(expected), expected.since(now.wall));
    match (forward > JUMP, back > JUMP) {
        (true, _) => Some(("forward", forward)),
        (_, true) => Some(("back", back)),
        (false, false) => None,
    }
}
