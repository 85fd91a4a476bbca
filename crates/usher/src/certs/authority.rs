//! The local authority: signs for hosts that nobody gave a certificate for.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use quick_cache::sync::Cache;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use time::OffsetDateTime;
use usher_rules::time::UnixTime;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use super::{CertError, file as file_on_disk, permitted};
use crate::request::Anchor;

const FOLDER: &str = "authority";
const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The authority's own life, in days: ten years.
const LIFE: u32 = 3650;
/// A leaf's life, in days (`crates.md` §2.4).
const LEAF_LIFE: u32 = 47;
/// Clocks of visitors may be behind ours.
const SKEW: Duration = Duration::from_secs(3600);
/// Leaves in memory. Names under a wildcard route are chosen by visitors.
const LEAVES: usize = 1024;

/// Signs a leaf per host. Lives in `authority/` of the data directory: `ca.pem`, which people may
/// trust, and `ca.key`, which nobody else may read.
pub struct Authority {
    /// Absent where it is damaged: it signs nothing then, and hosts with certificates go on.
    signer: Option<Signer>,
    file: PathBuf,
    pub(super) leaves: Cache<Box<[Box<str>]>, Arc<CachedLeaf>>,
}

struct Signer {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    /// The same as it stands in the file.
    pem: Arc<[u8]>,
    not_after: UnixTime,
}

pub(super) struct CachedLeaf {
    key: Arc<CertifiedKey>,
    signed_at: UnixTime,
}

impl Authority {
    /// Opens the authority of a data directory, or makes it.
    ///
    /// A new one may sign for the neighbourhood of `hosts` and for local names, and for nothing
    /// else. A damaged one is never replaced: people trust it.
    ///
    /// # Errors
    ///
    /// [`CertError`], which names the file and says what to do.
    pub fn open(data_dir: &Path, hosts: &[Box<str>], now: UnixTime) -> Result<Self, CertError> {
        let folder = data_dir.join(FOLDER);
        let (file, key_file) = (folder.join(CERTIFICATE), folder.join(KEY));
        let key = match (file_on_disk::read(&key_file)?, file.exists()) {
            (Some(text), _) => key_pair(&text, &key_file)?,
            (None, true) => {
                return Err(CertError::Authority { file: key_file, why: "is missing" });
            }
            (None, false) => make_key(&folder, &key_file)?,
        };
        let text = match file_on_disk::read(&file)? {
            Some(text) => text,
            None if !now.is_plausible() => return Err(CertError::ClockUnset),
            // The key was written and the power went: the same key makes an equal authority.
            None => make_certificate(&key, &file, hosts, now)?,
        };
        let (certificate, not_after) = certificate(&text, &key, &file)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        let pem = Arc::from(text.as_slice());
        let signer = Some(Signer { issuer, certificate, pem, not_after });
        Ok(Self { signer, file, leaves: Cache::new(LEAVES) })
    }

    /// One that signs nothing, in the place of one that can't be opened.
    pub fn absent(data_dir: &Path) -> Self {
        let file = data_dir.join(FOLDER).join(CERTIFICATE);
        Self { signer: None, file, leaves: Cache::new(1) }
    }

    /// May it sign for this host? Browsers refuse what it signs for others.
    pub fn permits(&self, host: &str) -> bool {
        self.der().is_none_or(|root| permitted::permits(root, host))
    }

    /// The certificate that people may trust, DER.
    pub fn der(&self) -> Option<&CertificateDer<'static>> {
        self.signer.as_ref().map(|signer| &signer.certificate)
    }

    /// The same, as people take it home.
    pub(super) fn anchor(&self) -> Option<Anchor> {
        let signer = self.signer.as_ref()?;
        Some(Anchor { pem: Arc::clone(&signer.pem), der: Arc::from(&*signer.certificate) })
    }

    /// When it ends.
    pub fn not_after(&self) -> Option<UnixTime> {
        self.signer.as_ref().map(|signer| signer.not_after)
    }

    /// Adds its certificate to what is believed of servers that we call: a provider or an app may
    /// stand behind usher itself. It can speak for nothing but our hosts (decision 0014).
    pub fn add_to(&self, roots: &mut Vec<Box<[u8]>>) {
        if let Ok(pem) = std::fs::read(self.ca_file()) {
            roots.push(pem.into());
        }
    }

    /// The certificate that people may trust, PEM.
    pub fn ca_file(&self) -> &Path {
        &self.file
    }

    /// A leaf for these names, made or made before; `None` when a name can't be in a certificate.
    pub(super) fn leaf(&self, names: &[Box<str>], now: UnixTime) -> Option<Arc<CertifiedKey>> {
        let fresh_for = DAY * LEAF_LIFE * 2 / 3;
        if let Some(leaf) = self.leaves.get(names)
            && now.is_within(fresh_for, leaf.signed_at)
        // of a clock that was ahead: not yet valid
        {
            return Some(Arc::clone(&leaf.key));
        }
        let key = Arc::new(self.signer.as_ref()?.sign(names, now).ok()?);
        let leaf = CachedLeaf { key: Arc::clone(&key), signed_at: now };
        self.leaves.insert(names.into(), Arc::new(leaf));
        Some(key)
    }
}

impl Signer {
    fn sign(&self, names: &[Box<str>], now: UnixTime) -> Result<CertifiedKey, rcgen::Error> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let common_name = names.first().cloned().unwrap_or_default();
        let mut leaf = CertificateParams::new(names)?;
        leaf.distinguished_name = named(&common_name);
        (leaf.not_before, leaf.not_after) = validity(now, LEAF_LIFE);
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = leaf.signed_by(&key, &self.issuer)?;
        let chain = vec![certificate.der().clone(), self.certificate.clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
            .map_err(|_| rcgen::Error::CouldNotParseKeyPair)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("file", &self.file).finish_non_exhaustive()
    }
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn validity(now: UnixTime, days: u32) -> (OffsetDateTime, OffsetDateTime) {
    let at = |moment: UnixTime| {
        let seconds = i64::try_from(moment.seconds()).unwrap_or(i64::MAX);
        OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    };
    (at(now.minus(SKEW)), at(now.plus(DAY * days)))
}

fn key_pair(text: &[u8], file: &Path) -> Result<KeyPair, CertError> {
    let damaged = || CertError::Authority { file: file.to_owned(), why: "holds no private key" };
    let text = std::str::from_utf8(text).map_err(|_| damaged())?;
    KeyPair::from_pem(text).map_err(|_| damaged())
}

fn make_key(folder: &Path, file: &Path) -> Result<KeyPair, CertError> {
    file_on_disk::folder(folder)?;
    let key = KeyPair::generate()?;
    let text = Zeroizing::new(key.serialize_pem());
    file_on_disk::write(file, text.as_bytes(), 0o600)?;
    Ok(key)
}

fn make_certificate(
    key: &KeyPair,
    file: &Path,
    hosts: &[Box<str>],
    now: UnixTime,
) -> Result<Zeroizing<Vec<u8>>, CertError> {
    let mut authority = CertificateParams::default();
    authority.distinguished_name = named("usher local authority");
    (authority.not_before, authority.not_after) = validity(now, LIFE);
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.name_constraints = Some(permitted::constraints(hosts));
    let text = authority.self_signed(key)?.pem().into_bytes();
    file_on_disk::write(file, &text, 0o644)?;
    Ok(Zeroizing::new(text))
}

/// The certificate, if it is the key's, and when it ends.
fn certificate(
    text: &[u8],
    key: &KeyPair,
    file: &Path,
) -> Result<(CertificateDer<'static>, UnixTime), CertError> {
    let damaged = |why| CertError::Authority { file: file.to_owned(), why };
    let der = CertificateDer::from_pem_slice(text).map_err(|_| damaged("holds no certificate"))?;
    let (_, read) = X509Certificate::from_der(&der).map_err(|_| damaged("holds no certificate"))?;
    if read.public_key().raw != key.subject_public_key_info() {
        return Err(damaged("is not the certificate of ca.key"));
    }
    let end = u64::try_from(read.validity().not_after.timestamp()).unwrap_or_default();
    Ok((der, UnixTime::from_seconds(end)))
}
