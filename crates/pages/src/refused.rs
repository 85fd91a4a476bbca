use crate::{
    contact::Contact,
    link::PostForm,
    notice::{Action, Advice, ErrorPage, Notice},
    receipt::Receipt,
    words::Words,
};

/// 403: the policy of the route says no.
#[derive(Clone, Debug)]
pub struct Refused<'a> {
    /// The address of the person, or their id where the provider tells no address; `None` when
    /// nobody is signed in.
    pub person: Option<&'a str>,
    /// The host that they asked for.
    pub host: &'a str,
    /// Signs this account out and asks for another; shown to somebody who is signed in.
    pub switch_account: Option<PostForm<'a>>,
    /// What the policy has to say, where the operator lets it be shown; else empty.
    pub reasons: &'a [&'a str],
    /// Whom to ask, where the operator says.
    pub contact: Option<Contact<'a>>,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for Refused<'_> {
    fn notice(&self) -> Notice<'_> {
        let host = self.host;
        let (code, heading) = match self.person {
            Some(person) => (
                "user-unauthorized",
                Words::of("You are signed in as {person}, and that account can't open {host}.")
                    .with("person", person)
                    .with("host", host),
            ),
            None => {
                ("not-allowed", Words::of("{host} can't be opened from here.").with("host", host))
            }
        };
        let words = match &self.switch_account {
            Some(_) => {
                "Ask the person who runs this server for access, or go on with another account."
            }
            None => "Ask the person who runs this server for access.",
        };
        let mut advice = vec![Advice::text(words)];
        advice.extend(self.contact.map(Advice::Contact));
        Notice {
            status: 403,
            code,
            title: "forbidden",
            heading,
            advice,
            reasons: self.reasons,
            action: self
                .switch_account
                .clone()
                .map(|form| Action::Post { words: "Sign in with another account", form }),
            receipt: self.receipt,
        }
    }
}
