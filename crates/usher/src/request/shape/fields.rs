use aws_lc_rs::digest::{SHA256, digest};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header, request::Parts};
use usher_rules::{
    fields::{Forwarded, Found, Owned, Taken},
    names::Authority,
    plan::{Action, Balance, HostField, HostOfPath, Piece, Plan, RequestTemplate, Route},
    policy::Certificate,
    time::UnixTime,
};

use super::{
    Signer, UpstreamPath,
    assertion::{assertion_of, identity_fields},
};
use crate::request::{authorize::Standing, identify::Verifier};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ROUTING_KEY: HeaderName = HeaderName::from_static("x-pomerium-routing-key");
const ASSERTION: HeaderName = HeaderName::from_static("x-pomerium-jwt-assertion");
const ASSERTION_FOR: HeaderName = HeaderName::from_static("x-pomerium-jwt-assertion-for");

/// The request's place and moment, for what is written into it.
#[derive(Debug)]
pub struct Upward<'a> {
    /// The snapshot that this request runs with.
    pub plan: &'a Plan,
    /// Signs the assertion.
    pub signer: &'a Signer,
    /// Opens what a provider said.
    pub verifier: &'a Verifier,
    /// The path that the upstream gets.
    pub path: UpstreamPath<'a>,
    /// Whom the request is for, as the client wrote it.
    pub authority: &'a HeaderValue,
    /// The TCP peer's address, as text.
    pub peer: &'a HeaderValue,
    /// The request's id.
    pub request_id: &'a HeaderValue,
    /// The moment at which it came.
    pub now: UnixTime,
}

/// Turns the client's head into the upstream's. `None` when it can't be said truthfully (no
/// signature, a target that doesn't write): then nothing is forwarded.
pub fn toward_upstream(
    mut head: Box<Parts>,
    standing: &Standing,
    upward: Upward<'_>,
) -> Option<Box<Parts>> {
    let route = standing.route();
    let Upward { plan, signer, verifier, path, authority, peer, request_id, now } = upward;
    let named = named_by_client(route, &head.headers, standing.path().wire());
    if named.is_some() {
        head.extensions.insert(NamedByClient);
    }
    head.uri = Uri::from(path.with_query(&head.uri)?);

    let fields = &mut head.headers;
    let id_token = || verifier.id_token(standing.session()?);
    // may refer to what the client sent
    let templates = filled(route, fields, (standing.certificate(), &id_token));
    let (by_route, let_through) = (&*route.own_request, &*route.client_identity);
    let owned = Owned { claim_fields: &plan.claim_fields, by_route, let_through };
    let found = Found::of(fields, owned);
    let may_have_one = route.pass_identity && found.may_be_forged();
    let brought = may_have_one.then(|| assertion_brought(fields)).flatten();
    found.remove(
        fields,
        Taken {
            owned,
            cookie: &plan.cookie.name,
            bearer_tokens: route.bearer.is_some(),
            underscores: plan.underscores,
        },
    );
    let (trusted_hops, skip_append) = (plan.xff_num_trusted_hops, plan.skip_xff_append);
    let asked = (route.host_field != HostField::Preserve).then_some(authority);
    let forwarded = Forwarded { peer, authority: asked, trusted_hops, skip_append };
    found.set_forwarded(fields, forwarded);
    if let Some(key) = routing_key(standing) {
        fields.insert(ROUTING_KEY, key);
    }
    fields.insert(REQUEST_ID, request_id.clone());
    if let Some(brought) = brought {
        fields.insert(ASSERTION_FOR, brought);
    }

    let wants_assertion =
        templates.iter().any(|(_, template)| template.pieces.contains(&Piece::Assertion));
    if route.pass_identity || wants_assertion {
        let session = standing.session().map(AsRef::as_ref);
        let host = standing.authority().host.as_str(); // issuer and audience have no port
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
    match named {
        Some(named) => fields.insert(header::HOST, named),
        None => fields.insert(header::HOST, host_field(route, authority)?),
    };
    Some(head)
}

/// An assertion that a proxy in front of this one made, for the app to verify with that proxy's
/// keys (`pomerium-config.md` §5.3): in the field that says that it is not ours, and where there is
/// one of it alone.
fn assertion_brought(fields: &HeaderMap) -> Option<HeaderValue> {
    let name = [ASSERTION_FOR, ASSERTION].into_iter().find(|name| fields.contains_key(name))?;
    let mut lines = fields.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none()).cloned()
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

/// The request's `Host` is what its client asked for; else each upstream has its own.
#[derive(Clone, Copy, Debug)]
pub struct NamedByClient;

/// `host_rewrite_header` and `host_path_regex_rewrite_*`: `None` where they say nothing, or what is
/// no host.
fn named_by_client(route: &Route, fields: &HeaderMap, path: &str) -> Option<HeaderValue> {
    let named = match &route.host_field {
        HostField::Field(name) => {
            let mut lines = fields.get_all(name).iter();
            lines.next().filter(|_| lines.next().is_none())?.to_str().ok()?.into()
        }
        HostField::Path(HostOfPath { pattern, substitution }) => {
            pattern.replace_all(path, &**substitution)
        }
        HostField::Upstream | HostField::Preserve | HostField::Literal(_) => return None,
    };
    Authority::parse(&named).ok()?;
    HeaderValue::from_str(&named).ok()
}

fn host_field(route: &Route, authority: &HeaderValue) -> Option<HeaderValue> {
    match &route.host_field {
        HostField::Preserve => Some(authority.clone()),
        HostField::Literal(text) => Some(text.clone()),
        HostField::Upstream | HostField::Field(_) | HostField::Path(_) => match &route.action {
            Action::Forward(targets) => Some(targets.all.first()?.host.clone()),
            Action::Redirect(_) | Action::Respond { .. } => Some(authority.clone()),
        },
    }
}

/// `set_request_headers` with references to the client's fields resolved, before these change.
fn filled(
    route: &Route,
    fields: &HeaderMap,
    (certificate, id_token): (Option<&Certificate>, &dyn Fn() -> Option<String>),
) -> Vec<(HeaderName, RequestTemplate)> {
    let of = |told: &dyn Fn(&Certificate) -> String| {
        Piece::Text(certificate.map(told).unwrap_or_default().into())
    };
    let resolve = |piece: &Piece| match piece {
        Piece::RequestField(name) => {
            let text = fields.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            Piece::Text(text.into())
        }
        Piece::CertificateFingerprint => of(&Certificate::fingerprint_hex),
        Piece::CertificateDns => of(&|shown| listed(&shown.san_dns)),
        Piece::CertificateEmail => of(&|shown| listed(&shown.san_email)),
        Piece::IdToken => Piece::Text(id_token().unwrap_or_default().into()),
        Piece::Text(_) | Piece::Assertion | Piece::AccessToken | Piece::Nothing => piece.clone(),
    };
    let fill = |template: &RequestTemplate| RequestTemplate {
        pieces: template.pieces.iter().map(resolve).collect(),
    };
    route.set_request.iter().map(|(name, template)| (name.clone(), fill(template))).collect()
}

/// Names in a list with commas. One with a comma in it would be two, and is left out.
fn listed(names: &[Box<str>]) -> String {
    let whole: Vec<&str> =
        names.iter().map(|name| &**name).filter(|name| !name.contains(',')).collect();
    whole.join(",")
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
                // Access tokens are not kept: empty, as in Pomerium's hosted flow.
                Piece::IdToken
                | Piece::AccessToken
                | Piece::RequestField(_)
                | Piece::CertificateFingerprint
                | Piece::CertificateDns
                | Piece::CertificateEmail
                | Piece::Nothing => {}
            }
        }
        let value = HeaderValue::from_bytes(&value).unwrap_or(HeaderValue::from_static(""));
        fields.insert(name.clone(), value);
    }
}
