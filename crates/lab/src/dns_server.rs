//! Knot DNS, a real server that takes signed dynamic updates, on loopback.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::ports::{free_port, until_open};

/// The secret of its key `usher`, in base64.
pub const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A server for `example.com` that runs until it is dropped.
pub struct DnsServer {
    child: Child,
    /// Where it answers, by UDP and TCP.
    pub address: SocketAddr,
}

impl DnsServer {
    /// Starts one that keeps its files in `folder`; every name of its zone is at 127.0.0.1.
    ///
    /// # Panics
    ///
    /// When it is not installed; the message says how to.
    pub async fn start(folder: &Path) -> Self {
        let address = free_port();
        let zone = "\
@ 60 SOA ns.example.com. hostmaster.example.com. 1 3600 600 86400 60
@ 60 NS ns.example.com.
* 60 A 127.0.0.1
@ 60 A 127.0.0.1
";
        std::fs::write(folder.join("example.com.zone"), zone).expect("a file");
        let file = folder.join("knot.conf");
        std::fs::write(&file, config(folder, address)).expect("a file");
        let child = Command::new(program())
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "can't start knotd: {error}\nhint: apt-get install --no-install-recommends knot"
                )
            });
        until_open(address).await;
        Self { child, address }
    }
}

/// A zone that takes updates by the key alone.
fn config(folder: &Path, address: SocketAddr) -> String {
    format!(
        "server:
    rundir: {folder}
    listen: 127.0.0.1@{port}
database:
    storage: {folder}
key:
  - id: usher
    algorithm: hmac-sha256
    secret: {SECRET}
acl:
  - id: update
    key: usher
    action: update
template:
  - id: default
    storage: {folder}
    file: \"%s.zone\"
zone:
  - domain: example.com
    acl: update
",
        folder = folder.display(),
        port = address.port(),
    )
}

/// Debian puts it where only root looks.
fn program() -> &'static str {
    if Path::new("/usr/sbin/knotd").exists() { "/usr/sbin/knotd" } else { "knotd" }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
