//! What a stand-in is started with.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{clock::Clock, fault::Fault, film::Film};

/// The release whose behaviour the stand-in shows. Where they differ, the measured one counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JellyfinVersion {
    /// 10.10.7: `X-Emby-Authorization` is read before `Authorization`.
    V10_10,
    /// 10.11.11: every place for a credential open, legacy ones behind a setting that is on.
    V10_11,
    /// 12.0: legacy places closed by default, no `/emby` prefix, `Content-Language` everywhere.
    V12,
}

impl JellyfinVersion {
    /// The version number that the release reports.
    pub fn number(self) -> &'static str {
        match self {
            Self::V10_10 => "10.10.7",
            Self::V10_11 => "10.11.11",
            Self::V12 => "12.0.0",
        }
    }
}

/// How far the server has come with starting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Readiness {
    /// Endpoints answer 503 with the loading message, `/health` says `Degraded`.
    Starting,
    /// Everything answers, `/health` says `Healthy`.
    Ready,
}

/// A person whom the stand-in knows.
#[derive(Clone, Debug)]
pub struct CinemaUser {
    /// The name to sign in with, compared without regard to case.
    pub name: String,
    /// Empty means that the empty password signs in, as on the real server.
    pub password: String,
    /// Whether the policy's `IsAdministrator` is set.
    pub administrator: bool,
    /// Whether `/Users/Public` lists the name (`IsHidden` is the opposite).
    pub listed: bool,
}

impl CinemaUser {
    /// An ordinary person, not listed, as a new user of a real server is.
    pub fn new(name: impl Into<String>, password: impl Into<String>) -> Self {
        Self { name: name.into(), password: password.into(), administrator: false, listed: false }
    }

    /// The same person as an administrator.
    #[must_use]
    pub fn administrator(mut self) -> Self {
        self.administrator = true;
        self
    }

    /// The same person, shown on the sign-in page.
    #[must_use]
    pub fn listed(mut self) -> Self {
        self.listed = true;
        self
    }
}

/// What [`Cinema::start`](crate::Cinema::start) needs. `..Default::default()` gives what the demo
/// shows: one listed person without a password, the small film, a free port on loopback.
#[derive(Clone, Debug)]
pub struct CinemaOptions {
    /// Where to listen. Port 0 takes a free one.
    pub bind: SocketAddr,
    /// Which release to behave like.
    pub version: JellyfinVersion,
    /// What is shown.
    pub film: Film,
    /// The people known at the start.
    pub users: Vec<CinemaUser>,
    /// An administrator's API key known at the start: 32 lower-case hex digits.
    pub admin_key: Option<String>,
    /// The `KnownProxies` setting: empty means that `X-Forwarded-*` is ignored.
    pub known_proxies: Vec<IpAddr>,
    /// How far it has come with starting when the port opens.
    pub readiness: Readiness,
    /// How long `POST /System/Restart` keeps it in [`Readiness::Starting`].
    pub restart_time: Duration,
    /// The `ServerName` that it reports.
    pub server_name: String,
    /// Where it takes the time from.
    pub clock: Clock,
    /// Members of `/System/Configuration` that are not as usual.
    pub system: Value,
    /// Members of `/System/Configuration/network` that are not as usual. What its list of known
    /// proxies says counts after a restart.
    pub network: Value,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
    /// Whether it answers apps that look for a server, at the UDP port that is the same everywhere.
    pub discovery: bool,
}

impl Default for CinemaOptions {
    fn default() -> Self {
        Self {
            bind: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            version: JellyfinVersion::V10_11,
            film: Film::Small,
            users: vec![CinemaUser::new("demo", "").listed()],
            admin_key: None,
            known_proxies: Vec::new(),
            readiness: Readiness::Ready,
            restart_time: Duration::from_millis(2_400),
            server_name: "stand-in".to_owned(),
            clock: Clock::system(),
            system: json!({}),
            network: json!({}),
            faults: Vec::new(),
            discovery: false,
        }
    }
}
