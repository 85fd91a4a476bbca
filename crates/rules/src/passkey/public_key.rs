use std::borrow::Cow;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use x509_parser::{
    asn1_rs::FromDer as _,
    oid_registry::{
        OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION, OID_SIG_ED25519,
    },
    x509::SubjectPublicKeyInfo,
};

use super::fault::PasskeyFault;

/// ECDSA over P-256 with SHA-256 (RFC 9053 §2.1).
pub(super) const ES256: i32 = -7;
/// Ed25519 (RFC 9053 §2.2).
pub(super) const EDDSA: i32 = -8;
/// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8812 §2): Windows Hello on older machines.
pub(super) const RS256: i32 = -257;

/// A key of a kind that counts.
pub(super) struct PublicKey<'a> {
    algorithm: &'static dyn VerificationAlgorithm,
    bits: Cow<'a, [u8]>,
}

impl<'a> PublicKey<'a> {
    /// Reads a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).
    pub(super) fn parse(spki: &'a [u8]) -> Result<Self, PasskeyFault> {
        let Ok(([], info)) = SubjectPublicKeyInfo::from_der(spki) else {
            return Err(PasskeyFault::Key);
        };
        let curve = info.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
        let algorithm: &'static dyn VerificationAlgorithm = match &info.algorithm.algorithm {
            kind if *kind == OID_KEY_TYPE_EC_PUBLIC_KEY && curve == Some(OID_EC_P256) => {
                &ECDSA_P256_SHA256_ASN1
            }
            kind if *kind == OID_SIG_ED25519 => &ED25519,
            kind if *kind == OID_PKCS1_RSAENCRYPTION => &RSA_PKCS1_2048_8192_SHA256,
            _ => return Err(PasskeyFault::Key),
        };
        Ok(Self { algorithm, bits: info.subject_public_key.data })
    }

    pub(super) fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<(), PasskeyFault> {
        let key = UnparsedPublicKey::new(self.algorithm, &*self.bits);
        key.verify(signed, signature).map_err(|_| PasskeyFault::Signature)
    }
}
