//! Mistakes of operators and of others, each with what it makes usher say: the place, and the
//! cure. Pinned in `mistakes.golden`; `UPDATE=1` writes it anew.

use std::{
    fmt::Write as _,
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use http::StatusCode;
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;
use usher_lab::{
    acme_server::AcmeServer, dns_server::DnsServer, ports::free_port, upstream::Upstream,
};
use usher_rules::time::{Clock as _, UnixTime};

use crate::{
    authority::TestAuthority,
    test_server::{TestServer, config, eventually, plan, public},
};

const HOST: &str = "tv.example.com";
const GOOD: &str = "photos.example.com";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What usher says, by mistake.
struct Said {
    text: String,
    count: usize,
    folders: Vec<PathBuf>,
}

impl Said {
    fn note(&mut self, mistake: &str, cause: &str, hint: &str) {
        let mut text = format!("{cause}\n  hint: {hint}");
        for folder in &self.folders {
            text = text.replace(&folder.display().to_string(), "DIR");
        }
        if let Some((before, token)) = text.split_once("/acme-challenge/") {
            let (_, after) = token.split_once('"').unwrap();
            text = format!("{before}/acme-challenge/TOKEN\"{after}");
        }
        for before in ["has ended on ", "does not count before ", "clock says "] {
            if let Some((words, rest)) = text.split_once(before) {
                text = format!(
                    "{words}{before}DAY{}",
                    rest.get("2026-01-01T00:00:00Z".len()..).unwrap()
                );
            }
        }
        self.count += 1;
        writeln!(self.text, "# {mistake}\n{}\n", without_ports(&text)).unwrap();
    }

    /// What the log says about a host or a file.
    async fn hear(&mut self, mistake: &str, server: &TestServer, about: &str) {
        let line = eventually(mistake, || {
            let lines = server.records("certificate").into_iter();
            let mut lines = lines.filter(|line| line["cause"].is_string());
            lines.find(|line| line.to_string().contains(about))
        })
        .await;
        let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
        self.note(mistake, &text("cause"), &text("hint"));
    }
}

/// `127.0.0.1:PORT` and `localhost:PORT`, whatever the port was.
fn without_ports(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(':') {
        let (before, after) = rest.split_at(at + 1);
        out.push_str(before);
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits >= 4 {
            out.push_str("PORT");
        } else {
            out.push_str(&after[..digits]);
        }
        rest = &after[digits..];
    }
    out + rest
}

fn pair(folder: &Path, name: &str, host: &str, life: (UnixTime, UnixTime)) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    let at = |moment: UnixTime| {
        time::OffsetDateTime::from_unix_timestamp(moment.seconds() as i64).unwrap()
    };
    (params.not_before, params.not_after) = (at(life.0), at(life.1));
    let (cert, private) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    fs::write(&cert, params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(&private, key.serialize_pem()).unwrap();
    (cert, private)
}

/// Every pair in one folder is bad in a way of its own, and a good one is served all the same.
async fn files(said: &mut Said, app: &Upstream) {
    let folder = TempDir::new().unwrap();
    said.folders.push(folder.path().to_owned());
    let server = TestServer::closed(1).await;
    let now = server.clock.now().wall;
    let at = folder.path();
    let year = (now.minus(DAY), now.plus(DAY * 90));
    pair(at, "good", GOOD, year);
    pair(at, "ended", HOST, (now.minus(DAY * 9), now.minus(DAY)));
    pair(at, "early", HOST, (now.plus(DAY), now.plus(DAY * 9)));
    pair(at, "other", HOST, year);
    let copy = |from: &str, to: &str| {
        fs::copy(at.join(from), at.join(to)).unwrap();
    };
    let write = |name: &str, text: &[u8]| fs::write(at.join(name), text).unwrap();
    // Files belong together where the key fits, so each mistake has a key and a leaf of its own.
    for name in ["mixed", "locked", "turned", "broken", "loose", "keyless", "spare"] {
        pair(at, name, HOST, year);
    }
    copy("other.key", "mixed.key");
    fs::remove_file(at.join("spare.pem")).unwrap();
    copy("spare.key", "damaged.key");
    write("damaged.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    write(
        "locked.key",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    copy("spare.key", "binary.key");
    write("binary.pem", b"\x30\x82\x01\x0a\x02\x01");
    copy("spare.key", "nothing.key");
    write("nothing.pem", b"");
    write("good.ocsp", b"\x30\x03\x0a\x01\x00");
    // A chain in the wrong order, and one with a certificate of somebody else's in it.
    let text = |name: &str| fs::read_to_string(at.join(name)).unwrap();
    let mut stranger = rcgen::CertificateParams::default();
    stranger.distinguished_name.push(rcgen::DnType::CommonName, "an authority of others");
    let stranger = stranger.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    write("turned.pem", (stranger.pem() + &text("turned.pem")).as_bytes());
    write("broken.pem", (text("broken.pem") + &stranger.pem()).as_bytes());
    fs::set_permissions(at.join("loose.key"), fs::Permissions::from_mode(0o644)).unwrap();
    // And one whose key was forgotten.
    fs::remove_file(at.join("keyless.key")).unwrap();
    let mut server = server;
    let routes = [public(HOST, app.address), public(GOOD, app.address)];
    let text = format!("certificates_dir: {}\n{}", at.display(), config(&routes));
    server.restart(&text).await;
    for (mistake, about) in [
        ("the key is for another certificate", "mixed.key is not"),
        ("the certificate has ended", "ended.pem"),
        ("the certificate does not count yet", "early.pem"),
        ("a damaged certificate", "damaged.pem"),
        ("a key with a passphrase", "locked.key"),
        ("DER where PEM belongs", "binary.pem"),
        ("an empty file", "nothing.pem"),
        ("an error where an OCSP response belongs", "good.ocsp"),
        ("a chain that does not begin with the leaf", "turned.key"),
        ("a chain with a link that does not fit", "broken.pem"),
        ("a certificate without its key", "keyless.key"),
        ("a key that everybody may read", "loose.key can be read"),
    ] {
        said.hear(mistake, &server, about).await;
    }
    let mut browser = usher_lab::browser::Browser::new(server.address(), &at.join("good.pem"));
    let page = browser.fetch(&format!("https://{GOOD}/")).await;
    assert_eq!(page.status, StatusCode::OK, "none of them takes the good one down");

    // A good pair that is exchanged for a bad one goes on to be served.
    copy("other.key", "good.key");
    server.reload(&text).unwrap();
    said.hear("a pair that is exchanged badly", &server, "served on").await;
    let page = browser.fetch(&format!("https://{GOOD}/")).await;
    assert_eq!(page.status, StatusCode::OK, "the old one");
}

async fn places(said: &mut Said, app: &Upstream) {
    let folder = TempDir::new().unwrap();
    said.folders.push(folder.path().to_owned());
    let routes = config(&[public("tv.elsewhere.org", app.address)]);
    let missing = folder.path().join("nowhere");
    let server =
        TestServer::open(&format!("certificates_dir: {}\n{routes}", missing.display())).await;
    said.folders.push(server.data_dir());
    said.hear("a folder that is not there", &server, "nowhere").await;
    server.reload(&config(&[public("new.domain.net", app.address)])).unwrap();
    said.hear("a host that the local authority was not made for", &server, "new.domain.net").await;

    let refused = |text: &str| {
        let options = usher::server::StartOptions {
            data_dir: folder.path().join("data"),
            ..house_options(text)
        };
        let error = usher::server::start(options).unwrap_err();
        (error.to_string(), error.hint().unwrap_or_default())
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (cause, hint) = refused(&format!("http_redirect_addr: {address}\n{routes}"));
    said.note("port 80 is taken", &cause, &hint);
    let file = folder.path().join("a-file");
    fs::write(&file, "").unwrap();
    let text = format!("autocert: true\nautocert_dir: {}\n{routes}", file.display());
    let (cause, hint) = refused(&text);
    said.note("a folder for certificates that is none", &cause, &hint);
    let authority = folder.path().join("data/authority");
    fs::create_dir_all(&authority).unwrap();
    fs::write(authority.join("ca.pem"), "nonsense").unwrap();
    let (cause, hint) = refused(&routes);
    said.note("an authority that lost its key", &cause, &hint);
}

fn house_options(text: &str) -> usher::server::StartOptions {
    let recorder = usher::request::record::Recorder::silent();
    usher::server::StartOptions::for_machine(plan(text), PathBuf::new(), recorder)
}

/// The same config on any port: the authority does not come so far as to look.
fn anywhere(config: &str) -> String {
    config.split_once('\n').unwrap().1.to_owned()
}

async fn authorities(said: &mut Said) {
    let authority = TestAuthority::open(|settings| settings.blocked = vec![HOST]).await;
    said.folders.push(authority.folder.path().to_owned());
    let server = TestServer::open(&anywhere(&authority.config(&[HOST], ""))).await;
    said.hear("a name that the authority refuses", &server, "cause").await;
    let untrusted = authority.config(&[HOST], "").replace("autocert_trusted_ca_file", "#");
    let server = TestServer::open(&anywhere(&untrusted)).await;
    said.hear("an authority whose own certificate nobody signed", &server, "cause").await;
    let now = server.clock.now().wall;
    for (mistake, counts) in [
        ("this machine's clock is behind", (now.plus(DAY), now.plus(DAY * 9))),
        ("this machine's clock is ahead", (now.minus(DAY * 9), now.minus(DAY))),
    ] {
        let authority = TestAuthority::open(|settings| settings.counts = Some(counts)).await;
        said.folders.push(authority.folder.path().to_owned());
        let server = TestServer::open(&anywhere(&authority.config(&[HOST], ""))).await;
        said.hear(mistake, &server, "this machine's clock").await;
    }
    authority.pebble.close();
    let server = TestServer::open(&anywhere(&authority.config(&[HOST], ""))).await;
    said.hear("an authority that can't be reached", &server, "cause").await;

    let authority = TestAuthority::open(|settings| {
        settings.external_account = Some(("kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG4"));
    })
    .await;
    let server = TestServer::open(&anywhere(&authority.config(&[HOST], ""))).await;
    said.hear("no external account where one is a must", &server, "cause").await;
    let wrong =
        "autocert_eab_key_id: kid-1\nautocert_eab_mac_key: d3JvbmcgbWFjIGtleSBmb3IgYSB0ZXN0";
    let server = TestServer::open(&anywhere(&authority.config(&[HOST], wrong))).await;
    said.hear("the wrong key of an external account", &server, "cause").await;

    let authority = TestAuthority::open(|settings| settings.tls = free_port()).await;
    let server = TestServer::open(&authority.config(&[HOST], "")).await;
    said.hear("a name that leads elsewhere", &server, "tls-alpn-01").await;
    let authority = TestAuthority::open(|settings| settings.http = free_port()).await;
    let server = TestServer::open(&authority.config(&[HOST], &authority.http_line())).await;
    said.hear("port 80 is not open to the outside", &server, "http-01").await;
}

async fn behaviours(said: &mut Said, app: &Upstream) {
    let folder = TempDir::new().unwrap();
    let directory = AcmeServer::start(folder.path(), DAY * 90).await;
    let text = |more: &str| {
        format!(
            "autocert: true\nautocert_ca: {}\nautocert_trusted_ca_file: {}\n{more}\n{}",
            directory.url(),
            directory.ca_file().display(),
            config(&[public(HOST, app.address)]),
        )
    };
    let server = TestServer::open(&text("autocert_profile: eternal")).await;
    said.hear("a profile that the authority does not have", &server, "cause").await;
    directory.behave(|authority| authority.rate_limited = Some(3600));
    let server = TestServer::open(&text("")).await;
    said.hear("too many orders", &server, "cause").await;
}

async fn names(said: &mut Said) {
    let folder = TempDir::new().unwrap();
    let name_server = DnsServer::start(folder.path()).await;
    let authority = TestAuthority::open(|_| {}).await;
    said.folders.push(authority.folder.path().to_owned());
    let config = |lines: &str| anywhere(&authority.config(&[HOST], lines));
    let server = TestServer::open(&config(
        "autocert_dns_provider: exec\nautocert_dns_command: [/bin/sh, -c, 'echo no such zone >&2; exit 3']",
    ))
    .await;
    said.hear("a program for DNS that fails", &server, "cause").await;
    let dns =
        format!("autocert_dns_provider: rfc2136\nautocert_dns_server: {}\n", name_server.address);
    let server = TestServer::open(&config(&dns)).await;
    said.hear("a DNS server that takes signed updates only", &server, "cause").await;
    let wrong = "autocert_dns_tsig_name: usher\nautocert_dns_tsig_secret: d3Jvbmc=\n";
    let server = TestServer::open(&config(&format!("{dns}{wrong}"))).await;
    said.hear("another secret at the DNS server", &server, "cause").await;
}

#[tokio::test]
async fn every_mistake_names_its_place_and_its_cure() {
    let app = Upstream::echo();
    let mut said = Said { text: String::new(), count: 0, folders: Vec::new() };
    files(&mut said, &app).await;
    places(&mut said, &app).await;
    authorities(&mut said).await;
    behaviours(&mut said, &app).await;
    names(&mut said).await;
    assert!(said.count >= 20, "{}", said.count);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/acme/mistakes.golden");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&golden, &said.text).unwrap();
    }
    let expected = fs::read_to_string(&golden).unwrap();
    assert_eq!(said.text, expected, "UPDATE=1 writes it anew");
}
