//! Looks each second whether mail is to be sent to people, and who asked for some.

use std::{sync::Arc, time::Duration};

use usher_rules::time::Clock;

use super::each_core::Core;
use crate::{
    request::{Chore, Door},
    signin::SignInRoom,
};

const LOOK: Duration = Duration::from_secs(1);

/// Two tasks: a server that hangs keeps nobody from being looked up.
pub(super) fn keep(core: &Core, own: &Arc<SignInRoom>) {
    each_second(core, own, |own, door, clock| async move {
        own.look_up_wishes(&door.plan(), &*clock).await;
    });
    each_second(core, own, |own, door, clock| async move {
        own.send_mail(&door.plan(), &*clock).await;
    });
}

fn each_second<Done: Future<Output = ()> + Send + 'static>(
    core: &Core,
    own: &Arc<SignInRoom>,
    does: impl Fn(Arc<SignInRoom>, Arc<Door>, Arc<dyn Clock>) -> Done + Copy + Send + Sync + 'static,
) {
    let Core { supervisor, door, .. } = core;
    let (own, door, clock) = (Arc::clone(own), Arc::clone(door), Arc::clone(&supervisor.clock));
    supervisor.keep(Chore::Mail, move || {
        let (own, door, clock) = (Arc::clone(&own), Arc::clone(&door), Arc::clone(&clock));
        async move {
            loop {
                tokio::time::sleep(LOOK).await;
                does(Arc::clone(&own), Arc::clone(&door), Arc::clone(&clock)).await;
            }
        }
    });
}
