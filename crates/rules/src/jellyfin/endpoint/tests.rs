use http::Method;

use super::{Endpoint, Opening, endpoint};
use crate::{jellyfin::Door, names::RequestPath};

/// `METHOD PATH WHO…`, one a line.
const ENDPOINTS: &str = include_str!("../../../tests/data/jellyfin-endpoints.txt");

/// Method, path with something in each of its places, and whom the server lets in.
fn all() -> impl Iterator<Item = (Method, String, &'static str)> {
    ENDPOINTS.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut parts = line.splitn(3, ' ');
        let mut next = || parts.next().unwrap();
        let (method, path, who) = (next(), next(), next());
        (method.parse().unwrap(), filled(path), who)
    })
}

fn filled(path: &str) -> String {
    let mut filled = String::new();
    for part in path.split('{') {
        match part.split_once('}') {
            Some((name, rest)) => {
                let value = if name.contains("ontainer") { "ts" } else { "0a1b2c" };
                filled.extend([value, rest]);
            }
            None => filled.push_str(part),
        }
    }
    filled
}

/// As a client may write a path that means the same to the server.
fn spellings(path: &str) -> Vec<String> {
    let escaped = path.replacen('s', "%73", 1).replacen('S', "%53", 1);
    let mut spellings = vec![
        path.to_owned(),
        path.to_lowercase(),
        path.to_uppercase(),
        format!("{path}/"),
        format!("/emby{path}"),
        format!("/MediaBrowser{path}"),
        format!("/x/..{path}"),
        format!("/{path}"),
        escaped,
    ];
    spellings.dedup();
    spellings
}

fn of(method: &Method, path: &str) -> Endpoint {
    endpoint(method, &RequestPath::parse(path).unwrap(), "")
}

#[test]
fn an_endpoint_is_the_same_in_each_spelling() {
    for (method, path, _) in all() {
        let expected = of(&method, &path);
        for spelling in spellings(&path) {
            assert_eq!(of(&method, &spelling), expected, "{method} {spelling}");
        }
    }
}

#[test]
fn no_administration_is_left_out() {
    for (method, path, who) in all() {
        let found = of(&method, &path);
        let is_kept = matches!(found, Endpoint::Administration | Endpoint::Shut(_));
        // While its setup is open these tell strangers what they tell persons later.
        let later = who.starts_with("FirstTimeSetupOrDefault")
            || who.starts_with("FirstTimeSetupOrIgnoreParentalControl");
        let elevated = who.contains("Elevat") && !later;
        assert!(!elevated || is_kept, "{method} {path}: {who} is {found:?}");
        let anonymous = matches!(found, Endpoint::Strangers(_) | Endpoint::Anonymous(_));
        assert!(!anonymous || who.starts_with("ANON"), "{method} {path}: {who} is {found:?}");
        let closed = ["/System/Configuration", "/web/", "/GetUtcTime", "/Plugins/"];
        let is_closed = closed.iter().any(|beginning| path.starts_with(beginning));
        let as_anonymous = anonymous || matches!(found, Endpoint::Shut(_)) || is_closed;
        assert!(!who.starts_with("ANON") || as_anonymous, "{method} {path} is {found:?}");
    }
}

#[test]
fn strangers_are_known_by_name() {
    let open: Vec<String> = all()
        .filter(|(method, path, _)| matches!(of(method, path), Endpoint::Strangers(_)))
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    let listed = [
        "GET /Branding/Configuration",
        "GET /Branding/Css",
        "GET /Branding/Css.css",
        "GET /Branding/Splashscreen",
        "GET /QuickConnect/Connect",
        "GET /QuickConnect/Enabled",
        "POST /QuickConnect/Initiate",
        "GET /QuickConnect/Initiate",
        "GET /System/Info/Public",
        "GET /System/Ping",
        "POST /System/Ping",
        "POST /Users/AuthenticateByName",
        "POST /Users/AuthenticateWithQuickConnect",
        "GET /Users/Public",
    ];
    assert_eq!(open, listed);
}

#[test]
fn what_is_no_endpoint_is_known_too() {
    use Door::*;
    for (method, path, base, expected) in [
        ("GET", "/", "", Endpoint::Strangers(Opening::Web)),
        ("GET", "/web/", "", Endpoint::Strangers(Opening::Web)),
        ("GET", "/Web/Assets/x.JS", "", Endpoint::Strangers(Opening::Web)),
        ("POST", "/web/x", "", Endpoint::Person),
        ("GET", "/web/ConfigurationPage", "", Endpoint::Administration),
        ("GET", "/health", "", Endpoint::Strangers(Opening::Health)),
        ("GET", "/api-docs/openapi.json", "", Endpoint::Shut(ApiDocuments)),
        ("GET", "/metrics", "", Endpoint::Shut(Metrics)),
        ("GET", "/startup/logger", "", Endpoint::Shut(StartupLog)),
        ("PUT", "/SYSTEM/restart", "", Endpoint::Shut(Restart)),
        ("POST", "/System/Reſtart", "", Endpoint::Shut(Restart)),
        ("POST", "/jf/System/Restart", "/jf", Endpoint::Shut(Restart)),
        ("GET", "/JF/System/Info/Public", "/jf", Endpoint::Strangers(Opening::Info)),
        ("POST", "/unknown/base/System/Restart", "", Endpoint::Shut(Restart)),
        ("GET", "/unknown/System/Info/Public", "", Endpoint::Person),
        ("GET", "/emby/emby/System/Logs", "", Endpoint::Administration),
        ("DELETE", "/Playlists/a/Users/b", "", Endpoint::Person),
        ("GET", "/Videos/a/hls/b/c.ts", "", Endpoint::Anonymous(Media)),
        ("GET", "/System/Info/Public;x", "", Endpoint::Person),
        ("GET", "/System/Info/Public%20", "", Endpoint::Person),
        ("POST", "/System/Restart%20", "", Endpoint::Shut(Restart)),
        ("POST", "/System/Restart;x", "", Endpoint::Shut(Restart)),
        ("GET", "/socket", "", Endpoint::Person),
    ] {
        let method: Method = method.parse().unwrap();
        let path_read = RequestPath::parse(&path.replace('ſ', "%C5%BF")).unwrap();
        assert_eq!(endpoint(&method, &path_read, base), expected, "{method} {path}");
    }
}
