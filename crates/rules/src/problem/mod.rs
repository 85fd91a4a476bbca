//! A problem has a place, a code and a way out.

mod class;
mod credentials;
mod hidden;
mod rendered;

use std::ops::Range;

pub use class::Class;
use credentials::told;
pub(crate) use credentials::{
    is_secret_field, without_arguments, without_parameters, without_passwords,
};
pub use rendered::{Rendered, Summary};

/// Byte offsets into the config text.
pub type Span = Range<usize>;

/// Whether the config may run with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The config runs; what is lost is said.
    Warning,
    /// The config is refused.
    Error,
}

impl Severity {
    /// The word that people see: `warning`, `error`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Where a problem is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the config file.
    File(Span),
    /// In an environment variable, by name.
    Environment(Box<str>),
    /// In the whole, for example a key that is missing.
    Whole,
}

/// One finding about a config, in the words of the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// May the config run?
    pub severity: Severity,
    /// Stable, searchable, documented in `docs/reference/problems.md`: `U102`.
    pub code: &'static str,
    /// Where it is.
    pub at: Place,
    /// A second place that it is about, with the words to put there.
    pub also: Option<Box<(Span, Box<str>)>>,
    /// What is wrong, in the words of the config file, never of the Rust types.
    pub what: String,
    /// What to do about it. A problem without a way out is not finished.
    pub help: String,
}

impl Problem {
    /// A finding that refuses the config.
    pub fn error(
        code: &'static str,
        at: Span,
        what: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Error, code, Place::File(at), what, help)
    }

    /// A finding that the config may run with.
    pub fn warning(
        code: &'static str,
        at: Span,
        what: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Warning, code, Place::File(at), what, help)
    }

    /// A finding anywhere. Its words come without the credentials of addresses that they name.
    pub fn new(
        severity: Severity,
        code: &'static str,
        at: Place,
        what: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { severity, code, at, also: None, what: told(what.into()), help: told(help.into()) }
    }

    /// Whose doing it is.
    pub fn class(&self) -> Class {
        Class::of(self.code)
    }

    /// The same finding with a second place and the words to put there.
    #[must_use]
    pub fn and_at(mut self, span: Span, words: impl Into<Box<str>>) -> Self {
        self.also = Some(Box::new((span, words.into())));
        self
    }
}
