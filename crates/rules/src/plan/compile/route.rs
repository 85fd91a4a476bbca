//! One route.

use std::{sync::Arc, time::Duration};

use http::HeaderName;

use super::{
    Compiler,
    files::Pem,
    from,
    globals::some_time,
    headers::{self, ResponseFields},
    mcp::McpFlag,
    mtls, name,
    policy_tests::Tested,
    provider::stable_id,
    rego::Rego,
    target,
};
use crate::{
    config::{
        Given, Section,
        keys::{self, Key, List, Typed, global, nested, route},
        upgrades,
        words::IssuerFormat,
    },
    names::{EscapedSlashes, Host},
    plan::{
        CircuitBreakers, HostPattern, Jellyfin, PathMatch, RequestTemplate, Rewrite, Route, Tunnel,
        UpstreamTls, UpstreamVerify,
    },
    policy::{LegacyAllow, Policy, value_of},
    problem::{Problem, Severity},
    yaml::Kind,
};

/// What routes take from the top level.
pub(super) struct Defaults<'a> {
    timeout: Duration,
    pass_identity: bool,
    issuer_is_uri: bool,
    globals: &'a Section,
    pub(super) rego: Rego<'a>,
    breakers: CircuitBreakers,
    response_fields: &'a ResponseFields,
    additional_methods: &'a [Box<str>],
    slashes: EscapedSlashes,
    mtls: &'a mtls::Shared,
    mcp: McpFlag,
}

impl<'a> Defaults<'a> {
    pub(super) fn of(
        (globals, rego): (&'a Section, Rego<'a>),
        response_fields: &'a ResponseFields,
        additional_methods: &'a [Box<str>],
        mtls: &'a mtls::Shared,
    ) -> Self {
        Self {
            timeout: globals.value(&global::DEFAULT_UPSTREAM_TIMEOUT),
            pass_identity: globals.value(&global::PASS_IDENTITY_HEADERS),
            issuer_is_uri: globals.value(&global::JWT_ISSUER_FORMAT) == IssuerFormat::Uri,
            globals,
            rego,
            breakers: CircuitBreakers::of(
                globals.get(&global::CIRCUIT_BREAKER_THRESHOLDS),
                CircuitBreakers::default(),
            ),
            response_fields,
            additional_methods,
            slashes: globals.value(&global::PATH_WITH_ESCAPED_SLASHES_ACTION),
            mtls,
            mcp: McpFlag::of(globals),
        }
    }
}

/// What a route takes: requests of a host, or what CONNECT asks for.
pub(super) struct Takes {
    from: Option<HostPattern>,
    matches: Option<PathMatch>,
    tunnel: Option<Tunnel>,
}

/// Compiles a route; `None` when something in it is an error.
pub(super) fn compile(
    compiler: &mut Compiler<'_>,
    defaults: &Defaults<'_>,
    Takes { from, matches, tunnel }: Takes,
    line: u32,
) -> Option<Route> {
    let keys = compiler.keys;
    let action = compiler.action(defaults.breakers);
    let rewrite = match tunnel {
        None => compiler.rewrite(action.as_ref()),
        Some(_) => Some(Rewrite::None),
    };
    let (policy, shadow) = compiler.policies(defaults);
    let client_trust = compiler.route_client_trust(defaults.mtls);
    let mcp = compiler.mcp(defaults.mcp, (&policy, shadow.as_ref()));
    let jellyfin = compiler.jellyfin(action.as_ref(), tunnel.as_ref());
    let set_request = compiler.set_request();
    let remove_request = compiler.field_names(&route::REMOVE_REQUEST_HEADERS);
    let depends_on = compiler.depends_on();
    let rewrite_response = headers::response_rewrites(compiler);
    let response = headers::route_response_fields(compiler, defaults.response_fields);
    let client_identity = compiler.field_names(&route::ALLOW_CLIENT_IDENTITY_HEADERS);
    let socket_origins = compiler.socket_origins();
    let host_field = compiler.host_field();
    let tls = compiler.upstream_tls();
    let (from, matches, action) = (from?, matches?, action?);
    let asked = tunnel.as_ref().and_then(|tunnel| tunnel.ends.first()).unwrap_or(&from);
    let mcp_reads = mcp.is_some_and(|server| server.reads_at_most.is_some());
    let tested = Tested { from: asked, matches: &matches, policy: &policy, mcp_reads };
    let tests = compiler.policy_tests(&tested);
    let bearer = compiler.bearer(defaults.globals);
    compiler.other_upgrades(&route::ALLOW_UPGRADES);
    let websockets = tunnel.is_none() && upgrades::websockets(keys, defaults.globals);
    let is_endless = websockets || tunnel.is_some();
    let or_none = |is_none: bool, usual| if is_none { Duration::ZERO } else { usual };
    let timeout = or_none(is_endless || mcp.is_some(), defaults.timeout);
    let idle_timeout = or_none(is_endless, route::STREAM_IDLE);
    Some(Route {
        id: id(keys),
        name: keys.get(&route::NAME).map_or_else(|| name_of(&from, &matches), Box::from),
        description: keys.value(&route::DESCRIPTION).into(),
        logo_url: keys.value(&route::LOGO_URL).into(),
        line,
        policy,
        client_trust,
        depends_on,
        shows_details: keys.value(&route::SHOW_ERROR_DETAILS),
        shadow,
        tests,
        websockets,
        host_field: host_field?,
        rewrite: compiler.without_old_prefix(jellyfin.as_deref(), rewrite?),
        timeout: some_time(keys.get(&route::TIMEOUT).unwrap_or(timeout)),
        idle_timeout: some_time(keys.get(&route::IDLE_TIMEOUT).unwrap_or(idle_timeout)),
        pass_identity: keys.get(&route::PASS_IDENTITY_HEADERS).unwrap_or(defaults.pass_identity),
        issuer_is_uri: keys
            .get(&route::JWT_ISSUER_FORMAT)
            .map_or(defaults.issuer_is_uri, |format| format == IssuerFormat::Uri),
        own_request: names(&set_request, &remove_request),
        client_identity,
        set_request,
        remove_request,
        rewrite_response,
        set_response: response.written,
        default_response: response.defaults,
        is_public: keys.value(&route::ALLOW_PUBLIC_UNAUTHENTICATED_ACCESS),
        socket_origins,
        tls: tls?,
        tunnel,
        mcp,
        sign_in_by: compiler.sign_in_by(defaults.globals),
        bearer,
        path_case: compiler.path_case(),
        app: jellyfin.as_ref().map(|_| Jellyfin::APP.into()),
        jellyfin,
        from,
        matches,
        action,
    })
}

impl Takes {
    /// Of a tunnel. It has no path, so whatever reads one finds the whole.
    pub(super) fn tunnel(from: HostPattern, tunnel: Tunnel) -> Self {
        let matches = Some(PathMatch::Prefix("/".into()));
        Self { from: Some(from), matches, tunnel: Some(tunnel) }
    }
}

impl Compiler<'_> {
    /// Of a route of HTTP.
    pub(super) fn requests(&mut self) -> Takes {
        let (from, matches) = (self.from(), self.path_match());
        Takes { from, matches, tunnel: None }
    }

    fn from(&mut self) -> Option<HostPattern> {
        let Some(given) = self.keys.given(&route::FROM) else {
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

    pub(super) fn policy(&mut self, rego: Rego<'_>) -> Policy {
        let legacy = LegacyAllow {
            span: self.start(),
            public: self.keys.value(&route::ALLOW_PUBLIC_UNAUTHENTICATED_ACCESS),
            cors_preflight: self.keys.value(&route::CORS_ALLOW_PREFLIGHT),
            any_authenticated: self.keys.value(&route::ALLOW_ANY_AUTHENTICATED_USER),
            domains: self.people((&route::ALLOWED_DOMAINS, &nested::SUB_ALLOWED_DOMAINS)),
            claims: self.claims(),
            users: self.people((&route::ALLOWED_USERS, &nested::SUB_ALLOWED_USERS)),
            rego: self.rego(rego),
        };
        let ppl = self.keys.given(&route::POLICY);
        self.warn_without_effect(&legacy, ppl);
        let rules = ppl.map(|given| self.path_case().of_rules(&given.node));
        Policy::compile(&legacy, rules.as_deref(), self.problems)
    }

    /// The one in force, and the one that is tried beside it.
    fn policies(&mut self, defaults: &Defaults<'_>) -> (Policy, Option<Policy>) {
        let (policy, shadow) = (self.policy(defaults.rego), self.shadow_policy());
        for policy in [Some(&policy), shadow.as_ref()].into_iter().flatten() {
            let (methods, slashes) = (defaults.additional_methods, defaults.slashes);
            self.problems.extend(policy.never_met(methods, slashes));
            self.problems.extend(policy.always_met(methods, slashes));
        }
        let demanded = |policy: Policy| {
            if defaults.mtls.demands() { policy.with_certificate_demanded() } else { policy }
        };
        (demanded(policy), shadow.map(demanded))
    }

    /// In the place of all that the route says of who may pass.
    fn shadow_policy(&mut self) -> Option<Policy> {
        let ppl = self.keys.given(&route::SHADOW_POLICY)?;
        let rules = self.path_case().of_rules(&ppl.node);
        Some(Policy::compile(&LegacyAllow::default(), Some(&rules), self.problems))
    }

    /// Those of the route's own key, and then of `sub_policies`.
    fn people(
        &self,
        (own, below): (&'static Typed<List>, &'static Typed<List>),
    ) -> Vec<(Box<str>, crate::problem::Span)> {
        let more = self.keys.value(&route::SUB_POLICIES).iter().flat_map(|sub| sub.value(below));
        let all = self.keys.value(own).iter().chain(more);
        all.map(|one| (one.text.clone(), one.at.clone())).collect()
    }

    /// `allowed_idp_claims`: claim to one value or several. Values keep their type.
    fn claims(&mut self) -> Vec<(Box<str>, serde_json::Value, crate::problem::Span)> {
        let subs = self.keys.value(&route::SUB_POLICIES).iter();
        let more = subs.filter_map(|sub| sub.given(&nested::SUB_ALLOWED_IDP_CLAIMS));
        let all = self.keys.given(&route::ALLOWED_IDP_CLAIMS).into_iter().chain(more);
        all.flat_map(|given| claims_of(given, self.problems)).collect()
    }

    /// Allow keys that leave the policy without effect, or the other way round.
    fn warn_without_effect(&mut self, legacy: &LegacyAllow, ppl: Option<&Given>) {
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
            && legacy.claims.is_empty()
            && legacy.rego.is_empty();
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

    fn set_request(&mut self) -> Vec<(HeaderName, RequestTemplate)> {
        let mut fields = Vec::new();
        for (field, value) in self.keys.value(&route::SET_REQUEST_HEADERS) {
            if field.text.eq_ignore_ascii_case("host") {
                self.report(Problem::warning(
                    "U409",
                    field.at.clone(),
                    "`set_request_headers` can't set `Host`",
                    "use `host_rewrite`",
                ));
            }
            let field = name::field_name(route::SET_REQUEST_HEADERS.name, field);
            let is_value = name::field_value(route::SET_REQUEST_HEADERS.name, value);
            let (Some(field), Some(_)) = (self.keep(field), self.keep(is_value)) else { continue };
            let (template, doubts) = RequestTemplate::parse(value.text.trim());
            for doubt in doubts {
                let help = "write `$$` for a dollar, or one of `${pomerium.jwt}`, `${pomerium.id_token}`, `${pomerium.client_cert_fingerprint}`, `${pomerium.request.headers[\"Name\"]}`";
                self.report(Problem::warning("U517", value.at.clone(), doubt, help));
            }
            fields.push((field, template));
        }
        fields
    }

    fn field_names(&mut self, key: &'static Typed<List>) -> Vec<HeaderName> {
        let mut names = Vec::new();
        for item in self.keys.value(key) {
            let outcome = name::field_name(key.name, item);
            names.extend(self.keep(outcome));
        }
        names
    }

    fn upstream_tls(&mut self) -> Option<UpstreamTls> {
        let before = self.problems.len();
        let custom = self.pem(&route::TLS_CUSTOM_CA, &route::TLS_CUSTOM_CA_FILE, Pem::Certificate);
        let verify = if self.keys.value(&route::TLS_SKIP_VERIFY) {
            UpstreamVerify::Skip
        } else {
            custom.map_or(UpstreamVerify::System, |pem| UpstreamVerify::Custom(pem.expose().into()))
        };
        let inline: [&'static Key; 2] = [&route::TLS_CLIENT_CERT, &route::TLS_CLIENT_KEY];
        let is_inline = inline.iter().any(|key| self.keys.given(key).is_some());
        let (cert_key, key_key, cert, key) = if is_inline {
            let [cert, key] = inline;
            let pems =
                (self.inline_pem(cert, Pem::Certificate), self.inline_pem(key, Pem::PrivateKey));
            (cert, key, pems.0, pems.1)
        } else {
            let (cert, key) = (&route::TLS_CLIENT_CERT_FILE, &route::TLS_CLIENT_KEY_FILE);
            let pems = (self.file_pem(cert, Pem::Certificate), self.file_pem(key, Pem::PrivateKey));
            (&**cert, &**key, pems.0, pems.1)
        };
        self.want_both(cert_key, key_key);
        if let (Some(cert), Some(key)) = (&cert, &key) {
            self.want_pair(cert, key, cert_key, key_key);
        }
        let server_name = self
            .keys
            .get(&route::TLS_UPSTREAM_SERVER_NAME)
            .or_else(|| self.keys.get(&route::TLS_SERVER_NAME))
            .map(Host::a_labels);
        (self.problems.len() == before).then(|| UpstreamTls {
            verify,
            server_name,
            client: cert.zip(key).map(|(cert, key)| (Arc::from(cert.expose()), Arc::new(key))),
        })
    }
}

fn claims_of(
    given: &Given,
    problems: &mut Vec<Problem>,
) -> Vec<(Box<str>, serde_json::Value, crate::problem::Span)> {
    let Kind::Map(entries) = &given.node.kind else {
        let what = "`allowed_idp_claims` is a map";
        problems.push(given.error("U200", what, "write `groups: [family]`"));
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

fn mentions_allow(ppl: &Given) -> bool {
    match &ppl.node.kind {
        Kind::List(items) => items.iter().any(|item| item.get("allow").is_some()),
        Kind::Map(_) => ppl.node.get("allow").is_some(),
        Kind::Scalar { .. } => false,
    }
}

/// Over from, matcher and target as they are written, so that it survives a restart.
pub(super) fn id(section: &Section) -> Box<str> {
    let part = |key: &'static Typed<keys::Text>| section.value(key).as_bytes();
    stable_id(
        &[
            part(&route::FROM),
            part(&route::PREFIX),
            part(&route::PATH),
            part(&route::REGEX),
            target::written(section).as_bytes(),
        ],
        16,
    )
}

/// For people: the first label of the host, and the path where one was given.
/// The fields that the route writes or takes away.
fn names<T>(set: &[(HeaderName, T)], removed: &[HeaderName]) -> Vec<HeaderName> {
    set.iter().map(|(name, _)| name).chain(removed).cloned().collect()
}

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
