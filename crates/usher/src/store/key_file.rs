//! The file in which the keys lie that usher made: beside the store and not in it, so that whoever
//! has a copy of the one opens nothing without the other.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use usher_rules::{secret::Secret, time::UnixTime};
use zeroize::Zeroizing;

use super::{OpenError, StoreFailure, directory};

/// Its name in the data directory, where the config names no other place.
pub const KEY_FILE: &str = "usher.keys";
/// The format that we write, and the latest that we know.
const FORMAT: u32 = 1;
/// Octets of the two secrets.
const SECRET: usize = 32;
/// The longest file that is read, in octets.
const LONGEST: u64 = 1 << 20;

/// Keys that were made together and take each other's place together.
#[derive(Debug)]
pub struct KeySet {
    /// In the place of `shared_secret`: 32 octets.
    pub shared: Secret,
    /// In the place of `cookie_secret`: 32 octets.
    pub cookie: Secret,
    /// In the place of `signing_key`: PEM.
    pub signing: Secret,
    /// Since when a server signs and seals with them; `None` before the first start.
    pub since: Option<UnixTime>,
}

/// Why there are no keys to go on with. Usher does not start with any of them: new keys in place of
/// lost ones would sign everybody out.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The store was used with keys that are not there.
    #[error("the keys of this store are gone: there is no {}", file.display())]
    Gone {
        /// Where they were looked for.
        file: PathBuf,
        /// Where they were before.
        before: PathBuf,
    },
    /// Another store's keys, or those of an earlier backup.
    #[error("the keys in {} are not those that this store was used with", file.display())]
    Other {
        /// The file.
        file: PathBuf,
    },
    /// It does not read as a key file.
    #[error("{} is damaged: {what}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong, without contents.
        what: Box<str>,
    },
    /// A later usher wrote it.
    #[error("{} has format {format}, this usher knows formats up to {FORMAT}", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its format.
        format: u32,
    },
    /// This store keeps no keys of its own.
    #[error("no keys were made here: the config gives them all, or usher never ran")]
    NoneHere,
    /// They are there, and nothing is lost.
    #[error("the keys are there, in {}", file.display())]
    NotLost {
        /// The file.
        file: PathBuf,
    },
    /// The file can't be opened or written.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store can't say which keys are its own.
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

impl KeyFileError {
    /// For the person who runs this server.
    pub fn hint(&self) -> String {
        match self {
            Self::Gone { before, .. } => format!(
                "put {} back, from a backup for example, or say in `key_file` where it is; if it \
                 is lost for good: usher keys start-over",
                before.display()
            ),
            Self::Other { .. } | Self::Damaged { .. } => {
                "put the file back that belongs to the store, from a backup for example; if it is \
                 lost for good, move this one aside: usher keys start-over"
                    .into()
            }
            Self::Newer { .. } => "run the usher that wrote it, or a later one".into(),
            Self::NoneHere => "to replace a key of the config, write the new one as \
                               `shared_secret` and the old one as `shared_secret_previous`"
                .into(),
            Self::NotLost { .. } => "to replace them: usher keys rotate".into(),
            Self::Open(error) => error.hint(),
            Self::Store(failure) => failure.hint().into(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    keys: Vec<WrittenSet>,
}

#[derive(Serialize, Deserialize)]
struct WrittenSet {
    shared_secret: Zeroizing<String>,
    cookie_secret: Zeroizing<String>,
    signing_key: Zeroizing<String>,
    since: Option<u64>,
}

impl KeySet {
    /// A name for these keys that tells nothing of them.
    pub(super) fn id(&self) -> String {
        let mut sha = digest::Context::new(&digest::SHA256);
        sha.update(b"usher/1/key file\0");
        for secret in [&self.shared, &self.cookie, &self.signing] {
            sha.update(secret.expose());
        }
        sha.finish().as_ref().iter().take(16).map(|octet| format!("{octet:02x}")).collect()
    }
}

/// The keys in the file, the newest first; `None` where there is none.
///
/// # Errors
///
/// [`KeyFileError`]: it can't be read, others can read it, or it is no whole key file.
pub fn read(file: &Path) -> Result<Option<Vec<KeySet>>, KeyFileError> {
    match fs::metadata(file) {
        Ok(_) => directory::judge_file(file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenError::io(file, error).into()),
    }
    if fs::metadata(file).is_ok_and(|found| found.len() > LONGEST) {
        return Err(KeyFileError::Damaged { file: file.to_owned(), what: "it is too long".into() });
    }
    let text = fs::read(file).map_err(|source| OpenError::io(file, source))?;
    parse(&Zeroizing::new(text), file).map(Some)
}

fn parse(text: &[u8], file: &Path) -> Result<Vec<KeySet>, KeyFileError> {
    let damaged = |what: &str| KeyFileError::Damaged { file: file.to_owned(), what: what.into() };
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    // What a parser says of a file may show a piece of it.
    let unread = |_| damaged("it does not read as a key file");
    let Format { format } = serde_json::from_slice(text).map_err(unread)?;
    if format > FORMAT {
        return Err(KeyFileError::Newer { file: file.to_owned(), format });
    }
    let written: Written = serde_json::from_slice(text).map_err(unread)?;
    let sets = written.keys.into_iter().map(|set| {
        let octets = |text: &str| {
            let octets = BASE64_STANDARD.decode(text).ok();
            octets.filter(|octets| octets.len() == SECRET).map(Secret::new)
        };
        Some(KeySet {
            shared: octets(&set.shared_secret)?,
            cookie: octets(&set.cookie_secret)?,
            signing: Secret::new(set.signing_key.as_bytes()),
            since: set.since.map(UnixTime::from_seconds),
        })
    });
    let sets: Option<Vec<_>> = sets.collect();
    sets.filter(|sets| !sets.is_empty()).ok_or_else(|| damaged("a key in it has another length"))
}

/// The keys as they stand in a file.
pub(super) fn written(keys: &[KeySet]) -> Zeroizing<Vec<u8>> {
    let encode = |secret: &Secret| Zeroizing::new(BASE64_STANDARD.encode(secret.expose()));
    let keys = keys.iter().map(|set| WrittenSet {
        shared_secret: encode(&set.shared),
        cookie_secret: encode(&set.cookie),
        signing_key: Zeroizing::new(String::from_utf8_lossy(set.signing.expose()).into_owned()),
        since: set.since.map(UnixTime::seconds),
    });
    let written = Written { format: FORMAT, keys: keys.collect() };
    // Texts and numbers always serialise; an empty file would be refused as a damaged one.
    Zeroizing::new(serde_json::to_vec_pretty(&written).unwrap_or_default())
}

/// Writes the file: under another name first, so that a crash leaves the old one or the new one.
pub(super) fn write(file: &Path, keys: &[KeySet]) -> Result<(), OpenError> {
    let here = Path::new(".");
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(here);
    let mut draft = file.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    let refused = |source| OpenError::io(&draft, source);
    let mut opened = directory::new_file(dir, &draft)?;
    opened
        .set_len(0)
        .and_then(|()| opened.write_all(&written(keys)))
        .and_then(|()| opened.sync_all())
        .map_err(refused)?;
    fs::rename(&draft, file).map_err(|source| OpenError::io(file, source))?;
    directory::sync(dir)
}

/// Fresh octets for a seal.
pub(super) fn random() -> Result<[u8; 12], StoreFailure> {
    let mut nonce = [0; 12];
    let failed = |_| StoreFailure::Unexpected { what: "the system gives no random bytes".into() };
    aws_lc_rs::rand::fill(&mut nonce).map_err(failed)?;
    Ok(nonce)
}
