use std::{cell::Cell, net::IpAddr, sync::Arc};

use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use tokio::time::Instant;
use usher_rules::{
    fields::{Preference, Reader, error_form, reader, visitor, way},
    names::{RequestPath, escaped_path},
    plan::{Plan, Route},
    policy::{Decision, Verdict},
    time::Now,
};

use super::{
    Body, Details, Door, PathRule,
    accept::Connection,
    forward::Upload,
    identify::Identity,
    record::{Access, By, Decided},
    refusal::Refusal,
    route::{Destination, Routed},
};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the steps found out about a request; it goes to the record even if they stop halfway.
pub(super) struct Trail {
    pub plan: Arc<Plan>,
    pub connection: Arc<Connection>,
    /// Who asks: the TCP peer, or whom the proxies that are trusted name. Policy judges the peer.
    pub visitor: IpAddr,
    visitor_text: HeaderValue,
    /// The way that the request came, the peer last.
    way: HeaderValue,
    pub now: Now,
    pub began: Instant,
    pub request_id: HeaderValue,
    pub check_request_id: Option<HeaderValue>,
    pub routed: Option<Routed>,
    /// The path as it came, escaped, of a request that was refused before it was canonical.
    pub unrouted_path: Option<Box<str>>,
    pub route: Option<Arc<Route>>,
    pub identity: Identity,
    /// Was a decision recorded?
    pub is_decided: bool,
    pub verdict: Verdict,
    pub rule: Option<Arc<str>>,
    pub details: Details,
    pub upload: Option<Arc<Upload>>,
    /// What the upstream sees as host.
    pub authority: Option<HeaderValue>,
    /// Who reads the answer.
    pub reader: Reader,
    /// How they like it.
    accept: Option<HeaderValue>,
    /// The address of what a link can ask for again.
    pub page: Option<http::Uri>,
}

/// What the record keeps of a head that goes on to the upstream. Cheap: the bytes are shared.
pub(super) struct Seen {
    method: Method,
    host: HeaderValue,
    user_agent: Option<HeaderValue>,
    referer: Option<HeaderValue>,
}

impl Seen {
    pub const fn method(&self) -> &Method {
        &self.method
    }

    pub fn of(head: &Parts) -> Self {
        let host = head.headers.get(header::HOST).cloned().or_else(|| {
            head.uri.authority().and_then(|target| HeaderValue::from_str(target.as_str()).ok())
        });
        Self {
            method: head.method.clone(),
            host: host.unwrap_or(HeaderValue::from_static("")),
            user_agent: head.headers.get(header::USER_AGENT).cloned(),
            referer: head.headers.get(header::REFERER).cloned(),
        }
    }
}

impl Trail {
    pub fn new(door: &Door, connection: Arc<Connection>, head: &Parts, upgrades: bool) -> Self {
        let (plan, peer) = (door.plan(), connection.peer.ip().to_canonical());
        let hops = plan.xff_num_trusted_hops;
        let visitor = visitor(&head.headers, peer, hops);
        let named = (visitor != peer).then(|| HeaderValue::try_from(visitor.to_string()).ok());
        Self {
            visitor,
            visitor_text: named.flatten().unwrap_or_else(|| connection.peer_text.clone()),
            way: way(&head.headers, &connection.peer_text, hops),
            plan,
            connection,
            now: door.clock.now(),
            began: Instant::now(),
            request_id: fresh_id(),
            check_request_id: head.headers.get(REQUEST_ID).cloned(),
            routed: None,
            unrouted_path: None,
            route: None,
            identity: Identity::Anonymous,
            is_decided: false,
            verdict: Verdict::Deny,
            rule: None,
            details: Details::DirectResponse,
            upload: None,
            authority: None,
            reader: reader(&head.method, &head.headers, upgrades),
            accept: head.headers.get(header::ACCEPT).cloned(),
            page: (head.method == Method::GET).then(|| head.uri.clone()),
        }
    }

    /// Room 3 found where it belongs.
    pub fn found(&mut self, routed: Routed) -> Destination {
        let to = routed.to.clone();
        if let Destination::Route(route) = &to {
            self.route = Some(Arc::clone(route));
        }
        self.routed = Some(routed);
        to
    }

    /// Room 3 could not read it; the operator looks for the app that sends such paths.
    pub fn not_found(&mut self, uri: &http::Uri) {
        let path = uri.path_and_query().map_or("", |target| target.path());
        self.unrouted_path = Some(escaped_path(path).into());
    }

    /// The canonical path for records, or what there is of one.
    fn recorded_path(&self) -> &str {
        let unrouted = self.unrouted_path.as_deref().unwrap_or_default();
        self.routed.as_ref().map_or(unrouted, |routed| routed.path.wire())
    }

    /// Room 5 decided.
    pub fn decision(&mut self, decision: &Decision) {
        self.is_decided = true;
        self.verdict = decision.verdict;
        self.rule = Some(Arc::clone(&decision.rule));
    }

    /// It is for one of our own pages.
    pub fn own_page(&mut self) {
        thread_local! {
            static OWN_PAGE: Arc<str> = Arc::from(PathRule::OwnPage.word());
        }
        self.is_decided = true;
        self.verdict = Verdict::Allow;
        self.rule = Some(OWN_PAGE.with(Arc::clone));
    }

    /// The TCP peer's address: what policy judges, whatever proxies say (as in Pomerium).
    pub fn ip(&self) -> IpAddr {
        self.connection.peer.ip().to_canonical()
    }

    /// The request's id as text.
    pub fn id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    /// The canonical path.
    pub fn path(&self) -> Result<&RequestPath, Refusal> {
        self.routed.as_ref().map(|routed| &routed.path).ok_or(Refusal::Broken)
    }

    /// The host that pages name.
    pub fn host(&self) -> &str {
        self.routed.as_ref().map_or("this address", |routed| routed.authority.host.as_str())
    }

    /// The form in which an error is read best; asked for by those that are shown only.
    pub fn preference(&self) -> Preference {
        let accept = self.accept.iter().map(|accept| (header::ACCEPT, accept.clone())).collect();
        error_form(self.reader, &accept)
    }

    /// The decision line.
    pub fn decided<'a>(&'a self, method: &'a Method, by: By<'a>) -> Decided<'a> {
        let text = |value: Option<&'a HeaderValue>| {
            value.and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        Decided {
            plan: &self.plan,
            request_id: self.id(),
            check_request_id: text(self.check_request_id.as_ref()),
            method,
            host: text(self.routed.as_ref().map(|routed| &routed.authority_field)),
            path: self.recorded_path(),
            ip: text(Some(&self.connection.peer_text)),
            identity: &self.identity,
            route: match by {
                By::Policy(_) | By::Path(_) => self.route.as_deref(),
                By::OwnPage => None,
            },
            by,
            at: self.now,
        }
    }

    /// Fields of answers that belong to no route, or that a route's requests got from us.
    pub fn add_fields(&self, response: &mut Response<Body>) {
        let (ours, defaults) = match &self.route {
            Some(route) => (&route.set_response, &*route.default_response),
            None => (&self.plan.response_fields, &[][..]),
        };
        for (name, value) in ours.iter().chain(defaults) {
            if !response.headers().contains_key(name) {
                response.headers_mut().insert(name.clone(), value.clone());
            }
        }
    }

    /// The id goes on every answer.
    pub fn mark(&self, response: &mut Response<Body>) {
        response.headers_mut().insert(REQUEST_ID, self.request_id.clone());
    }

    /// The access line, as far as it is known now.
    pub fn access(&mut self, seen: Seen, status: Option<StatusCode>) -> Access {
        let path = self.recorded_path().into();
        Access {
            plan: Arc::clone(&self.plan),
            request_id: self.request_id.clone(),
            method: seen.method,
            authority: self.authority.take().unwrap_or_else(|| seen.host.clone()),
            host: seen.host,
            path,
            user_agent: seen.user_agent,
            referer: seen.referer,
            ip: self.visitor_text.clone(),
            way: self.way.clone(),
            session: self.identity.session().cloned(),
            route: self.route.take(),
            verdict: self.verdict,
            rule: self.rule.take().unwrap_or_else(|| Arc::from(PathRule::Internal.word())),
            status,
            details: self.details,
            at: self.now,
        }
    }
}

/// A UUID (version 4) as a request's id. It need not be unguessable, only never the same twice,
/// so it is mixed from one random seed per core instead of asking the system each time.
pub(super) fn fresh_id() -> HeaderValue {
    thread_local! {
        static STATE: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
    }
    let (seed, count) = STATE.get().unwrap_or_else(|| {
        let (seed, count) = uuid::Uuid::new_v4().as_u64_pair();
        (seed, count)
    });
    STATE.set(Some((seed, count.wrapping_add(1))));
    let (high, low) = (mix(seed ^ mix(count)), mix(count.wrapping_add(seed)));
    let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = id.hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-"))
}

/// SplitMix64's finaliser: every bit of the input changes half of the output's.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::fresh_id;

    #[test]
    fn ids_are_uuids_and_never_the_same() {
        let ids: HashSet<_> = (0..10_000).map(|_| fresh_id()).collect();
        assert_eq!(ids.len(), 10_000);
        for id in ids.iter().take(10) {
            let id = uuid::Uuid::try_parse(id.to_str().unwrap()).unwrap();
            assert_eq!(id.get_version_num(), 4);
        }
    }
}
