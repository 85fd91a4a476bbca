use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::HeaderMap;

use crate::session::{all_cookies, cookies};

/// A page whose address is too long to travel through a sign-in, which passes cookies of 4 KiB
/// (RFC 6265 §6.1) and servers of others. It waits in cookies of the host that it is on, and a
/// short address travels in its place.
#[derive(Debug)]
pub struct DeepLink;

impl DeepLink {
    /// Longest address that travels as it is, in octets.
    pub const TRAVELS: usize = 1024;
    /// How long it waits.
    pub const LIFE: Duration = Duration::from_secs(2 * 3600);
    /// Where it is picked up again; its id follows.
    pub const PATH: &str = "/.pomerium/deep_link/";

    const PIECE: usize = 3000;
    const PIECES: usize = 3;

    /// What the names of its cookies begin with.
    pub fn cookie_prefix(session_cookie: &str) -> String {
        format!("__Host-{session_cookie}_deep_")
    }

    /// Names and values of the cookies in which `target` waits; none when it is too long for them.
    pub fn cookies(session_cookie: &str, id: &str, target: &str) -> Vec<(String, String)> {
        let text = BASE64_URL_SAFE_NO_PAD.encode(target);
        if text.len() > Self::PIECE * Self::PIECES {
            return Vec::new();
        }
        let prefix = Self::cookie_prefix(session_cookie);
        let pieces = text.as_bytes().chunks(Self::PIECE).zip(0..);
        let named = pieces.map(|(piece, n)| {
            (format!("{prefix}{id}_{n}"), String::from_utf8_lossy(piece).into_owned())
        });
        named.collect()
    }

    /// What waits under `id` in this browser.
    pub fn target(fields: &HeaderMap, session_cookie: &str, id: &str) -> Option<String> {
        let prefix = Self::cookie_prefix(session_cookie);
        let names: Vec<_> = (0..Self::PIECES).map(|n| format!("{prefix}{id}_{n}")).collect();
        let text: String = names.iter().filter_map(|name| cookies(fields, name).next()).collect();
        let target = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        String::from_utf8(target).ok().filter(|target| !target.is_empty())
    }

    /// The names of all that wait in this browser.
    pub fn waiting(fields: &HeaderMap, session_cookie: &str) -> Vec<String> {
        let prefix = Self::cookie_prefix(session_cookie);
        all_cookies(fields)
            .filter(|(name, _)| name.starts_with(prefix.as_bytes()))
            .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header::COOKIE};

    use super::DeepLink;

    #[test]
    fn what_waits_is_found_again_and_what_is_too_long_is_not_kept() {
        for (octets, kept) in [(1, true), (3000, true), (6000, true), (6750, true), (6751, false)] {
            let target = format!("/{}", "x".repeat(octets - 1));
            let cookies = DeepLink::cookies("_pomerium", "id", &target);
            assert!(cookies.iter().all(|(name, value)| name.len() + value.len() < 4096));
            // A sibling site can set none of them (RFC 6265bis §4.1.3.2).
            assert!(cookies.iter().all(|(name, _)| name.starts_with("__Host-_pomerium_deep_")));
            let names: Vec<_> = cookies.iter().map(|(name, _)| name.clone()).collect();
            let mut fields =
                HeaderMap::from_iter([(COOKIE, "__Host-_pomerium=x".parse().unwrap())]);
            for (name, value) in cookies {
                fields.append(COOKIE, format!("{name}={value}").parse().unwrap());
            }
            let found = DeepLink::target(&fields, "_pomerium", "id");
            assert_eq!(found, kept.then_some(target), "{octets}");
            assert_eq!(
                DeepLink::waiting(&fields, "_pomerium"),
                names,
                "{octets}: all, and no more"
            );
            assert_eq!(DeepLink::target(&fields, "_pomerium", "other"), None);
        }
    }
}
