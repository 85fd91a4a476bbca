//! Where a sign-in begins: at a route's host.

use http::{Method, Response, StatusCode};
use usher_pages::NotFound;
use usher_rules::{
    names::Origin,
    plan::BUILTIN,
    signin::{
        BindingUse, BrowserBinding, CALLBACK, Dependents, Goal, PROMPT_LOGIN, PROMPT_PASSKEY,
        Params, ProgramRedirect, SIGN_IN, param, sign_url,
    },
};

use super::{Ask, SignInRoom, answer, binding, deep_link::Wanted, random};
use crate::request::{Body, Prompt, SignInNeeded};

impl SignInRoom {
    /// Sends a navigation to the authenticate host, and marks the browser that it began in.
    pub(super) fn begin_hop(&self, needed: &SignInNeeded<'_>) -> Option<Response<Body>> {
        let SignInNeeded { plan, head, authority, target, prompt, now, .. } = *needed;
        let fields = &head.headers;
        let wanted = Wanted::new(plan, authority, target, fields)?;
        let binding = BrowserBinding::new(random()?, now.wall);
        // On the authenticate host itself the browser stays under the port that it came by.
        let own = Origin::of(authority);
        let here = own.host == plan.sign_in.authenticate.host;
        let base = format!("{}{SIGN_IN}", if here { &own } else { &plan.sign_in.authenticate });
        let (provider, prompt) = match prompt {
            Prompt::IfNeeded => (&*needed.provider, None),
            Prompt::Login => (&*needed.provider, Some(PROMPT_LOGIN)),
            Prompt::Passkey => (BUILTIN, Some(PROMPT_PASSKEY)),
        };
        let mut params = vec![
            (param::IDP_ID, provider),
            (param::REDIRECT_URI, &wanted.page),
            (param::FLOW, &binding.id),
        ];
        params.extend(prompt.map(|prompt| (param::PROMPT, prompt)));
        let mut response = answer::found(&sign_url(&self.keys, &base, &params, now.wall));
        let held = (&*plan.cookie.name, fields);
        binding::set(&mut response, (BindingUse::Hop, &binding), held, now.wall);
        wanted.set(&mut response, now.wall);
        Some(response)
    }

    /// `/.pomerium/sign_in` at a route's host: for the button on the identity page. It leads back to
    /// `target` there.
    pub(super) async fn start_here(&self, ask: &Ask, target: &str) -> Response<Body> {
        self.start_with(ask, target, Prompt::IfNeeded).await
    }

    /// The same for whom this prompt asks.
    pub(super) async fn start_with(
        &self,
        ask: &Ask,
        target: &str,
        prompt: Prompt,
    ) -> Response<Body> {
        if ask.plan().sign_in.service.is_some() {
            // A link that we signed would be a proxy's request.
            return answer::found(&format!("{}{SIGN_IN}", ask.authenticate()));
        }
        let asked = (ask.head(), ask.authority(), target);
        let made = (ask.request_id(), ask.now());
        let plan = ask.plan_in_force();
        let needed =
            SignInNeeded { prompt, ..SignInNeeded::on(ask.signs_in_for(), plan, asked, made) };
        self.with_first(ask.plan()).begin(&needed).await
    }

    /// `/.pomerium/depends_on`: this host is to know whoever comes from a sign-in at another one.
    pub(super) async fn dependent(&self, ask: &Ask) -> Response<Body> {
        let Some(way) = Dependents::parse(ask.plan(), ask.query()) else {
            let page = NotFound { host: ask.host(), receipt: ask.receipt() };
            return answer::error(ask, &page);
        };
        match ask.identity().session() {
            Some(_) => answer::found(&way.next()),
            None => self.start_here(ask, &ask.with_query(Dependents::PATH)).await,
        }
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
        let (listens, host) = (redirect.as_str().into(), callback.as_str().into());
        let goal = Goal::Program { redirect: listens, host, anew_since: None };
        if goal.check(plan).is_err() {
            return bad(); // a host that no route has
        }
        let prompt = match params.text(param::PROMPT) {
            Some(PROMPT_LOGIN) => Prompt::Login,
            _ => Prompt::IfNeeded,
        };
        self.with_first(plan).login_url(ask, redirect.as_str(), &callback, prompt).await
    }
}
