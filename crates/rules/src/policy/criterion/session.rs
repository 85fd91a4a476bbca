use super::{Doubt, Question, Who, Written};
use crate::{policy::report::Report, session::SignedIn};

criteria! {
    Session: AuthenticatedUser;
    later: "client_certificate", "device", "invalid_client_certificate", "ssh_ca", "ssh_publickey",
        "ssh_username", "ssh_username_matches_claim", "ssh_username_matches_email";
}

/// `authenticated_user`: somebody with an id.
#[derive(Clone, Debug)]
pub(in crate::policy) struct AuthenticatedUser;

impl Question for AuthenticatedUser {
    const NAME: &'static str = "authenticated_user";
    const REASONS: [&'static str; 2] = ["user-ok", "user-unauthorized"];
    type Of = Who;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        written.without_operand(report);
        Some(Self)
    }

    fn holds(&self, who: &SignedIn, _: Doubt) -> bool {
        !who.person.id.is_empty()
    }

    fn in_words(&self) -> String {
        "somebody is signed in".into()
    }

    fn found(&self, who: &SignedIn) -> String {
        match (&*who.person.id, &*who.person.email) {
            ("", _) => "the session names no user".into(),
            (name, "") | (_, name) => format!("signed in as `{name}`"),
        }
    }
}
