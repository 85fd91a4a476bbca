//! `/.pomerium/doctor`: who looks after people has the server examined, and reads what was found.
//!
//! The same as `usher doctor`, by the usher that runs. Nothing is mended here: what changes another
//! server's settings is for who has a shell. Opening the page begins nothing.

use http::{HeaderValue, Method, Response, header};
use usher_pages::{
    Doctor, Examination, Examined as ShownExamination, FLOW_FIELD, ForeignForm, Link, NotFound,
    Scripts, ShownFinding,
};
use usher_rules::{
    problem::Severity,
    signin::{BindingUse, BrowserBinding, same_origin},
};

use super::{
    Ask, Finding, NO_RANDOM, SignInRoom, Standing, answer, binding, random,
    session_list::looks_after_people, workers,
};
use crate::request::{Body, Prompt, identify::StoreError};

pub(super) const PAGE: &str = "/.pomerium/doctor";
const TOO_SOON: &str = "The last examination has only just ended. Try again in half a minute.";
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
        match self.examinations.begin(ask.now()) {
            true => answer::see_other(PAGE),
            false => self.doctor_page(ask, Some(TOO_SOON)),
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
    })
}

fn shown_finding(finding: &Finding) -> ShownFinding<'_> {
    let Finding { code, title, means, about, subject, what, help, severity: _, is_curable: _ } =
        finding;
    ShownFinding { code, title, subject: (about, subject), what, means, help }
}

fn no_such_page(ask: &Ask) -> Response<Body> {
    answer::error(ask, &NotFound { host: ask.host(), receipt: ask.receipt() })
}
