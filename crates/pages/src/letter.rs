use crate::{Language, Words, receipt::Moment};

/// What somebody is told by e-mail, in plain text.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// The host where they sign in.
    pub site: &'a str,
    /// What it is about.
    pub about: LetterAbout<'a>,
}

/// What a letter is about.
#[derive(Clone, Copy, Debug)]
pub enum LetterAbout<'a> {
    /// Somebody asked to get in again.
    Recovery {
        /// Their address.
        email: &'a str,
        /// The address of the link.
        link: &'a str,
        /// How long it is good, in seconds since 1970.
        over_at: u64,
    },
    /// Somebody is invited.
    Invitation {
        /// When their access ends, in seconds since 1970; `None` where it does not.
        until: Option<u64>,
        /// The address of the link.
        link: &'a str,
        /// How long it is good, in seconds since 1970.
        over_at: u64,
    },
    /// Somebody got in again.
    Recovered {
        /// Their address.
        email: &'a str,
        /// When, in seconds since 1970.
        at: u64,
    },
}

impl<'a> Letter<'a> {
    /// Its subject, one line.
    pub fn subject(&self, language: Language) -> String {
        let words = match self.about {
            LetterAbout::Recovery { .. } => Words::of("Get in again to {site}"),
            LetterAbout::Invitation { .. } => Words::of("You are invited to {site}"),
            LetterAbout::Recovered { .. } => Words::of("What signs you in to {site} was replaced"),
        };
        words.with("site", self.site).in_language(language).into_owned()
    }

    /// Its text: a paragraph each, a link on a line of its own.
    pub fn text(&self, language: Language) -> String {
        let paragraphs = self.paragraphs(language);
        let said = paragraphs.iter().map(|words| words.in_language(language));
        said.fold(String::new(), |text, said| text + &said + "\n\n").trim_end().to_owned() + "\n"
    }

    fn paragraphs(&self, language: Language) -> Vec<Words<'a>> {
        let moment = |at| Moment(at).shown(language);
        let of = |text| Words::of(text).with("site", self.site);
        match self.about {
            LetterAbout::Recovery { email, link, over_at } => vec![
                of("Somebody asked to get in again to {site} as {email}. If that was you, open this link by {end}:")
                    .with("email", email)
                    .with("end", moment(over_at)),
                Words::from(link),
                of("The link works once. When you use it, whatever signed you in before counts no more, and you are signed out everywhere."),
                of("If it was not you, there is nothing to do: nothing has changed."),
            ],
            LetterAbout::Invitation { until, link, over_at } => {
                let invited = match until {
                    Some(until) => of("You are invited to {site} until {until}. Open this link by {end}:")
                        .with("until", moment(until)),
                    None => of("You are invited to {site}. Open this link by {end}:"),
                };
                vec![
                    invited.with("end", moment(over_at)),
                    Words::from(link),
                    of("The link works once, for whoever has it: don't pass it on."),
                ]
            }
            LetterAbout::Recovered { email, at } => vec![
                of("On {when} somebody opened a link to get in again to {site} as {email}, and chose a new password or passkey. Whatever signed you in before counts no more, and you are signed out everywhere.")
                    .with("email", email)
                    .with("when", moment(at)),
                of("If it was not you, tell whoever runs this server at once."),
            ],
        }
    }
}
