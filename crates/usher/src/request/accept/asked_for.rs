use std::sync::OnceLock;

use usher_rules::names::{Authority, AuthorityError};

/// Whom the first request of a connection is for: nearly all of them ask for nobody else, and are
/// spared reading the name again.
#[derive(Debug, Default)]
pub struct AskedFor(OnceLock<Authority>);

impl AskedFor {
    /// As [`Authority::parse`] reads it.
    ///
    /// # Errors
    ///
    /// Its.
    pub fn authority(&self, text: &str) -> Result<Authority, AuthorityError> {
        if let Some(first) = self.0.get() {
            return match first.port.is_none() && first.host.as_compared() == text {
                true => Ok(first.clone()),
                false => Authority::parse(text),
            };
        }
        let authority = Authority::parse(text)?;
        self.0.get_or_init(|| authority.clone());
        Ok(authority)
    }
}

#[cfg(test)]
mod tests {
    use usher_rules::names::Authority;

    use super::AskedFor;

    #[test]
    fn every_request_is_for_whom_it_names() {
        let names = [
            "tv.example",
            "tv.example.",
            "TV.example",
            "tv.example:443",
            "tv.example:8443",
            "tv.example:",
            "other.example",
            "[::1]",
            "[0::1]",
            "a b",
            "",
        ];
        for first in names {
            let asked_for = AskedFor::default();
            for name in [first].into_iter().chain(names).chain(names) {
                assert_eq!(asked_for.authority(name), Authority::parse(name), "{first}, {name}");
            }
        }
    }
}
