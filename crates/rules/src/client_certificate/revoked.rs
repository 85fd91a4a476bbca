use std::{collections::BTreeSet, fmt};

use rustls_pki_types::{
    CertificateRevocationListDer, SubjectPublicKeyInfoDer, pem::PemObject as _,
};
use webpki::{ALL_VERIFICATION_ALGS, RawPublicKeyEntity};
use x509_parser::{
    asn1_rs::Any, extensions::ParsedExtension, prelude::FromDer,
    revocation_list::CertificateRevocationList,
};

use super::read::moment;
use crate::time::UnixTime;

/// A list of certificates that their authority took back (RFC 5280 §5).
///
/// As in Pomerium it is found by its issuer's name alone, and its age does not count: who stops
/// renewing it does not turn everybody away. `usher check` tells of one that has ended.
pub struct RevokedList {
    /// What stands inside of the name's SEQUENCE.
    issuer: Box<[u8]>,
    issuer_name: Box<str>,
    key_id: Option<Box<[u8]>>,
    serials: BTreeSet<Box<[u8]>>,
    next_update: Option<UnixTime>,
    signed: Signed,
}

/// What was signed, and how.
struct Signed {
    content: Box<[u8]>,
    algorithm: Box<[u8]>,
    signature: Box<[u8]>,
}

impl RevokedList {
    /// Every list in a PEM text, in order; `None` where there is none, or one can't be read.
    pub fn read_all(pem: &[u8]) -> Option<Vec<Self>> {
        let lists: Option<Vec<Self>> = CertificateRevocationListDer::pem_slice_iter(pem)
            .map(|der| Self::read(&der.ok()?))
            .collect();
        lists.filter(|lists| !lists.is_empty())
    }

    fn read(der: &[u8]) -> Option<Self> {
        let (rest, read) = CertificateRevocationList::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let key_id = read.extensions().iter().find_map(|extension| {
            let ParsedExtension::AuthorityKeyIdentifier(found) = extension.parsed_extension()
            else {
                return None;
            };
            found.key_identifier.as_ref().map(|id| id.0.into())
        });
        let serials = read.iter_revoked_certificates();
        Some(Self {
            issuer: Any::from_der(read.issuer().as_raw()).ok()?.1.data.into(),
            issuer_name: read.issuer().to_string().into(),
            key_id,
            serials: serials.map(|one| number(one.raw_serial()).into()).collect(),
            next_update: read.next_update().map(|at| moment(at.timestamp())),
            signed: Signed::of(der)?,
        })
    }

    /// Whose list it is.
    pub fn issuer_name(&self) -> &str {
        &self.issuer_name
    }

    /// Until when there is a newer one.
    pub const fn next_update(&self) -> Option<UnixTime> {
        self.next_update
    }

    /// What its authority signed.
    pub(super) fn content(&self) -> &[u8] {
        &self.signed.content
    }

    /// Is it of an authority with this name and, where both say, this key?
    pub(super) fn is_by(&self, subject: &[u8], key_id: Option<&[u8]>) -> bool {
        let same_key = match (&self.key_id, key_id) {
            (Some(own), Some(theirs)) => **own == *theirs,
            (None, _) | (_, None) => true,
        };
        self.is_of(subject) && same_key
    }

    /// Is it about certificates that an issuer of this name signed?
    pub(super) fn is_of(&self, issuer: &[u8]) -> bool {
        *self.issuer == *issuer
    }

    /// Did the holder of this key sign it? One that somebody else signed says nothing, and what is
    /// not known to be good is not.
    pub(super) fn is_signed_by(&self, key: &SubjectPublicKeyInfoDer<'_>) -> bool {
        let Ok(key) = RawPublicKeyEntity::try_from(key) else { return false };
        let Signed { content, algorithm, signature } = &self.signed;
        let fitting =
            ALL_VERIFICATION_ALGS.iter().filter(|one| *one.signature_alg_id() == **algorithm);
        fitting.into_iter().any(|one| key.verify_signature(*one, content, signature).is_ok())
    }

    /// Does it name this certificate?
    pub(super) fn names(&self, serial: &[u8]) -> bool {
        self.serials.contains(number(serial))
    }
}

/// An integer without the zeros in front that only say it is positive (X.690 §8.3).
fn number(octets: &[u8]) -> &[u8] {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    octets.get(zeros..).unwrap_or_default()
}

impl Signed {
    /// `SEQUENCE { tbsCertList, signatureAlgorithm, signatureValue }` (RFC 5280 §5.1).
    fn of(der: &[u8]) -> Option<Self> {
        let (_, whole) = Any::from_der(der).ok()?;
        let (rest, _) = Any::from_der(whole.data).ok()?;
        let (content, _) = whole.data.split_at_checked(whole.data.len() - rest.len())?;
        let (rest, algorithm) = Any::from_der(rest).ok()?;
        let (_, signature) = Any::from_der(rest).ok()?;
        let (unused, signature) = signature.data.split_first()?;
        (*unused == 0).then(|| Self {
            content: content.into(),
            algorithm: algorithm.data.into(),
            signature: signature.into(),
        })
    }
}

impl fmt::Debug for RevokedList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.serials.len(), self.issuer_name)
    }
}
