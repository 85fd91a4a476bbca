//! WebSockets: by `Upgrade` on HTTP/1.1 (RFC 6455), by extended CONNECT on HTTP/2 (RFC 8441).

use aws_lc_rs::digest;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue, header};

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455 §1.3

/// What the upstream has to answer to a WebSocket handshake.
#[derive(Debug)]
pub struct Handshake {
    /// The one right value of `Sec-WebSocket-Accept`; empty where the client gave no key, so that
    /// no answer is right.
    pub accept: HeaderValue,
}

/// Whose `Sec-WebSocket-Key` the upstream gets.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    /// The client's.
    Sent,
    /// One of ours of these octets: an extended CONNECT has none (RFC 8441 §5).
    Made([u8; 16]),
}

/// Writes the fields that ask the upstream to upgrade, after hop-by-hop fields were removed.
pub fn upstream_fields(fields: &mut HeaderMap, key: Key) -> Handshake {
    fields.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let as_value = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    if let Key::Made(nonce) = key {
        let key = as_value(&BASE64_STANDARD.encode(nonce));
        fields.insert(header::SEC_WEBSOCKET_KEY, key);
        fields.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    let mut keys = fields.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let key = keys.next().filter(|_| keys.next().is_none());
    Handshake {
        accept: key
            .map_or(HeaderValue::from_static(""), |key| as_value(&accept_key(key.as_bytes()))),
    }
}

/// `Sec-WebSocket-Accept` for a key (RFC 6455 §4.2.2).
pub fn accept_key(key: &[u8]) -> String {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(GUID);
    BASE64_STANDARD.encode(context.finish())
}

#[cfg(test)]
mod tests {
    use super::accept_key;

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
