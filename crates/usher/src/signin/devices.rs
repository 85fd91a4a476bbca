//! `/.pomerium/webauthn`: where somebody enrols a device, and proves a session on one.
//!
//! ```text
//!  policy wants one ──▶ page of the route's host ──▶ page of the authenticate host ──▶ back, by a
//!                       signed, as the real one's    key made, or shown                handle
//! ```
//!
//! A key is for one host (WebAuthn §5.1.2): one of the authenticate host serves every route, and what
//! is proven there is proven of the session that this browser has there, which is handed on. Where
//! people sign in at a hosted service there is no such host, and each host has keys of its own.

use std::sync::Arc;

use http::{Method, Response};
use usher_pages::{
    ACTION_FIELD, Contact, Enrolments, FLOW_FIELD, ForeignForm, NoDevices, PASSKEY_FIELD, Scripts,
};
use usher_rules::{
    enrolment::{ANY_KIND, EnrolledDevice},
    names::Origin,
    plan::Level,
    signin::{
        BindingUse, BrowserBinding, Goal, Params, Proof, SIGN_IN, Target, UrlRefusal, param,
        same_origin, sign_url,
    },
};

use super::{
    Ask, NO_RANDOM, SignInRoom, answer,
    binding::{self, FORM_LIFE},
    device_keys::{DeviceRefusal, ID_FIELD, REMOVE, allowed, is_recent, listed},
    passkeys::LONGEST_ANSWER,
    random,
    sessions::not_served,
    workers,
};
use crate::request::{
    Body, EventName, Prompt, SignInNeeded,
    identify::{LiveSession, StoreError},
};

pub(super) const PAGE: &str = "/.pomerium/webauthn";
pub(super) const ENROLLED: &str = "/.pomerium/device-enrolled";

/// What somebody came to the page for.
struct Errand {
    /// Which kind of device they are to show.
    kind: String,
    /// The page that they want to see; nothing where they look after their devices.
    target: Option<Target>,
    /// What marks their browser at the host of that page.
    flow: Option<String>,
    /// Who may say there who somebody is.
    providers: String,
}

impl SignInRoom {
    /// To that page, with the kind that is asked for and the way back.
    pub(super) fn to_devices(&self, needed: &SignInNeeded<'_>, kind: &str) -> Response<Body> {
        let origin = Origin::of(needed.authority);
        let back = format!("{origin}{}", needed.target);
        let params = [(param::DEVICE_TYPE, kind), (param::REDIRECT_URI, &*back)];
        answer::found(&sign_url(&self.keys, &format!("{origin}{PAGE}"), &params, needed.now.wall))
    }

    /// The page, or the way to it.
    pub(super) async fn devices(&self, ask: &Ask) -> Response<Body> {
        if let Some(response) = workers::in_between(ask) {
            return response;
        }
        // On a host of its own, as everybody's sessions: a script of an app on the same host could read
        // the page, and press its buttons. Where people sign in elsewhere each host has keys of its own.
        if !ask.is_hosted() && !ask.plan().sign_in.dedicated_host {
            return no_devices(ask);
        }
        let here = ask.at_authenticate() || ask.is_hosted();
        let errand = match self.errand(ask) {
            Ok(errand) => errand,
            Err(response) => return response,
        };
        if errand.kind != ANY_KIND {
            return no_devices(ask);
        }
        match &errand.target {
            None if !here => return answer::found(&format!("{}{PAGE}", ask.authenticate())),
            Some(target) if errand.flow.is_none() && !ask.is_hosted() => {
                return self.hop_to_devices(ask, &errand, target);
            }
            Some(_) | None => {}
        }
        let Some(live) = self.whose_devices(ask, &errand) else {
            return self.sign_in_first(ask, &errand, Prompt::IfNeeded).await;
        };
        match *ask.method() {
            Method::POST => self.enrolments_posted(ask, &errand, &live).await,
            _ if errand.target.is_some() && is_proven(&live) => self.proven(ask, &errand, &live),
            _ => self.enrolments_page(ask, &errand, &live, None).await,
        }
    }

    /// What the address says that we signed. Without a query somebody looks after their devices.
    #[expect(clippy::result_large_err, reason = "the answer moves on either way")]
    fn errand(&self, ask: &Ask) -> Result<Errand, Response<Body>> {
        let (kind, providers) = (ANY_KIND.to_owned(), String::new());
        if ask.query().is_empty() {
            return Ok(Errand { kind, target: None, flow: None, providers });
        }
        let refused = |cause: String| {
            let why = "This is not a sign-in link of this server, or it was changed on the way.";
            self.failed(ask, cause, why, "/.pomerium/")
        };
        let url = match self.signed_here(ask, PAGE, FORM_LIFE) {
            Ok(url) => url,
            // A bookmark, a tab of yesterday: on to the page, which asks anew where it has to.
            Err(UrlRefusal::Expired(params)) => {
                let page = params.text(param::REDIRECT_URI).unwrap_or_default();
                let target = Target::parse(ask.plan(), page);
                return Err(answer::see_other(&target.map_or("/".into(), |to| to.to_string())));
            }
            Err(refusal) => return Err(refused(refusal.to_string())),
        };
        let text = |name| url.params.text(name).map(str::to_owned);
        let target = Target::parse(ask.plan(), &text(param::REDIRECT_URI).unwrap_or_default());
        let target = target.map_err(|error| refused(error.to_string()))?;
        Ok(Errand {
            kind: text(param::DEVICE_TYPE).unwrap_or(kind),
            target: Some(target),
            flow: text(param::FLOW),
            providers: text(param::IDP_ID).unwrap_or_default(),
        })
    }

    /// On to the authenticate host; this browser is marked, for the way back.
    fn hop_to_devices(&self, ask: &Ask, errand: &Errand, target: &Target) -> Response<Body> {
        let Some(random) = random() else { return self.no_devices_now(ask) };
        let binding = BrowserBinding::new(random, ask.wall());
        let (base, back) = (format!("{}{PAGE}", ask.authenticate()), target.to_string());
        let params = [
            (param::DEVICE_TYPE, &*errand.kind),
            (param::REDIRECT_URI, &*back),
            (param::FLOW, &*binding.id),
            (param::IDP_ID, &*ask.provider_ids()),
        ];
        let mut response = answer::found(&sign_url(&self.keys, &base, &params, ask.wall()));
        let held = (ask.cookie_name(), ask.fields());
        binding::set(&mut response, (BindingUse::Hop, &binding), held, ask.wall());
        response
    }

    /// Whose devices they are: of whom this browser has a session here, by a provider that counts
    /// where they are going.
    fn whose_devices(&self, ask: &Ask, errand: &Errand) -> Option<Arc<LiveSession>> {
        let live = if ask.at_authenticate() { ask.known_here() } else { self.who(ask) };
        let wanted = ask.plan().sign_in.providers.of_ids(&errand.providers);
        live.filter(|live| {
            let by = &*live.session().idp_id;
            let counts = wanted.is_empty() || wanted.iter().any(|one| one.id() == by);
            counts && !live.session().is_of_program() && live.session().app.is_none()
        })
    }

    /// Nobody is known here, or not lately enough. They come back by the page that they want to see.
    async fn sign_in_first(&self, ask: &Ask, errand: &Errand, prompt: Prompt) -> Response<Body> {
        let (Some(target), Some(flow)) = (&errand.target, &errand.flow) else {
            return self.start_with(ask, &ask.with_query(PAGE), prompt).await;
        };
        if prompt == Prompt::Login {
            // They come back to this very address, and then to the page.
            return self.start_with(ask, &ask.with_query(PAGE), prompt).await;
        }
        let (base, back) = (format!("{}{SIGN_IN}", ask.authenticate()), target.to_string());
        let mut params = vec![(param::REDIRECT_URI, &*back), (param::FLOW, &**flow)];
        if !errand.providers.is_empty() {
            params.insert(0, (param::IDP_ID, &*errand.providers));
        }
        answer::found(&sign_url(&self.keys, &base, &params, ask.wall()))
    }

    async fn enrolments_page(
        &self,
        ask: &Ask,
        errand: &Errand,
        live: &LiveSession,
        note: Option<&str>,
    ) -> Response<Body> {
        let binding = random().map(|random| BrowserBinding::new(random, ask.wall()));
        let kept = self.own_enrolled(ask, live).await;
        let others = self.others_enrolled(ask, errand.target.is_none().then_some(live)).await;
        let (Some(binding), Ok(kept), Ok(others)) = (binding, kept, others) else {
            return self.no_devices_now(ask);
        };
        let flow = &*binding.id;
        let challenges = self.device_challenges(ask, flow, live);
        let handle = EnrolledDevice::handle(&live.person().id);
        let is_recent = is_recent(ask, live);
        let allowed = allowed(ask, &kept);
        let host = errand.target.as_ref().map(|target| target.origin().host.as_str());
        let page = Enrolments {
            host,
            note,
            devices: kept.iter().map(|kept| listed(kept, (&ask.with_query(PAGE), flow))).collect(),
            others: others.iter().map(|kept| listed(kept, (PAGE, flow))).collect(),
            show: challenges.as_ref().filter(|_| !allowed.is_empty()).map(|both| &*both.show),
            make: challenges.as_ref().filter(|_| is_recent).map(|both| &*both.make),
            is_recent,
            user: &handle,
            called: called(live),
            site: ask.authority().host.as_str(),
            allowed: &allowed,
            flow,
        };
        let goal = errand.goal();
        let onward = goal.as_ref().map_or_else(Vec::new, |goal| goal.origins(ask.plan()));
        let onward: Vec<&str> = onward.iter().map(String::as_str).collect();
        let mut response = answer::html(200, page.render(ask.language()), Scripts::Own, &onward);
        let held = (ask.cookie_name(), ask.fields());
        binding::set(&mut response, (BindingUse::Form, &binding), held, ask.wall());
        response
    }

    async fn enrolments_posted(
        &self,
        ask: &Ask,
        errand: &Errand,
        live: &LiveSession,
    ) -> Response<Body> {
        if same_origin(ask.fields(), &ask.origin()).is_err() {
            return answer::error(ask, &ForeignForm { receipt: ask.receipt() });
        }
        let form = ask.form().unwrap_or_default();
        let flow = form.text(FLOW_FIELD).unwrap_or_default();
        let name = ask.cookie_name();
        if !BrowserBinding::is_held(ask.fields(), name, BindingUse::Form, flow, ask.wall()) {
            return self.enrolments_page(ask, errand, live, Some(TOO_LATE)).await;
        }
        self.device_act(ask, errand, live, (&form, flow)).await
    }

    /// A button of the page was pressed.
    async fn device_act(
        &self,
        ask: &Ask,
        errand: &Errand,
        live: &LiveSession,
        (form, flow): (&Params, &str),
    ) -> Response<Body> {
        let text = |name| form.text(name).filter(|text| text.len() <= LONGEST_ANSWER);
        let text = |name| text(name).unwrap_or_default();
        let done = match text(ACTION_FIELD) {
            "show" => self.shown_device(ask, live, (flow, text(PASSKEY_FIELD))).await,
            "make" if is_recent(ask, live) => {
                self.made_device(ask, live, (flow, text(PASSKEY_FIELD))).await
            }
            "make" | "again" => return self.sign_in_first(ask, errand, Prompt::Login).await,
            REMOVE => {
                let removed = self.removed_device(ask, live, text(ID_FIELD)).await;
                return match removed {
                    Ok(()) => self.enrolments_page(ask, errand, live, None).await,
                    Err(refusal) => self.no_device(ask, errand, live, refusal).await,
                };
            }
            _ => return self.enrolments_page(ask, errand, live, None).await,
        };
        match done {
            Ok(shown) => match self.note_device(live, shown).await {
                Ok(()) if errand.target.is_some() => self.proven(ask, errand, live),
                Ok(()) => self.enrolments_page(ask, errand, live, None).await,
                Err(error) => self.unknown(ask, &error),
            },
            Err(refusal) => self.no_device(ask, errand, live, refusal).await,
        }
    }

    async fn no_device(
        &self,
        ask: &Ask,
        errand: &Errand,
        live: &LiveSession,
        refusal: DeviceRefusal,
    ) -> Response<Body> {
        let (words, cause) = match refusal {
            DeviceRefusal::TooMany => (TOO_MANY, "it is known, or there are enough".to_owned()),
            DeviceRefusal::Answer(refusal) => (WRONG, refusal.to_string()),
            DeviceRefusal::Unavailable(error) => {
                return self.unknown(ask, &StoreError::Unavailable(error.to_string().into()));
            }
        };
        let person = Some(live.person().into());
        let cause = Some(format!("no device was shown: {cause}"));
        self.note(ask, Level::Info, EventName::Account, person, cause);
        self.enrolments_page(ask, errand, live, Some(words)).await
    }

    /// On to the page, with the session that this browser has here.
    fn proven(&self, ask: &Ask, errand: &Errand, live: &LiveSession) -> Response<Body> {
        let live = self.in_memory(live);
        match (&errand.target, errand.goal()) {
            (_, Some(goal)) => {
                let handed = live.and_then(|live| self.hand_over_now(ask, &live, &goal));
                handed.unwrap_or_else(|| self.not_begun(ask, &not_served()))
            }
            (Some(target), None) => answer::see_other(&target.to_string()),
            (None, None) => answer::see_other(PAGE),
        }
    }

    fn no_devices_now(&self, ask: &Ask) -> Response<Body> {
        self.unknown(ask, &StoreError::Unavailable(NO_RANDOM.into()))
    }
}

const WRONG: &str = "That was no device of yours, or it took too long. Try again.";
const TOO_MANY: &str =
    "It is enrolled already, or you have as many devices as anybody may. Remove one.";
const TOO_LATE: &str = "This page was open for too long. Try again.";

impl Errand {
    /// What the session is handed over for; nothing where it is this host's own.
    fn goal(&self) -> Option<Goal> {
        let (target, flow) = (self.target.as_ref()?, self.flow.as_ref()?);
        let target = target.to_string().into();
        Some(Goal::Page { target, flow: (&**flow).into(), anew_since: None, proof: Proof::Any })
    }
}

/// Was the session proven on a device that counts? Read as policy reads it: what is handed on here
/// and asked for there goes in circles.
fn is_proven(live: &LiveSession) -> bool {
    let newest = live.newest();
    newest.session.device(ANY_KIND).is_some_and(|shown| *shown.owner == *newest.person.id)
}

fn called(live: &LiveSession) -> &str {
    let person = live.person();
    if person.email.is_empty() { &person.id } else { &person.email }
}

fn no_devices(ask: &Ask) -> Response<Body> {
    let contact = ask.plan().contact.as_deref().map(Contact);
    answer::error(ask, &NoDevices { host: ask.host(), contact, receipt: ask.receipt() })
}
