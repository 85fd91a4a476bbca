use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::HeaderMap;

use crate::{
    people::KnownDevice,
    session::{Keys, Purpose, all_cookies},
    time::UnixTime,
};

/// The cookie by which a browser is known to have signed somebody in before. It opens nothing: its
/// tries at that account are counted apart, so that nobody else can use them up.
///
/// One for each person that a browser has signed in; `__Host-`, sealed, and bound to its own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCookie {
    /// Its name.
    pub name: String,
    /// Its value: the second in which it was made, a dot, and the sealed address.
    pub value: String,
}

impl DeviceCookie {
    /// How long a browser is known after a sign-in: what browsers keep a cookie for at most
    /// (RFC 6265bis §5.5).
    pub const LIFE: Duration = Duration::from_secs(400 * 24 * 3600);
    /// How many people's a browser holds.
    pub const MOST: usize = 8;

    /// For `device`; `nonce` is fresh random bytes.
    pub fn new(
        keys: &Keys,
        session_cookie: &str,
        device: &KnownDevice,
        nonce: [u8; 12],
        now: UnixTime,
    ) -> Self {
        let id = BASE64_URL_SAFE_NO_PAD.encode(device.id);
        let name = format!("{}{id}", prefix(session_cookie));
        let second = now.seconds();
        let bound_to = format!("{name}={second}");
        let email = device.email.as_bytes();
        let sealed = keys.seal(Purpose::BrowserFlow, bound_to.as_bytes(), email, nonce);
        Self { name, value: format!("{second}.{sealed}") }
    }

    /// Who has signed in before with the browser that sent `fields`.
    pub fn held(
        keys: &Keys,
        session_cookie: &str,
        fields: &HeaderMap,
        now: UnixTime,
    ) -> Vec<KnownDevice> {
        let prefix = prefix(session_cookie);
        let ours = all_cookies(fields).filter(|(name, _)| name.starts_with(prefix.as_bytes()));
        // More are no browser's of ours; each costs work.
        ours.take(2 * Self::MOST)
            .filter_map(|(name, value)| opened(keys, &prefix, name, &value, now))
            .collect()
    }

    /// The names that have to give way before another person's is set, oldest first.
    pub fn surplus(fields: &HeaderMap, session_cookie: &str) -> Vec<String> {
        super::binding::surplus_beyond(fields, &prefix(session_cookie), Self::MOST)
    }
}

/// The session cookie's name is in it, so that what keeps that one from apps keeps this one too.
fn prefix(session_cookie: &str) -> String {
    format!("__Host-{session_cookie}_device_")
}

fn opened(
    keys: &Keys,
    prefix: &str,
    name: &[u8],
    value: &str,
    now: UnixTime,
) -> Option<KnownDevice> {
    let name = std::str::from_utf8(name).ok()?;
    let id = BASE64_URL_SAFE_NO_PAD.decode(name.strip_prefix(prefix)?).ok()?.try_into().ok()?;
    let (second, sealed) = value.split_once('.')?;
    let bound_to = format!("{name}={second}");
    let email = keys.open(Purpose::BrowserFlow, bound_to.as_bytes(), sealed).ok()?;
    let made = UnixTime::from_seconds(second.parse().ok()?);
    let young = made <= now && now.since(made) <= DeviceCookie::LIFE;
    young.then_some(KnownDevice { email: String::from_utf8(email).ok()?.into(), id })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header::COOKIE};

    use super::DeviceCookie;
    use crate::{people::KnownDevice, secret::Secret, session::Keys, time::UnixTime};

    fn keys(n: u8) -> Keys {
        Keys::derive(&Secret::new([n; 32]), &Secret::new([n; 32])).unwrap()
    }

    fn fields(cookies: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, cookies.parse().unwrap())])
    }

    #[test]
    fn a_device_is_known_by_what_we_sealed_and_for_one_account() {
        const START: UnixTime = UnixTime::from_seconds(1_000);
        let ann = KnownDevice { email: "ann@example.com".into(), id: [1; 16] };
        let of = |n| DeviceCookie::new(&keys(n), "_pomerium", &ann, [7; 12], START);
        let DeviceCookie { name, value } = of(1);
        let (_, sealed) = value.split_once('.').unwrap();
        assert!(!value.contains("ann"), "{value}");
        let other = DeviceCookie::new(
            &keys(1),
            "_pomerium",
            &KnownDevice { email: "eve@example.com".into(), id: [2; 16] },
            [8; 12],
            START,
        );
        let life = DeviceCookie::LIFE.as_secs();
        for (cookies, second, known, why) in [
            (format!("{name}={value}"), 1_000, true, "as it was set"),
            (format!("{name}={value}"), 1_000 + life, true, "400 days later"),
            (format!("{name}={value}"), 1_001 + life, false, "and a second"),
            (format!("{name}={value}"), 999, false, "from the future"),
            (format!("{name}=2000.{sealed}"), 2_000, false, "made younger"),
            (format!("{}={value}", other.name), 1_000, false, "under another name"),
            (format!("{name}={}", of(2).value), 1_000, false, "with other keys"),
            (format!("{}={value}", &name["__Host-".len()..]), 1_000, false, "a sibling's"),
            ("x=1".into(), 1_000, false, "another browser"),
        ] {
            let now = UnixTime::from_seconds(second);
            let held = DeviceCookie::held(&keys(1), "_pomerium", &fields(&cookies), now);
            assert_eq!(held.contains(&ann), known, "{why}");
        }
        let two = fields(&format!("{name}={value}; {}={}", other.name, other.value));
        assert_eq!(DeviceCookie::held(&keys(1), "_pomerium", &two, START).len(), 2, "a family's");
        assert!(DeviceCookie::surplus(&two, "_pomerium").is_empty());
    }
}
