//! One route.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};

use super::{
    Ground,
    files::Pem,
    from,
    globals::some_time,
    headers::{self, ResponseFields},
    name,
    sign_in::stable_id,
    target, template,
};
use crate::{
    config::{Given, Section, values::Text},
    names::{Authority, Host},
    plan::{
        HostField, HostPattern, PathMatch, RequestTemplate, Route, UpstreamTls, UpstreamVerify,
    },
    policy::{LegacyAllow, Policy, value_of},
    problem::{Problem, Severity},
    yaml::Kind,
};

/// Silence on a stream that ends it where nothing else is said.
const STREAM_IDLE: Duration = Duration::from_secs(300);

/// What routes take from the top level.
pub(super) struct Defaults<'a> {
    timeout: Duration,
    pass_identity: bool,
    issuer_is_uri: bool,
    response_fields: &'a ResponseFields,
    additional_methods: &'a [Box<str>],
}

impl<'a> Defaults<'a> {
    pub(super) fn of(
        globals: &Section,
        response_fields: &'a ResponseFields,
        additional_methods: &'a [Box<str>],
    ) -> Self {
        Self {
            timeout: globals
                .duration("default_upstream_timeout")
                .unwrap_or(Duration::from_secs(30)),
            pass_identity: globals.bool("pass_identity_headers").unwrap_or_default(),
            issuer_is_uri: issuer_is_uri(globals).unwrap_or_default(),
            response_fields,
            additional_methods,
        }
    }
}

/// Compiles a route; `None` when something in it is an error.
pub(super) fn compile(
    ground: &mut Ground<'_>,
    defaults: &Defaults<'_>,
    line: u32,
) -> Option<Route> {
    let keys = ground.keys;
    let from = ground.from();
    let matches = ground.path_match();
    let action = ground.action();
    let rewrite = ground.rewrite(action.as_ref());
    let policy = ground.policy();
    ground.problems.extend(policy.never_met(defaults.additional_methods));
    let set_request = ground.set_request();
    let remove_request = ground.field_names("remove_request_headers");
    let response = headers::route_response_fields(ground, defaults.response_fields);
    let client_identity = ground.field_names("allow_client_identity_headers");
    let socket_origins = ground.socket_origins();
    let host_field = ground.host_field();
    let tls = ground.upstream_tls();
    let (from, matches, action) = (from?, matches?, action?);
    let websockets = keys.bool("allow_websockets").unwrap_or_default();
    Some(Route {
        id: id(keys),
        name: keys.text("name").map_or_else(|| name_of(&from, &matches), Box::from),
        span: keys.at.clone(),
        line,
        policy,
        websockets,
        host_field: host_field?,
        rewrite: rewrite?,
        timeout: match keys.duration("timeout") {
            Some(limit) => some_time(limit),
            None if websockets => None,
            None => some_time(defaults.timeout),
        },
        idle_timeout: match keys.duration("idle_timeout") {
            Some(limit) => some_time(limit),
            None if websockets => None,
            None => Some(STREAM_IDLE),
        },
        pass_identity: keys.bool("pass_identity_headers").unwrap_or(defaults.pass_identity),
        issuer_is_uri: issuer_is_uri(keys).unwrap_or(defaults.issuer_is_uri),
        own_request: set_request
            .iter()
            .map(|(name, _)| name)
            .chain(&remove_request)
            .cloned()
            .collect(),
        client_identity,
        set_request,
        remove_request,
        set_response: response.written,
        default_response: response.defaults,
        is_public: keys.bool("allow_public_unauthenticated_access").unwrap_or_default(),
        socket_origins,
        tls: tls?,
        from,
        matches,
        action,
    })
}

impl Ground<'_> {
    fn from(&mut self) -> Option<HostPattern> {
        let Some(given) = self.keys.given("from").filter(|given| !given.text().is_empty()) else {
            let place = self.keys.source.place(&self.start());
            let help = "add `from: https://HOST`, the address that visitors type";
            self.report(Problem::new(
                Severity::Error,
                "U501",
                place,
                "this route has no `from`",
                help,
            ));
            return None;
        };
        let outcome = from::parse(given, self.problems);
        self.keep(outcome)
    }

    fn policy(&mut self) -> Policy {
        let legacy = LegacyAllow {
            span: self.start(),
            public: self.keys.bool("allow_public_unauthenticated_access").unwrap_or_default(),
            cors_preflight: self.keys.bool("cors_allow_preflight").unwrap_or_default(),
            any_authenticated: self.keys.bool("allow_any_authenticated_user").unwrap_or_default(),
            domains: self.people("allowed_domains"),
            claims: self.claims(),
            users: self.people("allowed_users"),
        };
        let ppl = self.keys.given("policy");
        self.judge(&legacy, ppl);
        Policy::compile(&legacy, ppl.map(|given| &given.node), self.problems)
    }

    fn people(&self, key: &str) -> Vec<(Box<str>, crate::problem::Span)> {
        self.keys
            .list(key)
            .unwrap_or_default()
            .into_iter()
            .map(|Text { text, at }| (text, at))
            .collect()
    }

    /// `allowed_idp_claims`: claim to one value or several. Values keep their type.
    fn claims(&mut self) -> Vec<(Box<str>, serde_json::Value, crate::problem::Span)> {
        let Some(given) = self.keys.given("allowed_idp_claims") else { return Vec::new() };
        let Kind::Map(entries) = &given.node.kind else {
            self.report(given.error(
                "U200",
                "`allowed_idp_claims` is a map",
                "write `groups: [family]`",
            ));
            return Vec::new();
        };
        let mut claims = Vec::new();
        for entry in entries.iter().filter(|entry| !entry.value.is_null()) {
            let nodes = match &entry.value.kind {
                Kind::List(items) => items.as_slice(),
                Kind::Scalar { .. } | Kind::Map(_) => std::slice::from_ref(&entry.value),
            };
            claims.extend(
                nodes.iter().map(|node| (entry.key.clone(), value_of(node), node.span.clone())),
            );
        }
        claims
    }

    /// What the allow keys and the policy mean beside each other.
    fn judge(&mut self, legacy: &LegacyAllow, ppl: Option<&Given>) {
        let open = if legacy.public {
            "allow_public_unauthenticated_access"
        } else {
            "allow_any_authenticated_user"
        };
        let is_open = legacy.public || legacy.any_authenticated;
        if let (true, Some(ppl)) = (is_open, ppl.filter(|ppl| mentions_allow(ppl))) {
            let mut problem = ppl.warning(
                "U531",
                format!(
                    "what `policy` allows has no effect beside `{open}`, which lets everybody in"
                ),
                format!("delete `{open}`, or the policy"),
            );
            problem.at = ppl.source.place(&ppl.key_span);
            self.report(problem);
        }
        // a preflight that passes lets nobody in
        let is_closed = !is_open
            && legacy.users.is_empty()
            && legacy.domains.is_empty()
            && legacy.claims.is_empty();
        if is_closed && ppl.is_none() {
            let place = self.keys.source.place(&self.start());
            self.report(Problem::new(
                Severity::Warning,
                "U532",
                place,
                "nobody is let in by this route: it has no policy",
                "add a `policy`, or `allow_any_authenticated_user: true`",
            ));
        }
    }

    fn host_field(&mut self) -> Option<HostField> {
        let literal = self.keys.given("host_rewrite").filter(|given| !given.text().is_empty());
        if let Some(given) = literal {
            // As its A-labels: `Host` is ASCII (RFC 9110 §7.2).
            let value = Authority::parse(given.text()).ok().and_then(|authority| {
                let written = given.text();
                let text =
                    if written.is_ascii() { written.to_owned() } else { authority.to_string() };
                HeaderValue::try_from(text).ok()
            });
            if value.is_none() {
                self.report(given.error(
                    "U516",
                    format!("`host_rewrite: {}` is no host", given.text()),
                    "write a host name, or `host:port`",
                ));
            }
            return value.map(HostField::Literal);
        }
        let preserve = self.keys.bool("preserve_host_header").unwrap_or_default();
        Some(if preserve { HostField::Preserve } else { HostField::Upstream })
    }

    fn set_request(&mut self) -> Vec<(HeaderName, RequestTemplate)> {
        let mut fields = Vec::new();
        for (field, value) in self.keys.pairs("set_request_headers").unwrap_or_default() {
            if field.text.eq_ignore_ascii_case("host") {
                self.report(Problem::warning(
                    "U409",
                    field.at,
                    "`set_request_headers` can't set `Host`",
                    "use `host_rewrite`",
                ));
                continue;
            }
            let field = name::field_name("set_request_headers", &field);
            let is_value = name::field_value("set_request_headers", &value);
            let (Some(field), Some(_)) = (self.keep(field), self.keep(is_value)) else { continue };
            let (template, doubts) = template::parse(value.text.trim());
            for doubt in doubts {
                let help = "write `$$` for a dollar, or one of `${pomerium.jwt}`, `${pomerium.id_token}`, `${pomerium.access_token}`, `${pomerium.request.headers[\"Name\"]}`";
                self.report(Problem::warning("U517", value.at.clone(), doubt, help));
            }
            fields.push((field, template));
        }
        fields
    }

    fn field_names(&mut self, key: &str) -> Vec<HeaderName> {
        let mut names = Vec::new();
        for item in self.keys.list(key).unwrap_or_default() {
            let outcome = name::field_name(key, &item);
            names.extend(self.keep(outcome));
        }
        names
    }

    /// Origins as browsers write them: `https://host`, `http://host:port`, `null`, `file://`.
    fn socket_origins(&mut self) -> Vec<Box<str>> {
        let key = "allow_websocket_origins";
        let mut origins = Vec::new();
        for item in self.keys.list(key).unwrap_or_default() {
            match as_browsers_write(&item.text) {
                Some(origin) => origins.push(origin),
                None => self.report(Problem::error(
                    "U518",
                    item.at,
                    format!("`{}` is no origin", item.text),
                    "write it as browsers do: `https://HOST` or `https://HOST:PORT`, without path; or `null`",
                )),
            }
        }
        origins
    }

    fn upstream_tls(&mut self) -> Option<UpstreamTls> {
        let before = self.problems.len();
        let custom = self.pem("tls_custom_ca", "tls_custom_ca_file", Pem::Certificate);
        let verify = if self.keys.bool("tls_skip_verify") == Some(true) {
            UpstreamVerify::Skip
        } else {
            custom.map_or(UpstreamVerify::System, |pem| UpstreamVerify::Custom(pem.expose().into()))
        };
        let inline = self.keys.text("tls_client_cert").is_some()
            || self.keys.text("tls_client_key").is_some();
        let names = if inline {
            ["tls_client_cert", "tls_client_key"]
        } else {
            ["tls_client_cert_file", "tls_client_key_file"]
        };
        let [cert_key, key_key] = names;
        self.want_both(cert_key, key_key);
        let (cert, key) = if inline {
            (self.pem(cert_key, "", Pem::Certificate), self.pem(key_key, "", Pem::PrivateKey))
        } else {
            (self.pem("", cert_key, Pem::Certificate), self.pem("", key_key, Pem::PrivateKey))
        };
        if let (Some(cert), Some(key)) = (&cert, &key) {
            self.want_pair(cert, key, cert_key, key_key);
        }
        let server_name = self
            .keys
            .text("tls_upstream_server_name")
            .or_else(|| self.keys.text("tls_server_name"))
            .map(Host::a_labels);
        (self.problems.len() == before).then(|| UpstreamTls {
            verify,
            server_name,
            client: cert.zip(key).map(|(cert, key)| (Arc::from(cert.expose()), Arc::new(key))),
        })
    }
}

/// The ASCII serialisation of an origin (RFC 6454 §6.2), or what apps without one send.
fn as_browsers_write(text: &str) -> Option<Box<str>> {
    if matches!(text, "null" | "file://") {
        return Some(text.into());
    }
    let (scheme, authority) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let is_scheme =
        !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let Authority { host, port } = Authority::parse(authority).ok().filter(|_| is_scheme)?;
    let default = match &*scheme {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    };
    let port = port.filter(|port| Some(*port) != default);
    let origin = Authority { host, port };
    Some(format!("{scheme}://{origin}").into())
}

fn mentions_allow(ppl: &Given) -> bool {
    match &ppl.node.kind {
        Kind::List(items) => items.iter().any(|item| item.get("allow").is_some()),
        Kind::Map(_) => ppl.node.get("allow").is_some(),
        Kind::Scalar { .. } => false,
    }
}

fn issuer_is_uri(section: &Section) -> Option<bool> {
    section.word("jwt_issuer_format").map(|word| word.ends_with("uri"))
}

/// Over from, matcher and target as they are written, so that it survives a restart.
pub(super) fn id(section: &Section) -> Box<str> {
    let part = |key| section.text(key).unwrap_or_default().as_bytes();
    stable_id(
        &[
            part("from"),
            part("prefix"),
            part("path"),
            part("regex"),
            target::written(section).as_bytes(),
        ],
        16,
    )
}

/// For people: the first label of the host, and the path where one was given.
fn name_of(from: &HostPattern, matches: &PathMatch) -> Box<str> {
    let host = match from {
        HostPattern::Exact { host, .. } => host.as_str(),
        HostPattern::Wildcard { text, .. } => text,
    };
    let label = host.split('.').find(|label| !label.is_empty() && *label != "*").unwrap_or(host);
    let path = match matches {
        PathMatch::Prefix(path) | PathMatch::Exact(path) => path.trim_end_matches('/'),
        PathMatch::Regex(regex) => {
            regex.as_str().trim_start_matches(r"\A(?:").trim_end_matches(r")\z")
        }
    };
    format!("{label}{path}").into()
}
