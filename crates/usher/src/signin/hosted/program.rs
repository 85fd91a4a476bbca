//! A program's login comes back from the service. Nothing ties the answer to the browser that
//! brings it, so the person is asked here, whether or not the service has asked.

use http::Response;
use usher_pages::{FLOW_FIELD, ForeignForm, PROGRAM_ALLOW, PROGRAM_FIELD};
use usher_rules::{
    plan::HostedService,
    signin::{
        BindingUse, BrowserBinding, CALLBACK, Params, ProgramRedirect, hosted::Arrived, same_origin,
    },
    time::UnixTime,
};

use super::arrive::{NotSignedIn, handle, refused, vouched_for};
use crate::{
    request::{Body, identify::StoreError},
    signin::{
        Ask, NO_RANDOM, SignInRoom, answer, binding,
        program::{Consent, consent_page},
        random,
    },
};

impl SignInRoom {
    /// Asks. The answer stays unused until somebody says yes.
    pub(super) fn program_arrived(
        &self,
        ask: &Ask,
        service: &HostedService,
        arrived: &Arrived,
    ) -> Result<Response<Body>, NotSignedIn> {
        let redirect = program_redirect(ask, arrived)?;
        let (authentication, _) = vouched_for(ask, service, arrived, "/")?;
        let no_random = || StoreError::Unavailable(NO_RANDOM.into());
        let binding = BrowserBinding::new(random().ok_or_else(no_random)?, ask.wall());
        let consent = Consent {
            program: redirect.as_str(),
            host: ask.host(),
            person: &authentication.person,
            action: ask.with_query(CALLBACK),
        };
        Ok(consent_page(ask, consent, &binding, &[&redirect.origin()]))
    }

    /// The form of that page came back.
    pub(in crate::signin) async fn hosted_program_allowed(
        &self,
        ask: &Ask,
        service: &HostedService,
    ) -> Response<Body> {
        let form: Params = ask.form().unwrap_or_default();
        if form.text(PROGRAM_FIELD) != Some(PROGRAM_ALLOW) {
            return answer::method_not_allowed("GET");
        }
        if same_origin(ask.fields(), &ask.origin()).is_err() {
            return answer::error(ask, &ForeignForm { receipt: ask.receipt() });
        }
        let flow = form.text(FLOW_FIELD).unwrap_or_default();
        let (fields, cookie) = (ask.fields(), ask.cookie_name());
        if !BrowserBinding::is_held(fields, cookie, BindingUse::Form, flow, ask.wall()) {
            // Asked again: by whom, and for what, is shown anew.
            return answer::see_other(&ask.with_query(CALLBACK));
        }
        let arrival = self.let_program_in(ask, service, flow).await;
        self.arrival_or_why(ask, arrival)
    }

    /// The program gets its handle. The browser gets none.
    async fn let_program_in(
        &self,
        ask: &Ask,
        service: &HostedService,
        flow: &str,
    ) -> Result<Response<Body>, NotSignedIn> {
        let arrived = self.opened(ask).await?;
        if !arrived.programmatic {
            let why = "No program waits for this sign-in.";
            return Err(refused("a page's answer was posted as a program's", why, "/"));
        }
        let redirect = program_redirect(ask, &arrived)?;
        let (authentication, end) = vouched_for(ask, service, &arrived, "/")?;
        self.use_once(ask, &arrived, "/").await?;
        let end = end.unwrap_or(UnixTime::MAX);
        let live = self.begin_until(ask, &service.id, authentication, None, end, None).await?;
        let handle = self.keys.sign_handle(&handle(ask, &live));
        let mut response = answer::see_other(&redirect.with_handle(&handle));
        binding::over(&mut response, (BindingUse::Form, flow), ask.cookie_name(), ask.wall());
        Ok(response)
    }
}

fn program_redirect(ask: &Ask, arrived: &Arrived) -> Result<ProgramRedirect, NotSignedIn> {
    let hosts = &ask.plan().sign_in.programmatic_hosts;
    ProgramRedirect::parse(hosts, &arrived.redirect)
        .map_err(|error| refused(error, "The program that asked can't be answered from here.", "/"))
}
