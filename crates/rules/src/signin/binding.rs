use std::time::Duration;

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::HeaderMap;

use crate::{session::all_cookies, time::UnixTime};

/// How many sign-ins one browser may have under way on one host; the oldest give way.
pub const BINDINGS_PER_BROWSER: usize = 32;

/// What a [`BrowserBinding`] is for; each has cookies of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingUse {
    /// The way from a route's host to the authenticate host and back.
    Hop,
    /// The form of the built-in provider.
    Form,
}

/// Ties a sign-in to the browser that began it: the URL names the digest, the cookie holds what
/// was digested. Without it a callback link signs in whoever opens it (login CSRF).
///
/// One cookie per sign-in, so that tabs don't disturb each other. The `__Host-` prefix keeps
/// sibling domains from setting it (RFC 6265bis §4.1.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserBinding {
    /// The digest: what the URL says.
    pub id: Box<str>,
    /// The cookie's value: the second in which it began, and random bytes.
    pub value: Box<str>,
}

impl BrowserBinding {
    /// A new one.
    pub fn new(random: [u8; 16], now: UnixTime) -> Self {
        let value = format!("{}.{}", now.seconds(), BASE64_URL_SAFE_NO_PAD.encode(random));
        Self { id: id_of(&value), value: value.into() }
    }

    /// What the names of its cookies begin with: the session cookie's name, so that what keeps
    /// that one from apps keeps these too.
    pub fn cookie_prefix(session_cookie: &str, what_for: BindingUse) -> String {
        match what_for {
            BindingUse::Hop => format!("__Host-{session_cookie}_flow_"),
            BindingUse::Form => format!("__Host-{session_cookie}_form_"),
        }
    }

    /// The name of the cookie for `id`.
    pub fn cookie_name(session_cookie: &str, what_for: BindingUse, id: &str) -> String {
        format!("{}{id}", Self::cookie_prefix(session_cookie, what_for))
    }

    /// How long a sign-in may take in a browser. Longer than one at a provider may, and than a
    /// form may stay open.
    pub const LIFE: Duration = Duration::from_secs(2 * 3600);

    /// Did this browser begin `id`, and not longer ago than [`Self::LIFE`]? A browser deletes its
    /// cookie by then; whoever copied it does not.
    pub fn is_held(
        fields: &HeaderMap,
        session_cookie: &str,
        what_for: BindingUse,
        id: &str,
        now: UnixTime,
    ) -> bool {
        let name = Self::cookie_name(session_cookie, what_for, id);
        all_cookies(fields).any(|(found, value)| {
            found == name.as_bytes() && *id_of(&value) == *id && is_young(&value, now)
        })
    }
}

/// Names of the cookies with this prefix that have to give way before another one is set, oldest
/// first: their values begin with the second in which they began or end, and a dot.
pub fn surplus_cookies(fields: &HeaderMap, prefix: &str) -> Vec<String> {
    surplus_beyond(fields, prefix, BINDINGS_PER_BROWSER)
}

/// The same for `most` cookies.
pub(super) fn surplus_beyond(fields: &HeaderMap, prefix: &str, most: usize) -> Vec<String> {
    let mut held: Vec<(u64, String)> = all_cookies(fields)
        .filter(|(name, _)| name.starts_with(prefix.as_bytes()))
        .map(|(name, value)| {
            let second = value.split('.').next().and_then(|seconds| seconds.parse().ok());
            (second.unwrap_or(0), String::from_utf8_lossy(name).into_owned())
        })
        .collect();
    held.sort();
    let surplus = (held.len() + 1).saturating_sub(most);
    held.into_iter().take(surplus).map(|(_, name)| name).collect()
}

/// The value begins with the second in which it began, and is as digested as the rest.
fn is_young(value: &str, now: UnixTime) -> bool {
    let second = value.split('.').next().and_then(|seconds| seconds.parse().ok());
    second.is_some_and(|at| now.is_within(BrowserBinding::LIFE, UnixTime::from_seconds(at)))
}

fn id_of(value: &str) -> Box<str> {
    let digest = digest::digest(&digest::SHA256, value.as_bytes());
    let half = digest.as_ref().get(..16).unwrap_or_default(); // 128 bits are enough
    BASE64_URL_SAFE_NO_PAD.encode(half).into()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header::COOKIE};

    use super::{BINDINGS_PER_BROWSER, BindingUse, BrowserBinding, surplus_cookies};
    use crate::time::UnixTime;

    fn fields(cookies: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, cookies.parse().unwrap())])
    }

    /// T4: the callback needs the browser that began.
    #[test]
    fn t4_only_the_browser_that_began_holds_it() {
        let ours = BrowserBinding::new([1; 16], UnixTime::from_seconds(100));
        let theirs = BrowserBinding::new([2; 16], UnixTime::from_seconds(100));
        let name = BrowserBinding::cookie_name("_pomerium", BindingUse::Hop, &ours.id);
        for (cookies, held, why) in [
            (format!("{name}={}", ours.value), true, "this browser"),
            ("x=1".into(), false, "another browser"),
            (format!("{name}={}", theirs.value), false, "another secret under the name"),
            (format!("_pomerium_flow_{}={}", ours.id, ours.value), false, "without the prefix"),
        ] {
            let held_at = |second| {
                let (fields, now) = (fields(&cookies), UnixTime::from_seconds(second));
                BrowserBinding::is_held(&fields, "_pomerium", BindingUse::Hop, &ours.id, now)
            };
            assert_eq!(held_at(7299), held, "{why}");
            assert!(!held_at(7300), "{why}: two hours later");
        }
    }

    #[test]
    fn twenty_tabs_fit_and_a_flood_does_not() {
        let surplus = |fields: &HeaderMap| {
            surplus_cookies(fields, &BrowserBinding::cookie_prefix("_pomerium", BindingUse::Hop))
        };
        let cookies = |count: usize| {
            let cookies: Vec<_> = (0..count)
                .map(|i| {
                    let second = UnixTime::from_seconds(1000 - i as u64);
                    let one = BrowserBinding::new([i as u8; 16], second);
                    format!(
                        "{}={}",
                        BrowserBinding::cookie_name("_pomerium", BindingUse::Hop, &one.id),
                        one.value
                    )
                })
                .collect();
            fields(&cookies.join("; "))
        };
        for (held, expected) in
            [(0, 0), (20, 0), (BINDINGS_PER_BROWSER - 1, 0), (BINDINGS_PER_BROWSER, 1), (40, 9)]
        {
            assert_eq!(surplus(&cookies(held)).len(), expected, "{held}");
        }
        let oldest = BrowserBinding::new([31; 16], UnixTime::from_seconds(969));
        let expected = BrowserBinding::cookie_name("_pomerium", BindingUse::Hop, &oldest.id);
        assert_eq!(surplus(&cookies(32)), [expected], "the oldest goes");
    }
}
