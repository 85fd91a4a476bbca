//! Where permitted requests go: `to`, `redirect` or `response`.

use http::{HeaderValue, StatusCode};

use super::{Compiler, name};
use crate::{
    config::{
        Given, Section,
        keys::{
            Key, Text, Typed,
            route::{self, *},
        },
        values,
    },
    names::{Upstream, UpstreamError},
    plan::{Action, CircuitBreakers, Redirect, Target, Targets},
    problem::{Problem, Span},
    yaml::{Kind, Node},
};

impl Compiler<'_> {
    /// `redirect` wins over `response`, and this over `to`.
    pub(super) fn action(&mut self, breakers: CircuitBreakers) -> Option<Action> {
        let given: Vec<&Given> = ACTIONS.iter().filter_map(|key| self.keys.given(key)).collect();
        if let [wins, loses, ..] = given.as_slice() {
            self.report(loses.warning(
                "U524",
                format!("`{}` has no effect beside `{}`", loses.key.name, wins.key.name),
                "delete one of them",
            ));
        }
        match given.first() {
            Some(given) if given.key.is(&route::REDIRECT) => {
                self.redirect(self.keys.get(&route::REDIRECT)?)
            }
            Some(given) if given.key.is(&route::RESPONSE) => {
                self.response(given, self.keys.get(&route::RESPONSE)?)
            }
            Some(given) => self.forward(given, breakers),
            None => {
                let place = self.keys.source.place(&self.start());
                self.report(Problem::new(
                    crate::problem::Severity::Error,
                    "U521",
                    place,
                    "this route has no `to`",
                    "add `to: http://HOST:PORT`, the server to forward to; or a `redirect`, or a `response`",
                ));
                None
            }
        }
    }

    /// The first key of the route, to point at when something is missing.
    pub(super) fn start(&self) -> Span {
        self.keys.given.first().map_or_else(|| self.keys.at.clone(), |given| given.key_span.clone())
    }

    fn forward(&mut self, given: &Given, breakers: CircuitBreakers) -> Option<Action> {
        let (checks, outliers) = (self.health_checks(), self.outlier_detection());
        let mut written = Vec::new();
        if let Err(node) = collect(&given.node, &mut written) {
            self.report(Problem::error(
                "U200",
                node.span.clone(),
                "`to` is an address or a list of them",
                EXAMPLE,
            ));
            return None;
        }
        if written.is_empty() {
            self.report(given.error("U521", "`to` names no address", EXAMPLE));
            return None;
        }
        let mut targets = Vec::new();
        for node in &written {
            let target = self.target(node);
            targets.push(self.keep(target));
        }
        let targets: Vec<(Target, Weighed)> = targets.into_iter().collect::<Option<_>>()?;
        let weighed = targets.iter().filter(|(_, weighed)| *weighed == Weighed::Yes).count();
        if weighed != 0 && weighed != targets.len() {
            self.report(given.error(
                "U523",
                "some addresses in `to` have a weight and some have none",
                "give all of them a weight, or none",
            ));
            return None;
        }
        let all = targets.into_iter().map(|(target, _)| target).collect();
        Some(Action::Forward(Targets {
            all,
            balance: self.keys.value(&route::LOAD_BALANCING_POLICY),
            checks: checks?,
            outliers,
            panic_threshold: self.healthy_panic_threshold(),
            breakers: CircuitBreakers::of(
                self.keys.get(&route::CIRCUIT_BREAKER_THRESHOLDS),
                breakers,
            ),
        }))
    }

    /// `URL` or `URL,weight`.
    fn target(&mut self, node: &Node) -> Result<(Target, Weighed), Problem> {
        let text = node.text().unwrap_or_default();
        let (url, weight) =
            text.split_once(',').map_or((text, None), |(url, weight)| (url, Some(weight)));
        let error =
            |code, what: String, help: &str| Problem::error(code, node.span.clone(), what, help);
        let upstream = Upstream::parse(url).map_err(|why| {
            let scheme = url.split("://").next().unwrap_or_default();
            let is_known = matches!(why, UpstreamError::UnknownScheme(_))
                && SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme));
            if is_known {
                let what = format!("`{scheme}` upstreams are not spoken to yet");
                return error(
                    "U525",
                    what,
                    "use `http`, `https` or `h2c`, or keep the route on Pomerium",
                );
            }
            error("U522", format!("`to: {url}` is no address to forward to: {why}"), EXAMPLE)
        })?;
        if url.contains(['?', '#'])
            || url
                .split("://")
                .nth(1)
                .is_some_and(|rest| rest.split('/').next().is_some_and(|a| a.contains('@')))
        {
            self.report(Problem::warning(
                "U526",
                node.span.clone(),
                "user, query and fragment of `to` have no effect",
                "delete them; for a password use `set_request_headers` with `Authorization`",
            ));
        }
        let (weight, weighed) = match weight.map(str::parse::<u32>) {
            None => (1, Weighed::No),
            Some(Ok(weight)) if weight > 0 => (weight, Weighed::Yes),
            Some(_) => {
                return Err(error(
                    "U523",
                    format!("what follows the comma in `{text}` is no weight"),
                    "a weight is a whole number from 1; write several addresses as a list",
                ));
            }
        };
        let host = HeaderValue::try_from(upstream.authority()).map_err(|_| {
            error("U522", format!("`to: {url}` names a host that can't be written"), EXAMPLE)
        })?;
        Ok((Target { upstream, weight, host }, weighed))
    }

    fn redirect(&mut self, keys: &Section) -> Option<Action> {
        let text = |key: &'static Typed<Text>| keys.get(key).map(Box::from);
        let status = keys.get(&REDIRECT_RESPONSE_CODE);
        let path = text(&REDIRECT_PATH_REDIRECT);
        let redirect = Redirect {
            status: status.unwrap_or(StatusCode::MOVED_PERMANENTLY),
            scheme: match keys.get(&REDIRECT_HTTPS_REDIRECT) {
                Some(true) => Some("https".into()),
                Some(false) => None, // wins as well
                None => text(&REDIRECT_SCHEME_REDIRECT),
            },
            host: keys.get(&REDIRECT_HOST_REDIRECT).and_then(name::authority).map(Into::into),
            port: keys.get(&REDIRECT_PORT_REDIRECT).and_then(|port| port.try_into().ok()),
            prefix: if path.is_some() { None } else { text(&REDIRECT_PREFIX_REWRITE) },
            path,
            strip_query: keys.value(&REDIRECT_STRIP_QUERY),
        };
        let before = self.problems.len();
        let odd = |key: &'static Key, is_right: fn(&str) -> bool| {
            keys.given(key).filter(|given| !given.text().is_empty() && !is_right(given.text()))
        };
        let is_path: fn(&str) -> bool =
            |text| text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic());
        for (odd, what, help) in [
            (
                odd(&REDIRECT_HOST_REDIRECT, |text| name::authority(text).is_some()),
                "is no host",
                "write a host name without scheme and path",
            ),
            (
                odd(&REDIRECT_SCHEME_REDIRECT, |text| matches!(text, "http" | "https")),
                "leads nowhere",
                "write `https` or `http`",
            ),
            (
                odd(&REDIRECT_PATH_REDIRECT, is_path),
                "is no path",
                "begin it with `/`, without blanks",
            ),
            (
                odd(&REDIRECT_PREFIX_REWRITE, is_path),
                "is no path",
                "begin it with `/`, without blanks",
            ),
        ] {
            if let Some(given) = odd {
                let what = format!("`{}: {}` {what}", given.key.name, given.text());
                self.report(given.error("U527", what, help));
            }
        }
        (self.problems.len() == before).then_some(Action::Redirect(redirect))
    }

    fn response(&mut self, given: &Given, keys: &Section) -> Option<Action> {
        if keys.given(&RESPONSE_STATUS).is_none() {
            self.report(given.error("U529", "`response` has no `status`", "add `status: 200`"));
        }
        let status = u16::try_from(keys.get(&RESPONSE_STATUS)?).ok()?;
        let status = StatusCode::from_u16(status).ok()?;
        Some(Action::Respond { status, body: keys.value(&RESPONSE_BODY).into() })
    }
}

/// What may become of permitted requests; the first wins.
static ACTIONS: [&Key; 3] = [&route::REDIRECT.key, &route::RESPONSE.key, &route::TO.key];

const EXAMPLE: &str = "write `http://HOST:PORT` or `https://HOST`";

/// What Pomerium forwards to and usher does not yet.
const SCHEMES: &[&str] = &["unix", "https+unix"];

/// Every text in it, whatever its shape, in order.
pub(super) fn collect<'n>(node: &'n Node, out: &mut Vec<&'n Node>) -> Result<(), &'n Node> {
    match &node.kind {
        Kind::Scalar { text, .. } if text.is_empty() => Err(node),
        Kind::Scalar { .. } if node.is_null() => Err(node),
        Kind::Scalar { .. } => {
            out.push(node);
            Ok(())
        }
        Kind::List(items) => items.iter().try_for_each(|item| collect(item, out)),
        Kind::Map(entries) => entries.iter().try_for_each(|entry| collect(&entry.value, out)),
    }
}

/// Was a weight written?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weighed {
    Yes,
    No,
}

/// Whether two routes lead to the same place, as they are written.
pub(super) fn written(section: &Section) -> String {
    let first = ACTIONS.iter().find_map(|key| section.given(key));
    first.map(|given| format!("{}={}", given.key.name, shown(&given.node))).unwrap_or_default()
}

fn shown(node: &Node) -> String {
    match &node.kind {
        Kind::Scalar { text, .. } => text.to_string(),
        Kind::List(items) => items.iter().map(|item| format!("{},", shown(item))).collect(),
        Kind::Map(entries) => entries
            .iter()
            .filter(|entry| values::text(&entry.value).is_ok() || !entry.value.is_null())
            .map(|entry| format!("{}:{};", entry.key.to_ascii_lowercase(), shown(&entry.value)))
            .collect(),
    }
}
