use std::net::IpAddr;

use url::{Host, Url};

use super::param::JWT;

/// Where a programmatic sign-in hands its handle over (`pomerium-protocols.md` §2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramRedirect(Url);

/// Why a program can't be answered there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramRedirectError {
    /// It is no `http` or `https` URL with a host.
    #[error("it is not an http or https URL")]
    NotHttp,
    /// It carries a name or password, which is there to deceive.
    #[error("it carries user information")]
    UserInformation,
    /// The host is not in `programmatic_redirect_domain_whitelist`.
    #[error("its host is not one that programs may use")]
    OtherHost,
}

impl ProgramRedirect {
    /// Reads the URL as a browser would (WHATWG), and keeps it in that form.
    ///
    /// # Errors
    ///
    /// [`ProgramRedirectError`], one variant per rule.
    pub fn parse(allowed_hosts: &[Box<str>], url: &str) -> Result<Self, ProgramRedirectError> {
        let url = Url::parse(url).map_err(|_| ProgramRedirectError::NotHttp)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ProgramRedirectError::NotHttp);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ProgramRedirectError::UserInformation);
        }
        let host = url.host().ok_or(ProgramRedirectError::NotHttp)?;
        let listed =
            |name: &str| allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name));
        let allowed = match host {
            Host::Domain(name) => listed(name),
            Host::Ipv4(address) => {
                listed(&address.to_string())
                    || IpAddr::V4(address).is_loopback() && listed("localhost")
            }
            Host::Ipv6(address) => {
                listed(&address.to_string())
                    || IpAddr::V6(address).is_loopback() && listed("localhost")
            }
        };
        if allowed { Ok(Self(url)) } else { Err(ProgramRedirectError::OtherHost) }
    }

    /// The URL, as it will be followed.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Its origin, for a form's `form-action`.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The URL with the handle in `pomerium_jwt`; other parameters stay, one of that name goes.
    pub fn with_handle(&self, handle: &str) -> String {
        let mut url = self.0.clone();
        url.set_fragment(None);
        let kept: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| name != JWT)
            .map(|(n, v)| (n.into(), v.into()))
            .collect();
        url.query_pairs_mut().clear().extend_pairs(kept).append_pair(JWT, handle);
        url.into()
    }
}

#[cfg(test)]
mod tests {
    use super::{ProgramRedirect, ProgramRedirectError::*};

    #[test]
    fn parse() {
        let allowed = ["localhost".into(), "cli.example".into()];
        for (given, expected) in [
            ("http://localhost:8080/cb", Ok("http://localhost:8080/cb")),
            ("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080/")),
            ("http://[::1]:1/", Ok("http://[::1]:1/")),
            ("https://CLI.example/x?y=1", Ok("https://cli.example/x?y=1")),
            ("http:\\\\localhost\\@evil.example", Ok("http://localhost/@evil.example")),
            ("https://evil.example/", Err(OtherHost)),
            ("https://localhost.evil.example/", Err(OtherHost)),
            ("http://10.0.0.1/", Err(OtherHost)),
            ("http://0.0.0.0/", Err(OtherHost)),
            ("http://localhost@evil.example/", Err(UserInformation)),
            ("http://u:p@localhost/", Err(UserInformation)),
            ("javascript://localhost/%0aalert(1)", Err(NotHttp)),
            ("ftp://localhost/", Err(NotHttp)),
            ("notaurl", Err(NotHttp)),
            ("", Err(NotHttp)),
        ] {
            let got = ProgramRedirect::parse(&allowed, given);
            let shown = got.as_ref().map(ProgramRedirect::as_str).map_err(|why| *why);
            assert_eq!(shown, expected, "{given:?}");
        }
    }

    #[test]
    fn with_handle() {
        for (given, expected) in [
            ("http://localhost:1/cb?keep=1", "http://localhost:1/cb?keep=1&pomerium_jwt=h.a.n"),
            ("http://localhost:1/", "http://localhost:1/?pomerium_jwt=h.a.n"),
            ("http://localhost:1/?pomerium_jwt=old#f", "http://localhost:1/?pomerium_jwt=h.a.n"),
        ] {
            let redirect = ProgramRedirect::parse(&["localhost".into()], given).unwrap();
            assert_eq!(redirect.with_handle("h.a.n"), expected);
        }
    }
}
