//! Answers that no upstream gives: refusals, and what a route says by itself.

use std::{borrow::Cow, fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header, request::Parts};
use usher_pages::{
    BadRequest, Contact, ErrorPage, InternalError, Link, PostForm, Receipt, Refused, SCOPE_FIELD,
    SCOPE_HERE, Scripts, Unauthenticated,
};
use usher_rules::{
    fields::{Preference, Reader, is_page_load, remove_query_session},
    names::EscapedSlashes,
    plan::{Action, Redirect, Route},
    policy::Verdict,
    session::{CookieLife, SetCookie},
    signin::sign_out_origins,
};

use super::{
    Body, Details, Door, SignInNeeded, authorize,
    caught::{Panicked, caught},
    door::moment,
    forward::ForwardError,
    identify::{Identity, LiveSession},
    oversize::Oversize,
    refusal::{Named, Refusal, Told},
    route::RouteError,
    shape,
    trail::{REQUEST_ID, Trail, fresh_id},
};

/// What a browser deletes by itself (heeded over TLS alone).
pub(crate) const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// From so many octets on, what we say about the visitor is told of: many servers take 8 KiB in all.
const LARGE_IDENTITY: usize = 8 * 1024;

/// A route that redirects or responds by itself has no upstream.
pub(super) fn by_route(trail: &Trail, head: &Parts) -> Option<Response<Body>> {
    let route = trail.route.as_ref()?;
    let mut response = match &route.action {
        Action::Forward(_) => return None,
        Action::Respond { status, body } => {
            let mut response = Response::new(Body::full(body.to_string()));
            *response.status_mut() = *status;
            let kind = HeaderValue::from_static("text/plain; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        Action::Redirect(redirect) => redirected(trail, route, redirect, &head.uri)?,
    };
    trail.add_fields(&mut response);
    Some(response)
}

/// `path_with_escaped_slashes_action: unescape_and_redirect`: to the path as it is read here.
pub(super) fn to_unescaped(trail: &Trail, uri: &Uri) -> Option<Response<Body>> {
    let routed = trail.routed.as_ref()?;
    if trail.plan.escaped_slashes != EscapedSlashes::Redirect || !routed.path.was_unescaped() {
        return None;
    }
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let location = HeaderValue::try_from(format!("{}{query}", routed.path.wire())).ok()?;
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    trail.add_fields(&mut response);
    Some(response)
}

fn redirected(
    trail: &Trail,
    route: &Route,
    redirect: &Redirect,
    uri: &Uri,
) -> Option<Response<Body>> {
    let routed = trail.routed.as_ref()?;
    let scheme = redirect.scheme.as_deref().unwrap_or("https");
    let host = redirect.host.as_deref().unwrap_or(routed.authority.host.as_str());
    let port = redirect.port.or(routed.authority.port).filter(|port| *port != 443);
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    let own = routed.path.wire();
    let path = match (&redirect.path, &redirect.prefix, &route.matches) {
        (Some(path), _, _) => path.to_string(),
        (None, Some(prefix), usher_rules::plan::PathMatch::Prefix(matched)) => {
            format!("{prefix}{}", own.strip_prefix(&**matched).unwrap_or(own))
        }
        (None, Some(prefix), _) => prefix.to_string(),
        (None, None, _) => own.to_owned(),
    };
    let query = uri.query().filter(|_| !redirect.strip_query).map(remove_query_session);
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    let location = HeaderValue::try_from(format!("{scheme}://{host}{port}{path}{query}")).ok()?;
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = redirect.status;
    response.headers_mut().insert(header::LOCATION, location);
    Some(response)
}

/// Path and query, without a session that somebody put there.
fn without_session(uri: &Uri) -> Cow<'_, str> {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    match uri.query().map(remove_query_session) {
        Some(Cow::Owned(query)) if query.is_empty() => Cow::Borrowed(uri.path()),
        Some(Cow::Owned(query)) => Cow::Owned(format!("{}?{query}", uri.path())),
        Some(Cow::Borrowed(_)) | None => Cow::Borrowed(target),
    }
}

/// A page load whose address holds a session: the same page without it, so that it stands in no
/// address bar, no history and no `Referer`. It signs nobody in.
pub(super) fn cleaned(trail: &Trail, head: &Parts) -> Option<Response<Body>> {
    let reads = head.method == http::Method::GET || head.method == http::Method::HEAD;
    let holds = matches!(head.uri.query().map(remove_query_session), Some(Cow::Owned(_)));
    if !reads || !holds || !is_page_load(&head.headers) {
        return None;
    }
    let authority =
        trail.routed.as_ref().and_then(|routed| routed.authority_field.to_str().ok())?;
    // Absolute: a path may begin with two slashes.
    let location = format!("https://{authority}{}", without_session(&head.uri));
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::FOUND;
    let fields = response.headers_mut();
    fields.insert(header::LOCATION, HeaderValue::try_from(location).ok()?);
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Some(response)
}

impl Door {
    /// The answer to a request that goes no further.
    pub(super) async fn refuse(
        self: &Arc<Self>,
        trail: &mut Trail,
        refusal: Refusal,
    ) -> Response<Body> {
        let answered = caught(self.refused(trail, refusal)).await;
        let mut response = answered.unwrap_or_else(|panicked| {
            self.told(trail, &Refusal::Panicked(panicked)).unwrap_or_default()
        });
        trail.add_fields(&mut response);
        response
    }

    async fn refused(self: &Arc<Self>, trail: &mut Trail, refusal: Refusal) -> Response<Body> {
        match (self.told(trail, &refusal), refusal) {
            (Some(response), _) => response,
            (None, Refusal::Policy(refused)) => self.refuse_policy(trail, *refused).await,
            (None, _) => unauthenticated(trail), // `told` knows all others
        }
    }

    /// The answer that says the same to everybody; `None` for what a policy says.
    fn told(&self, trail: &mut Trail, refusal: &Refusal) -> Option<Response<Body>> {
        let sign_in = sign_in_url(trail);
        let again = trail.page.as_ref().map(without_session);
        let named = named(trail, &sign_in, again.as_deref());
        let Told { page, details, rule } = refusal.told(named)?;
        let status = page.status();
        let mut response = respond(trail, &*page);
        drop(page);
        if matches!(refusal, Refusal::Oversize(Oversize::Cookies)) {
            // Of the whole registered domain: a sibling's are the cause (Clear Site Data §3.1).
            let cookies = HeaderValue::from_static("\"cookies\"");
            response.headers_mut().insert(CLEAR_SITE_DATA, cookies);
        }
        if let Refusal::Forward(error) = refusal {
            self.note_upstream(trail, error, status);
        }
        if let Refusal::Panicked(panicked) = refusal {
            let route = trail.route.as_ref().map_or("", |route| &route.name);
            self.recorder.panicked(panicked, trail.id(), route, trail.now);
        }
        trail.details = details;
        if let Some(rule) = rule {
            trail.rule = Some(Arc::from(rule.word()));
        }
        Some(response)
    }

    /// For a request of which nothing is known but that it failed.
    pub(super) fn last_resort(&self, panicked: &Panicked) -> Response<Body> {
        let id = fresh_id();
        let now = moment(&*self.clock);
        let text = id.to_str().unwrap_or_default();
        self.recorder.panicked(panicked, text, "", now);
        let receipt = Receipt { request_id: text, at_seconds: now.wall.seconds() };
        let mut response = rendered(&InternalError { receipt }, Preference::Html, &[]);
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }

    async fn refuse_policy(
        self: &Arc<Self>,
        trail: &mut Trail,
        refused: authorize::Refused<Parts>,
    ) -> Response<Body> {
        let authorize::Refused { request: head, decision, by } = refused;
        trail.details = Details::Denied;
        let two_readings = match by {
            authorize::ReadingOf::Canonical => None,
            authorize::ReadingOf::Others => Some(RouteError::TwoReadings.to_string()),
            authorize::ReadingOf::OtherMethod => {
                Some("a field or parameter asks for another method, which is not let in".into())
            }
        };
        if let Some(why) = two_readings {
            let why = Some(why.into());
            return respond(trail, &BadRequest { why, receipt: receipt(trail) });
        }
        if trail.routed.as_ref().is_some_and(|routed| routed.path.decoded() == "/robots.txt") {
            return robots(); // crawlers learn that there is nothing for them here
        }
        let mut response = match (decision.verdict, trail.reader) {
            (Verdict::SignIn, Reader::Person) => self.sign_in(trail, &head).await,
            (Verdict::SignIn, Reader::Program) => unauthenticated(trail),
            (Verdict::Deny | Verdict::Allow, _) => forbidden(trail, &head),
        };
        self.clear_rejected(trail, &mut response);
        response
    }

    async fn sign_in(&self, trail: &Trail, head: &Parts) -> Response<Body> {
        let Some(routed) = &trail.routed else { return unauthenticated(trail) };
        // A form's target may have no page: its sender goes back to the front.
        let reads = head.method == http::Method::GET || head.method == http::Method::HEAD;
        let target = if reads { without_session(&head.uri) } else { "/".into() };
        let target = &*target;
        let needed = SignInNeeded {
            plan: &trail.plan,
            head,
            authority: &routed.authority,
            target,
            request_id: trail.id(),
            now: trail.now,
        };
        self.own.sign_in_redirect(needed).await
    }

    /// A cookie that is no good is taken away, so that it is not sent again and again.
    fn clear_rejected(&self, trail: &Trail, response: &mut Response<Body>) {
        if !matches!(trail.identity, Identity::Rejected(_)) {
            return;
        }
        for over in SetCookie::session(&trail.plan.cookie, "", CookieLife::Over) {
            if let Ok(cleared) = HeaderValue::try_from(over.to_field(trail.now.wall)) {
                response.headers_mut().append(header::SET_COOKIE, cleared);
            }
        }
    }

    /// The operator reads which upstream, why, and what visitors see; visitors don't.
    fn note_upstream(&self, trail: &Trail, error: &ForwardError, status: u16) {
        if status >= 500 {
            self.upstream_event(trail, error, format_args!("the visitor sees {status}"));
        }
    }

    /// One of several upstreams did not answer; the request went on to the next.
    pub(super) fn note_passed_over(&self, trail: &Trail, error: &ForwardError) {
        let effect = "another address of the route is asked; this one is let alone for a while";
        self.upstream_event(trail, error, format_args!("{effect}"));
    }

    /// Told once of a session and a route: apps and servers between refuse fields of this size, with
    /// 400 or 431 and no word of why.
    pub(super) fn note_large_identity(
        &self,
        trail: &Trail,
        route: &Route,
        session: Option<&Arc<LiveSession>>,
        fields: &HeaderMap,
    ) {
        let octets = shape::identity_octets(&trail.plan, fields);
        let Some(session) = session.filter(|_| octets >= LARGE_IDENTITY) else { return };
        if !session.first_told(&format!("{} {}", route.id, route.name)) {
            return;
        }
        self.recorder
            .event(usher_rules::plan::Level::Warn, "identity", trail.now)
            .with("request-id", trail.id())
            .with("route", &route.name)
            .with("user-id", &session.session().person.id)
            .with("octets", octets)
            .with("effect", "many apps refuse requests with so long fields")
            .with(
                "hint",
                "have the provider send fewer groups and claims, or leave out \
                 `pass_identity_headers` and `jwt_claims_headers` where the app does not read them",
            )
            .write();
    }

    fn upstream_event(&self, trail: &Trail, error: &ForwardError, effect: fmt::Arguments<'_>) {
        let cause = std::error::Error::source(error).map(full_cause).unwrap_or_default();
        self.recorder
            .event(usher_rules::plan::Level::Warn, "upstream", trail.now)
            .with("request-id", trail.id())
            .with("route", trail.route.as_ref().map_or("", |route| &route.name))
            .with("problem", error)
            .with("cause", cause)
            .with("effect", effect)
            .write_if(&trail.plan.log);
    }
}

fn full_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn sign_in_url(trail: &Trail) -> String {
    format!("{}/.pomerium/", trail.plan.sign_in.authenticate)
}

fn named<'a>(trail: &'a Trail, sign_in: &'a str, page: Option<&'a str>) -> Named<'a> {
    let (host, contact) = (trail.host(), trail.plan.contact.as_deref());
    Named { host, sign_in, page, contact, person: shown(trail), receipt: receipt(trail) }
}

fn receipt(trail: &Trail) -> Receipt<'_> {
    Receipt { request_id: trail.id(), at_seconds: trail.now.wall.seconds() }
}

fn robots() -> Response<Body> {
    let mut response = Response::new(Body::full("User-agent: *\nDisallow: /\n"));
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// 401 for programs: clean, never a redirect; it says where a person can sign in.
fn unauthenticated(trail: &Trail) -> Response<Body> {
    let sign_in = sign_in_url(trail);
    let contact = trail.plan.contact.as_deref().map(Contact);
    let page = Unauthenticated { sign_in: Link::new(&sign_in), contact, receipt: receipt(trail) };
    let mut response = rendered(&page, Preference::Json, &[]);
    challenge(trail, &mut response);
    response
}

/// RFC 9110 §15.5.2: a 401 carries a challenge.
fn challenge(trail: &Trail, response: &mut Response<Body>) {
    if response.status() != StatusCode::UNAUTHORIZED {
        return;
    }
    let challenge = match &trail.identity {
        Identity::Rejected(_) => "Bearer realm=\"usher\", error=\"invalid_token\"",
        Identity::Anonymous | Identity::Session(_) => "Bearer realm=\"usher\"",
    };
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
}

/// What was asked for, to come back to with another account. A form's target may have no page.
fn asked_url(trail: &Trail, head: &Parts) -> String {
    let authority = trail.routed.as_ref().and_then(|routed| routed.authority_field.to_str().ok());
    let reads = head.method == http::Method::GET;
    let target = if reads { without_session(&head.uri) } else { "/".into() };
    format!("https://{}{target}", authority.unwrap_or_default())
}

/// What the person who is signed in is called.
fn shown(trail: &Trail) -> Option<&str> {
    let person = trail.identity.session().map(|live| &live.session().person)?;
    Some(if person.email.is_empty() { &person.id } else { &person.email })
}

fn forbidden(trail: &Trail, head: &Parts) -> Response<Body> {
    let person = trail.identity.session().map(|live| &live.session().person);
    let asked = asked_url(trail, head);
    let switch_account = person.map(|_| {
        PostForm::to("/.pomerium/sign_out")
            .with(SCOPE_FIELD, SCOPE_HERE)
            .with("pomerium_redirect_uri", asked)
    });
    // To the person alone, about themselves: without it nobody knows why a rule did not let them in.
    let unproven = person.map(|person| person.unproven.iter()).into_iter().flatten();
    let doubts: Vec<String> = unproven.map(ToString::to_string).collect();
    let doubts: Vec<&str> = doubts.iter().map(String::as_str).collect();
    let refused = Refused {
        person: shown(trail),
        host: trail.host(),
        switch_account,
        reasons: &doubts,
        contact: trail.plan.contact.as_deref().map(Contact),
        receipt: receipt(trail),
    };
    respond(trail, &refused)
}

/// An error as its reader wants it: a page, a problem document, or a line of text.
fn respond(trail: &Trail, error: &dyn ErrorPage) -> Response<Body> {
    let origins = sign_out_origins(&trail.plan); // the page may have a button that leads there
    let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
    let mut response = rendered(error, trail.preference(), &origins);
    challenge(trail, &mut response);
    response
}

/// The status comes from where the words come from: the two can't disagree.
pub(super) fn rendered(
    error: &dyn ErrorPage,
    wanted: Preference,
    origins: &[&str],
) -> Response<Body> {
    let mut response = error_page(error, wanted, origins);
    let intercepted = HeaderValue::from_static("true");
    response.headers_mut().insert("x-pomerium-intercepted-response", intercepted);
    response
}

/// An error in the form that its reader wants. `origins`: where its forms may lead.
pub fn error_page(error: &dyn ErrorPage, wanted: Preference, origins: &[&str]) -> Response<Body> {
    let (kind, body) = match wanted {
        Preference::Html => (usher_pages::HTML, error.render()),
        Preference::Json => (usher_pages::PROBLEM_JSON, error.problem_json()),
        Preference::Text => (usher_pages::PLAIN_TEXT, error.plain_text()),
    };
    let mut response =
        own_page(error.status(), kind, body, &usher_pages::csp(Scripts::Own, origins));
    if let Some(seconds) = error.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A page of ours with the fields that all of them have.
pub fn own_page(status: u16, kind: &'static str, body: String, csp: &str) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let fields = response.headers_mut();
    for (name, value) in usher_pages::HEADERS {
        fields.insert(*name, HeaderValue::from_static(value));
    }
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(policy) = HeaderValue::try_from(csp) {
        fields.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}
