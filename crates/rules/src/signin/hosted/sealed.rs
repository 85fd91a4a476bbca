use std::io::Read as _;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{HostedKey, PublicKey, form::Form, message};

/// How a sealed query is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `pomerium_hpke_sender_pub` and `pomerium_hpke_query`; nothing is compressed.
    V1,
    /// `k` and `q`; what is sealed is one zstd frame (RFC 8878). What proxies send.
    V2,
}

impl Version {
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::V1 => ("pomerium_hpke_sender_pub", "pomerium_hpke_query"),
            Self::V2 => ("k", "q"),
        }
    }
}

/// Why a query is not opened. Nothing that it says is looked at then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealedFault {
    /// The query is over [`SealedForm::LONGEST`].
    #[error("the query is too long")]
    TooLong,
    /// It is not encoded as a query is.
    #[error("the query can't be read")]
    Query,
    /// Neither pair of names is there.
    #[error("the query is not sealed")]
    NotSealed,
    /// The sender's key is not 32 octets in base64url without padding.
    #[error("the sender's key can't be read")]
    Sender,
    /// The message is not base64url without padding.
    #[error("the sealed message can't be read")]
    Encoding,
    /// It was sealed for another key, by another key, or changed since.
    #[error("the sealed message was not made for us by that sender, or was changed")]
    NotForUs,
    /// What was sealed is not one whole zstd text within the limits.
    #[error("the sealed message is not compressed as it must be")]
    Compression,
    /// What was sealed is not a form.
    #[error("the sealed message holds no parameters")]
    Form,
}

/// Parameters on their way: sealed into a query, or taken out of one.
#[derive(Debug)]
pub struct SealedForm;

/// A query without its seal: nobody has looked inside yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsealed {
    sender: PublicKey,
    version: Version,
    message: Vec<u8>,
    digest: [u8; 32],
}

/// What a sealed query held, and who sealed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Whose message it is. Nothing says yet that they are to be trusted.
    pub sender: PublicKey,
    /// How it was written; an answer is written in the same way.
    pub version: Version,
    pub(super) form: Form,
    digest: [u8; 32],
}

impl Opened {
    /// A name for this very message, to remember that it was used.
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The names of its parameters, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.form.pairs().map(|(name, _)| name)
    }
}

impl SealedForm {
    /// Longest query that is looked at, in octets: more than browsers and proxies carry.
    pub const LONGEST: usize = 64 << 10;
    const WINDOW_LOG: u32 = 22;

    /// Seals `pairs` into a query. `None` when `receiver` can't be sealed to.
    pub fn seal(
        pairs: Vec<(&str, &str)>,
        version: Version,
        from: &HostedKey,
        receiver: &PublicKey,
        ephemeral: [u8; 32],
    ) -> Option<String> {
        let text = Form::encode(pairs);
        let message = match version {
            Version::V1 => text.into_bytes(),
            Version::V2 => compress(text.as_bytes())?,
        };
        let sealed = message::seal(from, receiver, &message, ephemeral)?;
        let (key, query) = version.names();
        let sealed = BASE64_URL_SAFE_NO_PAD.encode(sealed);
        Some(format!("{key}={}&{query}={sealed}", from.public()))
    }

    /// Takes the seal off a query that was sealed to `receiver`. Parameters beside the sealed ones
    /// are not looked at: anybody could have added them. Anybody could have sealed it, too: what is
    /// inside is not unpacked before [`Unsealed::read`] is asked to.
    ///
    /// # Errors
    ///
    /// [`SealedFault`], one variant per rule.
    pub fn unseal(query: &str, receiver: &HostedKey) -> Result<Unsealed, SealedFault> {
        if query.len() > Self::LONGEST {
            return Err(SealedFault::TooLong);
        }
        let outer = Form::parse(query).ok_or(SealedFault::Query)?;
        let pair = |version: Version| {
            let (key, query) = version.names();
            Some((version, outer.text(key)?, outer.text(query)?))
        };
        // The older pair wins where both are there, as for the real service.
        let (version, sender, sealed) =
            pair(Version::V1).or_else(|| pair(Version::V2)).ok_or(SealedFault::NotSealed)?;
        let sender = PublicKey::parse(sender).ok_or(SealedFault::Sender)?;
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(sealed).map_err(|_| SealedFault::Encoding)?;
        let message = receiver.and_previous().find_map(|key| message::open(key, &sender, &sealed));
        let message = message.ok_or(SealedFault::NotForUs)?;
        let mut digest = [0; 32];
        let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &sealed);
        digest.copy_from_slice(sum.as_ref());
        Ok(Unsealed { sender, version, message, digest })
    }
}

impl Unsealed {
    /// The longest text inside of somebody who is trusted, in octets; also the largest window that
    /// a frame may ask for (what the real server takes).
    pub const OF_THE_TRUSTED: u64 = 4 << 20;
    /// The longest text inside of anybody, in octets: a kilobyte that becomes megabytes must cost
    /// its sender more than us.
    pub const OF_ANYBODY: u64 = 32 << 10;

    /// Whose message it is.
    pub const fn sender(&self) -> PublicKey {
        self.sender
    }

    /// Unpacks what is inside, if its text is not longer than `longest` octets.
    ///
    /// # Errors
    ///
    /// [`SealedFault::Compression`], [`SealedFault::Form`].
    pub fn read(self, longest: u64) -> Result<Opened, SealedFault> {
        let Self { sender, version, message, digest } = self;
        let text = match version {
            Version::V1 => message,
            Version::V2 => decompress(&message, longest).ok_or(SealedFault::Compression)?,
        };
        let text = String::from_utf8(text).map_err(|_| SealedFault::Form)?;
        let form = Form::parse(&text).ok_or(SealedFault::Form)?;
        Ok(Opened { sender, version, form, digest })
    }
}

/// One frame that says its content's size, so that nobody needs a larger window than the text.
fn compress(text: &[u8]) -> Option<Vec<u8>> {
    zstd::bulk::compress(text, zstd::DEFAULT_COMPRESSION_LEVEL).ok()
}

fn decompress(frames: &[u8], longest: u64) -> Option<Vec<u8>> {
    if frames.is_empty() {
        return Some(Vec::new()); // no frame at all is no text
    }
    let mut decoder = zstd::stream::read::Decoder::with_buffer(frames).ok()?;
    decoder.window_log_max(SealedForm::WINDOW_LOG).ok()?;
    let mut text = Vec::new();
    decoder.take(longest + 1).read_to_end(&mut text).ok()?;
    let fits = u64::try_from(text.len()).is_ok_and(|length| length <= longest);
    fits.then_some(text)
}
