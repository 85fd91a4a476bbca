//! Do the providers publish what a sign-in needs? Asked at the start and when it has changed, so
//! that the operator reads of a mistake before a visitor does. The door serves meanwhile.

use std::{sync::Arc, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use usher_rules::{
    plan::{Level, Plan, Provider},
    time::Clock,
};

use crate::{
    request::{Door, EventField, EventName, record::Recorder},
    signin::{PATIENCE, ProviderError, try_provider},
};

/// How often it is looked whether a reload has brought other providers.
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
    let mut asked: Vec<Box<str>> = Vec::new();
    let mut seen = FuturesUnordered::new();
    loop {
        let plan = watch.door.plan();
        let providers = &plan.sign_in.providers;
        asked.retain(|id| providers.of(id).is_some());
        // A hosted service is not asked ahead: its last good key serves while it is silent.
        let publish = providers.iter().filter(|provider| provider.oidc().is_some());
        for id in publish.map(Provider::id) {
            if !asked.iter().any(|known| **known == *id) {
                asked.push(id.into());
                seen.push(watch.see(Arc::clone(&plan), id.into()));
            }
        }
        tokio::select! {
            biased;
            Some(()) = seen.next() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

struct Watch {
    door: Arc<Door>,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
}

impl Watch {
    /// Asks; tells at once what is wrong; and, while it is only down and still one that is asked,
    /// asks until it is back.
    async fn see(&self, plan: Arc<Plan>, id: Box<str>) {
        let Some(provider) = plan.sign_in.providers.of(&id) else { return };
        let plan = &*plan;
        let ask = |patience| try_provider(plan, provider, patience, self.clock.now());
        let Some(Err(error)) = ask(FIRST).await else { return };
        self.tell(plan, provider, &error);
        let mut pauses = AGAIN.into_iter();
        let mut down = error.is_down();
        while down {
            tokio::time::sleep(pauses.next().unwrap_or(EVERY)).await;
            if self.door.plan().sign_in.providers.of(&id).is_none() {
                return;
            }
            down = match ask(PATIENCE).await {
                None | Some(Ok(())) => {
                    self.tell_back(plan, provider);
                    false
                }
                Some(Err(error)) if error.is_down() => true,
                Some(Err(error)) => {
                    self.tell(plan, provider, &error);
                    false
                }
            };
        }
    }

    fn tell(&self, plan: &Plan, provider: &Provider, error: &ProviderError) {
        let level = if error.is_down() { Level::Warn } else { Level::Error };
        let event = self
            .recorder
            .event(level, EventName::Provider, self.clock.now())
            .with(EventField::Provider, provider.address().unwrap_or_default())
            .with(EventField::Cause, error)
            .with(
                EventField::Effect,
                "nobody new can sign in while it is so, whoever is signed in goes on",
            );
        let event = match error.hint(provider) {
            "" => event,
            hint => event.with(EventField::Hint, hint),
        };
        event.write_if(&plan.log);
    }

    fn tell_back(&self, plan: &Plan, provider: &Provider) {
        self.recorder
            .event(Level::Info, EventName::Provider, self.clock.now())
            .with(EventField::Provider, provider.address().unwrap_or_default())
            .with(EventField::Effect, "it answers again: people can sign in")
            .write_if(&plan.log);
    }
}
