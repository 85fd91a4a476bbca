//! Commands about what usher keeps: what they need from a config, and what they have to say.

use std::{fs, path::Path, process::Command};

use super::{Desk, USHER, route};

/// What a command says, and its exit status.
fn usher(desk: &Desk, line: &str, config: Option<&Path>) -> (Option<i32>, String, String) {
    let mut usher = Command::new(USHER);
    usher.args(line.split(' ')).arg("--data-dir").arg(desk.data());
    if let Some(config) = config {
        usher.arg("--config").arg(config);
    }
    let output = usher.output().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// It would be signed with keys that the server does not have.
#[test]
fn no_token_is_made_with_the_keys_of_a_config_that_is_not_there() {
    let desk = Desk::new();
    desk.write(&route(desk.port, ([127, 0, 0, 1], 9).into()));
    let typed_wrong = desk.config().with_file_name("confg.yaml");
    let create = "service-account create ci --until never";
    let (status, told, error) = usher(&desk, create, Some(&typed_wrong));
    assert_eq!((status, told.as_str()), (Some(2), ""), "{error}");
    assert!(error.contains("confg.yaml") && error.contains("hint: "), "{error}");
    let (status, told, _) = usher(&desk, "service-account list", None);
    assert_eq!((status, told.as_str()), (Some(0), ""), "none was begun");
    let (status, _, error) = usher(&desk, create, Some(&desk.config()));
    assert_eq!(status, Some(0), "{error}");
}

/// Old keys count as long as somebody was let in by them, which for such a token is for ever.
#[test]
fn a_rotation_names_the_tokens_for_whose_sake_old_keys_stay() {
    let desk = Desk::new();
    desk.write(&route(desk.port, ([127, 0, 0, 1], 9).into()));
    let config = desk.config();
    for create in ["create ci --until never", "create backup --until 2099-12-31"] {
        let (status, _, error) = usher(&desk, &format!("service-account {create}"), Some(&config));
        assert_eq!(status, Some(0), "{error}");
    }
    let (status, told, _) = usher(&desk, "keys rotate", None);
    assert_eq!(status, Some(0));
    assert!(told.contains("never end: ci;") && told.contains("revoke NAME"), "{told}");
    assert_eq!(usher(&desk, "service-account revoke ci", None).0, Some(0));
    let (status, told, _) = usher(&desk, "keys rotate", None);
    assert!(status == Some(0) && !told.contains("never end"), "{told}");
}

/// Who restores it would find out too late.
#[test]
fn a_backup_says_what_lies_elsewhere() {
    let desk = Desk::new();
    let apart = desk.config().with_file_name("certs");
    let app = route(desk.port, ([127, 0, 0, 1], 9).into());
    let passphrase = desk.config().with_file_name("passphrase");
    fs::write(&passphrase, "a long one, of many words").unwrap();
    assert!(desk.people(&["add", "ann@example.com", "--password-stdin"]).status.success());
    let backup = |name: &str| {
        let file = desk.config().with_file_name(name);
        let line = format!("backup {} --passphrase-file {}", file.display(), passphrase.display());
        let (status, told, error) = usher(&desk, &line, Some(&desk.config()));
        assert_eq!(status, Some(0), "{error}");
        told
    };
    desk.write(&app);
    let told = backup("one");
    assert!(told.contains("config.yaml and its files: copy"), "{told}");
    fs::write(desk.data().join("decisions.old.jsonl"), "{}\n").unwrap();
    desk.write(&format!("autocert: true\nautocert_dir: {}\n{app}", apart.display()));
    let told = backup("two");
    assert!(told.contains(&format!("{} (autocert_dir)", apart.display())), "{told}");
    let decisions = desk.data().join("decisions*.jsonl");
    assert!(told.contains(&format!("decisions on record ({})", decisions.display())), "{told}");
    desk.write("routes: 7\n");
    let told = backup("three");
    assert!(told.contains("which can't be read"), "the backup is made, and says so: {told}");
}
