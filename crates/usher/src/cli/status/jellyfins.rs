//! How the Jellyfin of each route stands that says `jellyfin`.

use std::io::{self, Write};

use serde_json::{Value, json};
use usher_rules::{
    jellyfin::ServerState,
    plan::{Action, Plan, Route},
};

use crate::doctor::{block_on, standings};

/// Who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Somebody at a terminal.
    Person,
    /// A program.
    Program,
}

/// A block for each, asked now; whether all are ready.
pub(super) fn show(plan: &Plan, reader: Reader, out: &mut dyn Write) -> io::Result<bool> {
    let mut all_ready = true;
    for (route, state) in block_on(standings(plan))? {
        all_ready &= matches!(state, ServerState::Ready(_));
        match reader {
            Reader::Program => writeln!(out, "{}", to_json(&route, state))?,
            Reader::Person => text(&route, state, out)?,
        }
    }
    Ok(all_ready)
}

fn text(route: &Route, state: ServerState, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "route {}", route.name)?;
    let version = state.version().map(|version| format!(", {version}")).unwrap_or_default();
    writeln!(out, "  jellyfin     {}{version}", word(state))?;
    writeln!(out, "  at           {}", upstream(route))?;
    writeln!(out, "  effect       {}\n", state.effect())
}

fn to_json(route: &Route, state: ServerState) -> Value {
    json!({
        "route": route.name,
        "jellyfin": word(state),
        "version": state.version().map(|version| version.to_string()),
        "upstream": upstream(route),
        "effect": state.effect(),
    })
}

fn upstream(route: &Route) -> String {
    let Action::Forward(targets) = &route.action else { return String::new() };
    targets.all.first().map(|target| target.upstream.to_string()).unwrap_or_default()
}

/// A word for programs, which stays.
const fn word(state: ServerState) -> &'static str {
    match state {
        ServerState::Ready(_) => "ready",
        ServerState::Starting => "starting",
        ServerState::SetupOpen => "setup-open",
        ServerState::TooOld(_) => "too-old",
        ServerState::NoJellyfin => "no-jellyfin",
        ServerState::Unreachable => "unreachable",
    }
}

#[cfg(test)]
mod tests {
    use usher_rules::jellyfin::{ServerState, Version};

    use super::word;

    #[test]
    fn each_state_has_a_word_of_its_own() {
        let version = Version { major: 10, minor: 11 };
        let all = [
            (ServerState::Ready(version), "ready"),
            (ServerState::Starting, "starting"),
            (ServerState::SetupOpen, "setup-open"),
            (ServerState::TooOld(version), "too-old"),
            (ServerState::NoJellyfin, "no-jellyfin"),
            (ServerState::Unreachable, "unreachable"),
        ];
        for (state, expected) in all {
            assert_eq!(word(state), expected);
        }
    }
}
