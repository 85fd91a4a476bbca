use super::PathMatch;

/// Where a redirect leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: http::StatusCode,
    /// Another scheme.
    pub scheme: Option<Box<str>>,
    /// Another host, maybe with a port.
    pub host: Option<Box<str>>,
    /// Another port.
    pub port: Option<u16>,
    /// Another path; where it has a query, this stands for the request's.
    pub path: Option<Box<str>>,
    /// Another prefix in the place of the one that matched.
    pub prefix: Option<Box<str>>,
    /// Leave the query out.
    pub strip_query: bool,
}

/// What a redirect changes parts of: the address that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct AskedFor<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host and port, as they were written.
    pub authority: &'a str,
    /// The canonical path.
    pub path: &'a str,
    /// The query, if any.
    pub query: Option<&'a str>,
}

impl Redirect {
    /// The address that the route answers with: what it does not name stays as it was asked for,
    /// as in Pomerium (`pomerium-policy-measured.md` 67).
    pub fn location(&self, matches: &PathMatch, asked: AskedFor<'_>) -> String {
        let scheme = self.scheme.as_deref().unwrap_or(asked.scheme);
        let authority = match (&self.host, self.port) {
            (Some(host), Some(port)) => format!("{}:{port}", without_port(host).0),
            (Some(host), None) => host.to_string(),
            (None, Some(port)) => format!("{}:{port}", without_port(asked.authority).0),
            (None, None) => self.same_authority(scheme, asked).to_owned(),
        };
        let path = self.path(matches, asked.path);
        let has_query = self.path.as_deref().is_some_and(|path| path.contains('?'));
        match asked.query.filter(|_| !has_query && !self.strip_query) {
            Some(query) => format!("{scheme}://{authority}{path}?{query}"),
            None => format!("{scheme}://{authority}{path}"),
        }
    }

    /// A port that the old scheme implied is none of the new one's.
    fn same_authority<'a>(&self, scheme: &str, asked: AskedFor<'a>) -> &'a str {
        let (host, port) = without_port(asked.authority);
        let implied = match asked.scheme {
            "https" => "443",
            _ => "80",
        };
        if scheme != asked.scheme && port == Some(implied) { host } else { asked.authority }
    }

    fn path(&self, matches: &PathMatch, own: &str) -> String {
        match (&self.path, &self.prefix, matches) {
            (Some(path), _, _) => path.to_string(),
            (None, Some(new), PathMatch::Prefix(matched)) => {
                format!("{new}{}", own.strip_prefix(&**matched).unwrap_or(own))
            }
            (None, Some(new), PathMatch::Exact(_) | PathMatch::Regex(_)) => new.to_string(),
            (None, None, _) => own.to_owned(),
        }
    }
}

/// Host and port of an authority; colons in brackets are an address's own.
fn without_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::{AskedFor, Redirect};
    use crate::plan::PathMatch;

    /// Footgun: what a redirect does not name stays, the scheme and the port among it.
    #[test]
    fn what_a_redirect_does_not_name_stays() {
        let none = Redirect {
            status: http::StatusCode::FOUND,
            scheme: None,
            host: None,
            port: None,
            path: None,
            prefix: None,
            strip_query: false,
        };
        let secure = || Redirect { scheme: Some("https".into()), ..none.clone() };
        let host = |host: &str| Redirect { host: Some(host.into()), ..none.clone() };
        let path = |path: &str| Redirect { path: Some(path.into()), ..none.clone() };
        let prefix = || Redirect { prefix: Some("/np".into()), ..none.clone() };
        for (redirect, authority, expected, why) in [
            (none.clone(), "a.test", "http://a.test/px/y?q=1", "all of it"),
            (none.clone(), "A.test:80", "http://A.test:80/px/y?q=1", "as it was written"),
            (secure(), "a.test", "https://a.test/px/y?q=1", "another scheme"),
            (secure(), "a.test:80", "https://a.test/px/y?q=1", "the old one's port goes"),
            (secure(), "a.test:8080", "https://a.test:8080/px/y?q=1", "another port stays"),
            (secure(), "[2001:db8::80]:80", "https://[2001:db8::80]/px/y?q=1", "an address"),
            (secure(), "[2001:db8::80]", "https://[2001:db8::80]/px/y?q=1", "without port"),
            (
                host("b.test"),
                "a.test:8080",
                "http://b.test/px/y?q=1",
                "a host takes the port along",
            ),
            (host("b.test:81"), "a.test", "http://b.test:81/px/y?q=1", "and may bring one"),
            (
                Redirect { port: Some(443), ..none.clone() },
                "a.test:1",
                "http://a.test:443/px/y?q=1",
                "a port",
            ),
            (
                Redirect { port: Some(9), ..host("b.test:81") },
                "a.test",
                "http://b.test:9/px/y?q=1",
                "both",
            ),
            (path("/new"), "a.test", "http://a.test/new?q=1", "the query stays"),
            (path("/new?fixed"), "a.test", "http://a.test/new?fixed", "unless the path has one"),
            (
                Redirect { strip_query: true, ..path("/new?f") },
                "a.test",
                "http://a.test/new?f",
                "which nothing strips",
            ),
            (
                Redirect { strip_query: true, ..none.clone() },
                "a.test",
                "http://a.test/px/y",
                "stripped",
            ),
            (prefix(), "a.test", "http://a.test/npx/y?q=1", "textual, without slash repair"),
        ] {
            let asked = AskedFor { scheme: "http", authority, path: "/px/y", query: Some("q=1") };
            let matches = PathMatch::Prefix("/p".into());
            assert_eq!(redirect.location(&matches, asked), expected, "{why}");
        }
        let whole = AskedFor { scheme: "https", authority: "a.test", path: "/one", query: None };
        let exact = PathMatch::Exact("/one".into());
        assert_eq!(prefix().location(&exact, whole), "https://a.test/np", "`path` matches whole");
    }
}
