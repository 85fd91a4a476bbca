use std::{
    fs, net::IpAddr, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration,
};

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, NamedGroup, RootCertStore, SupportedProtocolVersion,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsConnector;
use usher_rules::{
    config::{Environment, Input, NoFiles, read},
    plan::{CertificateFiles, Level, Plan, Protocols, compile},
    time::{Clock, Now, UnixTime},
};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

mod choice;
mod layouts;

use super::{Authority, CertError, Certificates, acme::Provisioned};
use crate::request::tls::{CertSource as _, Tls};

const NOW: UnixTime = UnixTime::from_seconds(1_795_600_000);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A plan for these hosts; pairs are named after files in `dir`: `a` is `a.pem` and `a.key`.
fn plan(hosts: &[&str], dir: &Path, pairs: &[&str]) -> Plan {
    let mut text = String::from("routes:\n");
    for host in hosts {
        text.push_str(&format!(
            "- from: https://{host}\n  to: http://127.0.0.1:1\n  allow_any_authenticated_user: true\n"
        ));
    }
    let draft = read(Input { name: None, text: &text }, &Environment::new());
    let (mut plan, _) = compile(draft, &NoFiles).unwrap();
    plan.listen.certificate_files = pairs
        .iter()
        .map(|name| CertificateFiles {
            cert: dir.join(format!("{name}.pem")),
            key: dir.join(format!("{name}.key")),
        })
        .collect();
    plan
}

/// Writes `name.pem` and `name.key` for these names.
fn write_pair(dir: &Path, name: &str, names: &[&str], life: (UnixTime, UnixTime)) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    let at = |moment: UnixTime| {
        time::OffsetDateTime::from_unix_timestamp(moment.seconds() as i64).unwrap()
    };
    (params.not_before, params.not_after) = (at(life.0), at(life.1));
    let certificate = params.self_signed(&key).unwrap();
    fs::write(dir.join(format!("{name}.pem")), certificate.pem()).unwrap();
    let file = dir.join(format!("{name}.key"));
    fs::write(&file, key.serialize_pem()).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

fn this_year() -> (UnixTime, UnixTime) {
    (NOW.minus(DAY), NOW.plus(DAY * 90))
}

/// The names in the certificate that `server_name` gets.
fn served(certificates: &Certificates, server_name: Option<&str>) -> Vec<String> {
    let key = certificates.certificate(server_name, &[]).unwrap();
    let (_, leaf) = X509Certificate::from_der(&key.cert[0]).unwrap();
    let names = leaf.subject_alternative_name().unwrap().unwrap().value.general_names.clone();
    names
        .iter()
        .map(|name| {
            if let GeneralName::DNSName(name) = name {
                return (*name).to_owned();
            }
            let GeneralName::IPAddress(bytes) = name else { panic!("{name:?}") };
            let v4: [u8; 4] = (*bytes).try_into().unwrap();
            IpAddr::from(v4).to_string()
        })
        .collect()
}

#[test]
fn which_certificate_a_name_gets() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    write_pair(at, "wild", &["*.example.test", "example.test"], this_year());
    write_pair(at, "tv", &["tv.example.test"], this_year());
    let hosts =
        ["tv.example.test", "photos.example.test", "other.test", "*.apps.test", "192.0.2.7"];
    let authority = Arc::new(Authority::open(at, &["192.0.2.7".into()], NOW).unwrap());
    let plan = plan(&hosts, at, &["wild", "tv"]);
    let (certificates, troubles) =
        Certificates::load(&plan, Arc::clone(&authority), &Provisioned::default(), None, NOW);
    let told: Vec<_> = troubles.iter().map(|t| (t.level(), t.to_string())).collect();
    let notice = |host: &str| {
        (Level::Info, format!("no certificate is for {host}; the local authority signs one"))
    };
    assert_eq!(told, [notice("192.0.2.7"), notice("other.test")]);

    let wild = &["*.example.test", "example.test"][..];
    for (server_name, expected, why) in [
        (Some("tv.example.test"), &["tv.example.test"][..], "named exactly, though it comes later"),
        (Some("TV.Example.Test"), &["tv.example.test"], "names have no case"),
        (Some("photos.example.test"), wild, "a wildcard"),
        (Some("a.b.example.test"), wild, "not two labels: nobody's, so the first pair"),
        (Some("other.test"), &["other.test"], "nobody gave one: the local authority"),
        (Some("x.apps.test"), &["x.apps.test"], "a wildcard route: signed when it is asked for"),
        (Some("nobody.test"), wild, "not ours: the first pair, and then 404"),
        (None, wild, "no name"),
    ] {
        assert_eq!(served(&certificates, server_name), expected, "{why}");
    }

    let (without_pairs, troubles) = Certificates::load(
        &self::plan(&hosts, at, &[]),
        Arc::clone(&authority),
        &Provisioned::default(),
        None,
        NOW,
    );
    assert!(troubles.is_empty(), "nobody asked for certificates: {troubles:?}");
    let nameless = served(&without_pairs, None);
    assert_eq!(
        nameless,
        ["tv.example.test", "192.0.2.7"],
        "addresses are asked for without a name"
    );
    assert_eq!(
        served(&without_pairs, Some("nobody.test")),
        nameless,
        "no name of others is signed"
    );
    assert!(without_pairs.uses_authority());
}

#[test]
fn one_bad_pair_takes_no_other_down() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let (past, future) = ((NOW.minus(DAY * 9), NOW.minus(DAY)), (NOW.plus(DAY), NOW.plus(DAY * 9)));
    for (name, life) in [("good", this_year()), ("late", past), ("early", future)] {
        write_pair(at, name, &[&format!("{name}.test")], life);
    }
    for (name, cert, key) in [
        ("mixed", "good.pem", "late.key"),
        ("swapped", "good.key", "good.pem"),
        ("keyless", "good.pem", "good.pem"),
    ] {
        fs::copy(at.join(cert), at.join(format!("{name}.pem"))).unwrap();
        fs::copy(at.join(key), at.join(format!("{name}.key"))).unwrap();
    }
    let begin = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(at.join("damaged.pem"), begin).unwrap();
    fs::copy(at.join("good.key"), at.join("damaged.key")).unwrap();
    fs::copy(at.join("good.pem"), at.join("locked.pem")).unwrap();
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    fs::write(at.join("locked.key"), locked).unwrap();

    let authority = Arc::new(Authority::open(at, &[], NOW).unwrap());
    let names =
        ["good", "missing", "mixed", "swapped", "keyless", "damaged", "locked", "late", "early"];
    let (certificates, troubles) = Certificates::load(
        &plan(&["good.test"], at, &names),
        authority,
        &Provisioned::default(),
        None,
        NOW,
    );
    let shown: Vec<_> =
        troubles.iter().map(|t| t.to_string().replace(&format!("{}/", at.display()), "")).collect();
    assert_eq!(
        shown,
        [
            "can't read missing.pem: No such file or directory (os error 2)",
            "mixed.key is not the key of mixed.pem",
            "swapped.pem holds no certificate",
            "keyless.key holds no private key",
            "damaged.pem holds a damaged certificate",
            "locked.key is protected with a passphrase",
            &format!("late.pem has ended on {}", crate::request::record::moment(past.1)),
            &format!(
                "early.pem does not count before {}",
                crate::request::record::moment(future.0)
            ),
        ]
    );
    assert!(troubles.iter().all(|trouble| !trouble.hint().is_empty()));
    assert_eq!(served(&certificates, Some("good.test")), ["good.test"]);
    assert_eq!(served(&certificates, Some("late.test")), ["late.test"], "late is better than none");
}

#[test]
fn the_authority_survives_restarts_and_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("authority");
    let ca = |authority: &Authority| fs::read(authority.ca_file()).unwrap();
    let first = ca(&Authority::open(dir.path(), &[], NOW).unwrap());
    assert_eq!(ca(&Authority::open(dir.path(), &[], NOW.plus(DAY)).unwrap()), first);
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("ca.pem"), mode("ca.key")), (0o644, 0o600));

    let key = fs::read(folder.join("ca.key")).unwrap();
    for (file, content, why) in [
        ("ca.key", Some("garbage"), "holds no private key"),
        ("ca.key", None, "is missing"),
        ("ca.pem", Some("garbage"), "holds no certificate"),
    ] {
        let path = folder.join(file);
        let good = fs::read(&path).unwrap();
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let error = Authority::open(dir.path(), &[], NOW).unwrap_err();
        let (shown, path_shown) = (error.to_string(), path.display().to_string());
        assert!(shown.contains(why) && shown.contains(&path_shown), "{shown}");
        assert!(error.hint().contains("backup"), "{}", error.hint());
        let after = fs::read_to_string(&path).ok();
        assert_eq!(after.as_deref(), content, "nothing was written over it");
        fs::write(&path, good).unwrap();
    }
    let other = tempfile::tempdir().unwrap();
    Authority::open(other.path(), &[], NOW).unwrap();
    fs::copy(other.path().join("authority/ca.pem"), folder.join("ca.pem")).unwrap();
    let error = Authority::open(dir.path(), &[], NOW).unwrap_err();
    assert!(matches!(error, CertError::Authority { .. }), "another's certificate: {error}");

    fs::remove_file(folder.join("ca.pem")).unwrap();
    Authority::open(dir.path(), &[], NOW).unwrap();
    assert_eq!(fs::read(folder.join("ca.key")).unwrap(), key, "a power cut between the two files");
}

#[test]
fn leaves_are_renewed_in_the_last_third_of_their_life() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::open(dir.path(), &[], NOW).unwrap());
    let (certificates, _) = Certificates::load(
        &plan(&["tv.test"], dir.path(), &[]),
        authority,
        &Provisioned::default(),
        None,
        NOW,
    );
    let leaf = |name| certificates.certificate(Some(name), &[]).unwrap().cert[0].clone();
    let first = leaf("tv.test");
    certificates.renew(NOW.plus(DAY * 30));
    assert_eq!(leaf("tv.test"), first, "in memory, not signed at each handshake");
    certificates.renew(NOW.plus(DAY * 32));
    let second = leaf("tv.test");
    assert_ne!(second, first);
    let (_, read) = X509Certificate::from_der(&second).unwrap();
    let ends = UnixTime::from_seconds(read.validity().not_after.timestamp() as u64);
    assert_eq!(ends, NOW.plus(DAY * (32 + 47)));
    assert!(read.validity().not_before.timestamp() < (NOW.plus(DAY * 32)).seconds() as i64);
}

/// A class of many proxies: a name with a NUL in it is no shorter name, and no wildcard.
#[test]
fn a_nul_in_a_name_hides_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    write_pair(at, "nul", &["tv.test\0.evil.example", "*.apps.test\0.evil.example"], this_year());
    let authority = Arc::new(Authority::open(at, &[], NOW).unwrap());
    let plan = plan(&["tv.test", "x.apps.test"], at, &["nul"]);
    let (certificates, _) =
        Certificates::load(&plan, authority, &Provisioned::default(), None, NOW);
    for host in ["tv.test", "x.apps.test"] {
        assert!(!certificates.covers(host, NOW), "{host}");
        assert_eq!(served(&certificates, Some(host)), [host], "the local authority signs");
    }
}

/// The constraints of the root are the client's to enforce, and it does.
#[test]
fn a_client_that_trusts_the_root_takes_nothing_for_other_domains() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::open(dir.path(), &["tv.films.net".into()], NOW).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().unwrap().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let client = client.build().unwrap();
    let at = rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(NOW.seconds()));
    for (host, trusted) in [("music.films.net", true), ("nas.local", true), ("bank.com", false)] {
        // Whoever has stolen the key signs what they like.
        let leaf = authority.leaf(&[host.into()], NOW).unwrap();
        let name = ServerName::try_from(host).unwrap();
        let (own, chain) = leaf.cert.split_first().unwrap();
        let verdict = client.verify_server_cert(own, chain, &name, &[], at);
        assert_eq!(verdict.is_ok(), trusted, "{host}: {verdict:?}");
    }
}

/// Certificates that end unseen.
#[test]
fn an_end_in_sight_is_told_for_hosts_that_it_hits() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    write_pair(at, "quarter", &["tv.test", "*.apps.test"], (NOW, NOW.plus(DAY * 90)));
    write_pair(at, "year", &["photos.test"], (NOW, NOW.plus(DAY * 365)));
    let authority = Arc::new(Authority::open(at, &[], NOW).unwrap());
    let plan = plan(&["tv.test", "photos.test", "*.apps.test", "x.test"], at, &["quarter", "year"]);
    let (certificates, _) =
        Certificates::load(&plan, authority, &Provisioned::default(), None, NOW);
    let told = |days: u32| -> Vec<String> {
        let endings = certificates.endings(NOW.plus(DAY * days));
        endings.iter().map(|ending| ending.host.to_string()).collect()
    };
    assert!(told(0).is_empty());
    assert!(told(74).is_empty(), "whoever renews at thirty days left hears nothing");
    assert_eq!(told(76), ["*.apps.test", "tv.test"]);
    assert_eq!(told(200), ["*.apps.test", "tv.test"], "after the end, too");
    assert_eq!(told(336), ["*.apps.test", "photos.test", "tv.test"], "a month, not two");
    let cause = &certificates.endings(NOW.plus(DAY * 76))[1].cause;
    assert!(cause.contains("quarter.pem"), "{cause}");

    let of_root = |days: u32| certificates.authority_ends(NOW.plus(DAY * days));
    assert_eq!(of_root(3284), None);
    assert_eq!(of_root(3286), Some(NOW.plus(DAY * 3650)));
}

#[test]
fn names_that_visitors_choose_fill_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::open(dir.path(), &[], NOW).unwrap());
    for n in 0..1100 {
        assert!(authority.leaf(&[format!("n{n}.apps.test").into()], NOW).is_some());
    }
    assert!(authority.leaves.len() <= 1024, "{}", authority.leaves.len());
}

/// Nobody is asked for a certificate, so that nobody asks for the time.
struct Never;

impl Clock for Never {
    fn now(&self) -> Now {
        panic!("nobody asks")
    }
}

/// Shakes hands and says a word each way.
async fn handshake(
    certificates: Certificates,
    ca: &Path,
    name: &str,
    version: &'static SupportedProtocolVersion,
) -> (Option<NamedGroup>, String) {
    let tls = Tls::new(Arc::new(certificates), Protocols::Both, Arc::new(Never)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut accepted = tls.accept(stream).await.unwrap();
        accepted.stream.write_all(b"hello").await.unwrap();
        accepted.stream.shutdown().await.unwrap();
    };
    let client = async {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(name, stream).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        (stream.get_ref().1.negotiated_key_exchange_group().map(|group| group.name()), said)
    };
    tokio::join!(server, client).1
}

/// The client judges by the machine's clock, so leaves are signed by it here.
#[tokio::test]
async fn who_trusts_the_authority_can_shake_hands() {
    let dir = tempfile::tempdir().unwrap();
    let now = usher_rules::time::Clock::now(&machine::Machine).wall;
    for (name, version, group) in [
        ("tv.test", &TLS13, Some(NamedGroup::X25519MLKEM768)),
        ("tv.test", &TLS12, Some(NamedGroup::X25519)),
        ("127.0.0.1", &TLS13, Some(NamedGroup::X25519MLKEM768)),
    ] {
        let authority = Arc::new(Authority::open(dir.path(), &[], now).unwrap());
        let plan = plan(&["tv.test", "127.0.0.1"], dir.path(), &[]);
        let (certificates, _) =
            Certificates::load(&plan, Arc::clone(&authority), &Provisioned::default(), None, now);
        let (negotiated, said) = handshake(certificates, authority.ca_file(), name, version).await;
        assert_eq!(said, "hello", "{name}");
        assert_eq!(negotiated, group, "{name}: post-quantum first, where the version has it");
    }
}

mod machine {
    use std::time::{Instant, SystemTime};

    use usher_rules::time::{Clock, Now, UnixTime};

    pub(super) struct Machine;

    impl Clock for Machine {
        #[expect(clippy::disallowed_methods, reason = "the client in this test reads it too")]
        fn now(&self) -> Now {
            let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
            let wall = UnixTime::from_seconds(wall);
            Now { wall, wall_millis: 0, monotonic: Instant::now() }
        }
    }
}
