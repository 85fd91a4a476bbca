//! A server that an authority can look at, and the authority.

use std::{net::SocketAddr, path::Path};

use tempfile::TempDir;
use usher::certs::acme::CertificateStore;
use usher_lab::{
    browser::Browser,
    pebble::{Pebble, Settings, serial},
    ports::free_port,
    upstream::Upstream,
};

use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::test_server::{TestServer, eventually, public};

pub struct TestAuthority {
    pub pebble: Pebble,
    pub folder: TempDir,
    pub app: Upstream,
    pub http: SocketAddr,
    pub tls: SocketAddr,
}

impl TestAuthority {
    /// An authority whose settings `change` may change.
    pub async fn open(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = TempDir::new().unwrap();
        let (http, tls) = (free_port(), free_port());
        let mut settings = Settings::looking_at(http, tls);
        change(&mut settings);
        let pebble = Pebble::start(folder.path(), settings).await;
        Self { pebble, folder, app: Upstream::echo(), http, tls }
    }

    /// A config for these hosts, with `more` lines.
    pub fn config(&self, hosts: &[&str], more: &str) -> String {
        let routes: Vec<String> = hosts.iter().map(|host| public(host, self.app.address)).collect();
        format!(
            "address: {tls}
autocert: true
autocert_ca: {directory}
autocert_trusted_ca_file: {ca}
{more}
routes:
{routes}",
            tls = self.tls,
            directory = self.pebble.directory(),
            ca = self.pebble.ca_file().display(),
            routes = routes.concat(),
        )
    }

    /// The line for a plain listener that the authority looks at.
    pub fn http_line(&self) -> String {
        format!("http_redirect_addr: {}", self.http)
    }

    /// A browser that trusts what this authority signs, and nothing else.
    pub async fn browser(&self, server: &TestServer) -> Browser {
        Browser::new(server.address(), &self.pebble.root_file().await)
    }
}

/// Where a server keeps what it has of authorities.
pub fn store(server: &TestServer) -> CertificateStore {
    CertificateStore::open(server.data_dir().join("acme")).unwrap()
}

/// Waits until it is written down whose certificate a host has, which comes after it is served.
pub async fn kept_as_of(server: &TestServer, host: &str, directory: &str) {
    eventually(&format!("a certificate of {directory}"), || {
        (*store(server).state(host).unwrap().issued_by == *directory).then_some(())
    })
    .await;
}

/// The serial number of a name's certificate, as Pebble writes it.
pub fn serial_of(server: &TestServer, name: &str) -> String {
    let leaf = store(server).leaf(name).unwrap().unwrap();
    let (_, read) = X509Certificate::from_der(leaf.der().unwrap()).unwrap();
    serial(read.raw_serial())
}

/// Events about a host with this field.
pub fn told(server: &TestServer, host: &str, field: &str) -> Vec<String> {
    server
        .records("certificate")
        .iter()
        .filter(|line| line["host"] == host)
        .filter_map(|line| line[field].as_str().map(str::to_owned))
        .collect()
}

/// Waits until a certificate for `host` is served.
pub async fn issued(server: &TestServer, host: &str) {
    eventually(&format!("a certificate for {host}"), || told(server, host, "issuer").pop()).await;
}

/// Waits for another certificate than the one with this serial number.
pub async fn another(server: &TestServer, host: &str, first: &str) {
    eventually("another certificate", || (serial_of(server, host) != first).then_some(())).await;
}

/// Waits for the cause of an order's failure.
pub async fn failed(server: &TestServer, host: &str) -> String {
    eventually(&format!("an order for {host} fails"), || told(server, host, "cause").pop()).await
}

/// Waits until whoever orders certificates has looked several times at what is to be done now. A look
/// asks for the time, once or a few times.
pub async fn looked(server: &TestServer) {
    let asked = || server.clock.asked_on("orders");
    let enough = asked() + 12;
    eventually("it is looked", || (asked() >= enough).then_some(())).await;
}

/// Everything that lies under a folder, by name.
pub fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
