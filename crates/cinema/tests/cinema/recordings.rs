//! Which recordings of real servers are replayed, and what of them is not.

use std::collections::BTreeMap;

use usher_cinema::JellyfinVersion::{self, V10_11, V12};

use crate::replay::{differences, exchanges, replay};

const BOTH: &[(&str, &str)] = &[("alice", "pw-alice"), ("bob", "pw-bob")];
const PROXIES: &[&str] = &["127.0.0.1"];

/// Each file: its recording, the version, who has an account already, and the proxies it knows.
type Replayed = (&'static str, &'static str, JellyfinVersion, People, &'static [&'static str]);
type People = &'static [(&'static str, &'static str)];

const REPLAYED: [Replayed; 12] = [
    ("credentials-and-paths-10.11", CREDENTIALS_10_11, V10_11, &[], &[]),
    ("credentials-and-paths-12", CREDENTIALS_12, V12, &[], &[]),
    ("playback-and-sockets-10.11", PLAYBACK_10_11, V10_11, BOTH, &[]),
    ("playback-and-sockets-12", PLAYBACK_12, V12, BOTH, &[]),
    ("transcoding-10.11", PLAYBACK_10_11, V10_11, BOTH, &[]),
    ("transcoding-12", PLAYBACK_12, V12, BOTH, &[]),
    ("people-10.11", "10.11.11/users-devices-settings", V10_11, BOTH, &[]),
    ("forwarded-10.11", FORWARDED, V10_11, BOTH, PROXIES),
    ("starting-10.11", FORWARDED, V10_11, BOTH, &[]),
    ("keys-10.11", "10.11.11/wizard-and-key", V10_11, &[], &[]),
    ("web-10.11", "10.11.11/web", V10_11, BOTH, &[]),
    ("web-12", "12.0-rc5/web", V12, BOTH, &[]),
];
const CREDENTIALS_10_11: &str = "10.11.11/quick-connect-credentials-paths";
const CREDENTIALS_12: &str = "12.0-rc5/quick-connect-credentials-paths";
const PLAYBACK_10_11: &str = "10.11.11/playback-and-sockets";
const PLAYBACK_12: &str = "12.0-rc5/playback-and-sockets";
const FORWARDED: &str = "10.11.11/restart-and-forwarded";

/// How many exchanges each recording has. The three of the web client count as one.
const RECORDED: [(&str, usize); 9] = [
    ("10.11.11/quick-connect-credentials-paths", 108),
    ("10.11.11/playback-and-sockets", 43),
    ("10.11.11/users-devices-settings", 34),
    ("10.11.11/restart-and-forwarded", 37),
    ("10.11.11/wizard-and-key", 8),
    ("10.11.11/web", 278),
    ("12.0-rc5/quick-connect-credentials-paths", 108),
    ("12.0-rc5/playback-and-sockets", 43),
    ("12.0-rc5/web", 306),
];

#[tokio::test]
async fn the_stand_in_answers_as_the_real_server_did() {
    for (records, _, version, people, proxies) in REPLAYED {
        replay(&format!("{records}.json"), version, people, proxies).await;
    }
}

#[tokio::test]
async fn a_stand_in_of_another_version_is_found_out() {
    for (records, version, most) in [
        ("credentials-and-paths-12.json", V10_11, 100),
        ("credentials-and-paths-10.11.json", V12, 100),
        ("transcoding-12.json", V10_11, 6),
        ("web-12.json", V10_11, 3),
    ] {
        let people = if records.starts_with("cred") { &[] } else { BOTH };
        let wrong = differences(records, version, people, &[]).await;
        assert!(wrong.len() >= most, "{records}: only {}: {}", wrong.len(), wrong.join("\n"));
    }
}

/// A line of `left-out.txt`.
struct LeftOut {
    recording: String,
    exchange: String,
    count: usize,
}

fn left_out() -> Vec<LeftOut> {
    let lines = include_str!("../recorded/left-out.txt").lines();
    let line = |line: &str| {
        let parts: Vec<_> = line.split(" | ").collect();
        let [recording, exchange, count, why] = parts[..] else { panic!("four parts: {line}") };
        assert!(why.len() > 10, "a reason: {line}");
        let (recording, exchange) = (recording.to_owned(), exchange.to_owned());
        LeftOut { recording, exchange, count: count.parse().unwrap() }
    };
    lines.filter(|line| !line.starts_with('#')).map(line).collect()
}

#[test]
fn what_is_not_replayed_is_listed() {
    let mut replayed: BTreeMap<&str, usize> = BTreeMap::new();
    for (records, recording, ..) in REPLAYED {
        let exchanges = exchanges(&format!("{records}.json"));
        *replayed.entry(recording).or_default() += exchanges.len();
        for left in left_out().iter().filter(|left| left.recording == recording) {
            let same = |exchange: &serde_json::Value| exchange["name"] == left.exchange;
            assert!(!exchanges.iter().any(same), "{} is replayed", left.exchange);
        }
    }
    for (recording, recorded) in RECORDED {
        let left = left_out();
        let left: usize =
            left.iter().filter(|left| left.recording == recording).map(|left| left.count).sum();
        assert_eq!(replayed[recording] + left, recorded, "{recording}");
    }
    let of = |version: &str| -> usize {
        replayed.iter().filter(|(name, _)| name.starts_with(version)).map(|(_, count)| count).sum()
    };
    let (older, newer) = (of("10.11.11/"), of("12.0-rc5/"));
    assert!(older >= 150 && newer >= 150, "{older} of 10.11.11 and {newer} of 12.0-rc5");
    let known = |left: &LeftOut| RECORDED.iter().any(|(name, _)| *name == left.recording);
    assert!(left_out().iter().all(known), "a recording that nobody counts");
}
