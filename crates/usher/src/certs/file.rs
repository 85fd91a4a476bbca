//! Files that are whole or not there.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use zeroize::Zeroizing;

use super::CertError;

/// Makes a folder that only its owner may enter.
pub(super) fn folder(folder: &Path) -> Result<(), CertError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| CertError::Unwritable { file: folder.to_owned(), source })
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
pub(super) fn write(file: &Path, bytes: &[u8], mode: u32) -> Result<(), CertError> {
    let draft = file.with_extension("new");
    let written = || {
        remove_if_there(&draft)?;
        let mut out = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
        out.write_all(bytes)?;
        out.sync_all()?;
        fs::rename(&draft, file)?;
        sync_folder(file)
    };
    written().map_err(|source| CertError::Unwritable { file: file.to_owned(), source })
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
