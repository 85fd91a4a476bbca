//! `health_checks`: Envoy's shape, as Pomerium takes it (`pomerium-config.md` §3).

use std::{ops::Range, time::Duration};

use http::{HeaderValue, uri::PathAndQuery};

use super::Compiler;
use crate::{
    config::{
        Section,
        keys::{nested::*, route},
    },
    names::Authority,
    plan::{HealthCheck, HealthQuestion},
    problem::{Problem, Severity},
};

/// What is expected where nothing is said.
const OK: Range<u16> = 200..201;

/// A shorter pause would be a flood.
const SHORTEST: Duration = Duration::from_millis(10);

impl Compiler<'_> {
    /// `None` when one of them is an error.
    pub(super) fn health_checks(&mut self) -> Option<Vec<HealthCheck>> {
        let before = self.problems.len();
        let sections = self.keys.value(&route::HEALTH_CHECKS);
        let checks = sections.iter().filter_map(|one| self.health_check(one)).collect();
        let is_well =
            !self.problems.iter().skip(before).any(|problem| problem.severity == Severity::Error);
        is_well.then_some(checks)
    }

    fn health_check(&mut self, keys: &Section) -> Option<HealthCheck> {
        let asks = if let Some(http) = keys.get(&CHECK_HTTP_HEALTH_CHECK) {
            self.http_question(http)
        } else if let Some(tcp) = keys.get(&CHECK_TCP_HEALTH_CHECK) {
            self.tcp_question(tcp)
        } else {
            if !keys.given.iter().any(|given| UNSUPPORTED.contains(&given.key.name)) {
                self.report(keys.problem(
                    Severity::Warning,
                    "U533",
                    "this health check asks nothing",
                    "add `http_health_check: {path: /health}` or `tcp_health_check: {}`",
                ));
            }
            None
        };
        for key in [&CHECK_TIMEOUT, &CHECK_INTERVAL] {
            let is_short = keys.value(key) < SHORTEST;
            if let Some(given) = keys.given(key).filter(|given| is_short && given.value.is_some()) {
                self.report(given.error(
                    "U534",
                    format!("`{}` is too short", key.name),
                    "write `5s`",
                ));
            }
        }
        let threshold = |key| u32::try_from(keys.value(key)).unwrap_or(u32::MAX);
        Some(HealthCheck {
            asks: asks?,
            alt_port: keys.get(&CHECK_ALT_PORT).and_then(|port| port.try_into().ok()),
            timeout: keys.value(&CHECK_TIMEOUT),
            interval: keys.value(&CHECK_INTERVAL),
            unhealthy_threshold: threshold(&CHECK_UNHEALTHY_THRESHOLD),
            healthy_threshold: threshold(&CHECK_HEALTHY_THRESHOLD),
        })
    }
    /// Each part is judged, whatever is wrong with the others.
    fn http_question(&mut self, keys: &Section) -> Option<HealthQuestion> {
        let host = keys.given(&HTTP_HOST).map(|host| {
            let read = Authority::parse(host.text()).ok();
            let field = read.and_then(|read| HeaderValue::try_from(read.to_string()).ok());
            field.ok_or_else(|| {
                let what = format!("`host: {}` is no host", host.text());
                host.error("U534", what, "write `tv.example.com`")
            })
        });
        let host = self.keep(host.transpose());
        let written = keys.get(&HTTP_PATH).filter(|path| path.starts_with('/'));
        let path = written.and_then(|path| path.parse::<PathAndQuery>().ok()).ok_or_else(|| {
            let (what, help) =
                ("a check over HTTP has a path that begins with `/`", "add `path: /health`");
            keys.given(&HTTP_PATH)
                .map_or_else(|| wrong(keys, what, help), |path| path.error("U534", what, help))
        });
        let path = self.keep(path);
        let method = keys.value(&HTTP_METHOD);
        let expected = match keys.get(&HTTP_EXPECTED_STATUSES) {
            None => Some(Vec::from([OK])),
            Some(ranges) => self.keep_all(ranges, statuses),
        };
        Some(HealthQuestion::Http { method, host: host?, path: path?, expected: expected? })
    }

    fn tcp_question(&mut self, keys: &Section) -> Option<HealthQuestion> {
        let send = keys.get(&TCP_SEND).map(octets).transpose();
        let send = self.keep(send);
        let receive = self.keep_all(keys.value(&TCP_RECEIVE), octets);
        Some(HealthQuestion::Tcp { send: send?.unwrap_or_default(), receive: receive? })
    }

    /// Reads all of them, or reports each that can't be.
    fn keep_all<T>(
        &mut self,
        sections: &[Section],
        read: fn(&Section) -> Result<T, Problem>,
    ) -> Option<Vec<T>> {
        let all: Vec<Option<T>> = sections.iter().map(|one| self.keep(read(one))).collect();
        all.into_iter().collect()
    }
}

/// Told by themselves.
const UNSUPPORTED: &[&str] = &["grpc_health_check", "custom_health_check"];

fn wrong(keys: &Section, what: &str, help: &str) -> Problem {
    keys.problem(Severity::Error, "U534", what, help)
}

/// `{start, end}`, the end not among them.
fn statuses(keys: &Section) -> Result<Range<u16>, Problem> {
    let number = |key| keys.get(key).and_then(|number| u16::try_from(number).ok());
    match (number(&STATUS_START), number(&STATUS_END)) {
        (Some(start), Some(end)) if start < end => Ok(start..end),
        (_, _) => Err(wrong(
            keys,
            "these are no statuses",
            "write `{start: 200, end: 400}` for 200 to 399: the end is not among them",
        )),
    }
}

/// What a check says or hears.
fn octets(payload: &Section) -> Result<Box<[u8]>, Problem> {
    let octets = hex(payload.value(&PAYLOAD_TEXT)).filter(|octets| !octets.is_empty());
    octets.ok_or_else(|| {
        let help = "write `{text: '50494e47'}`: hexadecimal, in quotes";
        wrong(payload, "this is nothing to say or hear", help)
    })
}

fn hex(text: &str) -> Option<Box<[u8]>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let octet = |pair: Option<&str>| {
        let pair = pair.filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()))?;
        (pair.len() == 2).then(|| u8::from_str_radix(pair, 16).ok())?
    };
    pairs.map(octet).collect()
}
