//! Keys in a file of their own: moved over once, never made anew where they are lost, and rotated
//! without losing what they sealed.

use std::{fs, os::unix::fs::PermissionsExt as _, sync::Arc};

use usher_rules::{
    accounts::AccountStore as _,
    people::People as _,
    secret::Secret,
    session::{Keys, Purpose},
    time::UnixTime,
    totp::CodeApp,
};

use super::{find, fresh, member, secret};
use crate::{
    request::identify::{SessionStore as _, contract::session},
    store::{
        BackupError, KEY_FILE, KeyFileError, KeySet, Protection, Store, keys, open, read_keys,
    },
};

fn set(n: u8) -> KeySet {
    let of = |n| Secret::new([n; 32]);
    KeySet { shared: of(n), cookie: of(n + 1), signing: secret("pem"), since: None }
}

fn never() -> KeySet {
    panic!("the keys are there")
}

fn derived(sets: &[KeySet]) -> Arc<Keys> {
    let mut all = sets.iter().map(|set| Keys::derive(&set.shared, &set.cookie).unwrap());
    Arc::new(all.next().unwrap().with_previous(all.collect()))
}

/// Is this text in a file of the store?
fn lies_in(store: &Store, text: &[u8]) -> bool {
    let dir = store.file.parent().unwrap();
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let of_store = files.filter(|file| file.to_string_lossy().contains("usher.sqlite3"));
    of_store
        .map(|file| fs::read(file).unwrap())
        .any(|octets| octets.windows(text.len()).any(|window| window == text))
}

#[test]
fn keys_that_lay_in_the_store_are_moved_to_their_file_once() {
    let (dir, store) = fresh();
    let old = b"the one and only key, thirty-two";
    keys::keep(&open::connect_again(&store.file).unwrap(), "shared_secret", old);
    assert!(lies_in(&store, old));
    let made = store.keys(None, || set(1)).unwrap();
    assert!(made[0].shared.same_as(old), "what was used stays");
    assert!(made[0].cookie.same_as(&[2; 32]), "what was missing is fresh");
    assert!(!lies_in(&store, old), "and no longer in the store, nor in its log");
    let file = dir.path().join(KEY_FILE);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(store.keys(None, never).unwrap()[0].shared.same_as(old), "also later");
    // As if the process had ended between the file and the store.
    let db = open::connect_again(&store.file).unwrap();
    db.execute("DELETE FROM remembered", []).unwrap();
    keys::keep(&db, "shared_secret", old);
    assert!(store.keys(None, never).unwrap()[0].shared.same_as(old), "it goes on where it was");
    assert!(!lies_in(&store, old));
    db.execute("DELETE FROM remembered", []).unwrap();
    keys::keep(&db, "shared_secret", b"and these are other ones: thirty");
    assert!(
        matches!(store.keys(None, never), Err(KeyFileError::Other { .. })),
        "not of this store"
    );
}

#[test]
fn keys_that_are_lost_or_another_s_are_not_made_anew() {
    let (dir, store) = fresh();
    store.keys(None, || set(1)).unwrap();
    let (file, aside) = (dir.path().join(KEY_FILE), dir.path().join("aside"));
    fs::rename(&file, &aside).unwrap();
    assert!(matches!(store.keys(None, never), Err(KeyFileError::Gone { .. })));
    let elsewhere = dir.path().join("elsewhere");
    assert!(matches!(store.keys(Some(&elsewhere), never), Err(KeyFileError::Gone { .. })));
    let (_other_dir, other) = fresh();
    other.keys(Some(&file), || set(3)).unwrap();
    assert!(matches!(store.keys(None, never), Err(KeyFileError::Other { .. })));
    type Damage = fn(&str) -> String;
    let damaged: [(&str, Damage); 4] = [
        ("torn", |text| text[..text.len() / 2].into()),
        ("shorter", |text| text.replacen("AQEB", "", 1)),
        ("later", |text| text.replace("\"format\": 1", "\"format\": 2")),
        ("none", |_| "{\"format\":1,\"keys\":[]}".into()),
    ];
    let whole = fs::read_to_string(&aside).unwrap();
    for (why, damage) in damaged {
        fs::write(&file, damage(&whole)).unwrap();
        let refused = store.keys(None, never).unwrap_err();
        let newer = matches!(refused, KeyFileError::Newer { .. });
        assert!(newer == (why == "later"), "{why}: {refused}");
        assert!(newer || matches!(refused, KeyFileError::Damaged { .. }), "{why}: {refused}");
        assert!(!refused.to_string().contains("AQEB"), "{refused}");
    }
    fs::write(&file, &whole).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(store.keys(None, never), Err(KeyFileError::Open(_))), "others can read it");
    assert!(matches!(store.forget_lost_keys(), Err(KeyFileError::NotLost { .. })));
    fs::rename(&aside, &file).unwrap();
    assert!(store.keys(None, never).is_ok(), "put back");
    fs::remove_file(&file).unwrap();
    store.forget_lost_keys().unwrap();
    assert!(store.keys(None, || set(5)).unwrap()[0].shared.same_as(&[5; 32]), "as was asked for");
}

#[tokio::test]
async fn what_is_secret_is_sealed_and_opens_after_a_rotation() {
    let (dir, store) = fresh();
    let ann = member("ann@example.com", &[]);
    store.add(ann.clone(), secret("$")).await.unwrap();
    let app: CodeApp = serde_json::from_value(serde_json::json!({
        "secret": [201, 202, 203, 204, 205], "last_step": 0, "recovery": []
    }))
    .unwrap();
    assert!(store.swap_code_app(&ann.id, None, Some(app.clone())).await.unwrap());
    let first = store.keys(None, || set(1)).unwrap();
    let keys = derived(&first);
    let mut signed_in = session(1, &ann.id);
    let id = signed_in.session.id.clone();
    let bound_to = id.as_str().as_bytes();
    let sealed = keys.seal(Purpose::Tokens, bound_to, b"refresh", [1; 12]);
    signed_in.session.tokens = Some(sealed.into());
    store.insert(signed_in).await.unwrap();
    assert!(lies_in(&store, b"201,202,203,204,205"), "in the clear, as an earlier usher kept it");
    store.seal_with(Arc::clone(&keys)).unwrap();
    assert!(!lies_in(&store, b"201,202,203,204,205"), "not even in the log");
    store.settle_keys(&first, UnixTime::from_seconds(5)).unwrap();
    assert_eq!(store.code_app(&ann.id).await.unwrap(), Some(app.clone()), "sealed since");
    drop(store);

    let store = Arc::new(Store::open(dir.path()).unwrap());
    assert!(store.code_app(&ann.id).await.is_err(), "without the keys nothing opens");
    store.rotate_keys(|| set(7)).unwrap();
    let rotated = store.keys(None, never).unwrap();
    assert_eq!(rotated.len(), 2);
    store.seal_with(derived(&rotated)).unwrap();
    assert_eq!(store.code_app(&ann.id).await.unwrap(), Some(app.clone()));
    let newest = derived(&rotated[..1]);
    let opened = |store: &Store| {
        let kept = find(store, &id).unwrap().session().tokens.clone().unwrap();
        newest.open(Purpose::Tokens, bound_to, &kept).ok()
    };
    assert_eq!(opened(&store).as_deref(), Some(&b"refresh"[..]), "in memory");
    store.settle_keys(&rotated, UnixTime::from_seconds(3000)).unwrap();
    drop(store);

    let store = Arc::new(Store::open(dir.path()).unwrap());
    assert_eq!(opened(&store).as_deref(), Some(&b"refresh"[..]), "and on the disk");
    let file = dir.path().join(KEY_FILE);
    let settle = || {
        store.settle_keys(&store.keys(None, never).unwrap(), UnixTime::from_seconds(4000)).unwrap();
        read_keys(&file).unwrap().unwrap().len()
    };
    assert_eq!(settle(), 2, "somebody is signed in by the earlier key");
    store.end(&id).await.unwrap();
    assert_eq!(settle(), 1, "and nobody is");
    store.seal_with(derived(&store.keys(None, never).unwrap())).unwrap();
    assert_eq!(store.code_app(&ann.id).await.unwrap(), Some(app), "the newest alone opens it");
}

#[tokio::test]
async fn a_rotation_while_a_server_starts_is_not_lost() {
    let (dir, store) = fresh();
    let used = store.keys(None, || set(1)).unwrap();
    store.rotate_keys(|| set(7)).unwrap();
    store.settle_keys(&used, UnixTime::from_seconds(5)).unwrap();
    let in_file = read_keys(&dir.path().join(KEY_FILE)).unwrap().unwrap();
    assert_eq!(in_file.len(), 2);
    assert!(store.keys(None, never).unwrap()[0].shared.same_as(&[7; 32]), "the newest counts");
    // Whoever signed in within the second of the start may have done so by the earlier keys.
    let settle = |at| {
        let used = store.keys(None, never).unwrap();
        store.settle_keys(&used, UnixTime::from_seconds(at)).unwrap();
        read_keys(&dir.path().join(KEY_FILE)).unwrap().unwrap().len()
    };
    let signed_in = session(1, &member("ann@example.com", &[]).id);
    let (id, begun) = (signed_in.session.id.clone(), signed_in.session.issued_at);
    store.insert(signed_in).await.unwrap();
    assert_eq!([settle(begun), settle(begun + 1)], [2, 2]);
    store.end(&id).await.unwrap();
    assert_eq!(settle(begun + 2), 1);
}

#[tokio::test]
async fn a_backup_without_keys_is_not_made_of_a_store_that_holds_them() {
    let (dir, store) = fresh();
    let to = dir.path().join("backup");
    let back_up = || store.back_up(&to, Protection::WithoutKeys, UnixTime::from_seconds(5));
    let refused = |outcome: Result<(), BackupError>| {
        assert!(matches!(outcome, Err(BackupError::NotSealedYet)));
        assert!(!to.exists());
    };
    keys::keep(&open::connect_again(&store.file).unwrap(), "shared_secret", &[9; 32]);
    refused(back_up());
    let first = store.keys(None, || set(1)).unwrap();
    let ann = member("ann@example.com", &[]);
    store.add(ann.clone(), secret("$")).await.unwrap();
    let app = serde_json::json!({"secret": [201], "last_step": 0, "recovery": []});
    let app: CodeApp = serde_json::from_value(app).unwrap();
    assert!(store.swap_code_app(&ann.id, None, Some(app)).await.unwrap());
    refused(back_up());
    store.seal_with(derived(&first)).unwrap();
    back_up().unwrap();
}
