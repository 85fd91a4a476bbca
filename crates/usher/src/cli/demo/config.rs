//! The demo's config: the guide's route, with the stand-in in Jellyfin's place.

use std::{fmt, net::SocketAddr};

/// The host of the demo's route. Browsers find every `*.localhost` on this machine by themselves.
pub const HOST: &str = "cinema.localhost";

/// The group that may enter.
pub const GROUP: &str = "friends";

/// The config as text, so that the demo runs what anybody could write into a file.
#[derive(Clone, Copy, Debug)]
pub struct DemoConfig {
    /// Where usher listens: this machine only.
    pub listen: SocketAddr,
    /// Where the stand-in listens.
    pub cinema: SocketAddr,
}

impl DemoConfig {
    /// `https://host:port`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("https://{HOST}:{}", self.listen.port())
    }
}

impl fmt::Display for DemoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listen, cinema } = self;
        let from = self.url();
        write!(
            f,
            "\
address: {listen}

routes:
  - name: cinema
    from: {from}
    to: http://{cinema}
    allow_websockets: true
    preserve_host_header: true
    timeout: 0s
    idle_timeout: 600s
    policy:
      - allow:
          or:
            - claim/groups: {GROUP}
"
        )
    }
}

#[cfg(test)]
mod tests {
    use usher_rules::plan::BUILTIN;

    use super::*;
    use crate::reload::{Loaded, Source, load};

    #[test]
    fn compiles_without_a_word() {
        let config = DemoConfig {
            listen: ([127, 0, 0, 1], 8443).into(),
            cinema: ([127, 0, 0, 1], 40_000).into(),
        };
        let text = config.to_string();
        let source = Source::Text { name: "demo.yaml", text: &text };
        let Loaded { plan, problems, .. } = load(source).unwrap();
        assert!(problems.problems().is_empty(), "{problems}");
        assert_eq!(plan.sign_in.providers.first().id(), BUILTIN, "people of our own");
        assert_eq!(plan.routes.len(), 1);
        let hosts: Vec<_> = plan.hosts.exact_hosts().map(ToString::to_string).collect();
        assert_eq!(hosts, [HOST]);
    }
}
