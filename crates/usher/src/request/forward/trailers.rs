use std::sync::Arc;

use bytes::Bytes;
use http_body::Frame;
use usher_rules::{
    fields::clean_trailers,
    plan::{Plan, Route},
};

/// What may stand behind a body. Trailers are fields by another door (RFC 9110 §6.5.1): they pass
/// the same table as heads.
#[derive(Clone, Debug)]
pub struct Trailers {
    plan: Arc<Plan>,
    route: Arc<Route>,
    toward: Toward,
}

#[derive(Clone, Copy, Debug)]
enum Toward {
    Upstream,
    Client,
}

impl Trailers {
    /// Of a request.
    pub fn toward_upstream(plan: &Arc<Plan>, route: &Arc<Route>) -> Self {
        Self { plan: Arc::clone(plan), route: Arc::clone(route), toward: Toward::Upstream }
    }

    /// Of a response.
    pub fn toward_client(plan: &Arc<Plan>, route: &Arc<Route>) -> Self {
        Self { plan: Arc::clone(plan), route: Arc::clone(route), toward: Toward::Client }
    }

    /// The frame as it may go on; `None` when nothing is left of it.
    pub fn cleaned(&self, frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
        let mut trailers = match frame.into_trailers() {
            Ok(trailers) => trailers,
            Err(data) => return Some(data),
        };
        let claims = &self.plan.claim_fields;
        match self.toward {
            Toward::Upstream => {
                clean_trailers(&mut trailers, claims, self.route.own_request.iter());
            }
            Toward::Client => {
                let own = self.route.set_response.iter().chain(&self.route.default_response);
                clean_trailers(&mut trailers, claims, own.map(|(name, _)| name));
            }
        }
        (!trailers.is_empty()).then(|| Frame::trailers(trailers))
    }
}
