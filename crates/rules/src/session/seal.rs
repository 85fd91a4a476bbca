use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{Keys, Session};

/// What a sealed text is for. Each has its own key, and its name is authenticated too: what was
/// sealed for one purpose opens for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The state of a sign-in at an outside provider, kept in a cookie of the browser.
    BrowserFlow,
    /// The handle on its way from the authenticate host to a route's host.
    Callback,
    /// The provider's ID token, kept with the session.
    IdToken,
    /// What it takes to ask the provider again, kept with the session.
    Tokens,
    /// What a passkey is asked: nobody can have known it before, and it says for whom it is.
    Passkey,
    /// Who has shown a password and has yet to show a code.
    SecondFactor,
    /// Codes and tokens of our own OpenID provider.
    OpenId,
    /// What an app makes its codes of, kept with its owner.
    CodeApp,
}

/// Why a text does not open. One answer for every cause: telling them apart helps nobody but
/// somebody who forges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was not sealed here, or not for this")]
pub struct NotSealedHere;

impl Purpose {
    pub(super) const fn name(self) -> &'static [u8] {
        match self {
            Self::BrowserFlow => b"browser-flow",
            Self::Callback => b"callback",
            Self::IdToken => b"id-token",
            Self::Tokens => b"tokens",
            Self::Passkey => b"passkey",
            Self::SecondFactor => b"second-factor",
            Self::OpenId => b"openid",
            Self::CodeApp => b"code-app",
        }
    }
}

impl Keys {
    /// Seals with AES-256-GCM: unpadded base64url of nonce, ciphertext and tag.
    ///
    /// `bound_to` is what it must be presented with again, for example the name of its cookie.
    /// `nonce` is fresh random bytes; one key stays far below the 2³² texts at which random
    /// nonces become a risk (NIST SP 800-38D §8.3).
    pub fn seal(
        &self,
        purpose: Purpose,
        bound_to: &[u8],
        text: &[u8],
        nonce: [u8; NONCE_LEN],
    ) -> String {
        let mut sealed = text.to_vec();
        let aad = Aad::from(additional(purpose, bound_to));
        let key = self.sealing(purpose);
        let nonce_of = Nonce::assume_unique_for_key(nonce);
        if key.seal_in_place_append_tag(nonce_of, aad, &mut sealed).is_err() {
            // Only texts of 64 GiB are refused. Nothing opens an empty one: it fails closed.
            return String::new();
        }
        BASE64_URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat())
    }

    /// What a provider said at sign-in, as it signed it; `None` where it was not kept.
    pub fn id_token(&self, session: &Session) -> Option<String> {
        let (id, sealed) = (session.id.as_str().as_bytes(), session.id_token.as_deref()?);
        String::from_utf8(self.open(Purpose::IdToken, id, sealed).ok()?).ok()
    }

    /// The same text sealed with the newest key. `None` where it is so already, or where no key
    /// opens it.
    pub fn resealed(
        &self,
        purpose: Purpose,
        bound_to: &[u8],
        sealed: &str,
        nonce: [u8; NONCE_LEN],
    ) -> Option<String> {
        if self.opened(purpose, bound_to, sealed).is_ok() {
            return None;
        }
        let text = self.open(purpose, bound_to, sealed).ok()?;
        Some(self.seal(purpose, bound_to, &text, nonce))
    }

    /// Opens what [`Keys::seal`] made for the same purpose and binding, with these keys or those
    /// before them.
    ///
    /// # Errors
    ///
    /// [`NotSealedHere`], whatever is wrong with it.
    pub fn open(
        &self,
        purpose: Purpose,
        bound_to: &[u8],
        sealed: &str,
    ) -> Result<Vec<u8>, NotSealedHere> {
        let mut tried = self.and_previous().map(|keys| keys.opened(purpose, bound_to, sealed));
        tried.find(Result::is_ok).unwrap_or(Err(NotSealedHere))
    }

    fn opened(
        &self,
        purpose: Purpose,
        bound_to: &[u8],
        sealed: &str,
    ) -> Result<Vec<u8>, NotSealedHere> {
        let octets = BASE64_URL_SAFE_NO_PAD.decode(sealed).map_err(|_| NotSealedHere)?;
        let (nonce, text) = octets.split_first_chunk::<NONCE_LEN>().ok_or(NotSealedHere)?;
        let mut text = text.to_vec();
        let aad = Aad::from(additional(purpose, bound_to));
        let opened = self
            .sealing(purpose)
            .open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut text)
            .map_err(|_| NotSealedHere)?;
        Ok(opened.to_vec())
    }
}

/// Purposes hold no NUL, so the two parts can't be shifted against each other.
fn additional(purpose: Purpose, bound_to: &[u8]) -> Vec<u8> {
    [purpose.name(), b"\0", bound_to].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{NotSealedHere, Purpose};
    use crate::session::keys::tests::keys;

    #[test]
    fn t3_opens_only_as_it_was_sealed() {
        let keys = keys();
        let sealed = keys.seal(Purpose::BrowserFlow, b"cookie-a", b"text", [9; 12]);
        let other = crate::session::Keys::derive(
            &crate::secret::Secret::new([1; 32]),
            &crate::secret::Secret::new([2; 32]),
        )
        .unwrap();
        assert_eq!(
            keys.open(Purpose::BrowserFlow, b"cookie-a", &sealed).as_deref(),
            Ok(&b"text"[..])
        );
        assert_eq!(keys.open(Purpose::BrowserFlow, b"cookie-b", &sealed), Err(NotSealedHere));
        assert_eq!(keys.open(Purpose::Callback, b"cookie-a", &sealed), Err(NotSealedHere));
        assert_eq!(keys.open(Purpose::IdToken, b"cookie-a", &sealed), Err(NotSealedHere));
        assert_eq!(other.open(Purpose::BrowserFlow, b"cookie-a", &sealed), Err(NotSealedHere));
        let purposes = [
            Purpose::BrowserFlow,
            Purpose::Callback,
            Purpose::IdToken,
            Purpose::Tokens,
            Purpose::Passkey,
            Purpose::SecondFactor,
            Purpose::OpenId,
            Purpose::CodeApp,
        ];
        for (one, other) in purposes.iter().flat_map(|one| purposes.map(|other| (*one, other))) {
            let opens = keys.open(other, b"", &keys.seal(one, b"", b"text", [9; 12])).is_ok();
            assert_eq!(opens, one.name() == other.name(), "{one:?} as {other:?}");
        }
        for broken in ["", "AAAA", "!", &sealed[1..], &sealed[..sealed.len() - 2]] {
            assert_eq!(
                keys.open(Purpose::BrowserFlow, b"cookie-a", broken),
                Err(NotSealedHere),
                "{broken:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(text in ".{0,300}", bound in ".{0,20}", nonce: [u8; 12]) {
            let keys = keys();
            let sealed = keys.seal(Purpose::Callback, bound.as_bytes(), text.as_bytes(), nonce);
            prop_assert_eq!(keys.open(Purpose::Callback, bound.as_bytes(), &sealed), Ok(text.into_bytes()));
        }

        #[test]
        fn one_changed_character_closes_it(at in 0_usize..64, nonce: [u8; 12]) {
            let keys = keys();
            let sealed = keys.seal(Purpose::IdToken, b"", b"some text that is long enough here", nonce);
            let mut octets = sealed.into_bytes();
            let at = at % (octets.len() - 1); // the last character has spare bits
            octets[at] = if octets[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(octets).unwrap();
            prop_assert_eq!(keys.open(Purpose::IdToken, b"", &changed), Err(NotSealedHere));
        }
    }
}
