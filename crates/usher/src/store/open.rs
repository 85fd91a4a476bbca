//! From a directory to a connection that can be trusted, or to the reason why not.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{OpenError, directory};

/// The store's name in the data directory.
pub(super) const FILE: &str = "usher.sqlite3";
/// Held while the store is opened, so that two processes don't make it at once.
pub(super) const LOCK: &str = "usher.lock";
/// "USHR": what `file` and our own check know the store by.
const APPLICATION_ID: i32 = 0x5553_4852;
/// Each takes the store from the format before it; their count is the format that we know.
const MIGRATIONS: [&str; 12] = [
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
    include_str!("migrations/0006.sql"),
    include_str!("migrations/0007.sql"),
    include_str!("migrations/0008.sql"),
    include_str!("migrations/0009.sql"),
    include_str!("migrations/0010.sql"),
    include_str!("migrations/0011.sql"),
    include_str!("migrations/0012.sql"),
];
/// How long we wait for another process, such as `usher people`.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the store in `dir`, or makes it; waits up to `patience` for other processes, now and
/// later.
///
/// # Errors
///
/// [`OpenError`]; nothing was changed then, except that an empty directory may have been made.
pub(super) fn open(dir: &Path, patience: Duration) -> Result<(Connection, PathBuf), OpenError> {
    directory::prepare(dir)?;
    let (file, lock) = (dir.join(FILE), dir.join(LOCK));
    let turn = directory::new_file(dir, &lock)?;
    turn.lock().map_err(|source| OpenError::io(&lock, source))?;
    directory::judge_unfinished(dir)?;
    match fs::symlink_metadata(&file) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => create(dir, &file)?,
        Err(error) => return Err(OpenError::io(&file, error)),
    }
    directory::judge_file(&file)?;
    Ok((connect(&file, patience)?, file))
}

/// Makes an empty store: under another name first, so that a crash leaves none or a whole one.
fn create(dir: &Path, file: &Path) -> Result<(), OpenError> {
    let log = dir.join(format!("{FILE}-wal"));
    if log.exists() {
        // SQLite would play it into the new file.
        return Err(OpenError::LeftOver { file: file.to_owned(), log });
    }
    let draft = dir.join(format!("{FILE}.new"));
    for left_over in [&draft, &dir.join(format!("{FILE}.new-journal"))] {
        match fs::remove_file(left_over) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(OpenError::io(left_over, error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    drop(directory::new_file(dir, &draft)?);
    (|| {
        let db = Connection::open_with_flags(&draft, FLAGS)?;
        db.pragma_update(None, "application_id", APPLICATION_ID)?;
        migrate(&db)
    })()
    .map_err(|error| OpenError::sqlite(&draft, error))?;
    fs::rename(&draft, file).map_err(|source| OpenError::io(file, source))?;
    directory::sync(dir)
}

const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// What SQLite keeps of the file, in KiB, as it takes them; the system has the rest in its own memory.
pub(super) const CACHE: i32 = -256;

/// Another connection to a store that was opened before.
pub(super) fn connect_again(file: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(file, FLAGS)?;
    db.busy_timeout(PATIENCE)?;
    keep_little(&db)?;
    set_up(&db)?;
    Ok(db)
}

/// Before the check of the whole file: it fills what there is, and what was filled once is not given back.
fn keep_little(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "cache_size", CACHE)
}

/// Opens a store that is there, and checks that it is ours, whole and of a format that we know.
pub(super) fn connect(file: &Path, patience: Duration) -> Result<Connection, OpenError> {
    let failed = |error| OpenError::sqlite(file, error);
    let db = Connection::open_with_flags(file, FLAGS).map_err(failed)?;
    db.busy_timeout(patience).map_err(failed)?;
    if db.is_readonly("main").map_err(failed)? {
        // SQLite falls back to reading without a word when the file can't be written.
        return Err(OpenError::ReadOnly { path: file.to_owned() });
    }
    let application_id = number(&db, "application_id").map_err(failed)?;
    if application_id != APPLICATION_ID {
        return Err(OpenError::Foreign { file: file.to_owned(), application_id });
    }
    let (version, known) = (number(&db, "user_version").map_err(failed)?, known_format());
    if version > known {
        return Err(OpenError::Newer { file: file.to_owned(), version, known });
    }
    if let Some(what) = damage(&db).map_err(failed)? {
        return Err(OpenError::Corrupt { file: file.to_owned(), what });
    }
    if !set_up(&db).map_err(failed)? {
        return Err(OpenError::UnfitFileSystem { file: file.to_owned() });
    }
    migrate(&db).map_err(failed)?;
    Ok(db)
}

/// The latest format that we know.
pub(super) fn known_format() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

fn number(db: &Connection, pragma: &str) -> rusqlite::Result<i32> {
    db.pragma_query_value(None, pragma, |row| row.get(0))
}

/// The first things that SQLite finds wrong with the file's structure. The whole check and not
/// the quick one: an index that misses a row would hide a session from "end all of a person's".
fn damage(db: &Connection) -> rusqlite::Result<Option<Box<str>>> {
    db.pragma_update(None, "cell_size_check", true)?;
    keep_little(db)?;
    let mut check = db.prepare("PRAGMA integrity_check(3)")?;
    let found: Vec<String> = check.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(if found == ["ok"] { None } else { Some(found.join("; ").into()) })
}

/// Sets a connection up for durability; `false` when the file system can't have a write-ahead log.
fn set_up(db: &Connection) -> rusqlite::Result<bool> {
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    db.pragma_update(None, "synchronous", "full")?; // an answer means: it survives a power cut
    db.pragma_update(None, "fullfsync", true)?;
    db.pragma_update(None, "secure_delete", true)?; // what was removed is not in the file either
    db.pragma_update(None, "trusted_schema", false)?;
    db.pragma_update(None, "temp_store", "memory")?;
    db.pragma_update_and_check(None, "journal_size_limit", 4 << 20, |_| Ok(()))?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    Ok(mode == "wal")
}

/// Brings the store to the format that we know; each step all or nothing.
fn migrate(db: &Connection) -> rusqlite::Result<()> {
    for (to, sql) in (1..).zip(MIGRATIONS) {
        if number(db, "user_version")? < to {
            db.execute_batch(&format!(
                "BEGIN IMMEDIATE; {sql}; PRAGMA user_version = {to}; COMMIT"
            ))?;
        }
    }
    Ok(())
}
