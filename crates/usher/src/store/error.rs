use std::{
    io,
    path::{Path, PathBuf},
};

use rusqlite::ErrorCode;
use usher_rules::people::PeopleError;

use crate::request::identify::StoreError;

/// Why the store could not read or write. Nobody is let in by any of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreFailure {
    /// `SQLITE_FULL`: nothing of the change was kept.
    #[error("no space is left on the disk of the data directory")]
    Full,
    /// The file system or the file refuses writes.
    #[error("the data directory is read-only")]
    ReadOnly,
    /// Octets on the disk have changed since they were written.
    #[error("the store is damaged: {what}")]
    Corrupt {
        /// What was found, without contents.
        what: Box<str>,
    },
    /// Another process held the store for longer than we wait.
    #[error("another process keeps the store locked")]
    Locked,
    /// The operating system failed a read or a write.
    #[error("the disk failed: {what}")]
    Io {
        /// SQLite's words.
        what: Box<str>,
    },
    /// So many sessions are in force that no more are begun.
    #[error("{limit} sessions or more are in force, no new one is begun")]
    TooManySessions {
        /// The most that are admitted (`max_sessions`).
        limit: usize,
    },
    /// The provider tells more about somebody than is kept.
    #[error("the session takes {octets} octets, over the limit of {limit}")]
    TooLarge {
        /// How long it would be, written down.
        octets: usize,
        /// The most that is kept.
        limit: usize,
    },
    /// The person was removed while they signed in.
    #[error("this person was removed")]
    PersonRemoved,
    /// An app signed in with an app password, which is for nothing else from then on.
    #[error("this app password is an app's")]
    PasswordOfApp,
    /// The store is closed: the process is about to end.
    #[error("the store is closed")]
    Closed,
    /// What was asked panicked: nothing of it was kept.
    #[error("a mistake of usher: {what}")]
    Panicked {
        /// What, and where.
        what: Box<str>,
    },
    /// Nothing of the above.
    #[error("SQLite: {what}")]
    Unexpected {
        /// SQLite's words.
        what: Box<str>,
    },
}

impl StoreFailure {
    /// For the person who runs this server.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Full => "free some space: until then nobody new signs in; ending sessions works",
            Self::ReadOnly => "mount the data directory writable, owned by the user usher runs as",
            Self::Corrupt { .. } => {
                "stop usher, then restore usher.sqlite3 from a backup, or move usher.sqlite3* \
                 aside to start without people and sessions"
            }
            Self::Locked => "close what has usher.sqlite3 open, for example an sqlite3 shell",
            Self::Io { .. } => "look at the disk: `dmesg`, free space, quotas",
            Self::TooManySessions { .. } => {
                "give `max_sessions` a larger number, end some, or shorten `cookie_expire`"
            }
            Self::TooLarge { .. } => "have the provider send fewer claims or groups",
            Self::PersonRemoved => "add them again if that was a mistake",
            Self::PasswordOfApp => "make another one for this client",
            Self::Closed => "try again once usher is up",
            Self::Panicked { .. } | Self::Unexpected { .. } => {
                "this is a bug in usher: please report it with this line"
            }
        }
    }

    pub(super) fn with_hint(&self) -> Box<str> {
        format!("{self} ({})", self.hint()).into()
    }
}

impl From<rusqlite::Error> for StoreFailure {
    fn from(error: rusqlite::Error) -> Self {
        let what = || error.to_string().into();
        // Our statements are right, so that it is the tables that are other than we made them.
        if let rusqlite::Error::SqlInputError { .. }
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) = error
        {
            return Self::Corrupt { what: what() };
        }
        if error.sqlite_error().is_some_and(|error| is_short_of_space(error.extended_code)) {
            return Self::Full;
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly,
            // Nothing of ours is near the longest that SQLite reads: a damaged length is.
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TooBig) => {
                Self::Corrupt { what: what() }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => Self::Io { what: what() },
            Some(_) | None => Self::Unexpected { what: what() },
        }
    }
}

/// On a full disk the log's index can't be laid out, which SQLite calls an error of the disk.
const fn is_short_of_space(extended_code: i32) -> bool {
    extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
}

impl From<StoreFailure> for StoreError {
    fn from(failure: StoreFailure) -> Self {
        let cause = failure.with_hint();
        match failure {
            StoreFailure::Full | StoreFailure::TooManySessions { .. } => Self::Full(cause),
            StoreFailure::Corrupt { .. } => Self::Damaged(cause),
            StoreFailure::TooLarge { .. }
            | StoreFailure::PersonRemoved
            | StoreFailure::PasswordOfApp => Self::Refused(cause),
            StoreFailure::ReadOnly
            | StoreFailure::Locked
            | StoreFailure::Io { .. }
            | StoreFailure::Closed
            | StoreFailure::Panicked { .. }
            | StoreFailure::Unexpected { .. } => Self::Unavailable(cause),
        }
    }
}

impl From<StoreFailure> for PeopleError {
    fn from(failure: StoreFailure) -> Self {
        Self::Store(failure.with_hint())
    }
}

/// Why the data directory could not be opened. Usher does not start with any of them: an empty
/// store in place of a lost one would look like "everybody was removed".
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another server runs on it.
    #[error("usher runs already with the data directory {} (process {pid})", dir.display())]
    Running {
        /// The data directory.
        dir: PathBuf,
        /// The process that has it, as it wrote down.
        pid: Box<str>,
    },
    /// A file is in the way.
    #[error("can't keep data in {}: it is not a directory", dir.display())]
    NotADirectory {
        /// The data directory.
        dir: PathBuf,
    },
    /// Others could replace the store, and with it who is let in.
    #[error("others can write to the data directory {} (mode {mode:04o})", dir.display())]
    WritableByOthers {
        /// The data directory.
        dir: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others could read keys and password hashes.
    #[error("others can open {} (mode {mode:04o}), which holds keys", file.display())]
    OpenToOthers {
        /// The store's file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file system or its permissions refuse writes.
    #[error("can't write to {}: it is another user's, or read-only", path.display())]
    ReadOnly {
        /// What could not be written.
        path: PathBuf,
    },
    /// No space is left.
    #[error("can't write to {}: no space is left on its disk", path.display())]
    Full {
        /// What could not be written.
        path: PathBuf,
    },
    /// Octets on the disk have changed since they were written.
    #[error("{} is damaged: {what}", file.display())]
    Corrupt {
        /// The store's file.
        file: PathBuf,
        /// What was found, without contents.
        what: Box<str>,
    },
    /// The file does not begin as an SQLite file.
    #[error("{} is not an SQLite file, or its beginning was overwritten", file.display())]
    NotADatabase {
        /// The store's file.
        file: PathBuf,
    },
    /// Another program's SQLite file.
    #[error("{} belongs to another program (application id {application_id:#x})", file.display())]
    Foreign {
        /// The store's file.
        file: PathBuf,
        /// `PRAGMA application_id`, which ours sets to another one.
        application_id: i32,
    },
    /// A later usher wrote it.
    #[error("{} has format {version}, this usher knows formats up to {known}", file.display())]
    Newer {
        /// The store's file.
        file: PathBuf,
        /// Its format.
        version: i32,
        /// The latest format that we know.
        known: i32,
    },
    /// The write-ahead log is there and the file that it belongs to is not.
    #[error("{} is gone, but {} is still there", file.display(), log.display())]
    LeftOver {
        /// The store's file.
        file: PathBuf,
        /// Its write-ahead log.
        log: PathBuf,
    },
    /// Half of a backup has taken its place.
    #[error("a restore into {} did not come to its end", dir.display())]
    Unfinished {
        /// The data directory.
        dir: PathBuf,
    },
    /// Another process held the store for longer than we wait.
    #[error("another process keeps {} locked", file.display())]
    Locked {
        /// The store's file.
        file: PathBuf,
    },
    /// Shared memory or locks do not work there, as on most network file systems.
    #[error("the file system of {} can't keep a store safely", file.display())]
    UnfitFileSystem {
        /// The store's file.
        file: PathBuf,
    },
    /// The operating system refused.
    #[error("can't open {}", path.display())]
    Io {
        /// What could not be opened.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Anything else that SQLite says.
    #[error("can't open {}: {what}", file.display())]
    Unexpected {
        /// The store's file.
        file: PathBuf,
        /// SQLite's words.
        what: Box<str>,
    },
}

impl OpenError {
    /// For the person who runs this server.
    pub fn hint(&self) -> String {
        match self {
            Self::Running { pid, .. } => format!(
                "stop that one (kill {pid}, or systemctl stop usher), have it reload its config \
                 (kill -HUP {pid}), or choose another place with --data-dir"
            ),
            Self::NotADirectory { .. } => "choose another place with --data-dir".into(),
            Self::WritableByOthers { dir, .. } => format!("chmod go-w {}", dir.display()),
            Self::OpenToOthers { file, .. } => format!("chmod 600 {}", file.display()),
            Self::ReadOnly { .. } => "run it as the user who owns it (sudo does), mount it \
                                      writable, or choose another place with --data-dir"
                .into(),
            Self::Full { .. } => "free some space, then try again".into(),
            Self::Corrupt { file, .. } | Self::NotADatabase { file } => format!(
                "restore it from a backup; or, to start without people, sessions and keys, move \
                 it aside: mv {0} {0}.damaged; rm -f {0}-wal {0}-shm",
                file.display()
            ),
            Self::Foreign { .. } => "choose another place with --data-dir".into(),
            Self::Newer { .. } => "run the usher that wrote it, or a later one".into(),
            Self::LeftOver { log, .. } => format!(
                "put the file back, or restore it from a backup; to start without people, \
                 sessions and keys: rm {}",
                log.display()
            ),
            Self::Unfinished { .. } => "do it again: usher restore FILE".into(),
            Self::Locked { .. } => "close what has it open, for example an sqlite3 shell".into(),
            Self::UnfitFileSystem { .. } => {
                "choose a directory on a local disk with --data-dir".into()
            }
            Self::Io { .. } => {
                "look at free space and quotas, at the path and its permissions, and at `dmesg`"
                    .into()
            }
            Self::Unexpected { .. } => {
                "this is a bug in usher: please report it with the line above".into()
            }
        }
    }

    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        #[expect(clippy::wildcard_enum_match_arm, reason = "not our enum, and it grows")]
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            io::ErrorKind::NotADirectory => Self::NotADirectory { dir: path },
            _ => Self::Io { path, source },
        }
    }

    pub(super) fn sqlite(file: &Path, error: rusqlite::Error) -> Self {
        if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
            return Self::NotADatabase { file: file.to_owned() };
        }
        Self::of(file, error.into())
    }

    pub(super) fn of(file: &Path, failure: StoreFailure) -> Self {
        let file = file.to_owned();
        match failure {
            StoreFailure::Full => Self::Full { path: file },
            StoreFailure::ReadOnly => Self::ReadOnly { path: file },
            StoreFailure::Corrupt { what } => Self::Corrupt { file, what },
            StoreFailure::Locked => Self::Locked { file },
            StoreFailure::Io { what } => {
                Self::Io { path: file, source: io::Error::other(String::from(what)) }
            }
            other @ (StoreFailure::TooManySessions { .. }
            | StoreFailure::TooLarge { .. }
            | StoreFailure::PersonRemoved
            | StoreFailure::PasswordOfApp
            | StoreFailure::Closed
            | StoreFailure::Panicked { .. }
            | StoreFailure::Unexpected { .. }) => {
                Self::Unexpected { file, what: other.to_string().into() }
            }
        }
    }
}
