use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest::{Context, SHA256};
use rustls_pki_types::{
    CertificateDer, SubjectPublicKeyInfoDer, TrustAnchor, UnixTime as Moment, pem::PemObject as _,
};
use webpki::{
    ALL_VERIFICATION_ALGS, EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeId,
    KeyPurposeIdIter, KeyUsage, RequiredEkuNotFoundContext, VerifiedPath, anchor_from_trusted_cert,
};
use x509_parser::{
    extensions::ParsedExtension,
    prelude::{FromDer as _, X509Certificate, X509Version},
};

use super::{
    names::NamePattern,
    read::{ClientChain, Term},
    revoked::RevokedList,
};
use crate::{
    policy::{Certificate, ClientCertificate, WrongCertificate},
    time::UnixTime,
};

/// What holds for every certificate, whoever signed it.
#[derive(Debug, Default)]
pub struct Constraints {
    /// How many authorities there may be over a certificate, the root among them; 0 is no limit.
    pub max_verify_depth: u32,
    /// One of these has to match a name; where there is none, every certificate passes.
    pub names: Vec<NamePattern>,
    /// Which certificates were taken back.
    pub revoked: Vec<RevokedList>,
}

impl Constraints {
    fn take_names(&self, certificate: &Certificate) -> bool {
        self.names.is_empty() || self.names.iter().any(|pattern| pattern.takes(certificate))
    }
}

/// Authorities that clients' certificates have to come from, and what else holds for these.
#[derive(Debug)]
pub struct ClientTrust {
    pem: Box<[u8]>,
    fingerprint: [u8; 32],
    anchors: Vec<Anchor>,
    constraints: Arc<Constraints>,
}

/// Why there is no trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// There is no certificate.
    #[error("it holds no certificate")]
    Empty,
    /// The certificate in this place can't be read, counted from 1.
    #[error("its certificate number {0} can't be read")]
    Unreadable(usize),
}

/// One certificate that is trusted.
///
/// What webpki does not ask of an anchor is asked here, as Go's library does: that it counts now,
/// that it may sign, for clients, and how long a path below it may be.
#[derive(Debug)]
struct Anchor {
    der: CertificateDer<'static>,
    trusted: TrustAnchor<'static>,
    term: Term,
    key_id: Option<Box<[u8]>>,
    path_length: Option<u32>,
    is_authority: bool,
}

/// What was found of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What is wrong with it, if anything is.
    pub wrong: Option<WrongCertificate>,
    /// The last moment at which the same is found.
    pub until: UnixTime,
}

impl ClientTrust {
    /// Trusts the certificates of a PEM text.
    ///
    /// # Errors
    ///
    /// [`TrustError`]: one that is left out could be the one that somebody's comes from.
    pub fn new(pem: &[u8], constraints: Arc<Constraints>) -> Result<Self, TrustError> {
        let mut anchors = Vec::new();
        for (index, der) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let anchor = der.ok().and_then(|der| Anchor::read(&der));
            anchors.push(anchor.ok_or(TrustError::Unreadable(index + 1))?);
        }
        if anchors.is_empty() {
            return Err(TrustError::Empty);
        }
        let fingerprint = fingerprint(pem, &constraints);
        Ok(Self { pem: pem.into(), fingerprint, anchors, constraints })
    }

    /// Over everything by which it judges.
    pub const fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// The text that it was made of.
    pub fn pem(&self) -> &[u8] {
        &self.pem
    }

    /// What else holds.
    pub fn constraints(&self) -> &Arc<Constraints> {
        &self.constraints
    }

    /// Names of the authorities, each as the inside of its SEQUENCE: hints for who has several
    /// certificates (RFC 8446 §4.2.4).
    pub fn subjects(&self) -> impl Iterator<Item = &[u8]> {
        self.anchors.iter().map(|anchor| anchor.trusted.subject.as_ref())
    }

    /// Is there one among them that may sign for clients?
    pub fn has_authorities(&self) -> bool {
        self.anchors.iter().any(|anchor| anchor.is_authority)
    }

    /// Is one of them the issuer of this list?
    pub fn issued(&self, list: &RevokedList) -> bool {
        self.anchors
            .iter()
            .any(|anchor| list.is_by(anchor.trusted.subject.as_ref(), anchor.key_id.as_deref()))
    }

    /// What a chain is worth at a moment.
    pub fn judge(&self, chain: &ClientChain, now: UnixTime) -> Judged {
        match self.verify(chain, now) {
            Ok(until) => Judged { wrong: None, until },
            // What is wrong may be right a second later: nobody knows for how long.
            Err(wrong) => Judged { wrong: Some(wrong), until: now },
        }
    }

    /// Until when it counts.
    fn verify(&self, chain: &ClientChain, now: UnixTime) -> Result<UnixTime, WrongCertificate> {
        let certificate = chain.certificate().ok_or(WrongCertificate::Unreadable)?;
        let (leaf, others) = chain.split().ok_or(WrongCertificate::Unreadable)?;
        let entity = EndEntityCert::try_from(leaf).map_err(|_| WrongCertificate::Unreadable)?;
        if !self.constraints.take_names(certificate) {
            return Err(WrongCertificate::OtherUse);
        }
        if let Some(named) = self.anchors.iter().find(|anchor| anchor.der == *leaf) {
            return named.by_itself(now);
        }
        let anchors: Vec<TrustAnchor<'_>> = self
            .anchors
            .iter()
            .filter(|anchor| anchor.is_authority && anchor.term.holds(now))
            .map(|anchor| anchor.trusted.clone())
            .collect();
        let path = entity
            .verify_for_usage(
                ALL_VERIFICATION_ALGS,
                &anchors,
                others,
                Moment::since_unix_epoch(Duration::from_secs(now.seconds())),
                ForClients,
                None,
                Some(&|path| self.accepts(path)),
            )
            .map_err(|error| wrong(&error))?;
        Ok(self.end_of(&path, leaf))
    }

    /// A path of which every signature holds.
    fn accepts(&self, path: &VerifiedPath<'_>) -> Result<(), Error> {
        let between = u32::try_from(path.intermediate_certificates().count()).unwrap_or(u32::MAX);
        let depth = self.constraints.max_verify_depth;
        if depth != 0 && between >= depth {
            return Err(Error::MaximumPathDepthExceeded);
        }
        let longest = self.of(path).and_then(|anchor| anchor.path_length);
        if longest.is_some_and(|longest| between > longest) {
            return Err(Error::PathLenConstraintViolated);
        }
        let (leaf, key) = (path.end_entity(), path.issuer_spki());
        // As in Pomerium the leaf alone is looked for.
        let lists = self.constraints.revoked.iter().filter(|list| list.is_of(leaf.issuer()));
        lists.into_iter().try_for_each(|list| judged_by(list, leaf.serial(), &key))
    }

    fn of(&self, path: &VerifiedPath<'_>) -> Option<&Anchor> {
        self.anchors.iter().find(|anchor| anchor.trusted == *path.anchor())
    }

    fn end_of(&self, path: &VerifiedPath<'_>, leaf: &[u8]) -> UnixTime {
        let between = path.intermediate_certificates().map(|one| Term::read(&one.der()));
        let root = self.of(path).map(|anchor| anchor.term);
        let terms = [Term::read(leaf), root].into_iter().chain(between);
        // One that can't be read holds for this moment alone.
        terms
            .map(|term| term.map(|term| term.until))
            .min()
            .flatten()
            .unwrap_or(UnixTime::from_seconds(0))
    }
}

fn fingerprint(pem: &[u8], constraints: &Constraints) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    let mut add = |part: &[u8]| {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    };
    add(pem);
    add(&constraints.max_verify_depth.to_be_bytes());
    constraints.names.iter().for_each(|name| add(format!("{name:?}").as_bytes()));
    constraints.revoked.iter().for_each(|list| add(list.content()));
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

fn judged_by(
    list: &RevokedList,
    serial: &[u8],
    issuer: &SubjectPublicKeyInfoDer<'_>,
) -> Result<(), Error> {
    if !list.is_signed_by(issuer) {
        return Err(Error::InvalidCrlSignatureForPublicKey);
    }
    if list.names(serial) { Err(Error::CertRevoked) } else { Ok(()) }
}

impl Anchor {
    fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let trusted = anchor_from_trusted_cert(der).ok()?.to_owned();
        let (_, read) = X509Certificate::from_der(der).ok()?;
        let basic = read.basic_constraints().ok()?.map(|found| found.value.clone());
        let key_usage = read.key_usage().ok()?;
        let usage = read.extended_key_usage().ok()?;
        let is_ca = match &basic {
            Some(basic) => basic.ca,
            None => read.version() != X509Version::V3, // there was no such extension before
        };
        let signs = key_usage.is_none_or(|usage| usage.value.key_cert_sign());
        let for_clients = usage.is_none_or(|usage| usage.value.any || usage.value.client_auth);
        Some(Self {
            term: Term::of(&read),
            key_id: key_id(&read),
            path_length: basic.and_then(|basic| basic.path_len_constraint),
            is_authority: is_ca && signs && for_clients,
            der: der.clone().into_owned(),
            trusted,
        })
    }

    /// A certificate that is itself among those that are trusted needs nobody to vouch for it.
    fn by_itself(&self, now: UnixTime) -> Result<UnixTime, WrongCertificate> {
        let (_, read) =
            X509Certificate::from_der(&self.der).map_err(|_| WrongCertificate::Unreadable)?;
        let usage = read.extended_key_usage().map_err(|_| WrongCertificate::Unreadable)?;
        if usage.is_some_and(|usage| !usage.value.any && !usage.value.client_auth) {
            return Err(WrongCertificate::OtherUse);
        }
        if self.term.holds(now) { Ok(self.term.until) } else { Err(WrongCertificate::OutOfTime) }
    }
}

fn key_id(read: &X509Certificate<'_>) -> Option<Box<[u8]>> {
    read.iter_extensions().find_map(|extension| {
        let ParsedExtension::SubjectKeyIdentifier(id) = extension.parsed_extension() else {
            return None;
        };
        Some(id.0.into())
    })
}

/// Nothing is said of what it is for, or clients are among it (RFC 5280 §4.2.1.12).
struct ForClients;

const CLIENT_AUTH: KeyPurposeId<'static> = KeyPurposeId::new(&[43, 6, 1, 5, 5, 7, 3, 2]);
const ANY_USE: KeyPurposeId<'static> = KeyPurposeId::new(&[85, 29, 37, 0]);

impl ExtendedKeyUsageValidator for ForClients {
    fn validate(&self, uses: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        let mut present = Vec::new();
        for one in uses {
            let one = one?;
            if one == CLIENT_AUTH || one == ANY_USE {
                return Ok(());
            }
            present.push(one.to_decoded_oid());
        }
        if present.is_empty() {
            return Ok(());
        }
        let required = KeyUsage::client_auth();
        Err(Error::RequiredEkuNotFoundContext(RequiredEkuNotFoundContext { required, present }))
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a list that grows; all else is no trust")]
fn wrong(error: &Error) -> WrongCertificate {
    match error {
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } => WrongCertificate::OutOfTime,
        Error::CertRevoked => WrongCertificate::Revoked,
        Error::RequiredEkuNotFoundContext(_) => WrongCertificate::OtherUse,
        _ => WrongCertificate::Untrusted,
    }
}

impl Judged {
    /// What a policy is shown of a chain that was judged so.
    pub fn standing(self, chain: &ClientChain) -> ClientCertificate<'_> {
        match (self.wrong, chain.certificate()) {
            (None, Some(certificate)) => ClientCertificate::Valid(certificate),
            (None, None) => ClientCertificate::Wrong(None, WrongCertificate::Unreadable),
            (Some(wrong), certificate) => ClientCertificate::Wrong(certificate, wrong),
        }
    }
}
