//! Answers that no upstream gives: refusals, and what a route says by itself.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header};
use usher_pages::{
    BadRequest, CertificateNeeded, Contact, DeviceRefused, ErrorPage, InternalError, Lack,
    Language, Link, PostForm, Receipt, Refused, SCOPE_FIELD, SCOPE_HERE, Scripts, Unauthenticated,
};
use usher_rules::{
    fields::{Preference, Reader, is_page_load, remove_query_session},
    mcp::Message,
    names::EscapedSlashes,
    plan::{Plan, Route},
    policy::{Decision, Verdict},
    session::{CookieLife, SetCookie},
    signin::sign_out_origins,
};

use super::{
    Body, Door, EventName, Prompt, SignInNeeded, authorize,
    brand::OurPage,
    caught::{Panicked, catch},
    challenge::{ask_for_password, brings_secret, challenge},
    door::moment,
    identify::{Identified, Identity},
    journey::{Journey, Known},
    message,
    oversize::Oversize,
    refusal::{ErrorResponse, Named, Refusal},
    route::{RouteError, Routed},
    seen::{REQUEST_ID, Seen, fresh_id},
    workers,
};

/// What a browser deletes by itself (heeded over TLS alone).
pub(crate) const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// To another address; `None` where that can't be written.
pub(super) fn redirect_to(status: StatusCode, location: String) -> Option<Response<Body>> {
    let location = HeaderValue::try_from(location).ok()?;
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response.headers_mut().insert(header::LOCATION, location);
    Some(response)
}

pub(super) fn text(status: StatusCode, words: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(words));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// `path_with_escaped_slashes_action: unescape_and_redirect`: to the path as it is read here.
pub(super) fn to_unescaped(plan: &Plan, routed: &Routed, uri: &Uri) -> Option<Response<Body>> {
    if plan.escaped_slashes != EscapedSlashes::Redirect || !routed.path.was_unescaped() {
        return None;
    }
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    redirect_to(StatusCode::TEMPORARY_REDIRECT, format!("{}{query}", routed.path.wire()))
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
pub(super) fn cleaned(request: &Identified<'_>) -> Option<Response<Body>> {
    let Identified { head, routed, .. } = request;
    let reads = head.method == http::Method::GET || head.method == http::Method::HEAD;
    let holds = || matches!(head.uri.query().map(remove_query_session), Some(Cow::Owned(_)));
    if !reads || !holds() || !is_page_load(&head.headers) {
        return None;
    }
    let authority = routed.authority_field.to_str().ok()?;
    // Absolute: a path may begin with two slashes.
    let location = format!("https://{authority}{}", without_session(&head.uri));
    let mut response = redirect_to(StatusCode::FOUND, location)?;
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Some(response)
}

impl Door {
    /// The answer to a request that goes no further.
    pub(super) fn refuse(&self, journey: &mut Journey<'_>, refusal: &Refusal) -> Response<Body> {
        let told = catch(|| self.error_response(journey, refusal));
        let mut response = told
            .unwrap_or_else(|panicked| self.error_response(journey, &Refusal::Panicked(panicked)));
        journey.known().add_fields(&mut response);
        response
    }

    /// An answer that says the same to everybody.
    fn error_response(&self, journey: &mut Journey<'_>, refusal: &Refusal) -> Response<Body> {
        let known = journey.known();
        let sign_in = sign_in_url(known.seen);
        let again = known.seen.page.as_ref().map(without_session);
        let named = Named {
            host: known.host(),
            sign_in: &sign_in,
            page: again.as_deref(),
            contact: known.seen.plan.contact.as_deref(),
            person: shown(known.identity),
            receipt: receipt(known.seen),
        };
        let ErrorResponse { page, details, rule } = refusal.error_response(named);
        let mut response = respond(known, &*page);
        if matches!(refusal, Refusal::Oversize(Oversize::Cookies)) {
            // Of the whole registered domain: a sibling's are the cause (Clear Site Data §3.1).
            let cookies = HeaderValue::from_static("\"cookies\"");
            response.headers_mut().insert(CLEAR_SITE_DATA, cookies);
        }
        let Known { seen, .. } = known;
        let route = known.route().map_or("", |route| &route.name);
        // The operator reads which upstream or store, why, and what visitors see; visitors don't.
        let sees = format_args!("the visitor sees {}", page.status());
        if let Refusal::Forward(error) = refusal
            && page.status() >= 500
        {
            self.trouble(seen, route, (EventName::Upstream, error), sees);
        }
        if let Refusal::Store(error) = refusal {
            self.trouble(seen, route, (EventName::Store, error), sees);
        }
        if let Refusal::Panicked(panicked) = refusal {
            self.recorder.panicked(panicked, seen.id(), route, seen.now);
        }
        drop(page);
        journey.outcome.details = details;
        journey.outcome.rule = rule.or(journey.outcome.rule);
        response
    }

    /// For a request of which nothing is known but that it failed.
    pub(super) fn last_resort(&self, panicked: &Panicked) -> Response<Body> {
        let id = fresh_id();
        let now = moment(&*self.clock);
        let text = id.to_str().unwrap_or_default();
        self.recorder.panicked(panicked, text, "", now);
        let receipt = Receipt {
            request_id: text,
            at_seconds: now.wall.seconds(),
            language: Language::English,
        };
        let mut response = rendered(&InternalError { receipt }, Preference::Html, &[]);
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }

    /// The answer where a policy said no, or that somebody has to sign in first: it depends on who
    /// reads it, so it is none of the [`Refusal`]s.
    pub(super) async fn refuse_policy(&self, refused: authorize::Refused<'_>) -> Response<Body> {
        let authorize::Refused { request, decision, by, .. } = &refused;
        let known = Known::of(request);
        let two_readings = match by {
            authorize::ReadingOf::Canonical => None,
            authorize::ReadingOf::Others => Some(RouteError::TwoReadings.to_string()),
            authorize::ReadingOf::OtherMethod => {
                Some("a field or parameter asks for another method, which is not let in".into())
            }
        };
        if let Some(why) = two_readings {
            let why = Some(why.into());
            return respond(known, &BadRequest { why, receipt: receipt(known.seen) });
        }
        if decision.has_failed() {
            return respond(known, &InternalError { receipt: receipt(known.seen) });
        }
        if request.routed.path.decoded() == "/robots.txt" && !is_kubernetes(&request.head.headers) {
            // Crawlers learn that there is nothing for them here.
            return text(StatusCode::OK, "User-agent: *\nDisallow: /\n");
        }
        let is_mcp = known.route().is_some_and(|route| route.mcp.is_some());
        let mut response = match decision.verdict {
            // Before all else: no token helps, and a client that is sent for one would ask for ever.
            Verdict::ShowCertificate => without_certificate(known),
            _ if is_mcp => refuse_message(request, decision),
            // Signing in takes no credential of the app's out of an address: whoever came back with
            // it would be sent again, for ever.
            Verdict::SignIn if known.identity.is_refused_by_app() => {
                unauthenticated(known, known.seen.preference())
            }
            Verdict::SignIn => self.ask_to_sign_in(request, Prompt::IfNeeded).await,
            Verdict::SignInAgain => self.ask_to_sign_in(request, Prompt::Login).await,
            Verdict::ShowPasskey => self.ask_to_sign_in(request, Prompt::Passkey).await,
            Verdict::ShowDevice if reader_of(request) == Reader::Program => {
                unauthenticated(known, Preference::Json)
            }
            Verdict::ShowDevice => self.show_device(request, decision),
            Verdict::Deny | Verdict::Allow => forbidden(request, decision),
        };
        clear_rejected(known, &mut response);
        response
    }

    /// The answer to nobody where somebody has to be signed in.
    pub(super) async fn refuse_nobody(&self, request: &Identified<'_>) -> Response<Body> {
        let mut response = self.ask_to_sign_in(request, Prompt::IfNeeded).await;
        clear_rejected(Known::of(request), &mut response);
        response
    }

    async fn ask_to_sign_in(&self, request: &Identified<'_>, prompt: Prompt) -> Response<Body> {
        let (head, known) = (&request.head, Known::of(request));
        let is_tunnel = known.route().is_some_and(|route| route.tunnel.is_some());
        // Who opens a tunnel takes 302 for "sign in first" (`pomerium-protocols.md` §5.5).
        if brings_secret(head, known.route().map(AsRef::as_ref)) && !is_tunnel {
            let mut response = unauthenticated(known, known.seen.preference());
            ask_for_password(head, &mut response);
            return response;
        }
        match reader_of(request) {
            Reader::Person => self.sign_in(request, prompt).await,
            Reader::Program => workers::leave_with_their_person(request).unwrap_or_else(|| {
                let mut response = unauthenticated(known, Preference::Json);
                ask_for_password(head, &mut response);
                response
            }),
        }
    }

    async fn sign_in(&self, request: &Identified<'_>, prompt: Prompt) -> Response<Body> {
        self.own.sign_in_redirect(needed(request, &page_of(request), prompt)).await
    }

    fn show_device(&self, request: &Identified<'_>, decision: &Decision) -> Response<Body> {
        let kind = decision.device.as_deref().unwrap_or_default();
        self.own.device_redirect(&needed(request, &page_of(request), Prompt::IfNeeded), kind)
    }
}

/// Clients of an app that is known from inside may say nothing of what they take. They read a
/// redirect to a page as "there is no such server"; whoever loads a page says so.
fn reader_of(request: &Identified<'_>) -> Reader {
    let is_known = request.routed.route().is_some_and(|route| route.jellyfin.is_some());
    match is_known && !is_page_load(&request.head.headers) {
        true => Reader::Program,
        false => request.seen.reader,
    }
}

/// The page to come back to. A form's target may have none: its sender goes back to the front.
fn page_of<'r>(request: &'r Identified<'_>) -> Cow<'r, str> {
    let head = &request.head;
    let reads = head.method == http::Method::GET || head.method == http::Method::HEAD;
    let is_tunnel = request.routed.route().is_some_and(|route| route.tunnel.is_some());
    match (is_tunnel, reads) {
        (true, _) => "/.pomerium/".into(), // there is no other page at its host
        (false, true) => without_session(&head.uri),
        (false, false) => "/".into(),
    }
}

fn needed<'r>(request: &'r Identified<'_>, target: &'r str, prompt: Prompt) -> SignInNeeded<'r> {
    let Identified { head, seen, routed, .. } = request;
    let route = routed.route().map(AsRef::as_ref);
    let tunnel = route.and_then(|route| route.tunnel.as_ref());
    let elsewhere = tunnel.and_then(|tunnel| tunnel.sign_in.as_ref());
    let asked = (&**head, elsewhere.unwrap_or(&routed.authority), target);
    SignInNeeded { prompt, ..SignInNeeded::on(route, &seen.plan, asked, (seen.id(), seen.now)) }
}

/// Its clients want to hear of a refusal (`pomerium-policy-measured.md` 34).
fn is_kubernetes(fields: &HeaderMap) -> bool {
    let agent = fields.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    agent.is_some_and(|agent| agent.contains("kubernetes/"))
}

fn sign_in_url(seen: &Seen) -> String {
    format!("{}/.pomerium/", seen.plan.sign_in.authenticate)
}

fn receipt(seen: &Seen) -> Receipt<'_> {
    let language = seen.language();
    Receipt { request_id: seen.id(), at_seconds: seen.now.wall.seconds(), language }
}

/// A cookie that is no good is taken away, so that it is not sent again and again. One beside a
/// credential of the app's may be good.
fn clear_rejected(known: Known<'_>, response: &mut Response<Body>) {
    if known.identity.is_refused_by_app() || !matches!(known.identity, Identity::Rejected(_)) {
        return;
    }
    for over in SetCookie::session(&known.seen.plan.cookie, "", CookieLife::Over) {
        if let Ok(cleared) = HeaderValue::try_from(over.to_field(known.seen.now.wall)) {
            response.headers_mut().append(header::SET_COOKIE, cleared);
        }
    }
}

/// 401 for programs: clean, never a redirect; it says where a person can sign in.
fn unauthenticated(known: Known<'_>, wanted: Preference) -> Response<Body> {
    let Known { seen, identity, .. } = known;
    let sign_in = sign_in_url(seen);
    let contact = seen.plan.contact.as_deref().map(Contact);
    let page = Unauthenticated { sign_in: Link::new(&sign_in), contact, receipt: receipt(seen) };
    let mut response = rendered(&page, wanted, &[]);
    challenge(identity, &mut response);
    response
}

/// A connection is asked once for a certificate, in its handshake: who has one now needs another.
fn without_certificate(known: Known<'_>) -> Response<Body> {
    let Known { seen, .. } = known;
    let (host, contact) = (known.host(), seen.plan.contact.as_deref().map(Contact));
    let shown = seen.connection.presented.chain();
    let lacks = if shown.is_some() { Lack::Validity } else { Lack::Certificate };
    let page = CertificateNeeded { lacks, host, contact, receipt: receipt(seen) };
    let mut response = respond(known, &page);
    if !seen.connection.protocol().is_multiplexed() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Clients of MCP are programs, whatever they say that they read.
fn refuse_message(request: &Identified<'_>, decision: &Decision) -> Response<Body> {
    let known = Known::of(request);
    if let (Verdict::Deny, Message::Request { id, .. }) = (decision.verdict, &request.message) {
        return message::denied(id.as_ref(), known.seen.id());
    }
    let mut response = unauthenticated(known, Preference::Json);
    if !matches!(decision.verdict, Verdict::SignInAgain | Verdict::ShowPasskey) {
        let plain = HeaderValue::from_static("Bearer realm=\"usher\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, plain);
    }
    response
}

/// To come back to with another account. A form's target may have no page.
fn asked_url(request: &Identified<'_>) -> String {
    let authority = request.routed.authority_field.to_str().unwrap_or_default();
    let reads = request.head.method == http::Method::GET;
    let target = if reads { without_session(&request.head.uri) } else { "/".into() };
    format!("https://{authority}{target}")
}

/// By their address, or by their id where the provider told none.
fn shown(identity: &Identity) -> Option<&str> {
    let person = identity.session().map(|live| live.person())?;
    Some(if person.email.is_empty() { &person.id } else { &person.email })
}

/// Which rule it was, and the codes of its reasons, where the route shows them: names of keys and
/// words of ours, no value of the config and nothing about anybody.
fn details(route: &Route, decision: &Decision) -> Option<String> {
    let why = decision.why();
    let why = if why.is_empty() { "nothing lets anybody in".into() } else { why.join(", ") };
    route.shows_details.then(|| format!("Rule {}: {why}.", decision.rule))
}

fn forbidden(request: &Identified<'_>, decision: &Decision) -> Response<Body> {
    let known = Known::of(request);
    if decision.is_for_the_device() {
        let contact = known.seen.plan.contact.as_deref().map(Contact);
        let page = DeviceRefused { host: known.host(), contact, receipt: receipt(known.seen) };
        return respond(known, &page);
    }
    let person = known.identity.session().map(|live| live.person());
    let switch_account = person.map(|_| {
        PostForm::to("/.pomerium/sign_out")
            .with(SCOPE_FIELD, SCOPE_HERE)
            .with("pomerium_redirect_uri", asked_url(request))
    });
    // To the person alone, about themselves: without it nobody knows why a rule did not let them in.
    let unproven = person.map(|person| person.unproven.iter()).into_iter().flatten();
    let details = known.route().and_then(|route| details(route, decision));
    let doubts: Vec<String> = unproven.map(ToString::to_string).chain(details).collect();
    let doubts: Vec<&str> = doubts.iter().map(String::as_str).collect();
    let refused = Refused {
        person: shown(known.identity),
        host: known.host(),
        switch_account,
        reasons: &doubts,
        contact: known.seen.plan.contact.as_deref().map(Contact),
        receipt: receipt(known.seen),
    };
    respond(known, &refused)
}

/// An error as its reader wants it: a page, a problem document, or a line of text.
fn respond(known: Known<'_>, error: &dyn ErrorPage) -> Response<Body> {
    let origins = sign_out_origins(&known.seen.plan); // the page may have a button that leads there
    let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
    let mut response = rendered(error, known.seen.preference(), &origins);
    challenge(known.identity, &mut response);
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
    response.extensions_mut().insert(OurPage);
    response
}
