use usher_pages::{Language, Letter};
use zeroize::Zeroizing;

/// A letter that waits to be sent.
pub(in crate::signin) struct Queued {
    /// The address that it goes to, as `idp` normalised it.
    pub to: Box<str>,
    /// [`Member::id`](usher_rules::people::Member) of who has it; `None` for who has no account yet.
    pub person: Option<Box<str>>,
    /// What it is, for the operator.
    pub what: &'static str,
    /// One line.
    pub subject: String,
    /// Plain text. It may hold a link that lets its reader in.
    pub text: Zeroizing<String>,
}

impl Queued {
    pub(in crate::signin) fn new(
        (to, person): (&str, Option<&str>),
        what: &'static str,
        (letter, language): (Letter<'_>, Language),
    ) -> Self {
        Self {
            to: to.into(),
            person: person.map(Into::into),
            what,
            subject: letter.subject(language),
            text: Zeroizing::new(letter.text(language)),
        }
    }
}
