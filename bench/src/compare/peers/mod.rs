//! The peers, each with one worker on the core of the proxies, and what stands behind them.

mod caddy;
mod envoy;
mod floor;
mod haproxy;
mod nginx;
mod sink;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use super::{PROXY_CORE, contender::Contender};
use crate::{
    certificate::Certificate,
    failure::Failure,
    front_door::{await_port, free_address},
    process::Process,
};

pub use nginx::STATUS;

/// Where programs lie that no Debian package brings.
#[derive(Debug, Default)]
pub struct Programs {
    /// Envoy.
    pub envoy: Option<PathBuf>,
    /// Caddy.
    pub caddy: Option<PathBuf>,
}

/// Where one peer listens.
#[derive(Debug, Clone, Copy)]
struct Place {
    address: SocketAddr,
    /// Which of the processes it is; several listen at two addresses.
    process: usize,
}

/// All who take part and are not ours.
#[derive(Debug)]
pub struct Peers {
    places: BTreeMap<Contender, Place>,
    proxies: Vec<Process>,
    authorization: Process,
    /// What all of them, and usher, forward to.
    pub upstream: SocketAddr,
    /// What those ask that ask about each request.
    pub service: SocketAddr,
    /// Kept so that it ends with the rest: the app, and what takes uploads for it.
    _upstream: Option<(Process, Process)>,
}

/// Who is asked something, and whose CPU time it costs.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Where it listens.
    pub address: SocketAddr,
    /// The proxy.
    pub proxy: &'a Process,
    /// The service that decides about each request, where there is one.
    pub authorizer: Option<&'a Process>,
}

/// What each peer is set up with.
#[derive(Debug)]
struct Setting<'a> {
    folder: &'a Path,
    certificate: &'a Certificate,
    upstream: SocketAddr,
    authorization: SocketAddr,
}

impl Peers {
    /// Starts whoever of them is wanted and waits until they listen; without an upstream also one.
    pub fn start(
        folder: &Path,
        certificate: &Certificate,
        wanted: &[Contender],
        programs: &Programs,
        upstream: Option<SocketAddr>,
    ) -> Result<Self, Failure> {
        let own = upstream.is_none();
        let upstream = upstream.map_or_else(free_address, Ok)?;
        let authorization = free_address()?;
        let setting = Setting { folder, certificate, upstream, authorization };
        let mut peers = Self {
            places: BTreeMap::new(),
            proxies: Vec::new(),
            _upstream: own.then(|| app(&setting)).transpose()?,
            authorization: nginx::authorization(&setting)?,
            upstream,
            service: authorization,
        };
        let is_wanted = |some: &[Contender]| some.iter().any(|it| wanted.contains(it));
        if is_wanted(&nginx::SERVED) {
            peers.add(nginx::start(&setting)?);
        }
        if is_wanted(&haproxy::SERVED) {
            peers.add(haproxy::start(&setting)?);
        }
        if is_wanted(&floor::SERVED) {
            peers.add(floor::start(&setting)?);
        }
        if is_wanted(&envoy::SERVED) {
            peers.add(envoy::start(&setting, program(programs.envoy.as_deref(), "envoy")?)?);
        }
        if is_wanted(&caddy::SERVED) {
            peers.add(caddy::start(&setting, program(programs.caddy.as_deref(), "caddy")?)?);
        }
        Ok(peers)
    }

    fn add(&mut self, (process, served): (Process, Vec<(Contender, SocketAddr)>)) {
        let at = self.proxies.len();
        self.proxies.push(process);
        let places = served.into_iter().map(|(it, address)| (it, Place { address, process: at }));
        self.places.extend(places);
    }

    /// Where it listens and whose CPU time counts. `None` of those who take no part.
    pub fn of(&self, contender: Contender) -> Option<Asked<'_>> {
        let place = self.places.get(&contender)?;
        let proxy = self.proxies.get(place.process)?;
        let authorizer = contender.asks().then_some(&self.authorization);
        Some(Asked { address: place.address, proxy, authorizer })
    }
}

/// The app, and what takes uploads for it.
fn app(setting: &Setting<'_>) -> Result<(Process, Process), Failure> {
    let (sink, address) = sink::start(setting.folder)?;
    Ok((nginx::upstream(setting, address)?, sink))
}

fn program<'a>(given: Option<&'a Path>, name: &str) -> Result<&'a Path, Failure> {
    given.ok_or_else(|| Failure::Usage(format!("--{name} FILE: where {name} lies")))
}

/// Starts `program` on the core of the proxies, with its log in `folder`, and waits for it.
fn start_on_core(
    folder: &Path,
    called: (&Path, &[&str]),
    addresses: &[SocketAddr],
) -> Result<Process, Failure> {
    start_on(folder, PROXY_CORE, called, addresses)
}

fn start_on(
    folder: &Path,
    core: u32,
    (program, words): (&Path, &[&str]),
    addresses: &[SocketAddr],
) -> Result<Process, Failure> {
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // this very program is two of them
    let port = addresses.first().map_or(0, SocketAddr::port);
    let log = folder.join(format!("{name}-{port}.log"));
    let output = File::create(&log).map_err(Failure::io(&*name))?;
    let errors = output.try_clone().map_err(Failure::io(&*name))?;
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program).args(words);
    command.env("HOME", folder).stdout(output).stderr(errors);
    let mut process = Process::start(&mut command)?;
    for address in addresses {
        await_port(*address, &mut process, &log)?;
    }
    Ok(process)
}

/// A folder of its own, and a config in it.
fn configured(folder: &Path, name: &str, file: &str, config: &str) -> Result<PathBuf, Failure> {
    let own = folder.join(name);
    fs::create_dir_all(&own).map_err(Failure::io(name))?;
    let file = own.join(file);
    fs::write(&file, config).map_err(Failure::io(name))?;
    Ok(file)
}
