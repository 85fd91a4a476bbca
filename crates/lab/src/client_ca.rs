//! An authority that signs certificates of clients, with all that can be wrong with one.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SanType, SerialNumber, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;
use usher_rules::time::UnixTime;

/// An authority: a root, or one that another authority signed.
pub struct ClientCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// What a client sends beside its own certificate.
    chain: Vec<CertificateDer<'static>>,
}

/// A certificate with its key, as a browser has it.
#[derive(Debug)]
pub struct ClientIdentity {
    /// Leaf first, without the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key, PKCS #8.
    pub key: PrivateKeyDer<'static>,
    /// The leaf in PEM.
    pub pem: String,
    serial: u64,
}

impl Clone for ClientIdentity {
    fn clone(&self) -> Self {
        let Self { chain, key, pem, serial } = self;
        Self { chain: chain.clone(), key: key.clone_key(), pem: pem.clone(), serial: *serial }
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2099, 1, 1);
    params
}

/// A moment as certificates have it.
pub fn date(at: UnixTime) -> OffsetDateTime {
    let seconds = i64::try_from(at.seconds()).expect("a moment");
    OffsetDateTime::from_unix_timestamp(seconds).expect("a moment")
}

impl ClientCa {
    /// A root.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(authority(name), key).expect("a root");
        Self { issuer, chain: Vec::new() }
    }

    /// An authority below this one.
    pub fn below(&self, name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::signed_by(authority(name), key, &self.issuer);
        let issuer = issuer.expect("an intermediate");
        let chain = [issuer.der().clone()].into_iter().chain(self.chain.clone()).collect();
        Self { issuer, chain }
    }

    /// Its certificate.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a DNS name and an address, changed as a test wants it.
    pub fn issue(&self, serial: u64, with: impl FnOnce(&mut CertificateParams)) -> ClientIdentity {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("client {serial}"));
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2099, 1, 1);
        with(&mut params);
        let leaf = params.signed_by(&key, &self.issuer).expect("a leaf");
        ClientIdentity {
            chain: [leaf.der().clone()].into_iter().chain(self.chain.clone()).collect(),
            key: PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
            pem: leaf.pem(),
            serial,
        }
    }

    /// The list of those that it took back, PEM.
    pub fn revoke(&self, taken_back: &[&ClientIdentity]) -> String {
        let revoked = |identity: &&ClientIdentity| RevokedCertParams {
            serial_number: SerialNumber::from(identity.serial),
            revocation_time: date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2021, 1, 1),
            next_update: date_time_ymd(2098, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: taken_back.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).expect("a list").pem().expect("PEM")
    }
}

/// A DNS name for [`ClientCa::issue`].
pub fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().expect("a name"))
}

/// An address for [`ClientCa::issue`].
pub fn email(address: &str) -> SanType {
    SanType::Rfc822Name(address.try_into().expect("an address"))
}
