//! Looks each second whether mail is to be sent to people, and who asked for some.

use std::{sync::Arc, time::Duration};

use super::each_core::Core;
use crate::{request::Chore, signin::SignInRoom};

const LOOK: Duration = Duration::from_secs(1);

/// Two tasks: a server that hangs keeps nobody from being looked up.
pub(super) fn keep(core: &Core, own: &Arc<SignInRoom>) {
    let Core { supervisor, door, .. } = core;
    let (room, plan, time) = (Arc::clone(own), Arc::clone(door), Arc::clone(&supervisor.clock));
    supervisor.keep(Chore::Mail, move || {
        let (own, door, clock) = (Arc::clone(&room), Arc::clone(&plan), Arc::clone(&time));
        async move {
            loop {
                tokio::time::sleep(LOOK).await;
                own.look_up_wishes(&door.plan(), &*clock).await;
            }
        }
    });
    let (room, plan, time) = (Arc::clone(own), Arc::clone(door), Arc::clone(&supervisor.clock));
    supervisor.keep(Chore::Mail, move || {
        let (own, door, clock) = (Arc::clone(&room), Arc::clone(&plan), Arc::clone(&time));
        async move {
            loop {
                tokio::time::sleep(LOOK).await;
                own.send_mail(&door.plan(), &*clock).await;
            }
        }
    });
}
