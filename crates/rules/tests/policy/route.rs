//! A route's own keys, as the recorded cases write them.

use usher_rules::{
    policy::{LegacyAllow, Policy, value_of},
    problem::{Problem, Severity, Span},
    yaml::{self, Kind, Node},
};

/// Why a route could not be compiled.
#[derive(Debug)]
pub enum Refused {
    /// The text is no YAML.
    Yaml,
    /// A key other than `policy` has a value that its reader would refuse.
    Key(&'static str),
    /// The policy, with the codes of the errors.
    Policy(Vec<&'static str>),
}

pub fn compile(text: &str) -> Result<Policy, Refused> {
    let route = yaml::parse(text).map_err(|_| Refused::Yaml)?;
    let mut problems = Vec::new();
    let policy = Policy::compile(&legacy(&route)?, route.get("policy"), &mut problems);
    let codes = errors(&problems);
    if codes.is_empty() { Ok(policy) } else { Err(Refused::Policy(codes)) }
}

fn errors(problems: &[Problem]) -> Vec<&'static str> {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    errors.map(|problem| problem.code).collect()
}

pub fn legacy(route: &Node) -> Result<LegacyAllow, Refused> {
    let mut claims = Vec::new();
    match route.get("allowed_idp_claims").map(|node| &node.kind) {
        None => {}
        Some(Kind::Map(entries)) => {
            for entry in entries {
                let values = match &entry.value.kind {
                    _ if entry.value.is_null() => &[],
                    Kind::List(values) => values.as_slice(),
                    Kind::Scalar { .. } | Kind::Map(_) => std::slice::from_ref(&entry.value),
                };
                claims.extend(
                    values
                        .iter()
                        .map(|value| (entry.key.clone(), value_of(value), value.span.clone())),
                );
            }
        }
        Some(Kind::Scalar { .. } | Kind::List(_)) => {
            return Err(Refused::Key("allowed_idp_claims"));
        }
    }
    Ok(LegacyAllow {
        span: route.span.clone(),
        public: switch(route, "allow_public_unauthenticated_access")?,
        cors_preflight: switch(route, "cors_allow_preflight")?,
        any_authenticated: switch(route, "allow_any_authenticated_user")?,
        domains: words(route, "allowed_domains")?,
        claims,
        users: words(route, "allowed_users")?,
    })
}

fn switch(route: &Node, key: &'static str) -> Result<bool, Refused> {
    match route.get(key).map(|node| node.text()) {
        None | Some(Some("" | "false")) => Ok(false),
        Some(Some("true" | "1" | "2")) => Ok(true),
        Some(_) => Err(Refused::Key(key)),
    }
}

/// A list, one word, or words with commas between.
fn words(route: &Node, key: &'static str) -> Result<Vec<(Box<str>, Span)>, Refused> {
    let one = |node: &Node| match node.text() {
        Some(_) if node.is_null() => Ok(("".into(), node.span.clone())),
        Some(text) => Ok((text.into(), node.span.clone())),
        None => Err(Refused::Key(key)),
    };
    match route.get(key) {
        None => Ok(Vec::new()),
        Some(node) if node.is_null() => Ok(Vec::new()),
        Some(node) => match &node.kind {
            Kind::List(items) => items.iter().map(one).collect(),
            Kind::Map(_) => Err(Refused::Key(key)),
            Kind::Scalar { text, .. } => {
                Ok(text.split(',').map(|word| (word.into(), node.span.clone())).collect())
            }
        },
    }
}
