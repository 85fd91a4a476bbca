use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Other ways to say the same, which apps believe: nobody but us may say it.
const OTHERS: [HeaderName; 12] = [
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-forwarded-scheme"),
    HeaderName::from_static("x-forwarded-ssl"),
    HeaderName::from_static("x-forwarded-uri"),
    HeaderName::from_static("x-forwarded-method"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
];

/// What the upstream is told about the connection.
#[derive(Clone, Copy, Debug)]
pub struct Forwarded<'a> {
    /// The TCP peer.
    pub peer: &'a HeaderValue,
    /// Did the visitor come by TLS (or through a terminator that we stand behind)?
    pub https: bool,
    /// What the visitor asked for, host and port; `None` where `Host` itself tells it
    /// (`preserve_host_header`), as in Pomerium.
    pub authority: Option<&'a HeaderValue>,
    /// How many proxies in front of us are trusted; 0 trusts no incoming field.
    pub trusted_hops: u32,
    /// Leave `X-Forwarded-For` as it came (`skip_xff_append`).
    pub skip_append: bool,
}

/// Overwrites `X-Forwarded-For`, `-Proto`, `-Host`; removes every other spelling of them.
///
/// With trusted hops the incoming `X-Forwarded-For` is kept and the peer appended; garbage in it
/// goes, since Jellyfin takes an unreadable chain for a local visitor (`jellyfin.md` §11.2).
pub fn set_forwarded(fields: &mut HeaderMap, forwarded: Forwarded<'_>) {
    let Forwarded { peer, https, authority, trusted_hops, skip_append } = forwarded;
    let incoming = if trusted_hops > 0 { readable_chain(fields) } else { String::new() };
    remove_theirs(fields);
    match chain(incoming, peer, skip_append && trusted_hops > 0) {
        Some(chain) => fields.insert(FOR, chain),
        None => fields.remove(FOR),
    };
    let trusted_proto = (trusted_hops > 0).then(|| fields.remove(PROTO)).flatten();
    let proto = trusted_proto.filter(|proto| proto == "https" || proto == "http");
    let ours = HeaderValue::from_static(if https { "https" } else { "http" });
    fields.insert(PROTO, proto.unwrap_or(ours));
    match authority {
        Some(authority) => fields.insert(HOST, authority.clone()),
        None => fields.remove(HOST),
    };
}

/// The addresses of the incoming chain, as far as they can be read, from the right.
fn readable_chain(fields: &HeaderMap) -> String {
    let chain: Vec<&str> = fields
        .get_all(FOR)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .collect();
    let readable = chain.iter().rev().take_while(|text| text.parse::<IpAddr>().is_ok()).count();
    chain.get(chain.len() - readable..).unwrap_or_default().join(", ")
}

/// The whole way, the peer last.
fn chain(incoming: String, peer: &HeaderValue, skip_append: bool) -> Option<HeaderValue> {
    match (incoming.is_empty(), skip_append, peer.to_str()) {
        (true, false, _) => Some(peer.clone()),
        (true, true, _) => None,
        (false, false, Ok(peer)) => HeaderValue::try_from(format!("{incoming}, {peer}")).ok(),
        (false, true, _) | (false, false, Err(_)) => HeaderValue::try_from(incoming).ok(),
    }
}

/// Takes out the other forms, in every spelling: some servers read `_` as `-`. Most requests have
/// none, so they are looked for once and not removed one by one.
fn remove_theirs(fields: &mut HeaderMap) {
    let theirs: Vec<HeaderName> =
        fields.keys().filter(|name| is_theirs(name.as_str())).cloned().collect();
    for name in theirs {
        fields.remove(name);
    }
}

fn is_theirs(name: &str) -> bool {
    if !name.starts_with(['x', 'f']) {
        return false;
    }
    let is_other = |name: &str| OTHERS.iter().any(|other| other.as_str() == name);
    if !name.contains('_') {
        return is_other(name);
    }
    let dashed = name.replace('_', "-");
    dashed.starts_with("x-forwarded-") || is_other(&dashed)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Forwarded, set_forwarded};

    fn shaped(given: &[(&str, &str)], trusted_hops: u32, skip_append: bool) -> String {
        let mut fields = HeaderMap::new();
        for (name, value) in given {
            fields.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let authority = HeaderValue::from_static("tv.example");
        let peer = HeaderValue::from_static("203.0.113.7");
        let https = true;
        set_forwarded(
            &mut fields,
            Forwarded {
                peer: &peer,
                https,
                authority: Some(&authority),
                trusted_hops,
                skip_append,
            },
        );
        let mut lines: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines.join("|")
    }

    #[test]
    fn x_forwarded_host_is_not_added_beside_a_preserved_host() {
        let mut fields = HeaderMap::new();
        fields.insert("x-forwarded-host", HeaderValue::from_static("evil.test"));
        let peer = HeaderValue::from_static("203.0.113.7");
        let forwarded = Forwarded {
            peer: &peer,
            https: true,
            authority: None,
            trusted_hops: 1,
            skip_append: false,
        };
        set_forwarded(&mut fields, forwarded);
        assert!(!fields.contains_key("x-forwarded-host"), "neither ours nor the client's");
    }

    #[test]
    fn x_forwarded_trust() {
        let ours =
            "x-forwarded-for: 203.0.113.7|x-forwarded-host: tv.example|x-forwarded-proto: https";
        for (given, hops, skip, expected, why) in [
            (&[][..], 0, false, ours, "ours is added"),
            (
                &[("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "http")],
                0,
                false,
                ours,
                "theirs goes",
            ),
            (
                &[("forwarded", "for=1.2.3.4"), ("x-real-ip", "1.2.3.4")],
                0,
                false,
                ours,
                "in every form",
            ),
            (
                &[("x_forwarded_for", "10.0.0.1"), ("X_Real_Ip", "1.1.1.1")],
                0,
                false,
                ours,
                "and spelling",
            ),
            (
                &[("x-forwarded-uri", "/public"), ("x-original-url", "/a")],
                0,
                false,
                ours,
                "o2p 40575",
            ),
            (
                &[("x-forwarded-for", "198.51.100.4"), ("x-forwarded-proto", "http")],
                1,
                false,
                "x-forwarded-for: 198.51.100.4, 203.0.113.7|x-forwarded-host: tv.example|x-forwarded-proto: http",
                "a trusted hop is believed and appended to",
            ),
            (
                &[("x-forwarded-for", "garbage, 198.51.100.4")],
                1,
                false,
                "x-forwarded-for: 198.51.100.4, 203.0.113.7|x-forwarded-host: tv.example|x-forwarded-proto: https",
                "what cannot be read is left out",
            ),
            (
                &[("x-forwarded-for", "198.51.100.4")],
                1,
                true,
                "x-forwarded-for: 198.51.100.4|x-forwarded-host: tv.example|x-forwarded-proto: https",
                "skip_xff_append",
            ),
            (
                &[],
                0,
                true,
                ours,
                "skipping needs a hop to trust, else nobody would tell the address",
            ),
        ] {
            assert_eq!(shaped(given, hops, skip), expected, "{given:?}: {why}");
        }
    }
}
