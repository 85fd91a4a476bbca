//! A certificate chain and its key, from files or from the config itself.

use std::{
    fs::File,
    io::Read as _,
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    Error, InconsistentKeys, RootCertStore, SignatureScheme,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use usher_rules::{plain_text, plan::CertificateFiles, secret::Secret, time::UnixTime};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate, X509Version};
use zeroize::Zeroizing;

use super::{CertError, Pem, staple};

/// A chain or a key is never longer, in bytes.
const LONGEST: u64 = 1 << 20;

/// A pair that can be served.
pub(super) struct Pair {
    /// Without an OCSP response.
    pub key: Arc<CertifiedKey>,
    cert: Pem,
    /// Names and addresses, lower case, as the certificate has them.
    subjects: Vec<Box<str>>,
    not_before: UnixTime,
    not_after: UnixTime,
    /// The first certificate, counted from 1, that the one after it did not sign.
    broken_at: Option<usize>,
    /// The key with the OCSP response that lies beside it, and until when that counts.
    stapled: Option<(Arc<CertifiedKey>, UnixTime)>,
    /// Why a response that lies beside it is not sent.
    unsent: Option<(PathBuf, &'static str)>,
    /// The key's file, if everybody may read it.
    loose_key: Option<PathBuf>,
    /// Who signed the last certificate, where that is not itself: the name as it stands there (DER)
    /// and as people read it.
    signed_by: Option<(Box<[u8]>, Box<str>)>,
}

const HOUR: Duration = Duration::from_secs(3600);
const THREE_DAYS: Duration = Duration::from_secs(3 * 24 * 3600);
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

impl Pair {
    pub(super) fn from_files(files: &CertificateFiles, now: UnixTime) -> Result<Self, CertError> {
        let (cert, key) = (read(&files.cert)?, read(&files.key)?);
        let mut pair =
            Self::new(Pem::File(files.cert.clone()), &cert, Pem::File(files.key.clone()), &key)?;
        pair.staple(&files.cert.with_extension("ocsp"), now);
        pair.loose_key = is_everybodys(&files.key).then(|| files.key.clone());
        Ok(pair)
    }

    pub(super) fn inline(cert: &[u8], key: &Secret) -> Result<Self, CertError> {
        Self::new(Pem::Inline("certificate"), cert, Pem::Inline("certificate_key"), key.expose())
    }

    fn new(cert: Pem, chain: &[u8], key: Pem, key_pem: &[u8]) -> Result<Self, CertError> {
        let (chain, key_pem) = (&*plain_text::pem(chain), &*plain_text::pem(key_pem));
        let damaged = |_| CertError::DamagedCertificate { pem: cert.clone() };
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(damaged)?;
        let Some(leaf) = chain.first() else {
            return Err(CertError::NoCertificate { pem: cert });
        };
        let Ok((_, leaf)) = X509Certificate::from_der(leaf) else {
            return Err(CertError::DamagedCertificate { pem: cert });
        };
        if leaf.version() != X509Version::V3 {
            return Err(CertError::OldVersion { pem: cert, version: leaf.version().0 + 1 });
        }
        let (subjects, validity) = (subjects(&leaf), leaf.validity());
        let (not_before, not_after) =
            (moment(validity.not_before.timestamp()), moment(validity.not_after.timestamp()));
        let private = private_key(key_pem, &key)?;
        let certified = certified(chain.clone(), &private).map_err(|error| {
            if error != Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
                return CertError::UnknownKey { pem: key.clone() };
            }
            let is_its =
                |one: &CertificateDer<'static>| certified(vec![one.clone()], &private).is_ok();
            let (cert, key) = (cert.clone(), key.clone());
            match chain.iter().position(is_its) {
                Some(at) => CertError::LeafNotFirst { cert, key, place: at + 1 },
                None => CertError::Mismatch { cert, key },
            }
        })?;
        let (key, broken_at) = (Arc::new(certified), break_in(&chain));
        let (stapled, unsent, loose_key) = (None, None, None);
        let signed_by = chain.last().and_then(signed_by);
        Ok(Self {
            key,
            cert,
            subjects,
            not_before,
            not_after,
            broken_at,
            stapled,
            unsent,
            loose_key,
            signed_by,
        })
    }

    /// Where it came from.
    pub(super) const fn cert(&self) -> &Pem {
        &self.cert
    }

    /// Takes the OCSP response beside it (DER, RFC 6960), if there is one that counts.
    fn staple(&mut self, file: &Path, now: UnixTime) {
        if !file.exists() {
            return;
        }
        let Some(leaf) = self.key.cert.first() else { return };
        let response = read(file).map_err(|_| "can't be read");
        let counts = response.and_then(|response| {
            let until = staple::counts_until(&response, leaf, now)?;
            Ok((response, until))
        });
        match counts {
            Ok((response, until)) => {
                let mut key = CertifiedKey::clone(&self.key);
                key.ocsp = Some(response.to_vec());
                self.stapled = Some((Arc::new(key), until));
            }
            Err(why) => self.unsent = Some((file.to_owned(), why)),
        }
    }

    /// With the OCSP response for as long as that counts.
    pub(super) fn served(&self, now: UnixTime) -> Arc<CertifiedKey> {
        // The time is told once an hour.
        let stapled = self.stapled.as_ref().filter(|(_, until)| now.plus(HOUR) < *until);
        Arc::clone(stapled.map_or(&self.key, |(key, _)| key))
    }

    /// Can a client check this key's signature? One that says nothing is taken to.
    pub(super) fn suits(&self, offered: &[SignatureScheme]) -> bool {
        offered.is_empty() || self.key.key.choose_scheme(offered).is_some()
    }

    /// Was it read from this file?
    pub(super) fn is_from(&self, file: &Path) -> bool {
        matches!(&self.cert, Pem::File(own) if own == file)
    }

    /// What browsers will say about it.
    pub(super) fn judge(&self, now: UnixTime) -> Option<CertError> {
        if now > self.not_after {
            Some(CertError::Expired { pem: self.cert.clone(), on: self.not_after })
        } else if now < self.not_before {
            Some(CertError::NotYetValid { pem: self.cert.clone(), from: self.not_before })
        } else {
            let unsent = self.unsent.clone();
            let unsent = unsent.map(|(file, why)| CertError::BadStaple { file, why });
            let broken = self.broken_at;
            let loose = self.loose_key.clone().map(|file| CertError::LooseKey { file });
            let broken =
                broken.map(|place| CertError::BrokenChain { pem: self.cert.clone(), place });
            broken.or(unsent).or(loose)
        }
    }

    /// The chain ends before an authority that clients know: `roots` has none of that name.
    /// Browsers fetch what is missing or remember it, players, TVs and apps don't.
    pub(super) fn gap(&self, roots: impl FnOnce() -> RootCertStore) -> Option<CertError> {
        let (raw, name) = self.signed_by.as_ref()?;
        // an anchor's subject is the name without the head of its SEQUENCE, four octets at most
        let is_it = |subject: &[u8]| raw.ends_with(subject) && raw.len() - subject.len() <= 4;
        let is_known = roots().roots.iter().any(|root| is_it(root.subject.as_ref()));
        let gap = CertError::Gap { pem: self.cert.clone(), issuer: name.clone() };
        (!is_known && self.broken_at.is_none()).then_some(gap)
    }

    /// Is its end in sight? A last sixth of its life, and never more than a month.
    pub(super) fn ends_soon(&self, now: UnixTime) -> bool {
        let life = self.not_after.since(self.not_before);
        self.not_after.since(now) <= (life / 6).min(MONTH)
    }

    /// Has nobody renewed it until its last days? Then it is time to order one.
    pub(super) fn is_abandoned(&self, now: UnixTime) -> bool {
        let life = self.not_after.since(self.not_before);
        self.not_after.since(now) <= (life / 12).min(THREE_DAYS)
    }

    /// When it ends.
    pub(super) const fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// Is it in force?
    pub(super) fn counts(&self, now: UnixTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Whom it is for, in lower case.
    pub(super) fn subjects(&self) -> &[Box<str>] {
        &self.subjects
    }

    /// Does it name exactly this host?
    pub(super) fn names(&self, host: &str) -> bool {
        self.subjects.iter().any(|subject| **subject == *host)
    }

    /// Does a wildcard of it take this host? It stands for one label (RFC 9525 §6.3).
    pub(super) fn takes(&self, host: &str) -> bool {
        let Some((_, parent)) = host.split_once('.') else { return false };
        self.subjects.iter().any(|subject| subject.strip_prefix("*.") == Some(parent))
    }
}

/// Who signed a certificate, if it did not sign itself.
fn signed_by(der: &CertificateDer<'static>) -> Option<(Box<[u8]>, Box<str>)> {
    let (_, read) = X509Certificate::from_der(der).ok()?;
    let (issuer, subject) = (read.issuer(), read.subject());
    let common = issuer.iter_common_name().next().and_then(|name| name.as_str().ok());
    let name = common.map_or_else(|| issuer.to_string(), str::to_owned);
    let is_other = issuer.as_raw() != subject.as_raw();
    is_other.then(|| (issuer.as_raw().into(), name.into()))
}

/// May others than the owner and the group read it?
fn is_everybodys(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|about| about.mode() & 0o004 != 0)
}

pub(super) fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
) -> Result<CertifiedKey, Error> {
    CertifiedKey::from_der(chain, key.clone_key(), &aws_lc_rs::default_provider())
}

/// The first certificate, counted from 1, whose issuer is not the subject of the one after it.
/// Browsers mend such a chain, players and TVs don't.
fn break_in(chain: &[CertificateDer<'static>]) -> Option<usize> {
    let read = |der| X509Certificate::from_der(der).ok().map(|(_, read)| read);
    let pairs = chain.iter().zip(chain.iter().skip(1));
    let mut follows = pairs.map(|(one, next)| match (read(one), read(next)) {
        (Some(one), Some(next)) => one.issuer().as_raw() == next.subject().as_raw(),
        (_, _) => false,
    });
    follows.position(|follows| !follows).map(|at| at + 1)
}

pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, CertError> {
    let unreadable = |source| CertError::Unreadable { file: path.to_owned(), source };
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(LONGEST).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    Ok(bytes)
}

fn private_key(text: &[u8], pem: &Pem) -> Result<PrivateKeyDer<'static>, CertError> {
    if is_encrypted(text) {
        return Err(CertError::EncryptedKey { pem: pem.clone() });
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|_| CertError::NoKey { pem: pem.clone() })
}

/// Does a private key take a passphrase to read (PKCS #8 or OpenSSL's own form, PEM)?
pub fn is_encrypted(key: &[u8]) -> bool {
    [&b"ENCRYPTED PRIVATE KEY-----"[..], b"Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| key.windows(mark.len()).any(|part| part == *mark))
}

pub(super) fn subjects(leaf: &X509Certificate<'_>) -> Vec<Box<str>> {
    let Ok(Some(names)) = leaf.subject_alternative_name() else { return Vec::new() };
    let names = names.value.general_names.iter();
    names
        .filter_map(|name| {
            if let GeneralName::DNSName(name) = name {
                Some(name.to_ascii_lowercase().into())
            } else if let GeneralName::IPAddress(bytes) = name {
                address(bytes).map(|ip| ip.to_string().into())
            } else {
                None // names of persons, folders and mailboxes are no hosts
            }
        })
        .collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(Into::into)
}

fn moment(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(u64::try_from(seconds).unwrap_or(0))
}
