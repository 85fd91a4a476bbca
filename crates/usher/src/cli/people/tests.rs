use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::ExitCode};

use clap::Parser;
use tempfile::TempDir;
use usher_rules::{people::People, time::UnixTime};

use super::{Args, Streams, run};
use crate::{
    request::identify::{SessionStore, contract::session},
    store::Store,
};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// What a command line printed, and how it ended.
struct Said {
    out: String,
    err: String,
    status: ExitCode,
}

fn people(dir: &Path, line: &str, typed: &str) -> Said {
    let args = Line::try_parse_from(format!("people {line}").split(' ')).unwrap().args;
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let streams = Streams {
        input: &mut typed.as_bytes(),
        input_is_terminal: false,
        output: &mut output,
        errors: &mut errors,
    };
    let status =
        run(&args.command, (dir, Path::new("/nonexistent")), UnixTime::from_seconds(7), streams);
    let [out, err] = [output, errors].map(|bytes| String::from_utf8(bytes).unwrap());
    Said { out, err, status }
}

#[test]
fn a_person_comes_changes_and_goes() {
    let home = TempDir::new().unwrap();
    let dir = &home.path().join("usher");
    assert_eq!(people(dir, "list", "").err, "nobody is here yet; usher people add EMAIL\n");

    let said = people(dir, "add Ann@Example.com --name Ann --group kids --group family", "");
    assert_eq!(said.status, ExitCode::SUCCESS, "{}", said.err);
    let (first, password) = said.out.trim_end().split_once('\n').unwrap();
    assert_eq!(first, "added ann@example.com  Ann  groups: family, kids");
    let password = password.strip_prefix("password ").unwrap();
    assert_eq!(password.len(), 23, "{password}");
    assert!(said.err.contains("this once"));

    let said = people(dir, "add bob@example.com --password-stdin", "a good password\r\nignored");
    assert_eq!(said.out, "added bob@example.com  groups: -\n", "nothing that they know already");

    let said = people(dir, "list", "");
    assert_eq!(
        said.out,
        "ann@example.com  Ann  groups: family, kids\nbob@example.com  groups: -\n"
    );
    let said = people(dir, "list --json", "");
    let lines: Vec<serde_json::Value> =
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["groups"], serde_json::json!(["family", "kids"]));
    assert_eq!((&lines[1]["email"], &lines[1]["added_at"]), (&"bob@example.com".into(), &7.into()));
    assert!(!said.out.contains("argon2"), "no hashes");

    let said = people(dir, "set-groups ann@example.com adults", "");
    assert_eq!(said.out, "changed ann@example.com  Ann  groups: adults; signed out everywhere\n");
    let said = people(dir, "set-groups ann@example.com", "");
    assert!(said.out.contains("groups: -;"), "none is named: none is left");
    let said = people(dir, "set-password bob@example.com", "");
    assert!(said.out.contains("\npassword "), "{}", said.out);
    let said = people(dir, "remove BOB@example.com", "");
    assert_eq!(said.out, "removed bob@example.com; signed out everywhere\n");
    assert!(!people(dir, "list", "").out.contains("bob"));
}

#[tokio::test]
async fn a_running_usher_sees_it_and_signs_them_out() {
    let home = TempDir::new().unwrap();
    let dir = home.path().to_owned();
    let command = |line: &'static str| {
        let dir = dir.clone();
        tokio::task::spawn_blocking(move || people(&dir, line, "a good password\n"))
    };
    let running = std::sync::Arc::new(Store::open(&dir).unwrap());
    command("add ann@example.com --password-stdin").await.unwrap();
    let find = || People::find(&*running, "ann@example.com");
    let (ann, hash) = find().await.unwrap().expect("seen at once");
    assert!(hash.expose().starts_with(b"$argon2id$v=19$m=19456,t=2,p=1$"));

    let following = std::sync::Arc::clone(&running).follow();
    let story = async {
        for (n, line) in [
            (1, "set-groups ann@example.com kids"),
            (2, "set-password ann@example.com --password-stdin"),
            (3, "remove ann@example.com"),
        ] {
            let live = running.insert(session(n, &ann.id)).await.unwrap();
            command(line).await.unwrap();
            let wait = std::time::Duration::from_secs(30);
            tokio::time::timeout(wait, live.ended()).await.unwrap_or_else(|_| panic!("{line}"));
        }
    };
    tokio::select! {
        () = following => panic!("follows as long as the store is there"),
        () = story => {}
    }
    assert!(find().await.unwrap().is_none());
}

#[test]
fn what_it_refuses_it_says_why_and_what_to_do() {
    let home = TempDir::new().unwrap();
    let dir = home.path();
    people(dir, "add ann@example.com", "");
    for (line, typed, status, error, hint) in [
        ("remove bob@example.com", "", 1, "nobody here has the address `bob@example.com`", "list"),
        ("set-groups bob@example.com x", "", 1, "nobody here has the address", "list"),
        ("add ann@example.com", "", 1, "`ann@example.com` is here already", "set-password"),
        ("add ann", "", 2, "`ann` is not an address: an address has one `@`", ""),
        ("add b@example.com --group a,b", "", 2, "`a,b` can't be a group", ""),
        (
            "add b@example.com --password-stdin",
            "short\n",
            2,
            "a password has 8 to 1024 octets; this one has 5",
            "",
        ),
        (
            "add b@example.com --password-stdin",
            "",
            2,
            "a password has 8 to 1024 octets; this one has 0",
            "",
        ),
    ] {
        let said = people(dir, line, typed);
        assert_eq!(said.status, ExitCode::from(status), "{line}: {}", said.err);
        assert!(said.err.starts_with(&format!("error: {error}")), "{line}: {}", said.err);
        assert!(said.err.contains(hint) && said.out.is_empty(), "{line}: {}", said.err);
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).unwrap();
    let said = people(dir, "list", "");
    assert_eq!(said.status, ExitCode::from(2));
    assert_eq!(
        said.err,
        format!(
            "error: others can write to the data directory {0} (mode 0777)\nhint: chmod go-w {0}\n",
            dir.display()
        )
    );
}

#[test]
fn a_password_ends_with_its_line_and_may_be_long() {
    let home = TempDir::new().unwrap();
    for (octets, is_taken) in [(1024, true), (1025, false), (100_000, false)] {
        let typed = format!("{}\n", "walrus ".repeat(octets).get(..octets).unwrap());
        let line = format!("add p{octets}@example.com --password-stdin");
        let said = people(home.path(), &line, &typed);
        assert_eq!(said.status == ExitCode::SUCCESS, is_taken, "{octets}: {}", said.err);
    }
}
