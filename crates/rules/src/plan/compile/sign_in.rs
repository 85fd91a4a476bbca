//! Where people sign in, and who says who they are.

use std::{collections::BTreeSet, sync::Arc};

use super::Compiler;
use crate::{
    config::{
        Given,
        keys::{Key, global},
    },
    names::{Host, Origin},
    plan::{Action, HostPattern, OidcProvider, Provider, Route, SignIn},
    problem::{Place, Problem, Severity},
    secret::Secret,
};

/// A provider that speaks OpenID Connect as it is written, with what Pomerium presets for it.
struct Preset {
    name: &'static str,
    issuer: Option<&'static str>,
    scopes: &'static [&'static str],
    params: &'static [(&'static str, &'static str)],
}

const OIDC_SCOPES: &[&str] = &["openid", "profile", "email"];

const PRESETS: &[Preset] = &[
    Preset { name: "oidc", issuer: None, scopes: OIDC_SCOPES, params: &[] },
    Preset { name: "okta", issuer: None, scopes: OIDC_SCOPES, params: &[] },
    Preset { name: "ping", issuer: None, scopes: OIDC_SCOPES, params: &[] },
    Preset { name: "auth0", issuer: None, scopes: OIDC_SCOPES, params: &[] },
    Preset {
        name: "azure",
        issuer: None,
        scopes: OIDC_SCOPES,
        params: &[("prompt", "select_account")],
    },
    Preset { name: "cognito", issuer: None, scopes: &["openid", "email", "profile"], params: &[] },
    Preset {
        name: "google",
        issuer: Some("https://accounts.google.com"),
        scopes: &["openid", "profile", "email"],
        params: &[("prompt", "select_account consent"), ("access_type", "offline")],
    },
    Preset {
        name: "gitlab",
        issuer: Some("https://gitlab.com"),
        scopes: &["openid", "profile", "email"],
        params: &[],
    },
    Preset {
        name: "onelogin",
        issuer: Some("https://openid-connect.onelogin.com/oidc"),
        scopes: &["openid", "profile", "email", "groups"],
        params: &[],
    },
];

impl Compiler<'_> {
    /// `None` when a problem was found.
    pub(super) fn sign_in(&mut self, routes: &[Arc<Route>]) -> Option<SignIn> {
        let given = self.keys.given(&global::AUTHENTICATE_SERVICE_URL);
        let named = given.map(|given| self.authenticate_origin(given));
        let named_origin = named.as_ref().and_then(Option::as_ref);
        let is_service = self.is_authenticate_service();
        let hosted = named_origin.filter(|origin| !is_service && self.is_hosted(origin));
        let authenticate_name = named_origin.map(Origin::to_string);
        let provider = match hosted {
            Some(origin) => Some(self.hosted(origin)),
            None => self.provider(named_origin),
        };
        let service = if is_service { self.service(routes).map(Some) } else { Some(None) };
        let signed_out_url = self.keep_url(&global::SIGNOUT_REDIRECT_URL);
        let (authenticate, dedicated_host) = match named {
            Some(origin) => (origin?, true),
            None => (self.first_host(routes)?, false),
        };
        let hosts = self.keys.get(&global::PROGRAMMATIC_REDIRECT_DOMAIN_WHITELIST);
        if !dedicated_host && provider.as_ref().is_some_and(|one| one.address().is_none()) {
            self.passwords_beside_apps(&authenticate, routes);
        }
        Some(SignIn {
            authenticate,
            dedicated_host,
            providers: self.with_own_clients(provider?, authenticate_name.as_deref(), routes),
            signed_out_url,
            programmatic_hosts: match hosts {
                Some(hosts) => hosts.iter().map(|host| Host::a_labels(&host.text)).collect(),
                None => vec!["localhost".into()],
            },
            service: service?,
        })
    }

    /// Passwords are typed on the origin of an app, whose scripts share it; with several apps each
    /// of them is trusted with everybody's way into all others.
    fn passwords_beside_apps(&mut self, authenticate: &Origin, routes: &[Arc<Route>]) {
        let apps = |route: &&Arc<Route>| {
            matches!(route.action, Action::Forward(_)) && route.tunnel.is_none()
        };
        let on_it = routes.iter().filter(apps).any(|route| match &route.from {
            HostPattern::Exact { host, .. } => *host == authenticate.host,
            HostPattern::Wildcard { .. } => false,
        });
        let hosts = routes.iter().filter(apps).map(|route| match &route.from {
            HostPattern::Exact { host, .. } => host.to_string(),
            pattern @ HostPattern::Wildcard { .. } => format!("{pattern:?}"),
        });
        let hosts: BTreeSet<String> = hosts.collect();
        if on_it && hosts.len() > 1 {
            self.report(Problem::new(
                Severity::Warning,
                "U422",
                Place::Whole,
                format!(
                    "people type their passwords on the host of an app, `{}`, which could read \
                     them; they are for other hosts, too",
                    authenticate.host
                ),
                "give sign-in a host of its own, such as \
                 `authenticate_service_url: https://login.DOMAIN`, whose name points to usher",
            ));
        }
    }

    /// A path behind the host is left out, as Pomerium does it: its own paths stand at the root.
    fn authenticate_origin(&mut self, given: &Given) -> Option<Origin> {
        let text = given.text();
        let end = text
            .find("://")
            .and_then(|at| text.get(at + 3..)?.find('/').map(|slash| at + 3 + slash));
        let (origin, path) = text.split_at_checked(end.unwrap_or(text.len())).unwrap_or((text, ""));
        if path.len() > 1 {
            self.report(given.warning(
                "U418",
                format!("the path `{path}` of `authenticate_service_url` has no effect"),
                "delete it",
            ));
        }
        let secure = self.as_https(given, origin);
        let origin = Origin::parse(&secure).map_err(|error| {
            given.error(
                "U411",
                format!("`authenticate_service_url` is not an address of ours: {error}"),
                "write `https://HOST`, a host that points to usher",
            )
        });
        self.keep(origin)
    }

    /// `http` means the same host: browsers are sent to https, and keep cookies for it alone.
    fn as_https(&mut self, given: &Given, origin: &str) -> String {
        let Some(("http", authority)) = origin.split_once("://") else { return origin.to_owned() };
        let secure = format!("https://{}", authority.strip_suffix(":80").unwrap_or(authority));
        self.report(given.warning(
            "U424",
            format!("people sign in at `{secure}`: `http` means the same host"),
            format!("write `authenticate_service_url: {secure}`"),
        ));
        secure
    }

    fn provider(&mut self, named: Option<&Origin>) -> Option<Provider> {
        let name = self.keys.value(&global::IDP_PROVIDER);
        let Some(given) = self.keys.given(&global::IDP_PROVIDER).filter(|_| name != "builtin")
        else {
            return Some(Provider::Builtin);
        };
        match PRESETS.iter().find(|preset| preset.name == name) {
            Some(preset) => self.oidc(given, preset, named).map(Provider::Oidc),
            None => {
                self.report(unknown_provider(given));
                None
            }
        }
    }

    fn oidc(
        &mut self,
        given: &Given,
        preset: &Preset,
        named: Option<&Origin>,
    ) -> Option<OidcProvider> {
        let issuer = self.issuer(given, preset);
        let client_id = self.keys.get(&global::IDP_CLIENT_ID);
        if client_id.is_none() {
            self.report(given.error(
                "U415",
                format!("`idp_provider: {}` needs `idp_client_id`", preset.name),
                "add the id of the client that you made at the provider",
            ));
        }
        let client_secret = self.client_secret();
        let scopes: Vec<Box<str>> = match self.keys.get(&global::IDP_SCOPES) {
            Some(scopes) => scopes
                .iter()
                .filter(|scope| !scope.text.trim().is_empty())
                .map(|scope| scope.text.trim().into())
                .collect(),
            None => preset.scopes.iter().map(|scope| (*scope).into()).collect(),
        };
        let request_params: Vec<(Box<str>, Box<str>)> =
            match self.keys.get(&global::IDP_REQUEST_PARAMS) {
                Some(pairs) => pairs
                    .iter()
                    .map(|(name, value)| (name.text.clone(), value.text.clone()))
                    .collect(),
                None => preset
                    .params
                    .iter()
                    .map(|(name, value)| ((*name).into(), (*value).into()))
                    .collect(),
            };
        let mut provider = OidcProvider {
            issuer: issuer?,
            client_id: client_id?.into(),
            client_secret: client_secret.map(Arc::new),
            scopes,
            request_params,
            id: Box::default(),
        };
        let authenticate = named.map(Origin::to_string).unwrap_or_default();
        provider.id = id_of(&provider, preset.name, &authenticate);
        Some(provider)
    }

    /// The issuer, octet for octet, but for auth0, whose issuers end in a slash.
    fn issuer(&mut self, provider: &Given, preset: &Preset) -> Option<Box<str>> {
        let Some(given) = self.keys.given(&global::IDP_PROVIDER_URL) else {
            let Some(issuer) = preset.issuer else {
                self.report(provider.error(
                    "U414",
                    format!("`idp_provider: {}` needs `idp_provider_url`", preset.name),
                    "add the issuer's address, such as `https://HOST/realms/NAME`",
                ));
                return None;
            };
            return Some(issuer.into());
        };
        let url = self.keep_url(&global::IDP_PROVIDER_URL)?;
        if preset.name == "azure"
            && ["/common", "/organizations", "/consumers"].iter().any(|all| url.contains(all))
        {
            self.report(given.error(
                "U413",
                "an issuer for all tenants is not supported yet",
                "name your tenant: `https://login.microsoftonline.com/TENANT/v2.0`",
            ));
            return None;
        }
        if preset.name == "auth0" && !url.ends_with('/') {
            Some(format!("{url}/").into())
        } else {
            Some(url)
        }
    }

    /// A final line end of the file is left out: with it no provider knows the secret.
    fn client_secret(&mut self) -> Option<Secret> {
        let file = self.keys.given(&global::IDP_CLIENT_SECRET_FILE);
        let Some(given) = file else {
            return self
                .keys
                .get(&global::IDP_CLIENT_SECRET)
                .map(|text| Secret::new(text.as_bytes()));
        };
        let read = self.read(given);
        let secret = self.keep(read)?;
        let bytes = secret.expose();
        let is_end = |byte: &u8| !matches!(byte, b'\r' | b'\n');
        let end = bytes.iter().rposition(is_end).map_or(0, |last| last + 1);
        let trimmed = bytes.get(..end).unwrap_or(bytes);
        if trimmed.len() != bytes.len() {
            self.report(given.warning(
                "U416",
                "the file of `idp_client_secret_file` ends in a line end, which is left out",
                "Pomerium takes it for a part of the secret: write the file with `printf %s` to please both",
            ));
        }
        Some(Secret::new(trimmed))
    }

    fn keep_url(&mut self, key: &'static Key) -> Option<Box<str>> {
        let given = self.keys.given(key)?;
        let url = url::Url::parse(given.text())
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if url.is_none() {
            self.report(given.error(
                "U410",
                format!("`{}` is not a web address", key.name),
                "write it with scheme and host: `https://HOST/…`",
            ));
        }
        let url = url?;
        // As written where that can stand in a `Location`.
        Some(if given.text().is_ascii() { given.text().into() } else { url.as_str().into() })
    }

    /// The host that also signs in when none was named: the first one that a route names in full, or
    /// one that the first wildcard takes. That of a tunnel is better than none.
    fn first_host(&mut self, routes: &[Arc<Route>]) -> Option<Origin> {
        let pages = || routes.iter().filter(|route| route.tunnel.is_none());
        let exact = pages().find_map(|route| match &route.from {
            HostPattern::Exact { host, port } => {
                Some(Origin { host: host.clone(), port: port.unwrap_or(443) })
            }
            HostPattern::Wildcard { .. } => None,
        });
        let wild = || pages().find_map(|route| in_wildcard(&route.from));
        let tunnel = || {
            let mut tunnels = routes.iter().filter_map(|route| route.tunnel.as_ref());
            tunnels.find_map(|tunnel| tunnel.sign_in.as_ref()).map(Origin::of)
        };
        let has_pages = pages().next().is_some();
        if let Some(origin) = exact.or_else(|| tunnel().filter(|_| !has_pages)) {
            return Some(origin);
        }
        let Some(origin) = wild() else { return Origin::parse("https://localhost").ok() };
        self.report(Problem::new(
            Severity::Warning,
            "U417",
            Place::Whole,
            format!("people sign in at `{origin}`, since every route has a `*` in its host"),
            "name a host that points to usher: `authenticate_service_url: https://HOST`",
        ));
        Some(origin)
    }
}

/// A host that a wildcard takes, where people can sign in.
fn in_wildcard(from: &HostPattern) -> Option<Origin> {
    let HostPattern::Wildcard { text, port, .. } = from else { return None };
    let host = Host::parse(&text.replace('*', "authenticate")).ok()?;
    Some(Origin { host, port: port.unwrap_or(443) })
}

fn unknown_provider(given: &Given) -> Problem {
    let name = given.text();
    match name {
        "github" | "apple" | "hosted" => given.error(
            "U413",
            format!("`idp_provider: {name}` is not supported yet: it does not speak plain OpenID Connect"),
            "use `oidc` with another provider, or `builtin`",
        ),
        _ => given.error(
            "U413",
            format!("`{name}` is no provider that usher knows"),
            "write `oidc` and its `idp_provider_url`, or `builtin` for people in usher's own store",
        ),
    }
}

/// Over all that makes it another one.
pub(super) fn id_of(provider: &OidcProvider, preset: &str, authenticate: &str) -> Box<str> {
    let OidcProvider { issuer, client_id, client_secret, scopes, request_params, .. } = provider;
    let mut parts = vec![preset.as_bytes(), issuer.as_bytes(), client_id.as_bytes()];
    parts.push(client_secret.as_ref().map(|secret| secret.expose()).unwrap_or_default());
    parts.extend(scopes.iter().map(|scope| scope.as_bytes()));
    parts.extend(
        request_params.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]),
    );
    parts.push(authenticate.as_bytes());
    stable_id(&parts, 16)
}

/// `digits` hexadecimal digits over parts, whose borders count.
pub(super) fn stable_id(parts: &[&[u8]], digits: usize) -> Box<str> {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for part in parts {
        context.update(&part.len().to_le_bytes());
        context.update(part);
    }
    let digest = context.finish();
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    hex.get(..digits).unwrap_or(&hex).into()
}
