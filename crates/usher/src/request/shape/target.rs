use http::{Uri, uri::PathAndQuery};
use usher_rules::{
    fields::remove_query_session,
    names::{EscapedSlashes, PathError, RequestPath},
    plan::{PathMatch, Rewrite, Route},
};

/// The request target for the upstream: the canonical path, rewritten as the route says, and the
/// query byte for byte, without our session parameter.
pub(super) fn upstream_target(
    route: &Route,
    path: &RequestPath,
    uri: &Uri,
) -> Option<PathAndQuery> {
    let query = uri.query().map(remove_query_session).filter(|query| !query.is_empty());
    let had_empty_query = uri.query().is_some_and(str::is_empty);
    let path = rewritten(route, path.wire());
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None if had_empty_query => format!("{path}?"),
        None => path,
    };
    PathAndQuery::try_from(target).ok()
}

/// Would the upstream read another path than the one that was decided on? A textual rewrite can
/// put a dot segment together: with `prefix: /x` and a target of `/`, `/x../a` becomes `/../a`.
pub fn climbs(route: &Route, path: &RequestPath) -> bool {
    if matches!(route.rewrite, Rewrite::None) {
        return false;
    }
    let is_dots = |segment: &str| {
        let name = segment.split(';').next().unwrap_or_default();
        matches!(name, "." | "..")
    };
    let target = rewritten(route, path.wire());
    let is_ambiguous = || match RequestPath::parse_as(&target, EscapedSlashes::Keep) {
        Ok(_) | Err(PathError::NotAbsolute) => false,
        Err(_) => true,
    };
    target.split(['/', '\\']).any(is_dots) || is_ambiguous()
}

/// Textual, without slash repair, as Pomerium does it (`pomerium-policy-measured.md` 66).
fn rewritten(route: &Route, path: &str) -> String {
    match &route.rewrite {
        Rewrite::None => path.to_owned(),
        Rewrite::Prefix(new) => match &route.matches {
            PathMatch::Prefix(prefix) => {
                format!("{new}{}", path.strip_prefix(&**prefix).unwrap_or(path))
            }
            PathMatch::Exact(_) | PathMatch::Regex(_) => new.to_string(),
        },
        Rewrite::Regex(pattern, substitution) => {
            pattern.replace_all(path, &**substitution).into_owned()
        }
    }
}
