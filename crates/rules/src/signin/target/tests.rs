use std::sync::Arc;

use super::Target;
use crate::{
    names::{Authority, Host, Origin},
    plan::{HostPattern, Plan, Provider},
    signin::ProgramRedirect,
};

fn plan() -> Plan {
    let hosts = ["tv.example", "photos.example"].map(|host| Host::parse(host).unwrap());
    let authenticate = Origin::parse("https://auth.example").unwrap();
    Plan::sketch(authenticate, Provider::Builtin, hosts.to_vec())
}

#[test]
fn octet_for_octet() {
    for (authority, target, expected) in [
        ("tv.example", "/", "https://tv.example/"),
        ("TV.example:443", "/web?a=%2f&b;c=d%20e+f", "https://tv.example/web?a=%2f&b;c=d%20e+f"),
        ("tv.example:8443", "/a//b", "https://tv.example:8443/a//b"),
        ("auth.example", "/.pomerium/", "https://auth.example/.pomerium/"),
        ("tv.example", "//evil.example", "https://tv.example/"),
        ("tv.example", "*", "https://tv.example/"),
        ("evil.example", "/", "-"),
    ] {
        let authority = Authority::parse(authority).unwrap();
        let got = Target::asked_for(&plan(), &authority, target);
        assert_eq!(got.map_or("-".into(), |target| target.to_string()), expected, "{target:?}");
    }
}

/// A route that names its port is served there and nowhere else.
#[test]
fn a_port_that_a_route_names_counts() {
    let mut plan = plan();
    let host = Host::parse("tv.example").unwrap();
    let route = plan.routes.first_mut().and_then(Arc::get_mut).unwrap();
    route.from = HostPattern::Exact { host, port: Some(8443) };
    for (authority, is_served) in [
        ("tv.example:8443", true),
        ("tv.example:9443", false),
        ("tv.example:443", false),
        ("tv.example", false),
        ("photos.example:9443", true),
    ] {
        let authority = Authority::parse(authority).unwrap();
        assert_eq!(super::serves(&plan, &authority), is_served, "{authority}");
    }
}

#[test]
fn parse_keeps_what_it_wrote() {
    for (given, expected) in [
        ("https://tv.example", "https://tv.example/"),
        ("https://TV.example:443/x?y#z", "https://tv.example/x?y#z"),
        ("https://photos.example:8443/x", "https://photos.example:8443/x"),
    ] {
        let target = Target::parse(&plan(), given).unwrap();
        assert_eq!(target.to_string(), expected);
        assert_eq!(Target::parse(&plan(), expected), Ok(target), "the same, read again");
    }
}

/// The lines of the corpus, their escapes read.
fn corpus() -> Vec<String> {
    let text = include_str!("../../../tests/corpus/open-redirects.txt");
    let lines = text.lines().filter(|line| !line.starts_with("# ") && !line.is_empty());
    lines.map(unescape).collect()
}

fn unescape(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let escaped = (c == '\\').then(|| chars.next().unwrap());
        out.push(match escaped {
            None => c,
            Some('t') => '\t',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('0') => '\0',
            Some('\\') => '\\',
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap()
            }
            Some(other) => panic!("unknown escape {other:?} in {line:?}"),
        });
    }
    out
}

/// Where a browser (WHATWG) ends up that is on our page and follows `location`.
fn host_of(location: &str) -> Option<String> {
    let base = url::Url::parse("https://tv.example/.pomerium/callback/").unwrap();
    base.join(location).ok().and_then(|url| url.host_str().map(str::to_owned))
}

/// T1: whatever goes in, what comes out leads to a host of ours, as a browser reads it.
#[test]
fn t1_open_redirects() {
    let plan = plan();
    let ours = ["tv.example", "photos.example", "auth.example"];
    let corpus = corpus();
    assert!(corpus.len() >= 90, "{}", corpus.len());
    let (mut taken, mut evil) = (0, 0);
    for line in &corpus {
        evil += usize::from(host_of(line).is_some_and(|host| !ours.contains(&&*host)));
        if let Ok(target) = Target::parse(&plan, line) {
            let location = target.to_string();
            assert!(
                host_of(&location).is_some_and(|host| ours.contains(&&*host)),
                "{line:?}: {location}"
            );
            assert!(location.bytes().all(|octet| octet.is_ascii_graphic()), "{line:?}");
            taken += 1;
        }
        let authority = Authority::parse("tv.example").unwrap();
        let target = Target::asked_for(&plan, &authority, line).unwrap().to_string();
        assert_eq!(host_of(&target).as_deref(), Some("tv.example"), "{line:?}: {target}");

        if let Ok(redirect) = ProgramRedirect::parse(&["localhost".into()], line) {
            let host = host_of(&redirect.with_handle("h")).unwrap();
            assert!(["localhost", "127.0.0.1", "[::1]"].contains(&&*host), "{line:?}: {host}");
        }
    }
    assert!(evil > 30, "the corpus bites: {evil}");
    assert!(taken < 10, "hardly anything in it is good: {taken}");
}
