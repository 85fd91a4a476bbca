//! Whatever a disk does to the file: either the store says so, or it is as it was.

use std::{fs, path::Path};

use tempfile::TempDir;
use usher_rules::people::{Member, People};

use super::{find, member, secret};
use crate::{
    request::identify::{SessionStore, contract::session},
    store::{OpenError, Store},
};

const PEOPLE: usize = 40;

fn person(n: usize) -> Member {
    member(&format!("person-{n}@example.com"), &["family", &format!("group-{n}")])
}

/// A store with people, sessions and a key, closed.
async fn filled(dir: &Path) {
    let store = Store::open(dir).unwrap();
    for n in 0..PEOPLE {
        let person = person(n);
        store.add(person.clone(), secret(&format!("$argon2id$v=19$of-{n}"))).await.unwrap();
        store.insert(session(u8::try_from(n).unwrap(), &person.id)).await.unwrap();
    }
}

/// Panics unless everything in the store is as [`filled`] left it.
async fn is_whole(store: &Store) {
    assert_eq!(store.list().await.unwrap().len(), PEOPLE);
    assert_eq!(store.session_count(), PEOPLE);
    for n in 0..PEOPLE {
        let person = person(n);
        let (found, hash) = People::find(store, &person.email).await.unwrap().unwrap();
        assert_eq!(found, person);
        assert!(hash.same_as(format!("$argon2id$v=19$of-{n}").as_bytes()));
        let expected = session(u8::try_from(n).unwrap(), &person.id);
        assert_eq!(find(store, &expected.session.id).unwrap().signed_in(), &expected);
    }
}

/// Opens `bytes` as a store; `true` when it was refused.
async fn is_refused(bytes: &[u8], what: &str) -> bool {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("usher.sqlite3");
    fs::write(&file, bytes).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    match Store::open(dir.path()) {
        Ok(store) => {
            is_whole(&store).await;
            false
        }
        Err(refused) => {
            let is_typed = matches!(
                refused,
                OpenError::Corrupt { .. }
                    | OpenError::NotADatabase { .. }
                    | OpenError::Foreign { .. }
                    | OpenError::Newer { .. }
            );
            assert!(is_typed, "{what}: {refused:?}");
            assert_eq!(fs::read(&file).unwrap(), bytes, "{what}: a damaged file is left alone");
            true
        }
    }
}

#[tokio::test]
async fn overwritten_bytes_are_found_or_mean_nothing() {
    let dir = TempDir::new().unwrap();
    filled(dir.path()).await;
    let whole = fs::read(dir.path().join("usher.sqlite3")).unwrap();
    assert!(!is_refused(&whole, "the copy").await, "the copy itself is good");

    let mut random: u64 = 0x9e37_79b9_7f4a_7c15; // a fixed seed: a failure can be replayed
    let mut draw = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut refused = 0;
    let pages = (0..whole.len()).step_by(4096);
    let offsets: Vec<usize> = pages
        .flat_map(|page| [page, page + 8, page + 4090])
        .chain((0..150).map(|_| usize::try_from(draw()).unwrap() % whole.len()))
        .collect();
    for &offset in &offsets {
        for length in [1, 64] {
            let mut bytes = whole.clone();
            for byte in bytes.iter_mut().skip(offset).take(length) {
                *byte = u8::try_from(draw() & 0xff).unwrap();
            }
            let what = format!("{length} octets at {offset}");
            refused += usize::from(bytes != whole && is_refused(&bytes, &what).await);
        }
    }
    assert!(refused > offsets.len() / 2, "only {refused} of {} were found", offsets.len());
}

/// SQLite's own check passes here: every page is well-formed, one letter is another.
#[tokio::test]
async fn a_changed_letter_in_a_group_is_found() {
    let dir = TempDir::new().unwrap();
    filled(dir.path()).await;
    let mut bytes = fs::read(dir.path().join("usher.sqlite3")).unwrap();
    let at = bytes.windows(8).position(|octets| octets == b"group-7\"").unwrap();
    bytes[at + 6] = b'8';
    assert!(is_refused(&bytes, "group-7 became group-8").await);
}

#[tokio::test]
async fn a_truncated_file_is_never_an_empty_store() {
    let dir = TempDir::new().unwrap();
    filled(dir.path()).await;
    let whole = fs::read(dir.path().join("usher.sqlite3")).unwrap();
    for length in [0, 1, 15, 99, 100, 4095, 4096, 8192, whole.len() / 2, whole.len() - 1] {
        assert!(is_refused(&whole[..length], &format!("cut to {length}")).await, "{length}");
    }
}
