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
    for command in [
        &["explain", "https://tv.test/", "--config"][..],
        &["explain", "https://tv.test/", "--json", "--config"],
        &["check", "--config"],
        &["check", "--effective", "--config"],
    ] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut usher = Command::new(USHER);
        usher.args(command).arg(desk.config()).stdout(writer).stderr(Stdio::piped());
        let output = usher.spawn().unwrap().wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((told.as_str(), output.status.code()), ("", Some(2)), "{command:?}");
    }
}
