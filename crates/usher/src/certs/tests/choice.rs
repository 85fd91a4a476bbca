//! Which of several certificates is served, and what lies where.

use std::{fs, sync::Arc};

use usher_rules::{
    config::{Environment, Input, read},
    plan::compile,
    time::UnixTime,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{DAY, NOW, NoFiles, machine::Machine, plan, this_year, write_pair};
use crate::{
    certs::{
        Authority, CertError, Certificates,
        acme::{self, AcmeClient, AcmeEvents, AcmeTimeouts, CertificateStore, Provisioned},
    },
    request::tls::CertSource as _,
};

fn ends(certificates: &Certificates, name: &str) -> UnixTime {
    let key = certificates.certificate(Some(name), &[]).unwrap();
    let (_, leaf) = X509Certificate::from_der(&key.cert[0]).unwrap();
    UnixTime::from_seconds(leaf.validity().not_after.timestamp() as u64)
}

/// An old file never wins over one that counts, by whatever rule the old one would come first.
#[test]
fn what_counts_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let (past, future) = (NOW.minus(DAY), NOW.plus(DAY * 89));
    write_pair(at, "a", &["tv.example.com"], (NOW.minus(DAY * 90), past));
    write_pair(at, "b", &["*.example.com"], (past, future));
    let both = plan(&["tv.example.com"], at, &["a", "b"]);
    let authority = Arc::new(Authority::open(at, &[], NOW).unwrap());
    let (certificates, _) =
        Certificates::load(&both, authority, &Provisioned::default(), None, NOW);
    assert!(certificates.covers("tv.example.com", NOW));
    assert_eq!(ends(&certificates, "tv.example.com"), future, "a wildcard that counts");
    assert!(certificates.endings(NOW).is_empty());

    // What is in the store since before the operator had a certificate.
    write_pair(at, "own", &["tv.example.com"], (NOW.minus(DAY * 88), NOW.plus(DAY * 2)));
    let store = CertificateStore::open(at.join("acme")).unwrap();
    let read = |name: &str| fs::read(at.join(name)).unwrap();
    store.put_leaf("tv.example.com", &[read("a.key"), read("a.pem")].concat()).unwrap();
    let mut own = plan(&["tv.example.com"], at, &["own"]);
    own.autocert = autocert("tv.example.com");
    let plan = Arc::new(own);
    let acme = AcmeClient::open(store, Arc::new(Deaf), Arc::new(Machine), AcmeTimeouts::USUAL);
    let authority = Arc::new(Authority::open(at, &[], NOW).unwrap());
    let (certificates, _) = Certificates::load(&plan, authority, acme.provisioned(), None, NOW);
    acme.adopt(&plan, false, |name| certificates.covers(name, NOW));
    assert!(acme.provisioned().issued.has("tv.example.com"), "one is ordered in its last days");
    assert_eq!(ends(&certificates, "tv.example.com"), NOW.plus(DAY * 2), "and it is served on");
}

fn autocert(host: &str) -> Option<usher_rules::plan::Autocert> {
    let text = format!(
        "autocert: true\nroutes:\n- from: https://{host}\n  to: http://127.0.0.1:1\n  allow_any_authenticated_user: true\n"
    );
    let draft = read(Input { name: None, text: &text }, &Environment::new());
    compile(draft, &NoFiles).unwrap().0.autocert
}

/// Hears of orders, and says nothing.
struct Deaf;

impl AcmeEvents for Deaf {
    fn issued(&self, _: &str, _: &acme::SignedCertificate, _: UnixTime) {}
    fn failed(&self, _: &str, _: &acme::AcmeError, _: UnixTime, _: Option<UnixTime>) {}
    fn ending(&self, _: &str, _: UnixTime, _: &str) {}
    fn awaited(&self, _: &str) {}
    fn damaged(&self, _: &CertError) {}
}

/// What root writes by `usher certs` beside a server stays the server's.
#[test]
fn what_is_written_belongs_to_the_folders_owner() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let dir = tempfile::tempdir().unwrap();
    // Only root can hand a folder over; for anybody else all stays their own.
    let _ours_then = chown(dir.path(), Some(65_534), Some(65_534));
    let owner = fs::metadata(dir.path()).unwrap().uid();
    let store = CertificateStore::open(dir.path().join("data/acme")).unwrap();
    store.ask_renewal("tv.test").unwrap();
    let below = ["data", "data/acme", "data/acme/names", "data/acme/names/tv.test.renew"];
    for path in below {
        assert_eq!(fs::metadata(dir.path().join(path)).unwrap().uid(), owner, "{path}");
    }
    let names = fs::read_dir(dir.path().join("data/acme/names")).unwrap().count();
    assert_eq!(names, 1, "no draft is left");
}

/// A folder of pairs may have an authority's certificate in it, which needs no key.
#[test]
fn what_lies_beside_pairs_in_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("pairs");
    fs::create_dir_all(at.join("lost+found")).unwrap();
    write_pair(&at, "tv", &["tv.test"], this_year());
    write_pair(&at, "alone", &["x.test"], this_year());
    fs::remove_file(at.join("alone.key")).unwrap();
    let authority = Arc::new(Authority::open(dir.path(), &[], NOW).unwrap());
    fs::copy(authority.ca_file(), at.join("chain.pem")).unwrap();
    fs::write(at.join("notes.pem"), "nothing yet").unwrap();
    let mut plan = plan(&["tv.test"], &at, &[]);
    plan.listen.certificates_dir = Some(at);
    let (_, troubles) = Certificates::load(&plan, authority, &Provisioned::default(), None, NOW);
    let told: Vec<String> = troubles.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("alone.key"), "{told:?}");
}

/// A leaf that was signed by a clock that was ahead is not valid yet for visitors.
#[test]
fn a_clock_that_is_set_back_gets_another_leaf() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::open(dir.path(), &[], NOW).unwrap();
    let names = ["tv.local".into()];
    let ahead = authority.leaf(&names, NOW.plus(DAY * 300)).unwrap();
    let right = authority.leaf(&names, NOW).unwrap();
    assert!(!Arc::ptr_eq(&ahead, &right));
    let (_, leaf) = X509Certificate::from_der(&right.cert[0]).unwrap();
    assert!(leaf.validity().not_before.timestamp() <= NOW.seconds() as i64);
    assert!(Arc::ptr_eq(&right, &authority.leaf(&names, NOW.plus(DAY)).unwrap()), "and keeps it");
}

/// It would begin or end elsewhere than where everybody is.
#[test]
fn no_authority_is_made_without_a_clock() {
    let dir = tempfile::tempdir().unwrap();
    let unset = Authority::open(dir.path(), &[], UnixTime::from_seconds(0));
    assert!(matches!(unset, Err(CertError::ClockUnset)));
    assert!(Authority::open(dir.path(), &[], NOW).is_ok(), "as soon as it is set");
    assert!(Authority::open(dir.path(), &[], UnixTime::from_seconds(0)).is_ok(), "and then stays");
}
