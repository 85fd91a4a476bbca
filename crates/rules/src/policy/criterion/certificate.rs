//! What a client showed in its handshake. What it is worth was worked out before, where there is a
//! clock: see [`ClientCertificate`].

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{About, Doubt, Fact, Question, Reason, Written};
use crate::{
    policy::{
        facts::{Certificate, ClientCertificate, Facts},
        matcher::TextMatch,
        report::{Report, nearest},
    },
    yaml::{Entry, Kind, Node},
};

criteria! { Certificate: Matching, Invalid; }

/// What was shown, and what it is worth.
pub(in crate::policy) struct Shown;

impl Fact for Shown {
    type Seen<'a> = ClientCertificate<'a>;
    const ABOUT: About = About::Request;

    fn of<'a>(facts: &Facts<'a>) -> Result<ClientCertificate<'a>, (Reason, &'static str)> {
        Ok(facts.certificate)
    }
}

/// `client_certificate`: all that is asked of it is true of the one that was shown.
#[derive(Clone, Debug, Default)]
pub(in crate::policy) struct Matching {
    fingerprints: Option<Hashes>,
    keys: Option<Hashes>,
    email: Option<TextMatch>,
    dns: Option<TextMatch>,
    uri: Option<TextMatch>,
}

type Hashes = Box<[[u8; 32]]>;

const CONDITIONS: [&str; 5] = ["fingerprint", "spki_hash", "san_email", "san_dns", "san_uri"];

impl Question for Matching {
    const NAME: &'static str = "client_certificate";
    const REASONS: [&'static str; 2] = ["client-certificate-ok", "client-certificate-unauthorized"];
    type Of = Shown;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        let Kind::Map(entries) = &written.data.kind else {
            report.error(
                "U340",
                &written.data.span,
                "`client_certificate` takes a map of what has to be true of a certificate",
                format!("its keys are `{}`", CONDITIONS.join("`, `")),
            );
            return None;
        };
        let mut read = Some(Self::default());
        for entry in entries {
            let condition = Self::condition(entry, report);
            read = read.zip(condition).map(|(read, add)| add(read));
        }
        read
    }

    fn holds(&self, shown: ClientCertificate<'_>, doubt: Doubt) -> bool {
        match (shown, doubt) {
            (ClientCertificate::Unjudged(None) | ClientCertificate::Absent, _)
            | (ClientCertificate::Distrusted(_), Doubt::Fails) => false,
            (ClientCertificate::Wrong(None, _), doubt) => doubt == Doubt::Differs,
            (
                ClientCertificate::Unjudged(Some(certificate))
                | ClientCertificate::Valid(certificate)
                | ClientCertificate::Wrong(Some(certificate), _),
                _,
            )
            | (ClientCertificate::Distrusted(certificate), Doubt::Differs) => {
                self.takes(certificate)
            }
        }
    }

    fn in_words(&self) -> String {
        let hashes = |of: &Option<Hashes>, write: fn(&[u8; 32]) -> String| {
            let of = of.as_ref()?;
            Some(format!("is one of `{}`", of.iter().map(write).collect::<Vec<_>>().join("`, `")))
        };
        let names = |of: &Option<TextMatch>| of.as_ref().map(TextMatch::in_words);
        let words = [
            ("its fingerprint", hashes(&self.fingerprints, hex)),
            ("the hash of its key", hashes(&self.keys, |hash| STANDARD.encode(hash))),
            ("an address in it", names(&self.email)),
            ("a DNS name in it", names(&self.dns)),
            ("a URI in it", names(&self.uri)),
        ];
        let words = words.into_iter().filter_map(|(what, words)| Some(format!("{what} {}", words?)));
        let words: Vec<String> = words.collect();
        if words.is_empty() { "there is a certificate".into() } else { words.join(" and ") }
    }

    fn found(&self, shown: ClientCertificate<'_>) -> String {
        found(shown)
    }

    fn of_certificates(&self) -> Option<RestsOn> {
        let never = |hashes: &Option<Hashes>| hashes.as_ref().is_some_and(|all| all.is_empty());
        let is_pinned = self.fingerprints.is_some() || self.keys.is_some();
        Some(match is_pinned && !never(&self.fingerprints) && !never(&self.keys) {
            true => RestsOn::Key,
            false => RestsOn::Names,
        })
    }
}

impl Matching {
    /// One of its keys. `None` when something is wrong with it.
    fn condition(
        Entry { key, key_span, value }: &Entry,
        report: &mut Report<'_>,
    ) -> Option<impl FnOnce(Self) -> Self + use<>> {
        let word = key.to_ascii_lowercase();
        let named = format!("client_certificate: {word}");
        let mut part = Self::default();
        let names = |report: &mut Report<'_>| {
            TextMatch::read_among(&named, value, report).map(Some)
        };
        match &*word {
            "fingerprint" => part.fingerprints = Some(hashes(&named, value, fingerprint, report)?),
            "spki_hash" => part.keys = Some(hashes(&named, value, key_hash, report)?),
            "san_email" => part.email = names(report)?,
            "san_dns" => part.dns = names(report)?,
            "san_uri" => part.uri = names(report)?,
            _ => {
                let help = match nearest(&word, &CONDITIONS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it knows `{}`", CONDITIONS.join("`, `")),
                };
                report.error("U310", key_span, format!("`{}` knows no `{key}`", Self::NAME), help);
                return None;
            }
        }
        Some(|other: Self| Self {
            fingerprints: part.fingerprints.or(other.fingerprints),
            keys: part.keys.or(other.keys),
            email: part.email.or(other.email),
            dns: part.dns.or(other.dns),
            uri: part.uri.or(other.uri),
        })
    }

    fn takes(&self, certificate: &Certificate) -> bool {
        let among = |hashes: &Option<Hashes>, hash| {
            hashes.as_ref().is_none_or(|hashes| hashes.contains(hash))
        };
        let names = |wanted: &Option<TextMatch>, names: &[Box<str>]| {
            wanted.as_ref().is_none_or(|wanted| wanted.takes_among(names))
        };
        among(&self.fingerprints, &certificate.fingerprint)
            && among(&self.keys, &certificate.spki_hash)
            && names(&self.email, &certificate.san_email)
            && names(&self.dns, &certificate.san_dns)
            && names(&self.uri, &certificate.san_uri)
    }
}

/// What a criterion about certificates rests on, where no authority vouches for these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum RestsOn {
    /// On a key, which who shows a certificate has.
    Key,
    /// On what a certificate says, and anybody can write one.
    Names,
    /// On an authority.
    Authority,
}

/// One text or a list of them; an empty list is met by none.
fn hashes(
    named: &str,
    node: &Node,
    read: fn(&str) -> Result<[u8; 32], String>,
    report: &mut Report<'_>,
) -> Option<Hashes> {
    let items = match &node.kind {
        Kind::List(items) => items.as_slice(),
        Kind::Scalar { .. } | Kind::Map(_) => std::slice::from_ref(node),
    };
    let mut one = |item: &Node| {
        let text = crate::policy::value_of(item);
        let Some(text) = text.as_str() else {
            report.not_text(named, item);
            return None;
        };
        let hash = read(text);
        hash.map_err(|help| {
            report.error("U341", &item.span, format!("`{named}`: this is no SHA-256"), help);
        })
        .ok()
    };
    let read: Vec<_> = items.iter().map(&mut one).collect();
    read.into_iter().collect()
}

/// Lower case without colons or upper case with them, as in Pomerium.
fn fingerprint(text: &str) -> Result<[u8; 32], String> {
    let is_long = text.len() == 95 && text.split(':').all(|pair| pair.len() == 2);
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    let right_case = |c: char| match is_long {
        true => c.is_ascii_digit() || ('A'..='F').contains(&c),
        false => c.is_ascii_digit() || ('a'..='f').contains(&c),
    };
    let mut hash = [0; 32];
    let pairs = digits.as_bytes().chunks(2).map(std::str::from_utf8);
    let octets = pairs.map(|pair| u8::from_str_radix(pair.unwrap_or_default(), 16));
    let is_hex = digits.len() == 64
        && octets.zip(&mut hash).all(|(read, octet)| read.map(|read| *octet = read).is_ok());
    let is_written = is_long || digits.len() == text.len();
    if is_hex && is_written && digits.chars().all(right_case) {
        return Ok(hash);
    }
    let help = "write what `openssl x509 -noout -fingerprint -sha256 -in CERT` prints behind the `=`";
    match is_hex {
        true => Err(format!("write `{}`", digits.to_ascii_lowercase())),
        false => Err(help.into()),
    }
}

fn key_hash(text: &str) -> Result<[u8; 32], String> {
    let help = "write what `openssl x509 -noout -pubkey -in CERT | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64` prints";
    let hash = STANDARD.decode(text).ok().and_then(|hash| <[u8; 32]>::try_from(hash).ok());
    hash.ok_or_else(|| help.into())
}

fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// `invalid_client_certificate`: none was shown, or one that counts for nothing.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Invalid;

const REQUIRED: &str = "client-certificate-required";

impl Question for Invalid {
    const NAME: &'static str = "invalid_client_certificate";
    const REASONS: [&'static str; 2] = ["invalid-client-certificate", "valid-client-certificate"];
    const MORE_REASONS: &'static [&'static str] = &[REQUIRED];
    type Of = Shown;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        written.without_operand(report);
        Some(Self)
    }

    fn holds(&self, shown: ClientCertificate<'_>, _: Doubt) -> bool {
        match shown {
            ClientCertificate::Unjudged(_) | ClientCertificate::Valid(_) => false,
            ClientCertificate::Absent
            | ClientCertificate::Wrong(..)
            | ClientCertificate::Distrusted(_) => true,
        }
    }

    fn why(&self, shown: ClientCertificate<'_>) -> Option<Reason> {
        matches!(shown, ClientCertificate::Absent).then_some(const { Reason::named(REQUIRED) })
    }

    fn in_words(&self) -> String {
        "there is no valid certificate".into()
    }

    fn found(&self, shown: ClientCertificate<'_>) -> String {
        found(shown)
    }

    fn of_certificates(&self) -> Option<RestsOn> {
        Some(RestsOn::Authority)
    }
}

fn found(shown: ClientCertificate<'_>) -> String {
    let of = |certificate: &Certificate, worth: &str| {
        format!("`{}`, {}, {worth}", certificate.subject, hex(&certificate.fingerprint))
    };
    match shown {
        ClientCertificate::Unjudged(None) | ClientCertificate::Absent => "none was shown".into(),
        ClientCertificate::Wrong(None, _) => "what was shown can't be read".into(),
        ClientCertificate::Unjudged(Some(shown)) => of(shown, "which nobody vouches for"),
        ClientCertificate::Valid(shown) => of(shown, "which is valid"),
        ClientCertificate::Wrong(Some(shown), why) => of(shown, why.words()),
        ClientCertificate::Distrusted(shown) => of(shown, "which is not valid"),
    }
}
