//! What is found of an usher that runs: http://, cookies, sign-in, and what apps get.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use usher::{
    doctor::{Place, Tried, examine},
    server::SystemClock,
};
use usher_lab::{ports::free_port, upstream::Upstream};
use usher_rules::time::Clock as _;

use crate::setup::{GOOD, Setup, WITH_KEY, healthy};

/// An usher, until it is dropped.
struct Running(Child);

impl Running {
    fn of(setup: &Setup) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
        command.args(["run", "--log-format", "json", "--config"]).arg(setup.config());
        command.arg("--data-dir").arg(setup.data());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while !lines.next().unwrap().unwrap().contains("\"serving\"") {}
        std::thread::spawn(move || lines.for_each(drop)); // a full pipe would stop it
        Self(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped_already = self.0.wait();
    }
}

/// A setup whose config says this above its routes.
async fn saying(keys: &str, route: &str) -> Setup {
    let setup = Setup::with(healthy(), route).await;
    let text = fs::read_to_string(setup.config()).unwrap();
    fs::write(setup.config(), format!("{keys}{text}")).unwrap();
    setup
}

/// What is found of this code while it runs.
async fn found(setup: &Setup, codes: &[&str]) -> Vec<Tried> {
    let _running = Running::of(setup);
    let place =
        Place { data_dir: None, now: SystemClock.now(), addresses: &[], door: None, slow: None };
    let all = examine(&setup.plan(), place).await;
    all.into_iter().filter(|one| codes.contains(&one.code.id)).collect()
}

/// Word and code of each.
fn words(all: &[Tried]) -> Vec<String> {
    all.iter().map(|one| format!("{} {}", one.code.id, one.word())).collect()
}

#[tokio::test]
async fn the_way_in_is_gone_as_far_as_without_a_person() {
    let keys = format!("http_redirect_addr: {}\n", free_port());
    let setup = saying(&keys, &format!("{GOOD}{WITH_KEY}")).await;
    let all = found(&setup, &["D006", "D007", "D008", "D105"]).await;
    assert_eq!(words(&all), ["D006 ok", "D007 ok", "D008 ok", "D105 ok"], "{all:?}");
    assert!(all[2].what.contains("where people sign in"), "{}", all[2]);
    assert!(all[3].what.contains("nobody knows gets the name"), "{}", all[3]);
}

#[tokio::test]
async fn what_bars_the_way_in_is_named() {
    let gone = Upstream::nobody();
    let keys = format!(
        "cookie_http_only: false\nauthenticate_service_url: https://auth.test\nidp_provider: oidc\n\
         idp_provider_url: http://{gone}\nidp_client_id: usher\nidp_client_secret: secret\n"
    );
    let setup = saying(&keys, GOOD).await;
    let all = found(&setup, &["D006", "D007", "D008", "D105"]).await;
    let expected = ["D006 warning", "D007 warning", "D008 error", "D105 error"];
    assert_eq!(words(&all), expected, "{all:?}");
}
