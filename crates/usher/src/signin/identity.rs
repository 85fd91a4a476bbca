//! `/.pomerium/`: who you are, as the policy sees it.

use std::{borrow::Cow, cmp::Reverse, sync::Arc};

use http::{HeaderValue, Response, header};
use serde_json::{Value, json};
use usher_pages::{
    Claim, Identity as IdentityPage, Link, NoSession, PostForm, SCOPE_EVERYWHERE, SCOPE_FIELD,
    SCOPE_HERE, Scripts, ShownSession, Unauthenticated,
};
use usher_rules::{
    fields::Reader,
    plan::BUILTIN,
    session::Session,
    signin::{SIGN_IN, SIGN_OUT, sign_out_origins},
};

use super::{
    Ask, SignInRoom, account, answer, bound_devices, doctor, passkeys::has_own_people, people,
    portal, session_list::looks_after_people,
};
use crate::request::{Body, identify::LiveSession};

impl SignInRoom {
    /// Who is asking; on the authenticate host also by its own cookie.
    pub(super) fn who(&self, ask: &Ask) -> Option<Arc<LiveSession>> {
        let by_request = ask.identity().session().cloned();
        by_request.or_else(|| ask.at_authenticate().then(|| ask.known_here()).flatten())
    }

    pub(super) fn identity_page(&self, ask: &Ask) -> Response<Body> {
        let Some(live) = self.who(ask) else {
            let page = NoSession { host: ask.host(), sign_in: Link::new(SIGN_IN) };
            return answer::html(200, page.render(ask.language()), Scripts::No, &[]);
        };
        let session = live.session();
        let (person, claims) = (live.person(), live.signed_in().claims());
        let mut others = self.of_same_person(ask, &live);
        let mut own = vec![session.id.clone()];
        own.extend(others.iter().filter_map(|other| other.session().replaces.clone())); // go along
        others.retain(|other| !own.contains(&other.session().id) && !other.is_over(ask.now()));
        others.sort_by_key(|other| Reverse(other.session().issued_at));
        let shown_claims = claims
            .iter()
            .map(|(name, values)| Claim { name, values: values.iter().map(shown_value).collect() });
        let page = IdentityPage {
            host: ask.host(),
            name: &person.name,
            email: &person.email,
            id: &person.id,
            groups: claims.values("groups").iter().map(shown_value).collect(),
            claims: shown_claims.collect(),
            doubts: person.unproven.iter().map(ToString::to_string).collect(),
            session: shown(session),
            others: others.iter().map(|other| shown(other.session())).collect(),
            sign_out: PostForm::to(SIGN_OUT).with(SCOPE_FIELD, SCOPE_HERE),
            vouched_for: ask.is_hosted(),
            account: (*session.idp_id == *BUILTIN)
                .then(|| Link::new(format!("{}{}", ask.authenticate(), account::PAGE))),
            devices: (!self.own_devices(ask, &live).is_empty())
                .then(|| Link::new(format!("{}{}", ask.authenticate(), bound_devices::PAGE))),
            people: (*session.idp_id == *BUILTIN
                && has_own_people(ask)
                && looks_after_people(ask, &live))
            .then(|| Link::new(people::PAGE)),
            doctor: looks_after_people(ask, &live).then(|| Link::new(doctor::PAGE)),
            portal: leads_to_portal(ask).then(|| Link::new(portal::PAGE)),
            sign_out_everywhere: PostForm::to(SIGN_OUT).with(SCOPE_FIELD, SCOPE_EVERYWHERE),
        };
        let origins = sign_out_origins(ask.plan());
        let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
        answer::html(200, page.render(ask.language()), Scripts::Own, &origins)
    }

    /// A page about whoever asks, for whom somebody has to be known. On a route's host that was
    /// seen to before; here its own cookie counts, too.
    pub(super) async fn about_somebody(
        &self,
        ask: &Ask,
        page: impl FnOnce(&Self, &Ask, &LiveSession) -> Response<Body>,
    ) -> Response<Body> {
        if let Some(live) = self.who(ask) {
            return page(self, ask, &live);
        }
        if ask.reader() == Reader::Person {
            return self.start_here(ask, &ask.with_query(ask.path())).await;
        }
        let sign_in = format!("{}/.pomerium/", ask.plan().sign_in.authenticate);
        let contact = ask.contact();
        let (sign_in, receipt) = (Link::new(&sign_in), ask.receipt());
        let mut response = answer::error(ask, &Unauthenticated { sign_in, contact, receipt });
        let challenge = HeaderValue::from_static("Bearer realm=\"usher\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        response
    }

    /// `/.pomerium/user`: what apps learn, as JSON.
    pub(super) fn user(&self, ask: &Ask, live: &LiveSession) -> Response<Body> {
        let about = self.assertions.about(ask.plan(), live.signed_in());
        answer::personal(answer::json(&about))
    }

    /// `/.pomerium/api/v1/session`: in how many seconds it ends, and how many it has in all, for
    /// clients that ask for the next one in time. In seconds, since their clocks may be wrong.
    pub(super) fn session_life(&self, ask: &Ask, live: &LiveSession) -> Response<Body> {
        let Session { issued_at, expires_at, .. } = live.session();
        let left = live.session().expires_at().since(ask.wall()).as_secs();
        let life = json!({"expires_in": left, "lifetime": expires_at.saturating_sub(*issued_at)});
        answer::personal(answer::json(&life))
    }
}

/// Who joined by an invitation stands on a host that has no app: the way back would lead here.
fn leads_to_portal(ask: &Ask) -> bool {
    let plan = ask.plan();
    plan.sign_in.dedicated_host && ask.at_authenticate() && plan.flags.routes_portal
}

fn shown(session: &Session) -> ShownSession<'_> {
    let Session { id, issued_at, expires_at, .. } = session;
    ShownSession { id: id.as_str(), signed_in_at: *issued_at, ends_at: *expires_at }
}

fn shown_value(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Cow::Owned(value.to_string())
        }
    }
}
