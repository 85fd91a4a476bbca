//! `/.pomerium/devices`: the apps that somebody let in to a library. Each can be renamed and ended
//! alone; who looks after people sees and ends everybody's.

use std::{cmp::Reverse, sync::Arc};

use http::Response;
use usher_pages::{
    Devices, END_FIELD, END_OTHERS, ForeignForm, LetIn, ListedDevice, NAME_FIELD, PostForm,
    RENAME_FIELD, Scripts,
};
use usher_rules::{
    plan::Level,
    session::{BoundApp, LetInBy, SessionId, SignedIn},
    signin::same_origin,
};

use super::{
    Ask, SignInRoom, answer,
    session_list::{called, is_same_person, looks_after_people},
};
use crate::request::{
    Body, EventName,
    identify::{LiveSession, StoreError},
};

pub(super) const PAGE: &str = "/.pomerium/devices";

impl SignInRoom {
    /// On the authenticate host alone, where there is one: an app on the same host could read the
    /// page, and press its buttons.
    pub(super) async fn devices_page(&self, ask: &Ask) -> Response<Body> {
        if !ask.at_authenticate() && !ask.is_hosted() {
            return answer::found(&format!("{}{PAGE}", ask.authenticate()));
        }
        self.about_somebody(ask, Self::list_devices).await
    }

    fn list_devices(&self, ask: &Ask, live: &LiveSession) -> Response<Body> {
        let own = self.own_devices(ask, live);
        let everybody = looks_after_people(ask, live).then(|| self.others_devices(ask, live));
        let listed = |all: &[Arc<LiveSession>]| -> Vec<Listed> {
            all.iter().filter_map(|one| Listed::of(one)).collect()
        };
        let (own, everybody) = (listed(&own), everybody.as_deref().map(listed));
        let page = Devices {
            own: own.iter().map(Listed::shown).collect(),
            everybody: everybody.as_ref().map(|all| all.iter().map(Listed::shown).collect()),
            form: PostForm::to(PAGE),
        };
        answer::html(200, page.render(ask.language()), Scripts::Own, &[])
    }

    /// A button was pressed. What is not the reader's is as what does not exist.
    pub(super) async fn devices_posted(&self, ask: &Ask) -> Response<Body> {
        if same_origin(ask.fields(), &ask.origin()).is_err() {
            return answer::error(ask, &ForeignForm { receipt: ask.receipt() });
        }
        let here = ask.at_authenticate() || ask.is_hosted();
        let Some(live) = self.who(ask).filter(|_| here) else { return answer::see_other(PAGE) };
        let form = ask.form().unwrap_or_default();
        let own = self.own_devices(ask, &live);
        let done = match (form.text(RENAME_FIELD), form.text(END_FIELD)) {
            (Some(id), _) => {
                let name = form.text(NAME_FIELD).unwrap_or_default();
                match own.iter().find(|one| one.session().id.as_str() == id) {
                    Some(one) => self.rename(one, name).await,
                    None => Ok(()),
                }
            }
            (None, Some(END_OTHERS)) => self.end_listed(ask, &live, &own).await,
            (None, Some(id)) => {
                let mut all = own;
                if looks_after_people(ask, &live) {
                    all.extend(self.others_devices(ask, &live));
                }
                let id = SessionId::parse(id);
                all.retain(|one| Some(&one.session().id) == id.as_ref());
                self.end_listed(ask, &live, &all).await
            }
            (None, None) => Ok(()),
        };
        match done {
            Ok(()) => answer::see_other(PAGE),
            Err(error) => {
                self.note(ask, Level::Error, EventName::SignOut, None, Some(error.to_string()));
                self.not_now(ask, &error, "A device could not be ended or renamed.", PAGE)
            }
        }
    }

    /// Nothing typed: what it was called when it was let in.
    async fn rename(&self, one: &LiveSession, typed: &str) -> Result<(), StoreError> {
        let kept = typed.chars().filter(|c| !c.is_control()).take(BoundApp::LONGEST_LABEL);
        let label = kept.collect::<String>().trim().to_owned();
        let named = |known: &mut SignedIn| {
            if let Some(app) = known.session.app.as_deref_mut() {
                app.label = (!label.is_empty()).then(|| label.as_str().into());
            }
        };
        self.change_session(one, named).await
    }

    /// Those of whoever asks, the newest first.
    pub(super) fn own_devices(&self, ask: &Ask, live: &LiveSession) -> Vec<Arc<LiveSession>> {
        let mut own = self.of_same_person(ask, live);
        own.retain(|one| is_device(one) && !one.is_over(ask.now()));
        own.sort_by_key(|one| Reverse(one.session().issued_at));
        own
    }

    fn others_devices(&self, ask: &Ask, live: &LiveSession) -> Vec<Arc<LiveSession>> {
        let mut all = self.sessions.those(&|facts| facts.is_of_app);
        all.retain(|one| {
            is_device(one)
                && !is_same_person(ask.plan(), one, live)
                && !one.is_over_in_list(ask.now())
        });
        let by =
            |one: &LiveSession| (called(one.person()).to_owned(), Reverse(one.session().issued_at));
        all.sort_by_key(|one| by(one));
        all
    }
}

/// Is it an app's that ends by itself? A web client ends with its browser.
fn is_device(live: &LiveSession) -> bool {
    live.session().app.as_deref().is_some_and(|app| app.seat.is_none())
}

/// One device, as text.
struct Listed {
    id: String,
    person: String,
    app: BoundApp,
    times: (u64, u64),
    seen: Option<(u64, String)>,
}

impl Listed {
    fn of(live: &LiveSession) -> Option<Self> {
        let known = live.newest();
        let app = known.session.app.as_deref()?.clone();
        Some(Self {
            id: known.session.id.as_str().to_owned(),
            person: called(&known.person).to_owned(),
            app,
            times: (known.session.issued_at, known.session.expires_at),
            seen: live.app_seen().map(|seen| (seen.at, seen.from.to_string())),
        })
    }

    fn shown(&self) -> ListedDevice<'_> {
        let Self { id, person, app, times, seen } = self;
        ListedDevice {
            id,
            person,
            name: app.called(),
            device: &app.device,
            client: &app.client,
            host: &app.host,
            by: match app.by {
                LetInBy::Page => LetIn::WithCode,
                LetInBy::App => LetIn::FromApp,
                LetInBy::Held => LetIn::WhileItWaited,
                LetInBy::Password => LetIn::ByPassword,
            },
            since: times.0,
            seen: seen.as_ref().map(|(at, from)| (*at, &**from)),
            until: times.1,
        }
    }
}
