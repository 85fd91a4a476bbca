//! HPKE (RFC 9180) in auth mode: one message per key, sequence 0, `info` and `aad` empty.
//! A sealed message is the encapsulated key, 32 octets, and then the ciphertext.

use std::convert::Infallible;

use hpke::{
    Deserializable, OpModeR, OpModeS, Serializable,
    aead::ChaCha20Poly1305,
    kdf::HkdfSha256,
    rand_core::{TryCryptoRng, TryRng},
};

use super::{HostedKey, PublicKey, keys::Kem};
use crate::secret::Secret;

const ENCAPSULATED: usize = 32;

impl PublicKey {
    /// Can anything be sealed to it? A point of low order is a key that nobody has.
    pub fn takes_seals(&self) -> bool {
        let any = HostedKey::derive(&Secret::new([0x5a; 32]));
        seal(&any, self, b"", [0xa5; 32]).is_some()
    }
}

/// Seals `message` from `sender` to `receiver`; `ephemeral` is 32 fresh random octets. `None` when
/// the receiver's key is not one that can be sealed to.
pub(super) fn seal(
    sender: &HostedKey,
    receiver: &PublicKey,
    message: &[u8],
    ephemeral: [u8; 32],
) -> Option<Vec<u8>> {
    let mode = OpModeS::Auth((sender.private.clone(), sender.pair_public.clone()));
    let (encapsulated, ciphertext) =
        hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, Kem>(
            &mode,
            &receiver.key()?,
            b"",
            message,
            b"",
            &mut Given(ephemeral),
        )
        .ok()?;
    let mut sealed = encapsulated.to_bytes().to_vec();
    sealed.extend(ciphertext);
    Some(sealed)
}

/// Opens what `sender` sealed to `receiver`.
pub(super) fn open(receiver: &HostedKey, sender: &PublicKey, sealed: &[u8]) -> Option<Vec<u8>> {
    let (encapsulated, ciphertext) = sealed.split_at_checked(ENCAPSULATED)?;
    let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated).ok()?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem>(
        &OpModeR::Auth(sender.key()?),
        &receiver.private,
        &encapsulated,
        b"",
        ciphertext,
        b"",
    )
    .ok()
}

/// Hands out the octets that were given: randomness comes in as a value here, and the vectors
/// name theirs.
struct Given([u8; 32]);

impl TryRng for Given {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut octets = [0; 4];
        self.try_fill_bytes(&mut octets)?;
        Ok(u32::from_le_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut octets = [0; 8];
        self.try_fill_bytes(&mut octets)?;
        Ok(u64::from_le_bytes(octets))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        // INVARIANT: one key pair is made per message, from 32 octets, so nothing is given twice.
        for (to, from) in to.iter_mut().zip(self.0.iter().cycle()) {
            *to = *from;
        }
        Ok(())
    }
}

impl TryCryptoRng for Given {}
