//! `certificates_dir`: a folder of pairs, however the client that wrote it lays them out.
//!
//! Files belong together because the key fits, and not because of their names: acme.sh, certbot
//! (`live` and `archive`), lego, Caddy, dehydrated, win-acme and Synology each have names of their
//! own. Of several files that begin with one certificate the longest chain is served. Names count
//! only where nothing fits, so that it can be told what is missing.

use std::{
    cmp::Reverse,
    fs,
    path::{Path, PathBuf},
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use usher_rules::{plain_text, plan::CertificateFiles};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{CertError, pair};

/// Endings of files that may hold a chain.
const CHAINS: &[&str] = &["pem", "crt", "cer", "cert"];
/// Folders below each other that are looked into: Caddy keeps `AUTHORITY/HOST/HOST.crt`.
const DEPTH: usize = 3;
/// No more files are read than this.
const MOST: usize = 4096;

/// A file with PEM in it.
struct Found {
    path: PathBuf,
    chain: Vec<CertificateDer<'static>>,
    key: Option<PrivateKeyDer<'static>>,
    /// It was read.
    is_readable: bool,
}

/// The pairs of a folder.
///
/// # Errors
///
/// [`CertError::Unreadable`]: the folder itself can't be read. [`CertError::NoPair`]: there is none.
pub(super) fn pairs(folder: &Path) -> Result<Vec<CertificateFiles>, CertError> {
    let unreadable = |source| CertError::Unreadable { file: folder.to_owned(), source };
    drop(fs::read_dir(folder).map_err(unreadable)?);
    let mut paths = Vec::new();
    list(folder, DEPTH, &mut paths);
    let found: Vec<Found> = paths.iter().filter_map(|path| look(path)).collect();
    let mut pairs = fitting(&found);
    pairs.extend(by_name(&found, &pairs));
    if pairs.is_empty() {
        let why = why_none(folder, &paths, &found);
        return Err(CertError::NoPair { folder: folder.to_owned(), why });
    }
    Ok(pairs.into_iter().map(|(cert, key)| CertificateFiles { cert, key }).collect())
}

fn list(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut here: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    here.sort();
    for path in here {
        // `..data` and its like are Kubernetes' own, reached by the links beside them
        let is_hidden =
            path.file_name().is_some_and(|name| name.as_encoded_bytes().first() == Some(&b'.'));
        if is_hidden || paths.len() >= MOST {
            continue;
        }
        match path.is_dir() {
            true if depth > 1 => list(&path, depth - 1, paths),
            true => {}
            false => paths.push(path),
        }
    }
}

fn look(path: &Path) -> Option<Found> {
    let ending = ending(path)?;
    if !CHAINS.contains(&&*ending) && ending != "key" {
        return None;
    }
    let text = pair::read(path).ok();
    let text = text.as_ref().map(|text| plain_text::pem(text));
    let pem = text.as_ref().map_or(&[][..], |text| text.as_slice());
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().unwrap_or_default();
    let key = PrivateKeyDer::from_pem_slice(pem).ok();
    Some(Found { path: path.to_owned(), chain, key, is_readable: text.is_some() })
}

type Files = (PathBuf, PathBuf);

/// Chains with the key that fits their first certificate, in the order of the names; of one host
/// the pair that ends last comes first, since a client's archive keeps the old ones.
fn fitting(found: &[Found]) -> Vec<Files> {
    let mut pairs: Vec<(&CertificateDer<'static>, usize, Files)> = Vec::new();
    for chain in found {
        let Some(leaf) = chain.chain.first() else { continue };
        let fits = |one: &&Found| {
            let key = one.key.as_ref();
            key.is_some_and(|key| pair::certified(vec![leaf.clone()], key).is_ok())
        };
        let near = |one: &&Found| {
            (
                one.path.with_extension("") != chain.path.with_extension(""),
                one.path.parent() != chain.path.parent(),
            )
        };
        let Some(key) = found.iter().filter(fits).min_by_key(near) else { continue };
        let files = (chain.path.clone(), key.path.clone());
        match pairs.iter_mut().find(|(other, ..)| *other == leaf) {
            Some((_, length, _)) if *length >= chain.chain.len() => {}
            Some(shorter) => *shorter = (leaf, chain.chain.len(), files),
            None => pairs.push((leaf, chain.chain.len(), files)),
        }
    }
    let names: Vec<_> = pairs.iter().map(|(leaf, ..)| names_and_end(leaf)).collect();
    let first = |name: &Vec<u8>| names.iter().position(|(other, _)| other == name);
    let mut order: Vec<(Option<usize>, Reverse<i64>, Files)> = pairs
        .into_iter()
        .zip(&names)
        .map(|((_, _, files), (name, end))| (first(name), Reverse(*end), files))
        .collect();
    order.sort_by_key(|(group, end, _)| (*group, *end));
    order.into_iter().map(|(.., files)| files).collect()
}

/// The names of a certificate as they stand in it, and its `notAfter`.
fn names_and_end(leaf: &CertificateDer<'_>) -> (Vec<u8>, i64) {
    let Ok((_, read)) = X509Certificate::from_der(leaf) else { return (Vec::new(), 0) };
    let names = pair::subjects(&read).join(" ").into_bytes();
    (names, read.validity().not_after.timestamp())
}

/// What looks like a pair and is none: that it can't be used has to be told. An authority's own
/// certificate beside it needs no key.
fn by_name(found: &[Found], pairs: &[Files]) -> Vec<Files> {
    let is_used = |path: &Path| pairs.iter().any(|(cert, key)| cert == path || key == path);
    let served: Vec<_> = found
        .iter()
        .filter(|one| pairs.iter().any(|(cert, _)| *cert == one.path))
        .filter_map(|one| one.chain.first())
        .collect();
    let mut out: Vec<Files> = Vec::new();
    for one in found.iter().filter(|one| !is_used(&one.path)) {
        let key = key_beside(&one.path);
        let is_chain = ending(&one.path).is_some_and(|ending| CHAINS.contains(&&*ending));
        let is_known = one.chain.first().is_some_and(|leaf| served.contains(&leaf));
        let names_one = is_leaf(one) || (is_there(&key) && key != one.path && !is_used(&key));
        let is_key = is_key_name(&one.path) || one.key.is_some();
        if is_chain
            && !is_known
            && !is_key
            && names_one
            && !out.iter().any(|(_, other)| *other == key)
        {
            out.push((one.path.clone(), key));
        }
    }
    out
}

/// Where the key of a chain would be by its name.
fn key_beside(cert: &Path) -> PathBuf {
    let name = cert.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    for begin in ["fullchain", "cert"] {
        if let Some(rest) = name.strip_prefix(begin).filter(|rest| rest.ends_with(".pem")) {
            return cert.with_file_name(format!("privkey{rest}"));
        }
    }
    cert.with_extension("key")
}

fn is_key_name(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("privkey") || name.ends_with("-key.pem")
}

/// Also where we may not read it: a link into a folder of root's.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Does it begin with a certificate for a host? What can't be read might. Tools that make a
/// certificate which signs itself often make it an authority's, too, so names count.
fn is_leaf(one: &Found) -> bool {
    let Some(der) = one.chain.first() else { return !one.is_readable };
    X509Certificate::from_der(der).is_ok_and(|(_, read)| {
        let names = read.subject_alternative_name();
        !read.is_ca() || names.is_ok_and(|names| names.is_some())
    })
}

fn ending(path: &Path) -> Option<String> {
    path.extension()?.to_str().map(str::to_ascii_lowercase)
}

fn why_none(folder: &Path, paths: &[PathBuf], found: &[Found]) -> &'static str {
    let has = |wanted: &[&str]| {
        paths.iter().any(|path| ending(path).is_some_and(|ending| wanted.contains(&&*ending)))
    };
    if folder.join("acme.json").exists() {
        "holds Traefik's `acme.json`, which is not read: write its certificates out with \
         traefik-certs-dumper"
    } else if has(&["pfx", "p12"]) {
        "holds PKCS#12, which is not read: make PEM of it with `openssl pkcs12 -in FILE -nodes`"
    } else if found.iter().any(|one| one.key.is_some()) {
        "holds a private key and no certificate for it"
    } else if has(&["der"]) || found.iter().any(|one| one.is_readable && one.chain.is_empty()) {
        "holds no certificate in PEM"
    } else if paths.is_empty() {
        "is empty"
    } else {
        "holds no certificate with its key"
    }
}
