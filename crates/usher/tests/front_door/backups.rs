//! A backup is made while people come and go, and brings everybody back.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use http::StatusCode;
use usher::store::{BackupError, KeysOfBackup, OpenError, Protection, Store, Work, restore};
use usher_lab::{patience::PATIENCE, upstream::Upstream};
use usher_rules::{secret::Secret, time::UnixTime};

use crate::test_server::{ANN, EVE, TestServer, config, friends, plan};

const PAGE: &str = "https://tv.test/";
const CHEAP: Work = Work { memory_kib: 8, passes: 1 };
const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

fn passphrase() -> Secret {
    Secret::new(&b"a long one, of many words"[..])
}

fn back_up(server: &TestServer, to: &Path, protection: Protection<'_>) -> Result<(), BackupError> {
    Store::open(&server.data_dir()).unwrap().back_up(to, protection, NOW)
}

/// Every file below, with what is in it.
fn files(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(files(&path)),
            false => all.push((path.clone(), fs::read(&path).unwrap())),
        }
    }
    all.sort();
    all
}

#[tokio::test]
async fn a_backup_under_load_restored_into_an_empty_directory_signs_nobody_out() {
    let app = Upstream::echo();
    let text = config(&[friends("tv.test", app.address)]);
    let mut server = TestServer::open(&text).await;
    let ann = server.signed_in(PAGE, ANN).await;
    let ca = fs::read(server.running().ca_file()).unwrap();
    let out = tempfile::TempDir::new().unwrap();
    let file = out.path().join("backup");
    let (data_dir, to) = (server.data_dir(), file.clone());
    let backing_up = tokio::task::spawn_blocking(move || {
        let store = Store::open(&data_dir).unwrap();
        store.back_up(&to, Protection::Sealed(&passphrase(), CHEAP), NOW).unwrap();
    });
    // Others sign in meanwhile.
    for _ in 0..5 {
        server.signed_in(PAGE, ANN).await;
    }
    backing_up.await.unwrap();

    let running = restore(&file, &server.data_dir(), Some(&passphrase()), NOW).unwrap_err();
    assert!(matches!(running, BackupError::Open(OpenError::Running { .. })), "{running}");
    server.stop(PATIENCE).await;
    let lost = out.path().join("lost");
    fs::rename(server.data_dir(), &lost).unwrap();
    let restored = restore(&file, &server.data_dir(), Some(&passphrase()), NOW).unwrap();
    assert_eq!((restored.made_at, restored.keys), (NOW, KeysOfBackup::Within));
    assert_eq!(restored.replaced, None);
    server.restart(&text).await;
    assert_eq!(fs::read(server.running().ca_file()).unwrap(), ca, "certificates are there too");
    assert_eq!(ann.moved(server.address()).fetch(PAGE).await.status, StatusCode::OK);
    server.signed_in(PAGE, EVE).await;

    // Over what is there now: that is kept beside it.
    server.stop(PATIENCE).await;
    let before = fs::read(server.data_dir().join("usher.keys")).unwrap();
    let restored = restore(&file, &server.data_dir(), Some(&passphrase()), NOW).unwrap();
    let replaced = restored.replaced.unwrap();
    assert_eq!(fs::read(replaced.join("usher.keys")).unwrap(), before);
    server.restart(&text).await;
    assert_eq!(ann.moved(server.address()).fetch(PAGE).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_backup_that_is_torn_or_changed_changes_nothing() {
    let app = Upstream::echo();
    let mut server = TestServer::open(&config(&[friends("tv.test", app.address)])).await;
    let out = tempfile::TempDir::new().unwrap();
    let (file, broken) = (out.path().join("backup"), out.path().join("broken"));
    back_up(&server, &file, Protection::Sealed(&passphrase(), CHEAP)).unwrap();
    let twice = back_up(&server, &file, Protection::WithoutKeys).unwrap_err();
    assert!(matches!(twice, BackupError::Exists(_)), "{twice}");
    let short = Secret::new(&b"short"[..]);
    let short = back_up(&server, &broken, Protection::Sealed(&short, CHEAP)).unwrap_err();
    assert!(matches!(short, BackupError::ShortPassphrase), "{short}");
    let bare = out.path().join("bare");
    back_up(&server, &bare, Protection::WithoutKeys).unwrap();
    server.stop(Duration::ZERO).await;
    let whole = fs::read(&file).unwrap();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    assert!(!text(&whole).contains("ann@example.com") && !text(&whole).contains("usher.keys"));
    let (dir, before) = (server.data_dir(), files(&server.data_dir()));
    let resealed = |octets: &[u8]| {
        let body = &octets[..octets.len() - 32];
        let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body);
        [body, sum.as_ref()].concat()
    };
    let flipped = |at: usize| {
        let mut octets = whole.clone();
        octets[at] ^= 1;
        octets
    };
    let line = whole.iter().position(|octet| *octet == b'\n').unwrap();
    let later = text(&whole[..line]).replacen("\"format\":1", "\"format\":2", 1).into_bytes();
    let older = text(&whole[..line]).replacen("\"made_at\":18", "\"made_at\":17", 1).into_bytes();
    for (octets, why) in [
        (whole[..whole.len() / 2].to_vec(), "torn"),
        (Vec::new(), "empty"),
        (flipped(line + 100), "a changed octet"),
        (resealed(&flipped(line + 100)), "and a checksum that fits it"),
        (resealed(&[&older, &whole[line..]].concat()), "its first line"),
        ([&later, &whole[line..]].concat(), "of a later usher"),
        (b"something else".to_vec(), "no backup"),
    ] {
        fs::write(&broken, octets).unwrap();
        let refused = restore(&broken, &dir, Some(&passphrase()), NOW).unwrap_err();
        assert!(!refused.hint().is_empty(), "{why}");
    }
    let mut plain = fs::read(&bare).unwrap();
    let end = plain.len() - 40; // in what the store holds, not in its first line
    plain[end] ^= 1;
    fs::write(&broken, plain).unwrap();
    let refused = restore(&broken, &dir, None, NOW).unwrap_err();
    assert!(matches!(refused, BackupError::Damaged(_)), "one that is not sealed: {refused}");
    for other in [None, Some(Secret::new(&b"another passphrase"[..]))] {
        assert!(restore(&file, &dir, other.as_ref(), NOW).is_err(), "whoever does not know it");
    }
    assert_eq!(files(&dir), before);
}

#[tokio::test]
async fn a_backup_without_keys_opens_nothing_and_says_so() {
    let app = Upstream::echo();
    let text = config(&[friends("tv.test", app.address)]);
    let mut server = TestServer::open(&text).await;
    let ann = server.signed_in(PAGE, ANN).await;
    let out = tempfile::TempDir::new().unwrap();
    let file = out.path().join("backup");
    back_up(&server, &file, Protection::WithoutKeys).unwrap();
    server.stop(PATIENCE).await;
    let secret = server.keys();
    let octets = fs::read(&file).unwrap();
    let holds = |secret: &[u8]| octets.windows(secret.len()).any(|window| window == secret);
    assert!(!holds(secret[0].shared.expose()) && !holds(b"PRIVATE KEY"));
    let keys = out.path().join("usher.keys");
    fs::rename(server.data_dir().join("usher.keys"), &keys).unwrap();
    let restored = restore(&file, &server.data_dir(), None, NOW).unwrap();
    assert_eq!(restored.keys, KeysOfBackup::Elsewhere);
    assert!(server.start(plan(&text)).is_err(), "no new keys in their place");
    fs::rename(&keys, server.data_dir().join("usher.keys")).unwrap();
    server.restart(&text).await;
    assert_eq!(ann.moved(server.address()).fetch(PAGE).await.status, StatusCode::OK);
}

#[tokio::test]
async fn half_a_restore_starts_nothing() {
    let app = Upstream::echo();
    let text = config(&[friends("tv.test", app.address)]);
    let mut server = TestServer::open(&text).await;
    let out = tempfile::TempDir::new().unwrap();
    let file = out.path().join("backup");
    back_up(&server, &file, Protection::Sealed(&passphrase(), CHEAP)).unwrap();
    server.stop(PATIENCE).await;
    // As if the process had ended after the old store had left its place.
    fs::write(server.data_dir().join("restore.unfinished"), "").unwrap();
    fs::rename(server.data_dir().join("usher.sqlite3"), out.path().join("moved")).unwrap();
    let refused = server.start(plan(&text)).err().unwrap();
    assert!(refused.hint().unwrap().contains("usher restore"), "{refused}");
    restore(&file, &server.data_dir(), Some(&passphrase()), NOW).unwrap();
    server.restart(&text).await;
    server.signed_in(PAGE, ANN).await;
}

#[tokio::test]
async fn a_backup_holds_no_backup_leaves_no_certificate_out_and_is_ours_alone() {
    let app = Upstream::echo();
    let mut server = TestServer::open(&config(&[friends("tv.test", app.address)])).await;
    let dir = server.data_dir();
    let (one, two) = (dir.join("one"), dir.join("two"));
    let certificate = dir.join("acme/decisions.example.com/certificate.pem");
    fs::create_dir_all(certificate.parent().unwrap()).unwrap();
    fs::write(&certificate, "a certificate").unwrap();
    // Somebody who may write there has put a file in the way, to read what comes into it.
    let theirs = dir.join("two.new");
    fs::write(&theirs, "").unwrap();
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o666)).unwrap();
    let sealed = passphrase();
    back_up(&server, &one, Protection::Sealed(&sealed, CHEAP)).unwrap();
    back_up(&server, &two, Protection::Sealed(&sealed, CHEAP)).unwrap();
    assert_eq!(fs::metadata(&two).unwrap().permissions().mode() & 0o777, 0o600);
    server.stop(PATIENCE).await;
    restore(&two, &dir, Some(&sealed), NOW).unwrap();
    assert!(!one.exists(), "each would hold all that were made before it");
    assert_eq!(fs::read(&certificate).unwrap(), b"a certificate");
}
