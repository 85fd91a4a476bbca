//! Where a sign-in begins: at a route's host.

use http::{Method, Response, StatusCode};
use usher_pages::{ProviderDown, Receipt, SetUpWrong, SignInFailed};
use usher_rules::{
    fields::{error_form, reader},
    names::{Authority, Origin},
    plan::{Plan, Provider},
    signin::{
        BindingUse, BrowserBinding, CALLBACK, Goal, Params, ProgramRedirect, SIGN_IN, param,
        sign_url,
    },
    time::Now,
};

use super::{Ask, SignInRoom, answer, binding, deep_link::Wanted, hosted::Begun, random};
use crate::request::{Body, SignInNeeded};

impl SignInRoom {
    /// Sends a navigation to the authenticate host, and marks the browser that it began in.
    pub(super) async fn start(&self, needed: &SignInNeeded<'_>) -> Response<Body> {
        let SignInNeeded { plan, head, authority, target, request_id, now } = *needed;
        let receipt = Receipt { request_id, at_seconds: now.wall.seconds() };
        let host = authority.to_string();
        let read_as = error_form(reader(&head.method, &head.headers, false), &head.headers);
        if let Provider::Hosted(service) = &plan.sign_in.provider {
            let begun = Begun { plan, service, authority, target, fields: &head.headers, now };
            return match self.begin_hosted(begun).await {
                Ok(response) => response,
                Err(error) => {
                    self.note_provider(plan, request_id, now, &error);
                    let try_again = usher_pages::Link::new(target);
                    if !error.is_down() {
                        let page = SetUpWrong { again: try_again, receipt };
                        return answer::error_for(read_as, &page);
                    }
                    answer::error_for(read_as, &ProviderDown { host: &host, try_again, receipt })
                }
            };
        }
        let begun = self.begin_hop(plan, authority, target, now, &head.headers);
        begun.unwrap_or_else(|| {
            let try_again = usher_pages::Link::new("/");
            let why = "This host can't begin a sign-in.";
            answer::error_for(read_as, &SignInFailed { why, try_again, receipt })
        })
    }

    fn begin_hop(
        &self,
        plan: &Plan,
        authority: &Authority,
        target: &str,
        now: Now,
        fields: &http::HeaderMap,
    ) -> Option<Response<Body>> {
        let wanted = Wanted::new(plan, authority, target, fields)?;
        let binding = BrowserBinding::new(random()?, now.wall);
        // On the authenticate host itself the browser stays under the port that it came by.
        let own = Origin::of(authority);
        let here = own.host == plan.sign_in.authenticate.host;
        let base = format!("{}{SIGN_IN}", if here { &own } else { &plan.sign_in.authenticate });
        let params = [
            (param::IDP_ID, plan.sign_in.provider.id()),
            (param::REDIRECT_URI, &wanted.page),
            (param::FLOW, &binding.id),
        ];
        let mut response = answer::found(&sign_url(&self.keys, &base, &params, now.wall));
        let held = (&*plan.cookie.name, fields);
        binding::set(&mut response, (BindingUse::Hop, &binding), held, now.wall);
        wanted.set(&mut response, now.wall);
        Some(response)
    }

    /// `/.pomerium/sign_in` at a route's host: for the button on the identity page.
    pub(super) async fn start_here(&self, ask: &Ask) -> Response<Body> {
        if ask.is_hosted() {
            let request_id = ask.request_id();
            return self
                .start(&SignInNeeded {
                    plan: ask.plan_in_force(),
                    head: ask.head(),
                    authority: ask.authority(),
                    target: "/.pomerium/",
                    request_id,
                    now: ask.now(),
                })
                .await;
        }
        if ask.plan().sign_in.service.is_some() {
            // A link that we signed would be a proxy's request.
            return answer::found(&format!("{}{SIGN_IN}", ask.authenticate()));
        }
        let begun =
            self.begin_hop(ask.plan(), ask.authority(), "/.pomerium/", ask.now(), ask.fields());
        begun.unwrap_or_else(|| answer::text(StatusCode::NOT_FOUND, "Not Found\n"))
    }

    /// `/.pomerium/api/v1/login`: the address at which a person signs a program in
    /// (`pomerium-protocols.md` §2.4).
    pub(super) async fn login_url(&self, ask: &Ask) -> Response<Body> {
        if ask.method() != Method::GET {
            return answer::method_not_allowed("GET");
        }
        let bad = || answer::text(StatusCode::BAD_REQUEST, "invalid redirect uri\n");
        let Ok(params) = Params::parse(ask.query()) else { return bad() };
        let Some(redirect) = params.text(param::REDIRECT_URI) else {
            return answer::text(StatusCode::NOT_FOUND, "Not Found\n");
        };
        let plan = ask.plan();
        let Ok(redirect) = ProgramRedirect::parse(&plan.sign_in.programmatic_hosts, redirect)
        else {
            return bad();
        };
        let callback = format!("{}{CALLBACK}", Origin::of(ask.authority()));
        let goal =
            Goal::Program { redirect: redirect.as_str().into(), host: callback.as_str().into() };
        if goal.check(plan).is_err() {
            return bad(); // a host that no route has
        }
        if let Provider::Hosted(service) = &plan.sign_in.provider {
            return self.hosted_login_url(ask, service, redirect.as_str(), &callback).await;
        }
        let base = format!("{}{SIGN_IN}", plan.sign_in.authenticate);
        let params = [
            (param::IDP_ID, plan.sign_in.provider.id()),
            (param::REDIRECT_URI, redirect.as_str()),
            (param::CALLBACK_URI, &callback),
            (param::PROGRAMMATIC, "true"),
        ];
        answer::personal(answer::plain(
            StatusCode::OK,
            sign_url(&self.keys, &base, &params, ask.wall()),
        ))
    }
}
