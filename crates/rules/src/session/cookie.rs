use std::{
    fmt::Write,
    time::{Duration, UNIX_EPOCH},
};

use crate::{
    names::Host,
    plan::{CookiePolicy, SameSite},
    time::UnixTime,
};

/// How long a cookie lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieLife {
    /// Until then: `Expires`, as Pomerium writes it for sessions.
    Until(UnixTime),
    /// So long from `now` on: `Expires` and `Max-Age`.
    For(Duration),
    /// No longer: `Max-Age=0` and an `Expires` an hour ago.
    Over,
}

/// One `Set-Cookie` field. Always `Secure` and `Path=/`.
#[derive(Clone, Copy, Debug)]
pub struct SetCookie<'a> {
    /// The name.
    pub name: &'a str,
    /// The value; written as empty when the life is over.
    pub value: &'a str,
    /// The `Domain` attribute.
    pub domain: Option<&'a Host>,
    /// How long.
    pub life: CookieLife,
    /// The `HttpOnly` attribute.
    pub http_only: bool,
    /// The `SameSite` attribute.
    pub same_site: Option<SameSite>,
}

impl<'a> SetCookie<'a> {
    /// The session cookies of a host: its own, and the one of `cookie_domain` where that is set.
    /// Once it is over, the plain name goes in any case: an older version may have set it.
    pub fn session(
        policy: &'a CookiePolicy,
        value: &'a str,
        life: CookieLife,
    ) -> impl Iterator<Item = Self> {
        let shared = policy.domain.is_some() || life == CookieLife::Over;
        let plain = Self {
            name: &policy.name,
            domain: policy.domain.as_ref(),
            ..Self::of_host(policy, &policy.host_name, value, life)
        };
        let own = Self::of_host(policy, &policy.host_name, value, life);
        [Some(own), Some(plain).filter(|plain| shared && plain.name != own.name)]
            .into_iter()
            .flatten()
    }

    /// A cookie with which a host knows somebody, of this name; it goes to no other host.
    pub fn of_host(policy: &CookiePolicy, name: &'a str, value: &'a str, life: CookieLife) -> Self {
        Self {
            name,
            value,
            domain: None,
            life,
            http_only: policy.http_only,
            // What browsers do without it differs, and lets a minute of cross-site posts in.
            same_site: policy.same_site.or(Some(SameSite::Lax)),
        }
    }

    /// A cookie of our own that lives for one sign-in: host-only, out of reach of scripts.
    pub const fn flow(
        name: &'a str,
        value: &'a str,
        same_site: SameSite,
        life: CookieLife,
    ) -> Self {
        Self { name, value, domain: None, life, http_only: true, same_site: Some(same_site) }
    }

    /// The field's value, attributes in the order that Pomerium was seen to write them.
    pub fn to_field(&self, now: UnixTime) -> String {
        let (value, expires, max_age) = match self.life {
            CookieLife::Until(end) => (self.value, end, None),
            CookieLife::For(span) => (self.value, now.plus(span), Some(span.as_secs())),
            CookieLife::Over => ("", now.minus(Duration::from_secs(3600)), Some(0)),
        };
        let mut field = format!("{}={value}; Path=/", self.name);
        // Writing to a String can't fail.
        if let Some(domain) = self.domain {
            let _ = write!(field, "; Domain={domain}");
        }
        let _ = write!(field, "; Expires={}", imf_fixdate(expires));
        if let Some(seconds) = max_age {
            let _ = write!(field, "; Max-Age={seconds}");
        }
        if self.http_only {
            field.push_str("; HttpOnly");
        }
        field.push_str("; Secure");
        match self.same_site {
            None => {}
            Some(SameSite::Strict) => field.push_str("; SameSite=Strict"),
            Some(SameSite::Lax) => field.push_str("; SameSite=Lax"),
            Some(SameSite::None) => field.push_str("; SameSite=None"),
        }
        field
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7); the end of 9999 is the latest.
fn imf_fixdate(time: UnixTime) -> String {
    const LAST: u64 = 253_402_300_799;
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(time.seconds().min(LAST)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CookieLife::*, SetCookie};
    use crate::{
        names::Host,
        plan::{CookiePolicy, SameSite},
        time::UnixTime,
    };

    #[test]
    fn fields() {
        let plain = CookiePolicy {
            name: "_pomerium".into(),
            host_name: "__Host-_pomerium".into(),
            domain: None,
            http_only: true,
            same_site: None,
            expire: Duration::from_secs(14 * 3600),
        };
        let full = CookiePolicy {
            domain: Some(Host::parse("example.com").unwrap()),
            http_only: false,
            same_site: Some(SameSite::None),
            ..plain.clone()
        };
        let now = UnixTime::from_seconds(784_111_777);
        for (policy, life, expected) in [
            (
                &plain,
                Until(now),
                &["__Host-_pomerium=v; Path=/; Expires=Sun, 06 Nov 1994 08:49:37 GMT; HttpOnly; \
                   Secure; SameSite=Lax"][..],
            ),
            (
                &plain,
                Over,
                &[
                    "__Host-_pomerium=; Path=/; Expires=Sun, 06 Nov 1994 07:49:37 GMT; Max-Age=0; \
                     HttpOnly; Secure; SameSite=Lax",
                    "_pomerium=; Path=/; Expires=Sun, 06 Nov 1994 07:49:37 GMT; Max-Age=0; \
                     HttpOnly; Secure; SameSite=Lax",
                ],
            ),
            (
                &full,
                For(Duration::from_secs(60)),
                &[
                    "__Host-_pomerium=v; Path=/; Expires=Sun, 06 Nov 1994 08:50:37 GMT; \
                     Max-Age=60; Secure; SameSite=None",
                    "_pomerium=v; Path=/; Domain=example.com; Expires=Sun, 06 Nov 1994 08:50:37 GMT; \
                     Max-Age=60; Secure; SameSite=None",
                ],
            ),
        ] {
            let fields: Vec<_> =
                SetCookie::session(policy, "v", life).map(|cookie| cookie.to_field(now)).collect();
            assert_eq!(fields, expected);
        }
        let late = SetCookie::of_host(&plain, "n", "v", Until(UnixTime::MAX)).to_field(now);
        assert!(late.contains("31 Dec 9999"), "{late}");
    }
}
