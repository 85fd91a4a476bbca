use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use usher_rules::{plan::Level, time::UnixTime};

use crate::request::record::moment;

/// Where a PEM text came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pem {
    /// A file.
    File(PathBuf),
    /// The config itself, under this key.
    Inline(&'static str),
}

impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Inline(key) => write!(f, "`{key}`"),
        }
    }
}

/// A certificate, a key or the local authority can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertError {
    /// No authority is made while nobody knows what time it is: it would have ended, or begin
    /// later, as soon as the clock is right.
    #[error("this machine's clock is not set, so no local authority is made")]
    ClockUnset,
    /// A file can't be read.
    #[error("can't read {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// There is no certificate in a PEM text.
    #[error("{pem} holds no certificate")]
    NoCertificate {
        /// The text.
        pem: Pem,
    },
    /// A certificate can't be understood.
    #[error("{pem} holds a damaged certificate")]
    DamagedCertificate {
        /// The text.
        pem: Pem,
    },
    /// There is no private key in a PEM text.
    #[error("{pem} holds no private key")]
    NoKey {
        /// The text.
        pem: Pem,
    },
    /// The key is protected with a passphrase.
    #[error("{pem} is protected with a passphrase")]
    EncryptedKey {
        /// The text.
        pem: Pem,
    },
    /// The key is of a kind that TLS here can't use.
    #[error("{pem} holds a key that can't be used")]
    UnknownKey {
        /// The text.
        pem: Pem,
    },
    /// No client accepts it: it has no place for the names that it is for.
    #[error("{pem} is an X.509 certificate of version {version}; TLS needs version 3")]
    OldVersion {
        /// The text.
        pem: Pem,
        /// As people count: 1 or 2.
        version: u32,
    },
    /// Certificate and key don't belong together.
    #[error("{key} is not the key of {cert}")]
    Mismatch {
        /// The certificate.
        cert: Pem,
        /// The key.
        key: Pem,
    },
    /// The certificate of the key comes later in the text.
    #[error("{key} is the key of certificate {place} in {cert}, and not of the first one")]
    LeafNotFirst {
        /// The chain.
        cert: Pem,
        /// The key.
        key: Pem,
        /// Which one is the key's, counted from 1.
        place: usize,
    },
    /// Served, but clients that want the whole chain refuse it.
    #[error("certificate {place} in {pem} was not signed by the one after it")]
    BrokenChain {
        /// The chain.
        pem: Pem,
        /// Which one, counted from 1.
        place: usize,
    },
    /// Served, but clients that don't fetch what is missing refuse it.
    #[error("{pem} lacks the certificate of {issuer:?}, which signed the last one in it")]
    Gap {
        /// The chain.
        pem: Pem,
        /// Whose certificate is missing.
        issuer: Box<str>,
    },
    /// A folder for certificates in which there is none.
    #[error("`certificates_dir` gives no certificate: {} {why}", folder.display())]
    NoPair {
        /// The folder.
        folder: PathBuf,
        /// Why none counts.
        why: &'static str,
    },
    /// Served, but browsers refuse it.
    #[error("{pem} has ended on {}", moment(*on))]
    Expired {
        /// The text.
        pem: Pem,
        /// `notAfter`.
        on: UnixTime,
    },
    /// Served, but browsers refuse it.
    #[error("{pem} does not count before {}", moment(*from))]
    NotYetValid {
        /// The text.
        pem: Pem,
        /// `notBefore`.
        from: UnixTime,
    },
    /// Served, and its key is everybody's on this machine.
    #[error("{} can be read by everybody on this machine", file.display())]
    LooseKey {
        /// The key's file.
        file: PathBuf,
    },
    /// An OCSP response that is not sent.
    #[error("{} {why}; it is not sent", file.display())]
    BadStaple {
        /// The file.
        file: PathBuf,
        /// How it fails.
        why: &'static str,
    },
    /// A host that no configured certificate is for.
    #[error("no certificate is for {host}; the local authority signs one")]
    Uncovered {
        /// The host.
        host: Box<str>,
    },
    /// A host that the local authority's root may not sign for.
    #[error("the local authority may not sign for {host}: it was made for other domains")]
    NotPermitted {
        /// The host.
        host: Box<str>,
        /// The root's certificate.
        file: PathBuf,
    },
    /// The local authority's files can't be used.
    #[error("the local authority is damaged: {} {why}", file.display())]
    Authority {
        /// The file.
        file: PathBuf,
        /// How it fails.
        why: &'static str,
    },
    /// A file of the local authority can't be written.
    #[error("can't write {}: {source}", file.display())]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Something that was kept of the talk with an authority can't be used, and was set aside.
    #[error("{} {why}; it was set aside", file.display())]
    Kept {
        /// The file.
        file: PathBuf,
        /// How it fails.
        why: &'static str,
    },
    /// A pair was exchanged for one that can't be used; the old one is served on.
    #[error("{cause}; the one from before is served on")]
    OldServes {
        /// How the new one fails.
        cause: Box<CertError>,
    },
    /// The library refuses to make or sign a certificate.
    #[error("can't sign a certificate: {0}")]
    Signing(#[from] rcgen::Error),
}

impl CertError {
    pub(super) fn uncovered(host: &str) -> Self {
        Self::Uncovered { host: host.into() }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "let the user that usher runs as read it: chown or chmod 640"
            }
            Self::Unreadable { .. } => {
                "check the path in `certificate_file`, `certificates` or `certificates_dir`"
            }
            Self::NoCertificate { .. } | Self::DamagedCertificate { .. } => {
                "it must be the chain in PEM form, leaf first; see what it holds with \
                 `openssl x509 -text -in FILE`, and make PEM of DER with `-inform der`"
            }
            Self::NoKey { .. } | Self::UnknownKey { .. } => {
                "it must be an EC, RSA or Ed25519 key in PEM form; did certificate and key change \
                 places?"
            }
            Self::OldVersion { .. } => {
                "sign it with extensions, which makes it version 3: `openssl x509 -req … \
                 -extfile FILE` with a line `subjectAltName=DNS:HOST` in FILE"
            }
            Self::EncryptedKey { .. } => {
                "take the passphrase off: openssl pkey -in KEY -out NEWKEY; then chmod 600 NEWKEY"
            }
            Self::Mismatch { .. } => {
                "compare `openssl x509 -pubkey -noout -in CERT` with `openssl pkey -pubout -in KEY`"
            }
            Self::LeafNotFirst { .. } | Self::BrokenChain { .. } => {
                "put the certificates in order: the leaf first, each signed by the one after it, as \
                 in an authority's `fullchain.pem`; TVs and players refuse what browsers mend"
            }
            Self::Gap { .. } => {
                "name the file with the whole chain, an authority's `fullchain.pem` or \
                 `fullchain.cer`: browsers mend a gap, TVs, players and apps don't; if the signer is \
                 an authority of your own, name its file in `certificate_authority_file`"
            }
            Self::NoPair { .. } => {
                "put `NAME.pem` and `NAME.key` there, or name the folder that your client writes: \
                 certbot's /etc/letsencrypt/live, acme.sh's ~/.acme.sh/HOST_ecc, lego's and Caddy's \
                 `certificates`, dehydrated's `certs`"
            }
            Self::Expired { .. } => {
                "browsers refuse it: renew it, and usher takes the new file by itself; if it ends \
                 later than that, check this machine's clock (`date -u`)"
            }
            Self::LooseKey { .. } => {
                "chmod 640, and give the file to a group that usher's user is in; if others may have \
                 read it, get a new certificate with a new key"
            }
            Self::BadStaple { .. } => {
                "fetch a new one with `openssl ocsp`, or delete the file if the authority has stopped OCSP"
            }
            Self::NotYetValid { .. } => {
                "browsers refuse it until then; check this machine's clock (`date -u`)"
            }
            Self::ClockUnset => {
                "set it (`timedatectl set-ntp true`; `date -u` shows it), then start usher again"
            }
            Self::Uncovered { .. } => {
                "browsers warn of it unless they trust the authority; name a certificate for it in \
                 `certificates`"
            }
            Self::NotPermitted { .. } => {
                "browsers refuse it even where they trust the authority; set `autocert: true`, name a \
                 certificate in `certificates`, or run `usher trust --renew` and trust the new one"
            }
            Self::Authority { .. } => {
                "put both files back from a backup; or delete the folder: a new authority is made, \
                 and everybody has to trust it anew"
            }
            Self::OldServes { cause } => cause.hint(),
            Self::Kept { .. } => {
                "nothing to do: another one is made; if it happens again, check the disk"
            }
            Self::Unwritable { .. } => "check that the disk has room and the folder is writable",
            Self::Signing(_) => "check the host names in `from`",
        }
    }

    /// Does compiling the config tell of it, where the config has `named` the file?
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is about a file alone")]
    pub(super) fn is_told_of(&self, named: impl Fn(&Path) -> bool) -> bool {
        match self {
            Self::Unreadable { file, .. } => named(file),
            Self::NoCertificate { pem: Pem::File(file) } | Self::NoKey { pem: Pem::File(file) } => {
                named(file)
            }
            Self::NoCertificate { .. } | Self::NoKey { .. } => true,
            _ => false,
        }
    }

    /// How much it matters to whoever runs the server.
    pub fn level(&self) -> Level {
        match self {
            Self::Uncovered { .. } => Level::Info,
            Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::NotPermitted { .. }
            | Self::BrokenChain { .. }
            | Self::Gap { .. }
            | Self::LooseKey { .. }
            | Self::BadStaple { .. } => Level::Warn,
            Self::Unreadable { .. }
            | Self::ClockUnset
            | Self::NoPair { .. }
            | Self::NoCertificate { .. }
            | Self::DamagedCertificate { .. }
            | Self::NoKey { .. }
            | Self::EncryptedKey { .. }
            | Self::UnknownKey { .. }
            | Self::OldVersion { .. }
            | Self::Mismatch { .. }
            | Self::LeafNotFirst { .. }
            | Self::Authority { .. }
            | Self::Kept { .. }
            | Self::OldServes { .. }
            | Self::Unwritable { .. }
            | Self::Signing(_) => Level::Error,
        }
    }
}
