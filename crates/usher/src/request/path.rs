//! The journey of one request, once, in the order in which it happens.

use std::sync::Arc;

use http::{HeaderValue, Request, Response, StatusCode, Version, header, request::Parts};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use usher_rules::{
    fields::{join_cookies, one_length},
    names::RequestPath,
    plan::Route,
};

use super::{
    Body, Details, Door, OwnRequest, PathRule,
    accept::{Connection, InFlight, limits},
    answer,
    authorize::{self, Asked, Permitted},
    caught::caught,
    forward::{Asking, Course, RequestBody, Trailers},
    identify::{self, Asker, Identity},
    oversize::oversize,
    record::{By, Closing},
    refusal::Refusal,
    route::{self, Destination, RouteError},
    shape::{self, Upward},
    trail::{Seen, Trail},
    upgrade::{self, Upgrade},
    workers,
};

/// What a request is answered with, and what goes on running after the answer.
type Answered = (Response<Body>, Option<upgrade::Running>);

/// A request that is being answered. Whatever becomes of it, it is recorded: a client that leaves
/// while we wait for the upstream takes this along.
struct Visit<'a> {
    door: &'a Door,
    trail: &'a mut Trail,
    seen: Option<(Seen, InFlight)>,
}

impl Visit<'_> {
    /// The lines of this visit: the decision's, if there is none yet, and the access line when
    /// what is returned is dropped. `None` when that was done before.
    fn record(&mut self, status: Option<StatusCode>) -> Option<Closing> {
        let (seen, in_flight) = self.seen.take()?;
        let trail = &mut *self.trail;
        let recorder = match trail.is_decided || status.is_some() {
            true => self.door.recorder.clone(),
            // Taken back before anything happened: so cheap that thousands may come at once.
            false => self.door.recorder.of_taken_back(trail.now),
        };
        if !trail.is_decided {
            let rule = trail.rule.clone().unwrap_or_else(|| PathRule::Internal.word().into());
            recorder.decided(trail.decided(seen.method(), By::Path(&rule)));
        }
        let upload = trail.upload.clone();
        let access = trail.access(seen, status);
        Some(Closing::new(recorder, access, trail.began, upload, in_flight))
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if self.seen.is_some() {
            self.trail.details = Details::ClientGone;
            drop(self.record(None));
        }
    }
}

/// Asked by machines, which want to know whether we answer.
fn is_probe(path: &RequestPath) -> bool {
    matches!(path.wire(), "/ping" | "/healthz")
}

impl Door {
    /// Rooms 3 to 8; 1 and 2 are per connection.
    pub(super) async fn answer(
        self: &Arc<Self>,
        connection: Arc<Connection>,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let (in_flight, exchange) = (connection.pulse.request(), self.tasks.exchange());
        let (mut head, incoming) = request.into_parts();
        let oversize = oversize(&head);
        if oversize.is_none() {
            join_cookies(&mut head.headers);
        }
        if !http_body::Body::is_end_stream(&incoming) {
            connection.pulse.body_follows();
        }
        let upgrade = Upgrade::take(&mut head);
        let has_room = in_flight.has_room();
        let mut trail = Trail::new(self, connection, &head, upgrade.is_some());
        let seen = Some((Seen::of(&head), in_flight));
        let mut visit = Visit { door: self, trail: &mut trail, seen };

        let answered = match (has_room, oversize) {
            (true, Some(why)) => Ok(Err(Refusal::Oversize(why))),
            (true, None) => {
                if head.version == Version::HTTP_2 {
                    // A reset that came along is seen now, before the upstream is troubled
                    // (rapid reset, CVE-2023-44487).
                    tokio::task::yield_now().await;
                }
                caught(self.path(visit.trail, head, incoming, upgrade)).await
            }
            (false, _) => Ok(Err(Refusal::Busy)),
        };
        let answered = answered.unwrap_or_else(|panicked| Err(panicked.into()));
        let (mut response, running) = match answered {
            Ok(answered) => answered,
            Err(refusal) => (self.refuse(visit.trail, refusal).await, None),
        };
        visit.trail.mark(&mut response);
        let Some(closing) = visit.record(Some(response.status())) else { return response }; // record
        if let Some(running) = running {
            running.start(self, closing); // a socket is no exchange: a drain does not wait for it
            return response;
        }
        Body::recorded(response, closing.of_exchange(exchange))
    }

    async fn path(
        self: &Arc<Self>,
        trail: &mut Trail,
        mut head: Parts,
        incoming: Incoming,
        upgrade: Option<Upgrade>,
    ) -> Result<Answered, Refusal> {
        let plan = Arc::clone(&trail.plan); // one snapshot: a reload can't tear this request
        let now = trail.now;
        let is_set = now.wall.is_plausible();

        let routed = one_length(&mut head.headers)
            .map_err(RouteError::from)
            .and_then(|()| route::find(&plan, &trail.connection, &head)) //               route
            .inspect_err(|_| trail.not_found(&head.uri))?;
        let destination = trail.found(routed);
        if let Some(response) = answer::to_unescaped(trail, &head.uri) {
            return Ok((response, None));
        }

        trail.identity = if is_set {
            let (host, sessions) = (trail.host(), self.sessions.as_ref());
            let asker = Asker { fields: &head.headers, uri: &head.uri, host, now };
            identify::who(&plan, &self.verifier, sessions, asker) //                      identify
        } else {
            Identity::Anonymous // who is signed in stays so, for when the clock is right
        };
        if let Some(response) = answer::cleaned(trail, &head) {
            self.recorder.decided(trail.decided(&head.method, By::OwnPage));
            trail.own_page();
            return Ok((response, None));
        }
        let route = match destination {
            Destination::Route(route) => match workers::refused(trail, &head.headers) {
                Some(response) => {
                    self.recorder.decided(trail.decided(&head.method, By::OwnPage));
                    trail.own_page();
                    return Ok((response, None));
                }
                None => route,
            },
            Destination::Own(_) if !is_set && !is_probe(trail.path()?) => {
                return Err(Refusal::ClockUnset);
            }
            Destination::Own(_) if upgrade.as_ref().is_some_and(Upgrade::is_a_tunnel) => {
                return Err(Refusal::NoWebSockets);
            }
            Destination::Own(route) => return self.own_page(trail, head, incoming, route).await,
            Destination::Nowhere => return Err(Refusal::NotFound),
        };
        let upgrade = upgrade::allowed(upgrade, &route, trail, &head)?;

        let routed = trail.routed.as_ref().ok_or(Refusal::Broken)?;
        let asked = Asked::of(&plan, &head, routed, trail.ip());
        let permitted = match authorize::permit(head, &route, &trail.identity, asked) {
            // authorize
            Ok((permitted, decision)) => {
                self.recorder
                    .decided(trail.decided(&permitted.request().method, By::Policy(&decision)));
                trail.decision(&decision);
                permitted
            }
            Err(refused) => {
                self.recorder
                    .decided(trail.decided(&refused.request.method, By::Policy(&refused.decision)));
                trail.decision(&refused.decision);
                if !is_set {
                    return Err(Refusal::ClockUnset);
                }
                return Err(Refusal::Policy(Box::new(refused)));
            }
        };
        if let Some(response) = answer::by_route(trail, permitted.request()) {
            if upgrade.as_ref().is_some_and(Upgrade::is_a_tunnel) {
                return Err(Refusal::NoWebSockets);
            }
            return Ok((response, None));
        }

        if shape::climbs(&route, trail.path()?) {
            return Err(Refusal::Climbs);
        }
        let (permitted, upgrade) = self.upward(trail, permitted, incoming, upgrade)?; //  shape
        let asking = Asking {
            upload: trail.upload.clone(),
            read_patience: plan.timeouts.read,
            visitor: trail.visitor,
        };
        let mut course = Course::default();
        let sent = self.forwarder.send(permitted, asking, &mut course).await; //          forward
        trail.authority = course.authority.or(trail.authority.take());
        for error in &course.passed_over {
            self.note_passed_over(trail, error);
        }
        let sent = sent?;
        trail.details = Details::ViaUpstream;
        let (response, running) = upgrade::settle(sent, upgrade)?;
        Ok((self.back(trail, &route, response), running)) //                              shape, back
    }

    /// The request as the upstream gets it.
    fn upward(
        &self,
        trail: &mut Trail,
        permitted: Permitted<Parts>,
        incoming: Incoming,
        mut upgrade: Option<Upgrade>,
    ) -> Result<(Permitted<Request<RequestBody>>, Option<Upgrade>), Refusal> {
        let routed = trail.routed.as_ref().ok_or(Refusal::Broken)?;
        let upward = Upward {
            plan: &trail.plan,
            signer: &self.signer,
            path: &routed.path,
            authority: &routed.authority_field,
            host: routed.authority.host.as_str(),
            peer: &trail.connection.peer_text,
            https: true, // a plain listener stands behind a terminator, as in Pomerium
            request_id: &trail.request_id,
            now: trail.now.wall,
        };
        let (body, upload) = match upgrade {
            // The bytes after an upgrade are no body.
            Some(_) => (RequestBody::Empty, None),
            None => {
                let trailers = Trailers::toward_upstream(&trail.plan, permitted.route());
                RequestBody::new(incoming, trail.plan.timeouts.read, trailers)
            }
        };
        let is_chunked = body.is_chunked();
        trail.upload = upload;
        let mut fits = true;
        let shaped = permitted.map(|head, standing| {
            let mut request = Request::new(body);
            match shape::toward_upstream(head, standing, upward) {
                Some(mut head) => {
                    if let Some(upgrade) = &mut upgrade {
                        upgrade.ask(&mut head);
                    }
                    if is_chunked {
                        // Said, since a body of GET or HEAD would else be left out in silence.
                        let chunked = HeaderValue::from_static("chunked");
                        head.headers.insert(header::TRANSFER_ENCODING, chunked);
                    }
                    let (_, body) = request.into_parts();
                    request = Request::from_parts(head, body);
                }
                None => fits = false,
            }
            request
        });
        if !fits {
            return Err(Refusal::Broken);
        }
        self.note_large_identity(
            trail,
            shaped.route(),
            shaped.session(),
            shaped.request().headers(),
        );
        let host = shaped.request().headers().get(header::HOST).cloned();
        trail.authority = host;
        Ok((shaped, upgrade))
    }

    /// The answer as the client gets it.
    fn back(&self, trail: &Trail, route: &Arc<Route>, response: Response<Body>) -> Response<Body> {
        let (mut head, body) = response.into_parts();
        if let Some(routed) = &trail.routed {
            let public = &routed.authority_field;
            shape::toward_client(&mut head, &trail.plan, route, public, true, &trail.request_id);
            workers::narrow(&trail.plan, &routed.authority.host, &mut head.headers);
        }
        let body = body.with_trailers(Trailers::toward_client(&trail.plan, route));
        let mut response = Response::from_parts(head, body);
        upgrade::say_upgraded(&mut response);
        response
    }

    /// One of our own pages: open to all, so the decision is made before it begins.
    async fn own_page(
        &self,
        trail: &mut Trail,
        head: Parts,
        incoming: Incoming,
        route: Option<Arc<Route>>,
    ) -> Result<Answered, Refusal> {
        self.recorder.decided(trail.decided(&head.method, By::OwnPage));
        trail.own_page();
        let body = Limited::new(incoming, limits::OWN_BODY).collect();
        let body = match tokio::time::timeout(limits::HEAD, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => return Err(Refusal::TooLarge),
            Err(_) => return Err(Refusal::Slow),
        };
        let routed = trail.routed.as_ref().ok_or(Refusal::Broken)?;
        let request = OwnRequest {
            plan: Arc::clone(&trail.plan),
            head,
            body,
            authority: routed.authority.clone(),
            path: routed.path.clone(),
            route,
            identity: trail.identity.clone(),
            // Tries are counted by it: behind a trusted proxy all would else be one source.
            peer: trail.visitor,
            request_id: trail.id().into(),
            now: trail.now,
        };
        let mut response = self.own.answer(request).await;
        trail.add_fields(&mut response);
        Ok((response, None))
    }
}
