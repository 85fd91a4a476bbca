//! The certificate store: accounts, orders and certificates, as files.
//!
//! ```text
//! acme/
//!   accounts/HOST-12345678.json    our account at a directory: its id and key
//!   names/NAME.pem                 the private key, then the chain: one file, so they can't part
//!   names/NAME.json                what became of orders, the renewal window, the last error
//!   names/NAME.order.json          an order that is under way, with its key
//!   names/NAME.renew               somebody asked for a new certificate, and was not heard yet
//!   accounts/HOST-12345678.rolling the account is getting another key
//! ```
//!
//! `*.` of a wildcard is written `_.`. Every file is written whole under another name, synced and
//! renamed. What can be lost to a crash, at each step: an account that was just made (another one
//! is made), an attempt that was just counted (it counts as a failure, so the next one waits), and
//! nothing of an order whose key and address are on the disk (it goes on where it was). A file that
//! can't be read is set aside as `NAME.damaged` and told of; the other names go on.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use usher_rules::{
    people::UnixTimeSeconds,
    renewal::{History, Window},
};
use zeroize::Zeroizing;

use super::SignedCertificate;
use crate::certs::{CertError, file};

/// The folder, and whoever is told of writes to it.
#[derive(Clone)]
pub struct CertificateStore {
    folder: PathBuf,
    before_write: Option<BeforeWrite>,
    /// What can't be read stays where it is.
    only_looks: bool,
}

/// Called before each write, with the file that is written.
pub type BeforeWrite = Arc<dyn Fn(&Path) + Send + Sync>;

/// Orders and tries for a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What became of orders.
    #[serde(default)]
    pub history: History,
    /// When its authority wants it renewed (RFC 9773).
    #[serde(default)]
    pub window: Option<Window>,
    /// The directory that the certificate came from.
    #[serde(default)]
    pub issued_by: Box<str>,
    /// By which challenge it was proved that it is ours to have.
    #[serde(default)]
    pub proved_by: Box<str>,
    /// Somebody asked for another certificate, and it is not there yet.
    #[serde(default)]
    pub wanted: bool,
    /// Why the last order failed; empty when it did not.
    #[serde(default)]
    pub last_error: Box<str>,
    /// The same in a word ([`AcmeError::word`](super::AcmeError::word)).
    #[serde(default)]
    pub last_problem: Box<str>,
    /// When the next order is due, as it was last worked out.
    #[serde(default)]
    pub next_at: UnixTimeSeconds,
}

/// An order that an authority has, and the key that it will be finished with.
#[derive(Serialize, Deserialize)]
pub struct Pending {
    /// The directory that has it.
    pub directory: Box<str>,
    /// The order's own address.
    pub order: Box<str>,
    /// The key of the certificate to be, PEM.
    pub key: Zeroizing<String>,
    /// TXT records that may be out: name and text.
    #[serde(default)]
    pub records: Vec<(Box<str>, Box<str>)>,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("order", &self.order).finish_non_exhaustive()
    }
}

impl CertificateStore {
    /// Opens the folder, or makes it.
    ///
    /// # Errors
    ///
    /// [`CertError::Unwritable`].
    pub fn open(folder: PathBuf) -> Result<Self, CertError> {
        for part in ["accounts", "names"] {
            file::folder(&folder.join(part))?;
        }
        Ok(Self { folder, before_write: None, only_looks: false })
    }

    /// The same store, for whoever only looks: nothing is set aside.
    #[must_use]
    pub fn only_looking(&self) -> Self {
        Self { only_looks: true, ..self.clone() }
    }

    /// Removes what a crash left half written. For the server: others may be writing.
    pub fn tidy(&self) {
        for part in ["accounts", "names"] {
            file::remove_drafts(&self.folder.join(part));
        }
    }

    /// The same store; `hook` hears of each write.
    #[must_use]
    pub fn telling(mut self, hook: Option<BeforeWrite>) -> Self {
        self.before_write = hook;
        self
    }

    /// The certificate for a name.
    ///
    /// # Errors
    ///
    /// [`CertError`]: it can't be read, or is damaged and was set aside.
    pub fn leaf(&self, name: &str) -> Result<Option<SignedCertificate>, CertError> {
        let path = self.path(name, "pem");
        let Some(pem) = file::read(&path)? else { return Ok(None) };
        match SignedCertificate::parse(&pem) {
            Ok(leaf) => Ok(Some(leaf)),
            Err(why) => Err(self.set_aside(path, why)),
        }
    }

    /// What else is known about a name.
    ///
    /// # Errors
    ///
    /// [`CertError`]: it can't be read, or is damaged and was set aside.
    pub fn state(&self, name: &str) -> Result<State, CertError> {
        Ok(self.json(&self.path(name, "json"))?.unwrap_or_default())
    }

    /// The order that is under way for a name.
    ///
    /// # Errors
    ///
    /// [`CertError`]: it can't be read, or is damaged and was set aside.
    pub fn pending(&self, name: &str) -> Result<Option<Pending>, CertError> {
        self.json(&self.path(name, "order.json"))
    }

    /// Keeps a certificate: key and chain, PEM.
    ///
    /// # Errors
    ///
    /// [`CertError::Unwritable`]: what was there before still is.
    pub fn put_leaf(&self, name: &str, pem: &[u8]) -> Result<(), CertError> {
        self.write(&self.path(name, "pem"), pem)
    }

    /// Keeps what is known about a name.
    ///
    /// # Errors
    ///
    /// [`CertError::Unwritable`]: what was there before still is.
    pub fn put_state(&self, name: &str, state: &State) -> Result<(), CertError> {
        self.write_json(&self.path(name, "json"), state)
    }

    /// Keeps an order that is under way.
    ///
    /// # Errors
    ///
    /// [`CertError::Unwritable`].
    pub fn put_pending(&self, name: &str, pending: &Pending) -> Result<(), CertError> {
        self.write_json(&self.path(name, "order.json"), pending)
    }

    /// Forgets an order.
    ///
    /// # Errors
    ///
    /// [`CertError::Unwritable`].
    pub fn drop_pending(&self, name: &str) -> Result<(), CertError> {
        self.remove(&self.path(name, "order.json"))
    }

    /// Our account at a directory, JSON.
    ///
    /// # Errors
    ///
    /// [`CertError::Unreadable`].
    pub fn account(&self, directory: &str) -> Result<Option<Zeroizing<Vec<u8>>>, CertError> {
        file::read(&self.account_path(directory))
    }

    /// Keeps our account at a directory.
    ///
    /// # Errors
    ///
    /// [`CertError::Unwritable`].
    pub fn put_account(&self, directory: &str, json: &[u8]) -> Result<(), CertError> {
        self.write(&self.account_path(directory), json)
    }

    /// Sets an account aside that its authority does not know.
    ///
    /// # Errors
    ///
    /// [`CertError::Unwritable`].
    pub fn drop_account(&self, directory: &str) -> Result<(), CertError> {
        let path = self.account_path(directory);
        let aside = path.with_extension("refused");
        match std::fs::rename(&path, aside) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(CertError::Unwritable { file: path, source })
            }
            Ok(()) | Err(_) => self.has_rolled(directory),
        }
    }

    /// Sets aside an account that can't be read, and says so: the next attempt makes another one.
    pub fn damaged_account(&self, directory: &str) -> CertError {
        self.set_aside(
            self.account_path(directory),
            "holds an account that is not what usher writes",
        )
    }

    /// Notes that an account is about to get another key: a crash before [`Self::has_rolled`] leaves
    /// us with a key that the authority may not know any more.
    ///
    /// # Errors
    ///
    /// [`CertError::Unwritable`].
    pub fn rolls(&self, directory: &str) -> Result<(), CertError> {
        self.write(&self.account_path(directory).with_extension("rolling"), b"")
    }

    /// Notes that it has its key.
    ///
    /// # Errors
    ///
    /// [`CertError::Unwritable`].
    pub fn has_rolled(&self, directory: &str) -> Result<(), CertError> {
        self.remove(&self.account_path(directory).with_extension("rolling"))
    }

    /// Was a change of the account's key cut short?
    pub fn is_rolling(&self, directory: &str) -> bool {
        self.account_path(directory).with_extension("rolling").exists()
    }

    /// Asks whoever runs with this folder for a new certificate.
    ///
    /// # Errors
    ///
    /// [`CertError::Unwritable`].
    pub fn ask_renewal(&self, name: &str) -> Result<(), CertError> {
        self.write(&self.path(name, "renew"), b"")
    }

    /// Did somebody ask for a new certificate, and nobody has heard it yet?
    pub fn is_asked(&self, name: &str) -> bool {
        self.path(name, "renew").exists()
    }

    /// It was heard, and written down.
    ///
    /// # Errors
    ///
    /// [`CertError::Unwritable`].
    pub fn heard(&self, name: &str) -> Result<(), CertError> {
        self.remove(&self.path(name, "renew"))
    }

    /// Every name with a certificate or a state, in order.
    pub fn names(&self) -> Vec<Box<str>> {
        let entries = std::fs::read_dir(self.folder.join("names")).into_iter().flatten().flatten();
        let mut names: Vec<Box<str>> = entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let name = name.strip_suffix(".pem").or_else(|| {
                    name.strip_suffix(".json").filter(|name| !name.ends_with(".order"))
                })?;
                let name = match name.strip_prefix("_.") {
                    Some(domain) => format!("*.{domain}"),
                    None => name.to_owned(),
                };
                Some(name.into())
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn set_aside(&self, path: PathBuf, why: &'static str) -> CertError {
        if !self.only_looks {
            let mut aside = path.clone().into_os_string();
            aside.push(".damaged");
            // Where it can't be set aside it is found again at the next start, and told again.
            let _stays = std::fs::rename(&path, aside);
        }
        CertError::Kept { file: path, why }
    }

    fn path(&self, name: &str, ending: &str) -> PathBuf {
        let name = match name.strip_prefix("*.") {
            Some(domain) => format!("_.{domain}"),
            None => name.to_owned(),
        };
        self.folder.join("names").join(format!("{name}.{ending}"))
    }

    fn account_path(&self, directory: &str) -> PathBuf {
        let host = directory.split('/').nth(2).unwrap_or_default().replace(':', "-");
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, directory.as_bytes());
        let mark: String =
            digest.as_ref().iter().take(4).map(|octet| format!("{octet:02x}")).collect();
        self.folder.join("accounts").join(format!("{host}-{mark}.json"))
    }

    fn json<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>, CertError> {
        let Some(text) = file::read(path)? else { return Ok(None) };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|_| self.set_aside(path.to_owned(), "is not what usher writes"))
    }

    fn write_json(&self, path: &Path, value: &impl Serialize) -> Result<(), CertError> {
        // Text and numbers always serialise; an empty file would be set aside as damaged.
        let text = Zeroizing::new(serde_json::to_vec_pretty(value).unwrap_or_default());
        self.write(path, &text)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), CertError> {
        if let Some(hook) = &self.before_write {
            hook(path);
        }
        file::write(path, bytes, 0o600)
    }

    fn remove(&self, path: &Path) -> Result<(), CertError> {
        if let Some(hook) = &self.before_write {
            hook(path);
        }
        file::remove(path)
    }
}

impl std::fmt::Debug for CertificateStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateStore").field("folder", &self.folder).finish_non_exhaustive()
    }
}
