//! Why a command that reads the config ends before it has done anything, and how that is told.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use super::data_dir::NoDataDir;
use crate::{reload::LoadFailure, server::StartError, store::OpenError};

/// Why nothing is served, or explained.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Config(#[from] LoadFailure),
    #[error(transparent)]
    DataDir(#[from] NoDataDir),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("can't wait for signals: {0}")]
    Signals(io::Error),
    /// What was typed can't be asked.
    #[error("{what}")]
    Unclear { what: String, hint: &'static str },
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("can't read the decisions in {}: {source}", place.display())]
    Records { place: PathBuf, source: io::Error },
    #[error("no decision about the request `{0}` is kept")]
    NotKept(String),
    #[error("can't write the answer: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// Says it, and gives the exit status of what was not even begun.
    pub(super) fn end(&self) -> ExitCode {
        let _nowhere_left = self.tell(&mut io::stderr().lock());
        ExitCode::from(2)
    }

    /// A config that is refused is told whole: who mends one problem wants to know of the next.
    pub(super) fn tell(&self, out: &mut impl Write) -> io::Result<()> {
        if let Self::Config(LoadFailure::Refused(findings)) = self {
            return writeln!(out, "{findings}{}", findings.summary());
        }
        writeln!(out, "error: {self}")?;
        match self.hint() {
            Some(hint) => writeln!(out, "hint: {hint}"),
            None => Ok(()),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Config(failure) => failure.hint().map(Into::into),
            Self::DataDir(_) => Some("say where: --data-dir DIR".into()),
            Self::Start(error) => error.hint(),
            Self::Unclear { hint, .. } => Some((*hint).into()),
            Self::Open(error) => Some(error.hint()),
            Self::NotKept(_) => Some(
                "refusals are kept, the latest ten thousand; `decision_records: all` in the config \
                 keeps every decision"
                    .into(),
            ),
            Self::Signals(_) | Self::Records { .. } | Self::Output(_) => None,
        }
    }
}
