use http::{Response, StatusCode};
use usher_pages::{Link, ProviderDown};
use usher_rules::{
    plan::{HostedService, Level, Plan},
    session::SessionId,
    signin::{
        BindingUse, BrowserBinding, SIGN_IN,
        hosted::{Program, Request, mark},
    },
    time::Now,
};

use super::VERSION;
use crate::{
    request::{Body, EventName, SignInNeeded, SignInNote},
    signin::{
        Ask, SignInRoom, answer, binding, deep_link::Wanted, provider::ProviderError, random,
    },
};

impl SignInRoom {
    /// Sends a navigation to the service, and marks the browser that it began in.
    pub(in crate::signin) async fn begin_hosted(
        &self,
        service: &HostedService,
        needed: &SignInNeeded<'_>,
    ) -> Result<Response<Body>, ProviderError> {
        let SignInNeeded { plan, head, authority, target, now, .. } = *needed;
        let fields = &head.headers;
        let Some(wanted) = Wanted::new(plan, authority, target, fields) else {
            return Ok(answer::text(StatusCode::NOT_FOUND, "Not Found\n")); // a host of nobody's
        };
        let binding = BrowserBinding::new(random().ok_or(NO_RANDOM)?, now.wall);
        let marked = mark(&wanted.page, &binding.id);
        let location = self.hosted_url(plan, service, &marked, None, now).await?;
        let mut response = answer::found(&location);
        let held = (&*plan.cookie.name, fields);
        binding::set(&mut response, (BindingUse::Hop, &binding), held, now.wall);
        wanted.set(&mut response, now.wall);
        Ok(response)
    }

    /// The address at which a person signs a program in (`pomerium-protocols.md` §2.4).
    pub(in crate::signin) async fn hosted_login_url(
        &self,
        ask: &Ask,
        service: &HostedService,
        redirect: &str,
        callback: &str,
    ) -> Response<Body> {
        let program = Some(Program { callback });
        match self.hosted_url(ask.plan(), service, redirect, program, ask.now()).await {
            Ok(url) => answer::personal(answer::plain(StatusCode::OK, url)),
            Err(error) => {
                self.note_provider(ask.plan(), ask.request_id(), ask.now(), &error);
                let try_again = Link::new("/.pomerium/");
                let (host, receipt) = (ask.host(), ask.receipt());
                answer::error(ask, &ProviderDown { host, try_again, receipt })
            }
        }
    }

    async fn hosted_url(
        &self,
        plan: &Plan,
        service: &HostedService,
        redirect: &str,
        program: Option<Program<'_>>,
        now: Now,
    ) -> Result<String, ProviderError> {
        let found = self.service_keys.find(plan, now).await?;
        if let Some(failure) = &found.failure {
            self.note_provider(plan, "", now, failure);
        }
        let uuid = SessionId::from_random(random().ok_or(NO_RANDOM)?);
        let query = Request::ask(
            &self.hosted,
            &found.key,
            redirect,
            &service.id,
            program,
            VERSION,
            uuid.as_str(),
            random().ok_or(NO_RANDOM)?,
            now.wall,
        );
        let query = query.ok_or(ProviderError::Unreadable("the service's key"))?;
        Ok(format!("{}{SIGN_IN}?{query}", plan.sign_in.authenticate))
    }

    /// For the operator: the service is of no help.
    pub(in crate::signin) fn note_provider(
        &self,
        plan: &Plan,
        request_id: &str,
        now: Now,
        error: &ProviderError,
    ) {
        if matches!(error, ProviderError::Lately(_)) {
            return; // told of when it happened
        }
        let service = &plan.sign_in.authenticate;
        let cause = Some(format!(
            "{service}: {error}; nobody new can sign in while it is so, whoever is signed in goes on"
        ));
        let note = SignInNote {
            level: Level::Warn,
            event: EventName::Provider,
            now,
            request_id,
            person: None,
            from: None, // it is about the service
            cause,
            client_authentication: None,
        };
        self.journal.note(plan, note);
    }
}

const NO_RANDOM: ProviderError = ProviderError::Unreadable("the system's randomness");
