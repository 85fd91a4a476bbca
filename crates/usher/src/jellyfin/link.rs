//! `/link`, on the library's own host: somebody types the six digits that an app shows, sees what
//! asks and from where, and says yes; and ends apps that they let in.
//!
//! The route's policy decides who gets here, afresh with each request. What stands on the host is a
//! Jellyfin's, whose pages could press these buttons: they have its token in their hands anyway.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use usher_pages::{
    APP_CODE_FIELD, APP_FIELD, Apps, END_FIELD, END_OTHERS, ForeignForm, HTML, Link, OwnApp,
    PostForm, Receipt, Scripts, SignInError, Unauthenticated, WaitingApp, Words, csp,
};
use usher_rules::{
    fields::{error_form, reader},
    jellyfin::pairing::{Network, NoApp, PairingId, Waiting},
    names::Origin,
    session::LetInBy,
    signin::{Params, same_origin},
};

use super::{
    api::NotDone,
    asked::PAGE,
    not_let_in::{NotLetIn, owner},
    pairing::Pairing,
    place::place_of,
};
use crate::request::{
    AppRequest, Body, EventName, error_page,
    identify::{LiveSession, StoreError},
    own_page, reader_language,
};

const IS_IN: &str = "{client} on {device} is in. It goes on by itself.";
const UNKNOWN: &str =
    "No app waits with this code. Codes last for ten minutes: have the app show a new one.";

/// What the page says, in place of an app or of what was typed.
enum Said {
    Nothing,
    Words(Words<'static>),
    App(Waiting),
}

impl Pairing {
    pub(super) async fn page(
        &self,
        asked: AppRequest<'_>,
        server: &str,
        body: &Bytes,
    ) -> Response<Body> {
        let receipt = Receipt {
            request_id: asked.request_id,
            at_seconds: asked.now.wall.seconds(),
            language: reader_language(&asked.head.headers),
        };
        let fields = &asked.head.headers;
        let wanted = error_form(reader(&asked.head.method, fields), fields);
        let Some(live) = asked.identity.session().cloned() else {
            let page = Unauthenticated { sign_in: Link::new(PAGE), contact: None, receipt };
            return error_page(&page, wanted, &[]);
        };
        if asked.head.method == Method::GET || asked.head.method == Method::HEAD {
            return self.shown(asked, server, &live, Said::Nothing);
        }
        if asked.head.method != Method::POST {
            return error_page(&ForeignForm { receipt }, wanted, &[]);
        }
        if same_origin(&asked.head.headers, &Origin::of(asked.authority)).is_err() {
            return error_page(&ForeignForm { receipt }, wanted, &[]);
        }
        let form = std::str::from_utf8(body).ok().and_then(|text| Params::parse(text).ok());
        let form = form.unwrap_or_default();
        if let Some(which) = form.text(END_FIELD) {
            return self.end_own(asked, server, &live, which).await;
        }
        if let Some(id) = form.text(APP_FIELD).and_then(PairingId::parse) {
            let said = match self.let_in(asked, server, (&live, LetInBy::Page), id).await {
                Ok(app) => Words::of(IS_IN)
                    .with("client", app.client.to_string())
                    .with("device", app.device.to_string()),
                Err(error) => Words::of(words(&error)),
            };
            return self.shown(asked, server, &live, Said::Words(said));
        }
        let typed = form.text(APP_CODE_FIELD).unwrap_or_default();
        let (reader, now) = (owner(&live), asked.now.monotonic);
        let said = match self.with(server, |all| all.look(typed, &reader, now)) {
            Ok(waiting) => Said::App(waiting),
            Err(NoApp::Unknown) => Said::Words(Words::of(UNKNOWN)),
            Err(NoApp::Locked { retry_after }) => {
                let minutes = retry_after.as_secs().div_ceil(60);
                Said::Words(SignInError::TooManyTries { minutes }.words())
            }
        };
        self.shown(asked, server, &live, said)
    }

    async fn end_own(
        &self,
        asked: AppRequest<'_>,
        server: &str,
        live: &LiveSession,
        which: &str,
    ) -> Response<Body> {
        for one in self.bound.of(live, place_of(asked)) {
            let is_meant = which == END_OTHERS || one.session().id.as_str() == which;
            if !is_meant {
                continue;
            }
            if let Err(error) = self.bound.end(&one).await {
                return self.shown(asked, server, live, Said::Words(Words::of(trouble(&error))));
            }
            let name = one.session().app.as_ref().map(|app| app.shown());
            let cause = format!("ended the app {:?}", name.unwrap_or_default());
            self.note(asked, EventName::SessionEnded, cause);
        }
        let mut response = own_page(303, HTML, String::new(), &csp(Scripts::No, &[]));
        *response.status_mut() = StatusCode::SEE_OTHER; // RFC 9110 §15.4.4
        response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(PAGE));
        response
    }

    fn shown(
        &self,
        asked: AppRequest<'_>,
        server: &str,
        live: &LiveSession,
        said: Said,
    ) -> Response<Body> {
        let (here, reader, now) = (asked.visitor, owner(live), asked.now.monotonic);
        let near = self.with(server, |all| all.near(here, &reader, now));
        let near: Vec<_> = near.iter().map(|one| Listed::of(one, here)).collect();
        let own = self.bound.of(live, place_of(asked));
        let own: Vec<_> = own.iter().map(|one| Self::own(one)).collect();
        let (words, app) = match &said {
            Said::Nothing => (None, None),
            Said::Words(words) => (Some(words.clone()), None),
            Said::App(waiting) => (None, Some(Listed::of(waiting, here))),
        };
        let host = asked.authority.to_string();
        let page = Apps {
            host: &host,
            said: words,
            asked: app.as_ref().map(Listed::shown),
            near: near.iter().map(Listed::shown).collect(),
            own: own.iter().map(Own::shown).collect(),
            form: PostForm::to(PAGE),
        };
        own_page(
            200,
            HTML,
            page.render(reader_language(&asked.head.headers)),
            &csp(Scripts::Own, &[]),
        )
    }

    fn own(live: &LiveSession) -> Own {
        let known = live.newest();
        let (session, app) = (&known.session, known.session.app.as_deref());
        let seen = live.app_seen();
        Own {
            id: session.id.as_str().to_owned(),
            name: app.map(|app| format!("{} ({})", app.called(), app.client)).unwrap_or_default(),
            since: session.issued_at,
            until: session.expires_at,
            seen: seen.map(|seen| (seen.at, seen.from.to_string())),
        }
    }
}

/// An app that waits, as text.
struct Listed<'a> {
    waiting: &'a Waiting,
    id: String,
    code: String,
    address: String,
    is_near: bool,
}

impl<'a> Listed<'a> {
    fn of(waiting: &'a Waiting, here: IpAddr) -> Self {
        Self {
            waiting,
            id: waiting.id.to_string(),
            code: waiting.code.to_string(),
            address: waiting.from.to_string(),
            is_near: Network::of(waiting.from) == Network::of(here),
        }
    }

    fn shown(&self) -> WaitingApp<'_> {
        let Self { waiting, id, code, address, is_near } = self;
        WaitingApp {
            id,
            code,
            client: &waiting.app.client,
            device: &waiting.app.device,
            address,
            is_near: *is_near,
            seconds: waiting.age.as_secs(),
            held: waiting.held.as_deref(),
        }
    }
}

/// One of theirs, as text.
struct Own {
    id: String,
    name: String,
    since: u64,
    until: u64,
    seen: Option<(u64, String)>,
}

impl Own {
    fn shown(&self) -> OwnApp<'_> {
        let Self { id, name, since, until, seen } = self;
        let seen = seen.as_ref().map(|(at, from)| (*at, &**from));
        OwnApp { id, name, since: *since, until: *until, seen }
    }
}

/// What somebody reads whose app is not in.
pub(super) const fn words(error: &NotLetIn) -> &'static str {
    match error {
        NotLetIn::Gone => {
            "The app does not wait any more, or you took more than two minutes. Type its code again."
        }
        NotLetIn::NoName => {
            "Nothing that is known of you for certain names a user of the library. Ask the person \
             who runs this server."
        }
        NotLetIn::Often => {
            "You came here again and again, and the library did not open. Wait for a minute and \
             try again."
        }
        NotLetIn::Taken => {
            "Your name is that of somebody else's user of the library. Ask the person who runs \
             this server."
        }
        NotLetIn::NotDone(NotDone::Administrator) => {
            "Your name is that of an administrator of the library, and you may not be one. Ask the \
             person who runs this server."
        }
        NotLetIn::NotKnown => "You are not here any more. Ask the person who runs this server.",
        NotLetIn::NotDone(NotDone::Disabled) => {
            "Your user of the library is disabled. Ask the person who runs this server."
        }
        NotLetIn::NotDone(NotDone::NoAnswer) => {
            "The library does not answer right now. Your app still waits: try again in a minute."
        }
        NotLetIn::NotDone(NotDone::Off) => {
            "Quick Connect is switched off in the library. Ask the person who runs this server to \
             switch it on."
        }
        NotLetIn::NotDone(
            NotDone::NoKey
            | NotDone::WrongKey
            | NotDone::Forbidden
            | NotDone::NoAccount
            | NotDone::Unreadable(_),
        ) => {
            "The library did not let your app in. Its log says why: ask the person who runs this \
             server."
        }
        NotLetIn::Store(error) => trouble(error),
    }
}

const fn trouble(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable(_) => "That could not be written down. Try again in a minute.",
        StoreError::Full(_) => {
            "There is no room for another app. Ask the person who runs this server."
        }
        StoreError::Damaged(_) | StoreError::Refused(_) => {
            "That could not be written down. Ask the person who runs this server."
        }
    }
}

#[cfg(test)]
mod tests {
    use usher_pages::Language;

    use super::*;

    #[test]
    fn what_came_of_it_is_said_in_every_language() {
        let not_done = [
            NotDone::Disabled,
            NotDone::Administrator,
            NotDone::NoAnswer,
            NotDone::Off,
            NotDone::NoKey,
            NotDone::WrongKey,
            NotDone::Forbidden,
            NotDone::NoAccount,
            NotDone::Unreadable("it"),
        ];
        let store = [StoreError::Unavailable, StoreError::Full, StoreError::Damaged];
        let mut said = vec![IS_IN, UNKNOWN];
        said.extend(
            [NotLetIn::Gone, NotLetIn::NoName, NotLetIn::Taken, NotLetIn::NotKnown]
                .iter()
                .map(words),
        );
        said.extend(not_done.map(|error| words(&NotLetIn::NotDone(error))));
        said.extend(store.map(|error| trouble(&error("it".into()))));
        for english in said {
            for messages in Language::ALL.into_iter().filter_map(Language::messages) {
                assert!(messages.contains_key(english), "{english}");
            }
        }
    }
}
