//! `from`: the hosts that a route answers for.

use crate::{
    config::Given,
    names::{Authority, AuthorityError, Host, HostError},
    plan::HostPattern,
    problem::Problem,
};

const EXAMPLE: &str = "write `https://HOST`, such as `https://tv.example.com`";

/// Reads `https://host[:port]`. `http://` is read too, with a warning, since visitors are always
/// sent to https.
pub(super) fn parse(given: &Given, problems: &mut Vec<Problem>) -> Result<HostPattern, Problem> {
    let text = given.text();
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(given.error("U502", format!("`from: {text}` has no scheme"), EXAMPLE));
    };
    let default_port = match scheme.to_ascii_lowercase().as_str() {
        "https" => 443,
        "http" => {
            problems.push(given.warning(
                "U505",
                "visitors are sent to https: `http` in `from` means the same host",
                "write `https://`",
            ));
            80
        }
        other => {
            return Err(given.error("U502", format!("`{other}` is no scheme of a route"), EXAMPLE));
        }
    };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
    match behind {
        "" | "/" => {}
        path if path.starts_with('/') => {
            return Err(given.error(
                "U503",
                format!("`from` ends after the host, and `{path}` follows"),
                format!("write `prefix: {path}` or `path: {path}` beside it"),
            ));
        }
        _ => {
            return Err(given.error(
                "U503",
                "`from` ends after the host: no query, no fragment",
                "delete the rest",
            ));
        }
    }
    if authority.contains('@') {
        return Err(given.error(
            "U503",
            "`from` has no user in it",
            "delete what stands before the `@`",
        ));
    }
    let pattern = pattern(given, authority, default_port)?;
    if let HostPattern::Exact { host, .. } = &pattern
        && host.is_ipv6()
    {
        problems.push(given.warning(
            "U507",
            "no request reaches this route: an IPv6 address in `from` matches none, in Pomerium too",
            "write a name, or `https://*` for whatever is asked for",
        ));
    }
    Ok(pattern)
}

/// The host of a route of another scheme: what stands before its path.
pub(super) fn host_of(given: &Given) -> Result<HostPattern, Problem> {
    let rest = given.text().split_once("://").map_or("", |(_, rest)| rest);
    pattern(given, rest.split(['/', '?', '#']).next().unwrap_or_default(), 443)
}

/// What clients of a tunnel ask for: its host and port, or those that its path names. What has no
/// port is none (RFC 9110 §9.3.6).
pub(super) fn tunnel_ends(given: &Given) -> Vec<HostPattern> {
    let rest = given.text().split_once("://").map_or("", |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
    let ends = path.map_or_else(|| vec![host], |path| path.split('/').collect());
    let ends = ends.into_iter().filter_map(|end| pattern(given, end, NO_PORT).ok());
    ends.filter(|end| end.port().is_some()).collect()
}

/// No port is left out when it is this one.
const NO_PORT: u16 = 0;

/// Where clients of a tunnel sign in: at its host, or at the proxy before the path, port included.
pub(super) fn tunnel_sign_in(given: &Given, from: &HostPattern) -> Option<Authority> {
    let rest = given.text().split_once("://").map_or("", |(_, rest)| rest);
    let HostPattern::Exact { host, port } = from else { return None };
    Some(Authority { host: host.clone(), port: port.filter(|_| rest.contains('/')) })
}

fn pattern(given: &Given, authority: &str, default_port: u16) -> Result<HostPattern, Problem> {
    let wrong = |error: AuthorityError| {
        let what = format!("`from: {}` names no host: {error}", given.text());
        given.error("U502", what, EXAMPLE)
    };
    if authority.contains('*') {
        return wildcard(authority, default_port).map_err(wrong);
    }
    let Authority { host, port } = Authority::parse(authority).map_err(wrong)?;
    Ok(HostPattern::Exact { host, port: port.filter(|port| *port != default_port) })
}

/// One label of a name with stars, as browsers send it (UTS 46). The A-label of a piece of a label
/// is no piece of its A-label: such a star could match nothing, or the wrong thing.
fn label(label: &str) -> Result<Box<str>, AuthorityError> {
    if !label.is_ascii() && label.contains('*') {
        return Err(AuthorityError::Host(HostError::BadLabel));
    }
    Ok(Host::a_labels(label))
}

/// `*` stands for any characters, dots included, anywhere and several times. The host that is
/// compared was parsed and is in lower case, so that nothing but a host can match.
fn wildcard(authority: &str, default_port: u16) -> Result<HostPattern, AuthorityError> {
    // a letter in the place of each star makes a host whose labels can be judged
    let Authority { port, .. } = Authority::parse(&authority.replace('*', "x"))?;
    let text = match authority.rsplit_once(':') {
        Some((host, _)) if port.is_some() => host,
        _ => authority,
    };
    let text = text.to_ascii_lowercase();
    let text = text.split('.').map(label).collect::<Result<Vec<_>, _>>()?.join(".");
    let pieces: Vec<String> = text.split('*').map(regex::escape).collect();
    let regex = regex::RegexBuilder::new(&format!(r"\A{}\z", pieces.join(".*")))
        .case_insensitive(true)
        .build()
        .map_err(|_| AuthorityError::Host(HostError::TooLong))?;
    Ok(HostPattern::Wildcard {
        text: text.into(),
        regex,
        port: port.filter(|port| *port != default_port),
    })
}

#[cfg(test)]
mod tests {
    use super::wildcard;
    use crate::names::Authority;

    /// The port that stands behind a wildcard is one, and 443 is none, as with a host.
    #[test]
    fn a_wildcard_with_a_port_is_at_that_port_only() {
        for (from, taken, left) in [
            ("*.tv.example:8443", "a.tv.example:8443", "a.tv.example"),
            ("*.tv.example:443", "a.tv.example", "a.tv.example.evil.test"),
            ("*.tv.example:443", "a.tv.example:8443", "tv.example"),
            ("*.tv.example.", "a.tv.example.", "a.tv.example"),
        ] {
            let pattern = wildcard(from, 443).unwrap();
            for (text, takes) in [(taken, true), (left, false)] {
                let authority = Authority::parse(text).unwrap();
                assert_eq!(pattern.takes(&authority), takes, "{from} {text}");
            }
        }
    }
}
