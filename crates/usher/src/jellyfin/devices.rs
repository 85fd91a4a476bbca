use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use usher_rules::{
    jellyfin::{Door, Opening, Token, TokenHash},
    people::BoxFuture,
};

use super::asked::answered_here;
use crate::request::{Answers, AppRequest, Body, identify::LiveSession};

/// Whose a token is.
#[derive(Clone, Debug)]
pub enum Whose {
    /// It is bound to this session's person.
    Bound(Arc<LiveSession>),
    /// It was bound, and is ended: it counts for nothing, whatever else comes with it.
    Ended,
    /// Nobody here knows it.
    Nobodys,
}

/// Who knows which token was given to whom, and gives them out.
pub trait Devices: Send + Sync {
    /// Whose a token is.
    fn whose<'a>(&'a self, token: TokenHash, asked: AppRequest<'a>) -> BoxFuture<'a, Whose>;

    /// Has a server say whether a token that nobody here knows is an API key.
    fn learn_of<'a>(&'a self, token: &'a Token, asked: AppRequest<'a>) -> BoxFuture<'a, ()>;

    /// Did it say that it is none? Where it said nothing, it may be one.
    fn is_no_key(&self, token: TokenHash, asked: AppRequest<'_>) -> bool;

    /// Whose a request is that brings no token, where one that did opened that; for what is behind
    /// this door.
    fn granted<'a>(
        &'a self,
        door: Door,
        asked: AppRequest<'a>,
    ) -> BoxFuture<'a, Option<Arc<LiveSession>>>;

    /// A request with a token was let in.
    fn passed(&self, asked: AppRequest<'_>);

    /// Whether what apps ask before they are anybody's is answered here. What is not is closed to
    /// strangers.
    fn answers(&self, opening: Opening, asked: AppRequest<'_>) -> Answers;

    /// Whether what people ask who are somebody is answered here.
    fn answers_somebody(&self, asked: AppRequest<'_>) -> Answers;

    /// The answer to what was claimed, with the request's whole body.
    fn answer<'a>(&'a self, asked: AppRequest<'a>, body: Bytes) -> BoxFuture<'a, Response<Body>>;
}

/// Where nothing is served (`usher explain`): no token is known, and what is open is told.
#[derive(Clone, Copy, Debug)]
pub struct NoDevices;

impl Devices for NoDevices {
    fn whose<'a>(&'a self, _: TokenHash, _: AppRequest<'a>) -> BoxFuture<'a, Whose> {
        Box::pin(std::future::ready(Whose::Nobodys))
    }

    fn learn_of<'a>(&'a self, _: &'a Token, _: AppRequest<'a>) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn is_no_key(&self, _: TokenHash, _: AppRequest<'_>) -> bool {
        true
    }

    fn granted<'a>(
        &'a self,
        _: Door,
        _: AppRequest<'a>,
    ) -> BoxFuture<'a, Option<Arc<LiveSession>>> {
        Box::pin(std::future::ready(None))
    }

    fn passed(&self, _: AppRequest<'_>) {}

    fn answers(&self, opening: Opening, asked: AppRequest<'_>) -> Answers {
        answered_here(opening, asked)
    }

    fn answers_somebody(&self, _: AppRequest<'_>) -> Answers {
        Answers::Upstream
    }

    fn answer<'a>(&'a self, _: AppRequest<'a>, _: Bytes) -> BoxFuture<'a, Response<Body>> {
        Box::pin(std::future::ready(Response::new(Body::full(""))))
    }
}
