//! Header fields: nothing that was taken out is left in another spelling or line.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use usher_rules::fields;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

/// A field whose lines are the lines of the input.
fn lines(name: HeaderName, input: &[u8]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in input.split(|octet| *octet == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            map.append(name.clone(), value);
        }
    }
    map
}

/// Fields of `name: value` lines.
fn named(input: &[u8]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in input.split(|octet| *octet == b'\n') {
        let Some(at) = line.iter().position(|octet| *octet == b':') else { continue };
        let (name, value) = line.split_at(at);
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value[1..].trim_ascii()))
        {
            map.append(name, value);
        }
    }
    map
}

pub fn cookies(input: &[u8]) {
    let mut map = lines(header::COOKIE, input);
    fields::join_cookies(&mut map);
    assert!(map.get_all(header::COOKIE).iter().count() <= 1, "one field (RFC 9113 §8.2.3)");
    fields::remove_cookie(&mut map, "_pomerium");
    for value in map.get_all(header::COOKIE) {
        for pair in value.as_bytes().split(|octet| *octet == b';') {
            let name = pair.split(|octet| *octet == b'=').next().unwrap_or_default();
            assert_ne!(name.trim_ascii(), b"_pomerium", "{value:?}");
        }
    }
    let mut map = lines(header::SET_COOKIE, input);
    fields::remove_set_cookie(&mut map, "_pomerium");
    for value in map.get_all(header::SET_COOKIE) {
        let name = value.as_bytes().split(|octet| matches!(octet, b'=' | b';')).next();
        assert_ne!(name.unwrap_or_default().trim_ascii(), b"_pomerium", "{value:?}");
    }
}

pub fn forwarded(input: &[u8]) {
    for name in ["x-forwarded-for", "forwarded"] {
        let map = lines(HeaderName::from_static(name), input);
        assert_eq!(fields::visitor(&map, PEER, 0), PEER, "nobody is trusted");
        for hops in [1, 2, u32::MAX] {
            let visitor = fields::visitor(&map, PEER, hops);
            assert_eq!(visitor, visitor.to_canonical());
        }
        for trusted_hops in [0, 1] {
            let mut map = map.clone();
            let forwarded = fields::Forwarded {
                peer: &HeaderValue::from_static("192.0.2.7"),
                authority: None,
                trusted_hops,
                skip_append: false,
            };
            fields::set_forwarded(&mut map, forwarded);
            let chain = map.get("x-forwarded-for").and_then(|chain| chain.to_str().ok());
            let chain = chain.expect("there is always a chain");
            assert!(chain.split(", ").all(|hop| hop.parse::<IpAddr>().is_ok()), "{chain}");
            assert!(chain.ends_with("192.0.2.7"), "{chain}");
            assert!(trusted_hops > 0 || chain == "192.0.2.7", "{chain}");
        }
    }
}

pub fn negotiation(input: &[u8]) {
    let accept = lines(header::ACCEPT, input);
    let _ = fields::preference(&accept);
    let map = named(input);
    for method in [Method::GET, Method::POST] {
        let reader = fields::reader(&method, &map);
        let _ = fields::error_form(reader, &map);
    }
    let _ = fields::is_page_load(&map);
}

pub fn hop_by_hop(input: &[u8]) {
    let mut map = lines(header::CONNECTION, input);
    map.insert("x-own", HeaderValue::from_static("kept unless named"));
    let named = map.get_all(header::CONNECTION).iter().any(|line| {
        let mut options = line.as_bytes().split(|octet| *octet == b',');
        options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"x-own"))
    });
    let _ = fields::wants_websocket(&map);
    fields::remove_hop_by_hop(&mut map);
    assert!(!map.contains_key(header::CONNECTION));
    assert!(!named || !map.contains_key("x-own"), "RFC 9110 §7.6.1");
    let mut lengths = lines(header::CONTENT_LENGTH, input);
    if fields::one_length(&mut lengths).is_ok() {
        assert!(lengths.get_all(header::CONTENT_LENGTH).iter().count() <= 1);
    }
}

pub fn trailers(input: &[u8]) {
    let mut map = HeaderMap::new();
    for name in input.split(|octet| matches!(octet, b'\n' | b':')) {
        if let Ok(name) = HeaderName::from_bytes(name.trim_ascii()) {
            map.append(name, HeaderValue::from_static("x"));
        }
    }
    let owned = [HeaderName::from_static("x-auth-user")];
    fields::clean_trailers(&mut map, &[], owned.iter());
    for name in map.keys() {
        let plain = name.as_str().replace(['_', '.'], "-");
        assert!(!plain.starts_with("x-pomerium-") && plain != "x-auth-user", "{name}");
        assert!(
            !["host", "content-length", "cookie", "authorization"].contains(&&*plain),
            "{name}"
        );
    }
}
