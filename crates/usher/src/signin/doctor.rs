//! `/.pomerium/doctor`: who looks after people has the server examined, and reads what was found.
//!
//! The same as `usher doctor`, by the usher that runs. What `--fix` changes is shown first, and changed by
//! a second step, from the page on which it was shown, by who signed in lately. Opening the page begins
//! nothing.

use std::time::Duration;

use http::{HeaderValue, Method, Response, header};
use usher_pages::{
    ACTION_FIELD, Doctor, Examination, Examined as ShownExamination, FLOW_FIELD, ForeignForm, Link,
    NotFound, OFFER_FIELD, Scripts, ShownChange, ShownFinding, ShownMending, ShownOffer,
};
use usher_rules::{
    plan::Level,
    problem::Severity,
    signin::{BindingUse, BrowserBinding, same_origin},
};

use super::{
    Ask, Change, Finding, Job, Mending, NO_RANDOM, NotBegun, SignInRoom, Standing, answer, binding,
    random, session_list::looks_after_people, workers,
};
use crate::request::{
    Body, EventName, Prompt,
    identify::{LiveSession, StoreError},
};

pub(super) const PAGE: &str = "/.pomerium/doctor";
const TOO_SOON: &str = "The last examination has only just ended. Try again in half a minute.";
const CHANGED: &str = "That is not what was shown last. Look at it again.";
/// How lately somebody has to have signed in who changes something.
const RECENT: Duration = Duration::from_secs(10 * 60);
/// Looks again after so many seconds.
const AGAIN: &str = "3; url=/.pomerium/doctor";

impl SignInRoom {
    /// On the authenticate host alone, where no app shares it. Everybody else is told that there is
    /// no such page.
    pub(super) async fn doctor(&self, ask: &Ask) -> Response<Body> {
        if !ask.at_authenticate() || !ask.plan().sign_in.dedicated_host {
            return no_such_page(ask);
        }
        if let Some(response) = workers::in_between(ask) {
            return response;
        }
        let Some(live) = ask.known_here() else {
            return self.start_with(ask, PAGE, Prompt::IfNeeded).await;
        };
        if !looks_after_people(ask, &live) {
            return no_such_page(ask);
        }
        if *ask.method() != Method::POST {
            return self.doctor_page(ask, None);
        }
        if same_origin(ask.fields(), &ask.origin()).is_err() {
            return answer::error(ask, &ForeignForm { receipt: ask.receipt() });
        }
        let form = ask.form().unwrap_or_default();
        let (flow, name) = (form.text(FLOW_FIELD).unwrap_or_default(), ask.cookie_name());
        if !BrowserBinding::is_held(ask.fields(), name, BindingUse::Form, flow, ask.wall()) {
            return self.doctor_page(ask, Some("This page was open for too long. Try again."));
        }
        let job = match form.text(ACTION_FIELD).unwrap_or_default() {
            "compare" => Job::Compare,
            "mend" => Job::Mend(form.text(OFFER_FIELD).and_then(|n| n.parse().ok()).unwrap_or(0)),
            "put-back" => Job::PutBack,
            _ => Job::Examine,
        };
        let changes = matches!(job, Job::Mend(_) | Job::PutBack);
        if changes && !is_fresh(ask, &live) {
            return self.start_with(ask, PAGE, Prompt::Login).await;
        }
        match self.examinations.begin(job, ask.now()) {
            Ok(()) if changes => {
                let what = if job == Job::PutBack { "put back" } else { "changed" };
                let cause = format!("settings of a Jellyfin are {what}, as an admin has said");
                let person = Some(live.person().into());
                self.note(ask, Level::Warn, EventName::Upstream, person, Some(cause));
                answer::see_other(PAGE)
            }
            Ok(()) => answer::see_other(PAGE),
            Err(NotBegun::TooSoon) => self.doctor_page(ask, Some(TOO_SOON)),
            Err(NotBegun::Changed) => self.doctor_page(ask, Some(CHANGED)),
        }
    }

    fn doctor_page(&self, ask: &Ask, note: Option<&str>) -> Response<Body> {
        let Some(random) = random() else {
            return self.unknown(ask, &StoreError::Unavailable(NO_RANDOM.into()));
        };
        let binding = BrowserBinding::new(random, ask.wall());
        let standing = self.examinations.standing();
        let page = Doctor {
            note,
            examination: shown(&standing),
            flow: &binding.id,
            here: Link::new(PAGE),
        };
        let status = if note.is_some() { 400 } else { 200 };
        let mut response = answer::html(status, page.render(ask.language()), Scripts::Own, &[]);
        if matches!(standing, Standing::Runs(_)) {
            response.headers_mut().insert(header::REFRESH, HeaderValue::from_static(AGAIN));
            return response; // it has no form
        }
        let held = (ask.cookie_name(), ask.fields());
        binding::set(&mut response, (BindingUse::Form, &binding), held, ask.wall());
        response
    }
}

fn shown(standing: &Standing) -> Examination<'_> {
    let examined = match standing {
        Standing::Unasked => return Examination::None,
        Standing::Runs(at) => return Examination::Runs(at.seconds()),
        Standing::BrokeOff(at) => return Examination::BrokeOff(at.seconds()),
        Standing::Done(examined) => examined,
    };
    let of = |severity| {
        let mut all: Vec<&Finding> =
            examined.findings.iter().filter(|one| one.severity == severity).collect();
        all.sort_by_key(|one| one.code);
        all.into_iter().map(shown_finding).collect()
    };
    Examination::Done(ShownExamination {
        at: examined.at.seconds(),
        errors: of(Some(Severity::Error)),
        warnings: of(Some(Severity::Warning)),
        fine: of(None),
        is_curable: examined.findings.iter().any(|one| one.is_curable),
        mending: shown_mending(&examined.mending),
        can_put_back: examined.can_put_back,
    })
}

fn shown_mending(mending: &Mending) -> ShownMending<'_> {
    match mending {
        Mending::Unasked => ShownMending::Unasked,
        Mending::Mended => ShownMending::Mended,
        Mending::PutBack => ShownMending::PutBack,
        Mending::Failed(why) => ShownMending::Failed(why),
        Mending::Offered(offer) => ShownMending::Offered(ShownOffer {
            number: offer.number,
            changes: offer.changes.iter().map(shown_change).collect(),
            restarts: offer.restarts.iter().map(|server| &**server).collect(),
        }),
    }
}

fn shown_change(one: &Change) -> ShownChange<'_> {
    let Change { server, key, was, becomes } = one;
    ShownChange { server, key, was, becomes }
}

fn is_fresh(ask: &Ask, live: &LiveSession) -> bool {
    let at = live.session().sign_in.moment(ask.wall());
    at.is_some_and(|at| ask.wall().is_within(RECENT, at))
}

fn shown_finding(finding: &Finding) -> ShownFinding<'_> {
    let Finding { code, title, means, about, subject, what, help, severity: _, is_curable: _ } =
        finding;
    ShownFinding { code, title, subject: (about, subject), what, means, help }
}

fn no_such_page(ask: &Ask) -> Response<Body> {
    answer::error(ask, &NotFound { host: ask.host(), receipt: ask.receipt() })
}
