//! `usher status` beside a server.

use std::process::Command;

use serde_json::Value;

use super::{Desk, USHER, route};

/// What it ends with, and what it prints.
fn status(desk: &Desk, more: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(USHER);
    command.args(["status", "--config"]).arg(desk.config());
    let output = command.arg("--data-dir").arg(desk.data()).args(more).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// `usher status` tells the config in force, and what was refused since, by a file of the server's.
#[test]
fn status_tells_the_config_in_force_and_the_one_that_was_refused() {
    let desk = Desk::new();
    let text = route(desk.port, ([127, 0, 0, 1], 9).into());
    desk.write(&text);
    let status = |more: &[&str]| status(&desk, more);
    let running = desk.start();
    let plan =
        running.line(|line| line["message"] == "serving")["plan"].as_str().unwrap().to_owned();
    let (_, shown) = status(&[]);
    assert!(
        shown.starts_with(&format!("the config in force\n  plan         {plan}, 1 routes")),
        "{shown}"
    );
    assert!(!shown.contains("refused") && !shown.contains("on the disk"), "{shown}");

    desk.write(&text.replace("routes:", "routs:"));
    running.signal("-HUP");
    running.line(|line| line["message"] == "reload" && line["level"] == "error");
    let (code, shown) = status(&[]);
    assert_eq!(code, Some(2), "the config on the disk can't run: {shown}");
    for part in
        [&*plan, "  refused      20", "error[U110] 2:1 unknown key `routs` at the top level"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let (_, json) = status(&["--json"]);
    let object: Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&object["plan"], &object["refused"]["problems"][0]["code"]),
        (&plan.into(), &"U110".into())
    );

    desk.write(&format!("{text}\n# again"));
    running.signal("-HUP");
    let other = running.line(|line| line["message"] == "reload" && line["level"] == "info");
    let (_, shown) = status(&[]);
    assert!(
        shown.contains(other["plan"].as_str().unwrap()) && !shown.contains("refused"),
        "{shown}"
    );
    drop(running);
    assert!(!status(&[]).1.contains("in force"), "nobody serves it");
}

/// An address or a key that a reload brings is not in force: `usher status` says so, and is content
/// again when it is put back.
#[test]
fn status_tells_what_waits_for_a_restart_until_it_is_put_back() {
    let desk = Desk::new();
    let text = route(desk.port, ([127, 0, 0, 1], 9).into());
    desk.write(&text);
    let status = |more: &[&str]| status(&desk, more).1;
    let running = desk.start();
    running.line(|line| line["message"] == "serving");
    let reloaded = |text: &str, routes: &str| {
        desk.write(text);
        running.signal("-HUP");
        let is_it = |line: &Value| line["message"] == "reload" && line["routes"] == routes;
        running.line(is_it);
    };
    let more = "- from: https://b.test\n  to: http://127.0.0.1:9\n";
    let (moved, key) = ("http_redirect_addr: 127.0.0.1:1\n", "cookie_secret: ");
    let key = format!("{key}{}\n", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    reloaded(&format!("{moved}{key}{text}{more}"), "2");
    assert!(status(&[]).contains("\n  waits        addresses, keys: as before"), "{}", status(&[]));
    let json: Value = serde_json::from_str(status(&["--json"]).lines().next().unwrap()).unwrap();
    assert_eq!(json["waits_for_restart"], serde_json::json!(["addresses", "keys"]));
    reloaded(&format!("{text}{more}{}", more.replace("b.test", "c.test")), "3");
    assert!(!status(&[]).contains("waits"), "it was put back: {}", status(&[]));
    let lines = running.lines.0.lock().unwrap().clone();
    let back = lines.iter().position(|line| line["routes"] == "3").unwrap();
    let meanwhile = lines[..back].rsplit(|line| line["routes"] == "2").next().unwrap();
    assert!(meanwhile.iter().all(|line| line["what"].is_null()), "it waits for nothing: {lines:?}");
}

/// How the Jellyfin of a route stands is asked then and there, whether a server runs or not.
#[test]
fn status_tells_how_the_jellyfin_of_a_route_stands() {
    let desk = Desk::new();
    let nobody = usher_lab::upstream::Upstream::nobody();
    let text = route(desk.port, nobody);
    desk.write(&text);
    assert!(!status(&desk, &[]).1.contains("jellyfin"), "a route that says nothing of one");
    desk.write(&format!("{text}  jellyfin: {{}}\n"));
    let (code, shown) = status(&desk, &[]);
    assert!(shown.contains("  jellyfin     unreachable\n"), "{shown}");
    assert_eq!(code, Some(1), "{shown}");
    let (_, shown) = status(&desk, &["--json"]);
    let lines = shown.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let one = lines.into_iter().find(|line| line.get("jellyfin").is_some()).unwrap();
    assert_eq!((&one["jellyfin"], &one["version"]), (&"unreachable".into(), &Value::Null));
}
