use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;
use x509_parser::{
    asn1_rs::{Any, Utf8String},
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use crate::{policy::Certificate, time::UnixTime};

/// Of a user principal name among the other names (1.3.6.1.4.1.311.20.2.3).
const USER_PRINCIPAL_NAME: &str = "1.3.6.1.4.1.311.20.2.3";

/// What a client showed in its handshake: its certificate first, then what leads to an authority.
#[derive(Clone, Debug)]
pub struct ClientChain {
    /// INVARIANT: there is at least one.
    certificates: Vec<CertificateDer<'static>>,
    /// `None` where it can't be read.
    leaf: Option<Certificate>,
}

impl ClientChain {
    /// Reads a chain, leaf first; `None` for an empty one, which is how a client says that it has
    /// no certificate (RFC 8446 §4.4.2.4).
    pub fn read(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let leaf = certificate(chain.first()?);
        let certificates = chain.iter().map(|der| der.clone().into_owned()).collect();
        Some(Self { certificates, leaf })
    }

    /// What a policy may compare; `None` where it can't be read.
    pub const fn certificate(&self) -> Option<&Certificate> {
        self.leaf.as_ref()
    }

    /// As they came, leaf first.
    pub fn octets(&self) -> impl Iterator<Item = &[u8]> {
        self.certificates.iter().map(AsRef::as_ref)
    }

    /// Leaf first.
    pub(super) fn split(&self) -> Option<(&CertificateDer<'static>, &[CertificateDer<'static>])> {
        self.certificates.split_first()
    }
}

fn certificate(der: &[u8]) -> Option<Certificate> {
    let (rest, read) = X509Certificate::from_der(der).ok()?;
    let mut names = Names::default();
    if let Some(found) = read.subject_alternative_name().ok()? {
        found.value.general_names.iter().try_for_each(|name| names.add(name))?;
    }
    let Names { email, dns, uri, ip, upn } = names;
    rest.is_empty().then(|| Certificate {
        fingerprint: sha256(der),
        spki_hash: sha256(read.public_key().raw),
        san_email: email.into(),
        san_dns: dns.into(),
        san_uri: uri.into(),
        san_ip: ip.into(),
        san_upn: upn.into(),
        subject: read.subject().to_string().into(),
        issuer: read.issuer().to_string().into(),
    })
}

fn sha256(of: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, of).as_ref());
    hash
}

/// Alternative names, kind by kind.
#[derive(Default)]
struct Names {
    email: Vec<Box<str>>,
    dns: Vec<Box<str>>,
    uri: Vec<Box<str>>,
    ip: Vec<Box<str>>,
    upn: Vec<Box<str>>,
}

impl Names {
    /// `None` for a name that is not what its tag says: half a list of names is none.
    fn add(&mut self, name: &GeneralName<'_>) -> Option<()> {
        match name {
            GeneralName::RFC822Name(text) => self.email.push((*text).into()),
            GeneralName::DNSName(text) => self.dns.push((*text).into()),
            GeneralName::URI(text) => self.uri.push((*text).into()),
            GeneralName::IPAddress(octets) => self.ip.push(address(octets)?.to_string().into()),
            GeneralName::OtherName(kind, value) if kind.to_id_string() == USER_PRINCIPAL_NAME => {
                self.upn.extend(principal(value));
            }
            GeneralName::Invalid(..) => return None,
            GeneralName::OtherName(..)
            | GeneralName::X400Address(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EDIPartyName(_)
            | GeneralName::RegisteredID(_) => {}
        }
        Some(())
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(v4).into());
    }
    let v6 = <[u8; 16]>::try_from(octets).ok()?;
    Some(IpAddr::from(Ipv6Addr::from(v6)).to_canonical())
}

/// `[0] EXPLICIT UTF8String`.
fn principal(value: &[u8]) -> Option<Box<str>> {
    let (_, outer) = Any::from_der(value).ok()?;
    let (_, text) = Utf8String::from_der(outer.data).ok()?;
    Some(text.as_ref().into())
}

/// From when to when a certificate counts, both moments included (RFC 5280 §4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) from: UnixTime,
    pub(super) until: UnixTime,
}

impl Term {
    pub(super) fn of(read: &X509Certificate<'_>) -> Self {
        let validity = read.validity();
        Self {
            from: moment(validity.not_before.timestamp()),
            until: moment(validity.not_after.timestamp()),
        }
    }

    /// Of a certificate that was read before.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        X509Certificate::from_der(der).ok().map(|(_, read)| Self::of(&read))
    }

    pub(super) fn holds(self, now: UnixTime) -> bool {
        self.from <= now && now <= self.until
    }
}

/// What was before 1970 is over.
pub(super) fn moment(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(u64::try_from(seconds).unwrap_or_default())
}
