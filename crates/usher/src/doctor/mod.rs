//! What is wrong with a door and the house behind it, for whom, and what to do: `usher doctor`,
//! `usher check --live` and `/.pomerium/doctor`.
//!
//! | tried | how |
//! |---|---|
//! | [`names`] | each host of `from` is looked up |
//! | [`ports`] | each address is bound for a moment, or who answers there is asked |
//! | [`certificates`] | what a browser is shown, judged as a browser does |
//! | [`upstreams`] | TCP, TLS and one GET, as the route would speak |
//! | [`provider`] | discovery and keys |
//! | [`mail`] | the server of `smtp`: TLS, name and password, the sender; no letter |
//! | [`front`] | the usher that runs: redirect, cookies, sign-in as far as without a person |
//! | [`route`] | what a route to a Jellyfin has to say |
//! | [`base`] | where it says that it is |
//! | [`jellyfin`] | the Jellyfin itself, asked as usher asks it |
//! | [`traffic`] | what comes through in between |
//! | [`settings`] | what it says of its settings to who has its API key |
//! | [`around`] | whether it is reached around usher |
//!
//! Nothing is changed, no data is written, nobody is signed in, and root is not needed; [`cure`]
//! alone changes something, when it is asked to.

mod around;
mod base;
mod certificates;
pub mod code;
pub mod cure;
mod door;
mod finding;
mod front;
mod jellyfin;
mod mail;
mod names;
mod ports;
mod provider;
mod route;
mod server;
mod settings;
mod shown;
mod traffic;
mod upstreams;

pub use self::{around::own_addresses, code::Code, cure::Cure, finding::Tried, shown::show};

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use usher_rules::{
    jellyfin::ServerState,
    plan::{Plan, Route},
    time::Now,
};

use crate::request::forward::Trust;

/// How a long answer is read slowly: so many octets, evenly.
#[derive(Clone, Copy, Debug)]
pub struct Slowly {
    /// So many octets.
    pub octets: usize,
    /// In so long.
    pub over: Duration,
}

impl Slowly {
    /// As much as a Jellyfin gives, at the pace of a film: past the limits of 30 s that proxies have.
    pub const FILM: Self = Self { octets: 100_000_000, over: Duration::from_secs(45) };
}

/// How long one thing may take: two would be enough on a good day.
const PATIENCE: Duration = Duration::from_secs(4);

/// Where things are looked at from.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Where usher keeps its data; without it certificates are not looked at on the disk.
    pub data_dir: Option<&'a Path>,
    /// The time here.
    pub now: Now,
    /// Addresses of this machine that others reach.
    pub addresses: &'a [IpAddr],
    /// Where the usher answers that looks; `None` for a command, which goes by the config.
    pub door: Option<SocketAddr>,
    /// Is a long answer read slowly, too? It takes as long as it says.
    pub slow: Option<Slowly>,
}

/// Tries everything that `plan` names by itself: what a Jellyfin needs is not asked about.
pub async fn basics(plan: &Plan, place: Place<'_>) -> Vec<Tried> {
    at_the_door(plan, place).await.0
}

/// Everything: what [`basics`] tries, the way in through the usher that runs, and each Jellyfin.
pub async fn examine(plan: &Plan, place: Place<'_>) -> Vec<Tried> {
    let (mut all, door) = at_the_door(plan, place).await;
    all.extend(front::tried(plan, door.as_ref()).await);
    all.extend(jellyfins(plan, door.as_ref(), place).await);
    all
}

/// What [`basics`] tries, and the door where an usher runs.
async fn at_the_door(plan: &Plan, place: Place<'_>) -> (Vec<Tried>, Option<door::Door>) {
    let listens = place.door.map_or_else(|| plan.listen.address.to_string(), |at| at.to_string());
    let (names, ports) = tokio::join!(names::tried(plan), ports::tried(plan, &listens));
    let ours = ports.iter().any(|port| port.is_the_door);
    let door = door::Door::of(plan, &listens).filter(|_| ours);
    let (certificates, upstreams, providers, mail) = tokio::join!(
        certificates::tried(plan, place.data_dir, door.as_ref(), place.now.wall),
        upstreams::tried(plan),
        provider::tried(plan, place.now),
        mail::tried(plan),
    );
    let ports = ports.into_iter().map(|port| port.tried);
    let all = names.into_iter().chain(ports).chain(certificates).chain(upstreams);
    (all.chain(providers).chain(mail).collect(), door)
}

/// Each Jellyfin behind a route, and the route.
async fn jellyfins(plan: &Plan, door: Option<&door::Door>, place: Place<'_>) -> Vec<Tried> {
    let trust = Trust::system(&plan.extra_roots);
    let mut all = Vec::new();
    for route in &plan.routes {
        if let Some(server) = server::Server::of(plan, route, &trust) {
            all.extend(jellyfin::tried(&server, door, place.addresses, place.slow).await);
        }
    }
    all
}

/// How the Jellyfin of each route stands that says `jellyfin`.
pub async fn standings(plan: &Plan) -> Vec<(Arc<Route>, ServerState)> {
    let trust = Trust::system(&plan.extra_roots);
    let routes = plan.routes.iter().filter(|route| route.jellyfin.is_some());
    let asked = routes.map(|route| async {
        let server = server::Server::of(plan, route, &trust);
        let state = match server {
            Some(server) => server.state().await,
            None => ServerState::NoJellyfin,
        };
        (Arc::clone(route), state)
    });
    join_all(asked).await
}

/// The base path below which a Jellyfin is, where the route says another one.
pub async fn base_path(plan: &Plan, route: &Route, trust: &Trust) -> Option<String> {
    base::found(&server::Server::of(plan, route, trust)?).await
}

/// Is a Jellyfin behind a route that does not say so? Asked only where address or name look so: no
/// other app gets a question that nobody asked.
pub async fn is_undeclared(plan: &Plan, route: &Route, trust: &Trust) -> bool {
    if route.jellyfin.is_some() {
        return false;
    }
    let Some(server) = server::Server::of(plan, route, trust) else { return false };
    let (host, port) = (&server.target.upstream.host, server.target.upstream.port);
    let looks_so = around::PORTS.contains(&port) || host.to_lowercase().contains("jellyfin");
    looks_so && base::is_one(server.state().await)
}

/// Does `work` on a runtime of its own. Blocks until it is done.
///
/// # Errors
///
/// The system gives no runtime.
pub fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    // a resolver that is silent keeps a thread: nobody waits for it
    runtime.shutdown_background();
    Ok(done)
}
