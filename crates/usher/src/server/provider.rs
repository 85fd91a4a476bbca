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
/// What is down is asked again after these, and told of when it stays so: machines that start
/// together are ready one after the other.
const AGAIN: [Duration; 4] = [
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(40),
];

pub(super) async fn watch(door: Arc<Door>, recorder: Recorder, clock: Arc<dyn Clock>) {
    let mut asked = None;
    loop {
        let plan = door.plan();
        if let Provider::Oidc(provider) = &plan.sign_in.provider
            && asked.as_ref() != Some(&provider.id)
        {
            asked = Some(provider.id.clone());
            if let Err(error) = tried(&door, &plan, provider, &*clock).await {
                tell(&plan, provider, &error, &recorder, &*clock);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Asks, and again while it is down and still the provider in force.
async fn tried(
    door: &Door,
    plan: &Plan,
    provider: &OidcProvider,
    clock: &dyn Clock,
) -> Result<(), ProviderError> {
    let mut outcome = try_provider(plan, provider, PATIENCE, clock.now()).await;
    for pause in AGAIN {
        match &outcome {
            Err(error) if error.is_down() => tokio::time::sleep(pause).await,
            Ok(()) | Err(_) => break,
        }
        if door.plan().sign_in.provider.id() != &*provider.id {
            return Ok(());
        }
        outcome = try_provider(plan, provider, PATIENCE, clock.now()).await;
    }
    outcome
}

fn tell(
    plan: &Plan,
    provider: &OidcProvider,
    error: &ProviderError,
    recorder: &Recorder,
    clock: &dyn Clock,
) {
    let level = if error.is_down() { Level::Warn } else { Level::Error };
    recorder
        .event(level, "provider", clock.now())
        .with("provider", &provider.issuer)
        .with("cause", error)
        .with("effect", "nobody new can sign in while it is so, whoever is signed in goes on")
        .write_if(&plan.log);
}
