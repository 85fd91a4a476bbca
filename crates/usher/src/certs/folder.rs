//! `certificates_dir`: a folder of pairs, as people and certbot keep them.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use usher_rules::plan::CertificateFiles;

use super::CertError;

/// Endings of files that hold a chain.
const CHAINS: &[&str] = &["pem", "crt", "cer"];

/// The pairs of a folder, by name: `NAME.pem` or `NAME.crt` with `NAME.key`, and folders with
/// `fullchain.pem` and `privkey.pem` (certbot's `live/`).
///
/// # Errors
///
/// [`CertError::Unreadable`]: the folder itself can't be read.
pub(super) fn pairs(folder: &Path) -> Result<Vec<CertificateFiles>, CertError> {
    let unreadable = |source| CertError::Unreadable { file: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(unreadable)?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths.iter().filter_map(|path| pair(path)).collect())
}

/// A chain without its key is a pair, too: that it can't be read has to be told.
fn pair(path: &Path) -> Option<CertificateFiles> {
    if path.is_dir() {
        let (cert, key) = (path.join("fullchain.pem"), path.join("privkey.pem"));
        return (is_there(&cert) || is_there(&key)).then_some(CertificateFiles { cert, key });
    }
    let ending = path.extension()?.to_str()?;
    let key = path.with_extension("key");
    CHAINS.contains(&ending).then(|| CertificateFiles { cert: path.to_owned(), key })
}

/// Or may we not see whether it is?
fn is_there(path: &Path) -> bool {
    fs::metadata(path).map_or_else(|error| error.kind() != ErrorKind::NotFound, |_| true)
}
