use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, ffi};
use tempfile::TempDir;

use super::fresh;
use crate::store::{OpenError, Store, open};

const FILE: &str = "usher.sqlite3";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn refusal(dir: &Path) -> OpenError {
    Store::open_within(dir, Duration::from_millis(20)).err().expect("refused")
}

#[test]
fn directory_and_file_are_made_for_us_alone() {
    let dir = TempDir::new().unwrap();
    let new = dir.path().join("var/lib/usher");
    let store = Store::open(&new).unwrap();
    assert_eq!(mode(&new), 0o700);
    for file in [FILE, "usher.sqlite3-wal", "usher.sqlite3-shm", "usher.lock"] {
        assert_eq!(mode(&new.join(file)), 0o600, "{file}");
    }
    drop(store);
    Store::open(&new).expect("opens again");
}

/// `sudo usher people add` in the service's directory.
#[test]
fn what_root_makes_goes_to_the_owner_of_the_directory() {
    let dir = TempDir::new().unwrap();
    let given_away = chown(dir.path(), Some(4711), Some(4711));
    let store = Store::open(dir.path()).unwrap();
    let owner = fs::metadata(dir.path()).unwrap().uid();
    assert_eq!(owner == 4711, given_away.is_ok(), "only root can give it away");
    for file in [FILE, "usher.sqlite3-wal", "usher.sqlite3-shm", "usher.lock"] {
        assert_eq!(fs::metadata(dir.path().join(file)).unwrap().uid(), owner, "{file}");
    }
    drop(store);
}

#[test]
fn what_others_can_open_is_refused_with_the_command_that_helps() {
    for bits in [0o770, 0o702, 0o777, 0o1777] {
        let dir = TempDir::new().unwrap();
        set_mode(dir.path(), bits);
        let refused = refusal(dir.path());
        assert!(matches!(refused, OpenError::WritableByOthers { mode, .. } if mode == bits));
        assert_eq!(refused.hint(), format!("chmod go-w {}", dir.path().display()));
        assert!(!dir.path().join(FILE).exists(), "nothing was made in it");
    }
    let (dir, store) = fresh();
    drop(store);
    set_mode(dir.path(), 0o755);
    Store::open(dir.path()).expect("others may know that it is there");
    set_mode(&dir.path().join(FILE), 0o640);
    let refused = refusal(dir.path());
    assert!(matches!(refused, OpenError::OpenToOthers { mode: 0o640, .. }), "{refused}");
    assert!(refused.hint().starts_with("chmod 600 /"));
}

#[test]
fn what_is_in_the_way_has_a_name() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "a file").unwrap();
    for place in [file.clone(), file.join("below")] {
        let refused = refusal(&place);
        assert!(matches!(refused, OpenError::NotADirectory { .. }), "{refused}");
        assert!(refused.hint().contains("--data-dir"));
    }
    // Nobody, root neither, can make a directory there.
    let refused = refusal(Path::new("/sys/usher"));
    assert!(matches!(refused, OpenError::ReadOnly { .. }), "{refused:?}");
}

#[test]
fn foreign_newer_and_left_over_files_are_refused_and_left_alone() {
    let (dir, store) = fresh();
    drop(store);
    let file = dir.path().join(FILE);
    let whole = fs::read(&file).unwrap();

    Connection::open(&file).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let refused = refusal(dir.path());
    assert!(matches!(refused, OpenError::Newer { version: 99, known: 12, .. }), "{refused}");

    Connection::open(&file).unwrap().execute_batch("PRAGMA application_id = 7").unwrap();
    let before = fs::read(&file).unwrap();
    let refused = refusal(dir.path());
    assert!(matches!(refused, OpenError::Foreign { application_id: 7, .. }), "{refused}");
    assert_eq!(fs::read(&file).unwrap(), before, "left as it was");

    fs::write(
        &file,
        "a shopping list, much longer than the header of an SQLite file is\n".repeat(9),
    )
    .unwrap();
    assert!(matches!(refusal(dir.path()), OpenError::NotADatabase { .. }));

    fs::remove_file(&file).unwrap();
    fs::write(dir.path().join("usher.sqlite3-wal"), "frames").unwrap();
    let refused = refusal(dir.path());
    assert!(matches!(refused, OpenError::LeftOver { .. }), "{refused}");
    assert!(!file.exists(), "no new store over an old log");

    fs::remove_file(dir.path().join("usher.sqlite3-wal")).unwrap();
    fs::write(&file, whole).unwrap();
    set_mode(&file, 0o600);
    Store::open(dir.path()).expect("the backup put back");
}

#[test]
fn a_creation_that_was_cut_off_starts_again() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("usher.sqlite3.new"), "half of a file").unwrap();
    Store::open(dir.path()).unwrap();
    assert!(!dir.path().join("usher.sqlite3.new").exists());
}

#[test]
fn a_process_that_keeps_the_file_is_told_of() {
    let (dir, store) = fresh();
    drop(store);
    let shell = Connection::open(dir.path().join(FILE)).unwrap();
    shell.execute_batch("PRAGMA locking_mode = exclusive; BEGIN IMMEDIATE; COMMIT").unwrap();
    let refused = refusal(dir.path());
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused:?}");
    drop(shell);
    Store::open(dir.path()).unwrap();
}

/// What can't be brought about in a test that may run as root: SQLite's code, and what it means.
#[test]
fn every_cause_has_its_variant_and_its_hint() {
    for (code, variant, hint) in [
        (ffi::SQLITE_FULL, "Full", "free some space"),
        (ffi::SQLITE_IOERR_SHMSIZE, "Full", "free some space"),
        (ffi::SQLITE_READONLY, "ReadOnly", "mount it writable"),
        (ffi::SQLITE_PERM, "ReadOnly", "mount it writable"),
        (ffi::SQLITE_BUSY, "Locked", "close what has it open"),
        (ffi::SQLITE_CORRUPT, "Corrupt", "backup"),
        (ffi::SQLITE_NOTADB, "NotADatabase", "backup"),
        (ffi::SQLITE_IOERR, "Io", "free space"),
        (ffi::SQLITE_CANTOPEN, "Io", "permissions"),
        (ffi::SQLITE_MISUSE, "Unexpected", "report"),
    ] {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let told = OpenError::sqlite(Path::new("/data/usher.sqlite3"), error);
        assert!(format!("{told:?}").starts_with(variant), "{told:?}");
        assert!(told.hint().contains(hint), "{variant}: {}", told.hint());
        assert!(told.to_string().contains("/data/usher.sqlite3"), "{told}");
    }
}

/// The check of the whole file filled two megabytes of SQLite's memory, which never came back.
#[test]
fn little_is_kept_of_the_file() {
    let (dir, store) = fresh();
    let file = dir.path().join(FILE);
    let opened = open::connect(&file, Duration::from_secs(5)).unwrap();
    for db in [opened, open::connect_again(&file).unwrap()] {
        let kept: i32 = db.pragma_query_value(None, "cache_size", |row| row.get(0)).unwrap();
        assert_eq!(kept, open::CACHE);
    }
    drop(store);
}
