//! OCSP responses beside certificates, made by `openssl ocsp` and judged by `openssl s_client`.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SerialNumber,
};
use tempfile::TempDir;
use usher_lab::upstream::Upstream;

use crate::test_server::{TestServer, config, public};

const HOST: &str = "tv.test";

fn openssl(folder: &Path, arguments: &[&str]) -> Output {
    Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("openssl: {error}\nhint: apt-get install openssl"))
}

/// `own.pem` and `own.key` of an authority, `ca.pem` and `ca.key`.
fn pair(folder: &Path) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "an authority");
    let key = KeyPair::generate().unwrap();
    fs::write(folder.join("ca.key"), key.serialize_pem()).unwrap();
    let authority = CertifiedIssuer::self_signed(authority, key).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec![HOST.into()]).unwrap();
    leaf.serial_number = Some(SerialNumber::from(0x00f1_0000_0000_0007_u64)); // a zero comes before
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    fs::write(folder.join("own.pem"), leaf.pem() + &authority.pem()).unwrap();
    fs::write(folder.join("own.key"), key.serialize_pem()).unwrap();
}

/// A response that counts for a day, as an authority with this entry for the certificate signs it.
fn response(folder: &Path, entry: &str) -> Vec<u8> {
    let line = format!("{entry}\tF1000000000007\tunknown\t/CN=x\n");
    fs::write(folder.join("index.txt"), line).unwrap();
    let made = openssl(
        folder,
        &[
            "ocsp",
            "-index",
            "index.txt",
            "-CA",
            "ca.pem",
            "-rsigner",
            "ca.pem",
            "-rkey",
            "ca.key",
            "-issuer",
            "ca.pem",
            "-serial",
            "0xF1000000000007",
            "-ndays",
            "1",
            "-respout",
            "made.ocsp",
            "-noverify",
        ],
    );
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::read(folder.join("made.ocsp")).unwrap()
}

/// What a client that asks for a response says.
async fn seen(server: &TestServer, folder: &Path) -> String {
    let (address, folder) = (server.address().to_string(), folder.to_owned());
    let client = tokio::task::spawn_blocking(move || {
        openssl(&folder, &["s_client", "-connect", &address, "-servername", HOST, "-status"])
    });
    String::from_utf8_lossy(&client.await.unwrap().stdout).into_owned()
}

fn troubles(server: &TestServer) -> Vec<String> {
    let lines = server.records("certificate");
    let causes = lines.iter().filter_map(|line| line["cause"].as_str());
    causes.filter(|cause| cause.contains("own.ocsp")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_response_that_counts_is_sent_and_no_other() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    pair(at);
    let app = Upstream::echo();
    let text = format!(
        "certificates: [{{cert: {0}/own.pem, key: {0}/own.key}}]\n{1}",
        at.display(),
        config(&[public(HOST, app.address)])
    );
    let good = response(at, "V\t301231235959Z\t");
    fs::write(at.join("own.ocsp"), &good).unwrap();
    let server = TestServer::open(&text).await;
    let said = seen(&server, at).await;
    assert!(said.contains("OCSP Response Status: successful"), "{said}");
    assert!(said.contains("Cert Status: good"), "{said}");
    assert!(troubles(&server).is_empty(), "{:?}", troubles(&server));

    server.clock.turn(Duration::from_secs(25 * 3600)); // the good one is over then
    for (bad, why) in [
        (response(at, "R\t301231235959Z\t260101000000Z"), "revoked"),
        (b"not DER".to_vec(), "holds no OCSP response"),
        (b"\x30\x03\x0a\x01\x06".to_vec(), "an error instead of an answer"),
        (good.clone(), "is over"),
    ] {
        fs::write(at.join("own.ocsp"), bad).unwrap();
        server.reload(&text).unwrap();
        let told = troubles(&server);
        assert!(told.last().is_some_and(|last| last.contains(why)), "{why}: {told:?}");
        let said = seen(&server, at).await;
        assert!(said.contains("no response sent"), "{why}: {said}");
    }
}
