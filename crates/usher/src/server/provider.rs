//! Does the provider publish what a sign-in needs? Asked at the start and when it has changed, so
//! that the operator reads of a mistake before a visitor does. The door serves meanwhile.

use std::{sync::Arc, time::Duration};

use usher_rules::{
    plan::{Level, OidcProvider, Plan, Provider},
    time::Clock,
};

use crate::{
    request::{Door, record::Recorder},
    signin::{PATIENCE, ProviderError, try_provider},
};

/// How often it is looked whether a reload has brought another provider.
const LOOK: Duration = Duration::from_secs(5);
/// How long the first answer may take before the operator is told that there is none.
const FIRST: Duration = Duration::from_secs(3);
/// What is down is asked again after these, and then every minute until it is back.
const AGAIN: [Duration; 4] = [
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(40),
];
const EVERY: Duration = Duration::from_secs(60);

pub(super) async fn watch(door: Arc<Door>, recorder: Recorder, clock: Arc<dyn Clock>) {
    let watch = Watch { door, recorder, clock };
    let mut asked = None;
    loop {
        let plan = watch.door.plan();
        if let Provider::Oidc(provider) = &plan.sign_in.provider
            && asked.as_ref() != Some(&provider.id)
        {
            asked = Some(provider.id.clone());
            watch.see(&plan, provider).await;
        }
        tokio::time::sleep(LOOK).await;
    }
}

struct Watch {
    door: Arc<Door>,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
}

impl Watch {
    /// Asks; tells at once what is wrong; and, while it is only down and still the provider in force,
    /// asks until it is back.
    async fn see(&self, plan: &Plan, provider: &OidcProvider) {
        let ask = |patience| try_provider(plan, provider, patience, self.clock.now());
        let Err(error) = ask(FIRST).await else { return };
        self.tell(plan, provider, &error);
        let mut pauses = AGAIN.into_iter();
        let mut down = error.is_down();
        while down {
            tokio::time::sleep(pauses.next().unwrap_or(EVERY)).await;
            if self.door.plan().sign_in.provider.id() != &*provider.id {
                return;
            }
            down = match ask(PATIENCE).await {
                Ok(()) => {
                    self.tell_back(plan, provider);
                    false
                }
                Err(error) if error.is_down() => true,
                Err(error) => {
                    self.tell(plan, provider, &error);
                    false
                }
            };
        }
    }

    fn tell(&self, plan: &Plan, provider: &OidcProvider, error: &ProviderError) {
        let level = if error.is_down() { Level::Warn } else { Level::Error };
        let event = self
            .recorder
            .event(level, "provider", self.clock.now())
            .with("provider", &provider.issuer)
            .with("cause", error)
            .with("effect", "nobody new can sign in while it is so, whoever is signed in goes on");
        let event = match error.hint() {
            "" => event,
            hint => event.with("hint", hint),
        };
        event.write_if(&plan.log);
    }

    fn tell_back(&self, plan: &Plan, provider: &OidcProvider) {
        self.recorder
            .event(Level::Info, "provider", self.clock.now())
            .with("provider", &provider.issuer)
            .with("effect", "it answers again: people can sign in")
            .write_if(&plan.log);
    }
}
