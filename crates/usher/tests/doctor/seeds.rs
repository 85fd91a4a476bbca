//! Each thing that can be wrong, alone: its code is the only one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::json;
use usher::doctor::show;
use usher_cinema::{CinemaOptions, CinemaUser, Fault, JellyfinVersion, Readiness};

use crate::setup::{GOOD, KEY, Setup, WITH_KEY, healthy};

#[tokio::test]
async fn a_healthy_server_has_no_findings() {
    for version in [JellyfinVersion::V10_10, JellyfinVersion::V10_11] {
        let options = CinemaOptions { version, ..healthy() };
        let setup = Setup::with(options, &format!("{GOOD}{WITH_KEY}")).await;
        assert_eq!(setup.wrong().await, [""; 0], "{version:?}: {:?}", setup.told().await);
    }
    let translated = format!("{GOOD}  jellyfin: {{api_key: {KEY}, legacy_clients: translate}}\n");
    let options = CinemaOptions { version: JellyfinVersion::V12, ..healthy() };
    assert_eq!(Setup::with(options, &translated).await.wrong().await, [""; 0]);
}

/// The five of the guide, in its order.
#[tokio::test]
async fn the_guide_s_five_failures_are_named() {
    let off = |key: &str| GOOD.replace(&format!("{key}: true"), &format!("{key}: false"));
    for (says, options, expected, failure) in [
        (off("allow_websockets"), healthy(), &["D101"][..], "playback state never updates"),
        (
            GOOD.replace("timeout: 0s", "timeout: 30s"),
            healthy(),
            &["D102"],
            "a film stops after 30 seconds",
        ),
        (
            off("preserve_host_header"),
            CinemaOptions {
                network: json!({"EnablePublishedServerUriByRequest": false}),
                ..healthy()
            },
            &["D104", "D211"],
            "links point at the container",
        ),
        (
            GOOD.to_owned(),
            CinemaOptions { known_proxies: Vec::new(), ..healthy() },
            &["D205"],
            "every client is local, or remote",
        ),
    ] {
        let setup = Setup::with(options, &format!("{says}{WITH_KEY}")).await;
        assert_eq!(setup.wrong().await, expected, "{failure}");
    }
    // The guide's own route: it knows of no Jellyfin, and says nothing of a key.
    let setup = Setup::with(healthy(), GOOD).await;
    assert_eq!(setup.wrong().await, ["D105", "D108"], "apps can't connect");
}

/// What the network settings of a server do to its clients.
#[tokio::test]
async fn who_looks_remote_or_local_is_named() {
    let nobody_known = || CinemaOptions { known_proxies: Vec::new(), ..healthy() };
    for (options, expected, why) in [
        (nobody_known(), &["D205"][..], "all local: the list is empty"),
        (
            CinemaOptions { network: json!({"KnownProxies": ["127.0.0.1"]}), ..nobody_known() },
            &["D208"],
            "the list was filled, and nobody restarted it",
        ),
        (
            CinemaOptions {
                network: json!({"LocalNetworkSubnets": ["10.9.0.0/16"]}),
                ..nobody_known()
            },
            &["D206"],
            "all remote: the list does not have the proxy either",
        ),
        (
            CinemaOptions { network: json!({"EnableRemoteAccess": false}), ..healthy() },
            &["D209"],
            "nobody from outside",
        ),
        (
            CinemaOptions { network: json!({"RemoteIPFilter": ["203.0.113.0/24"]}), ..healthy() },
            &["D210"],
            "nobody whose address is not listed",
        ),
        (
            CinemaOptions {
                network: json!({"EnablePublishedServerUriByRequest": false}),
                ..healthy()
            },
            &["D211"],
            "the container's address",
        ),
        (
            CinemaOptions { faults: vec![Fault::BelievesAnybody], ..nobody_known() },
            &["D207"],
            "an old server, and anybody is believed",
        ),
    ] {
        let setup = Setup::with(options, &format!("{GOOD}{WITH_KEY}")).await;
        assert_eq!(setup.wrong().await, expected, "{why}: {:?}", setup.told().await);
    }
    let network = json!({"LocalNetworkSubnets": ["10.9.0.0/16", "127.0.0.0/8"]});
    let options = CinemaOptions { network, ..healthy() };
    let mut setup = Setup::with(options, &format!("{GOOD}{WITH_KEY}")).await;
    setup.addresses = vec![[192, 168, 7, 9].into()];
    assert_eq!(setup.wrong().await, ["D206"], "those at home are not on the list");
}

#[tokio::test]
async fn what_else_is_wrong_with_a_server_is_named() {
    let broken = |fault| CinemaOptions { faults: vec![fault], ..healthy() };
    let set = |system| CinemaOptions { system, ..healthy() };
    let network = |network| CinemaOptions { network, ..healthy() };
    let nobody_s = CinemaOptions { users: vec![CinemaUser::new("eve", "")], ..healthy() };
    let anothers = CinemaOptions { admin_key: Some("f".repeat(32)), ..healthy() };
    let new = CinemaOptions { version: JellyfinVersion::V12, ..healthy() };
    for (options, expected, why) in [
        (CinemaOptions { readiness: Readiness::Starting, ..healthy() }, "D201", "starting"),
        (broken(Fault::SetupOpen), "D202", "its setup is open"),
        (broken(Fault::Old), "D203", "10.8"),
        (network(json!({"EnableUPnP": true})), "D214", "a port on the router"),
        (broken(Fault::NoSockets), "D215", "`Upgrade` is lost"),
        (broken(Fault::NoRanges), "D216", "`Range` is lost"),
        (broken(Fault::CutsLongAnswers), "D217", "half of it"),
        (broken(Fault::LimitsUploads), "D218", "a limit in between"),
        (new, "D219", "version 12"),
        (set(json!({"QuickConnectAvailable": false})), "D220", "no codes"),
        (nobody_s, "D221", "no password"),
        (broken(Fault::RefusesPreflights), "D222", "no other origins"),
        (anothers, "D223", "another key than ours"),
        (network(json!({"RequireHttps": true})), "D225", "its own TLS"),
    ] {
        let setup = Setup::with(options, &format!("{GOOD}{WITH_KEY}")).await;
        assert_eq!(setup.wrong().await, [expected], "{why}: {:?}", setup.told().await);
    }
}

/// Each is an administrator; one that comes through usher is named in the config.
#[tokio::test]
async fn keys_of_other_programs_are_named() {
    let setup = Setup::healthy().await;
    setup.post("/Auth/Keys?app=Seerr", "").await;
    assert_eq!(setup.wrong().await, ["D224"]);
    assert!(setup.told().await[0].contains("keys of: Seerr"), "{:?}", setup.told().await);
}

#[tokio::test]
async fn what_a_route_to_a_jellyfin_says_wrong_is_named() {
    let short = GOOD.replace("600s", "60s");
    for (says, expected, why) in [
        (format!("{short}{WITH_KEY}"), &["D103"][..], "sockets are silent for two minutes"),
        (
            format!("{GOOD}  jellyfin: {{api_key: {KEY}, open: [media]}}\n"),
            &["D106"],
            "media without a token",
        ),
        (format!("{GOOD}  jellyfin: {{}}\n"), &["D107"], "no key"),
        (
            format!("{GOOD}  jellyfin: {{api_key: {KEY}, base_path: /other}}\n"),
            &["D204"],
            "a path that it does not have",
        ),
    ] {
        let setup = Setup::with(healthy(), &says).await;
        assert_eq!(setup.wrong().await, expected, "{why}: {:?}", setup.told().await);
    }
    let setup = Setup::healthy().await;
    std::fs::write(setup.config(), public(&setup)).unwrap();
    assert_eq!(setup.wrong().await, ["D106", "D108"], "the guide's public route");
}

/// The same route, without a policy and open to everybody.
fn public(setup: &Setup) -> String {
    let text = std::fs::read_to_string(setup.config()).unwrap();
    let kept = text.lines().filter(|line| !line.contains("policy:") && !line.contains("jellyfin:"));
    let mut text: String = kept.map(|line| format!("{line}\n")).collect();
    text.push_str("  allow_public_unauthenticated_access: true\n");
    text
}

/// Other addresses than those of other processes: all of 127.0.0.0/8 is this machine.
fn of_this_process(last: u8) -> Ipv4Addr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 100 ^ high, low, last)
}

#[tokio::test]
async fn an_app_at_home_that_is_sent_around_usher_is_named() {
    let at = SocketAddr::from((of_this_process(7), 0));
    let options = CinemaOptions { bind: at, discovery: true, ..healthy() };
    let setup = Setup::with(options, &format!("{GOOD}{WITH_KEY}")).await;
    assert_eq!(setup.wrong().await, ["D212"]);
    let at = SocketAddr::from((of_this_process(8), 0));
    let network = json!({"PublishedServerUriBySubnet": ["all=https://tv.test"]});
    let options = CinemaOptions { bind: at, discovery: true, network, ..healthy() };
    let setup = Setup::with(options, &format!("{GOOD}{WITH_KEY}")).await;
    assert_eq!(setup.wrong().await, [""; 0]);
}

#[tokio::test]
async fn a_server_that_answers_around_usher_is_named() {
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let options = CinemaOptions { bind: everywhere, ..healthy() };
    let mut setup = Setup::with(options, "").await;
    let (port, other) = (setup.cinema.addr.port(), of_this_process(9));
    let text = std::fs::read_to_string(setup.config()).unwrap();
    let text = text.replace("http://0.0.0.0:", "http://127.0.0.1:") + GOOD + WITH_KEY;
    std::fs::write(setup.config(), text).unwrap();
    assert_eq!(setup.wrong().await, [""; 0], "where usher itself asks is no way around it");
    setup.addresses = vec![IpAddr::V4(other)];
    assert_eq!(setup.wrong().await, ["D213"]);
    let all = setup.examined().await;
    let found = all.iter().find(|one| one.code.id == "D213").unwrap();
    assert!(found.what.contains(&format!("http://{other}:{port}")), "{found}");
}

/// What an operator reads at three in the morning, whole.
#[tokio::test]
async fn what_is_told_is_told_whole_and_holds_no_secret() {
    let options = CinemaOptions {
        users: vec![CinemaUser::new("ann", "long and secret"), CinemaUser::new("eve", "")],
        known_proxies: Vec::new(),
        system: json!({"QuickConnectAvailable": false, "EnableLegacyAuthorization": false}),
        network: json!({
            "EnablePublishedServerUriByRequest": false, "EnableUPnP": true,
            "CertificatePassword": "of-a-certificate",
        }),
        faults: vec![Fault::NoSockets, Fault::NoRanges, Fault::CutsLongAnswers],
        ..healthy()
    };
    let setup = Setup::with(options, WITH_KEY).await;
    let mut told = Vec::new();
    show(&setup.examined().await, &mut told).unwrap();
    let told = String::from_utf8(told).unwrap();
    let told = told.replace(&setup.cinema.addr.to_string(), "127.0.0.1:8096");
    for secret in [KEY, "of-a-certificate", "long and secret"] {
        assert!(!told.contains(secret), "{told}");
    }
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctor/ill.golden");
    if std::env::var_os("USHER_WRITE_GOLDEN").is_some() {
        std::fs::write(golden, &told).unwrap();
    }
    assert_eq!(told, std::fs::read_to_string(golden).unwrap());
}
