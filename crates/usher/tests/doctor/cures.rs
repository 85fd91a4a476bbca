//! What is mended by Jellyfin's API, and put back.

use std::process::{Command, Output};

use serde_json::{Value, json};
use usher_cinema::CinemaOptions;

use crate::setup::{GOOD, KEY, Setup, WITH_KEY, healthy};

const USHER: &str = env!("CARGO_BIN_EXE_usher");

/// Everything that `--fix` can mend.
fn ill() -> CinemaOptions {
    CinemaOptions {
        known_proxies: Vec::new(),
        system: json!({"QuickConnectAvailable": false}),
        network: json!({
            "EnablePublishedServerUriByRequest": false, "EnableUPnP": true, "RequireHttps": true,
            "EnableRemoteAccess": true, "CertificatePassword": "of-a-certificate",
        }),
        ..healthy()
    }
}

async fn doctor(setup: &Setup, args: &[&str]) -> Output {
    let mut command = Command::new(USHER);
    command.arg("doctor").args(args).arg("--config").arg(setup.config());
    command.arg("--data-dir").arg(setup.data()).stdin(std::process::Stdio::null());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// Both objects of its settings, as they come.
async fn settings(setup: &Setup) -> [Vec<u8>; 2] {
    let mut all = [Vec::new(), Vec::new()];
    for (at, path) in all.iter_mut().zip(["/System/Configuration", "/System/Configuration/network"])
    {
        *at = setup.get(path).await;
    }
    all
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn what_is_mended_is_well_and_put_back_it_is_as_before() {
    let setup = Setup::with(ill(), &format!("{GOOD}{WITH_KEY}")).await;
    let before = settings(&setup).await;
    assert_eq!(setup.wrong().await, ["D205", "D211", "D214", "D220", "D225"]);

    let asked = doctor(&setup, &["--fix"]).await;
    assert_eq!(asked.status.code(), Some(2), "nobody said yes");
    assert!(text(&asked).contains("- []\n    + [\"127.0.0.1\"]"), "{}", text(&asked));
    assert_eq!(settings(&setup).await, before, "and nothing was changed");

    let fixed = doctor(&setup, &["--fix", "--yes"]).await;
    assert_eq!(setup.wrong().await, [""; 0], "{}", text(&fixed));
    assert_eq!(setup.cinema.restarts(), 1, "{}", text(&fixed));
    for secret in [KEY, "of-a-certificate"] {
        assert!(!text(&fixed).contains(secret), "{}", text(&fixed));
        let kept = std::fs::read_to_string(setup.data().join("doctor-before.json")).unwrap();
        assert!(!kept.contains(secret), "{kept}");
    }
    // Nothing is left to mend: what was before is kept all the same.
    let again = doctor(&setup, &["--fix", "--yes"]).await;
    assert!(text(&again).contains("nothing that Jellyfin's API could mend"), "{}", text(&again));

    let undone = doctor(&setup, &["--undo"]).await;
    assert_eq!(undone.status.code(), Some(0), "{undone:?}");
    assert_eq!(settings(&setup).await, before, "{}", text(&undone));
    assert_eq!(setup.wrong().await, ["D205", "D211", "D214", "D220", "D225"]);
    let nothing = doctor(&setup, &["--undo"]).await;
    assert!(text(&nothing).contains("nothing to put back"), "{}", text(&nothing));
}

/// An administrator's later word is not overwritten.
#[tokio::test]
async fn what_somebody_changed_since_is_left_alone() {
    let setup = Setup::with(ill(), &format!("{GOOD}{WITH_KEY}")).await;
    doctor(&setup, &["--fix", "--yes"]).await;
    let theirs = json!({"KnownProxies": ["127.0.0.1", "10.1.1.1"]}).to_string();
    setup.post("/System/Configuration/network", &theirs).await;
    let undone = doctor(&setup, &["--undo"]).await;
    assert!(text(&undone).contains("KnownProxies: left alone"), "{}", text(&undone));
    let [_, network] = settings(&setup).await;
    let network = String::from_utf8(network).unwrap();
    assert!(network.contains(r#""KnownProxies":["127.0.0.1","10.1.1.1"]"#), "{network}");
    assert!(network.contains(r#""EnableUPnP":true"#), "the rest is as before: {network}");
}

#[tokio::test]
async fn programs_read_codes_and_an_exit_status() {
    let setup = Setup::with(ill(), &format!("{GOOD}{WITH_KEY}")).await;
    let told = doctor(&setup, &["--json"]).await;
    assert_eq!(told.status.code(), Some(1));
    let lines: Vec<Value> =
        text(&told).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = lines.iter().find(|line| line["code"] == "D205").unwrap();
    assert_eq!(line["severity"], "error");
    assert_eq!(line["fix"][0]["set"], "KnownProxies");
    assert_eq!(line["fix"][0]["restart"], true);
    for member in ["subject", "what", "help", "title", "means"] {
        assert!(!line[member].as_str().unwrap().is_empty(), "{member} in {line}");
    }
    std::fs::write(setup.config(), "ruotes: [x]\n").unwrap();
    assert_eq!(doctor(&setup, &["--json"]).await.status.code(), Some(2));
}
