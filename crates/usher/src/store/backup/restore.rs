//! From a backup to a data directory; what was there is kept beside it.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown},
    path::{Component, Path, PathBuf},
};

use usher_rules::{secret::Secret, time::UnixTime};

use super::{
    super::{Alone, Index, KEY_FILE, OpenError, StoreFailure, check, directory, keys, open},
    BackupError,
    archive::{self, Entry},
};

/// Holds what was there before; a number follows.
pub(super) const REPLACED: &str = "replaced-";
/// Holds what is about to be there.
pub(super) const STAGED: &str = "restore.staged";

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// When the backup was made.
    pub made_at: UnixTime,
    /// Where it put what was there before, if anything was.
    pub replaced: Option<PathBuf>,
    /// Whether it held the keys.
    pub keys: Keys,
}

/// Whether a backup holds the keys of its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// It is complete.
    Within,
    /// They have to be put beside it.
    Elsewhere,
}

/// Puts a backup into `dir`: all of it is checked before anything is changed.
///
/// # Errors
///
/// [`BackupError`]; a server that runs there, a backup that is not whole, or one of a later usher.
/// Nothing was changed then, unless the disk failed while files changed places: then usher does not
/// start until it is done again.
pub fn restore(
    file: &Path,
    dir: &Path,
    passphrase: Option<&Secret>,
    now: UnixTime,
) -> Result<Restored, BackupError> {
    let octets = fs::read(file).map_err(|source| OpenError::io(file, source))?;
    let (head, entries) = archive::unpack(&octets, passphrase)?;
    if head.store > open::known_format() {
        return Err(BackupError::Newer { what: "a store of format", given: head.store.into() });
    }
    if !entries.iter().all(|entry| is_below(&entry.name)) {
        return Err(BackupError::Damaged("a name in it leads elsewhere"));
    }
    let keys = match entries.iter().any(|entry| entry.name == KEY_FILE) {
        true => Keys::Within,
        false => Keys::Elsewhere,
    };
    directory::prepare(dir)?;
    let _alone = Alone::take(dir)?;
    let lock = dir.join(open::LOCK);
    let turn = directory::new_file(dir, &lock)?;
    turn.lock().map_err(|source| OpenError::io(&lock, source))?;
    let staged = stage(dir, &entries, keys)?;
    let replaced = swap(dir, &staged, keys, now).map_err(|source| OpenError::io(dir, source))?;
    Ok(Restored { made_at: UnixTime::from_seconds(head.made_at), replaced, keys })
}

fn is_below(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    !name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// Lays everything out in a folder of its own, and opens the store there.
fn stage(dir: &Path, entries: &[Entry], keys_are: Keys) -> Result<PathBuf, BackupError> {
    let staged = dir.join(STAGED);
    let refused = |source| OpenError::io(&staged, source);
    if staged.exists() {
        fs::remove_dir_all(&staged).map_err(refused)?;
    }
    for Entry { name, content } in entries {
        let path = staged.join(name);
        make_folders(dir, path.parent().unwrap_or(&staged)).map_err(refused)?;
        let mut file = directory::new_file(dir, &path)?;
        file.write_all(content).and_then(|()| file.sync_all()).map_err(refused)?;
    }
    let file = staged.join(open::FILE);
    directory::judge_file(&file)?;
    let db = open::connect(&file, open::PATIENCE)?;
    check(&db, &Index::new()).map_err(|failure| OpenError::of(&file, failure))?;
    if keys_are == Keys::Within {
        keys::lie_in(&db, &dir.join(KEY_FILE))?;
    }
    db.close().map_err(|(_, error)| StoreFailure::from(error))?;
    Ok(staged)
}

/// Folders for us alone; root's go to the owner of the data directory.
fn make_folders(dir: &Path, folder: &Path) -> io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_folders(dir, above)?;
    }
    fs::DirBuilder::new().mode(0o700).create(folder)?;
    let (owner, made) = (fs::metadata(dir)?, fs::metadata(folder)?);
    match owner.uid() != made.uid() && made.uid() == 0 {
        true => chown(folder, Some(owner.uid()), Some(owner.gid())),
        false => Ok(()),
    }
}

/// Puts what is there aside and what is staged in its place. A process that ends on the way leaves
/// a file that keeps usher from starting with half of each.
///
/// Keys and certificates stay where the backup has none to take their place.
fn swap(dir: &Path, staged: &Path, keys: Keys, now: UnixTime) -> io::Result<Option<PathBuf>> {
    let sync = || fs::File::open(dir).and_then(|dir| dir.sync_all());
    let unfinished = dir.join(directory::UNFINISHED);
    fs::File::create(&unfinished)?.sync_all()?;
    sync()?;
    let mut aside = None;
    for name in names_in(dir)? {
        let stays = [open::LOCK, Alone::FILE, STAGED, directory::UNFINISHED].contains(&&*name);
        let is_store = name.starts_with(open::FILE);
        if stays || name.starts_with(REPLACED) || (keys == Keys::Elsewhere && !is_store) {
            continue;
        }
        let aside = match &aside {
            Some(aside) => aside,
            None => aside.insert(place_aside(dir, now)?),
        };
        fs::rename(dir.join(&name), aside.join(&name))?;
    }
    for name in names_in(staged)? {
        fs::rename(staged.join(&name), dir.join(&name))?;
    }
    sync()?;
    fs::remove_dir(staged)?;
    fs::remove_file(&unfinished)?;
    sync()?;
    Ok(aside)
}

fn place_aside(dir: &Path, now: UnixTime) -> io::Result<PathBuf> {
    let mut number = now.seconds();
    while dir.join(format!("{REPLACED}{number}")).exists() {
        number += 1;
    }
    let aside = dir.join(format!("{REPLACED}{number}"));
    make_folders(dir, &aside)?;
    Ok(aside)
}

fn names_in(dir: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}
