//! Certificates that are shown with a key: do the two belong together?

use aws_lc_rs::{
    rsa,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
        ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::Compiler;
use crate::{
    config::{Given, keys::Key},
    secret::Secret,
};

/// What a certificate and a key are to each other.
#[derive(Debug, PartialEq, Eq)]
enum Pair {
    Fits,
    /// The key is another's.
    Strangers,
    /// The key is of no kind that is read here, damaged, or under a passphrase.
    Unreadable,
}

impl Compiler<'_> {
    /// Reports a pair with which no handshake can succeed; `key` is where the key was given.
    pub(super) fn want_pair(
        &mut self,
        cert: &Secret,
        key: &Secret,
        cert_key: &'static Key,
        given: &'static Key,
    ) {
        let Some(given) = self.keys.given(given) else { return };
        let problem = match pair(cert.expose(), key.expose()) {
            Pair::Fits => return,
            Pair::Strangers => strangers(given, cert_key.name),
            Pair::Unreadable => given.error(
                "U216",
                format!("`{}` holds a key that can't be used", given.key.name),
                "it must be an EC, RSA or Ed25519 key in PEM form without a passphrase; take one \
                 off with `openssl pkey -in KEY -out NEWKEY`",
            ),
        };
        self.report(problem);
    }
}

fn strangers(given: &Given, cert_key: &str) -> crate::problem::Problem {
    given.error(
        "U215",
        format!("`{}` is not the key of `{cert_key}`", given.key.name),
        "compare `openssl x509 -pubkey -noout -in CERT` with `openssl pkey -pubout -in KEY`",
    )
}

fn pair(cert: &[u8], key: &[u8]) -> Pair {
    let Some(leaf) = block(cert, "CERTIFICATE") else { return Pair::Unreadable };
    let public = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"]
        .into_iter()
        .find_map(|label| public_key(&block(key, label)?));
    match public {
        None => Pair::Unreadable,
        // A public key is too long to stand in a certificate by chance.
        Some(public) if leaf.windows(public.len()).any(|part| part == public) => Pair::Fits,
        Some(_) => Pair::Strangers,
    }
}

/// The public half, as a certificate has it in its `subjectPublicKey` (RFC 5280 §4.1).
fn public_key(der: &[u8]) -> Option<Vec<u8>> {
    if let Ok(pair) = rsa::KeyPair::from_pkcs8(der).or_else(|_| rsa::KeyPair::from_der(der)) {
        return Some(pair.public_key().as_ref().to_vec());
    }
    let curves = [
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        &ECDSA_P384_SHA384_ASN1_SIGNING,
        &ECDSA_P521_SHA512_ASN1_SIGNING,
    ];
    for curve in curves {
        if let Ok(pair) = EcdsaKeyPair::from_private_key_der(curve, der) {
            return Some(pair.public_key().as_ref().to_vec());
        }
    }
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?;
    Some(pair.public_key().as_ref().to_vec())
}

/// The first block with this label (RFC 7468).
fn block(pem: &[u8], label: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text = Zeroizing::new(String::from_utf8_lossy(pem).into_owned());
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let (_, rest) = text.split_once(&begin)?;
    let (inner, _) = rest.split_once(&end)?;
    let inner: Zeroizing<String> =
        Zeroizing::new(inner.chars().filter(|c| !c.is_whitespace()).collect());
    STANDARD.decode(inner.as_bytes()).ok().map(Zeroizing::new)
}
