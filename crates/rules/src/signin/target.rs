use std::fmt;

use crate::{
    names::{Authority, Origin, OriginError, ReturnTo, ReturnToError},
    plan::Plan,
};

/// Where a browser goes in the end: a page of a host that this plan serves, and nothing else.
///
/// INVARIANT: the origin is one of the plan's, and the path can't be read as another origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    origin: Origin,
    path: ReturnTo,
}

/// Why a URL is not a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It does not begin with an `https` origin.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// What follows the origin is not a path.
    #[error(transparent)]
    Path(#[from] ReturnToError),
    /// A host that is not ours.
    #[error("usher does not serve that host")]
    OtherHost,
}

impl Target {
    /// The page that was asked for at `authority`, octet for octet; the host's front page when
    /// `path_and_query` is not something to come back to.
    ///
    /// # Errors
    ///
    /// [`TargetError::OtherHost`].
    pub fn asked_for(
        plan: &Plan,
        authority: &Authority,
        path_and_query: &str,
    ) -> Result<Self, TargetError> {
        if !serves(plan, authority) {
            return Err(TargetError::OtherHost);
        }
        let path = ReturnTo::parse(path_and_query).or_else(|_| ReturnTo::parse("/"))?;
        Ok(Self { origin: Origin::of(authority), path })
    }

    /// Reads `https://host[:port]/path?query`.
    ///
    /// # Errors
    ///
    /// [`TargetError`], one variant per rule. The caller does not show the value to the visitor.
    pub fn parse(plan: &Plan, url: &str) -> Result<Self, TargetError> {
        let after_scheme = url.find("://").map_or(0, |at| at + 3);
        let end = url.get(after_scheme..).and_then(|rest| rest.find(['/', '?', '#', '\\']));
        let (origin, path) = match end.and_then(|end| url.split_at_checked(after_scheme + end)) {
            Some((origin, path)) => (origin, path),
            None => (url, "/"),
        };
        let origin = Origin::parse(origin)?;
        let path = ReturnTo::parse(path)?;
        if serves(plan, &authority_of(&origin)) {
            Ok(Self { origin, path })
        } else {
            Err(TargetError::OtherHost)
        }
    }

    /// Its path, without query.
    pub fn path(&self) -> &str {
        self.path.as_str().split(['?', '#']).next().unwrap_or_default()
    }

    /// The host that it is on, as routes know it.
    pub fn authority(&self) -> Authority {
        authority_of(&self.origin)
    }

    /// The host that it is on.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path.as_str())
    }
}

/// Does this plan answer for `authority`, as a route's host, as the authenticate host, or as one where
/// clients of a tunnel sign in?
pub fn serves(plan: &Plan, authority: &Authority) -> bool {
    if plan.sign_in.own().is_some_and(|own| *own == Origin::of(authority)) {
        return true;
    }
    let authority = authority_of(&Origin::of(authority));
    plan.routes_of(&authority).next().is_some() || plan.tunnel_signing_in_at(&authority).is_some()
}

/// 443 is the port that is not written, in a plan too.
fn authority_of(origin: &Origin) -> Authority {
    Authority { host: origin.host.clone(), port: Some(origin.port).filter(|port| *port != 443) }
}

#[cfg(test)]
mod tests;
