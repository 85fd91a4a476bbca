use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Uri, header};
use usher_rules::{
    fields::is_page_load,
    names::Origin,
    plan::Plan,
    session::{
        CookieNames, Credential, CredentialSource, Handle, HandleError, Keys, OfSession, SessionId,
        credential_by,
    },
    time::Now,
};

use super::{Identity, LiveSession, Rejection, SessionStore, verified::verify};

/// Verifies handles with one set of keys.
pub struct Verifier {
    keys: Arc<Keys>,
    id: [u8; 16],
}

impl Verifier {
    /// Verifies with `keys`.
    pub fn new(keys: Arc<Keys>) -> Self {
        let id = keys.id();
        Self { keys, id }
    }
}

/// What a request says about who is asking, and where.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Its fields.
    pub fields: &'a HeaderMap,
    /// Its target.
    pub uri: &'a Uri,
    /// The host that it is for, without port.
    pub host: &'a str,
    /// The moment at which it came.
    pub now: Now,
}

/// Finds out who is asking: the credential is read and judged, together with the session that it
/// leads to and the host that it was made for.
///
/// A credential that arrives is judged, never skipped: a bad one is [`Identity::Rejected`], not
/// anonymous (invariant 6). A link's parameter is none: whoever wrote the link chose it.
pub fn who(
    plan: &Plan,
    verifier: &Verifier,
    sessions: &dyn SessionStore,
    asker: Asker<'_>,
) -> Identity {
    // A sibling may have set it. What a page shows is decided by a sign-in that this browser made
    // on this host: the authenticate host, which knows the browser, is a redirect away.
    let page_load = is_page_load(asker.fields);
    let verify = |token: &str, source: CredentialSource| {
        if source == CredentialSource::StrayCookie
            || source == CredentialSource::DomainCookie && page_load
        {
            return Err(Rejection::NotBegunHere);
        }
        let handle =
            verify(&verifier.keys, verifier.id, token, asker.now.wall).map_err(rejection)?;
        if !is_for(plan, &handle, source, asker.host) {
            return Err(Rejection::OtherHost);
        }
        in_force(plan, sessions, &handle, asker.now).map(Live)
    };
    let query = asker.uri.query().filter(|_| takes_query(asker.fields, asker.host));
    let names = CookieNames::of(&plan.cookie);
    match credential_by(&verify, asker.fields, query, names) {
        Credential::Absent => Identity::Anonymous,
        Credential::Good(Live(live), _) => Identity::Session(live),
        Credential::Bad(why, _) => Identity::Rejected(why),
        Credential::Contradiction(_) => Identity::Rejected(Rejection::Contradiction),
    }
}

struct Live(Arc<LiveSession>);

impl OfSession for Live {
    fn session_id(&self) -> &SessionId {
        &self.0.session().id
    }
}

/// The domain's cookie is for all of its hosts; everything else for the one host that it names.
fn is_for(plan: &Plan, handle: &Handle, source: CredentialSource, host: &str) -> bool {
    match (source, &plan.cookie.domain) {
        (CredentialSource::DomainCookie, Some(domain)) => handle.is_for_domain(domain.as_str()),
        _ => handle.is_for(host),
    }
}

fn in_force(
    plan: &Plan,
    sessions: &dyn SessionStore,
    handle: &Handle,
    now: Now,
) -> Result<Arc<LiveSession>, Rejection> {
    let live = sessions.find(&handle.session).filter(|live| !live.is_ended());
    let live = live.ok_or(Rejection::Unknown)?;
    let session = live.session();
    if live.is_over(now) {
        return Err(Rejection::Expired);
    }
    if *session.idp_id != *plan.sign_in.provider.id() {
        return Err(Rejection::OtherProvider);
    }
    Ok(live)
}

/// A session in the query is for programs, which have no cookies. A page load follows somebody's
/// link, and so does what a page of another site asks for: its writer would sign the visitor in as
/// somebody else. Browsers before Fetch Metadata tell that site in `Origin`, and have cookies.
fn takes_query(fields: &HeaderMap, host: &str) -> bool {
    let of_another_site = |site: &HeaderValue| site == "cross-site" || site == "same-site";
    let of_ours = |origin: &HeaderValue| {
        let origin = origin.to_str().ok().and_then(|text| Origin::parse(text).ok());
        origin.is_some_and(|origin| origin.host.as_str() == host)
    };
    !is_page_load(fields)
        && !fields.contains_key(header::COOKIE)
        && !fields.get_all("sec-fetch-site").iter().any(of_another_site)
        && fields.get_all(header::ORIGIN).iter().all(of_ours)
}

const fn rejection(why: HandleError) -> Rejection {
    match why {
        HandleError::NotInForce => Rejection::Expired,
        HandleError::TooLong
        | HandleError::Malformed
        | HandleError::OtherKind
        | HandleError::BadSignature
        | HandleError::NoSession => Rejection::Forged,
    }
}
