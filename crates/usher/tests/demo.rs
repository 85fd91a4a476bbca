//! `usher demo --json`: one line when it is ready, and everything that the line says is true.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// A demo that is ended when the test is over, however it is over.
struct Demo {
    child: Child,
    ready: Value,
}

impl Demo {
    fn start(dir: &Path, port: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_usher"))
            .args(["demo", "--json", "--port", port, "--data-dir"])
            .arg(dir)
            .env("HOME", dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line:?}"));
        // Kept open and read, so that the demo never writes into a closed or full pipe.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Self { child, ready }
    }

    fn url(&self) -> &str {
        self.ready["routes"][0]["url"].as_str().unwrap()
    }

    /// Asks it to end, as a service manager does, and waits.
    fn end(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }
}

/// `GET /` as a browser that opens the address, trusting nothing but the demo's authority. Gives
/// the head of the answer.
async fn visit(demo: &Demo) -> String {
    let mut roots = RootCertStore::empty();
    let authority = Path::new(demo.ready["ca_file"].as_str().unwrap());
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let authority = demo.url().strip_prefix("https://").unwrap();
    let (host, port) = authority.split_once(':').unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()));
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {authority}\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\n\
         Sec-Fetch-Dest: document\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _cut_without_notice = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).split("\r\n\r\n").next().unwrap().to_owned()
}

#[tokio::test]
async fn one_line_and_it_is_true() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("not there yet");
    let demo = Demo::start(&data_dir, "0");
    let ready = &demo.ready;
    assert_eq!(ready["pid"], demo.child.id());
    assert_eq!(ready["data_dir"], data_dir.to_str().unwrap());
    let allowed: Vec<_> =
        ready["people"].as_array().unwrap().iter().map(|p| &p["allowed"]).collect();
    assert_eq!(allowed, [true, false]);

    // The handshake succeeding says that the authority is the one that signed for this host.
    let head = visit(&demo).await;
    let mut lines = head.lines();
    let status = lines.next().unwrap();
    assert!(status.contains(" 302 ") || status.contains(" 303 "), "sent to sign in: {head}");
    assert!(!head.contains("Kestrel"), "nothing of the stand-in comes through: {head}");

    let (people, authority) = (ready["people"].clone(), ready["ca_file"].clone());
    let before = std::fs::read(authority.as_str().unwrap()).unwrap();
    assert_eq!(demo.end().code(), Some(0), "a demo that is told to end ends well");

    let again = Demo::start(&data_dir, "0");
    assert_eq!(again.ready["people"], people, "the same passwords after a restart");
    let after = std::fs::read(again.ready["ca_file"].as_str().unwrap()).unwrap();
    assert!(before == after, "the same authority: nobody has to trust it twice");
}

#[test]
fn a_port_that_was_asked_for_is_never_exchanged() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_usher"))
        .args(["demo", "--json", "--port", &port, "--data-dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&format!("can't listen on 127.0.0.1:{port}")), "{said}");
    assert!(said.contains("hint:"), "{said}");
    assert!(output.stdout.is_empty(), "nothing is announced");
}
