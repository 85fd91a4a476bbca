//! The data directory: made for us alone, judged before anything in it is believed.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use super::OpenError;

/// Makes the directory if it is missing, and judges it.
///
/// # Errors
///
/// [`OpenError`] when it can't be made, is no directory, or others can write to it.
pub(super) fn prepare(dir: &Path) -> Result<(), OpenError> {
    let refused = |source| OpenError::io(dir, source);
    let found = match fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(refused)?;
            fs::metadata(dir).map_err(refused)?
        }
        found => found.map_err(refused)?,
    };
    let mode = found.permissions().mode() & 0o7777;
    if !found.is_dir() {
        return Err(OpenError::NotADirectory { dir: dir.to_owned() });
    }
    if mode & 0o022 != 0 {
        return Err(OpenError::WritableByOthers { dir: dir.to_owned(), mode });
    }
    Ok(())
}

/// Lies there while a restored backup takes the place of what was there.
pub(super) const UNFINISHED: &str = "restore.unfinished";

/// # Errors
///
/// [`OpenError::Unfinished`] where files of a restore have not all changed places: half of the one
/// and half of the other is nobody's store.
pub(super) fn judge_unfinished(dir: &Path) -> Result<(), OpenError> {
    match dir.join(UNFINISHED).exists() {
        true => Err(OpenError::Unfinished { dir: dir.to_owned() }),
        false => Ok(()),
    }
}

/// Refuses a file of ours that others can open.
pub(super) fn judge_file(file: &Path) -> Result<(), OpenError> {
    let found = fs::metadata(file).map_err(|source| OpenError::io(file, source))?;
    let mode = found.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(OpenError::OpenToOthers { file: file.to_owned(), mode });
    }
    if found.len() == 0 {
        // SQLite would take it for a new store. Ours appears under its name only when complete.
        return Err(OpenError::Corrupt { file: file.to_owned(), what: "it is empty".into() });
    }
    Ok(())
}

/// Makes a file for us alone.
///
/// `sudo usher people add` must not leave a file that the service can't open, so a file made by
/// root goes to the owner of the directory.
pub(super) fn new_file(dir: &Path, file: &Path) -> Result<File, OpenError> {
    let refused = |source| OpenError::io(file, source);
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(file)
        .map_err(refused)?;
    let (owner, found) = (fs::metadata(dir).map_err(refused)?, opened.metadata().map_err(refused)?);
    if owner.uid() != found.uid() && found.uid() == 0 {
        chown(file, Some(owner.uid()), Some(owner.gid())).map_err(refused)?;
    }
    Ok(opened)
}

/// Makes a file's new name durable.
pub(super) fn sync(dir: &Path) -> Result<(), OpenError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|source| OpenError::io(dir, source))
}

/// Held by the one server of a data directory for as long as it runs. The system lets it go with
/// the process, however that ends.
#[derive(Debug)]
pub struct Alone {
    _lock: File,
}

/// Who serves a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServedBy {
    /// A server that runs.
    Server {
        /// Its process.
        pid: Box<str>,
        /// Its config, where it has said so.
        config: Option<PathBuf>,
    },
    /// Nobody now.
    Nobody,
    /// It may be somebody's: we are not let in to look.
    Hidden,
}

impl Alone {
    pub(super) const FILE: &str = "usher.running";

    /// Whether a server ever had this directory.
    pub fn was_taken(dir: &Path) -> bool {
        dir.join(Self::FILE).exists()
    }

    /// Takes the directory for this process.
    ///
    /// # Errors
    ///
    /// [`OpenError::Running`] when another server has it.
    pub fn take(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(Self::FILE);
        let refused = |source| OpenError::io(&path, source);
        let mut file = new_file(dir, &path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let text = fs::read_to_string(&path).unwrap_or_default();
                let pid = text.lines().next().unwrap_or_default().into();
                return Err(OpenError::Running { dir: dir.to_owned(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(refused(source)),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(refused)?;
        Ok(Self { _lock: file })
    }

    /// The server of `dir` writes down which config it serves, for commands that want to know.
    pub fn serves(dir: &Path, config: &Path) {
        let file = OpenOptions::new().append(true).open(dir.join(Self::FILE));
        let _only_said_less = file.and_then(|mut file| writeln!(file, "{}", config.display()));
    }

    /// Who serves `dir`? The lock is tried for a moment; nothing is changed.
    pub fn served_by(dir: &Path) -> ServedBy {
        let path = dir.join(Self::FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return ServedBy::Hidden;
            }
            Err(_) => return ServedBy::Nobody,
        };
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                let text = fs::read_to_string(&path).unwrap_or_default();
                let mut lines = text.lines();
                let pid = lines.next().unwrap_or_default().into();
                ServedBy::Server { pid, config: lines.next().map(PathBuf::from) }
            }
            Ok(()) | Err(TryLockError::Error(_)) => ServedBy::Nobody,
        }
    }
}
