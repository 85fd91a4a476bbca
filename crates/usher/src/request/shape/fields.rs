use aws_lc_rs::digest::{SHA256, digest};
use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts, uri::PathAndQuery};
use usher_rules::{
    fields::{
        Forwarded, Owned, clean_referer, remove_cookie, remove_credentials, remove_hop_by_hop,
        remove_identity, set_forwarded,
    },
    names::RequestPath,
    plan::{Action, Balance, HostField, Piece, Plan, RequestTemplate, Route, Underscores},
    time::UnixTime,
};

use super::{Signer, assertion::identity_fields, target::upstream_target};
use crate::request::authorize::Standing;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const POMERIUM_AUTHORIZATION: HeaderName = HeaderName::from_static("x-pomerium-authorization");
const ROUTING_KEY: HeaderName = HeaderName::from_static("x-pomerium-routing-key");
const ASSERTION: HeaderName = HeaderName::from_static("x-pomerium-jwt-assertion");

/// What shaping needs to know beside the permit.
#[derive(Clone, Copy, Debug)]
pub struct Upward<'a> {
    /// The snapshot that this request runs with.
    pub plan: &'a Plan,
    /// Signs the assertion.
    pub signer: &'a Signer,
    /// The canonical path.
    pub path: &'a RequestPath,
    /// Whom the request is for, as the client wrote it.
    pub authority: &'a HeaderValue,
    /// The same without port: issuer and audience of the assertion.
    pub host: &'a str,
    /// The TCP peer's address, as text.
    pub peer: &'a HeaderValue,
    /// The request's id.
    pub request_id: &'a HeaderValue,
    /// The moment at which it came.
    pub now: UnixTime,
}

/// Turns the client's head into the upstream's. `None` when it can't be said truthfully (no
/// signature, a target that doesn't write): then nothing is forwarded.
pub fn toward_upstream(mut head: Parts, standing: &Standing, upward: Upward<'_>) -> Option<Parts> {
    let route = standing.route();
    let Upward { plan, signer, path, authority, host, peer, request_id, now } = upward;
    let target = upstream_target(route, path, &head.uri)?;
    head.uri = origin_form(target)?;

    let fields = &mut head.headers;
    let templates = filled(route, fields); // may refer to what the client sent
    remove_hop_by_hop(fields);
    fields.remove(header::EXPECT); // answered here: the body is streamed, RFC 9110 §10.1.1
    fields.remove(POMERIUM_AUTHORIZATION);
    remove_credentials(fields);
    remove_cookie(fields, &plan.cookie.name);
    clean_referer(fields);
    if plan.underscores == Underscores::Drop {
        remove_underscores(fields);
    }
    let (by_route, let_through) = (&*route.own_request, &*route.client_identity);
    remove_identity(fields, Owned { claim_fields: &plan.claim_fields, by_route, let_through });
    let (trusted_hops, skip_append) = (plan.xff_num_trusted_hops, plan.skip_xff_append);
    let asked = (route.host_field != HostField::Preserve).then_some(authority);
    let forwarded = Forwarded { peer, authority: asked, trusted_hops, skip_append };
    set_forwarded(fields, forwarded);
    if let Some(key) = routing_key(standing) {
        fields.insert(ROUTING_KEY, key);
    }
    fields.insert(REQUEST_ID, request_id.clone());

    let wants_assertion =
        templates.iter().any(|(_, template)| template.pieces.contains(&Piece::Assertion));
    if route.pass_identity || wants_assertion {
        let session = standing.session().map(AsRef::as_ref);
        let made = identity_fields(plan, signer, session, (host, route), now)?;
        set_templates(fields, &templates, assertion_of(&made));
        if route.pass_identity {
            for (name, value) in made.iter() {
                fields.insert(name.clone(), value.clone());
            }
        }
    } else {
        set_templates(fields, &templates, None);
    }
    for name in &route.remove_request {
        fields.remove(name);
    }
    fields.insert(header::HOST, host_field(route, authority)?);
    Some(head)
}

/// What the hashing policies go by, in Pomerium's form: SHA-256 of the session's id. The upstream
/// gets it too; what a client writes there was removed with all of `x-pomerium-`.
fn routing_key(standing: &Standing) -> Option<HeaderValue> {
    let Action::Forward(targets) = &standing.route().action else { return None };
    let session = standing.session().filter(|_| targets.balance == Balance::Hash)?;
    let digest = digest(&SHA256, session.session().id.as_str().as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::try_from(hex).ok()
}

/// `headers_with_underscores_action: drop_header`.
fn remove_underscores(fields: &mut HeaderMap) {
    let names: Vec<HeaderName> =
        fields.keys().filter(|name| name.as_str().contains('_')).cloned().collect();
    for name in names {
        fields.remove(name);
    }
}

fn origin_form(target: PathAndQuery) -> Option<http::Uri> {
    http::Uri::builder().path_and_query(target).build().ok()
}

fn assertion_of(made: &[(HeaderName, HeaderValue)]) -> Option<&HeaderValue> {
    made.iter().find(|(name, _)| *name == ASSERTION).map(|(_, value)| value)
}

fn host_field(route: &Route, authority: &HeaderValue) -> Option<HeaderValue> {
    match &route.host_field {
        HostField::Preserve => Some(authority.clone()),
        HostField::Literal(text) => Some(text.clone()),
        HostField::Upstream => match &route.action {
            Action::Forward(targets) => Some(targets.all.first()?.host.clone()),
            Action::Redirect(_) | Action::Respond { .. } => Some(authority.clone()),
        },
    }
}

/// `set_request_headers` with references to the client's fields resolved, before these change.
fn filled(route: &Route, fields: &HeaderMap) -> Vec<(HeaderName, RequestTemplate)> {
    let resolve = |piece: &Piece| match piece {
        Piece::RequestField(name) => {
            let text = fields.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            Piece::Text(text.into())
        }
        Piece::Text(_)
        | Piece::Assertion
        | Piece::IdToken
        | Piece::AccessToken
        | Piece::Nothing => piece.clone(),
    };
    let fill = |template: &RequestTemplate| RequestTemplate {
        pieces: template.pieces.iter().map(resolve).collect(),
    };
    route.set_request.iter().map(|(name, template)| (name.clone(), fill(template))).collect()
}

fn set_templates(
    fields: &mut HeaderMap,
    templates: &[(HeaderName, RequestTemplate)],
    assertion: Option<&HeaderValue>,
) {
    for (name, template) in templates {
        let mut value = Vec::new();
        for piece in &template.pieces {
            match piece {
                Piece::Text(text) => value.extend_from_slice(text.as_bytes()),
                Piece::Assertion => {
                    value.extend_from_slice(assertion.map_or(&[][..], HeaderValue::as_bytes));
                }
                // The provider's tokens are not kept: empty, as in Pomerium's hosted flow.
                Piece::IdToken | Piece::AccessToken | Piece::RequestField(_) | Piece::Nothing => {}
            }
        }
        let value = HeaderValue::from_bytes(&value).unwrap_or(HeaderValue::from_static(""));
        fields.insert(name.clone(), value);
    }
}
