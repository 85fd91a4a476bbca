//! Looks each second whether providers are to be asked again about those who are signed in, and whether
//! apps are to be told that somebody is not any more.

use std::{sync::Arc, time::Duration};

use tokio::time::MissedTickBehavior;

use super::each_core::Core;
use crate::{
    jellyfin::Pairing,
    request::{Chore, forward::RECHECK},
    signin::{LogoutTeller, SignInRoom},
};

/// How often it is looked about whom a provider is to be asked again.
const LOOK_AT_SESSIONS: Duration = Duration::from_secs(1);

/// What a provider takes away is known of its person's apps by the next look, and ends their films
/// by the next one at each.
const _: () = assert!(LOOK_AT_SESSIONS.as_secs() + RECHECK.as_secs() < 5, "promised are five");

/// Has providers asked again, and apps told, for as long as the process serves.
pub(super) fn keep(core: &Core, own: Arc<SignInRoom>, pairing: Arc<Pairing>) {
    let Core { supervisor, door, .. } = core;
    let (door, clock) = (Arc::clone(door), Arc::clone(&supervisor.clock));
    let (told, plan, time) = (Arc::clone(&own), Arc::clone(&door), Arc::clone(&clock));
    supervisor.keep(Chore::Logouts, move || {
        let (own, door, clock) = (Arc::clone(&told), Arc::clone(&plan), Arc::clone(&time));
        async move {
            let mut teller = LogoutTeller::new(own, clock);
            let mut look = tokio::time::interval(LOOK_AT_SESSIONS);
            look.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = look.tick() => teller.look(door.plan()).await,
                    () = teller.go_on() => {}
                }
            }
        }
    });
    let tasks = supervisor.tasks.clone();
    supervisor.keep(Chore::Sessions, move || {
        let (own, door, clock) = (Arc::clone(&own), Arc::clone(&door), Arc::clone(&clock));
        let (tasks, pairing) = (tasks.clone(), Arc::clone(&pairing));
        async move {
            loop {
                tokio::time::sleep(LOOK_AT_SESSIONS).await;
                let (own, door, clock) = (Arc::clone(&own), Arc::clone(&door), Arc::clone(&clock));
                let pairing = Arc::clone(&pairing);
                let begun = tasks.clone();
                // A refresh token that is spent while its answer is lost would sign its person out.
                let pass = tasks.spawn_whole(async move {
                    own.recheck(&door.plan(), &*clock, &|| !begun.is_draining()).await;
                    pairing.follow(&door.plan(), &begun, clock.now()).await;
                });
                let _what_panicked_was_told = pass.await;
            }
        }
    });
}
