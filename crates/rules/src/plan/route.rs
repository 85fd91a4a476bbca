use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};

use super::{
    Balance, Bearer, CircuitBreakers, HealthCheck, HostPattern, Jellyfin, OutlierDetection,
    PathMatch, PolicyTest, Redirect, RequestTemplate, SignInBy,
};
use crate::{
    client_certificate::ClientTrust,
    names::{Authority, Host, Upstream},
    policy::Policy,
    secret::Secret,
};

/// One route: which requests it takes, who may pass, and where they go.
#[derive(Clone, Debug)]
pub struct Route {
    /// Sixteen hexadecimal digits over from, matcher and target; unique in a plan.
    pub id: Box<str>,
    /// `name`, or made of the first host label and the path.
    pub name: Box<str>,
    /// `description`, for people.
    pub description: Box<str>,
    /// `logo_url`, for programs.
    pub logo_url: Box<str>,
    /// The line it begins on, from 1.
    pub line: u32,
    /// `from`: the hosts it answers for.
    pub from: HostPattern,
    /// `prefix`, `path` or `regex`.
    pub matches: PathMatch,
    /// Where permitted requests go.
    pub action: Action,
    /// Who may pass.
    pub policy: Policy,
    /// By whom clients' certificates have to be vouched for; by nobody where there is none.
    pub client_trust: Option<Arc<ClientTrust>>,
    /// `show_error_details`: the page of a refusal says why.
    pub shows_details: bool,
    /// `depends_on`: hosts that know whoever signed in for this route, too.
    pub depends_on: Vec<Authority>,
    /// Who would, if this were in force: asked beside `policy`, and without effect
    /// (`shadow_policy`).
    pub shadow: Option<Policy>,
    /// What its policy is expected to say (`tests`).
    pub tests: Vec<PolicyTest>,
    /// `allow_websockets`.
    pub websockets: bool,
    /// What the upstream sees as `Host`.
    pub host_field: HostField,
    /// What the upstream sees as path.
    pub rewrite: Rewrite,
    /// `timeout`: until the response is complete; `None` is no limit.
    pub timeout: Option<Duration>,
    /// `idle_timeout`: silence on a stream in both directions; `None` is no limit.
    pub idle_timeout: Option<Duration>,
    /// `pass_identity_headers`.
    pub pass_identity: bool,
    /// Whether the assertion's `iss` is `https://host/` instead of the bare host.
    pub issuer_is_uri: bool,
    /// `set_request_headers`.
    pub set_request: Vec<(HeaderName, RequestTemplate)>,
    /// `remove_request_headers`: wins over everything that sets.
    pub remove_request: Vec<HeaderName>,
    /// Names that the route sets or removes: no other spelling of them passes from a client.
    pub own_request: Vec<HeaderName>,
    /// Identity fields of other proxies that pass from a client all the same
    /// (`allow_client_identity_headers`).
    pub client_identity: Vec<HeaderName>,
    /// `rewrite_response_headers`, in order.
    pub rewrite_response: Vec<ResponseRewrite>,
    /// `set_response_headers`: the global ones merged with the route's.
    pub set_response: Vec<(HeaderName, HeaderValue)>,
    /// Response fields that nobody wrote: what the app says itself wins over them.
    pub default_response: Vec<(HeaderName, HeaderValue)>,
    /// `allow_public_unauthenticated_access`.
    pub is_public: bool,
    /// Other origins whose pages may open sockets here (`allow_websocket_origins`).
    pub socket_origins: Vec<Box<str>>,
    /// How the upstream's certificate is judged.
    pub tls: UpstreamTls,
    /// What is carried instead of HTTP; `None` for most.
    pub tunnel: Option<Tunnel>,
    /// `mcp: {server: …}`, where `runtime_flags` has `mcp`.
    pub mcp: Option<McpServer>,
    /// Who has to say who somebody is: `idp_client_id` and `idp_client_secret`, or `idp_providers`.
    pub sign_in_by: Option<SignInBy>,
    /// Tokens of the provider's that stand for a session here (`bearer_token_format`).
    pub bearer: Option<Bearer>,
    /// The app behind it, by the name of what knows it from inside; most are known to nobody.
    pub app: Option<Box<str>>,
    /// Whether its server tells paths apart by their case.
    pub path_case: PathCase,
    /// `jellyfin`: what is known of the Jellyfin behind it.
    pub jellyfin: Option<Arc<Jellyfin>>,
}

/// Whether a server tells paths apart by their case. What rules say of paths is compared so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathCase {
    /// `/A` and `/a` are two.
    #[default]
    Exact,
    /// They are one, and rules were written anew in small letters.
    Folded,
}

/// What a tunnel carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// Bytes, asked for by CONNECT (RFC 9110 §9.3.6).
    Tcp,
    /// Datagrams, asked for by CONNECT-UDP (RFC 9298).
    Udp,
}

impl Carried {
    /// Its word in `type` of a route, in `to`, and before `+https` in `from`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Bytes or datagrams in the place of HTTP (`from: tcp+https://…` or `udp+https://…`).
#[derive(Clone, Debug)]
pub struct Tunnel {
    /// What it carries.
    pub carried: Carried,
    /// What is asked for; each has a port.
    pub ends: Box<[HostPattern]>,
    /// Where its clients sign in; where that is `None`, at the host that they ask for.
    pub sign_in: Option<Authority>,
    /// `tunnel_after_session`: for how long it goes on when its session has run out.
    pub after_session: Duration,
}

impl Route {
    /// Who looks after the app behind it, where it is one that is known from inside.
    pub fn admin_policy(&self) -> Option<&Arc<Policy>> {
        self.jellyfin.as_ref()?.admin_policy.as_ref()
    }

    /// What holds because a Jellyfin wants it, though nobody wrote it: as a config would say it.
    pub fn unasked(&self) -> impl Iterator<Item = &'static str> {
        let names = self.jellyfin.as_ref().map_or(&[][..], |jellyfin| &*jellyfin.unasked);
        let preserves = self.host_field == HostField::Preserve;
        let all = [
            ("allow_websockets", "allow_websockets: true", self.websockets),
            ("preserve_host_header", "preserve_host_header: true", preserves),
            ("timeout", "timeout: 0s", self.timeout.is_none()),
            ("idle_timeout", "idle_timeout: 0s", self.idle_timeout.is_none()),
        ];
        let is_so = |(name, _, holds): &(&str, &str, bool)| *holds && names.contains(name);
        all.into_iter().filter(is_so).map(|(_, line, _)| line)
    }

    /// What its clients are given, as Pomerium writes it.
    pub fn address(&self) -> String {
        let Some(tunnel) = &self.tunnel else { return format!("https://{}", self.from) };
        let ends: Vec<_> = tunnel.ends.iter().map(ToString::to_string).collect();
        let is_own = |end: &HostPattern, host: &Host| end.takes_host(host.as_compared());
        let word = tunnel.carried.word();
        match (&tunnel.sign_in, &*tunnel.ends) {
            (Some(at), [end]) if is_own(end, &at.host) => format!("{word}+https://{end}"),
            (Some(at), _) => format!("{word}+https://{at}/{}", ends.join("/")),
            (None, _) => format!("{word}+https://{}", ends.join("/")),
        }
    }

    /// For how long a tunnel goes on after its session has run out.
    pub fn after_session(&self) -> Duration {
        self.tunnel.as_ref().map_or(Duration::ZERO, |tunnel| tunnel.after_session)
    }
}

/// A server of the Model Context Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct McpServer {
    /// Octets of the longest message; `None` where no rule asks what messages say, so that none is
    /// read.
    pub reads_at_most: Option<usize>,
}

/// Where permitted requests go.
#[derive(Clone, Debug)]
pub enum Action {
    /// To one of these upstreams.
    Forward(Targets),
    /// A redirect.
    Redirect(Redirect),
    /// A fixed answer.
    Respond {
        /// The status, 200 to 599.
        status: http::StatusCode,
        /// The text.
        body: Box<str>,
    },
}

/// The addresses in `to`, and how one of them is chosen.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// In the order of the config; never empty.
    pub all: Vec<Target>,
    /// `load_balancing_policy`.
    pub balance: Balance,
    /// `health_checks`: each of them is made of each address.
    pub checks: Vec<HealthCheck>,
    /// `outlier_detection`.
    pub outliers: Option<OutlierDetection>,
    /// `healthy_panic_threshold`: where fewer of a hundred are well, all are asked; with 0 never.
    pub panic_threshold: Option<u32>,
    /// `circuit_breaker_thresholds`, of the route over those of the top level.
    pub breakers: CircuitBreakers,
}

/// One address in `to`.
#[derive(Clone, Debug)]
pub struct Target {
    /// What we dial.
    pub upstream: Upstream,
    /// Its share beside the others, from 1.
    pub weight: u32,
    /// What it sees as `Host` where the route says nothing else.
    pub host: HeaderValue,
}

/// One of `rewrite_response_headers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseRewrite {
    /// The field.
    pub field: HeaderName,
    /// What its value begins with; `None`, as nobody wrote it, replaces nothing.
    pub prefix: Option<Box<str>>,
    /// What stands there instead.
    pub value: Box<str>,
}

/// What the upstream sees as `Host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostField {
    /// The upstream's own name, Pomerium's default.
    Upstream,
    /// What the client sent (`preserve_host_header`).
    Preserve,
    /// A fixed text (`host_rewrite`).
    Literal(HeaderValue),
    /// What this field of the client says (`host_rewrite_header`), and else as [`Self::Upstream`].
    Field(HeaderName),
    /// What is made of the path (`host_path_regex_rewrite_*`), and else as [`Self::Upstream`].
    Path(HostOfPath),
}

/// How a host is made of a path.
#[derive(Clone, Debug)]
pub struct HostOfPath {
    /// What is replaced, wherever it stands.
    pub pattern: regex::Regex,
    /// By what, in Rust's spelling (`${1}`).
    pub substitution: Box<str>,
}

impl PartialEq for HostOfPath {
    fn eq(&self, other: &Self) -> bool {
        self.pattern.as_str() == other.pattern.as_str() && self.substitution == other.substitution
    }
}

impl Eq for HostOfPath {}

/// What the upstream sees as path.
#[derive(Clone, Debug)]
pub enum Rewrite {
    /// The same path.
    None,
    /// This text in the place of the matched prefix, or of the whole path for `path`, `regex`
    /// (`prefix_rewrite`, or the path of `to`). Textual: no slash is added or removed.
    Prefix(Box<str>),
    /// `regex_rewrite_pattern`, with the substitution in Rust's spelling (`${1}`).
    Regex(regex::Regex, Box<str>),
}

/// How the upstream's certificate is judged.
#[derive(Clone, Debug)]
pub struct UpstreamTls {
    /// Against what.
    pub verify: UpstreamVerify,
    /// `tls_upstream_server_name` or `tls_server_name`: SNI and the name to verify.
    pub server_name: Option<Box<str>>,
    /// `tls_client_cert` and key: what we show to the upstream, PEM.
    pub client: Option<(Arc<[u8]>, Arc<Secret>)>,
}

/// What an upstream's certificate must chain to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamVerify {
    /// The system's roots and `certificate_authority`.
    System,
    /// Only these, PEM (`tls_custom_ca`).
    Custom(Arc<[u8]>),
    /// Nothing is checked (`tls_skip_verify`).
    Skip,
}
