use crate::names::{Host, HostError};

/// The hosts of proxies that an authenticate service sends people back to, with their profiles.
/// Nobody else's: otherwise any site could ask for a signed-in visitor's profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHosts(Vec<Allowed>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    Exact(Host),
    /// One label or more before this host.
    Below(Host),
}

/// Why an entry names no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllowedHostsError {
    /// It is not a host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// `*.` before a name without a dot would allow a whole top-level domain.
    #[error("`*.` needs a domain of at least two labels behind it")]
    TooWide,
}

impl AllowedHosts {
    /// Reads entries: `HOST`, or `*.DOMAIN` for every host below.
    ///
    /// # Errors
    ///
    /// The first entry that is wrong, by its index.
    pub fn parse<'a>(
        entries: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, (usize, AllowedHostsError)> {
        let read = |entry: &str| match entry.strip_prefix("*.") {
            Some(domain) => {
                let domain = Host::parse(domain)?; // the root's dot is gone then
                match domain.as_str().contains('.') {
                    true => Ok(Allowed::Below(domain)),
                    false => Err(AllowedHostsError::TooWide),
                }
            }
            None => Ok(Allowed::Exact(Host::parse(entry)?)),
        };
        let allowed = entries
            .into_iter()
            .enumerate()
            .map(|(index, entry)| read(entry).map_err(|error| (index, error)));
        allowed.collect::<Result<_, _>>().map(Self)
    }

    /// May people be sent back to this host?
    pub fn allows(&self, host: &str) -> bool {
        let Ok(host) = Host::parse(host) else { return false };
        self.0.iter().any(|allowed| match allowed {
            Allowed::Exact(exact) => *exact == host,
            Allowed::Below(domain) => {
                let before = host.as_str().strip_suffix(domain.as_str());
                before
                    .and_then(|before| before.strip_suffix('.'))
                    .is_some_and(|label| !label.is_empty())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{AllowedHosts, AllowedHostsError};

    #[test]
    fn only_what_is_named_is_allowed() {
        let hosts = AllowedHosts::parse(["tv.example.com", "*.example.org"]).unwrap();
        for (host, allowed) in [
            ("tv.example.com", true),
            ("TV.Example.Com", true),
            ("example.com", false),
            ("x.tv.example.com", false),
            ("tv.example.com.evil.net", false),
            ("eviltv.example.com", false),
            ("a.example.org", true),
            ("a.b.example.org", true),
            ("example.org", false),
            ("evilexample.org", false),
            (".example.org", false),
            ("", false),
        ] {
            assert_eq!(hosts.allows(host), allowed, "{host}");
        }
        assert!(!AllowedHosts::parse([]).unwrap().allows("tv.example.com"));
        assert_eq!(AllowedHosts::parse(["a.b", "*.com"]), Err((1, AllowedHostsError::TooWide)));
        assert_eq!(AllowedHosts::parse(["*.com."]), Err((0, AllowedHostsError::TooWide)));
        assert!(matches!(AllowedHosts::parse(["a b"]), Err((0, AllowedHostsError::Host(_)))));
        assert!(matches!(
            AllowedHosts::parse(["https://a.b"]),
            Err((0, AllowedHostsError::Host(_)))
        ));
    }
}
