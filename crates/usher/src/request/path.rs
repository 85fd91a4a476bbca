//! The way of one request, once, in the order in which it happens.

use std::sync::Arc;

use http::{HeaderValue, Request, Response, header, request::Parts};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use usher_rules::{
    fields::{Reader, join_cookies, one_length, reader},
    names::escaped_path,
    plan::Route,
};

use super::{
    Body, Details, Door, OwnRequest,
    accept::{Connection, limits},
    answer,
    app::{self, Asked},
    authorize::{self, Permitted, Unbound},
    beside::{Before, Beside},
    caught::caught,
    forward::{Asking, Course, RequestBody, Trailers},
    identify::{self, Asker, Identified, Identity},
    journey::{Journey, Known, Outcome},
    oversize::oversize,
    record::By,
    refusal::Refusal,
    route::{self, Destination, RouteError, Routed, target_path},
    seen::{REQUEST_ID, Seen},
    shape::{self, Upward},
    upgrade::{self, Upgrade},
    workers,
};

/// What a request is answered with, and what goes on running after the answer.
type Answered = (Response<Body>, Option<upgrade::Running>);

/// What comes after a head: a body, or whatever follows an upgrade.
struct Rest {
    incoming: Incoming,
    upgrade: Option<Upgrade>,
}

impl Rest {
    /// Does every 2xx to it say that a socket is open (RFC 8441 §5.1)? Then a page must be none.
    fn is_a_tunnel(&self) -> bool {
        self.upgrade.as_ref().is_some_and(Upgrade::is_a_tunnel)
    }
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
        let oversize = oversize(&head, connection.protocol());
        if oversize.is_none() {
            join_cookies(&mut head.headers);
        }
        if !http_body::Body::is_end_stream(&incoming) {
            connection.pulse.body_follows();
        }
        let (upgrade, has_room) =
            (Upgrade::take(&mut head, connection.protocol()), in_flight.has_room());
        let reader = match &upgrade {
            Some(_) => Reader::Program, // a page in its place would be noise
            None => reader(&head.method, &head.headers),
        };
        let seen = Seen::of(&head, self.plan(), connection, self.clock.now(), reader);
        let mut journey = Journey::begin(self, in_flight, seen);
        let answered = match (has_room, oversize) {
            (false, _) => Err(Refusal::Busy),
            (true, Some(why)) => Err(Refusal::Oversize(why)),
            (true, None) => {
                if journey.seen.connection.protocol().is_multiplexed() {
                    // A reset that came along is seen now, before the upstream is troubled
                    // (rapid reset, CVE-2023-44487).
                    tokio::task::yield_now().await;
                }
                let path = self.path(&mut journey, head, Rest { incoming, upgrade });
                caught(path).await.unwrap_or_else(|panicked| Err(panicked.into()))
            }
        };
        let (mut response, running) =
            answered.unwrap_or_else(|refusal| (self.refuse(&mut journey, &refusal), None));
        response.headers_mut().insert(REQUEST_ID, journey.seen.request_id.clone());
        let Some(closing) = journey.record(Some(response.status())) else { return response };
        if let Some(running) = running {
            running.start(self, closing); // a socket is no exchange: a drain does not wait for it
            return response;
        }
        Body::recorded(response, closing.of_exchange(exchange))
    }

    /// Route and identify: what every request goes through, whomever it is for.
    async fn path(
        &self,
        journey: &mut Journey<'_>,
        mut head: Parts,
        rest: Rest,
    ) -> Result<Answered, Refusal> {
        let Journey { seen, routed, identity, outcome, .. } = journey;
        let found = one_length(&mut head.headers)
            .map_err(RouteError::from)
            .and_then(|()| route::find(&seen.plan, &seen.connection, &head))
            .inspect_err(|_| outcome.unrouted_path = escaped_path(target_path(&head.uri)).into())?;
        let (seen, routed) = (&*seen, &*routed.insert(found));
        if let Some(mut response) = answer::to_unescaped(&seen.plan, routed, &head.uri) {
            let known = Known { seen, routed: Some(routed), identity };
            known.add_fields(&mut response);
            self.decided(known, By::OwnPage, outcome);
            return Ok((response, None));
        }
        *identity = self.identify(seen, routed, &head).await?;
        let request = Identified { head, seen, routed, identity };
        if let Some(response) = answer::cleaned(&request) {
            self.decided(Known::of(&request), By::OwnPage, outcome);
            return Ok((response, None));
        }
        match &routed.to {
            Destination::Route(route) => self.to_app(request, route, rest, outcome).await,
            // No page of ours: each judges tokens by the time, or makes some. Probes want to know
            // whether we answer, and a machine without a clock does.
            Destination::Own(_) if !seen.now.wall.is_plausible() && !routed.is_probe() => {
                Err(Refusal::ClockUnset)
            }
            Destination::Own(_) if rest.is_a_tunnel() => Err(Refusal::NoWebSockets),
            Destination::Own(first) => self.own_page(request, first, rest.incoming, outcome).await,
            Destination::Nowhere => Err(Refusal::NotFound),
        }
    }

    async fn identify(
        &self,
        seen: &Seen,
        routed: &Routed,
        head: &Parts,
    ) -> Result<Identity, Refusal> {
        if !seen.now.wall.is_plausible() {
            return Ok(Identity::Anonymous); // who is signed in stays so, for when the clock is right
        }
        let host = routed.authority.host.as_str();
        let asker = Asker { fields: &head.headers, uri: &head.uri, host, now: seen.now };
        let by_us =
            identify::who(&seen.plan, &self.verifier, self.sessions.as_ref(), asker).await?;
        let Some(route) = routed.route() else { return Ok(by_us) };
        let Some(app) = self.apps.of(route)? else { return Ok(by_us) };
        let by_app = app.credential(Asked::new((seen, routed, route), head, &by_us)).await;
        Ok(app::identity(by_us, by_app, &seen.plan, seen.now))
    }

    /// Authorize: whoever gets further has a permit.
    async fn to_app(
        &self,
        request: Identified<'_>,
        route: &Arc<Route>,
        mut rest: Rest,
        outcome: &mut Outcome,
    ) -> Result<Answered, Refusal> {
        let (known, seen, routed) = (Known::of(&request), request.seen, request.routed);
        if let Some(response) = workers::refused(&request) {
            self.decided(known, By::OwnPage, outcome);
            return Ok((response, None));
        }
        rest.upgrade = upgrade::allowed(rest.upgrade, route, &request)?;
        let app = self.apps.of(route)?;
        let stranger = |Identified { head, identity, .. }: &Identified<'_>| match app {
            None => Unbound::No,
            Some(app) => app.allows_unbound(Asked::new((seen, routed, route), head, identity)),
        };
        let permitted = match authorize::permit(request, route, stranger) {
            Ok((permitted, grounds)) => {
                self.decided(known, By::grounds(&grounds, permitted.asked()), outcome);
                permitted
            }
            Err(refused) => {
                self.decided(known, By::from(&refused), outcome);
                if !seen.now.wall.is_plausible() {
                    return Err(Refusal::ClockUnset); // somebody who is signed in may be asking
                }
                outcome.details = Details::Denied;
                let mut response = self.refuse_policy(refused).await;
                known.add_fields(&mut response);
                return Ok((response, None));
            }
        };
        if let Some(mut response) = answer::by_route(routed, route, &permitted.request().uri) {
            known.add_fields(&mut response);
            let is_lost = rest.is_a_tunnel();
            return if is_lost { Err(Refusal::NoWebSockets) } else { Ok((response, None)) };
        }
        if shape::climbs(route, &routed.path) {
            return Err(Refusal::Climbs);
        }
        let place = (seen, routed, route);
        let beside = app.map(|app| Beside::new(app, place, known.identity, permitted.request()));
        self.forward(place, permitted, rest, beside, outcome).await
    }

    /// Shape, forward, and shape what comes back.
    async fn forward(
        &self,
        (seen, routed, route): (&Seen, &Routed, &Arc<Route>),
        mut permitted: Permitted<Parts>,
        Rest { incoming, mut upgrade }: Rest,
        beside: Option<Box<Beside<'_>>>,
        outcome: &mut Outcome,
    ) -> Result<Answered, Refusal> {
        let read_patience = seen.plan.timeouts.read;
        let (mut body, upload) = match upgrade {
            Some(_) => (RequestBody::Empty, None), // the bytes after an upgrade are no body
            None => {
                let trailers = Trailers::toward_upstream(&seen.plan, route);
                RequestBody::new(incoming, read_patience, trailers)
            }
        };
        outcome.upload = upload.clone();
        if let Some(beside) = &beside {
            // On the heap: routes without an app make no room for it.
            match Box::pin(beside.before(permitted, body, upgrade.as_ref())).await? {
                Before::Answered(response) => return Ok((response, None)),
                Before::GoesOn(head, changed) => (permitted, body) = (head, changed),
            }
        }
        let permitted = self.upward(seen, routed, permitted, body, &mut upgrade)?;
        outcome.authority = permitted.request().headers().get(header::HOST).cloned();
        let asking = Asking { upload, read_patience, visitor: seen.visitor };
        let mut course = Course::default();
        let sent = self.forwarder.send(permitted, asking, &mut course).await;
        outcome.authority = course.authority.or(outcome.authority.take());
        for error in &course.passed_over {
            self.note_passed_over(seen, route, error);
        }
        let sent = sent?;
        outcome.details = Details::ViaUpstream;
        let (mut response, running) = upgrade::settle(sent, upgrade)?;
        if let (Some(beside), None) = (&beside, &running) {
            response = Box::pin(beside.toward_client(response)).await?;
        }
        Ok((back(seen, routed, route, response), running))
    }

    /// The request as the upstream gets it.
    fn upward(
        &self,
        seen: &Seen,
        routed: &Routed,
        permitted: Permitted<Parts>,
        body: RequestBody,
        upgrade: &mut Option<Upgrade>,
    ) -> Result<Permitted<Request<RequestBody>>, Refusal> {
        let upward = Upward {
            plan: &seen.plan,
            signer: &self.signer,
            path: &routed.path,
            authority: &routed.authority_field,
            host: routed.authority.host.as_str(),
            peer: &seen.connection.peer.text,
            https: true, // a plain listener stands behind a terminator, as in Pomerium
            request_id: &seen.request_id,
            now: seen.now.wall,
        };
        let shaped = permitted.shaped(|head, standing| {
            let mut head = shape::toward_upstream(head, standing, upward)?;
            if let Some(upgrade) = upgrade {
                upgrade.ask(&mut head);
            }
            if body.is_chunked() {
                // Said, since a body of GET or HEAD would else be left out in silence.
                let chunked = HeaderValue::from_static("chunked");
                head.headers.insert(header::TRANSFER_ENCODING, chunked);
            }
            self.note_large_identity(seen, standing, &head.headers);
            Some(Request::from_parts(head, body))
        });
        shaped.ok_or(Refusal::Unsayable)
    }

    /// One of our own pages: open to all, so the decision is made before it begins.
    async fn own_page(
        &self,
        request: Identified<'_>,
        first: &Option<Arc<Route>>,
        incoming: Incoming,
        outcome: &mut Outcome,
    ) -> Result<Answered, Refusal> {
        let known = Known::of(&request);
        self.decided(known, By::OwnPage, outcome);
        let body = Limited::new(incoming, limits::OWN_BODY).collect();
        let body = match tokio::time::timeout(limits::HEAD, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => return Err(Refusal::TooLarge),
            Err(_) => return Err(Refusal::Slow),
        };
        let Identified { head, seen, routed, identity } = request;
        let request = OwnRequest {
            plan: Arc::clone(&seen.plan),
            head,
            body,
            authority: routed.authority.clone(),
            path: routed.path.clone(),
            route: first.clone(),
            identity: identity.clone(),
            // Tries are counted by it: behind a trusted proxy all would else be one source.
            visitor: seen.visitor,
            request_id: seen.id().into(),
            now: seen.now,
        };
        let mut response = self.own.answer(request).await;
        known.add_fields(&mut response);
        Ok((response, None))
    }
}

/// The answer as the client gets it.
fn back(
    seen: &Seen,
    routed: &Routed,
    route: &Arc<Route>,
    response: Response<Body>,
) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let public = &routed.authority_field;
    shape::toward_client(&mut head, &seen.plan, route, public, &seen.request_id);
    workers::narrow(&seen.plan, &routed.authority.host, &mut head.headers);
    let body = body.with_trailers(Trailers::toward_client(&seen.plan, route));
    let mut response = Response::from_parts(head, body);
    upgrade::say_upgraded(&mut response);
    response
}
