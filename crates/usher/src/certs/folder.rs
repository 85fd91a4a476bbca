//! `certificates_dir`: a folder of pairs, as people and certbot keep them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use usher_rules::plan::CertificateFiles;
use x509_parser::prelude::{FromDer as _, X509Certificate};

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

/// A chain without its key is a pair, too: that it can't be read has to be told. An authority's own
/// certificate beside it needs none.
fn pair(path: &Path) -> Option<CertificateFiles> {
    if path.is_dir() {
        let (cert, key) = (path.join("fullchain.pem"), path.join("privkey.pem"));
        return (is_there(&cert) || is_there(&key)).then_some(CertificateFiles { cert, key });
    }
    let ending = path.extension()?.to_str()?;
    let key = path.with_extension("key");
    let is_pair = CHAINS.contains(&ending) && (is_there(&key) || is_leaf(path));
    is_pair.then(|| CertificateFiles { cert: path.to_owned(), key })
}

/// Also where we may not read it: a link into a folder of root's.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Does it begin with a certificate for a host? What can't be read might. Tools that make a
/// certificate which signs itself often make it an authority's, too, so names count.
fn is_leaf(path: &Path) -> bool {
    match fs::read(path) {
        Err(_) => true,
        Ok(text) => match CertificateDer::from_pem_slice(&text) {
            Err(_) => false,
            Ok(der) => X509Certificate::from_der(&der).is_ok_and(|(_, read)| {
                let names = read.subject_alternative_name();
                !read.is_ca() || names.is_ok_and(|names| names.is_some())
            }),
        },
    }
}
