//! An usher that chores talk to: its own folder, its own port of loopback.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::shell::{Failure, target, write};

/// A program that is ended with the chore.
pub struct Server(Child);

impl Server {
    /// Serves `config` with its data in `folder`, which is made anew; it listens on `port` when
    /// this returns.
    pub fn start(folder: &Path, port: u16, config: &str) -> Result<Self, Failure> {
        let _fresh = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).map_err(|error| Failure::new(error.to_string()))?;
        let file = folder.join("config.yaml");
        write(&file, config)?;
        let mut usher = Command::new(target().join("debug/usher"));
        usher.args(["run", "--config"]).arg(&file).arg("--data-dir").arg(folder.join("data"));
        Self::listening(&mut usher, port)
    }

    /// Starts a program and waits until it listens on `port`.
    #[expect(clippy::disallowed_methods, reason = "another process begins to listen")]
    pub fn listening(command: &mut Command, port: u16) -> Result<Self, Failure> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut server =
            Self(child.map_err(|error| Failure::new(format!("can't start {program}: {error}")))?);
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.0.try_wait().is_ok_and(|status| status.is_some());
            if ended || begin.elapsed() > Duration::from_secs(20) {
                return Err(Failure::new(format!("{program} does not listen on port {port}")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A port of 127.0.0.1 that was free a moment ago.
pub fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0");
    let address = listener.and_then(|listener| listener.local_addr());
    address.map(|address| address.port()).map_err(|error| Failure::new(error.to_string()))
}
