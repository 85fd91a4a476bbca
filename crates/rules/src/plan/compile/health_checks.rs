//! `health_checks`: Envoy's shape, as Pomerium takes it (`pomerium-config.md` §3).

use std::{ops::Range, time::Duration};

use http::{HeaderValue, Method, uri::PathAndQuery};

use super::{Ground, target::inner};
use crate::{
    config::{Given, Section, keys, values},
    names::Authority,
    plan::{HealthCheck, HealthQuestion},
    problem::{Problem, Severity},
    yaml::{Kind, Node},
};

/// Where nothing is said. Envoy asks for all four.
const TIMEOUT: Duration = Duration::from_secs(5);
const INTERVAL: Duration = Duration::from_secs(10);
const UNHEALTHY: u32 = 3;
const HEALTHY: u32 = 2;

/// What is expected where nothing is said.
const OK: Range<u16> = 200..201;

/// A shorter pause would be a flood.
const SHORTEST: Duration = Duration::from_millis(10);

impl Ground<'_> {
    /// `None` when one of them is an error.
    pub(super) fn health_checks(&mut self) -> Option<Vec<HealthCheck>> {
        let Some(given) = self.keys.given("health_checks") else { return Some(Vec::new()) };
        let before = self.problems.len();
        let checks = each(given).iter().filter_map(|one| self.health_check(one)).collect();
        let is_well =
            !self.problems.iter().skip(before).any(|problem| problem.severity == Severity::Error);
        is_well.then_some(checks)
    }

    fn health_check(&mut self, given: &Given) -> Option<HealthCheck> {
        let section = inner(given, keys::HEALTH_CHECK)?;
        let asks = if let Some(http) = section.given("http_health_check") {
            let asks = http_question(http);
            self.keep(asks)
        } else if let Some(tcp) = section.given("tcp_health_check") {
            let asks = tcp_question(tcp);
            self.keep(asks)
        } else {
            if !UNSUPPORTED.iter().any(|key| section.given(key).is_some()) {
                self.report(given.warning(
                    "U533",
                    "this health check asks nothing",
                    "add `http_health_check: {path: /health}` or `tcp_health_check: {}`",
                ));
            }
            None
        };
        for key in ["timeout", "interval"] {
            let short = |given: &&Given| {
                values::duration(&given.node).is_ok_and(|(length, _)| length < SHORTEST)
            };
            if let Some(given) = section.given(key).filter(short) {
                self.report(wrong(given, format!("`{key}` is too short"), "write `5s`"));
            }
        }
        let threshold = |key| section.int(key).and_then(|times| u32::try_from(times).ok());
        Some(HealthCheck {
            asks: asks?,
            timeout: section.duration("timeout").unwrap_or(TIMEOUT),
            interval: section.duration("interval").unwrap_or(INTERVAL),
            unhealthy_threshold: threshold("unhealthy_threshold").unwrap_or(UNHEALTHY),
            healthy_threshold: threshold("healthy_threshold").unwrap_or(HEALTHY),
        })
    }
}

/// Told by themselves.
const UNSUPPORTED: &[&str] = &["grpc_health_check", "custom_health_check"];

fn wrong(given: &Given, what: impl Into<String>, help: &str) -> Problem {
    given.error("U534", what, help)
}

/// The items of a list; one alone is a list of one.
fn each(given: &Given) -> Vec<Given> {
    let one = |node: &Node| Given {
        key: given.key,
        key_span: given.key_span.clone(),
        node: node.clone(),
        source: given.source.clone(),
    };
    match &given.node.kind {
        Kind::List(items) => items.iter().map(one).collect(),
        Kind::Map(_) => vec![one(&given.node)],
        Kind::Scalar { .. } => Vec::new(),
    }
}

fn http_question(given: &Given) -> Result<HealthQuestion, Problem> {
    let empty = Section { given: Vec::new(), at: 0..0, source: given.source.clone() };
    let section = inner(given, keys::HTTP_HEALTH_CHECK).unwrap_or(empty);
    let host = section.given("host").filter(|host| !host.text().is_empty());
    let host = host.map(|host| {
        let read = Authority::parse(host.text()).ok();
        let field = read.and_then(|read| HeaderValue::try_from(read.to_string()).ok());
        field.ok_or_else(|| {
            wrong(host, format!("`host: {}` is no host", host.text()), "write `tv.example.com`")
        })
    });
    let written = section.given("path").filter(|path| path.text().starts_with('/'));
    let path =
        written.and_then(|path| path.text().parse::<PathAndQuery>().ok()).ok_or_else(|| {
            let at = section.given("path").unwrap_or(given);
            wrong(at, "a check over HTTP has a path that begins with `/`", "add `path: /health`")
        })?;
    let method = section.text("method").map(str::to_ascii_uppercase);
    let method = method.and_then(|method| method.parse().ok()).unwrap_or(Method::GET);
    let expected = match section.given("expected_statuses") {
        None => Vec::from([OK]),
        Some(given) => each(given).iter().map(statuses).collect::<Result<_, _>>()?,
    };
    Ok(HealthQuestion::Http { method, host: host.transpose()?, path, expected })
}

/// `{start, end}`, the end not among them.
fn statuses(given: &Given) -> Result<Range<u16>, Problem> {
    let section = inner(given, keys::STATUS_RANGE);
    let number = |key| {
        let number = section.as_ref().and_then(|section| section.int(key));
        number.and_then(|number| u16::try_from(number).ok())
    };
    match (number("start"), number("end")) {
        (Some(start), Some(end)) if start < end => Ok(start..end),
        (_, _) => Err(wrong(
            given,
            "these are no statuses",
            "write `{start: 200, end: 400}` for 200 to 399: the end is not among them",
        )),
    }
}

fn tcp_question(given: &Given) -> Result<HealthQuestion, Problem> {
    let section = inner(given, keys::TCP_HEALTH_CHECK);
    let part = |key| section.as_ref().and_then(|section| section.given(key));
    let octets = |given: &Given| {
        let text = inner(given, keys::PAYLOAD);
        let text = text.as_ref().and_then(|payload| payload.text("text")).unwrap_or_default();
        let octets = hex(text).filter(|octets| !octets.is_empty());
        octets.ok_or_else(|| {
            wrong(given, "this is nothing to say or hear", "write `{text: 50494e47}`: hexadecimal")
        })
    };
    let send = part("send").map(octets).transpose()?.unwrap_or_default();
    let receive = part("receive").map(each).unwrap_or_default();
    let receive = receive.iter().map(octets).collect::<Result<_, _>>()?;
    Ok(HealthQuestion::Tcp { send, receive })
}

fn hex(text: &str) -> Option<Box<[u8]>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let octet = |pair: Option<&str>| {
        let pair = pair.filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()))?;
        (pair.len() == 2).then(|| u8::from_str_radix(pair, 16).ok())?
    };
    pairs.map(octet).collect()
}
