//! Names that stand in documentation, left in the place of one's own.

use crate::{
    config::{
        Given, Section,
        keys::{global, route},
    },
    problem::Problem,
};

const OF_USHER: &str = "write a name that you own and that leads here, for example `tv.ann.duckdns.org` from a dynamic DNS service";
const OF_PROVIDER: &str = "write the address under which the provider itself signs its tokens";
const OF_CONTACT: &str = "write an address that you read, or delete the line";

/// Domains that nobody who reads a guide can own: RFC 2606 §3, and what guides write instead.
const DOMAINS: &[&str] = &[
    "example.com",
    "example.org",
    "example.net",
    "example.edu",
    "domain.com",
    "domain.tld",
    "your.domain",
    "my.domain",
];

/// Beginnings of labels that mean "yours", also below a dynamic name: `yourdomain.duckdns.org`.
const YOURS: &[&str] = &["yourdomain", "your-domain"];

/// The same, whole: a name may well begin like them.
const MINE: &[&str] = &["mydomain", "my-domain"];

/// Warns of every route and address that nobody will ever reach. `autocert` takes its hosts from
/// the same keys.
pub(super) fn find(globals: &Section, routes: &[Section], problems: &mut Vec<Problem>) {
    let own = globals.given(&global::AUTHENTICATE_SERVICE_URL).into_iter();
    let own = own.chain(routes.iter().filter_map(|one| one.given(&route::FROM)));
    problems.extend(own.filter_map(|given| placeholder(given, host_in(given.text()), OF_USHER)));
    let provider = globals.given(&global::IDP_PROVIDER_URL);
    problems
        .extend(provider.and_then(|given| placeholder(given, host_in(given.text()), OF_PROVIDER)));
    let contact = globals.given(&global::AUTOCERT_EMAIL);
    problems.extend(contact.and_then(|given| {
        let (_, domain) = given.text().rsplit_once('@')?;
        placeholder(given, domain, OF_CONTACT)
    }));
}

fn placeholder(given: &Given, name: &str, help: &str) -> Option<Problem> {
    let what = || format!("`{name}` is a name of guides, not yours");
    is_placeholder(name).then(|| given.warning("U506", what(), help))
}

/// The host of an address that may be wrong in other ways, which others tell.
fn host_in(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or(rest);
    authority.split(':').next().unwrap_or(authority)
}

fn is_placeholder(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_below = |domain: &&str| {
        host.strip_suffix(*domain).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    let is_yours =
        |label: &str| YOURS.iter().any(|start| label.starts_with(start)) || MINE.contains(&label);
    DOMAINS.iter().any(is_below) || host.ends_with(".tld") || host.split('.').any(is_yours)
}

#[cfg(test)]
mod tests {
    use super::{host_in, is_placeholder};

    #[test]
    fn names_of_guides_are_told_from_names_of_people() {
        for address in [
            "https://jellyfin.yourdomain.com",
            "https://YourDomain.net:8443/",
            "https://yourdomain.duckdns.org",
            "https://your-domain-here.com",
            "https://tv.your-domain.co.uk.",
            "https://*.example.com",
            "https://example.org",
            "https://a.b.example.net?x",
            "https://tv.domain.tld",
            "https://tv.anything.tld",
            "https://tv.your.domain",
            "tv.mydomain.com",
        ] {
            assert!(is_placeholder(host_in(address)), "{address}");
        }
        for address in [
            "https://tv.ann.duckdns.org",
            "https://myexample.com",
            "https://example.com.ann.eu",
            "https://mydomains.eu",
            "https://nas.lan",
            "https://localhost:8443",
            "https://192.168.1.9",
            "https://[::1]:443",
            "https://authenticate.pomerium.app",
            "https://cinema.test",
            "",
        ] {
            assert!(!is_placeholder(host_in(address)), "{address}");
        }
    }
}
