use std::fmt;

use serde_json::{Value, json};
use usher_rules::problem::Severity;

use super::{Code, Cure};

/// What came of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// How bad it is; `None` is good.
    pub severity: Option<Severity>,
    /// What it is about.
    pub code: &'static Code,
    /// Which one.
    pub subject: String,
    /// What was seen.
    pub what: String,
    /// What to do; empty where all is well.
    pub help: String,
    /// What Jellyfin lets us do about it.
    pub cures: Vec<Cure>,
}

impl Tried {
    pub(super) fn good(
        code: &'static Code,
        subject: impl Into<String>,
        what: impl Into<String>,
    ) -> Self {
        let (subject, what, help) = (subject.into(), what.into(), String::new());
        Self { severity: None, code, subject, what, help, cures: Vec::new() }
    }

    pub(super) fn bad(
        severity: Severity,
        code: &'static Code,
        subject: impl Into<String>,
        (what, help): (impl Into<String>, impl Into<String>),
    ) -> Self {
        let (subject, what, help) = (subject.into(), what.into(), help.into());
        Self { severity: Some(severity), code, subject, what, help, cures: Vec::new() }
    }

    /// The same, which these changes mend.
    pub(super) fn cured_by(mut self, cures: impl IntoIterator<Item = Cure>) -> Self {
        self.cures.extend(cures);
        self
    }

    /// `ok`, `warning` or `error`.
    pub fn word(&self) -> &'static str {
        self.severity.map_or("ok", Severity::word)
    }

    /// For programs. `live` is what it is about.
    pub fn to_json(&self) -> Value {
        let Self { code, subject, what, help, cures, .. } = self;
        let mut object = json!({
            "severity": self.word(), "code": code.id, "live": code.about, "subject": subject,
            "what": what, "help": help,
        });
        if let (Some(object), Some(_)) = (object.as_object_mut(), self.severity) {
            object.insert("title".into(), code.title.into());
            object.insert("means".into(), code.means.into());
            object.insert("fix".into(), cures.iter().map(Cure::to_json).collect());
        }
        object
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}: {}", self.word(), self.code.about, self.subject, self.what)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "; {}", self.help) }
    }
}
