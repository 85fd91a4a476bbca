//! Tests of routes: what their client shows and calls, and when.

use std::fs;

use usher_lab::client_ca::{ClientCa, date, dns};
use usher_rules::time::UnixTime;

use super::{Outcome, checked};

/// Without these no test of a route behind `downstream_mtls` could expect to be let in.
#[test]
fn a_test_shows_a_certificate_and_calls_a_tool() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), ClientCa::new("Clients"));
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let end = date(UnixTime::parse("2027-06-01T00:00:00Z").unwrap());
    let own = ca.issue(1, |params| {
        params.subject_alt_names = vec![dns("ann.laptops.home.arpa")];
        params.not_after = end;
    });
    let others = ClientCa::new("Others").issue(1, |_| {});
    let (ca, own, others) =
        (put("ca.pem", &ca.pem()), put("own.pem", &own.pem), put("others.pem", &others.pem));
    let (key, junk) = (put("key.pem", "-----BEGIN PRIVATE KEY-----\n"), put("junk.pem", JUNK));
    let text = |tests: &str| {
        format!(
            "\
authenticate_service_url: https://sign-in.home.arpa
runtime_flags: {{mcp: true}}
downstream_mtls: {{ca_file: {ca}}}
routes:
  - from: https://tools.home.arpa
    to: http://127.0.0.1:80
    mcp: {{server: {{}}}}
    policy:
      - allow: {{and: [{{groups: family}}, {{mcp_tool: look}}]}}
      - deny: {{nor: [{{client_certificate: {{san_dns: {{ends_with: .laptops.home.arpa}}}}}}]}}
    tests:
{tests}"
        )
    };
    let ann = "email: ann@home.arpa, groups: [family], time: 2027-01-15T08:00:00Z";
    let good = [
        &format!("{{{ann}, certificate: {own}, tool: look, expect: allow}}"),
        &format!(
            "{{{ann}, certificate: {own}, tool: drop, expect: deny, reason: mcp-tool-no-match}}"
        ),
        &format!("{{{ann}, certificate: {own}, expect: deny, reason: mcp-not-a-tool-call}}"),
        &format!("{{{ann}, certificate: {others}, tool: look, expect: show-certificate}}"),
        "{tool: look, method: POST, expect: show-certificate}",
    ];
    let good = good.map(|test| format!("      - {test}\n")).concat();
    let (outcome, shown) = checked(text(&good).as_bytes(), false);
    assert_eq!(outcome, Outcome::Good, "{shown}");
    for (test, says) in [
        (format!("{{{ann}, tool: look, expect: allow}}"), "the answer is `show-certificate`"),
        (
            format!("{{{ann}, certificate: {own}, tool: look, expect: allow}}")
                .replace("2027-01", "2027-07"),
            "the answer is `show-certificate`",
        ),
        (format!("{{{ann}, certificate: {key}, expect: allow}}"), "error[U213]"),
        (format!("{{{ann}, certificate: {junk}, expect: allow}}"), "of a test can't be read"),
        (format!("{{{ann}, certificate: {own}x, expect: allow}}"), "error[U209]"),
        (
            format!("{{email: ann@home.arpa, certificate: {own}, expect: deny}}"),
            "names no `time`, and a certificate ends",
        ),
        ("{tool: look, method: PUT, expect: deny}".into(), "by another method than POST"),
    ] {
        let (outcome, shown) = checked(text(&format!("      - {test}\n")).as_bytes(), false);
        assert_eq!(outcome, Outcome::Bad, "{test}");
        assert!(shown.contains(says), "{test}: {says}\n{shown}");
    }
}

const JUNK: &str = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";

/// A config that loads by day would be refused at a start in the night.
#[test]
fn a_test_of_hours_names_its_time() {
    let text = |tests: &str| {
        format!(
            "\
authenticate_service_url: https://sign-in.home.arpa
routes:
  - from: https://tv.home.arpa
    to: http://127.0.0.1:80
    policy: {{allow: {{or: [{{time_of_day: {{timezone: UTC, after: '8:00'}}}}]}}}}
    tests: [{{expect: allow{tests}}}]
"
        )
    };
    for (time, outcome, says) in [
        (", time: 2027-01-15T08:00:00Z", Outcome::Good, ""),
        (", time: 2027-01-15T07:59:59Z", Outcome::Bad, "the answer is `deny`"),
        (", tool: look", Outcome::Bad, "no message is read here"),
        ("", Outcome::Bad, "names no `time`, and `time_of_day` asks for one"),
    ] {
        let (found, shown) = checked(text(time).as_bytes(), false);
        assert_eq!(found, outcome, "{time}: {shown}");
        assert!(shown.contains(says), "{time}: {says}\n{shown}");
    }
}

/// Without one of its own no test of a route behind `passkey_within` could expect to be let in.
#[test]
fn a_test_shows_the_passkey_of_whoever_asks() {
    let text = |test: &str| {
        format!(
            "\
authenticate_service_url: https://sign-in.home.arpa
routes:
  - from: https://tv.home.arpa
    to: http://127.0.0.1:80
    policy: {{allow: {{and: [{{groups: family}}, {{passkey_within: 10m}}]}}}}
    tests:
      - {{email: ann@home.arpa, groups: [family]{test}}}
"
        )
    };
    for (test, expected) in [
        (", expect: show-passkey", None),
        (", passkey: 9m, expect: allow", None),
        (", passkey: 10m, expect: show-passkey, reason: passkey-too-old", None),
        (", passkey: 10m, expect: allow", Some("the answer is `show-passkey`")),
        (", passkey: 1m, signed_in: 1m, expect: allow", Some("both `signed_in` and `passkey`")),
        ("}\n      - {passkey: 1m, expect: deny", Some("has a `passkey` of nobody")),
    ] {
        let (outcome, shown) = checked(text(test).as_bytes(), false);
        let expects = if expected.is_none() { Outcome::Good } else { Outcome::Bad };
        assert_eq!(outcome, expects, "{test}: {shown}");
        assert!(shown.contains(expected.unwrap_or_default()), "{test}: {shown}");
    }
}

/// Without a device of its own no test of a route behind `device` could expect to be let in.
#[test]
fn a_test_shows_the_device_of_whoever_asks() {
    let text = |test: &str| {
        format!(
            "\
authenticate_service_url: https://sign-in.home.arpa
routes:
  - from: https://tv.home.arpa
    to: http://127.0.0.1:80
    policy:
      - allow: {{and: [{{groups: family}}, {{device: {{type: enclave_only, approved: true}}}}]}}
      - deny: {{or: [{{device: {{type: enclave_only, is: stolen}}}}]}}
    tests:
      - {{email: ann@home.arpa, groups: [family]{test}}}
"
        )
    };
    for (test, expected) in [
        (", expect: show-device", None),
        (", device: {type: enclave_only}, expect: allow", None),
        (", device: {type: enclave_only, approved: false}, expect: deny", None),
        (", device: {type: enclave_only, is: stolen}, expect: allow", Some("the answer is `deny`")),
        (", device: {type: enclave_only}, expect: deny", Some("the answer is `allow`")),
        (", device: {typ: any}, expect: allow", Some("error[U110]")),
        ("}\n      - {device: {type: any}, expect: deny", Some("shows a `device` of nobody")),
    ] {
        let (outcome, shown) = checked(text(test).as_bytes(), false);
        match expected {
            None => assert_eq!(outcome, Outcome::Good, "{test}: {shown}"),
            Some(says) => {
                assert_eq!(outcome, Outcome::Bad, "{test}: {shown}");
                assert!(shown.contains(says), "{test}: {shown}");
            }
        }
    }
}
