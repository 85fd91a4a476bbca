//! Why a command that reads the config ends before it has done anything, and how that is told.

use std::{
    error::Error,
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
    #[error("the decision about the request `{request_id}` can't be made anew: {why}")]
    NotAnew { request_id: String, why: &'static str, then: String },
    #[error("can't write the answer: {0}")]
    Output(#[from] io::Error),
}

/// Says why a command did not do it, and what would help.
pub(super) fn tell(errors: &mut dyn Write, failure: &dyn Error, hint: Option<&str>) {
    if is_unheard(failure) {
        return;
    }
    let told = writeln!(errors, "error: {failure}");
    // Nowhere is left to say that standard error is closed.
    drop(told.and_then(|()| hint.map_or(Ok(()), |hint| writeln!(errors, "hint: {hint}"))));
}

/// Whoever closed the pipe (`usher people list | head`) wants to hear no more, of that neither.
pub(super) fn is_unheard(failure: &dyn Error) -> bool {
    let output = failure.source().and_then(|source| source.downcast_ref::<io::Error>());
    output.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

impl Failure {
    /// Says it, and gives the exit status of what was not even begun.
    pub(super) fn end(&self) -> ExitCode {
        if !is_unheard(self) {
            let _nowhere_left = self.tell(&mut io::stderr().lock());
        }
        ExitCode::from(2)
    }

    /// Says it to programs: each problem of a config is one object, as from `usher check --json`.
    pub(super) fn tell_json(&self, out: &mut impl Write) -> io::Result<()> {
        if let Self::Config(failure @ LoadFailure::Refused(_)) = self {
            return failure.to_json().iter().try_for_each(|object| writeln!(out, "{object}"));
        }
        let (what, help) = (self.to_string(), self.hint());
        writeln!(out, "{}", serde_json::json!({"severity": "error", "what": what, "help": help}))
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
            Self::NotAnew { then, .. } => Some(format!("what is on record of it: {then}")),
            Self::Signals(_) | Self::Records { .. } | Self::Output(_) => None,
        }
    }
}
