//! A config that compiled: all that the proxy runs with.

mod allowed;
mod autocert;
mod bearer;
mod brand;
mod compile;
mod health_check;
mod hosts;
mod issuers;
mod jellyfin;
mod metrics;
mod mtls;
mod openid_client;
mod outbound;
mod path_match;
mod policy_test;
mod provider;
mod provider_kind;
mod proxy_protocol;
mod redirect;
mod resilience;
mod route;
mod session_life;
mod sketch;
mod smtp;
mod template;

use std::{path::PathBuf, sync::Arc, time::Duration};

pub use crate::config::words::{
    Balance, BearerFormat, Level, SameSite, TsigAlgorithm, Underscores,
};
pub use allowed::{AllowedHosts, AllowedHostsError};
pub use autocert::{
    AcmeAuthority, Autocert, Dns01, DnsProvider, ExternalAccount, LETS_ENCRYPT,
    LETS_ENCRYPT_STAGING, TsigKey,
};
pub use bearer::Bearer;
pub use brand::{Accents, Brand, Picture, Primary, Rgb, SEATS};
pub use compile::{ACCESS_FIELDS, AUTHORIZE_FIELDS, compile, compile_with, sort};
pub use health_check::{FieldAction, HealthCheck, HealthQuestion, HttpQuestion, Pauses};
pub use hosts::{HostPattern, HostTable, Ports};
pub use jellyfin::{
    GroupLibraries, Jellyfin, JellyfinPeople, LegacyClients, PasswordSignIn, Service,
};
pub use metrics::MetricsListen;
pub use mtls::{ClientAuth, DownstreamMtls, Enforcement, Hinted};
pub use openid_client::{
    ClientLogout, ClientSecret, LogoutNames, OpenIdClient, RedirectUri, RedirectUriError, Scope,
    Scopes,
};
pub use outbound::{LookupFamily, NameServers, Outbound, Transport};
pub use path_match::PathMatch;
pub use policy_test::PolicyTest;
pub use provider::{
    BUILTIN, HostedService, Listed, OidcProvider, OwnClient, Provider, Providers, SecretKey,
    SignInBy, Subjects,
};
pub use provider_kind::{LogoutForm, ProviderKind, Published};
pub use proxy_protocol::ProxyProtocol;
pub use redirect::{AskedFor, Redirect};
pub use resilience::{CircuitBreakers, FailurePercentage, InARow, OutlierDetection, SuccessRate};
pub use route::{
    Action, Carried, HostField, HostOfPath, McpServer, PathCase, ResponseRewrite, Rewrite, Route,
    Target, Targets, Tunnel, UpstreamTls, UpstreamVerify,
};
pub use session_life::{MOST_SESSIONS, SessionLife};
pub use smtp::{Sender, Smtp, SmtpLogin, SmtpTls};
pub use template::{Piece, RequestTemplate};

use crate::{
    names::{Authority, EscapedSlashes, Host, Origin},
    secret::Secret,
};

/// Everything the proxy runs with. Immutable: a reload makes another one.
#[derive(Debug)]
pub struct Plan {
    /// Eight hexadecimal digits over the config's text, for log lines.
    pub id: Box<str>,
    /// Where and how to listen.
    pub listen: Listen,
    /// Certificates by ACME.
    pub autocert: Option<Autocert>,
    /// Certificates of clients.
    pub mtls: DownstreamMtls,
    /// Where people sign in, and with what.
    pub sign_in: SignIn,
    /// Apps that ask us who somebody is (`openid_clients`).
    pub openid_clients: Vec<OpenIdClient>,
    /// Who takes mail for us (`smtp`).
    pub smtp: Option<Smtp>,
    /// The session cookie.
    pub cookie: CookiePolicy,
    /// How long sessions live beside it, when providers are asked again, and how many there may be.
    pub sessions: SessionLife,
    /// Whose members look after people (`admin_groups`).
    pub admin_groups: Vec<Box<str>>,
    /// Limits in time that hold for every route.
    pub timeouts: Timeouts,
    /// Roots added to the system's for every outbound connection (`certificate_authority`), PEM.
    pub extra_roots: Vec<Box<[u8]>>,
    /// How connections to upstreams are made.
    pub outbound: Outbound,
    /// Is a changed file read at once (`config_hot_reload`), or at SIGHUP alone?
    pub hot_reload: bool,
    /// Whom visitors ask who are not let in (`contact`).
    pub contact: Option<Box<str>>,
    /// How our own pages look, where the config says.
    pub brand: Option<Brand>,
    /// Response fields for answers that belong to no route (`set_response_headers`).
    pub response_fields: Vec<(http::HeaderName, http::HeaderValue)>,
    /// Claims that every assertion carries and that become fields (`jwt_claims_headers`).
    pub claim_fields: Vec<(http::HeaderName, Box<str>)>,
    /// Leave `X-Forwarded-For` as it came instead of appending the peer.
    pub skip_xff_append: bool,
    /// How many proxies in front of us are trusted (`xff_num_trusted_hops`).
    pub xff_num_trusted_hops: u32,
    /// What becomes of `%2F` and `%5C` in paths (`path_with_escaped_slashes_action`).
    pub escaped_slashes: EscapedSlashes,
    /// Methods beside the registered ones (`additional_methods`).
    pub additional_methods: Vec<Box<str>>,
    /// What becomes of fields with `_` in their names (`headers_with_underscores_action`).
    pub underscores: Underscores,
    /// Keys that the operator gave; what is missing is generated and kept in the data directory.
    pub secrets: Secrets,
    /// Which lines are written and what is on them.
    pub log: LogSelection,
    /// `runtime_flags`.
    pub flags: Flags,
    /// Which decisions are kept in the data directory (`decision_records`).
    pub kept_decisions: KeptDecisions,
    /// No request is served while what is recorded of it could be lost (`unrecorded_requests`).
    pub refuses_unrecorded: bool,
    /// Routes in matching order.
    pub routes: Vec<Arc<Route>>,
    /// Host names to routes.
    pub hosts: HostTable,
}

impl Plan {
    /// The first route that takes a canonical path of this host.
    pub fn route_at(&self, authority: &Authority, path: &str) -> Option<&Arc<Route>> {
        self.routes_of(authority).find(|route| route.matches.takes(path))
    }

    /// The route that a CONNECT to `to` is for, or a CONNECT-UDP.
    pub fn tunnel_at(&self, to: &Authority, carried: Carried) -> Option<&Arc<Route>> {
        let mut routes = self.hosts.tunnels(to).filter_map(|index| self.routes.get(index));
        routes.find(|route| route.tunnel.as_ref().is_some_and(|it| it.carried == carried))
    }

    /// The first tunnel whose clients sign in at `authority`, which is no host of HTTP.
    pub fn tunnel_signing_in_at(&self, authority: &Authority) -> Option<&Arc<Route>> {
        let is_here = |route: &&Arc<Route>| {
            let Some(tunnel) = &route.tunnel else { return false };
            match &tunnel.sign_in {
                Some(sign_in) => Origin::of(sign_in) == Origin::of(authority),
                None => route.from.takes_host(authority.host.as_compared()),
            }
        };
        self.routes.iter().find(is_here)
    }

    /// The routes of a host, in matching order.
    pub fn routes_of<'p>(&'p self, authority: &Authority) -> impl Iterator<Item = &'p Arc<Route>> {
        let candidates = self.hosts.candidates(authority).iter();
        let routes = candidates.filter_map(|index| self.routes.get(*index));
        routes.filter(move |route| route.from.takes(authority))
    }
}

/// Which decisions are kept, to be explained or made anew under another config.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeptDecisions {
    /// Those that refused somebody.
    #[default]
    Refused,
    /// All that a route's policy made.
    All,
    /// None.
    None,
}

/// Where and how to listen.
#[derive(Clone, Debug)]
pub struct Listen {
    /// `host:port` with an empty host for all addresses, as in the config.
    pub address: Box<str>,
    /// `insecure_server`: plain HTTP, for a TLS terminator in front.
    pub insecure: bool,
    /// PEM pairs from files, in the config's order.
    pub certificate_files: Vec<CertificateFiles>,
    /// Ours: a folder of PEM pairs (`certificates_dir`).
    pub certificates_dir: Option<PathBuf>,
    /// PEM pairs given inline (`certificate`, `certificate_key`).
    pub certificates_inline: Vec<(Arc<[u8]>, Arc<Secret>)>,
    /// `http_redirect_addr`: a plain listener that sends everybody to https.
    pub http_redirect: Option<Box<str>>,
    /// Where figures can be read.
    pub metrics: Option<MetricsListen>,
    /// `health_check_addr`: where machines ask how usher is.
    pub probes: Option<Box<str>>,
    /// `use_proxy_protocol`: each connection begins with whom it is from.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// ALPN protocols from `codec_type`.
    pub protocols: Protocols,
}

/// Which HTTP versions are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocols {
    /// HTTP/2 and HTTP/1.1 by ALPN.
    Both,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only.
    Http2,
}

/// A certificate chain and its key, in two PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, leaf first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Where people sign in.
#[derive(Debug)]
pub struct SignIn {
    /// The origin that holds `/.pomerium/sign_in` and `/oauth2/callback`. It may be a service of
    /// somebody else's: [`SignIn::own`] says whether it is ours.
    pub authenticate: Origin,
    /// Whether that host is for signing in only (`authenticate_service_url` names it) or is a
    /// route's host that also signs in (nothing was named).
    pub dedicated_host: bool,
    /// Who tells us who people are.
    pub providers: Providers,
    /// Where to go after sign-out (`signout_redirect_url`).
    pub signed_out_url: Option<Box<str>>,
    /// Hosts that programmatic sign-in may return to.
    pub programmatic_hosts: Vec<Box<str>>,
    /// For which proxies we are the authenticate service; `None` when for none but ourselves.
    pub service: Option<AllowedHosts>,
    /// What people of the built-in provider may sign in with (`builtin_passwords`).
    pub passwords: Passwords,
}

/// Whether passwords of the built-in provider count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Passwords {
    /// They do, beside passkeys.
    #[default]
    Taken,
    /// Only passkeys do.
    Refused,
}

impl SignIn {
    /// The authenticate host, where it is ours.
    pub fn own(&self) -> Option<&Origin> {
        self.providers.first().signs_in_here().then_some(&self.authenticate)
    }

    /// Do people sign in on this host, here?
    pub fn is_at(&self, host: &Host) -> bool {
        self.own().is_some_and(|own| own.host == *host)
    }

    /// The address to register at a provider (`redirect_uri`, RFC 6749 §3.1.2).
    pub fn callback(&self, provider: &OidcProvider) -> String {
        format!("{}{}", self.authenticate, self.providers.callback_path(&provider.id))
    }
}

/// The session cookie's attributes (`cookie_*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookiePolicy {
    /// `cookie_name`, default `_pomerium`.
    pub name: Box<str>,
    /// The name under which a host keeps its own: `__Host-` in front, so that no sibling domain
    /// can set it (RFC 6265bis §4.1.3.2).
    pub host_name: Box<str>,
    /// `cookie_domain`.
    pub domain: Option<Host>,
    /// `cookie_http_only`, default true.
    pub http_only: bool,
    /// `cookie_same_site`; `Lax` is written when absent.
    pub same_site: Option<SameSite>,
    /// `cookie_expire`: the session's absolute life, default 14 h.
    pub expire: Duration,
}

impl CookiePolicy {
    /// [`Self::host_name`] for a `cookie_name`, which may have a prefix already.
    pub fn host_name_of(name: &str) -> Box<str> {
        let bare = name.strip_prefix("__Secure-").unwrap_or(name);
        if bare.starts_with("__Host-") { bare.into() } else { format!("__Host-{bare}").into() }
    }
}

/// Limits in time; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Between two pieces of a request. Pomerium's `timeout_read` bounds the whole request and
    /// ends honest uploads at 30 s; ours bounds the silence (invariant 11).
    pub read: Option<Duration>,
    /// `timeout_idle`: a connection without requests is closed.
    pub idle: Option<Duration>,
}

/// Keys that the operator gave.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// `shared_secret`: 32 bytes.
    pub shared: Option<Arc<Secret>>,
    /// `cookie_secret`: 32 bytes.
    pub cookie: Option<Arc<Secret>>,
    /// `signing_key`: PEM text, one or more private keys; the first signs.
    pub signing: Option<Arc<Secret>>,
    /// `shared_secret_previous`: 32 bytes, which open and no longer seal.
    pub shared_previous: Option<Arc<Secret>>,
    /// `cookie_secret_previous`, likewise.
    pub cookie_previous: Option<Arc<Secret>>,
    /// `key_file`: where the keys are that nobody gave.
    pub file: Option<PathBuf>,
}

/// Which of our own pages are there (`runtime_flags`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    /// `/.pomerium/routes` and `/.pomerium/api/v1/routes`.
    pub routes_portal: bool,
    /// `/.pomerium/jwt`.
    pub jwt_endpoint: bool,
}

/// Which lines are written and what is on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSelection {
    /// `log_level`: events below it are not written. Decisions and accesses always are.
    pub level: Level,
    /// `access_log_fields`; `None` is the default set.
    pub access: Option<Vec<Box<str>>>,
    /// `authorize_log_fields`; `None` is the default set.
    pub authorize: Option<Vec<Box<str>>>,
}
