use std::{cell::Cell, sync::Arc};

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

use super::{
    Found, Identity, LiveSession, Rejection, SessionStore, StoreError, store::in_time,
    verified::verify,
};

/// Verifies handles with one set of keys.
#[derive(Debug)]
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

    /// See [`Keys::id_token`].
    pub fn id_token(&self, session: &LiveSession) -> Option<String> {
        self.keys.id_token(session.session())
    }
}

/// The part of a request in which a credential may stand, and the host that it has to be for.
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
///
/// # Errors
///
/// [`StoreError`] when a session is elsewhere and those who may know it don't say in time: the
/// request is neither somebody's nor nobody's, and the cookie stays.
pub async fn who(
    plan: &Plan,
    verifier: &Verifier,
    sessions: &dyn SessionStore,
    asker: Asker<'_>,
) -> Result<Identity, StoreError> {
    let mut fetched = Vec::new();
    let mut missing = match judge(plan, verifier, sessions, asker, &fetched) {
        Ok(identity) => return Ok(identity),
        Err(Missing(id)) => id,
    };
    // Each round knows one session more, so there are as many as the request names.
    in_time(async {
        loop {
            let found = sessions.fetch(&missing).await?;
            fetched.push((missing, found));
            match judge(plan, verifier, sessions, asker, &fetched) {
                Ok(identity) => return Ok(identity),
                Err(Missing(id)) => missing = id,
            }
        }
    })
    .await
}

/// A session without which nobody can say who is asking.
struct Missing(SessionId);

/// Sessions that are not here, as others know them.
type Fetched = [(SessionId, Option<Arc<LiveSession>>)];

fn judge(
    plan: &Plan,
    verifier: &Verifier,
    sessions: &dyn SessionStore,
    asker: Asker<'_>,
    fetched: &Fetched,
) -> Result<Identity, Missing> {
    let missing = Cell::new(None);
    // A sibling may have set it. What a page shows is decided by a sign-in that this browser made
    // on this host: the authenticate host, which knows the browser, is a redirect away.
    let page_load = || is_page_load(asker.fields);
    let verify = |token: &str, source: CredentialSource| {
        if source == CredentialSource::StrayCookie
            || source == CredentialSource::DomainCookie && page_load()
        {
            return Err(Rejection::NotBegunHere);
        }
        let handle =
            verify(&verifier.keys, verifier.id, token, asker.now.wall).map_err(rejection)?;
        // Only a program's names no host, and programs have no cookies.
        let names_none = handle.audience.is_empty() && source.is_field();
        if !names_none && !is_for(plan, &handle, source, asker.host) {
            return Err(Rejection::OtherHost);
        }
        let told = fetched.iter().find(|(id, _)| *id == handle.session);
        let live = match (told, sessions.find(&handle.session)) {
            (_, Found::Live(live)) => Some(live),
            (_, Found::Ended) => None,
            (Some((_, found)), Found::Elsewhere) => found.clone(),
            (None, Found::Elsewhere) => {
                missing.set(Some(handle.session.clone()));
                None
            }
        };
        let live = in_force(plan, live, asker.now)?;
        if names_none != live.session().is_of_service_account() {
            return Err(Rejection::OtherHost);
        }
        Ok(Live(live))
    };
    let may_hold_one = |query: &&str| query.contains("session"); // most hold none, and cost no more
    let query = asker.uri.query().filter(may_hold_one);
    let query = query.filter(|_| takes_query(asker.fields, asker.host));
    let names = CookieNames::of(&plan.cookie);
    let credential = credential_by(&verify, asker.fields, query, names);
    // One that can't be judged yet might be good, or contradict one that is.
    if let Some(id) = missing.take() {
        return Err(Missing(id));
    }
    Ok(match credential {
        Credential::Absent => Identity::Anonymous,
        Credential::Good(Live(live), _) => Identity::Session(live),
        Credential::Bad(why, _) => Identity::Rejected(why),
        Credential::Contradiction(_) => Identity::Rejected(Rejection::Contradiction),
    })
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

/// The session, if it is in force: not ended, not over, and of a provider that is asked.
///
/// # Errors
///
/// [`Rejection`], which says why it is not.
pub fn in_force(
    plan: &Plan,
    live: Option<Arc<LiveSession>>,
    now: Now,
) -> Result<Arc<LiveSession>, Rejection> {
    let live = live.filter(|live| !live.is_ended()).ok_or(Rejection::Unknown)?;
    if live.is_over(now) {
        return Err(Rejection::Expired);
    }
    if live.session().is_of_service_account() {
        return Ok(live);
    }
    let idle = plan.sessions.idle.filter(|_| live.session().ends_when_idle());
    if idle.is_some_and(|idle| !live.is_used(idle, now)) {
        return Err(Rejection::Expired);
    }
    if plan.sign_in.providers.of(&live.session().idp_id).is_none() {
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
