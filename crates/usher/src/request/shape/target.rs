use std::borrow::Cow;

use http::{Uri, uri::PathAndQuery};
use usher_rules::{
    fields::remove_query_session,
    names::{EscapedSlashes, PathError, RequestPath},
    plan::{PathMatch, Rewrite, Route},
};

/// The path that the upstream gets: made once, from the one that was decided on.
#[derive(Debug)]
pub struct UpstreamPath<'a>(Cow<'a, str>);

/// The canonical path, rewritten as the route says; `None` where the upstream would read another
/// one than was decided on. A textual rewrite can put a dot segment together: with `prefix: /x`
/// and a target of `/`, `/x../a` becomes `/../a`.
pub fn upstream_path<'a>(route: &Route, path: &'a RequestPath) -> Option<UpstreamPath<'a>> {
    let Some(rewritten) = rewritten(route, path.wire()) else {
        return Some(UpstreamPath(path.wire().into()));
    };
    (!climbs(&rewritten)).then(|| UpstreamPath(rewritten.into()))
}

impl UpstreamPath<'_> {
    /// The request target: the path, and the query byte for byte, without our session parameter.
    pub(super) fn with_query(&self, uri: &Uri) -> Option<PathAndQuery> {
        let query = uri.query().map(remove_query_session);
        let Self(path) = self;
        if let (None | Some(Cow::Borrowed(_)), Some(target)) = (&query, uri.path_and_query())
            && is_written(target, path)
        {
            return Some(target.clone());
        }
        let query = query.filter(|query| !query.is_empty());
        let had_empty_query = uri.query().is_some_and(str::is_empty);
        match query {
            Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
            None if had_empty_query => PathAndQuery::try_from(format!("{path}?")),
            None => PathAndQuery::try_from(&**path),
        }
        .ok()
    }
}

/// Does it begin with this very path? Of an absolute form it may be left out.
fn is_written(target: &PathAndQuery, path: &str) -> bool {
    target.path() == path && target.as_str().starts_with('/')
}

fn climbs(path: &str) -> bool {
    let is_dots = |segment: &str| {
        let name = segment.split(';').next().unwrap_or_default();
        matches!(name, "." | "..")
    };
    let is_ambiguous = || match RequestPath::parse_as(path, EscapedSlashes::Keep) {
        Ok(_) | Err(PathError::NotAbsolute) => false,
        Err(_) => true,
    };
    path.split(['/', '\\']).any(is_dots) || is_ambiguous()
}

/// Textual, without slash repair, as Pomerium does it (`pomerium-policy-measured.md` 66); `None`
/// where nothing is.
fn rewritten(route: &Route, path: &str) -> Option<String> {
    Some(match &route.rewrite {
        Rewrite::None => return None,
        Rewrite::Prefix(new) => match &route.matches {
            PathMatch::Prefix(prefix) => {
                format!("{new}{}", path.strip_prefix(&**prefix).unwrap_or(path))
            }
            PathMatch::Exact(_) | PathMatch::Regex(_) => new.to_string(),
        },
        Rewrite::Regex(pattern, substitution) => {
            pattern.replace_all(path, &**substitution).into_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use usher_rules::{
        names::{EscapedSlashes, Host, Origin, RequestPath},
        plan::{PathMatch, Plan, Provider, Rewrite, Route},
    };

    use super::upstream_path;

    fn route(rewrite: Rewrite) -> Arc<Route> {
        let authenticate = Origin::parse("https://auth.test").unwrap();
        let host = Host::parse("tv.test").unwrap();
        let mut plan = Plan::sketch(authenticate, Provider::Builtin, vec![host]);
        let mut route = plan.routes.pop().unwrap();
        let changed = Arc::make_mut(&mut route);
        (changed.rewrite, changed.matches) = (rewrite, PathMatch::Prefix("/".into()));
        route
    }

    const SLASHES: [EscapedSlashes; 4] = [
        EscapedSlashes::Keep,
        EscapedSlashes::Reject,
        EscapedSlashes::Redirect,
        EscapedSlashes::Unescape,
    ];

    proptest! {
        /// Whatever a client writes: the octets that go upstream are those that policy judged, and
        /// whoever reads them again, as we do, reads the same path.
        #[test]
        fn the_path_that_policy_saw_is_the_path_that_the_upstream_gets(
            text in "/([a-z./;%\\\\]|%2[eEfF5]|%5[cC]|%[0-9a-f]{2}|\\.\\.|//){0,12}",
            query in proptest::option::of("[a-z=&%/.?]{0,12}"),
            slashes in proptest::sample::select(SLASHES.to_vec()),
        ) {
            let Ok(path) = RequestPath::parse_as(&text, slashes) else { return Ok(()) };
            let uri = match &query {
                Some(query) => format!("{text}?{query}"),
                None => text.clone(),
            };
            let Ok(uri) = uri.parse::<http::Uri>() else { return Ok(()) };
            let same = upstream_path(&route(Rewrite::None), &path).unwrap();
            let sent = same.with_query(&uri).unwrap();
            prop_assert_eq!(sent.path(), path.wire());
            prop_assert_eq!(sent.query(), uri.query());
            let again = RequestPath::parse_as(sent.path(), slashes).unwrap();
            prop_assert_eq!(again.decoded(), path.decoded());

            // Another prefix stands there, and what follows it is untouched and climbs nowhere.
            if let Some(new) = upstream_path(&route(Rewrite::Prefix("/base".into())), &path) {
                let sent = new.with_query(&uri).unwrap();
                let rest = path.wire().strip_prefix('/').unwrap();
                prop_assert_eq!(sent.path().strip_prefix("/base"), Some(rest));
                let read = RequestPath::parse_as(sent.path(), EscapedSlashes::Keep).unwrap();
                prop_assert_eq!(read.wire(), sent.path());
            }
        }
    }
}
