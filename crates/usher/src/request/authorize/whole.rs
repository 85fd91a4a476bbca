use http::{HeaderMap, HeaderValue};
use usher_rules::{plan::Route, policy::WholeRequest};

use super::reads_whole;
use crate::request::identify::Identified;

/// The rest of a request, kept for the rules in Rego of its route alone, which may ask for any of it.
#[derive(Debug)]
pub(super) struct KeptWhole {
    authority: HeaderValue,
    query: Box<str>,
    fields: HeaderMap,
}

impl KeptWhole {
    /// `None` where no rule of the route asks.
    pub(super) fn of(request: &Identified<'_>) -> Option<Box<Self>> {
        let Identified { head, routed, .. } = request;
        let keeps = routed.route().is_some_and(|route| reads_whole(route));
        keeps.then(|| {
            Box::new(Self {
                authority: routed.authority_field.clone(),
                query: head.uri.query().unwrap_or_default().into(),
                fields: head.headers.clone(),
            })
        })
    }

    /// With the path as it is forwarded.
    pub(super) fn facts<'a>(&'a self, raw_path: &'a str) -> WholeRequest<'a> {
        let Self { authority, query, fields } = self;
        // It was read as an authority, which is ASCII.
        let authority = authority.to_str().unwrap_or_default();
        WholeRequest { authority, raw_path, query, fields }
    }
}

/// Is what a message says read before it is decided?
pub fn reads_messages(route: &Route) -> bool {
    route.mcp.is_some_and(|server| server.reads_at_most.is_some())
}
