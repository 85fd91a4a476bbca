//! The app of a route, beside one request on its way.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use usher_rules::plan::Route;

use super::{
    Body,
    accept::Waiting,
    app::{Answers, App, AppRequest, BodyNeed},
    authorize::Permitted,
    forward::{ForwardError, RequestBody},
    identify::Identity,
    journey::Known,
    refusal::Refusal,
    route::Routed,
    seen::Seen,
    upgrade::Upgrade,
    whole,
};

const CODED: &str = "its body is coded, and has to be read here";

/// An app, and what it is asked about.
pub(super) struct Beside<'a> {
    app: &'a dyn App,
    place: (&'a Seen, &'a Routed, &'a Arc<Route>),
    identity: &'a Identity,
    /// As the client sent it: the head itself goes on.
    head: Parts,
}

/// An app may answer a request in place of the upstream.
pub(super) enum Before {
    /// The app has answered it.
    Answered(Response<Body>),
    /// It goes on, as the app has it sent.
    GoesOn(Permitted<Box<Parts>>, RequestBody),
}

impl<'a> Beside<'a> {
    pub(super) fn new(
        app: &'a dyn App,
        place: (&'a Seen, &'a Routed, &'a Arc<Route>),
        identity: &'a Identity,
        sent: &Parts,
    ) -> Box<Self> {
        let (mut head, ()) = Request::new(()).into_parts(); // without what hyper keeps beside it
        head.method = sent.method.clone();
        head.uri = sent.uri.clone();
        head.version = sent.version;
        head.headers = sent.headers.clone();
        Box::new(Self { app, place, identity, head })
    }

    fn asked(&self) -> AppRequest<'_> {
        let (seen, routed, route) = self.place;
        AppRequest::new((seen, routed, route), &self.head, self.identity)
    }

    /// What waits counts in the client's share.
    fn waiting(&self) -> Waiting {
        Waiting::new(Arc::clone(&self.place.0.connection.pulse))
    }

    async fn gather(&self, body: RequestBody, at_most: usize) -> Result<Bytes, Refusal> {
        let silence = self.place.0.plan.timeouts.read;
        whole::request_body(body, at_most, silence, &self.waiting()).await
    }

    /// Before the request is shaped: what we say in it wins.
    pub(super) async fn before(
        &self,
        permitted: Permitted<Box<Parts>>,
        body: RequestBody,
        upgrade: Option<&Upgrade>,
    ) -> Result<Before, Refusal> {
        // A page in the place of a socket would be one (RFC 8441 §5.1).
        if upgrade.is_none()
            && let Answers::Own { at_most } = self.app.answers(self.asked())
        {
            return self.answer(permitted, body, at_most).await.map(Before::Answered);
        }
        self.toward_upstream(permitted, body, upgrade).await
    }

    /// The app's own answer.
    async fn answer(
        &self,
        permitted: Permitted<Box<Parts>>,
        body: RequestBody,
        at_most: usize,
    ) -> Result<Response<Body>, Refusal> {
        let body = self.gather(body, at_most).await?;
        still_goes_on(&permitted)?;
        let asked = AppRequest { standing: Some(permitted.standing()), ..self.asked() };
        let mut response = self.app.answer(asked, body).await;
        let (seen, routed, _) = self.place;
        Known { seen, routed: Some(routed), identity: self.identity }.add_fields(&mut response);
        Ok(response)
    }

    async fn toward_upstream(
        &self,
        permitted: Permitted<Box<Parts>>,
        body: RequestBody,
        upgrade: Option<&Upgrade>,
    ) -> Result<Before, Refusal> {
        let mut need = BodyNeed::AsItIs;
        let permitted = permitted.shaped(|mut head, _| {
            let toward = self.app.toward_upstream(self.asked(), &mut head);
            whole::ask_for_readable(toward.answer, &mut head);
            need = toward.body;
            Some(head)
        });
        let permitted = permitted.ok_or(Refusal::Unsayable)?;
        // The bytes behind an upgrade are no body.
        let (BodyNeed::Whole { at_most, rewrite }, None) = (need, upgrade) else {
            return Ok(Before::GoesOn(permitted, body));
        };
        if whole::is_coded(&permitted.request().headers) {
            return Err(Refusal::Malformed(CODED));
        }
        let gathered = self.gather(body, at_most).await?;
        still_goes_on(&permitted)?;
        let mut body = Err(Refusal::Unsayable);
        let permitted = permitted.shaped(|mut head, _| {
            body = whole::rewritten(&mut head, gathered, rewrite, &self.waiting());
            Some(head)
        });
        Ok(Before::GoesOn(permitted.ok_or(Refusal::Unsayable)?, body?))
    }

    /// The upstream's answer as the app has it passed on.
    pub(super) async fn toward_client(
        &self,
        response: Response<Body>,
    ) -> Result<Response<Body>, Refusal> {
        let (mut head, body) = response.into_parts();
        let need = self.app.toward_client(self.asked(), &mut head);
        let response = Response::from_parts(head, body);
        let BodyNeed::Whole { at_most, rewrite } = need else { return Ok(response) };
        let (method, waiting) = (&self.head.method, self.waiting());
        Ok(whole::answer(method, response, (at_most, rewrite), &waiting).await?)
    }
}

/// Its session may have been ended while a body came.
fn still_goes_on(permitted: &Permitted<Box<Parts>>) -> Result<(), Refusal> {
    Ok(permitted.session_goes_on().map_err(ForwardError::PermitEnded)?)
}
