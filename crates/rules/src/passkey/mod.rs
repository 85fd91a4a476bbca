//! Passkeys (WebAuthn Level 3) as values: what a browser's answer has to say before it counts.
//!
//! ```text
//!  registration   client data ▸ authenticator data ▸ public key          ──▶ NewPasskey
//!  authentication client data ▸ authenticator data ▸ signature ▸ counter ──▶ Authenticated
//! ```
//!
//! No attestation is asked for, so there is none to read, and a browser gives public key and
//! authenticator data apart (§5.2.1.1): neither CBOR nor COSE is parsed here.

mod authenticator_data;
mod client_data;
mod fault;
mod public_key;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use self::{
    authenticator_data::AuthenticatorData,
    client_data::{Ceremony, check_client_data},
    public_key::PublicKey,
};
pub use self::{client_data::Expected, fault::PasskeyFault};

/// COSE numbers of the signatures that count, the one that all authenticators have first (§5.4).
pub const ALGORITHMS: [i32; 3] = [public_key::ES256, public_key::EDDSA, public_key::RS256];

/// Longest id of a credential, in octets (§5.1, `rawId`).
const LONGEST_ID: usize = 1023;

/// What a browser says of a new passkey.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    #[serde(rename = "clientDataJSON")]
    client_data: Box<str>,
    authenticator_data: Box<str>,
    public_key: Box<str>,
}

/// What a browser says to sign somebody in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assertion {
    id: Box<str>,
    #[serde(rename = "clientDataJSON")]
    client_data: Box<str>,
    authenticator_data: Box<str>,
    signature: Box<str>,
    user_handle: Option<Box<str>>,
}

/// A passkey that may be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPasskey {
    /// Its id, base64url.
    pub id: Box<str>,
    /// The public key (SubjectPublicKeyInfo, RFC 5280 §4.1.2.7).
    pub public_key: Box<[u8]>,
    /// Its counter; 0 where it has none.
    pub counter: u32,
}

impl Registration {
    /// As a page's script posted it.
    ///
    /// # Errors
    ///
    /// [`PasskeyFault::Unreadable`].
    pub fn parse(text: &str) -> Result<Self, PasskeyFault> {
        serde_json::from_str(text).map_err(|_| PasskeyFault::Unreadable)
    }

    /// The challenge that it claims to answer.
    pub fn challenge(&self) -> Option<String> {
        client_data::challenge(&decoded(&self.client_data).ok()?)
    }

    /// The passkey, if all of it is as it has to be (§7.1).
    ///
    /// # Errors
    ///
    /// [`PasskeyFault`].
    pub fn verify(&self, expected: Expected<'_>) -> Result<NewPasskey, PasskeyFault> {
        check_client_data(&decoded(&self.client_data)?, Ceremony::Create, expected)?;
        let octets = decoded(&self.authenticator_data)?;
        let data = AuthenticatorData::parse(&octets)?;
        data.check(expected.origin)?;
        let id = data.credential_id.filter(|id| (1..=LONGEST_ID).contains(&id.len()));
        let id = BASE64_URL_SAFE_NO_PAD.encode(id.ok_or(PasskeyFault::Unreadable)?).into();
        let public_key = decoded(&self.public_key)?;
        PublicKey::parse(&public_key)?;
        Ok(NewPasskey { id, public_key: public_key.into(), counter: data.counter })
    }
}

impl Assertion {
    /// As a page's script posted it.
    ///
    /// # Errors
    ///
    /// [`PasskeyFault::Unreadable`].
    pub fn parse(text: &str) -> Result<Self, PasskeyFault> {
        let read: Self = serde_json::from_str(text).map_err(|_| PasskeyFault::Unreadable)?;
        // One spelling: two of them would be two rows for one key.
        let canonical = BASE64_URL_SAFE_NO_PAD.encode(decoded(&read.id)?);
        if canonical == *read.id { Ok(read) } else { Err(PasskeyFault::Unreadable) }
    }

    /// Which passkey it says it is, base64url.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The challenge that it claims to answer.
    pub fn challenge(&self) -> Option<String> {
        client_data::challenge(&decoded(&self.client_data).ok()?)
    }

    /// Its counter, if the passkey that is kept, which is `owner`'s, has made it (§7.2).
    ///
    /// # Errors
    ///
    /// [`PasskeyFault`].
    pub fn verify(
        &self,
        expected: Expected<'_>,
        kept: &NewPasskey,
        owner: &str,
    ) -> Result<u32, PasskeyFault> {
        // Nobody typed a name: the passkey itself has to say whose it is.
        let handle = decoded(self.user_handle.as_deref().unwrap_or_default())?;
        if handle != owner.as_bytes() {
            return Err(PasskeyFault::Owner);
        }
        self.verify_known(expected, kept, owner)
    }

    /// The same where it was asked for by its id: then it need not say whose it is (§6.1, a key that
    /// is not discoverable does not know), and does not say anything else.
    ///
    /// # Errors
    ///
    /// [`PasskeyFault`].
    pub fn verify_known(
        &self,
        expected: Expected<'_>,
        kept: &NewPasskey,
        owner: &str,
    ) -> Result<u32, PasskeyFault> {
        let handle = self.user_handle.as_deref().map(decoded).transpose()?;
        let is_owner_s = handle.is_none_or(|handle| handle == owner.as_bytes());
        if self.id != kept.id || !is_owner_s {
            return Err(PasskeyFault::Owner);
        }
        let client_data = decoded(&self.client_data)?;
        check_client_data(&client_data, Ceremony::Get, expected)?;
        let octets = decoded(&self.authenticator_data)?;
        let data = AuthenticatorData::parse(&octets)?;
        data.check(expected.origin)?;
        let signed = [&octets, digest(&SHA256, &client_data).as_ref()].concat();
        let signature = decoded(&self.signature)?;
        PublicKey::parse(&kept.public_key)?.verify(&signed, &signature)?;
        match data.counter > kept.counter || (data.counter, kept.counter) == (0, 0) {
            true => Ok(data.counter),
            false => Err(PasskeyFault::Counter),
        }
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, PasskeyFault> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| PasskeyFault::Unreadable)
}

#[cfg(test)]
mod tests;
