//! The page on which somebody is seated, and what they read where nobody can be.

use http::{HeaderValue, Response, StatusCode, header};
use usher_pages::{HTML, LeftSeat, Link, Receipt, Scripts, Seat, Unauthenticated, Words, csp};
use usher_rules::fields::{error_form, reader};

use super::{
    super::{
        api::NotDone,
        link,
        not_let_in::NotLetIn,
        pairing::{Pairing, empty},
    },
    asked::{PAGE, is_browser},
    left::{comes_back, has_left},
};
use crate::request::{
    AppRequest, Body, error_page, identify::LiveSession, own_page, reader_language,
};

/// Where the session is shown, and ended.
const SIGN_OUT: &str = "/.pomerium/sign_out";

impl Pairing {
    /// In front of the web client.
    pub(super) fn in_front(&self, asked: AppRequest<'_>) -> Response<Body> {
        let base = base_of(asked);
        let live = asked.identity.session();
        if let (Some(live), true) = (live, has_left(asked)) {
            let seat = Link::new(format!("{base}{PAGE}"));
            let page = LeftSeat { person: called(live), seat, sign_out: Link::new(SIGN_OUT) };
            let page = page.render(reader_language(&asked.head.headers));
            return own_page(200, HTML, page, &csp(Scripts::No, &[]));
        }
        let mut response = own_page(302, HTML, String::new(), &csp(Scripts::No, &[]));
        // What stands behind a number sign goes along: a browser adds it (RFC 9110 §10.2.2).
        if let Ok(page) = HeaderValue::try_from(format!("{base}{PAGE}")) {
            response.headers_mut().insert(header::LOCATION, page);
        }
        response
    }

    /// The page itself.
    pub(super) fn seat_page(&self, asked: AppRequest<'_>) -> Response<Body> {
        let language = reader_language(&asked.head.headers);
        let Some(live) = asked.identity.session() else {
            let (request_id, at_seconds) = (asked.request_id, asked.now.wall.seconds());
            let receipt = Receipt { request_id, at_seconds, language };
            let sign_in = Link::new(format!("{}{PAGE}", base_of(asked)));
            let page = Unauthenticated { sign_in, contact: None, receipt };
            let fields = &asked.head.headers;
            return error_page(&page, error_form(reader(&asked.head.method, fields), fields), &[]);
        };
        if !is_browser(live) {
            return empty(StatusCode::FORBIDDEN);
        }
        let has_key = asked.route.jellyfin.as_ref().is_some_and(|it| it.api_key.is_some());
        let said = (!has_key).then(|| Words::of(words(&NotLetIn::NotDone(NotDone::NoKey))));
        let host = asked.authority.to_string();
        let base = base_of(asked);
        let again = Link::new(format!("{base}{PAGE}"));
        let page = Seat { host: &host, base, again, said }.render(language);
        let mut response = own_page(200, HTML, page, &csp(Scripts::Asking, &[]));
        comes_back(asked, &mut response);
        response
    }
}

fn base_of<'a>(asked: AppRequest<'a>) -> &'a str {
    asked.route.jellyfin.as_deref().map_or("", |settings| &settings.base_path)
}

fn called(live: &LiveSession) -> &str {
    let person = live.person();
    if person.email.is_empty() { &person.id } else { &person.email }
}

/// Whoever is led here in a circle.
pub(super) const AGAIN: &str = link::words(&NotLetIn::Often);

/// What somebody reads who is not seated.
pub(super) const fn words(error: &NotLetIn) -> &'static str {
    match error {
        NotLetIn::NotDone(NotDone::NoKey) => {
            "The library's API key is missing here, and without it nobody is let in by itself. Ask \
             the person who runs this server."
        }
        NotLetIn::NotDone(NotDone::NoAnswer) => {
            "The library does not answer right now. This page tries again by itself."
        }
        NotLetIn::NotDone(NotDone::NoAccount) => {
            "There is no user for you in the library. Ask the person who runs this server."
        }
        NotLetIn::NotDone(NotDone::WrongKey | NotDone::Forbidden | NotDone::Unreadable(_))
        | NotLetIn::Gone => {
            "The library did not let you in. The log says why: ask the person who runs this server."
        }
        NotLetIn::NoName
        | NotLetIn::Taken
        | NotLetIn::Often
        | NotLetIn::NotKnown
        | NotLetIn::NotDone(NotDone::Disabled | NotDone::Administrator | NotDone::Off)
        | NotLetIn::Store(_) => link::words(error),
    }
}

#[cfg(test)]
mod tests {
    use usher_pages::Language;

    use super::*;

    #[test]
    fn what_came_of_a_seat_is_said_in_every_language() {
        let not_done = [NotDone::NoKey, NotDone::NoAnswer, NotDone::NoAccount, NotDone::WrongKey];
        let mut said = vec![AGAIN, super::super::button::CONTINUE];
        said.extend(not_done.map(|error| words(&NotLetIn::NotDone(error))));
        for english in said {
            for messages in Language::ALL.into_iter().filter_map(Language::messages) {
                assert!(messages.contains_key(english), "{english}");
            }
        }
    }
}
