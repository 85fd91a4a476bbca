use std::{sync::Arc, time::Duration};

use super::{
    Action, CookiePolicy, DownstreamMtls, Enforcement, Flags, HostField, HostPattern, HostTable,
    KeptDecisions, Level, Listen, LogSelection, Outbound, PathMatch, Plan, Protocols, Provider,
    Providers, Rewrite, Route, Secrets, SessionLife, SignIn, Timeouts, Underscores, UpstreamTls,
    UpstreamVerify,
};
use crate::{
    names::{EscapedSlashes, Host, Origin},
    policy::Policy,
};

impl Plan {
    /// A plan of which only the hosts and the sign-in matter: one route for each host, which lets
    /// nobody in. For tests of rooms that need a plan and no config text.
    pub fn sketch(authenticate: Origin, provider: Provider, hosts: Vec<Host>) -> Self {
        let dedicated_host = !hosts.contains(&authenticate.host);
        let routes: Vec<_> = hosts.into_iter().map(|host| Arc::new(sketch_route(host))).collect();
        let mut table = HostTable::default();
        for (index, route) in routes.iter().enumerate() {
            table.add(index, &route.from);
        }
        Self {
            id: "00000000".into(),
            listen: Listen {
                address: "127.0.0.1:0".into(),
                insecure: true,
                certificate_files: Vec::new(),
                certificates_dir: None,
                certificates_inline: Vec::new(),
                http_redirect: None,
                probes: None,
                proxy_protocol: None,
                metrics: None,
                protocols: Protocols::Both,
            },
            autocert: None,
            mtls: DownstreamMtls {
                enforcement: Enforcement::default(),
                constraints: Arc::default(),
                trust: None,
                asked: None,
            },
            openid_clients: Vec::new(),
            smtp: None,
            sign_in: SignIn {
                authenticate,
                dedicated_host,
                providers: Providers::new(provider.into(), Vec::new(), Vec::new()),
                signed_out_url: None,
                programmatic_hosts: vec!["localhost".into()],
                service: None,
                passwords: super::Passwords::default(),
            },
            cookie: CookiePolicy {
                name: "_pomerium".into(),
                host_name: "__Host-_pomerium".into(),
                domain: None,
                http_only: true,
                same_site: None,
                expire: Duration::from_secs(14 * 3600),
            },
            sessions: SessionLife {
                recheck: None,
                idle: None,
                playing: Duration::from_secs(4 * 3600),
                most: super::MOST_SESSIONS,
            },
            admin_groups: Vec::new(),
            timeouts: Timeouts { read: None, idle: None },
            extra_roots: Vec::new(),
            outbound: Outbound::default(),
            hot_reload: true,
            contact: None,
            brand: None,
            response_fields: Vec::new(),
            claim_fields: Vec::new(),
            skip_xff_append: false,
            xff_num_trusted_hops: 0,
            escaped_slashes: EscapedSlashes::Reject,
            additional_methods: Vec::new(),
            underscores: Underscores::Allow,
            secrets: Secrets::default(),
            log: LogSelection { level: Level::Info, access: None, authorize: None },
            flags: Flags { routes_portal: true, jwt_endpoint: false },
            kept_decisions: KeptDecisions::None,
            refuses_unrecorded: false,
            routes,
            hosts: table,
        }
    }
}

fn sketch_route(host: Host) -> Route {
    Route {
        id: host.as_str().into(),
        name: host.as_str().into(),
        description: "".into(),
        logo_url: "".into(),
        line: 1,
        from: HostPattern::Exact { host, port: None },
        matches: PathMatch::Prefix("/".into()),
        action: Action::Respond { status: http::StatusCode::OK, body: "".into() },
        policy: Policy::deny_all(),
        client_trust: None,
        shows_details: false,
        depends_on: Vec::new(),
        shadow: None,
        tests: Vec::new(),
        websockets: false,
        host_field: HostField::Upstream,
        rewrite: Rewrite::None,
        timeout: None,
        idle_timeout: None,
        pass_identity: false,
        issuer_is_uri: false,
        set_request: Vec::new(),
        remove_request: Vec::new(),
        own_request: Vec::new(),
        client_identity: Vec::new(),
        rewrite_response: Vec::new(),
        set_response: Vec::new(),
        default_response: Vec::new(),
        is_public: false,
        socket_origins: Vec::new(),
        tls: UpstreamTls { verify: UpstreamVerify::System, server_name: None, client: None },
        tunnel: None,
        mcp: None,
        sign_in_by: None,
        bearer: None,
        app: None,
        path_case: super::PathCase::Exact,
        jellyfin: None,
    }
}
