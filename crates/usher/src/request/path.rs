//! The way of one request, once, in the order in which it happens.

use std::{pin::pin, sync::Arc};

use http::{HeaderValue, Request, Response, header, request::Parts};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use usher_rules::{
    fields::{join_cookies, names_two_visitors, one_length, reader},
    mcp::Message,
    names::escaped_path,
    plan::Route,
};

use super::{
    Body, Details, Door, OwnRequest, PathRule,
    accept::{Connection, Protocol, limits},
    answer,
    app::{self, AppRequest, Demand},
    authorize::{self, Permitted, Unbound},
    back::back,
    beside::{Before, Beside},
    boxed::boxed,
    brand,
    by_route::by_route,
    by_token,
    caught::caught,
    forward::{Asking, Course, RequestBody},
    identify::{self, Asker, Identified, Identity},
    journey::{Journey, Known, Outcome},
    message::{self, Arriving},
    oversize::oversize,
    record::By,
    refusal::Refusal,
    route::{self, Destination, RouteError, Routed, target_path},
    seen::{REQUEST_ID, Seen},
    shape::{self, UpstreamPath, Upward},
    upgrade::{self, Upgrade},
    workers,
};

/// What a request is answered with, and what goes on running after the answer.
type Answered = (Response<Body>, Option<Box<upgrade::Running>>);

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
    pub(super) async fn handle(
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
            Some(upgrade) => upgrade.reader(&head.headers),
            None => reader(&head.method, &head.headers),
        };
        let plan = self.plan();
        if names_two_visitors(&head.headers, plan.xff_num_trusted_hops) {
            self.recorder.names_two_visitors();
        }
        // What follows a CONNECT that opened nothing may be bytes, and no request.
        let ends = upgrade::is_for_a_tunnel(&head) && connection.protocol() == Protocol::Http1;
        let seen = Seen::of(&head, plan, connection, self.clock.now(), reader);
        let mut journey = Journey::begin(self, in_flight, seen);
        let answered = match (has_room, oversize) {
            (false, _) => Err(Refusal::Busy),
            (true, _) if self.records_nothing(&journey.seen.plan) => Err(Refusal::Unrecorded),
            (true, Some(why)) => Err(Refusal::Oversize(why)),
            (true, None) => {
                if journey.seen.connection.protocol().is_multiplexed() {
                    // A reset that came along is seen now, before the upstream is troubled
                    // (rapid reset, CVE-2023-44487).
                    tokio::task::yield_now().await;
                }
                let rest = Rest { incoming, upgrade };
                let path = pin!(Some(self.path(&mut journey, Box::new(head), rest)));
                caught(path).await.unwrap_or_else(|panicked| Err(panicked.into()))
            }
        };
        let (mut response, running) =
            answered.unwrap_or_else(|refusal| (self.refuse(&mut journey, &refusal), None));
        if let Some(brand) = &journey.seen.plan.brand {
            brand::put_on(brand, &mut response);
        }
        response.headers_mut().insert(REQUEST_ID, journey.seen.request_id.clone());
        if ends && running.is_none() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let Some(closing) = journey.record(Some(upgrade::status_told(&response))) else {
            return response;
        };
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
        mut head: Box<Parts>,
        rest: Rest,
    ) -> Result<Answered, Refusal> {
        let Journey { seen, routed, identity, outcome, .. } = journey;
        let found = one_length(&mut head.headers)
            .map_err(RouteError::from)
            .and_then(|()| route::find(seen, &head))
            .inspect_err(|_| outcome.unrouted_path = escaped_path(target_path(&head.uri)).into())?;
        let (seen, routed) = (&*seen, &*routed.insert(found));
        if let Some(mut response) = answer::to_unescaped(&seen.plan, routed, &head.uri) {
            let known = Known { seen, routed: Some(routed), identity };
            known.add_fields(&mut response);
            self.decided(known, By::OwnPage, outcome);
            return Ok((response, None));
        }
        *identity = self.identify(seen, routed, &head).await?;
        let request = Identified { head, seen, routed, identity, message: Message::default() };
        if let Some(response) = answer::cleaned(&request) {
            self.decided(Known::of(&request), By::OwnPage, outcome);
            return Ok((response, None));
        }
        match &routed.to {
            Destination::Route(route) => self.to_app(request, route, rest, outcome).await,
            // No page of ours: each judges tokens by the time, or makes some. Probes want to know
            // whether we answer, and a machine without a clock does.
            Destination::Own(_) if !seen.now.wall.is_plausible() && !routed.is_probe() => {
                outcome.rule = Some(PathRule::ClockUnset);
                Err(Refusal::ClockUnset)
            }
            Destination::Own(_) if rest.is_a_tunnel() => Err(Refusal::NoWebSockets),
            Destination::Own(to) => boxed(|| self.own_page(request, to, rest, outcome)).await,
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
        let host = routed.sign_in_host().as_str();
        let asker = Asker { fields: &head.headers, uri: &head.uri, host, now: seen.now };
        let by_us =
            identify::who(&seen.plan, &self.verifier, self.sessions.as_ref(), asker).await?;
        let Some(route) = routed.route() else { return Ok(by_us) };
        let own = self.own.as_ref();
        let by_us = by_token::identity(own, by_us, (seen, routed, route), &head.headers).await?;
        let by_us = by_us.on(route, &seen.plan);
        let Some(app) = self.apps.of(route)? else { return Ok(by_us) };
        let by_app = app.credential(AppRequest::new((seen, routed, route), head, &by_us)).await;
        Ok(app::identity(by_us, by_app, &seen.plan, seen.now).on(route, &seen.plan))
    }

    /// Authorize: whoever gets further has a permit.
    async fn to_app(
        &self,
        mut request: Identified<'_>,
        route: &Arc<Route>,
        rest: Rest,
        outcome: &mut Outcome,
    ) -> Result<Answered, Refusal> {
        let (known, seen, routed) = (Known::of(&request), request.seen, request.routed);
        if let Some(response) = workers::refused(&request) {
            self.decided(known, By::Path(PathRule::ServiceWorker.word()), outcome);
            return Ok((response, None));
        }
        if route.client_trust.is_some() && seen.connection.presented.is_unreadable() {
            return Err(Refusal::UnreadableCertificate); // as in the real server
        }
        let is_a_tunnel = rest.is_a_tunnel();
        let upgrade = upgrade::allowed(rest.upgrade, route, &request)?;
        let mut body = Arriving::Incoming(rest.incoming);
        let app = self.apps.of(route)?;
        if let Some(at_most) = route.mcp.and_then(|server| server.reads_at_most) {
            outcome.rule = Some(PathRule::BadRequest); // for as long as it can't be had
            let asked = (seen, route, upgrade.as_ref());
            (request.message, body) =
                boxed(|| message::read(&mut request.head, body, asked, at_most)).await?;
            outcome.rule = None;
        }
        let unreadable = request.message.unreadable();
        let demand = match app {
            None => Demand::Nothing,
            Some(app) => {
                let asked = AppRequest::new((seen, routed, route), &request.head, known.identity);
                app.demands(asked)
            }
        };
        let also = match demand {
            Demand::Nothing => None,
            Demand::Also(policy) => Some(policy),
            Demand::Refused(refusal) => {
                self.decided(known, By::Path(refusal.rule), outcome);
                return Err(Refusal::ByApp(refusal));
            }
        };
        // A socket is nothing that a stranger may ask: what is said in it is seen by nobody.
        let stranger = |Identified { head, identity, .. }: &Identified<'_>| match app {
            Some(_) if upgrade.is_some() => Unbound::No,
            None => Unbound::No,
            Some(app) => app.allows_unbound(AppRequest::new((seen, routed, route), head, identity)),
        };
        let permitted = match authorize::permit(request, (route, also), stranger) {
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
                let mut response = boxed(|| self.refuse_policy(refused)).await;
                known.add_fields(&mut response);
                return Ok((response, None));
            }
        };
        if let Some(why) = unreadable {
            outcome.rule = Some(PathRule::BadRequest);
            return Err(message::refusal(why));
        }
        if let Some(mut response) = by_route(seen, routed, route, permitted.request()) {
            known.add_fields(&mut response);
            return if is_a_tunnel { Err(Refusal::NoWebSockets) } else { Ok((response, None)) };
        }
        let place = (seen, routed, route);
        let beside = app.map(|app| Beside::new(app, place, known.identity, permitted.request()));
        self.forward(place, permitted, (body, upgrade), beside, outcome).await
    }

    /// Shape, forward, and shape what comes back.
    async fn forward(
        &self,
        (seen, routed, route): (&Seen, &Routed, &Arc<Route>),
        mut permitted: Permitted<Box<Parts>>,
        (body, mut upgrade): (Arriving, Option<Upgrade>),
        beside: Option<Box<Beside<'_>>>,
        outcome: &mut Outcome,
    ) -> Result<Answered, Refusal> {
        let path = shape::upstream_path(route, &routed.path).ok_or(Refusal::Climbs)?;
        let read_patience = seen.plan.timeouts.read;
        let (mut body, upload) = match upgrade {
            Some(_) => (RequestBody::Empty, None), // the bytes after an upgrade are no body
            None => body.request_body(seen, route),
        };
        outcome.upload = upload.clone();
        if let Some(beside) = &beside {
            // On the heap: routes without an app make no room for it.
            match boxed(|| beside.before(permitted, body, upgrade.as_ref())).await? {
                Before::Answered(response) => return Ok((response, None)),
                Before::GoesOn(head, changed) => (permitted, body) = (head, changed),
            }
        }
        let permitted = self.upward((seen, routed, path), permitted, body, &mut upgrade)?;
        outcome.authority = permitted.request().headers().get(header::HOST).cloned();
        let asking = Asking { upload, read_patience, visitor: seen.visitor };
        let mut course = Course::default();
        // On the heap: the longest part of the way, that each step before it would hold, and copy.
        let sent = boxed(|| self.forwarder.send(permitted, asking, &mut course)).await;
        outcome.authority = course.authority.or(outcome.authority.take());
        for error in &course.passed_over {
            self.note_passed_over(seen, route, error);
        }
        for ejected in &course.ejected {
            self.note_ejected(seen, route, ejected);
        }
        let sent = sent?;
        outcome.details = Details::ViaUpstream;
        let (mut response, running) = upgrade::settle(sent, upgrade)?;
        if route.tunnel.is_some() {
            self.note_opened(seen, (routed, route), outcome.authority.as_ref());
        }
        if let (Some(beside), None) = (&beside, &running) {
            response = boxed(|| beside.toward_client(response)).await?;
        }
        Ok((back(seen, routed, route, response), running))
    }

    /// The request as the upstream gets it: on the heap, since it goes from step to step.
    fn upward(
        &self,
        (seen, routed, path): (&Seen, &Routed, UpstreamPath<'_>),
        permitted: Permitted<Box<Parts>>,
        body: RequestBody,
        upgrade: &mut Option<Upgrade>,
    ) -> Result<Permitted<Box<Request<RequestBody>>>, Refusal> {
        let upward = Upward {
            plan: &seen.plan,
            signer: &self.signer,
            verifier: &self.verifier,
            path,
            authority: &routed.authority_field,
            peer: &seen.connection.peer.text,
            request_id: &seen.request_id,
            now: seen.now.wall,
        };
        let shaped = permitted.shaped(|head, standing| {
            if let Some(Upgrade::Tunnel(_) | Upgrade::Datagrams(_)) = upgrade {
                return Some(Box::new(Request::from_parts(*head, body))); // nothing goes further
            }
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
            Some(Box::new(Request::from_parts(*head, body)))
        });
        shaped.ok_or(Refusal::Unsayable)
    }

    /// One of our own pages: open to all or to whoever is signed in, so the decision is made before
    /// it begins. The host that signs people in knows them by another cookie, too.
    async fn own_page(
        &self,
        request: Identified<'_>,
        first: &Option<Arc<Route>>,
        rest: Rest,
        outcome: &mut Outcome,
    ) -> Result<Answered, Refusal> {
        let known = Known::of(&request);
        if request.routed.is_about_somebody()
            && request.identity.session().is_none()
            && !request.is_where_people_sign_in()
        {
            self.decided(known, By::NobodysPage, outcome);
            outcome.details = Details::Denied;
            let mut response = self.refuse_nobody(&request).await;
            known.add_fields(&mut response);
            return Ok((response, None));
        }
        self.decided(known, By::OwnPage, outcome);
        let body = Limited::new(rest.incoming, limits::OWN_BODY).collect();
        let body = match tokio::time::timeout(limits::HEAD, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => return Err(Refusal::TooLarge),
            Err(_) => return Err(Refusal::Slow),
        };
        let Identified { head, seen, routed, identity, .. } = request;
        let request = OwnRequest {
            plan: Arc::clone(&seen.plan),
            head: *head,
            body,
            authority: routed.authority.clone(),
            path: routed.path.clone(),
            route: first.clone(),
            identity: identity.clone(),
            source: seen.source(),
            // Tries are counted by it: behind a trusted proxy all would else be one source.
            visitor: seen.visitor,
            presented: Arc::clone(&seen.connection.presented),
            request_id: seen.id().into(),
            now: seen.now,
        };
        let mut response = self.own.answer(request).await;
        known.add_fields(&mut response);
        Ok((response, None))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Door;
    use crate::request::{accept::Serve, forward::Forwarder};

    /// What has room made for it when it is called: a future, in octets.
    trait Call<Arguments> {
        fn room(self) -> usize;
    }

    macro_rules! calls {
        ($(($($argument:ident),+))+) => {
            $(impl<Given, $($argument,)+ F: FnOnce($($argument),+) -> Given> Call<($($argument,)+)> for F {
                fn room(self) -> usize {
                    size_of::<Given>()
                }
            })+
        };
    }

    calls! { (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, G) }

    /// Each step holds the one behind it: every request has room made for all of them, and what it
    /// has is copied from one to the next.
    #[test]
    fn a_request_on_its_way_is_small() {
        for (step, octets, at_most) in [
            ("send", Forwarder::send.room(), 2 * 1024),
            ("forward", Door::forward.room(), 768),
            ("own_page", Door::own_page.room(), 1024),
            ("to_app", Door::to_app.room(), 2 * 1024),
            ("path", Door::path.room(), 2560),
            ("handle", Door::handle.room(), 4 * 1024),
            ("serve", <Arc<Door> as Serve>::serve.room(), 4 * 1024),
        ] {
            println!("{step} {octets}");
            assert!(octets <= at_most, "{step}: {octets} octets, at most {at_most}");
        }
    }
}
