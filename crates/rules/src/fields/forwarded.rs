use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::spelling::Names;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Other ways to say the same, which apps believe: nobody but us may say it.
static OTHERS: Names = Names::new(&[
    "forwarded",
    "forwarded-",
    "x-forwarded",
    "x-forwarded-",
    "x-original-",
    "x-rewrite-url",
    "x-real-ip",
    "x-client-ip",
    "client-ip",
    "x-cluster-client-ip",
    "x-true-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-pseudo-ipv4",
    "fastly-client-ip",
    "x-azure-clientip",
    "x-proxyuser-ip",
    "proxy-client-ip",
    "wl-proxy-client-ip",
    "x-forward-for",
    "x-forwarder-for",
    "x-originating-ip",
    "x-real-port",
    "x-host",
    "fly-client-ip",
    "do-connecting-ip",
    "x-vercel-",
    "x-appengine-",
    "x-nf-client-connection-ip",
    // who takes a piece off the path, or leaves a step out
    "x-script-name",
    "x-ingress-path",
    "x-sub-path",
    "x-middleware-",
    "x-accel-internal",
    "front-end-https",
    "x-url-scheme",
    "x-scheme",
    "x-envoy-",
]);

/// The connection, as the upstream hears of it.
#[derive(Clone, Copy, Debug)]
pub struct Forwarded<'a> {
    /// The TCP peer.
    pub peer: &'a HeaderValue,
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
    write(fields, forwarded);
    remove_theirs(fields);
}

/// Overwrites the three, and leaves every other spelling.
pub(super) fn write(fields: &mut HeaderMap, forwarded: Forwarded<'_>) {
    let Forwarded { peer, authority, trusted_hops, skip_append } = forwarded;
    let incoming = readable_chain(fields, trusted_hops);
    match chain(incoming, (!skip_append || trusted_hops == 0).then_some(peer)) {
        Some(chain) => fields.insert(FOR, chain),
        None => fields.remove(FOR),
    };
    // A plain listener stands behind a terminator, as in Pomerium.
    let scheme = trusted_scheme(fields, trusted_hops).unwrap_or("https");
    fields.insert(PROTO, HeaderValue::from_static(scheme));
    match authority {
        Some(authority) => fields.insert(HOST, authority.clone()),
        None => fields.remove(HOST),
    };
}

/// The scheme that the visitor used, where a trusted hop tells it.
pub fn trusted_scheme(fields: &HeaderMap, trusted_hops: u32) -> Option<&'static str> {
    if trusted_hops == 0 {
        return None;
    }
    match fields.get(PROTO)?.as_bytes() {
        b"https" => Some("https"),
        b"http" => Some("http"),
        _ => None,
    }
}

/// The visitor's address: the one that the outermost trusted proxy saw, which is as many from the
/// right of the incoming chain as there are trusted hops. Where the chain is shorter, or what
/// stands there is no address, the peer's.
pub fn visitor(fields: &HeaderMap, peer: IpAddr, trusted_hops: u32) -> IpAddr {
    let chain = incoming_chain(fields, trusted_hops).unwrap_or_default();
    outermost(&chain, trusted_hops).flatten().map_or(peer, |address| address.to_canonical())
}

/// Do `X-Forwarded-For` and `Forwarded` name different visitors, so that neither counts?
pub fn names_two_visitors(fields: &HeaderMap, trusted_hops: u32) -> bool {
    trusted_hops > 0 && matches!(incoming_chain(fields, trusted_hops), Err(Contradiction))
}

/// The way that a request came, for the record: what trusted hops say of it, and the peer.
pub fn way(fields: &HeaderMap, peer: &HeaderValue, trusted_hops: u32) -> HeaderValue {
    if trusted_hops == 0 {
        return peer.clone();
    }
    chain(readable_chain(fields, trusted_hops), Some(peer)).unwrap_or_else(|| peer.clone())
}

/// The addresses of the incoming chain, as far as they can be read, from the right.
fn readable_chain(fields: &HeaderMap, trusted_hops: u32) -> String {
    if trusted_hops == 0 {
        return String::new();
    }
    let chain = incoming_chain(fields, trusted_hops).unwrap_or_default();
    let readable = chain.iter().rev().map_while(|text| hop_address(text)).collect::<Vec<_>>();
    let texts: Vec<String> = readable.iter().rev().map(IpAddr::to_string).collect();
    texts.join(", ")
}

/// The elements of the incoming chain, of `X-Forwarded-For` or of `Forwarded` (RFC 7239).
///
/// A proxy writes one of them and passes on what a client wrote in the other. Which one it writes
/// is not known: where each is long enough to be its own and they name different visitors, neither
/// counts, and the visitor is the peer.
fn incoming_chain(fields: &HeaderMap, trusted_hops: u32) -> Result<Vec<&str>, Contradiction> {
    if trusted_hops == 0 {
        return Ok(Vec::new());
    }
    let lines = |name: &HeaderName| {
        let lines = fields.get_all(name).iter().map(|line| line.to_str().unwrap_or_default());
        lines.flat_map(|line| line.split(',')).map(str::trim).collect::<Vec<_>>()
    };
    let chain = lines(&FOR);
    let other: Vec<_> = lines(&header::FORWARDED).into_iter().map(forwarded_for).collect();
    match (outermost(&chain, trusted_hops), outermost(&other, trusted_hops)) {
        (Some(one), Some(other)) if one != other => Err(Contradiction),
        (None, Some(_)) => Ok(other),
        (None, None) if chain.is_empty() => Ok(other),
        (Some(_), _) | (None, None) => Ok(chain),
    }
}

/// Each of the two fields is somebody's, and nobody knows which is the proxy's.
#[derive(Debug)]
struct Contradiction;

/// What the outermost trusted proxy wrote, as many from the right as there are; `None` where the
/// chain is too short to be theirs, and in it `None` where that is no address.
fn outermost(chain: &[&str], trusted_hops: u32) -> Option<Option<IpAddr>> {
    let from_right = usize::try_from(trusted_hops.checked_sub(1)?).ok()?;
    chain.iter().rev().nth(from_right).map(|text| hop_address(text))
}

/// `for=…` of one element of `Forwarded`.
fn forwarded_for(element: &str) -> &str {
    let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(name, _)| name.eq_ignore_ascii_case("for"));
    values.next().map_or("", |(_, value)| value)
}

/// An address in the ways that proxies write it: bare, with a port, in brackets, in quotes.
fn hop_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    let is_port = |port: &str| port.is_empty() || port.parse::<u16>().is_ok();
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.contains(':').then_some(())?;
            (host, rest.strip_prefix(':').unwrap_or(if rest.is_empty() { "" } else { "-" }))
        }
        None => {
            let (host, port) = text.split_once(':')?;
            host.contains('.').then_some(())?;
            (host, port)
        }
    };
    if is_port(port) { host.parse().ok() } else { None }
}

/// The whole way, with the peer as its last hop where it is told of.
fn chain(incoming: String, last: Option<&HeaderValue>) -> Option<HeaderValue> {
    if incoming.is_empty() {
        return last.cloned();
    }
    match last.and_then(|peer| peer.to_str().ok()) {
        Some(peer) => HeaderValue::try_from(format!("{incoming}, {peer}")).ok(),
        None => HeaderValue::try_from(incoming).ok(),
    }
}

/// Takes out the other forms, in every spelling: some servers read `_` as `-`. Most requests have
/// none, so they are looked for once and not removed one by one.
pub(super) fn remove_theirs(fields: &mut HeaderMap) {
    let theirs: Vec<HeaderName> =
        fields.keys().filter(|name| is_theirs(name.as_str())).cloned().collect();
    for name in theirs {
        fields.remove(name);
    }
}

pub(super) fn is_theirs(name: &str) -> bool {
    OTHERS.has(name) && ![FOR, PROTO, HOST].iter().any(|ours| ours.as_str() == name)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Forwarded, names_two_visitors, set_forwarded, visitor};

    #[test]
    fn tries_are_counted_by_the_visitor_behind_trusted_proxies() {
        for (chain, hops, expected, why) in [
            ("198.51.100.4", 0, "203.0.113.7", "nobody is trusted"),
            ("198.51.100.4", 1, "198.51.100.4", "the proxy's word"),
            ("192.0.2.1, 198.51.100.4", 1, "198.51.100.4", "what a client wrote is to the left"),
            ("192.0.2.1, 198.51.100.4", 2, "192.0.2.1", "two proxies"),
            ("198.51.100.4:51234", 1, "198.51.100.4", "with a port"),
            ("[2001:db8::1]:443", 1, "2001:db8::1", "with a port, IPv6"),
            ("198.51.100.4", 2, "203.0.113.7", "too short"),
            ("unknown", 1, "203.0.113.7", "no address"),
            ("::ffff:198.51.100.4", 1, "198.51.100.4", "mapped"),
        ] {
            let mut fields = HeaderMap::new();
            fields.append("x-forwarded-for", HeaderValue::from_static(chain));
            let peer = "203.0.113.7".parse().unwrap();
            assert_eq!(visitor(&fields, peer, hops).to_string(), expected, "{why}");
        }
    }

    /// A proxy that writes `Forwarded` passes a client's own `X-Forwarded-For` on, and the other way.
    #[test]
    fn a_chain_that_another_one_contradicts_is_nobody_s_word() {
        for (chain, forwarded, hops, expected, why) in [
            ("192.0.2.1", "for=198.51.100.4", 1, "203.0.113.7", "they contradict each other"),
            ("198.51.100.4", "for=198.51.100.4", 1, "198.51.100.4", "both say the same"),
            ("192.0.2.1, 198.51.100.4", "for=\"198.51.100.4:80\"", 1, "198.51.100.4", "the same"),
            ("192.0.2.1", "for=198.51.100.5, for=198.51.100.4", 2, "198.51.100.5", "too short"),
            ("198.51.100.5, 198.51.100.4", "for=192.0.2.1", 2, "198.51.100.5", "too short"),
            ("unknown", "for=198.51.100.4", 1, "203.0.113.7", "hidden is not the same"),
            ("192.0.2.1", "for=_hidden", 1, "203.0.113.7", "nor the other way"),
        ] {
            let mut fields = HeaderMap::new();
            fields.append("x-forwarded-for", HeaderValue::from_static(chain));
            fields.append("forwarded", HeaderValue::from_static(forwarded));
            let peer = "203.0.113.7".parse().unwrap();
            assert_eq!(visitor(&fields, peer, hops).to_string(), expected, "{why}");
            let is_nobodys = expected == "203.0.113.7";
            assert_eq!(names_two_visitors(&fields, hops), is_nobodys, "told of: {why}");
            assert!(!names_two_visitors(&fields, 0), "nobody is trusted: {why}");
        }
    }

    fn shaped(given: &[(&str, &str)], trusted_hops: u32, skip_append: bool) -> String {
        let mut fields = HeaderMap::new();
        for (name, value) in given {
            fields.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let authority = HeaderValue::from_static("tv.example");
        let peer = HeaderValue::from_static("203.0.113.7");
        set_forwarded(
            &mut fields,
            Forwarded { peer: &peer, authority: Some(&authority), trusted_hops, skip_append },
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
        let forwarded =
            Forwarded { peer: &peer, authority: None, trusted_hops: 1, skip_append: false };
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
                &[("x-forwarded-proto", "javascript")],
                1,
                false,
                ours,
                "a hop is believed to have spoken `http` or `https`",
            ),
            (
                &[("x-forwarded-for", "garbage, 198.51.100.4")],
                1,
                false,
                "x-forwarded-for: 198.51.100.4, 203.0.113.7|x-forwarded-host: tv.example|x-forwarded-proto: https",
                "what cannot be read is left out",
            ),
            (
                &[("x-forwarded-for", "198.51.100.4:51234")],
                1,
                false,
                "x-forwarded-for: 198.51.100.4, 203.0.113.7|x-forwarded-host: tv.example|x-forwarded-proto: https",
                "a port is no part of an address",
            ),
            (
                &[("x-forwarded-for", "[2001:db8::1]:443, 2001:db8::2, \"[2001:db8::3]\"")],
                1,
                false,
                "x-forwarded-for: 2001:db8::1, 2001:db8::2, 2001:db8::3, 203.0.113.7|x-forwarded-host: tv.example|x-forwarded-proto: https",
                "brackets and quotes neither",
            ),
            (
                &[("forwarded", "for=\"[2001:db8::1]:80\";proto=https, for=198.51.100.4")],
                1,
                false,
                "x-forwarded-for: 2001:db8::1, 198.51.100.4, 203.0.113.7|x-forwarded-host: tv.example|x-forwarded-proto: https",
                "RFC 7239",
            ),
            (
                &[("x-forwarded-for", "198.51.100.4:http, 198.51.100.5:99999")],
                1,
                false,
                ours,
                "garbage still goes",
            ),
            (
                &[
                    ("x.real.ip", "1.1.1.1"),
                    ("true-client-ip", "1.1.1.1"),
                    ("x-forwarded-client-cert", "x"),
                ],
                0,
                false,
                ours,
                "every form of it",
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
