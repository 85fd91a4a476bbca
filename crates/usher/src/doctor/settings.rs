//! What a Jellyfin says of its settings to who has its API key.

use std::net::IpAddr;

use http::StatusCode;
use ipnet::IpNet;
use serde_json::Value;
use usher_rules::{
    jellyfin::{ServerState, TokenHash},
    plan::LegacyClients,
    problem::Severity,
};

use super::{
    Tried, code,
    cure::{Area, Cure, Effect},
    server::{Question, Server, json, text},
};

/// Its settings, its users and its keys.
pub(super) struct Settings {
    system: Value,
    network: Value,
    users: Value,
    keys: Value,
}

impl Settings {
    /// `None` where the route has no key.
    ///
    /// # Errors
    ///
    /// The finding: it does not take the key.
    pub(super) async fn read(server: &Server<'_>) -> Result<Option<Self>, Box<Tried>> {
        let Some(question) = server.with_key(Question::get(Area::System.path())) else {
            return Ok(None);
        };
        let answered = server.ask(question).await;
        let refused = |what: String| {
            let help = "make a new one at Dashboard > API Keys, and write it into \
                        `jellyfin.api_key`, or the file of `jellyfin.api_key_file`";
            let subject = server.subject();
            Box::new(Tried::bad(Severity::Error, code::KEY_REFUSED, subject, (what, help)))
        };
        let system = match answered {
            Ok(answered) if answered.status == StatusCode::OK => json(&answered),
            Ok(answered) => return Err(refused(format!("asked with it, {}", answered.status))),
            Err(error) => return Err(refused(format!("asked with it, no answer ({error})"))),
        };
        let network = server.administered(Area::Network.path()).await;
        let (Some(system), Some(network)) = (system, network) else {
            return Err(refused("asked with it, no settings".to_owned()));
        };
        let (users, keys) =
            tokio::join!(server.administered("/Users"), server.administered("/Auth/Keys"));
        let (users, keys) = (users.unwrap_or_default(), keys.unwrap_or_default());
        Ok(Some(Self { system, network, users, keys }))
    }

    fn area(&self, area: Area) -> &Value {
        match area {
            Area::System => &self.system,
            Area::Network => &self.network,
        }
    }

    pub(super) fn is_on(&self, area: Area, name: &str) -> bool {
        self.area(area).get(name) == Some(&Value::Bool(true))
    }

    /// Entries of a list.
    fn list(&self, name: &str) -> Vec<String> {
        let entries = self.network.get(name).and_then(Value::as_array);
        entries.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    pub(super) fn known_proxies(&self) -> Vec<String> {
        self.list("KnownProxies")
    }

    pub(super) fn filters(&self) -> bool {
        !self.list("RemoteIPFilter").is_empty()
    }

    /// Known proxies with us among them.
    pub(super) fn knowing(&self, server: &Server<'_>, us: IpAddr) -> Cure {
        self.longer(server, ("KnownProxies", us.to_string()), Effect::AfterRestart)
    }

    /// LAN networks with the one of this address among them.
    pub(super) fn at_home(&self, server: &Server<'_>, address: IpAddr) -> Cure {
        let prefix = if address.is_ipv4() { 24 } else { 64 };
        let network = IpNet::new(address, prefix).map(|network| network.trunc().to_string());
        let network = network.unwrap_or_else(|_| address.to_string());
        self.longer(server, ("LocalNetworkSubnets", network), Effect::AtOnce)
    }

    /// What stands there stays.
    fn longer(
        &self,
        server: &Server<'_>,
        (key, entry): (&'static str, String),
        effect: Effect,
    ) -> Cure {
        let mut all = self.list(key);
        all.push(entry);
        Cure::set(server, Area::Network, (key, all.into()), effect)
    }

    /// What is wrong by them alone.
    pub(super) fn tried(&self, server: &Server<'_>, state: ServerState) -> Vec<Tried> {
        let mut all = vec![self.own_https(server), self.upnp(server), self.passwords(server)];
        all.extend(self.legacy(server, state));
        all.push(self.others_keys(server));
        all
    }

    fn own_https(&self, server: &Server<'_>) -> Tried {
        let subject = server.subject();
        if !self.is_on(Area::Network, "RequireHttps") {
            return Tried::good(code::OWN_HTTPS, subject, "leaves https:// to usher");
        }
        let off = ("RequireHttps", Value::Bool(false));
        let off = Cure::set(server, Area::Network, off, Effect::AfterRestart);
        let help = "Dashboard > Networking > Require HTTPS: switch it off, then restart Jellyfin";
        let what = "`RequireHttps` is on";
        Tried::bad(Severity::Error, code::OWN_HTTPS, subject, (what, help)).cured_by([off])
    }

    fn upnp(&self, server: &Server<'_>) -> Tried {
        let subject = server.subject();
        if !self.is_on(Area::Network, "EnableUPnP") {
            return Tried::good(code::UPNP, subject, "asks no router to open a port");
        }
        let off = Cure::set(server, Area::Network, ("EnableUPnP", false.into()), Effect::AtOnce);
        let help = "Dashboard > Networking > Enable automatic port mapping: switch it off";
        Tried::bad(Severity::Error, code::UPNP, subject, ("`EnableUPnP` is on", help))
            .cured_by([off])
    }

    fn passwords(&self, server: &Server<'_>) -> Tried {
        let subject = server.subject();
        let users = self.users.as_array().into_iter().flatten();
        let has_none = |user: &&Value| {
            user.get("HasPassword") == Some(&Value::Bool(false))
                && user.pointer("/Policy/IsDisabled") != Some(&Value::Bool(true))
        };
        let open: Vec<_> = users.filter(has_none).collect();
        if open.is_empty() {
            return Tried::good(
                code::NO_PASSWORD,
                subject,
                "says of nobody that they have no password",
            );
        }
        let is_admin =
            |user: &&Value| user.pointer("/Policy/IsAdministrator") == Some(&Value::Bool(true));
        let rules = open.iter().any(is_admin);
        let names: Vec<_> = open.iter().map(|user| text(user, "Name")).collect();
        let what = format!("no password: {}", names.join(", "));
        let help = "Dashboard > Users: give each of them a password; nobody has to type it, usher \
                    lets their apps in";
        let severity = if rules { Severity::Error } else { Severity::Warning };
        Tried::bad(severity, code::NO_PASSWORD, subject, (what, help))
    }

    /// Older servers have no such switch, and take everything.
    fn legacy(&self, server: &Server<'_>, state: ServerState) -> Option<Tried> {
        let switch = self.system.get("EnableLegacyAuthorization")?;
        let subject = server.subject();
        let translates = server
            .route
            .jellyfin
            .as_ref()
            .is_some_and(|jellyfin| jellyfin.legacy_clients == LegacyClients::Translate);
        if *switch == Value::Bool(true) || translates {
            return Some(Tried::good(code::LEGACY, subject, "takes what old apps bring"));
        }
        let version = state.version().map(|version| version.to_string()).unwrap_or_default();
        let what = format!("`EnableLegacyAuthorization` is off in this Jellyfin {version}");
        let help = "write `legacy_clients: translate` under `jellyfin`: usher then writes it as \
                    every server reads it, and the switch stays off";
        Some(Tried::bad(Severity::Warning, code::LEGACY, subject, (what, help)))
    }

    fn others_keys(&self, server: &Server<'_>) -> Tried {
        let subject = server.subject();
        let known = |token: &str| {
            let is_ours = server.key().is_some_and(|key| key.same_as(token.as_bytes()));
            let services = server.route.jellyfin.iter().flat_map(|jellyfin| &jellyfin.services);
            let hash = TokenHash::of(token.as_bytes());
            is_ours || services.into_iter().any(|service| service.key == hash)
        };
        let keys = self.keys.get("Items").and_then(Value::as_array).into_iter().flatten();
        let others: Vec<_> = keys
            .filter(|key| !known(text(key, "AccessToken")))
            .map(|key| text(key, "AppName"))
            .collect();
        if others.is_empty() {
            return Tried::good(
                code::OTHER_KEYS,
                subject,
                "has no API key that usher does not know",
            );
        }
        let what = format!("keys of: {}", others.join(", "));
        let help = "name those that come through usher in `jellyfin.services`; end those that nobody \
                    needs at Dashboard > API Keys";
        Tried::bad(Severity::Warning, code::OTHER_KEYS, subject, (what, help))
    }
}

/// Does an entry of a list of addresses, networks and names take this address?
pub(super) fn takes(entry: &str, address: IpAddr) -> bool {
    let entry = entry.trim();
    let network = entry.parse::<IpNet>().ok();
    entry.parse() == Ok(address) || network.is_some_and(|network| network.contains(&address))
}
