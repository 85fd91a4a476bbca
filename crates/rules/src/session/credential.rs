use std::{borrow::Cow, sync::Arc};

use http::{
    HeaderMap,
    header::{AUTHORIZATION, COOKIE},
};

use super::{Handle, HandleError, Keys, SessionId};
use crate::{names::cookie_pairs, plan::CookiePolicy, time::UnixTime};

/// Where a handle was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// The session cookie under a name that only this host can set (`__Host-`).
    Cookie,
    /// The session cookie of `cookie_domain`, which every host below it can set.
    DomainCookie,
    /// The session cookie's plain name, where no `cookie_domain` is configured: a sibling may have
    /// set it, so it says nothing of this browser. It is never taken.
    StrayCookie,
    /// `X-Pomerium-Authorization`.
    PomeriumField,
    /// `Authorization: Pomerium …`.
    PomeriumScheme,
    /// `Authorization: Bearer Pomerium-…`.
    Bearer,
    /// `?pomerium_session=…`.
    Query,
}

impl CredentialSource {
    /// Does it come in a field that no browser fills by itself?
    pub const fn is_field(self) -> bool {
        match self {
            Self::PomeriumField | Self::PomeriumScheme | Self::Bearer => true,
            Self::Cookie | Self::DomainCookie | Self::StrayCookie | Self::Query => false,
        }
    }
}

/// What a request brings to say who is asking; `T` is what a good credential leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential<T, E> {
    /// Nothing.
    Absent,
    /// One that is good.
    Good(T, CredentialSource),
    /// Something that is no good. Never the same as nothing.
    Bad(E, CredentialSource),
    /// Several good ones, for different sessions: which one is meant can't be known.
    Contradiction(CredentialSource),
}

/// What leads to a session.
pub trait OfSession {
    /// Which one.
    fn session_id(&self) -> &SessionId;
}

impl OfSession for Arc<Handle> {
    fn session_id(&self) -> &SessionId {
        &self.session
    }
}

/// The names under which the session cookie comes.
#[derive(Clone, Copy, Debug)]
pub struct CookieNames<'a> {
    own: &'a str,
    plain: Option<(&'a str, CredentialSource)>,
}

impl<'a> CookieNames<'a> {
    /// The session cookie of a config, on the host of a route.
    pub fn of(policy: &'a CookiePolicy) -> Self {
        let source = match policy.domain {
            Some(_) => CredentialSource::DomainCookie,
            None => CredentialSource::StrayCookie,
        };
        let plain = (policy.host_name != policy.name).then_some((&*policy.name, source));
        Self { own: &policy.host_name, plain }
    }

    /// The name that we give it there.
    pub const fn own(&self) -> &'a str {
        self.own
    }

    /// This name alone.
    pub const fn only(name: &'a str) -> Self {
        Self { own: name, plain: None }
    }
}

const POMERIUM_AUTHORIZATION: &str = "x-pomerium-authorization";

/// Reads and verifies a handle under the cookie of this name, or at any other place.
pub fn credential(
    keys: &Keys,
    fields: &HeaderMap,
    query: Option<&str>,
    cookie_name: &str,
    now: UnixTime,
) -> Credential<Arc<Handle>, HandleError> {
    let verify = |token: &str, _| keys.verify_handle(token, now).map(Arc::new);
    credential_by(&verify, fields, query, CookieNames::only(cookie_name))
}

/// Judges a token that was found at a place.
pub type Verify<'a, T, E> = &'a dyn Fn(&str, CredentialSource) -> Result<T, E>;

/// Reads and judges the credential of a request, in Pomerium's order of places
/// (`pomerium-config.md` §5.7): the first place that holds anything decides, whether it is good
/// or not. Only a stray cookie, which others could have set, gives way to all of them.
///
/// Within a place everything is looked at: several `Cookie` fields and HTTP/2 crumbs, several
/// cookies of the name, repeated fields and parameters. A parameter counts where no cookie is.
pub fn credential_by<T: OfSession, E>(
    verify: Verify<'_, T, E>,
    fields: &HeaderMap,
    query: Option<&str>,
    names: CookieNames<'_>,
) -> Credential<T, E> {
    use CredentialSource::{Bearer, Cookie, PomeriumField, PomeriumScheme, Query, StrayCookie};
    let exact =
        |source, found: &mut dyn Iterator<Item = Cow<'_, str>>| judge(verify, source, found);
    let authorization = |prefix: &'static str| {
        fields
            .get_all(AUTHORIZATION)
            .iter()
            .filter_map(move |value| value.as_bytes().strip_prefix(prefix.as_bytes()).map(text))
    };
    let by_cookie = match judge_cookies(verify, Cookie, cookies(fields, names.own)) {
        // One that is over may have been followed by another, on another host of the domain.
        own @ (None | Some(Credential::Bad(..))) => {
            let plain = names
                .plain
                .and_then(|(name, source)| judge_cookies(verify, source, cookies(fields, name)));
            match plain {
                Some(Credential::Good(..) | Credential::Contradiction(_)) => plain,
                Some(_) | None => own.or(plain),
            }
        }
        own => own,
    };
    let stray = match by_cookie {
        Some(stray @ Credential::Bad(_, StrayCookie)) => Some(stray),
        Some(decided) => return decided,
        None => None,
    };
    let by_field = exact(PomeriumField, &mut {
        let values = fields.get_all(POMERIUM_AUTHORIZATION).iter();
        values.map(|value| text(value.as_bytes()))
    })
    .or_else(|| exact(PomeriumScheme, &mut authorization("Pomerium ")))
    .or_else(|| exact(Bearer, &mut authorization("Bearer Pomerium-")));
    by_field
        .or(stray)
        .or_else(|| {
            let query = query.filter(|query| query.contains("session"))?;
            let pairs = url::form_urlencoded::parse(query.as_bytes());
            exact(
                Query,
                &mut pairs.filter(|(name, _)| name == "pomerium_session").map(|(_, value)| value),
            )
        })
        .unwrap_or(Credential::Absent)
}

/// Every value of the cookies of this name, in order, over all `Cookie` fields.
///
/// Empty ones are left out: that is what a browser may send after a cookie was cleared.
pub fn cookies<'a>(fields: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
    pairs(fields).filter(move |(found, _)| *found == name.as_bytes()).map(|(_, value)| text(value))
}

/// Every cookie, in order, over all `Cookie` fields (RFC 6265 §5.4; crumbs: RFC 9113 §8.2.3).
pub fn all_cookies(fields: &HeaderMap) -> impl Iterator<Item = (&[u8], Cow<'_, str>)> {
    pairs(fields).map(|(name, value)| (name, text(value)))
}

/// What is no text becomes U+FFFD. Nearly all is, and is looked at by the word.
fn text(octets: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(octets) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(octets),
    }
}

fn pairs(fields: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    fields.get_all(COOKIE).iter().flat_map(cookie_pairs).filter_map(|pair| {
        let equals = memchr::memchr(b'=', pair)?;
        let (name, value) = pair.split_at_checked(equals)?;
        let value = value.get(1..)?.trim_ascii();
        let unquoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
        let value = unquoted.unwrap_or(value);
        (!value.is_empty()).then(|| (name.trim_ascii(), value))
    })
}

/// Where every value is the client's own doing, one that is no good spoils the others.
fn judge<T: OfSession, E>(
    verify: Verify<'_, T, E>,
    source: CredentialSource,
    found: &mut dyn Iterator<Item = Cow<'_, str>>,
) -> Option<Credential<T, E>> {
    let first = found.next()?;
    let mut verdict = verify(first.trim(), source);
    for other in found.filter(|other| *other != first) {
        verdict = match (verdict, verify(other.trim(), source)) {
            (Ok(one), Ok(same)) if one.session_id() == same.session_id() => Ok(one),
            (Err(why), Err(_)) => Err(why),
            (Ok(_), Ok(_) | Err(_)) | (Err(_), Ok(_)) => {
                return Some(Credential::Contradiction(source));
            }
        };
    }
    Some(match verdict {
        Ok(good) => Credential::Good(good, source),
        Err(why) => Credential::Bad(why, source),
    })
}

/// Cookies come from whoever could set them (RFC 6265 §8.6): those that are no good are passed
/// over where one is good. Two good ones for different sessions are nobody's.
fn judge_cookies<'a, T: OfSession, E>(
    verify: Verify<'_, T, E>,
    source: CredentialSource,
    found: impl Iterator<Item = Cow<'a, str>>,
) -> Option<Credential<T, E>> {
    let (mut good, mut bad) = (None::<T>, None);
    for token in found {
        match (verify(token.trim(), source), &good) {
            (Ok(other), Some(one)) if one.session_id() != other.session_id() => {
                return Some(Credential::Contradiction(source));
            }
            (Ok(_), Some(_)) => {}
            (Ok(one), None) => good = Some(one),
            (Err(why), _) => drop(bad.get_or_insert(why)),
        }
    }
    let bad = bad.map(|why| Credential::Bad(why, source));
    good.map(|good| Credential::Good(good, source)).or(bad)
}

#[cfg(test)]
mod tests;
