use askama::Template;
use serde::Serialize;

use crate::{
    contact::Contact,
    filters,
    link::{Link, PostForm},
    receipt::Receipt,
    rendered,
    words::Words,
};

/// What the `type` of every problem document begins with; the reason code follows.
pub const PROBLEM_TYPES: &str = "https://usher.example/problems/";

/// What an error page says, before it has a form.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    /// The status of the answer.
    pub status: u16,
    /// The reason code: the end of the problem's `type`. An API.
    pub code: &'static str,
    /// The kind of problem in a few lower-case words, the same each time (RFC 9457 §3.1.3).
    pub title: &'static str,
    /// What happened, in one sentence.
    pub heading: Words<'a>,
    /// What to do about it.
    pub advice: Vec<Advice<'a>>,
    /// What a policy has to say, where the operator lets it be shown.
    pub reasons: &'a [&'a str],
    /// The one way on, if there is one.
    pub action: Option<Action<'a>>,
    /// What to tell the person who runs the server.
    pub receipt: Receipt<'a>,
}

/// A piece of advice.
#[derive(Clone, Debug)]
pub enum Advice<'a> {
    /// A paragraph.
    Text(Words<'a>),
    /// A paragraph of ours in which backticks set words of a file apart.
    Marked(&'static str),
    /// Lines of ours for a file or a terminal, set as they are.
    Code(&'static str),
    /// Whom to ask.
    Contact(Contact<'a>),
}

impl Advice<'static> {
    /// A paragraph that is the same for everybody.
    pub(crate) const fn text(words: &'static str) -> Self {
        Self::Text(Words::of(words))
    }
}

/// A way on from an error page.
#[derive(Clone, Debug)]
pub enum Action<'a> {
    /// Follow an address.
    Follow {
        /// The words on it.
        words: &'static str,
        /// Where it leads.
        link: Link<'a>,
    },
    /// Post a form.
    Post {
        /// The words on its button.
        words: &'static str,
        /// What it posts.
        form: PostForm<'a>,
    },
}

/// A page that reports an error: for people as HTML, for programs as a problem document, for
/// terminals as text. All three say the same, the page in its reader's language.
pub trait ErrorPage {
    /// What the page says.
    fn notice(&self) -> Notice<'_>;

    /// The status of the answer.
    fn status(&self) -> u16 {
        self.notice().status
    }

    /// Seconds after which it may go well (`Retry-After`, RFC 9110 §10.2.3), where that is known.
    fn retry_after(&self) -> Option<u32> {
        None
    }

    /// The HTML document, in the language of the receipt.
    fn render(&self) -> String {
        let notice = self.notice();
        let language = notice.receipt.language;
        rendered(&NoticePage { notice }, language)
    }

    /// The problem document (RFC 9457).
    fn problem_json(&self) -> String {
        self.notice().problem_json()
    }

    /// Two or three lines of text, with a line feed at the end.
    fn plain_text(&self) -> String {
        self.notice().plain_text()
    }
}

#[derive(Template)]
#[template(path = "notice.html")]
struct NoticePage<'a> {
    notice: Notice<'a>,
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    request_id: &'a str,
    /// What the real server calls it, for clients that were written for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    /// Where a person can sign in.
    #[serde(skip_serializing_if = "Option::is_none")]
    login_url: Option<&'a str>,
    /// Whom to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    reasons: &'a [&'a str],
}

impl Notice<'_> {
    fn problem_json(&self) -> String {
        let problem = Problem {
            r#type: format!("{PROBLEM_TYPES}{}", self.code),
            title: self.title,
            status: self.status,
            detail: &self.heading.english(),
            request_id: self.receipt.request_id,
            error: match self.status {
                401 => Some("Unauthenticated"),
                403 => Some("Forbidden"),
                495 => Some("a valid client certificate is required to access this page"),
                _ => None,
            },
            login_url: match &self.action {
                Some(Action::Follow { link, .. }) if self.status == 401 => Some(link.as_str()),
                Some(Action::Follow { .. } | Action::Post { .. }) | None => None,
            },
            contact: self.advice.iter().find_map(|advice| match advice {
                Advice::Contact(contact) => Some(contact.words()),
                Advice::Text(_) | Advice::Marked(_) | Advice::Code(_) => None,
            }),
            reasons: self.reasons,
        };
        // A struct of strings and a number always serialises.
        serde_json::to_string(&problem).unwrap_or_default()
    }

    fn plain_text(&self) -> String {
        let mut text = format!("{} {}\n", self.status, printable(&self.heading.english()));
        for advice in &self.advice {
            match advice {
                Advice::Text(words) => text.push_str(&printable(&words.english())),
                Advice::Marked(words) => text.push_str(words),
                Advice::Code(lines) => text.push_str(lines.trim_end()),
                Advice::Contact(contact) => {
                    text.extend(["Contact: ", &printable(contact.words())]);
                }
            }
            text.push('\n');
        }
        for reason in self.reasons {
            text.extend(["- ", &printable(reason), "\n"]);
        }
        let request_id = printable(self.receipt.request_id);
        text.extend(["Request ", &request_id, " · ", &self.receipt.time(), "\n"]);
        text
    }
}

/// What a terminal would act on (line ends, escapes) is shown as unreadable instead.
fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}
