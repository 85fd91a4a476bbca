use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Fields that mean something for one connection only (RFC 9110 §7.6.1). No `const`: each use of one
/// makes ten names, and drops them.
static HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    header::TE,
];

/// How long their names are, a bit for each length: most names are told to be none of them by that.
const LENGTHS: u32 =
    1 << 2 | 1 << 7 | 1 << 10 | 1 << 14 | 1 << 16 | 1 << 17 | 1 << 18 | 1 << 19 | 1 << 25;

/// Drops what must not cross the proxy: hop-by-hop fields and whatever `Connection` nominates.
///
/// `Connection` can't remove `host` or `content-length`; what it nominates beside them was the
/// client's own, since ours is added afterwards (the bypass `Connection: x-pomerium-email`).
/// `TE: trailers` stays, every other `TE` goes (RFC 9110 §10.1.4).
pub fn remove_hop_by_hop(fields: &mut HeaderMap) {
    // Most heads have none of them, and to look at a name costs less than to look one up.
    let present = fields.keys().filter_map(index).fold(0_u16, |present, at| present | 1 << at);
    if present == 0 {
        return;
    }
    let has = |name: &HeaderName| index(name).is_some_and(|at| present & 1 << at != 0);
    let trailers = has(&header::TE) && has_token(fields, &header::TE, "trailers");
    if has(&header::CONNECTION) {
        for name in nominated(fields) {
            fields.remove(name);
        }
    }
    for (at, name) in HOP_BY_HOP.iter().enumerate() {
        if present & 1 << at != 0 {
            fields.remove(name);
        }
    }
    if trailers {
        fields.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// Does the list have that name?
pub(super) fn is_listed(name: &str) -> bool {
    has_length(name) && HOP_BY_HOP.iter().any(|listed| listed == name)
}

/// Where a name stands in the list.
fn index(name: &HeaderName) -> Option<usize> {
    let is_one = |listed: &HeaderName| listed == name;
    has_length(name.as_str()).then(|| HOP_BY_HOP.iter().position(is_one)).flatten()
}

fn has_length(name: &str) -> bool {
    name.len() < 32 && LENGTHS & 1 << name.len() != 0
}

fn nominated(fields: &HeaderMap) -> Vec<HeaderName> {
    elements(fields, &header::CONNECTION)
        .filter(|option| !option.eq_ignore_ascii_case(b"keep-alive")) // it goes by the list
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .filter(|name| {
            *name != header::HOST && *name != header::CONTENT_LENGTH && *name != header::TE
        })
        .collect()
}

/// Does this HTTP/1.1 request ask to become a WebSocket (RFC 6455 §4.1)?
pub fn wants_websocket(fields: &HeaderMap) -> bool {
    has_token(fields, &header::UPGRADE, "websocket")
        && has_token(fields, &header::CONNECTION, "upgrade")
}

/// Does the head ask to carry UDP (RFC 9298 §3.2)? Beside another protocol it asks for nothing sure.
pub fn wants_udp(fields: &HeaderMap) -> bool {
    let mut asked = elements(fields, &header::UPGRADE);
    let first = asked.next().is_some_and(|asked| asked.eq_ignore_ascii_case(b"connect-udp"));
    first && asked.next().is_none() && has_token(fields, &header::CONNECTION, "upgrade")
}

fn has_token(fields: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    elements(fields, name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// The elements of a list (RFC 9110 §5.6.1). One that is no text must not hide its neighbours.
pub fn elements<'f>(fields: &'f HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'f [u8]> {
    let lines = fields.get_all(name).into_iter();
    lines.flat_map(|line| line.as_bytes().split(|octet| *octet == b',')).map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{HOP_BY_HOP, LENGTHS, has_length, remove_hop_by_hop, wants_websocket};

    fn map(lines: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines.split('|').filter_map(|line| line.split_once(": ")) {
            map.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        map
    }

    #[test]
    fn every_name_of_the_list_has_its_length_and_no_length_is_left_over() {
        assert!(HOP_BY_HOP.iter().all(|name| has_length(name.as_str())));
        let lengths = HOP_BY_HOP.iter().fold(0, |all, name| all | 1 << name.as_str().len());
        assert_eq!(LENGTHS, lengths);
        assert!(!has_length(&"x".repeat(34)), "2, were it counted from 32 on");
    }

    #[test]
    fn what_crosses() {
        for (given, expected, why) in [
            ("host: a|accept: b", "host: a|accept: b", "end-to-end fields cross"),
            ("connection: close, x-a|x-a: 1|x-b: 2", "x-b: 2", "nominated fields go"),
            ("connection: host|host: a", "host: a", "the host stays"),
            (
                "connection: content-length|content-length: 3",
                "content-length: 3",
                "so does the length",
            ),
            ("connection: X-A|connection: x-b|x-a: 1|x-b: 2", "", "every line of it counts"),
            ("connection: é, x-a|x-a: 1", "", "an option that is no text hides no other"),
            ("te: trailers, deflate", "te: trailers", "trailers is all that may be asked for"),
            ("te: deflate", "", "other codings are for one hop"),
            ("upgrade: h2c|http2-settings: AA|keep-alive: 1", "", "hop by hop"),
            ("proxy-authorization: Basic x|proxy-connection: close", "", "meant for us"),
        ] {
            let mut fields = map(given);
            remove_hop_by_hop(&mut fields);
            assert_eq!(fields, map(expected), "{given}: {why}");
        }
    }

    #[test]
    fn websocket() {
        for (given, expected) in [
            ("upgrade: websocket|connection: Upgrade", true),
            ("upgrade: WebSocket|connection: keep-alive, upgrade", true),
            ("upgrade: websocket", false),
            ("upgrade: h2c|connection: upgrade", false),
            ("connection: upgrade", false),
        ] {
            assert_eq!(wants_websocket(&map(given)), expected, "{given}");
        }
    }
}
