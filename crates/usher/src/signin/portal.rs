//! What somebody may open, and the assertion that apps get: `/.pomerium/routes`, the same for
//! programs, `/.pomerium/jwt`.

use http::{HeaderValue, Response, header};
use serde_json::json;
use usher_pages::{Link, NotFound, Portal, PortalRoute, Scripts};
use usher_rules::{
    names::udp_path,
    plan::{Carried, HostPattern, PathMatch, Route, Tunnel},
    policy::{Facts, RequestFacts, Verdict},
};

use super::{Ask, SignInRoom, answer};
use crate::request::{Body, identify::LiveSession};

pub(super) const PAGE: &str = "/.pomerium/routes";

/// One route that is open to somebody, and where it is.
struct Open<'a> {
    route: &'a Route,
    from: String,
}

impl SignInRoom {
    /// `/.pomerium/routes`.
    pub(super) fn portal_page(&self, ask: &Ask, live: &LiveSession) -> Response<Body> {
        let open = open_to(ask, live);
        let routes = open.iter().map(|Open { route, from }| PortalRoute {
            name: &route.name,
            description: &route.description,
            from,
            link: is_one_page(route).then(|| Link::new(format!("{from}{}", entry(route)))),
            command: opened_by(route, from).map(|words| format!("usher {words}")),
        });
        let page = Portal { routes: routes.collect() };
        answer::html(200, page.render(ask.language()), Scripts::No, &[])
    }

    /// `/.pomerium/api/v1/routes` (`pomerium-protocols.md` §2.3).
    pub(super) fn portal_json(&self, ask: &Ask, live: &LiveSession) -> Response<Body> {
        let shown = |Open { route, from }: &Open<'_>| {
            let mut shown = json!({
                "id": route.id,
                "name": route.name,
                "type": route.tunnel.as_ref().map_or("http", |tunnel| tunnel.carried.word()),
                "from": from,
                "description": route.description,
                "logo_url": route.logo_url,
            });
            if let (Some(words), Some(members)) = (opened_by(route, from), shown.as_object_mut()) {
                let command = format!("pomerium-cli {words}");
                members.insert("connect_command".into(), command.into());
            }
            shown
        };
        let routes: Vec<_> = open_to(ask, live).iter().map(shown).collect();
        answer::personal(answer::json(&json!({ "routes": routes })))
    }

    /// `/.pomerium/jwt`: what apps on this host get as `X-Pomerium-Jwt-Assertion`.
    pub(super) fn assertion(&self, ask: &Ask, live: &LiveSession) -> Response<Body> {
        let host = ask.authority().host.as_str();
        // What counts on another route of theirs may be nothing on this one.
        let (idp, providers) = (&live.session().idp_id, &ask.plan().sign_in.providers);
        let counts = |route: &&Route| providers.counts_on(route.sign_in_by.as_ref(), idp);
        let route = ask.route().filter(counts);
        let made = route.and_then(|route| {
            self.assertions.assertion(ask.plan(), live, (host, route), ask.wall())
        });
        let text = made.and_then(|made| made.to_str().map(str::to_owned).ok());
        let Some(text) = text else {
            return answer::error(ask, &NotFound { host: ask.host(), receipt: ask.receipt() });
        };
        let mut response = answer::personal(answer::plain(http::StatusCode::OK, text));
        let kind = HeaderValue::from_static("application/jwt");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

/// Every route whose policy would let this person in where it begins.
fn open_to<'a>(ask: &'a Ask, live: &LiveSession) -> Vec<Open<'a>> {
    let is_open = |route: &&'a Route| {
        let udp;
        let (method, path) = match &route.tunnel {
            Some(Tunnel { carried: Carried::Tcp, .. }) => ("CONNECT", ""),
            Some(Tunnel { carried: Carried::Udp, ends, .. }) => {
                udp = udp_path(&ends.first().map(ToString::to_string).unwrap_or_default());
                ("GET", &*udp)
            }
            None => ("GET", entry(route)),
        };
        let request = RequestFacts {
            method,
            path,
            source: Some(ask.source()),
            origin: None,
            access_control_request_method: None,
            tool: None,
        };
        let providers = &ask.plan().sign_in.providers;
        if !providers.counts_on(route.sign_in_by.as_ref(), &live.session().idp_id) {
            return false; // they would have to sign in there anew
        }
        let certificate = ask.certificate(route);
        let facts = Facts::of(Some(live.signed_in()), request).at(ask.wall());
        let facts = facts.with_certificate(certificate);
        route.policy.decide(&facts).verdict == Verdict::Allow
    };
    let routes = ask.plan().routes.iter().map(AsRef::as_ref).filter(is_open);
    routes.map(|route| Open { from: route.address(), route }).collect()
}

/// The words behind a client's name that open a tunnel: both clients have the same.
fn opened_by(route: &Route, from: &str) -> Option<String> {
    let tunnel = route.tunnel.as_ref()?;
    let to = from.split_once("+https://").map(|(_, to)| to);
    let to = to.filter(|to| !to.contains('/')).unwrap_or(from);
    Some(format!("{} {to}", tunnel.carried.word()))
}

fn is_one_page(route: &Route) -> bool {
    route.tunnel.is_none() && matches!(route.from, HostPattern::Exact { .. })
}

/// The path at which a route begins; of a pattern nobody can tell.
fn entry(route: &Route) -> &str {
    match &route.matches {
        PathMatch::Prefix(path) | PathMatch::Exact(path) => path,
        PathMatch::Regex(_) => "/",
    }
}
