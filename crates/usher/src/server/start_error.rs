use crate::{
    certs::CertError,
    idp::HashingError,
    request::{accept::ListenError, tls::TlsError},
    store::OpenError,
};

use super::{GuardError, KeyFailure};

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// There are no keys.
    #[error(transparent)]
    Keys(#[from] KeyFailure),
    /// The local authority can't be opened.
    #[error(transparent)]
    Authority(#[from] CertError),
    /// Passwords can't be hashed.
    #[error(transparent)]
    Passwords(HashingError),
    /// An address can't be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// TLS can't be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Jellyfins can't be spoken with.
    #[error("TLS can't be set up: {0}")]
    Jellyfin(#[from] rustls::Error),
    /// Figures can't be served as the config wants it.
    #[error(transparent)]
    Metrics(#[from] GuardError),
    /// The system gives no thread.
    #[error("can't start a thread: {0}")]
    Thread(std::io::Error),
}

impl StartError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => Some(error.hint()),
            Self::Keys(KeyFailure::Signer(error)) => Some(error.hint().into()),
            Self::Keys(KeyFailure::Secrets(_)) => {
                Some("make one with `head -c32 /dev/urandom | base64`".into())
            }
            Self::Keys(KeyFailure::File(error)) => Some(error.hint()),
            Self::Keys(KeyFailure::Store(failure)) => Some(failure.hint().into()),
            Self::Keys(KeyFailure::NoRandomness) => None,
            Self::Authority(error) => Some(error.hint().to_string()),
            Self::Listen(error) => Some(error.hint().into()),
            Self::Metrics(error) => Some(error.hint().into()),
            Self::Passwords(_) | Self::Tls(_) | Self::Jellyfin(_) | Self::Thread(_) => None,
        }
    }
}
