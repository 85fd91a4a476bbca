//! `allow_websocket_origins`: who else may open a socket on a route.

use super::Compiler;
use crate::{config::keys::route, names::Authority, problem::Problem};

impl Compiler<'_> {
    /// Origins as browsers write them: `https://host`, `http://host:port`, `null`, `file://`.
    pub(super) fn socket_origins(&mut self) -> Vec<Box<str>> {
        let mut origins = Vec::new();
        for item in self.keys.value(&route::ALLOW_WEBSOCKET_ORIGINS) {
            match as_browsers_write(&item.text) {
                Some(origin) => origins.push(origin),
                None => self.report(Problem::error(
                    "U518",
                    item.at.clone(),
                    format!("`{}` is no origin", item.text),
                    "write it as browsers do: `https://HOST` or `https://HOST:PORT`, without path; or `null`",
                )),
            }
        }
        origins
    }
}

/// The ASCII serialisation of an origin (RFC 6454 §6.2), or what apps without one send.
fn as_browsers_write(text: &str) -> Option<Box<str>> {
    if matches!(text, "null" | "file://") {
        return Some(text.into());
    }
    let (scheme, authority) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let is_scheme =
        !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let Authority { host, port } = Authority::parse(authority).ok().filter(|_| is_scheme)?;
    let default = match &*scheme {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    };
    let port = port.filter(|port| Some(*port) != default);
    let origin = Authority { host, port };
    Some(format!("{scheme}://{origin}").into())
}

#[cfg(test)]
mod tests {
    use super::as_browsers_write;

    /// What stands in `Origin` is compared with it octet by octet.
    #[test]
    fn an_origin_is_written_as_browsers_do() {
        for (given, expected) in [
            ("https://TV.example", Some("https://tv.example")),
            ("HTTPS://tv.example:443", Some("https://tv.example")),
            ("http://tv.example:80", Some("http://tv.example")),
            ("https://tv.example:80", Some("https://tv.example:80")),
            ("http://tv.example:443", Some("http://tv.example:443")),
            ("moz-extension://abc", Some("moz-extension://abc")),
            ("null", Some("null")),
            ("file://", Some("file://")),
            ("tv.example", None),
            ("://tv.example", None),
            ("a b://tv.example", None),
            ("https://tv.example/x", None),
        ] {
            assert_eq!(as_browsers_write(given).as_deref(), expected, "{given}");
        }
    }
}
