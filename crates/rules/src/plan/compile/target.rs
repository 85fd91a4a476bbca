//! Where permitted requests go: `to`, `redirect` or `response`.

use http::{HeaderValue, StatusCode};

use super::Ground;
use crate::{
    config::{Given, Section, keys, values},
    names::{Host, Upstream, UpstreamError},
    plan::{Action, Balance, Redirect, Target, Targets},
    problem::{Problem, Span, without_passwords},
    yaml::{Kind, Node},
};

impl Ground<'_> {
    /// `redirect` wins over `response`, and this over `to`.
    pub(super) fn action(&mut self) -> Option<Action> {
        let given: Vec<&Given> = ["redirect", "response", "to"]
            .into_iter()
            .filter_map(|key| self.keys.given(key))
            .collect();
        if let [wins, loses, ..] = given.as_slice() {
            self.report(loses.warning(
                "U524",
                format!("`{}` has no effect beside `{}`", loses.key.name, wins.key.name),
                "delete one of them",
            ));
        }
        match given.first() {
            Some(given) if given.key.name == "redirect" => self.redirect(given),
            Some(given) if given.key.name == "response" => self.response(given),
            Some(given) => self.forward(given),
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

    fn forward(&mut self, given: &Given) -> Option<Action> {
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
        let (balance, checks) = (self.balance(), self.health_checks()?);
        Some(Action::Forward(Targets { all, balance, checks }))
    }

    /// `load_balancing_policy`. Both ways of hashing are one here: what they promise is that the
    /// same visitor meets the same upstream, and that few move when the list changes.
    fn balance(&self) -> Balance {
        match self.keys.word("load_balancing_policy").as_deref() {
            Some("random") => Balance::Random,
            Some("least_request") => Balance::LeastRequest,
            Some("ring_hash" | "maglev") => Balance::Hash,
            Some(_) | None => Balance::RoundRobin,
        }
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
            let shown = without_passwords(url);
            error("U522", format!("`to: {shown}` is no address to forward to: {why}"), EXAMPLE)
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
                    format!("what follows the comma in `{}` is no weight", without_passwords(text)),
                    "a weight is a whole number from 1; write several addresses as a list",
                ));
            }
        };
        let host = HeaderValue::try_from(upstream.authority()).map_err(|_| {
            let shown = without_passwords(url);
            error("U522", format!("`to: {shown}` names a host that can't be written"), EXAMPLE)
        })?;
        Ok((Target { upstream, weight, host }, weighed))
    }

    fn redirect(&mut self, given: &Given) -> Option<Action> {
        let section = inner(given, keys::REDIRECT)?;
        let text = |key| section.text(key).map(Box::from);
        let code = section.text("response_code").and_then(|code| code.parse().ok()).unwrap_or(301);
        let redirect = Redirect {
            status: StatusCode::from_u16(code).unwrap_or(StatusCode::MOVED_PERMANENTLY),
            scheme: if section.bool("https_redirect") == Some(true) {
                Some("https".into())
            } else {
                text("scheme_redirect")
            },
            host: section.text("host_redirect").map(Host::a_labels), // `Location` is ASCII
            port: section.int("port_redirect").and_then(|port| port.try_into().ok()),
            prefix: if section.text("path_redirect").is_some() {
                None
            } else {
                text("prefix_rewrite")
            },
            path: text("path_redirect"),
            strip_query: section.bool("strip_query").unwrap_or_default(),
        };
        let before = self.problems.len();
        if let Some(host) =
            section.given("host_redirect").filter(|host| Host::parse(host.text()).is_err())
        {
            self.report(host.error(
                "U527",
                format!("`host_redirect: {}` is no host", host.text()),
                "write a host name without scheme, port and path",
            ));
        }
        if let Some(scheme) = section
            .given("scheme_redirect")
            .filter(|scheme| !matches!(scheme.text(), "" | "http" | "https"))
        {
            self.report(scheme.error(
                "U527",
                format!("`scheme_redirect: {}` leads nowhere", scheme.text()),
                "write `https` or `http`",
            ));
        }
        for key in ["path_redirect", "prefix_rewrite"] {
            let odd = section.given(key).filter(|path| !path.text().is_empty());
            if let Some(path) = odd.filter(|path| {
                !path.text().starts_with('/') || !path.text().bytes().all(|b| b.is_ascii_graphic())
            }) {
                self.report(path.error(
                    "U527",
                    format!("`{key}: {}` is no path", path.text()),
                    "begin it with `/`, without blanks",
                ));
            }
        }
        if redirect.scheme.is_none()
            && redirect.host.is_none()
            && redirect.port.is_none()
            && redirect.path.is_none()
            && redirect.prefix.is_none()
        {
            self.report(given.warning(
                "U528",
                "this redirect leads back to where it came from",
                "say where it leads, such as `https_redirect: true`",
            ));
        }
        (self.problems.iter().skip(before).all(|p| p.code == "U528"))
            .then_some(Action::Redirect(redirect))
    }

    fn response(&mut self, given: &Given) -> Option<Action> {
        let section = inner(given, keys::RESPONSE)?;
        let Some(status) = section.int("status") else {
            if section.given("status").is_none() {
                self.report(given.error("U529", "`response` has no `status`", "add `status: 200`"));
            }
            return None;
        };
        let status =
            u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok())?;
        Some(Action::Respond { status, body: section.text("body").unwrap_or_default().into() })
    }
}

const EXAMPLE: &str = "write `http://HOST:PORT` or `https://HOST`";

/// What Pomerium forwards to and usher does not yet.
const SCHEMES: &[&str] = &["tcp", "udp", "ssh", "unix", "https+unix"];

/// Every text in it, whatever its shape, in order.
fn collect<'n>(node: &'n Node, out: &mut Vec<&'n Node>) -> Result<(), &'n Node> {
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

/// The map under a key as a section of its own. Its types were checked with the draft.
pub(super) fn inner(given: &Given, table: &'static [keys::Key]) -> Option<Section> {
    let Kind::Map(entries) = &given.node.kind else { return None };
    let known = entries.iter().filter_map(|entry| {
        let key = keys::find(table, &entry.key)?;
        (!entry.value.is_null()).then(|| Given {
            key,
            key_span: entry.key_span.clone(),
            node: entry.value.clone(),
            source: given.source.clone(),
        })
    });
    Some(Section {
        given: known.collect(),
        at: given.node.span.clone(),
        source: given.source.clone(),
    })
}

/// Whether two routes lead to the same place, as they are written.
pub(super) fn written(section: &Section) -> String {
    let show = |key| section.given(key).map(|given| format!("{key}={}", shown(&given.node)));
    ["redirect", "response", "to"].into_iter().find_map(show).unwrap_or_default()
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
