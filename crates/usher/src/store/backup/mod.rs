//! A copy of the data directory in one file, made while a server runs, and put back while none does.

mod archive;
mod restore;

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use usher_rules::{secret::Secret, time::UnixTime};
use zeroize::Zeroizing;

pub use archive::Work;
pub use restore::{Keys, Restored, restore};

use super::{KEY_FILE, OpenError, Store, StoreFailure, directory, open};
use archive::{Entry, FORMAT, Head, SealedWith};

/// The largest file beside the store that is taken along, in octets; certificates are far smaller.
const LARGEST: u64 = 64 << 20;
/// The shortest passphrase, in octets: whoever has the file may try as often as they like.
const SHORTEST_PASSPHRASE: usize = 12;

/// How a backup is protected.
#[derive(Clone, Copy)]
pub enum Protection<'a> {
    /// With a passphrase. Everything is in it: keys, certificates, accounts at authorities.
    Sealed(&'a Secret, Work),
    /// Not at all. The store alone is in it, which opens nothing without the keys.
    WithoutKeys,
}

/// Why nothing was backed up, or nothing restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It begins otherwise.
    #[error("this is no backup of usher's")]
    NotABackup,
    /// It is torn, or was changed.
    #[error("the backup is damaged: {0}")]
    Damaged(&'static str),
    /// A later usher made it.
    #[error("the backup has {what} {given}, which this usher does not know")]
    Newer {
        /// Of the backup, or of the store in it.
        what: &'static str,
        /// Which.
        given: i64,
    },
    /// It is sealed, and no passphrase was given.
    #[error("the backup is sealed")]
    Sealed,
    /// It is not, and a passphrase was given: whoever made it did not know that passphrase.
    #[error("the backup is not sealed")]
    NotSealed,
    /// The seal holds against this passphrase.
    #[error("the backup does not open with this passphrase, or was changed")]
    OtherPassphrase,
    /// It could be guessed.
    #[error("the passphrase is shorter than {SHORTEST_PASSPHRASE} octets")]
    ShortPassphrase,
    /// What is to be left out is in the store itself.
    #[error(
        "the store still holds keys, or what apps make their codes of, as an earlier usher kept them"
    )]
    NotSealedYet,
    /// There is no memory or no randomness for a key.
    #[error("no key could be made of the passphrase")]
    NoKey,
    /// It is not replaced.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// The data directory or its store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

impl BackupError {
    /// For the person who runs this server.
    pub fn hint(&self) -> String {
        match self {
            Self::NotABackup => "name a file that `usher backup` made".into(),
            Self::Damaged(_) => "take another backup; nothing was changed".into(),
            Self::Newer { .. } => "restore it with the usher that made it, or a later one".into(),
            Self::Sealed => "--passphrase-file FILE, as it was made".into(),
            Self::NotSealed => "leave --passphrase-file out, if it is the right file".into(),
            Self::OtherPassphrase => {
                "name the file with the passphrase that it was made with".into()
            }
            Self::ShortPassphrase => "make one: head -c24 /dev/urandom | base64 >FILE".into(),
            Self::NotSealedYet => {
                "start usher once, which moves the keys to a file of their own and \
                                   seals the rest; or seal the backup: --passphrase-file FILE"
                    .into()
            }
            Self::NoKey => "look at the memory that is free".into(),
            Self::Exists(_) => "name another file, or move that one aside".into(),
            Self::Open(error) => error.hint(),
            Self::Store(failure) => failure.hint().into(),
        }
    }
}

impl Store {
    /// Writes everything that a server needs to `to`, as it is at one moment; a server may run.
    ///
    /// # Errors
    ///
    /// [`BackupError`]; `to` is not there then, or as it was.
    pub fn back_up(
        &self,
        to: &Path,
        protection: Protection<'_>,
        now: UnixTime,
    ) -> Result<(), BackupError> {
        if to.exists() {
            return Err(BackupError::Exists(to.to_owned()));
        }
        if matches!(protection, Protection::WithoutKeys) && self.holds_unsealed()? {
            return Err(BackupError::NotSealedYet);
        }
        let mut entries = vec![Entry { name: open::FILE.into(), content: self.snapshot()? }];
        let (sealed, passphrase) = match protection {
            Protection::WithoutKeys => (None, None),
            Protection::Sealed(passphrase, _)
                if passphrase.expose().len() < SHORTEST_PASSPHRASE =>
            {
                return Err(BackupError::ShortPassphrase);
            }
            Protection::Sealed(passphrase, work) => {
                if let Some(file) = self.key_file()? {
                    entries.push(Entry { name: KEY_FILE.into(), content: read(&file)? });
                }
                beside(self.dir(), self.dir(), &mut entries)?;
                (Some(SealedWith::fresh(work)?), Some(passphrase))
            }
        };
        let (store, made_at) = (open::known_format(), now.seconds());
        let head = Head { format: FORMAT, store, made_at, sealed };
        write_new(to, &archive::pack(&head, &entries, passphrase)?)?;
        Ok(())
    }

    /// The store at one moment, without what was deleted from it.
    fn snapshot(&self) -> Result<Zeroizing<Vec<u8>>, BackupError> {
        let _turn = self.turn()?;
        let copy = self.dir().join(format!("{}.copy.new", open::FILE));
        let _left_over = fs::remove_file(&copy);
        drop(directory::new_file(self.dir(), &copy)?);
        let db = open::connect_again(&self.file).map_err(StoreFailure::from)?;
        let copied = db.execute("VACUUM INTO ?1", [copy.to_string_lossy()]);
        let content = copied.map_err(|error| StoreFailure::from(error).into());
        let content = content.and_then(|_| read(&copy));
        let _only_in_the_way = fs::remove_file(&copy);
        content
    }
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, BackupError> {
    let content = fs::read(file).map_err(|source| OpenError::io(file, source))?;
    Ok(Zeroizing::new(content))
}

/// A file that nobody else can read, which was not there.
fn write_new(to: &Path, content: &[u8]) -> Result<(), OpenError> {
    let mut draft = to.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    let _left_over = fs::remove_file(&draft);
    let write = || {
        // Nobody who may write to the folder has put one there: it would be theirs, or lead elsewhere.
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&draft, to)
    };
    write().map_err(|source| {
        let _only_in_the_way = fs::remove_file(&draft);
        OpenError::io(to, source)
    })
}

/// Files of the data directory that a backup leaves out, by their names below it: the store is copied
/// by itself, others say what a server is doing, or are unfinished.
fn is_left_out(name: &str) -> bool {
    const PREFIXES: [&str; 9] = [
        "usher.sqlite3",
        "usher.lock",
        "usher.running",
        "usher.reserve",
        "usher.plan",
        "decisions.",
        KEY_FILE,
        restore::REPLACED,
        restore::STAGED,
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || name.ends_with(".new")
}

fn beside(dir: &Path, root: &Path, entries: &mut Vec<Entry>) -> Result<(), BackupError> {
    let refused = |source: io::Error| OpenError::io(dir, source);
    for found in fs::read_dir(dir).map_err(refused)? {
        let path = found.map_err(refused)?.path();
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        // A link may lead anywhere.
        let Ok(kind) = fs::symlink_metadata(&path) else { continue };
        if is_left_out(&name) {
            continue;
        }
        if kind.is_dir() {
            beside(&path, root, entries)?;
        } else if kind.is_file() && kind.len() <= LARGEST {
            let content = read(&path)?;
            // Each would hold all that were made before it.
            if !archive::is_one(&content) {
                entries.push(Entry { name, content });
            }
        }
    }
    Ok(())
}
