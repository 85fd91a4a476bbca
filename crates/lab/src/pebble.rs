//! Pebble, Let's Encrypt's own authority for tests, and its DNS server: real processes on loopback
//! (`test-parts.md` §3).

use std::{
    fmt::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use usher_rules::time::UnixTime;

use crate::ports::{free_port, until_open};

/// What a Pebble is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it looks for HTTP-01.
    pub http: SocketAddr,
    /// Where it looks for TLS-ALPN-01.
    pub tls: SocketAddr,
    /// How many of a hundred nonces it refuses.
    pub refused_nonces: u8,
    /// It takes nobody without this external account: id, and key in base64url.
    pub external_account: Option<(&'static str, &'static str)>,
    /// How long its certificates live.
    pub life: Duration,
    /// Names that it refuses.
    pub blocked: Vec<&'static str>,
    /// The DNS server that it asks, if not one of its own where every name is at 127.0.0.1.
    pub dns: Option<SocketAddr>,
    /// From when to when its own certificate counts, if not always.
    pub counts: Option<(UnixTime, UnixTime)>,
}

impl Settings {
    /// One that looks at these addresses and does nothing odd.
    pub fn looking_at(http: SocketAddr, tls: SocketAddr) -> Self {
        let (refused_nonces, external_account) = (0, None);
        let life = Duration::from_secs(24 * 3600);
        Self {
            http,
            tls,
            refused_nonces,
            external_account,
            life,
            blocked: Vec::new(),
            dns: None,
            counts: None,
        }
    }
}

/// A Pebble that runs until it is dropped.
pub struct Pebble {
    server: Mutex<Option<Child>>,
    dns: Child,
    folder: PathBuf,
    address: SocketAddr,
    management: SocketAddr,
    refused_nonces: u8,
    asks: SocketAddr,
    dns_management: SocketAddr,
}

impl Pebble {
    /// Starts one that keeps its files in `folder`; it answers when this returns.
    ///
    /// # Panics
    ///
    /// When it is not installed; the message says how to.
    pub async fn start(folder: &Path, settings: Settings) -> Self {
        certificate(folder, settings.counts);
        let (address, management) = (free_port(), free_port());
        let config = config(folder, address, management, &settings);
        std::fs::write(folder.join("pebble.json"), config.to_string()).expect("a file");
        let (dns_address, dns_management) = (free_port(), free_port());
        let dns = program("pebble-challtestsrv")
            .args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", ""])
            .args(["-https01", "", "-tlsalpn01", ""])
            .args(["-dns01", &dns_address.to_string()])
            .args(["-management", &dns_management.to_string()])
            .spawn();
        let pebble = Self {
            server: Mutex::new(None),
            dns: started(dns, "pebble-challtestsrv"),
            folder: folder.to_owned(),
            address,
            management,
            refused_nonces: settings.refused_nonces,
            asks: settings.dns.unwrap_or(dns_address),
            dns_management,
        };
        until_open(dns_management).await;
        pebble.open().await;
        pebble
    }

    /// Starts it again after [`Pebble::close`]: it has forgotten everything.
    pub async fn open(&self) {
        let server = program("pebble")
            .arg("-config")
            .arg(self.folder.join("pebble.json"))
            .args(["-dnsserver", &self.asks.to_string()])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_AUTHZREUSE", "0")
            .env("PEBBLE_WFE_NONCEREJECT", self.refused_nonces.to_string())
            .spawn();
        *self.server.lock().expect("nobody panicked") = Some(started(server, "pebble"));
        until_open(self.address).await;
        until_open(self.management).await;
    }

    /// An outage: nobody listens any more.
    pub fn close(&self) {
        if let Some(mut server) = self.server.lock().expect("nobody panicked").take() {
            drop(server.kill());
            drop(server.wait());
        }
    }

    /// Its directory.
    pub fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.address.port())
    }

    /// What its HTTPS is signed by, PEM: for `autocert_trusted_ca_file`.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("pebble-ca.pem")
    }

    /// The root of what it signs, PEM, in a file: for browsers.
    pub async fn root_file(&self) -> PathBuf {
        let root = self.get(self.management, "/roots/0").await;
        let file = self.folder.join("pebble-root.pem");
        std::fs::write(&file, root).expect("a file");
        file
    }

    /// `Valid` or `Revoked`, of the certificate with this serial number in hexadecimal.
    pub async fn status(&self, serial: &str) -> String {
        let text = self.get(self.management, &format!("/cert-status-by-serial/{serial}")).await;
        let status: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        status["Status"].as_str().expect("a status").to_owned()
    }

    /// Where its DNS server takes orders.
    pub const fn dns_management(&self) -> SocketAddr {
        self.dns_management
    }

    /// Sets or clears what the DNS server says, by its own paths: `/set-txt`, `/clear-txt`,
    /// `/add-a`, `/set-servfail`.
    pub async fn dns(&self, path: &str, body: &serde_json::Value) {
        let stream = TcpStream::connect(self.dns_management).await.expect("it listens");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        let request = Request::post(path).header("host", "localhost");
        let request = request.body(Full::new(Bytes::from(body.to_string()))).expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        assert!(response.status().is_success(), "{path}: {}", response.status());
    }

    async fn get(&self, at: SocketAddr, path: &str) -> Bytes {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(self.ca_file()).expect("a certificate");
        roots.add(ca).expect("a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(at).await.expect("it listens");
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let io = TokioIo::new(stream.expect("a handshake"));
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(io).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        let request = Request::get(path).header("host", "localhost");
        let request = request.body(Full::<Bytes>::default()).expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.into_body().collect().await.expect("a body").to_bytes()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.close();
        drop(self.dns.kill());
        drop(self.dns.wait());
    }
}

fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn started(child: std::io::Result<Child>, name: &str) -> Child {
    child.unwrap_or_else(|error| {
        panic!("can't start {name}: {error}\nhint: apt-get install --no-install-recommends pebble")
    })
}

fn config(
    folder: &Path,
    address: SocketAddr,
    management: SocketAddr,
    settings: &Settings,
) -> serde_json::Value {
    let (id, key) = settings.external_account.unwrap_or_default();
    let mut keys = serde_json::Map::new();
    if settings.external_account.is_some() {
        keys.insert(id.to_owned(), key.into());
    }
    serde_json::json!({ "pebble": {
        "listenAddress": address.to_string(),
        "managementListenAddress": management.to_string(),
        "certificate": folder.join("pebble.pem"),
        "privateKey": folder.join("pebble.key"),
        "httpPort": settings.http.port(),
        "tlsPort": settings.tls.port(),
        "ocspResponderURL": "",
        "externalAccountBindingRequired": settings.external_account.is_some(),
        "externalAccountMACKeys": keys,
        "domainBlocklist": settings.blocked,
        "certificateValidityPeriod": settings.life.as_secs(),
    }})
}

/// A certificate for `localhost`, its key, and the authority of both.
fn certificate(folder: &Path, counts: Option<(UnixTime, UnixTime)>) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let mut leaf = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    if let Some((from, to)) = counts {
        let at = |moment: UnixTime| {
            let seconds = i64::try_from(moment.seconds()).expect("a moment");
            time::OffsetDateTime::from_unix_timestamp(seconds).expect("a moment")
        };
        (leaf.not_before, leaf.not_after) = (at(from), at(to));
    }
    let leaf = leaf.signed_by(&key, &authority).expect("a leaf");
    for (name, text) in [
        ("pebble-ca.pem", authority.pem()),
        ("pebble.pem", leaf.pem()),
        ("pebble.key", key.serialize_pem()),
    ] {
        std::fs::write(folder.join(name), text).expect("a file");
    }
}

/// The serial number of a certificate, in hexadecimal as Pebble writes it.
pub fn serial(octets: &[u8]) -> String {
    octets.iter().skip_while(|octet| **octet == 0).fold(String::new(), |mut text, octet| {
        let _written = write!(text, "{octet:02x}"); // a String takes everything
        text
    })
}
