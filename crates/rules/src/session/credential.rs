use std::{borrow::Cow, sync::Arc};

use http::{
    HeaderMap,
    header::{AUTHORIZATION, COOKIE},
};

use super::{Handle, HandleError, Keys};
use crate::{names::cookie_pairs, time::UnixTime};

/// Where a handle was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// The session cookie.
    Cookie,
    /// `X-Pomerium-Authorization`.
    PomeriumField,
    /// `Authorization: Pomerium …`.
    PomeriumScheme,
    /// `Authorization: Bearer Pomerium-…`.
    Bearer,
    /// `?pomerium_session=…`.
    Query,
}

/// What a request brings to say who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Nothing.
    Absent,
    /// A handle that we signed.
    Handle(Arc<Handle>, CredentialSource),
    /// Something that is no good, or two things that contradict each other. Never the same as
    /// nothing.
    Bad(BadCredential, CredentialSource),
}

/// What is wrong with a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCredential {
    /// It is no handle of ours.
    #[error(transparent)]
    Handle(#[from] HandleError),
    /// Several were sent, and they are not for one session. A sibling domain can set a cookie
    /// of the same name (RFC 6265 §8.6), so which one is meant can't be known.
    #[error("several were sent and they disagree")]
    Contradiction,
}

const POMERIUM_AUTHORIZATION: &str = "x-pomerium-authorization";

/// Reads and verifies the credential of a request, in Pomerium's order of places
/// (`pomerium-config.md` §5.7): the first place that holds anything decides, whether it is good
/// or not.
///
/// Within a place everything is looked at: several `Cookie` fields and HTTP/2 crumbs, several
/// cookies of the name, repeated fields and parameters.
pub fn credential(
    keys: &Keys,
    fields: &HeaderMap,
    query: Option<&str>,
    cookie_name: &str,
    now: UnixTime,
) -> Credential {
    let verify = |token: &str| keys.verify_handle(token, now).map(Arc::new);
    credential_by(&verify, fields, query, cookie_name)
}

/// Verifies a token, or remembers that it did.
pub type Verify<'a> = &'a dyn Fn(&str) -> Result<Arc<Handle>, HandleError>;

/// [`credential`] with another way to verify.
pub fn credential_by(
    verify: Verify<'_>,
    fields: &HeaderMap,
    query: Option<&str>,
    cookie_name: &str,
) -> Credential {
    use CredentialSource::{Bearer, Cookie, PomeriumField, PomeriumScheme, Query};
    let judge =
        |source, found: &mut dyn Iterator<Item = Cow<'_, str>>| judge(verify, source, found);
    let authorization = |prefix: &'static str| {
        fields.get_all(AUTHORIZATION).iter().filter_map(move |value| {
            value.as_bytes().strip_prefix(prefix.as_bytes()).map(String::from_utf8_lossy)
        })
    };
    judge(Cookie, &mut cookies(fields, cookie_name))
        .or_else(|| {
            let values = fields.get_all(POMERIUM_AUTHORIZATION).iter();
            judge(PomeriumField, &mut values.map(|value| String::from_utf8_lossy(value.as_bytes())))
        })
        .or_else(|| judge(PomeriumScheme, &mut authorization("Pomerium ")))
        .or_else(|| judge(Bearer, &mut authorization("Bearer Pomerium-")))
        .or_else(|| {
            let query = query.filter(|query| query.contains("pomerium_session"))?;
            let pairs = url::form_urlencoded::parse(query.as_bytes());
            judge(
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
    pairs(fields)
        .filter(move |(found, _)| *found == name.as_bytes())
        .map(|(_, value)| String::from_utf8_lossy(value))
}

/// Every cookie, in order, over all `Cookie` fields (RFC 6265 §5.4; crumbs: RFC 9113 §8.2.3).
pub fn all_cookies(fields: &HeaderMap) -> impl Iterator<Item = (&[u8], Cow<'_, str>)> {
    pairs(fields).map(|(name, value)| (name, String::from_utf8_lossy(value)))
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

fn judge(
    verify: Verify<'_>,
    source: CredentialSource,
    found: &mut dyn Iterator<Item = Cow<'_, str>>,
) -> Option<Credential> {
    let first = found.next()?;
    let mut verdict = verify(first.trim());
    for other in found.filter(|other| *other != first) {
        verdict = match (verdict, verify(other.trim())) {
            (Ok(one), Ok(same)) if one.session == same.session => Ok(one),
            (Err(why), Err(_)) => Err(why),
            (Ok(_), Ok(_) | Err(_)) | (Err(_), Ok(_)) => {
                return Some(Credential::Bad(BadCredential::Contradiction, source));
            }
        };
    }
    Some(match verdict {
        Ok(handle) => Credential::Handle(handle, source),
        Err(why) => Credential::Bad(why.into(), source),
    })
}

#[cfg(test)]
mod tests;
