//! `health_checks`: Envoy's shape, as Pomerium takes it (`pomerium-config.md` §3).

use std::{ops::Range, time::Duration};

use http::{HeaderName, HeaderValue, uri::PathAndQuery};

use super::{Compiler, name};
use crate::{
    config::{
        Section,
        keys::{self, Text, Typed, nested::*, route},
        values,
    },
    names::Authority,
    plan::{FieldAction, HealthCheck, HealthQuestion, HttpQuestion, Pauses},
    problem::{Problem, Severity},
};

/// What is expected where nothing is said.
const OK: Range<u16> = 200..201;

/// Octets of an answer that are looked at, at most.
const LOOKED_AT: usize = 64 * 1024;

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
        } else if let Some(grpc) = keys.get(&CHECK_GRPC_HEALTH_CHECK) {
            self.grpc_question(grpc)
        } else {
            if keys.given.iter().all(|given| given.key.name != "custom_health_check") {
                self.report(keys.problem(
                    Severity::Warning,
                    "U533",
                    "this health check asks nothing",
                    "add `http_health_check: {path: /health}` or `tcp_health_check: {}`",
                ));
            }
            None
        };
        let pauses = self.pauses(keys);
        self.not_too_short(keys, &CHECK_TIMEOUT);
        let threshold = |key| u32::try_from(keys.value(key)).unwrap_or(u32::MAX);
        Some(HealthCheck {
            asks: asks?,
            alt_port: keys.get(&CHECK_ALT_PORT).and_then(|port| port.try_into().ok()),
            timeout: keys.value(&CHECK_TIMEOUT),
            pauses,
            unhealthy_threshold: threshold(&CHECK_UNHEALTHY_THRESHOLD),
            healthy_threshold: threshold(&CHECK_HEALTHY_THRESHOLD),
            logs_failures: keys.value(&CHECK_LOG_FAILURES),
            logs_successes: keys.value(&CHECK_LOG_SUCCESS),
        })
    }

    /// What is not said is as what is next to it, as in Envoy.
    fn pauses(&mut self, keys: &Section) -> Pauses {
        for key in [
            &CHECK_INTERVAL,
            &CHECK_HEALTHY_EDGE_INTERVAL,
            &CHECK_UNHEALTHY_INTERVAL,
            &CHECK_UNHEALTHY_EDGE_INTERVAL,
            &CHECK_NO_TRAFFIC_INTERVAL,
            &CHECK_NO_TRAFFIC_HEALTHY_INTERVAL,
        ] {
            self.not_too_short(keys, key);
        }
        let well = keys.value(&CHECK_INTERVAL);
        let alone = keys.get(&CHECK_UNHEALTHY_INTERVAL).unwrap_or(well);
        let unused = keys.get(&CHECK_NO_TRAFFIC_INTERVAL);
        Pauses {
            well,
            first_well: keys.get(&CHECK_HEALTHY_EDGE_INTERVAL).unwrap_or(well),
            alone,
            first_alone: keys.get(&CHECK_UNHEALTHY_EDGE_INTERVAL).unwrap_or(alone),
            unused,
            unused_well: keys.get(&CHECK_NO_TRAFFIC_HEALTHY_INTERVAL).or(unused),
        }
    }

    fn not_too_short(&mut self, keys: &Section, key: &'static Typed<keys::Duration>) {
        self.in_seconds(keys, key);
        let is_short = keys.get(key).is_some_and(|length| length < SHORTEST);
        if let Some(given) = keys.given(key).filter(|_| is_short) {
            let what = format!("`{}` is too short", key.name);
            self.report(given.error("U534", what, "write `5s`"));
        }
    }

    /// Each part is judged, whatever is wrong with the others.
    fn http_question(&mut self, keys: &Section) -> Option<HealthQuestion> {
        let host = self.host_of(keys, &HTTP_HOST);
        let written = keys.get(&HTTP_PATH).filter(|path| path.starts_with('/'));
        let path = written.and_then(|path| path.parse::<PathAndQuery>().ok()).ok_or_else(|| {
            let (what, help) =
                ("a check over HTTP has a path that begins with `/`", "add `path: /health`");
            keys.given(&HTTP_PATH)
                .map_or_else(|| wrong(keys, what, help), |path| path.error("U534", what, help))
        });
        let path = self.keep(path);
        let expected = match keys.get(&HTTP_EXPECTED_STATUSES) {
            None => Some(Vec::from([OK])),
            Some(ranges) => self.keep_all(ranges, statuses),
        };
        let retriable = self.keep_all(keys.value(&HTTP_RETRIABLE_STATUSES), statuses);
        let fields = self.keep_all(keys.value(&HTTP_HEADERS_TO_ADD), field);
        let send = self.keep(keys.get(&HTTP_SEND).map(octets).transpose());
        let receive = self.keep_all(keys.value(&HTTP_RECEIVE), octets);
        let looked_at = match usize::try_from(keys.value(&HTTP_RESPONSE_BUFFER_SIZE)) {
            Ok(0) | Err(_) => LOOKED_AT,
            Ok(octets) => octets.min(LOOKED_AT),
        };
        Some(HealthQuestion::Http(HttpQuestion {
            method: keys.value(&HTTP_METHOD),
            host: host?,
            path: path?,
            fields: fields?,
            without: self.removed(keys),
            send: send?.unwrap_or_default(),
            expected: expected?,
            retriable: retriable?,
            receive: receive?,
            looked_at,
        }))
    }

    fn host_of(
        &mut self,
        keys: &Section,
        key: &'static Typed<Text>,
    ) -> Option<Option<HeaderValue>> {
        let host = keys.given(key).map(|host| {
            let read = Authority::parse(host.text()).ok();
            let field = read.and_then(|read| HeaderValue::try_from(read.to_string()).ok());
            field.ok_or_else(|| {
                let what = format!("`{}: {}` is no host", key.name, host.text());
                host.error("U534", what, "write `tv.example.com`")
            })
        });
        self.keep(host.transpose())
    }

    fn removed(&mut self, keys: &Section) -> Vec<HeaderName> {
        let items = keys.value(&HTTP_HEADERS_TO_REMOVE).iter();
        let read = items.map(|item| name::field_name(HTTP_HEADERS_TO_REMOVE.name, item));
        read.filter_map(|name| self.keep(name)).collect()
    }

    fn tcp_question(&mut self, keys: &Section) -> Option<HealthQuestion> {
        let send = keys.get(&TCP_SEND).map(octets).transpose();
        let send = self.keep(send);
        let receive = self.keep_all(keys.value(&TCP_RECEIVE), octets);
        Some(HealthQuestion::Tcp { send: send?.unwrap_or_default(), receive: receive? })
    }

    fn grpc_question(&mut self, keys: &Section) -> Option<HealthQuestion> {
        let authority = self.host_of(keys, &GRPC_AUTHORITY)?;
        Some(HealthQuestion::Grpc { service: keys.value(&GRPC_SERVICE_NAME).into(), authority })
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

/// `{header: {key, value}}`, beside what is there or in its place.
fn field(keys: &Section) -> Result<(HeaderName, HeaderValue, FieldAction), Problem> {
    let pair = keys.get(&HEADER_OPTION_HEADER);
    let written = pair.and_then(|pair| pair.given(&HEADER_PAIR_KEY));
    let name = written.map(|given| {
        let text = values::Text { text: given.text().into(), at: given.node.span.clone() };
        name::field_name(HTTP_HEADERS_TO_ADD.name, &text)
    });
    let value = pair.and_then(|pair| pair.value(&HEADER_PAIR_VALUE).parse().ok());
    let is_alone = keys.value(&HEADER_OPTION_ACTION).starts_with("OVERWRITE")
        || !keys.value(&HEADER_OPTION_APPEND);
    match (name.transpose()?, value) {
        (Some(name), Some(value)) => {
            Ok((name, value, if is_alone { FieldAction::Overwrite } else { FieldAction::Append }))
        }
        (_, _) => {
            let help = "write `{header: {key: x-check, value: usher}}`";
            Err(wrong(keys, "this is no field of a request", help))
        }
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
