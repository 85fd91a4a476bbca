//! Everything that the stand-in remembers, behind one lock.

mod grants;
mod people;
mod quick_connect;
mod sessions;

use std::{
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use ipnet::IpNet;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use grants::Grant;
pub(crate) use people::{Person, PersonId, default_policy, name_is_allowed};
pub(crate) use quick_connect::{ConnectError, Pending};
pub(crate) use sessions::{Heard, Session, SessionId, SocketSeat, no_capabilities, nothing_plays};

use crate::{
    clock::timestamp,
    credential::Legacy,
    fault::Fault,
    film::OpenFilm,
    forwarded::Origin,
    options::{CinemaOptions, JellyfinVersion, Readiness},
};

/// The same on every start, so that what a browser kept of the server stays true.
const SERVER: uuid::Uuid = uuid::uuid!("5ac1d3a0-57a4-4d1e-8c1e-0c1e3a57a4d1");

/// The stand-in as every task sees it.
pub(crate) struct MediaServer {
    pub version: JellyfinVersion,
    pub film: OpenFilm,
    pub tasks: TaskTracker,
    /// Cancelled when the stand-in stops.
    pub stopping: CancellationToken,
    options: CinemaOptions,
    state: Mutex<State>,
    /// Counts what changed about sessions; sockets that listen for them wake on it.
    session_changes: watch::Sender<u64>,
}

/// What changes while it runs.
pub(crate) struct State {
    pub people: Vec<Person>,
    pub grants: Vec<Grant>,
    pub keys: Vec<ApiKey>,
    pub pending: Vec<Pending>,
    pub sessions: Vec<sessions::Session>,
    pub readiness: Readiness,
    /// `/System/Configuration`, one JSON object.
    pub system: Value,
    /// `/System/Configuration/network`.
    pub network: Value,
    /// `/System/Configuration/branding`.
    pub branding: Value,
    /// `KnownProxies` as it was when the server last started: a change needs a restart.
    pub known_proxies: Vec<IpAddr>,
    /// Completed restarts asked for over HTTP.
    pub restarts: u64,
}

/// A key that acts as an administrator without being anybody.
pub(crate) struct ApiKey {
    pub id: usize,
    pub value: String,
    pub app: String,
    pub created: SystemTime,
}

impl MediaServer {
    pub(crate) fn new(options: CinemaOptions, film: OpenFilm) -> Self {
        let now = options.clock.now();
        let people = options.users.iter().map(|user| Person::new(user, options.version));
        let keys = options.admin_key.iter().map(|value| ApiKey {
            id: 0,
            value: value.clone(),
            app: "stand-in".to_owned(),
            created: now,
        });
        let state = State {
            people: people.collect(),
            grants: Vec::new(),
            keys: keys.collect(),
            pending: Vec::new(),
            sessions: Vec::new(),
            readiness: options.readiness,
            system: system_configuration(&options),
            network: network_configuration(&options),
            branding: json!({ "SplashscreenEnabled": false }),
            known_proxies: options.known_proxies.clone(),
            restarts: 0,
        };
        Self {
            version: options.version,
            film,
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            options,
            state: Mutex::new(state),
            session_changes: watch::Sender::new(0),
        }
    }

    /// The state. No answer is awaited while it is held.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic in one request must not end all the others.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.options.clock.now()
    }

    pub(crate) fn timestamp(&self) -> String {
        timestamp(self.now())
    }

    pub(crate) fn server_name(&self) -> &str {
        &self.options.server_name
    }

    pub(crate) fn server_id(&self) -> String {
        SERVER.simple().to_string()
    }

    /// Whether this is wrong with it.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.options.faults.contains(&fault)
    }

    /// Whose forwarding fields are believed, as far as `peer` is concerned.
    pub(crate) fn proxies_known_to(&self, peer: IpAddr) -> Vec<IpAddr> {
        let known = self.state().known_proxies.clone();
        match known.is_empty() && self.has(Fault::BelievesAnybody) {
            true => vec![peer],
            false => known,
        }
    }

    /// Wakes the sockets that listen for sessions.
    pub(crate) fn sessions_changed(&self) {
        self.session_changes.send_modify(|count| *count += 1);
    }

    pub(crate) fn session_changes(&self) -> watch::Receiver<u64> {
        self.session_changes.subscribe()
    }

    pub(crate) fn set_readiness(&self, readiness: Readiness) {
        self.state().readiness = readiness;
    }

    /// What `POST /System/Restart` does: codes and sockets go, settings that wait for a restart
    /// count, and for a while every endpoint answers 503. People and tokens stay.
    pub(crate) fn restart(self: &std::sync::Arc<Self>) {
        let mut state = self.state();
        state.readiness = Readiness::Starting;
        state.pending.clear();
        for session in state.sessions.drain(..) {
            session.ended.cancel();
        }
        state.known_proxies = known_proxies(&state.network);
        drop(state);
        let (server, pause) = (self.clone(), self.options.restart_time);
        self.tasks.spawn(async move {
            let ready = server.stopping.run_until_cancelled(tokio::time::sleep(pause)).await;
            if ready.is_some() {
                let mut state = server.state();
                state.readiness = Readiness::Ready;
                state.restarts += 1;
            }
        });
    }
}

impl State {
    /// Whether the places for a credential that are called legacy count.
    pub(crate) fn legacy(&self, version: JellyfinVersion) -> Legacy {
        let on = match version {
            JellyfinVersion::V10_10 => true, // no such setting yet
            JellyfinVersion::V10_11 | JellyfinVersion::V12 => {
                flag(&self.system, "EnableLegacyAuthorization")
            }
        };
        if on { Legacy::Accepted } else { Legacy::Refused }
    }

    pub(crate) fn quick_connect_available(&self) -> bool {
        flag(&self.system, "QuickConnectAvailable")
    }

    /// Nobody from outside, or nobody who is not on a list.
    pub(crate) fn turns_away(&self, origin: &Origin) -> bool {
        let listed = networks(&self.network, "RemoteIPFilter");
        let is_listed = listed.iter().any(|network| network.contains(&origin.remote));
        let is_filtered = is_listed == flag(&self.network, "IsRemoteIPFilterBlacklist");
        !origin.is_in_network()
            && (!flag(&self.network, "EnableRemoteAccess") || (!listed.is_empty() && is_filtered))
    }

    /// `LocalNetworkSubnets`.
    pub(crate) fn local_networks(&self) -> Vec<IpNet> {
        networks(&self.network, "LocalNetworkSubnets")
    }

    /// The address that apps are told where no request says one: for all of them, else its own, as
    /// a container has it.
    pub(crate) fn published(&self) -> String {
        let listed = texts(&self.network, "PublishedServerUriBySubnet");
        let for_all = listed.iter().find_map(|entry| entry.strip_prefix("all="));
        for_all.unwrap_or("http://172.18.0.2:8096").to_owned()
    }

    /// Whether it follows a request instead.
    pub(crate) fn publishes_by_request(&self) -> bool {
        flag(&self.network, "EnablePublishedServerUriByRequest")
    }
}

/// A switch in a settings object.
pub(crate) fn flag(settings: &Value, name: &str) -> bool {
    settings.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// `fields` laid over `settings`: what is not named stays.
pub(crate) fn lay_over(settings: &mut Value, fields: &Value) {
    if let (Some(settings), Some(fields)) = (settings.as_object_mut(), fields.as_object()) {
        for (key, value) in fields {
            settings.insert(key.clone(), value.clone());
        }
    }
}

/// 32 lower-case hex digits that nobody can guess.
pub(crate) fn random_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// An id that follows from a name, so that it is the same on each start.
pub(crate) fn stable_id(name: &str) -> String {
    uuid::Uuid::new_v5(&SERVER, name.as_bytes()).simple().to_string()
}

fn known_proxies(network: &Value) -> Vec<IpAddr> {
    texts(network, "KnownProxies").iter().filter_map(|text| text.parse().ok()).collect()
}

fn networks(settings: &Value, name: &str) -> Vec<IpNet> {
    texts(settings, name).iter().filter_map(|text| text.parse().ok()).collect()
}

/// A list of texts in a settings object.
fn texts(settings: &Value, name: &str) -> Vec<String> {
    let listed = settings.get(name).and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn system_configuration(options: &CinemaOptions) -> Value {
    let mut system = json!({
        "ServerName": options.server_name,
        "QuickConnectAvailable": true,
        "IsStartupWizardCompleted": true,
        "EnableMetrics": false,
        "UICulture": "en-US",
        "PreferredMetadataLanguage": "en",
        "MetadataCountryCode": "US",
        "RemoteClientBitrateLimit": 0,
        "CorsHosts": ["*"],
        "InactiveSessionThreshold": 0,
        "AllowClientLogUpload": true,
    });
    let legacy = match options.version {
        JellyfinVersion::V10_10 => None,
        JellyfinVersion::V10_11 => Some(true),
        JellyfinVersion::V12 => Some(false),
    };
    if let Some(legacy) = legacy {
        lay_over(&mut system, &json!({ "EnableLegacyAuthorization": legacy }));
    }
    lay_over(&mut system, &options.system);
    system
}

fn network_configuration(options: &CinemaOptions) -> Value {
    let known: Vec<String> = options.known_proxies.iter().map(IpAddr::to_string).collect();
    let mut network = json!({
        "BaseUrl": "",
        "EnableHttps": false,
        "RequireHttps": false,
        "CertificatePath": "",
        "CertificatePassword": "",
        "InternalHttpPort": 8096,
        "InternalHttpsPort": 8920,
        "PublicHttpPort": 8096,
        "PublicHttpsPort": 8920,
        "AutoDiscovery": true,
        "EnableUPnP": false,
        "EnableIPv4": true,
        "EnableIPv6": false,
        "EnableRemoteAccess": true,
        "LocalNetworkSubnets": [],
        "LocalNetworkAddresses": [],
        "KnownProxies": known,
        "IgnoreVirtualInterfaces": true,
        "VirtualInterfaceNames": ["veth"],
        "EnablePublishedServerUriByRequest": true,
        "PublishedServerUriBySubnet": [],
        "RemoteIPFilter": [],
        "IsRemoteIPFilterBlacklist": false,
    });
    lay_over(&mut network, &options.network);
    network
}
