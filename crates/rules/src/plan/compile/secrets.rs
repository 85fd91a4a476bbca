//! Keys that the operator gave. What is missing is made once and kept in the data directory.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    Compiler,
    files::{self, Pem},
};
use crate::{
    config::{
        Given,
        keys::{Key, global},
    },
    plan::Secrets,
    problem::Problem,
    secret::Secret,
};

/// Bytes of `shared_secret` and `cookie_secret`.
const SECRET_BYTES: usize = 32;

impl Compiler<'_> {
    pub(super) fn secrets(&mut self) -> Secrets {
        let shared_previous = self.key_of_32(
            &global::SHARED_SECRET_PREVIOUS,
            &global::SHARED_SECRET_PREVIOUS_FILE,
            Blanks::LineEnds,
        );
        let cookie_previous = self.key_of_32(
            &global::COOKIE_SECRET_PREVIOUS,
            &global::COOKIE_SECRET_PREVIOUS_FILE,
            Blanks::LineEnds,
        );
        Secrets {
            shared_previous: shared_previous.map(Arc::new),
            cookie_previous: cookie_previous.map(Arc::new),
            file: self.keys.get(&global::KEY_FILE).map(Into::into),
            shared: self
                .key_of_32(&global::SHARED_SECRET, &global::SHARED_SECRET_FILE, Blanks::Refused)
                .map(Arc::new),
            cookie: self
                .key_of_32(&global::COOKIE_SECRET, &global::COOKIE_SECRET_FILE, Blanks::LineEnds)
                .map(Arc::new),
            signing: self.signing_key().map(Arc::new),
        }
    }

    pub(super) fn extra_roots(&mut self) -> Vec<Box<[u8]>> {
        let pem = self.pem(
            &global::CERTIFICATE_AUTHORITY,
            &global::CERTIFICATE_AUTHORITY_FILE,
            Pem::Certificate,
        );
        pem.map(|pem| pem.expose().into()).into_iter().collect()
    }

    fn key_of_32(
        &mut self,
        inline_key: &'static Key,
        file_key: &'static Key,
        blanks: Blanks,
    ) -> Option<Secret> {
        let outcome = match (self.keys.given(file_key), self.keys.given(inline_key)) {
            (Some(file), _) => self.read(file).and_then(|text| decode(file, text.expose(), blanks)),
            (None, Some(inline)) => decode(inline, inline.text().as_bytes(), blanks),
            (None, None) => return None,
        };
        self.keep(outcome)
    }

    /// PEM, or PEM in base64; several keys may stand in it, the first signs.
    fn signing_key(&mut self) -> Option<Secret> {
        let (given, text) = match (
            self.keys.given(&global::SIGNING_KEY_FILE),
            self.keys.given(&global::SIGNING_KEY),
        ) {
            (Some(file), _) => (file, self.read(file)),
            (None, Some(inline)) => (inline, Ok(Secret::new(inline.text().as_bytes()))),
            (None, None) => return None,
        };
        let text = self.keep(text)?;
        let pem = match files::checked(given, text, Pem::PrivateKey) {
            Ok(pem) => Ok(pem),
            Err(problem) => {
                let raw = if given.key.is(&global::SIGNING_KEY) {
                    Some(given.text().as_bytes().to_vec())
                } else {
                    self.read(given).ok().map(|text| text.expose().to_vec())
                };
                raw.and_then(|raw| STANDARD.decode(without_line_ends(&raw)).ok())
                    .and_then(|bytes| {
                        files::checked(given, Secret::new(bytes), Pem::PrivateKey).ok()
                    })
                    .ok_or(problem)
            }
        };
        self.keep(pem)
    }
}

/// What may stand around and in a secret's base64, as it was measured.
#[derive(Clone, Copy)]
enum Blanks {
    Refused,
    LineEnds,
}

fn decode(given: &Given, text: &[u8], blanks: Blanks) -> Result<Secret, Problem> {
    let key = given.key.name;
    let make = "make one with `head -c32 /dev/urandom | base64`";
    let text = match blanks {
        Blanks::Refused if text.iter().any(u8::is_ascii_whitespace) => {
            return Err(given.error(
                "U212",
                format!("`{key}` contains a blank or a line end"),
                "Pomerium refuses it too: write it without, in a file with `printf %s`",
            ));
        }
        Blanks::Refused => text.to_vec(),
        Blanks::LineEnds => without_line_ends(text),
    };
    let bytes = STANDARD
        .decode(text)
        .map_err(|_| given.error("U208", format!("`{key}` is not base64"), make))
        .map(Secret::new)?;
    match bytes.expose().len() {
        SECRET_BYTES => Ok(bytes),
        other => Err(given.error(
            "U211",
            format!("`{key}` has {other} bytes, and it needs {SECRET_BYTES}"),
            make,
        )),
    }
}

fn without_line_ends(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect()
}
