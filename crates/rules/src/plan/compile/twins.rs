//! Routes that answer for the same requests.

use std::{collections::HashMap, sync::Arc};

use super::route;
use crate::{
    config::{Given, Section, keys::route::FROM},
    plan::{HostPattern, PathMatch, Route},
    problem::{Place, Problem, Severity, Span},
};

/// Refuses twins: routes of one identity, of which Pomerium picks the policy by chance
/// (`pomerium-policy-measured.md` 3). Warns about routes that an earlier one hides.
pub(super) fn find(
    sections: &[Section],
    routes: &[Option<Arc<Route>>],
    problems: &mut Vec<Problem>,
) {
    let mut by_id: HashMap<Box<str>, &Section> = HashMap::new();
    let mut by_matcher: HashMap<String, &Section> = HashMap::new();
    for (section, route) in sections.iter().zip(routes) {
        let Some(from) = section.given(&FROM) else { continue };
        if let Some(first) = by_id.insert(route::id(section), section) {
            problems.push(about(
                Severity::Error,
                "U541",
                from,
                first,
                format!("two routes are the same: `{}`", from.text()),
            ));
            continue;
        }
        let Some(matcher) = route.as_deref().map(matcher_of) else { continue };
        match by_matcher.get(&matcher) {
            Some(first) => {
                let what = format!("no request reaches this route for `{}`", from.text());
                problems.push(about(Severity::Warning, "U542", from, first, what));
            }
            None => {
                by_matcher.insert(matcher, section);
            }
        }
    }
}

fn about(
    severity: Severity,
    code: &'static str,
    from: &Given,
    first: &Section,
    what: String,
) -> Problem {
    let at = from.source.place(&from.node.span);
    let both_in_file = matches!(at, Place::File(_)) && first.source == crate::config::Source::File;
    let other = first.given(&FROM).map(|given| given.node.span.clone());
    let mut problem = Problem::new(
        severity,
        code,
        at,
        what,
        "give one of them a `prefix` or `path`, or delete it",
    );
    problem.also =
        other.filter(|_| both_in_file).map(|span: Span| Box::new((span, "the first one".into())));
    problem
}

/// The requests that a route takes, as text: equal for two that take the same.
fn matcher_of(route: &Route) -> String {
    if let Some(tunnel) = &route.tunnel {
        let ends = tunnel.ends.iter().map(|end| format!(" {end}"));
        return format!("tunnel {}{}", tunnel.carried.word(), ends.collect::<String>());
    }
    let host = match &route.from {
        HostPattern::Exact { host, port } => format!("{host}:{port:?}"),
        HostPattern::Wildcard { text, port, .. } => format!("{text}:{port:?}"),
    };
    match &route.matches {
        PathMatch::Prefix(path) => format!("{host} prefix {path}"),
        PathMatch::Exact(path) => format!("{host} path {path}"),
        PathMatch::Regex(regex) => format!("{host} regex {}", regex.as_str()),
    }
}
