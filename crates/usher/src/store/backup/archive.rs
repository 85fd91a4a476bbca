//! One file that holds several: a line that says what it is, what it holds, and a checksum.
//!
//! ```text
//! usher-backup {"format":1,"store":7,"made_at":…,"sealed":{…}|null}\n   what it is, in the clear
//! 8 octets    how long the list is                                     ┐
//! list        names and lengths, JSON                                  │ sealed, or not
//! contents    one after another                                        ┘
//! 32 octets   SHA-256 of all before
//! ```
//!
//! Sealed means AES-256-GCM with a key that argon2id makes of a passphrase (RFC 9106); the first line
//! is authenticated with it.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{SHA256, digest},
};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use usher_rules::secret::Secret;
use zeroize::Zeroizing;

use super::BackupError;

const MAGIC: &[u8] = b"usher-backup ";
/// The format that we write, and the latest that we know.
pub(super) const FORMAT: u32 = 1;
const DIGEST: usize = 32;
/// The most work that a file may ask for before it is known whose it is: KiB, and passes.
const MOST_WORK: Work = Work { memory_kib: 1 << 20, passes: 16 };

/// What it costs to try a passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
}

impl Work {
    /// RFC 9106 §4, the second choice: 64 MiB, three passes.
    pub const USUAL: Self = Self { memory_kib: 64 * 1024, passes: 3 };
}

/// What stands in the clear.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub format: u32,
    /// The store's format.
    pub store: i32,
    /// Seconds since 1970.
    pub made_at: u64,
    pub sealed: Option<SealedWith>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SealedWith {
    salt: String,
    #[serde(flatten)]
    work: Work,
}

impl SealedWith {
    pub(super) fn fresh(work: Work) -> Result<Self, BackupError> {
        let salt: [u8; 16] = random()?;
        Ok(Self { salt: HEXLOWER.encode(&salt), work })
    }

    fn key(&self, passphrase: &Secret) -> Result<LessSafeKey, BackupError> {
        let Work { memory_kib, passes } = self.work;
        if memory_kib > MOST_WORK.memory_kib || passes > MOST_WORK.passes {
            return Err(BackupError::Damaged("it asks for more work than any of ours"));
        }
        let salt = HEXLOWER.decode(self.salt.as_bytes());
        let salt = salt.map_err(|_| BackupError::Damaged("its salt is not hexadecimal"))?;
        let mut key = Zeroizing::new([0_u8; 32]);
        let failed = |_| BackupError::NoKey;
        let params = Params::new(memory_kib, passes, 1, Some(key.len())).map_err(failed)?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.expose(), &salt, &mut *key)
            .map_err(failed)?;
        let key = UnboundKey::new(&AES_256_GCM, &*key).map_err(|_| BackupError::NoKey)?;
        Ok(LessSafeKey::new(key))
    }
}

/// One file in the backup.
pub(super) struct Entry {
    /// Relative to the data directory.
    pub name: String,
    pub content: Zeroizing<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct Listed {
    name: String,
    octets: usize,
}

/// Does a file begin as a backup does?
pub(super) fn is_one(file: &[u8]) -> bool {
    file.starts_with(MAGIC)
}

fn random<const N: usize>() -> Result<[u8; N], BackupError> {
    let mut octets = [0; N];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| BackupError::NoKey)?;
    Ok(octets)
}

pub(super) fn pack(
    head: &Head,
    entries: &[Entry],
    passphrase: Option<&Secret>,
) -> Result<Vec<u8>, BackupError> {
    let json = |_| BackupError::Damaged("it can't be written down");
    let mut file = MAGIC.to_vec();
    serde_json::to_writer(&mut file, head).map_err(json)?;
    file.push(b'\n');
    let list = entries
        .iter()
        .map(|entry| Listed { name: entry.name.clone(), octets: entry.content.len() });
    let list = serde_json::to_vec(&list.collect::<Vec<_>>()).map_err(json)?;
    let mut payload = Zeroizing::new((list.len() as u64).to_be_bytes().to_vec());
    payload.extend_from_slice(&list);
    for entry in entries {
        payload.extend_from_slice(&entry.content);
    }
    if let (Some(sealed), Some(passphrase)) = (&head.sealed, passphrase) {
        let nonce: [u8; NONCE_LEN] = random()?;
        let (key, aad) = (sealed.key(passphrase)?, Aad::from(file.clone()));
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut *payload)
            .map_err(|_| BackupError::NoKey)?;
        file.extend_from_slice(&nonce);
    }
    file.extend_from_slice(&payload);
    let sum = digest(&SHA256, &file);
    file.extend_from_slice(sum.as_ref());
    Ok(file)
}

pub(super) fn unpack(
    file: &[u8],
    passphrase: Option<&Secret>,
) -> Result<(Head, Vec<Entry>), BackupError> {
    let rest = file.strip_prefix(MAGIC).ok_or(BackupError::NotABackup)?;
    let end = rest.iter().position(|octet| *octet == b'\n').ok_or(BackupError::NotABackup)?;
    let (text, rest) = rest.split_at(end);
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let unread = |_| BackupError::Damaged("its first line can't be read");
    let Format { format } = serde_json::from_slice(text).map_err(unread)?;
    if format > FORMAT {
        return Err(BackupError::Newer { what: "format", given: i64::from(format) });
    }
    let torn = BackupError::Damaged("its checksum is another one: it is torn, or was changed");
    let Some((body, sum)) = file.split_last_chunk::<DIGEST>() else { return Err(torn) };
    if digest(&SHA256, body).as_ref() != sum {
        return Err(torn);
    }
    let head: Head = serde_json::from_slice(text).map_err(unread)?;
    let payload = rest.get(1..rest.len().saturating_sub(DIGEST)).unwrap_or_default();
    let payload = Zeroizing::new(match (&head.sealed, passphrase) {
        (None, None) => payload.to_vec(),
        (None, Some(_)) => return Err(BackupError::NotSealed),
        (Some(_), None) => return Err(BackupError::Sealed),
        (Some(sealed), Some(passphrase)) => {
            let line = file.get(..MAGIC.len() + end + 1).unwrap_or_default();
            unseal(&sealed.key(passphrase)?, line, payload)?
        }
    });
    Ok((head, entries(&payload)?))
}

fn unseal(key: &LessSafeKey, line: &[u8], payload: &[u8]) -> Result<Vec<u8>, BackupError> {
    let parts = payload.split_first_chunk::<NONCE_LEN>();
    let (nonce, sealed) = parts.ok_or(BackupError::Damaged("it is too short"))?;
    let mut sealed = sealed.to_vec();
    let opened = key
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(line), &mut sealed)
        .map_err(|_| BackupError::OtherPassphrase)?;
    Ok(opened.to_vec())
}

fn entries(payload: &[u8]) -> Result<Vec<Entry>, BackupError> {
    let short = || BackupError::Damaged("it holds less than it lists");
    let (length, rest) = payload.split_first_chunk::<8>().ok_or_else(short)?;
    let length = usize::try_from(u64::from_be_bytes(*length)).map_err(|_| short())?;
    let (list, mut rest) = rest.split_at_checked(length).ok_or_else(short)?;
    let listed: Vec<Listed> =
        serde_json::from_slice(list).map_err(|_| BackupError::Damaged("its list can't be read"))?;
    let mut entries = Vec::new();
    for Listed { name, octets } in listed {
        let (content, after) = rest.split_at_checked(octets).ok_or_else(short)?;
        entries.push(Entry { name, content: Zeroizing::new(content.to_vec()) });
        rest = after;
    }
    Ok(entries)
}
