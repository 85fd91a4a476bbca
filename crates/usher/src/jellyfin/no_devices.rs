use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use usher_rules::{
    jellyfin::{Door, Opening, TokenHash},
    people::BoxFuture,
};

use super::{
    devices::{Devices, Whose},
    pairing::answered_here,
};
use crate::request::{Answers, AppRequest, Body, identify::LiveSession};

/// Where nothing is served (`usher explain`): no token is known, and what is open is told.
#[derive(Clone, Copy, Debug)]
pub struct NoDevices;

impl Devices for NoDevices {
    fn whose<'a>(&'a self, _: TokenHash, _: AppRequest<'a>) -> BoxFuture<'a, Whose> {
        Box::pin(std::future::ready(Whose::Nobodys))
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
