use aws_lc_rs::digest::{SHA256, digest};

use super::fault::PasskeyFault;
use crate::names::Origin;

/// Somebody touched it (§6.1, UP).
const PRESENT: u8 = 1;
/// It made sure that it was its owner (UV).
const VERIFIED: u8 = 1 << 2;
/// It says of a credential (AT).
const ATTESTED: u8 = 1 << 6;

/// What an authenticator says (§6.1).
pub(super) struct AuthenticatorData<'a> {
    rp_id_hash: &'a [u8; 32],
    flags: u8,
    pub(super) counter: u32,
    /// Where it says of one.
    pub(super) credential_id: Option<&'a [u8]>,
}

impl<'a> AuthenticatorData<'a> {
    /// Reads what is looked at; the key behind the id, and extensions, are not.
    pub(super) fn parse(octets: &'a [u8]) -> Result<Self, PasskeyFault> {
        let (rp_id_hash, rest) = octets.split_first_chunk().ok_or(PasskeyFault::Unreadable)?;
        let (flags, rest) = rest.split_first().ok_or(PasskeyFault::Unreadable)?;
        let (counter, rest) = rest.split_first_chunk().ok_or(PasskeyFault::Unreadable)?;
        let credential_id = match flags & ATTESTED {
            0 => None,
            _ => Some(credential_id(rest).ok_or(PasskeyFault::Unreadable)?),
        };
        Ok(Self { rp_id_hash, flags: *flags, counter: u32::from_be_bytes(*counter), credential_id })
    }

    /// Is it for this site, and did it verify its owner?
    pub(super) fn check(&self, origin: &Origin) -> Result<(), PasskeyFault> {
        let expected = digest(&SHA256, origin.host.as_str().as_bytes());
        if self.rp_id_hash.as_slice() != expected.as_ref() {
            return Err(PasskeyFault::RelyingParty);
        }
        match self.flags & (PRESENT | VERIFIED) == PRESENT | VERIFIED {
            true => Ok(()),
            false => Err(PasskeyFault::Unverified),
        }
    }
}

/// The model, then the id behind its length (§6.5.1).
fn credential_id(rest: &[u8]) -> Option<&[u8]> {
    let (_model, rest) = rest.split_first_chunk::<16>()?;
    let (length, rest) = rest.split_first_chunk()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}
