//! Why there is no figure.

use std::{io, path::PathBuf};

/// Why a measurement could not be made. A figure over its limit is not a failure.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line is not understood.
    #[error("usage: {0}")]
    Usage(String),
    /// The system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What it answered.
        source: io::Error,
    },
    /// Something we started ended early or said something else than was expected.
    #[error("{program}: {what}")]
    Program {
        /// Which program.
        program: String,
        /// What it did, with the end of its log.
        what: String,
    },
    /// A connection to usher, or a request over it, went wrong.
    #[error("{what}: {cause}")]
    Exchange {
        /// What was tried.
        what: String,
        /// What went wrong.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An answer with another status than 200 or 101.
    #[error("{what}: status {status}")]
    Status {
        /// What was asked for.
        what: String,
        /// What came.
        status: http::StatusCode,
    },
    /// A certificate could not be made.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// TLS could not be set up.
    #[error("tls: {0}")]
    Tls(#[from] rustls::Error),
    /// A file in `/proc` reads otherwise than expected.
    #[error("{0}: can't make sense of it")]
    Proc(PathBuf),
}

impl Failure {
    /// For `map_err`: an error of the system, with what was tried.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// For `map_err`: an error on a connection, with what was tried.
    pub fn exchange<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        what: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |cause| Self::Exchange { what, cause: cause.into() }
    }
}
