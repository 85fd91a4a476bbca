//! Which clients a certificate turns away, and what would let them in.
//!
//! A table of what is publicly known of clients; nothing here was tried on the devices themselves.

use std::time::Duration;

use usher_rules::time::UnixTime;

use super::report::{Key, Leaf, Served, Source};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Worth knowing.
    Note,
    /// Some clients are turned away.
    Some,
    /// Everybody is turned away.
    Everybody,
}

/// Who is turned away, why, and the cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// Who.
    pub who: &'static str,
    /// Why.
    pub why: String,
    /// What lets them in.
    pub cure: &'static str,
}

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Apple's devices refuse certificates of public authorities that live longer, in days, since
/// September 2020.
const APPLE_LIFE: u32 = 398;

/// What there is to say about a host.
pub fn findings(served: &Served, now: UnixTime) -> Vec<Finding> {
    let mut findings = vec![old_protocols()];
    match (&served.source, &served.leaf) {
        (Source::Local | Source::Meanwhile, _) => findings.push(local()),
        (Source::Acme(_) | Source::Brought(_), Some(leaf)) => {
            findings.extend(of_leaf(leaf, now));
        }
        (Source::Acme(_) | Source::Brought(_), None) => {}
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    findings
}

/// usher speaks TLS 1.2 and 1.3 only (RFC 8996 retired what was before).
fn old_protocols() -> Finding {
    Finding {
        weight: Weight::Note,
        who: "Android 4.4 and older, TVs and players from before about 2014",
        why: "they speak TLS 1.0 or 1.1 at most, and usher speaks 1.2 and 1.3".into(),
        cure: "a newer player beside the TV; the old protocols are not safe to turn on",
    }
}

fn local() -> Finding {
    Finding {
        weight: Weight::Some,
        who: "every TV (webOS, Tizen, Roku), Chromecast, and whoever has not trusted it",
        why: "the local authority signs, and TVs and Chromecast take no authority of yours".into(),
        cure: "a public name and `autocert: true`; for browsers and phones `usher trust`",
    }
}

fn of_leaf(leaf: &Leaf, now: UnixTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |weight, who, why: String, cure| {
        findings.push(Finding { weight, who, why, cure });
    };
    if leaf.not_after <= now {
        find(Weight::Everybody, "everybody", "it has ended".into(), "renew it");
    } else if now < leaf.not_before {
        find(Weight::Everybody, "everybody", "it does not count yet".into(), "check the clock");
    }
    if leaf.sha1 {
        find(
            Weight::Everybody,
            "every browser since 2017",
            "it is signed with SHA-1".into(),
            "have it signed with SHA-256",
        );
    }
    if leaf.self_signed {
        find(
            Weight::Some,
            "TVs and Chromecast, and every browser that was not told to trust it",
            "it signed itself".into(),
            "a certificate of a public authority: `autocert: true`",
        );
    } else if leaf.chain < 2 {
        find(
            Weight::Some,
            "TVs, apps and players; browsers may find it by themselves",
            "the authority's intermediate certificate is not sent".into(),
            "put the whole chain into the file, the leaf first (`fullchain.pem`)",
        );
    }
    match leaf.key {
        Key::Ed25519 => find(
            Weight::Some,
            "browsers and TVs: none of them takes Ed25519",
            "its key is Ed25519".into(),
            "an ECDSA key on P-256",
        ),
        Key::Ecdsa(bits) if bits > 384 => find(
            Weight::Some,
            "Chrome, and TVs that are built on it",
            format!("its key is on P-{bits}"),
            "an ECDSA key on P-256",
        ),
        Key::Rsa(bits) if bits < 2048 => find(
            Weight::Everybody,
            "every browser",
            format!("its key has {bits} bits"),
            "an ECDSA key on P-256, or RSA with 2048 bits",
        ),
        Key::Rsa(bits) if bits > 3072 => find(
            Weight::Note,
            "nobody; slow for TVs and small servers",
            format!("its key has {bits} bits"),
            "an ECDSA key on P-256",
        ),
        Key::Ecdsa(_) | Key::Rsa(_) => {}
    }
    if leaf.not_after.since(leaf.not_before) > DAY * (APPLE_LIFE + 1) && !leaf.self_signed {
        find(
            Weight::Some,
            "iPhones, iPads, Macs and Apple TVs",
            format!("it lives longer than {APPLE_LIFE} days"),
            "a shorter life",
        );
    }
    if is_lets_encrypt(&leaf.issuer) {
        find(
            Weight::Note,
            "Android before 7.1.1, and TVs that had their last update before 2017",
            "they do not know Let's Encrypt's root (ISRG Root X1)".into(),
            "another authority in `autocert_ca`, or a newer player",
        );
    }
    findings
}

/// Their intermediates are named by kind of key and number: `R13`, `E8`, later `YE2`, `YR1`.
fn is_lets_encrypt(issuer: &str) -> bool {
    let name = issuer.strip_prefix('Y').unwrap_or(issuer);
    let number = name.strip_prefix(['R', 'E']).unwrap_or_default();
    !number.is_empty() && number.len() <= 2 && number.bytes().all(|octet| octet.is_ascii_digit())
}
