//! An usher of our own: its config, its process, its log.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    certificate::Certificate,
    failure::Failure,
    process::{Process, pause},
};

/// The host that every measurement asks for.
pub const HOST: &str = "tv.test";

/// A running usher with one route, as the guide sets it up.
#[derive(Debug)]
pub struct FrontDoor {
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

/// What to run, and with what.
#[derive(Debug)]
pub struct Setup<'a> {
    /// The binary.
    pub usher: &'a Path,
    /// Holds config, data and log.
    pub folder: &'a Path,
    /// For TLS.
    pub certificate: &'a Certificate,
    /// Where the route leads.
    pub upstream: SocketAddr,
    /// Who may pass, as lines of the route; then more routes, and keys of the top level.
    pub policy: &'a str,
    /// The core to stay on; `None` leaves it to the scheduler.
    pub core: Option<u32>,
}

impl Setup<'_> {
    /// The address is chosen here, so that the config can name it.
    pub fn config(&self, address: SocketAddr) -> String {
        let (chain, key) = (self.certificate.chain.display(), self.certificate.key.display());
        format!(
            "address: {address}\n\
             certificate_file: {chain}\n\
             certificate_key_file: {key}\n\
             routes:\n\
             \x20 - from: https://{HOST}\n\
             \x20   to: http://{}\n\
             \x20   allow_websockets: true\n\
             \x20   preserve_host_header: true\n\
             \x20   pass_identity_headers: true\n\
             \x20   timeout: 0s\n\
             \x20   idle_timeout: 600s\n\
             {}",
            self.upstream, self.policy
        )
    }

    /// `usher`, ready for a subcommand.
    pub fn command(&self) -> Command {
        let mut command = match self.core {
            None => Command::new(self.usher),
            Some(core) => {
                let mut pinned = Command::new("taskset");
                pinned.args(["-c", &core.to_string()]).arg(self.usher);
                pinned
            }
        };
        command.env("USHER_DATA_DIR", self.data());
        command
    }

    /// Starts it and waits until it accepts connections.
    pub fn open(&self) -> Result<FrontDoor, Failure> {
        let address = free_address()?;
        let config = self.folder.join("config.yaml");
        fs::write(&config, self.config(address)).map_err(Failure::io("config.yaml"))?;
        let log = self.log();
        let file = File::create(&log).map_err(Failure::io("log"))?;
        let errors = file.try_clone().map_err(Failure::io("log"))?;
        let mut command = self.command();
        command.arg("run").arg("--config").arg(&config).stdout(file).stderr(errors);
        let mut process = Process::start(&mut command)?;
        await_port(address, &mut process, &log)?;
        Ok(FrontDoor { process, address })
    }

    /// Where it keeps what outlives it.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Where its records go.
    pub fn log(&self) -> PathBuf {
        self.folder.join("usher.log")
    }
}

/// A port on loopback on which nobody listens now.
pub fn free_address() -> Result<SocketAddr, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(Failure::io("a free port"))
}

/// Waits until somebody accepts connections there; at most a minute, for there may be much to read.
pub fn await_port(address: SocketAddr, who: &mut Process, log: &Path) -> Result<(), Failure> {
    for _ in 0..3000 {
        if TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        if who.ended() {
            break;
        }
        pause(Duration::from_millis(20));
    }
    let said = fs::read_to_string(log).unwrap_or_default();
    let program = log.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Err(Failure::Program { program, what: format!("does not listen on {address}\n{said}") })
}
