//! Forgets what has expired, and tells how the disk of the data directory is.

use std::{sync::Arc, time::Duration};

use usher_rules::{
    plan::Level,
    time::{Clock, Now},
};

use crate::{
    request::{EventField, EventName, record::Recorder},
    store::Store,
};

/// How often the store forgets what has expired.
const SWEEP_STORE: Duration = Duration::from_secs(60);

pub(super) async fn sweep_store(store: Arc<Store>, clock: Arc<dyn Clock>, recorder: Recorder) {
    let mut every = tokio::time::interval(SWEEP_STORE);
    let (mut was_well, mut had_reserve) = (true, true);
    loop {
        every.tick().await;
        let now = clock.now();
        let swept = store.sweep(now.wall).await.map(drop);
        let health = store.health();
        let is_well = swept.is_ok() && health.is_ok();
        if is_well != was_well {
            let level = if is_well { Level::Info } else { Level::Error };
            let event = recorder.event(level, EventName::Store, now);
            match health {
                Ok(()) => event.with(EventField::Effect, "sign-ins work again"),
                Err(cause) => event.with(EventField::Cause, cause).with(
                    EventField::Effect,
                    "who is signed in stays so; sign-ins and sign-outs fail until the disk works",
                ),
            }
            .write();
        }
        was_well = is_well;
        let has_reserve = store.has_reserve();
        if has_reserve != had_reserve {
            tell_reserve(has_reserve, &recorder, now);
        }
        had_reserve = has_reserve;
    }
}

/// Tells that there is no space to put by, and that there is again.
fn tell_reserve(is_there: bool, recorder: &Recorder, now: Now) {
    let effect = "a sign-out can be written on a full disk again";
    if is_there {
        return recorder
            .event(Level::Info, EventName::Store, now)
            .with(EventField::Effect, effect)
            .write();
    }
    recorder
        .event(Level::Warn, EventName::Store, now)
        .with(
            EventField::Cause,
            "the disk of the data directory has no mebibyte to put by (usher.reserve)",
        )
        .with(EventField::Effect, "a sign-out on a full disk is undone by a restart")
        .with(
            EventField::Hint,
            "free some space, or enlarge the volume; it is tried again by itself",
        )
        .write();
}
