use std::fmt;

use aws_lc_rs::hkdf;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hpke::{Deserializable, Kem as _, Serializable};

use crate::secret::Secret;

pub(super) type Kem = hpke::kem::X25519HkdfSha256;

/// A public X25519 key, as its 32 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// A key as it is published: exactly 32 octets.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self)
    }

    /// A key as it stands in a query: base64url without padding.
    pub fn parse(text: &str) -> Option<Self> {
        BASE64_URL_SAFE_NO_PAD.decode(text).ok().and_then(|octets| Self::from_octets(&octets))
    }

    /// As it is published.
    pub const fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn key(&self) -> Option<<Kem as hpke::Kem>::PublicKey> {
        <Kem as hpke::Kem>::PublicKey::from_bytes(&self.0).ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// Our own key pair.
pub struct HostedKey {
    pub(super) private: <Kem as hpke::Kem>::PrivateKey,
    pub(super) pair_public: <Kem as hpke::Kem>::PublicKey,
    public: PublicKey,
    previous: Box<[Self]>,
}

impl HostedKey {
    /// The pair that belongs to a shared secret of 32 octets (`pomerium-protocols.md` §0): a seed
    /// by HKDF-SHA256 without a salt, `info` `pomerium/hpke`, and RFC 9180 `DeriveKeyPair`.
    pub fn derive(shared: &Secret) -> Self {
        let mut seed = [0; 32];
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(shared.expose());
        // INVARIANT: HKDF gives up to 255 blocks (RFC 5869 §2.3), and this is one.
        let _one_block =
            prk.expand(&[b"pomerium/hpke"], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut seed));
        let (private, pair_public) = Kem::derive_keypair(&seed);
        zeroize::Zeroize::zeroize(&mut seed);
        let mut public = [0; 32];
        public.copy_from_slice(&pair_public.to_bytes());
        Self { private, pair_public, public: PublicKey(public), previous: Box::default() }
    }

    /// This key seals; what was sealed for the earlier ones opens too: whoever asked for the key a
    /// minute ago need not fail.
    #[must_use]
    pub fn with_previous(self, previous: Vec<Self>) -> Self {
        Self { previous: previous.into(), ..self }
    }

    pub(super) fn and_previous(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.previous)
    }

    /// What others may know of it.
    pub const fn public(&self) -> PublicKey {
        self.public
    }
}

impl fmt::Debug for HostedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostedKey").field("public", &self.public).finish_non_exhaustive()
    }
}
