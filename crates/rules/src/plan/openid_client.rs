use std::{fmt, net::IpAddr};

use aws_lc_rs::{constant_time, digest};
use serde::{Deserialize, Serialize};

use crate::policy::Policy;

/// An app that asks us who somebody is: a client of our OpenID provider (`openid_clients`).
#[derive(Debug)]
pub struct OpenIdClient {
    /// `client_id`.
    pub id: Box<str>,
    /// How it shows that it is the one; `None` for a public client (RFC 6749 §2.1), which has PKCE
    /// alone.
    pub secret: Option<ClientSecret>,
    /// Where answers go.
    pub redirect_uris: Vec<RedirectUri>,
    /// Where somebody may be sent who signed out.
    pub post_logout_redirect_uris: Vec<Box<str>>,
    /// Where it is told that a session ended.
    pub logout: Option<ClientLogout>,
    /// Whatever else is asked for is left out.
    pub scopes: Scopes,
    /// Who may sign in to it.
    pub policy: Policy,
}

impl OpenIdClient {
    /// May somebody be sent there who signed out? As it was registered, with a `state` behind it at
    /// most (RP-Initiated Logout 1.0 §3).
    pub fn is_left_for(&self, url: &str) -> bool {
        self.post_logout_redirect_uris.iter().any(|registered| {
            let Some(rest) = url.strip_prefix(&**registered) else { return false };
            let joint = if registered.contains('?') { "&state=" } else { "?state=" };
            let state = |state: &str| !state.contains(['&', '#']) && state.is_ascii();
            rest.is_empty() || rest.strip_prefix(joint).is_some_and(state)
        })
    }
}

/// SHA-256 of a client's secret: all that is kept of it. Secrets are random, so that nobody finds one
/// by its digest.
#[derive(Clone, Copy)]
pub struct ClientSecret([u8; 32]);

impl ClientSecret {
    /// What a digest in the config begins with.
    pub const DIGEST: &str = "sha256:";

    /// Of the secret itself.
    pub fn of(secret: &[u8]) -> Self {
        let mut octets = [0; 32];
        octets.copy_from_slice(digest::digest(&digest::SHA256, secret).as_ref());
        Self(octets)
    }

    /// From 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut octets = [0; 32];
        if text.len() != 64 || !text.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return None;
        }
        for (octet, digits) in octets.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).ok()?;
            *octet = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Self(octets))
    }

    /// Is it this one? In time that tells nothing.
    pub fn is(&self, given: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &Self::of(given).0).is_ok()
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

/// An address to which answers may go, as it was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUri(Box<str>);

/// Why an address can't be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectUriError {
    /// It is no absolute address in visible ASCII.
    #[error("it is no absolute address")]
    NoAddress,
    /// RFC 6749 §3.1.2.
    #[error("it has a fragment, a name or a password in it")]
    NotBare,
    /// A pattern would let others in beside the app (RFC 9700 §4.1).
    #[error("it is compared as it stands: `*` is no pattern")]
    Pattern,
    /// Whoever is on the way would read the code.
    #[error("`http` is for `127.0.0.1`, `[::1]` and `localhost` alone")]
    NotEncrypted,
    /// RFC 8252 §7.1: else two apps could have the same one.
    #[error("a scheme of an app's own has a dot in it, as `com.example.app`")]
    Scheme,
}

impl RedirectUri {
    /// Registers an address.
    ///
    /// # Errors
    ///
    /// [`RedirectUriError`], one variant per rule.
    pub fn parse(text: &str) -> Result<Self, RedirectUriError> {
        if !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(RedirectUriError::NoAddress);
        }
        let url = url::Url::parse(text).map_err(|_| RedirectUriError::NoAddress)?;
        if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err(RedirectUriError::NotBare);
        }
        if text.contains('*') {
            return Err(RedirectUriError::Pattern);
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if url.host_str().is_some_and(is_this_machine) => Ok(()),
            "http" => Err(RedirectUriError::NotEncrypted),
            scheme if scheme.contains('.') => Ok(()),
            _ => Err(RedirectUriError::Scheme),
        }?;
        Ok(Self(text.into()))
    }

    /// Is that the one? Octet for octet (RFC 9700 §2.1), but for the port of a program on the
    /// visitor's own machine, which takes any that is free (RFC 8252 §7.3).
    pub fn takes(&self, given: &str) -> bool {
        *self.0 == *given
            || loopback(&self.0).is_some_and(|registered| loopback(given) == Some(registered))
    }
}

/// How an app is told over the back channel that somebody signed out (Back-Channel Logout 1.0 §2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLogout {
    uri: Box<str>,
    /// What it is told.
    pub names: LogoutNames,
}

/// What of somebody ends at an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogoutNames {
    /// One session.
    Session,
    /// All that they have there.
    Person,
}

impl ClientLogout {
    /// At an address of the web, encrypted or on this machine.
    ///
    /// # Errors
    ///
    /// [`RedirectUriError`], one variant per rule.
    pub fn parse(uri: &str, names: LogoutNames) -> Result<Self, RedirectUriError> {
        let RedirectUri(uri) = RedirectUri::parse(uri)?;
        let is_web = ["https://", "http://"].iter().any(|scheme| uri.starts_with(scheme));
        is_web.then_some(Self { uri, names }).ok_or(RedirectUriError::NoAddress)
    }

    /// Where, as it was registered.
    pub fn uri(&self) -> &str {
        &self.uri
    }
}

/// Also by name: what is on the way is this machine.
fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The loopback address and what comes after the port. By name it does not count: what `localhost`
/// is says somebody else (RFC 8252 §8.3).
fn loopback(uri: &str) -> Option<(&str, &str)> {
    let host = ["http://127.0.0.1", "http://[::1]"].into_iter().find(|it| uri.starts_with(it))?;
    let rest = uri.get(host.len()..)?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (port, path) = rest.split_at_checked(end)?;
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| {
            digits.bytes().all(|octet| octet.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        });
    is_port.then_some((host, path))
}

/// What an app may be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(u8);

/// One piece of it (OpenID Connect Core §5.4, §11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// That they signed in.
    OpenId = 1,
    /// What they are called.
    Profile = 2,
    /// Their address.
    Email = 4,
    /// Their groups.
    Groups = 8,
    /// All of it later, too: a refresh token.
    OfflineAccess = 16,
}

impl Scope {
    /// Every one of them, as it is written.
    pub const ALL: [(&str, Self); 5] = [
        ("openid", Self::OpenId),
        ("profile", Self::Profile),
        ("email", Self::Email),
        ("groups", Self::Groups),
        ("offline_access", Self::OfflineAccess),
    ];
}

impl Scopes {
    /// What of a list is known; the rest is let be (OIDC Core §3.1.2.1).
    pub fn parse(text: &str) -> Self {
        Self::of(text.split(' '))
    }

    /// The same, word by word.
    pub fn of<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let known = |word: &str| Scope::ALL.iter().find(|(name, _)| *name == word);
        Self(words.filter_map(known).fold(0, |all, (_, scope)| all | *scope as u8))
    }

    /// Is it among them?
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & scope as u8 != 0
    }

    /// What is in both.
    #[must_use]
    pub const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = Scope::ALL.iter().filter(|(_, scope)| self.has(*scope)).map(|(word, _)| *word);
        f.write_str(&words.collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        ClientLogout, ClientSecret, LogoutNames, RedirectUri, RedirectUriError::*, Scopes,
    };

    #[test]
    fn addresses_are_registered_or_not() {
        for (given, refused, why) in [
            ("https://app.example/cb", None, "a web app"),
            ("https://app.example/cb?a=b", None, "with a query"),
            ("http://127.0.0.1/cb", None, "a program"),
            ("http://[::1]:8080/cb", None, "a program"),
            ("http://localhost:3000/cb", None, "a program"),
            ("com.example.app:/cb", None, "an app on a phone"),
            ("http://app.example/cb", Some(NotEncrypted), "readable on the way"),
            ("http://127.0.0.1.evil.example/cb", Some(NotEncrypted), "another host"),
            ("https://*.example/cb", Some(Pattern), "others beside it"),
            ("https://app.example/cb#x", Some(NotBare), "a fragment"),
            ("https://ann@app.example/cb", Some(NotBare), "a name"),
            ("javascript:alert(1)", Some(Scheme), "a script"),
            ("data:text/html,x", Some(Scheme), "a page of its own"),
            ("myapp:/cb", Some(Scheme), "anybody's"),
            ("/cb", Some(NoAddress), "no host"),
            ("https://app.example/c b", Some(NoAddress), "a blank"),
        ] {
            assert_eq!(RedirectUri::parse(given).err(), refused, "{given}: {why}");
        }
    }

    #[test]
    fn apps_are_told_at_addresses_of_the_web() {
        for (given, refused) in [
            ("https://app.example/logout?x=1", None),
            ("http://127.0.0.1:3000/logout", None),
            ("http://localhost:3000/logout", None),
            ("http://app.example/logout", Some(NotEncrypted)),
            ("https://app.example/logout#x", Some(NotBare)),
            ("https://ann:pass@app.example/logout", Some(NotBare)),
            ("com.example.app:/logout", Some(NoAddress)),
            ("https:app.example", Some(NoAddress)),
        ] {
            assert_eq!(ClientLogout::parse(given, LogoutNames::Session).err(), refused, "{given}");
        }
    }

    #[test]
    fn a_redirect_uri_is_the_registered_one_octet_for_octet() {
        for (registered, given, expected, why) in [
            ("https://app.example/cb", "https://app.example/cb", true, "the same"),
            ("https://app.example/cb", "https://app.example/cb/", false, "a path behind it"),
            ("https://app.example/cb", "https://app.example/cb?x=1", false, "a query behind it"),
            ("https://app.example/cb", "https://APP.example/cb", false, "another spelling"),
            ("https://app.example/cb", "https://app.example/x/../cb", false, "another path"),
            ("https://app.example/cb", "https://app.example:443/cb", false, "a port"),
            ("https://app.example/cb", "https://app.example.evil.example/cb", false, "a host"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb", true, "a free port"),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb", true, "another one"),
            ("http://[::1]/cb", "http://[::1]:49152/cb", true, "a free port"),
            ("http://[::1]/cb", "http://127.0.0.1:49152/cb", false, "another address"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:49152/other", false, "another path"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:x/cb", false, "no port"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb", false, "no port"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb", false, "a host"),
            ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb", false, "a host"),
            ("http://127.0.0.1/cb", "https://127.0.0.1:1/cb", false, "another scheme"),
            ("http://localhost:1/cb", "http://localhost:2/cb", false, "a name is no address"),
        ] {
            let registered = RedirectUri::parse(registered).unwrap();
            assert_eq!(registered.takes(given), expected, "{registered:?} {given}: {why}");
        }
    }

    #[test]
    fn secrets_are_digests() {
        let hex = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"; // `password`
        let secret = ClientSecret::from_hex(hex).unwrap();
        assert!(secret.is(b"password") && !secret.is(b"Password") && !secret.is(hex.as_bytes()));
        assert!(ClientSecret::of(b"password").is(b"password"));
        assert!(ClientSecret::from_hex(&hex[1..]).is_none());
        assert!(ClientSecret::from_hex(&hex.replace('5', "x")).is_none());
        assert_eq!(format!("{secret:?}"), "ClientSecret(..)");
    }

    #[test]
    fn scopes_that_nobody_knows_are_let_be() {
        let scopes = Scopes::parse("openid email address  groups openid");
        assert_eq!(scopes.to_string(), "openid email groups");
        assert_eq!(scopes.within(Scopes::parse("email profile")).to_string(), "email");
    }
}
