//! Which clients a certificate turns away, and what would let them in.
//!
//! A table of what is publicly known of clients; nothing here was tried on the devices themselves.

use std::time::Duration;

use usher_rules::time::UnixTime;

use super::report::{Key, Leaf, Served, Source};
use crate::request::record::moment;

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

fn of_leaf(leaf: &Leaf, now: UnixTime) -> impl Iterator<Item = Finding> {
    let found = [of_time(leaf, now), of_signature(leaf), of_chain(leaf), of_key(leaf.key)];
    found.into_iter().chain([of_life(leaf), of_issuer(leaf)]).flatten()
}

fn find(weight: Weight, who: &'static str, why: &str, cure: &'static str) -> Option<Finding> {
    Some(Finding { weight, who, why: why.into(), cure })
}

fn of_time(leaf: &Leaf, now: UnixTime) -> Option<Finding> {
    let find = |why: String, cure| find(Weight::Everybody, "everybody", &why, cure);
    if leaf.not_after <= now {
        return find(format!("it has ended on {}", moment(leaf.not_after)), "renew it");
    }
    let why = || format!("it does not count before {}", moment(leaf.not_before));
    (now < leaf.not_before).then(|| find(why(), "check the clock"))?
}

fn of_signature(leaf: &Leaf) -> Option<Finding> {
    let (who, cure) = ("every browser since 2017", "have it signed with SHA-256");
    leaf.sha1.then(|| find(Weight::Everybody, who, "it is signed with SHA-1", cure))?
}

fn of_chain(leaf: &Leaf) -> Option<Finding> {
    if leaf.self_signed {
        return find(
            Weight::Some,
            "TVs and Chromecast, and every browser that was not told to trust it",
            "it signed itself",
            "a certificate of a public authority: `autocert: true`",
        );
    }
    if leaf.chain >= 2 {
        return None;
    }
    find(
        Weight::Some,
        "TVs, apps and players; browsers may find it by themselves",
        "the authority's intermediate certificate is not sent",
        "put the whole chain into the file, the leaf first (`fullchain.pem`)",
    )
}

fn of_key(key: Key) -> Option<Finding> {
    let p256 = "an ECDSA key on P-256";
    match key {
        Key::Ed25519 => {
            let who = "browsers and TVs: none of them takes Ed25519";
            find(Weight::Some, who, "its key is Ed25519", p256)
        }
        Key::Ecdsa(bits) if bits > 384 => {
            let who = "Chrome, and TVs that are built on it";
            find(Weight::Some, who, &format!("its key is on P-{bits}"), p256)
        }
        Key::Rsa(bits) if bits < 2048 => {
            let cure = "an ECDSA key on P-256, or RSA with 2048 bits";
            find(Weight::Everybody, "every browser", &format!("its key has {bits} bits"), cure)
        }
        Key::Rsa(bits) if bits > 3072 => {
            let who = "nobody; slow for TVs and small servers";
            find(Weight::Note, who, &format!("its key has {bits} bits"), p256)
        }
        Key::Ecdsa(_) | Key::Rsa(_) => None,
    }
}

fn of_life(leaf: &Leaf) -> Option<Finding> {
    let life = leaf.not_after.since(leaf.not_before);
    if life <= DAY * (APPLE_LIFE + 1) || leaf.self_signed {
        return None;
    }
    let why = format!("it lives longer than {APPLE_LIFE} days");
    find(Weight::Some, "iPhones, iPads, Macs and Apple TVs", &why, "a shorter life")
}

fn of_issuer(leaf: &Leaf) -> Option<Finding> {
    if !is_lets_encrypt(&leaf.issuer) {
        return None;
    }
    find(
        Weight::Note,
        "Android before 7.1.1, and TVs that had their last update before 2017",
        "they do not know Let's Encrypt's root (ISRG Root X1)",
        "another authority in `autocert_ca`, or a newer player",
    )
}

/// Their intermediates are named by kind of key and number: `R13`, `E8`, later `YE2`, `YR1`.
fn is_lets_encrypt(issuer: &str) -> bool {
    let name = issuer.strip_prefix('Y').unwrap_or(issuer);
    let number = name.strip_prefix(['R', 'E']).unwrap_or_default();
    !number.is_empty() && number.len() <= 2 && number.bytes().all(|octet| octet.is_ascii_digit())
}
