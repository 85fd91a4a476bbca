//! Commands whose reader has gone: `usher explain … | head`.

use std::{
    io,
    process::{Command, Stdio},
};

use super::{Desk, USHER, route};

/// Whoever closed the pipe wants to hear no more, of the pipe neither.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let desk = Desk::new();
    desk.write(&route(desk.port, ([127, 0, 0, 1], 9).into()));
    let config = desk.config();
    for command in [
        &["explain", "https://tv.test/"][..],
        &["explain", "https://tv.test/", "--json"],
        &["check"],
        &["check", "--effective"],
    ] {
        let told = unheard(Command::new(USHER).args(command).arg("--config").arg(&config));
        assert_eq!(told, (String::new(), Some(2)), "{command:?}");
    }
}

/// Whatever tells of what usher keeps: each list has something to tell.
#[test]
fn a_list_whose_reader_goes_away_is_no_error() {
    let desk = Desk::new();
    desk.write(&route(desk.port, ([127, 0, 0, 1], 9).into()));
    let [data, config] = [desk.data(), desk.config()];
    let usher = |line: &str| {
        let mut usher = Command::new(USHER);
        usher.args(line.split(' ')).arg("--data-dir").arg(&data);
        usher
    };
    for line in [
        "people add ann@example.com",
        "app-password create ann@example.com tv.test --until never",
        "service-account create ci --until never",
    ] {
        let made = usher(line).output().unwrap();
        assert!(made.status.success(), "{line}: {made:?}");
    }
    for (line, status) in [
        ("people list", 2),
        ("people list --json", 2),
        ("sessions list", 2),
        ("sessions list --json", 2),
        ("app-password list", 2),
        ("service-account list", 2),
        ("service-account list --json", 2),
        ("keys rotate", 2),
        ("status", 1),
        ("status --json", 1),
        ("tls-report", 1),
    ] {
        let mut usher = usher(line);
        if line.starts_with("status") || line.starts_with("tls-report") {
            usher.arg("--config").arg(&config);
        }
        let (told, code) = unheard(&mut usher);
        let told: Vec<_> = told.lines().filter(|line| !line.starts_with("note: ")).collect();
        assert_eq!((told, code), (Vec::new(), Some(status)), "{line}");
    }
}

/// What a command says to nobody who reads its answer, and its exit status.
fn unheard(usher: &mut Command) -> (String, Option<i32>) {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = usher.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let output = output.wait_with_output().unwrap();
    (String::from_utf8(output.stderr).unwrap(), output.status.code())
}
