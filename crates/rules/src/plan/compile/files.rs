//! Reading what the config names: PEM texts, inline in base64 or in a file.

use base64::{Engine, engine::general_purpose::STANDARD};

use zeroize::Zeroizing;

use super::Compiler;
use crate::{
    config::{Given, keys::Key},
    plain_text,
    problem::Problem,
    secret::Secret,
};

/// What a PEM text has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pem {
    Certificate,
    PrivateKey,
}

impl Pem {
    const fn words(self) -> &'static str {
        match self {
            Self::Certificate => "a certificate",
            Self::PrivateKey => "a private key",
        }
    }

    /// Whether such a block begins somewhere in it; whether it is a good one is for TLS to say.
    fn is_in(self, text: &[u8]) -> bool {
        String::from_utf8_lossy(text).lines().any(|line| {
            let label =
                line.trim().strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----"));
            label.is_some_and(|label| match self {
                Self::Certificate => label.ends_with("CERTIFICATE"),
                Self::PrivateKey => label.ends_with("PRIVATE KEY"),
            })
        })
    }
}

impl Compiler<'_> {
    /// The text of the file that `given` names, in UTF-8 and without a byte order mark.
    pub(super) fn read(&self, given: &Given) -> Result<Secret, Problem> {
        let path = given.text();
        let key = given.key.name;
        let bytes = self.files.read(path).map(Zeroizing::new).map_err(|error| {
            given.error(
                "U209",
                format!("the file of `{key}` can't be read: {error}"),
                format!("look whether `{path}` exists and whether usher may read it"),
            )
        })?;
        let text = plain_text::utf8(&bytes);
        if text.trim_ascii().is_empty() {
            return Err(given.error(
                "U210",
                format!("the file of `{key}` is empty"),
                "write the value into it, or take the key out",
            ));
        }
        Ok(Secret::new(text.as_slice()))
    }

    /// PEM text from `file_key`, or else in base64 from `inline_key`. The file wins.
    pub(super) fn pem(
        &mut self,
        inline_key: &'static Key,
        file_key: &'static Key,
        pem: Pem,
    ) -> Option<Secret> {
        if self.keys.given(file_key).is_some() {
            self.file_pem(file_key, pem)
        } else {
            self.inline_pem(inline_key, pem)
        }
    }

    pub(super) fn file_pem(&mut self, key: &'static Key, pem: Pem) -> Option<Secret> {
        let given = self.keys.given(key)?;
        let text = self.read(given).and_then(|text| checked(given, text, pem));
        self.keep(text)
    }

    pub(super) fn inline_pem(&mut self, key: &'static Key, pem: Pem) -> Option<Secret> {
        let given = self.keys.given(key)?;
        self.keep(base64(given).and_then(|text| checked(given, text, pem)))
    }
}

/// Standard base64; line breaks in it do not count.
pub(super) fn base64(given: &Given) -> Result<Secret, Problem> {
    let text: String = given.text().chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    STANDARD.decode(text).map(Secret::new).map_err(|_| {
        given.error(
            "U208",
            format!("`{}` is not base64", given.key.name),
            "encode it with `base64 -w0`, or name a file with the `_file` key",
        )
    })
}

pub(super) fn checked(given: &Given, text: Secret, pem: Pem) -> Result<Secret, Problem> {
    let plain = plain_text::pem(text.expose());
    if pem.is_in(&plain) {
        return Ok(Secret::new(plain.as_slice()));
    }
    Err(given.error(
        "U213",
        format!("`{}` holds no {} in PEM", given.key.name, pem.words().trim_start_matches("a ")),
        match pem {
            Pem::Certificate | Pem::PrivateKey if is_binary(text.expose()) => {
                "it is binary (DER or PKCS #12); make PEM of it: `openssl x509 -inform DER -in FILE`, \
                 `openssl pkey -inform DER -in FILE` or `openssl pkcs12 -in FILE -nodes`"
            }
            Pem::Certificate => "it must contain a line `-----BEGIN CERTIFICATE-----`",
            Pem::PrivateKey => "it must contain a line `-----BEGIN PRIVATE KEY-----`",
        },
    ))
}

/// A SEQUENCE, as everything in DER begins (X.690 §8.9).
fn is_binary(text: &[u8]) -> bool {
    matches!(text, [0x30, 0x80..=0x84, ..])
}
