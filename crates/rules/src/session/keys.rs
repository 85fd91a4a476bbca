use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, LessSafeKey, UnboundKey},
    hkdf, hmac,
};

use super::seal::Purpose;
use crate::secret::Secret;

/// Every key of a session's life, from the operator's two secrets.
///
/// Handles and signed URLs use the shared secret itself, as Pomerium does, so that its handles
/// verify here and ours there (`pomerium-protocols.md` §0, §0.1). Everything else gets a key of
/// its own by HKDF (RFC 5869) with a distinct `info`, so that no two uses share one.
pub struct Keys {
    pub(super) handle: hmac::Key,
    url_mac: Sha512Trunc256Mac,
    browser_flow: LessSafeKey,
    callback: LessSafeKey,
    id_token: LessSafeKey,
    tokens: LessSafeKey,
    passkey: LessSafeKey,
    second_factor: LessSafeKey,
    openid: LessSafeKey,
    code_app: LessSafeKey,
    previous: Box<[Self]>,
}

/// Why keys can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// `shared_secret` is not 32 bytes.
    #[error("the shared secret must be 32 bytes long")]
    SharedLength,
    /// `cookie_secret` is not 32 bytes.
    #[error("the cookie secret must be 32 bytes long")]
    CookieLength,
    /// The cryptographic library refused; it does not for keys of the right length.
    #[error("the keys could not be derived")]
    Derivation,
}

impl Keys {
    /// Derives every key. Both secrets are 32 bytes.
    ///
    /// # Errors
    ///
    /// [`KeysError`]: a secret of another length, since a short one could be guessed.
    pub fn derive(shared: &Secret, cookie: &Secret) -> Result<Self, KeysError> {
        if shared.expose().len() != 32 {
            return Err(KeysError::SharedLength);
        }
        if cookie.expose().len() != 32 {
            return Err(KeysError::CookieLength);
        }
        Ok(Self {
            handle: hmac::Key::new(hmac::HMAC_SHA256, shared.expose()),
            url_mac: Sha512Trunc256Mac::new(shared.expose()),
            browser_flow: aead_key(cookie, Purpose::BrowserFlow)?,
            callback: aead_key(shared, Purpose::Callback)?,
            id_token: aead_key(shared, Purpose::IdToken)?,
            tokens: aead_key(shared, Purpose::Tokens)?,
            passkey: aead_key(shared, Purpose::Passkey)?,
            second_factor: aead_key(shared, Purpose::SecondFactor)?,
            openid: aead_key(shared, Purpose::OpenId)?,
            code_app: aead_key(shared, Purpose::CodeApp)?,
            previous: Box::default(),
        })
    }

    /// These keys sign and seal; what the earlier ones signed and sealed counts on.
    #[must_use]
    pub fn with_previous(self, previous: Vec<Self>) -> Self {
        Self { previous: previous.into(), ..self }
    }

    /// The newest first, then those that it took the place of.
    pub(crate) fn and_previous(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.previous)
    }

    pub(super) fn sealing(&self, purpose: Purpose) -> &LessSafeKey {
        match purpose {
            Purpose::BrowserFlow => &self.browser_flow,
            Purpose::Callback => &self.callback,
            Purpose::IdToken => &self.id_token,
            Purpose::Tokens => &self.tokens,
            Purpose::Passkey => &self.passkey,
            Purpose::SecondFactor => &self.second_factor,
            Purpose::OpenId => &self.openid,
            Purpose::CodeApp => &self.code_app,
        }
    }

    /// Tells these keys from others, and tells nothing of them.
    pub fn id(&self) -> [u8; 16] {
        let mac = hmac::sign(&self.handle, b"usher/1/which keys are these");
        let mut id = [0; 16];
        id.iter_mut().zip(mac.as_ref()).for_each(|(to, from)| *to = *from);
        id
    }

    /// HMAC-SHA-512/256 under the shared secret, of the pieces one after another: what signs URLs.
    pub fn url_mac(&self, pieces: &[&[u8]]) -> [u8; 32] {
        self.url_mac.of(pieces)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

fn aead_key(from: &Secret, purpose: Purpose) -> Result<LessSafeKey, KeysError> {
    let info = [b"usher/1/".as_slice(), purpose.name()];
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(from.expose())
        .expand(&info, &AES_256_GCM)
        .map(|key| LessSafeKey::new(UnboundKey::from(key)))
        .map_err(|_| KeysError::Derivation)
}

/// HMAC (RFC 2104) over SHA-512/256 (FIPS 180-4 §6.7), which the library has as a digest only.
struct Sha512Trunc256Mac {
    inner: aws_lc_rs::digest::Context,
    outer: aws_lc_rs::digest::Context,
}

impl Sha512Trunc256Mac {
    /// Octets per block of the digest.
    const BLOCK: usize = 128;

    fn new(key: &[u8]) -> Self {
        let start = |mask: u8| {
            let mut block = [mask; Self::BLOCK];
            // A key over one block would have to be hashed first; ours is 32 bytes, and the
            // vector's is eight.
            for (octet, key) in block.iter_mut().zip(key) {
                *octet ^= key;
            }
            let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA512_256);
            context.update(&block);
            context
        };
        Self { inner: start(0x36), outer: start(0x5c) }
    }

    fn of(&self, pieces: &[&[u8]]) -> [u8; 32] {
        let mut inner = self.inner.clone();
        for piece in pieces {
            inner.update(piece);
        }
        let mut outer = self.outer.clone();
        outer.update(inner.finish().as_ref());
        let mut mac = [0; 32];
        mac.copy_from_slice(outer.finish().as_ref());
        mac
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE};

    use super::{Keys, KeysError, Purpose, Sha512Trunc256Mac};
    use crate::secret::Secret;

    /// Keys as every test uses them: shared secret 00..1f, cookie secret 32 times 7.
    pub(crate) fn keys() -> Keys {
        let shared: Vec<u8> = (0..32).collect();
        Keys::derive(&Secret::new(shared), &Secret::new([7; 32])).unwrap()
    }

    #[test]
    fn url_mac_is_pomerium_s() {
        // the vector of pomerium-protocols.md §0.1
        let url = "https://pomerium.io?pomerium_expiry=1574118151&pomerium_issued=1574117851";
        let mac = Sha512Trunc256Mac::new(b"test-key");
        let signature = mac.of(&[url.as_bytes(), b"1574117851 1574118151"]);
        assert_eq!(
            BASE64_URL_SAFE.encode(signature),
            "XtvM-Y-oPvoGGV2Q5G0vrQ_CgNeYhVyTG5dHIqLsBOU="
        );
    }

    #[test]
    fn keys_are_told_apart() {
        let others = [(1, 2), (3, 2)].map(|(shared, cookie)| {
            Keys::derive(&Secret::new([shared; 32]), &Secret::new([cookie; 32])).unwrap().id()
        });
        assert_eq!(keys().id(), keys().id());
        assert!(keys().id() != others[0] && others[0] != others[1]);
    }

    #[test]
    fn what_an_earlier_key_signed_and_sealed_counts_on() {
        let of = |n| Keys::derive(&Secret::new([n; 32]), &Secret::new([n + 1; 32])).unwrap();
        let (old, rotated) = (of(1), of(5).with_previous(vec![of(1)]));
        let sealed = old.seal(Purpose::Tokens, b"id", b"text", [3; 12]);
        assert_eq!(rotated.open(Purpose::Tokens, b"id", &sealed).as_deref(), Ok(&b"text"[..]));
        let resealed = rotated.resealed(Purpose::Tokens, b"id", &sealed, [4; 12]).unwrap();
        assert_eq!(of(5).open(Purpose::Tokens, b"id", &resealed).as_deref(), Ok(&b"text"[..]));
        assert_eq!(rotated.resealed(Purpose::Tokens, b"id", &resealed, [4; 12]), None, "it is so");
        assert_eq!(rotated.resealed(Purpose::Tokens, b"no", &sealed, [4; 12]), None, "not ours");
    }

    #[test]
    fn secrets_have_one_length() {
        let good = || Secret::new([1; 32]);
        let short = || Secret::new([1; 31]);
        assert_eq!(Keys::derive(&short(), &good()).err(), Some(KeysError::SharedLength));
        assert_eq!(Keys::derive(&good(), &short()).err(), Some(KeysError::CookieLength));
        assert_eq!(format!("{:?}", keys()), "Keys(..)");
    }
}
