//! Files that are whole or not there.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown,
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use zeroize::Zeroizing;

use super::CertError;

/// Makes a folder that only its owner may enter, and what it lies in.
pub(super) fn folder(folder: &Path) -> Result<(), CertError> {
    let made = || {
        let missing: Vec<&Path> = folder
            .ancestors()
            .take_while(|one| !one.as_os_str().is_empty() && !one.exists())
            .collect();
        for one in missing.into_iter().rev() {
            DirBuilder::new().recursive(true).mode(0o700).create(one)?;
            give_to_the_folders_owner(&File::open(one)?, one)?;
        }
        if folder.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
    };
    made().map_err(|source| CertError::Unwritable { file: folder.to_owned(), source })
}

/// The file, or `None` when there is none.
pub(super) fn read(file: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, CertError> {
    match fs::read(file) {
        Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CertError::Unreadable { file: file.to_owned(), source }),
    }
}

/// Writes a whole file or none: under another name first, and renamed once it is on the disk.
///
/// The draft's name is this write's own, since `usher certs` may write beside a server that runs.
pub(super) fn write(file: &Path, bytes: &[u8], mode: u32) -> Result<(), CertError> {
    let draft = draft(file);
    let written = || {
        remove_if_there(&draft)?;
        let mut out = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
        out.write_all(bytes)?;
        out.set_permissions(Permissions::from_mode(mode))?; // whatever the umask says
        give_to_the_folders_owner(&out, file)?;
        out.sync_all()?;
        fs::rename(&draft, file)?;
        sync_folder(file)
    };
    written().map_err(|source| {
        let _stays = fs::remove_file(&draft);
        CertError::Unwritable { file: file.to_owned(), source }
    })
}

fn draft(file: &Path) -> PathBuf {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let number = WRITES.fetch_add(1, Ordering::Relaxed);
    let mut draft = file.to_owned().into_os_string();
    draft.push(format!(".{}-{number}.{DRAFT}", std::process::id()));
    draft.into()
}

const HOUR: Duration = Duration::from_secs(3600);
/// How the names of drafts end.
const DRAFT: &str = "new";

/// Removes drafts that a crash left; a younger one may be somebody's who is writing now.
pub(super) fn remove_drafts(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_draft = entry.file_name().to_string_lossy().ends_with(&format!(".{DRAFT}"));
        let age = entry.metadata().and_then(|about| about.modified()).ok();
        let age = age.and_then(|at| at.elapsed().ok());
        if is_draft && age.is_some_and(|age| age > HOUR) {
            let _stays = fs::remove_file(entry.path());
        }
    }
}

/// What root writes beside a server must stay readable for the server's own user.
fn give_to_the_folders_owner(out: &File, file: &Path) -> io::Result<()> {
    let (Some(folder), own) = (file.parent(), out.metadata()?) else { return Ok(()) };
    let folder = fs::metadata(folder)?;
    if own.uid() != 0 || folder.uid() == own.uid() {
        return Ok(());
    }
    fchown(out, Some(folder.uid()), Some(folder.gid()))
}

/// Removes a file; gone already is as good.
pub(super) fn remove(file: &Path) -> Result<(), CertError> {
    let removed = || {
        remove_if_there(file)?;
        sync_folder(file)
    };
    removed().map_err(|source| CertError::Unwritable { file: file.to_owned(), source })
}

fn remove_if_there(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync_folder(file: &Path) -> io::Result<()> {
    file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
