//! A service worker of an app that was registered before anybody signed in on its host sees what is
//! typed there. It gets no form.

use http::{HeaderValue, Response};
use usher_pages::{Contact, Link, Unauthenticated, WorkerBetween};
use usher_rules::fields::{Reader, passed_a_worker};

use super::{Ask, answer};
use crate::request::{Body, CLEAR_SITE_DATA};

/// The answer where the form would go to a worker, or to a script of the app.
///
/// `Clear-Site-Data: "storage"` (§3.1) ends every worker of the origin, and takes with it what the
/// app keeps in this browser: once, since no other worker can be registered that sees this page.
pub(super) fn in_between(ask: &Ask) -> Option<Response<Body>> {
    if passed_a_worker(ask.fields()) {
        let again = ask.with_query(ask.path());
        let page = WorkerBetween { again: Link::new(&*again), receipt: ask.receipt() };
        let mut response = answer::error(ask, &page);
        let storage = HeaderValue::from_static("\"storage\"");
        response.headers_mut().insert(CLEAR_SITE_DATA, storage);
        return Some(response);
    }
    no_person(ask)
}

/// The answer to what nobody sits in front of: a sign-in that began there would be nobody's.
pub(super) fn no_person(ask: &Ask) -> Option<Response<Body>> {
    if ask.reader() == Reader::Person {
        return None;
    }
    let sign_in = format!("{}/.pomerium/", ask.authenticate());
    let contact = ask.plan().contact.as_deref().map(Contact);
    let page = Unauthenticated { sign_in: Link::new(&*sign_in), contact, receipt: ask.receipt() };
    Some(answer::error(ask, &page))
}
