//! How do the Jellyfins behind routes stand? Asked for as long as they are in the plan.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::Instant;
use usher_rules::{
    jellyfin::ServerState,
    plan::{Action, Level, Plan, Route},
    time::Clock,
};

use crate::{
    doctor,
    jellyfin::States,
    request::{
        Door, EventField, EventName,
        forward::{Trust, Want, probe},
        record::Recorder,
    },
};

/// How often it is looked whom to ask.
const LOOK: Duration = Duration::from_secs(5);
/// One that is ready is asked again after this.
const AGAIN: Duration = Duration::from_secs(30);
/// How long connecting and answering may take, each.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn watch(
    door: Arc<Door>,
    states: Arc<States>,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
) {
    let mut asked_at: BTreeMap<Box<str>, Instant> = BTreeMap::new();
    let mut looked_at = Weak::new();
    loop {
        let plan = door.plan();
        let trust = Trust::system(&plan.extra_roots);
        let due = plan.routes.iter().filter(|route| {
            let is_ready = matches!(states.of(route), Some(ServerState::Ready(_)));
            let asked = asked_at.get(&route.id);
            route.jellyfin.is_some() && asked.is_none_or(|at| !is_ready || at.elapsed() >= AGAIN)
        });
        let due: Vec<_> = due.cloned().collect();
        asked_at.retain(|id, _| plan.routes.iter().any(|route| route.id == *id));
        asked_at.extend(due.iter().map(|route| (route.id.clone(), Instant::now())));
        let found = join_all(due.iter().map(|route| ask(&plan, &trust, route))).await;
        for (route, state) in due.iter().zip(found) {
            if states.note(route, state) != Some(state) {
                let base = match state {
                    ServerState::NoJellyfin => doctor::base_path(&plan, route, &trust).await,
                    ServerState::Ready(_) | ServerState::Starting | ServerState::SetupOpen => None,
                    ServerState::TooOld(_) | ServerState::Unreachable => None,
                };
                tell(&recorder, &*clock, route, (state, base));
            }
        }
        if !std::ptr::eq(looked_at.as_ptr(), Arc::as_ptr(&plan)) {
            tell_undeclared(&recorder, &*clock, &plan, &trust).await;
            looked_at = Arc::downgrade(&plan);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn ask(plan: &Plan, trust: &Trust, route: &Route) -> ServerState {
    let (Action::Forward(targets), Some(jellyfin)) = (&route.action, &route.jellyfin) else {
        return ServerState::NoJellyfin;
    };
    let Some(mut target) = targets.all.first().cloned() else { return ServerState::Unreachable };
    target.upstream.path = format!("{}/System/Info/Public", jellyfin.base_path).into();
    let (how, host) = ((&target, &route.tls, &plan.outbound), &target.host);
    match probe(trust, how, host, Want::Text, PATIENCE).await {
        Ok((status, body)) => ServerState::of_answer(status, &body),
        Err(_) => ServerState::Unreachable,
    }
}

/// Once for each plan: routes that lead to a Jellyfin as to any app.
async fn tell_undeclared(recorder: &Recorder, clock: &dyn Clock, plan: &Plan, trust: &Trust) {
    for route in &plan.routes {
        if doctor::is_undeclared(plan, route, trust).await {
            recorder
                .event(Level::Warn, EventName::Upstream, clock.now())
                .with(EventField::Route, &route.name)
                .with(EventField::What, "a Jellyfin answers, and the route does not say so")
                .with(
                    EventField::Effect,
                    "its apps are not let in, nor is shut what it leaves open",
                )
                .with(EventField::Hint, "write `jellyfin` into the route; `usher doctor` says more")
                .write();
        }
    }
}

fn tell(
    recorder: &Recorder,
    clock: &dyn Clock,
    route: &Route,
    (state, base): (ServerState, Option<String>),
) {
    let level = match state {
        ServerState::Ready(_) | ServerState::Starting => Level::Info,
        ServerState::SetupOpen | ServerState::TooOld(_) => Level::Warn,
        ServerState::NoJellyfin | ServerState::Unreachable => Level::Warn,
    };
    let mut event = recorder
        .event(level, EventName::Upstream, clock.now())
        .with(EventField::Route, &route.name)
        .with(EventField::What, state.in_words());
    if let Some(version) = state.version() {
        event = event.with(EventField::Version, version);
    }
    if let Some(base) = base {
        let hint = match &*base {
            "" => "it has no base path: delete `jellyfin.base_path`".to_owned(),
            base => format!("it is below `{base}`: write that into `jellyfin.base_path`"),
        };
        event = event.with(EventField::Hint, hint);
    }
    event.with(EventField::Effect, state.effect()).write();
}
