use std::time::Duration;

use usher_rules::time::UnixTime;

use super::{show_report, show_root, show_status};
use crate::certs::{
    Pem,
    report::{Key, Leaf, Root, Served, Source},
};

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn served(host: &str, source: Source, leaf: Option<Leaf>) -> Served {
    let (last_error, last_problem) = (Box::default(), Box::default());
    Served { host: host.into(), source, leaf, next_at: None, last_error, last_problem }
}

fn good() -> Leaf {
    Leaf {
        issuer: "E7".into(),
        key: Key::Ecdsa(256),
        sha1: false,
        self_signed: false,
        chain: 2,
        not_before: NOW.minus(DAY * 10),
        not_after: NOW.plus(DAY * 80),
    }
}

fn brought() -> Source {
    Source::Brought(Pem::File("/etc/usher/tv.pem".into()))
}

#[test]
fn status_is_what_an_operator_wants_to_know() {
    let acme = || Source::Acme("https://acme-v02.api.letsencrypt.org/directory".into());
    let hosts = [
        Served {
            next_at: Some(NOW.plus(DAY * 50)),
            ..served("tv.example.com", acme(), Some(good()))
        },
        Served {
            next_at: Some(NOW.plus(Duration::from_secs(300))),
            last_error: "the authority did not find proof by http-01: refused; open port 80".into(),
            ..served("new.example.com", Source::Meanwhile, None)
        },
        served("old.example.com", brought(), Some(Leaf { not_after: NOW, ..good() })),
        served("nas.local", Source::Local, None),
    ];
    let mut out = Vec::new();
    assert!(!show_status(&hosts, NOW, false, &mut out).unwrap(), "one has ended");
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "\
tv.example.com
  certificate  ACME, acme-v02.api.letsencrypt.org
  signed by    E7, ECDSA P-256
  ends         2027-04-05T08:00:00Z (80 days left)
  next order   2027-03-06T08:00:00Z

new.example.com
  certificate  the local authority, until one is issued
  ends         renewed by itself, every few weeks
  next order   2027-01-15T08:05:00Z
  last error   the authority did not find proof by http-01: refused; open port 80

old.example.com
  certificate  /etc/usher/tv.pem
  signed by    E7, ECDSA P-256
  ends         2027-01-15T08:00:00Z (it has ended: browsers refuse this host)

nas.local
  certificate  the local authority
  ends         renewed by itself, every few weeks

"
    );
    let root = Root { fingerprint: "AB:CD".into(), not_after: NOW.plus(DAY * 3650) };
    let mut out = Vec::new();
    assert!(show_root(&root, NOW, false, &mut out).unwrap());
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "the local authority\n  SHA-256      AB:CD\n  ends         2037-01-12T08:00:00Z (3650 days left)\n\n"
    );
    assert!(!show_root(&root, root.not_after, true, &mut Vec::new()).unwrap(), "it has ended");
    let mut out = Vec::new();
    assert!(show_status(&hosts[..1], NOW, true, &mut out).unwrap());
    let line: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(line["seconds_left"], 80 * 24 * 3600);
    assert_eq!(line["next_order"], "2027-03-06T08:00:00Z");
}

fn reported(one: Served) -> (bool, String) {
    let mut out = Vec::new();
    let good = show_report(&[one], NOW, &mut out).unwrap();
    (good, String::from_utf8(out).unwrap())
}

#[test]
fn each_certificate_turns_its_own_away() {
    let (fine, text) = reported(served("tv", brought(), Some(good())));
    assert!(fine, "{text}");
    assert!(text.contains("Android before 7.1.1"), "{text}");
    assert!(text.contains("TLS 1.0 or 1.1 at most"), "{text}");

    let (fine, text) = reported(served("tv", Source::Local, None));
    assert!(!fine);
    assert_eq!(
        text,
        "\
tv: the local authority, TLS 1.2 and 1.3
  warning: turns away every TV (webOS, Tizen, Roku), Chromecast, and whoever has not trusted it
    why: the local authority signs, and TVs and Chromecast take no authority of yours
    cure: a public name and `autocert: true`; for browsers and phones `usher trust`
  note: turns away Android 4.4 and older, TVs and players from before about 2014
    why: they speak TLS 1.0 or 1.1 at most, and usher speaks 1.2 and 1.3
    cure: a newer player beside the TV; the old protocols are not safe to turn on

"
    );

    type Change = fn(&mut Leaf);
    let changes: [(Change, &str); 9] = [
        (|leaf| leaf.sha1 = true, "SHA-1"),
        (|leaf| leaf.chain = 1, "intermediate"),
        (|leaf| leaf.self_signed = true, "it signed itself"),
        (|leaf| leaf.key = Key::Ed25519, "Ed25519"),
        (|leaf| leaf.key = Key::Ecdsa(521), "P-521"),
        (|leaf| leaf.key = Key::Rsa(1024), "1024 bits"),
        (|leaf| leaf.not_after = NOW.minus(DAY), "it has ended"),
        (|leaf| leaf.not_before = NOW.plus(DAY), "does not count before"),
        (|leaf| leaf.not_after = NOW.plus(DAY * 800), "longer than 398 days"),
    ];
    for (change, why) in changes {
        let mut leaf = good();
        change(&mut leaf);
        let (fine, text) = reported(served("tv", brought(), Some(leaf)));
        assert!(!fine && text.contains(why), "{why}: {text}");
    }
    let (fine, text) =
        reported(served("tv", brought(), Some(Leaf { key: Key::Rsa(4096), ..good() })));
    assert!(fine && text.contains("slow for TVs"), "{text}");
}
