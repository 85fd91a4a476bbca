//! Who takes part, and what usher may cost beside each.

use super::scenario::Scenario;

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contender {
    /// nginx with the buffers of its own choice.
    Nginx,
    /// nginx with 64 KiB buffers.
    NginxTuned,
    /// nginx that asks a service about each request.
    NginxAuthRequest,
    /// HAProxy.
    Haproxy,
    /// Envoy.
    Envoy,
    /// Envoy that asks a service about each request.
    EnvoyExtAuthz,
    /// Caddy.
    Caddy,
    /// Caddy that asks a service about each request.
    CaddyForwardAuth,
    /// The libraries that usher stands on, and nothing of usher.
    Floor,
    /// An usher of an earlier day, so that a change is compared inside one run.
    Before,
    /// The usher that was built just now.
    Usher,
}

impl Contender {
    /// In the order of the tables.
    pub const ALL: [Self; 11] = [
        Self::Nginx,
        Self::NginxTuned,
        Self::NginxAuthRequest,
        Self::Haproxy,
        Self::Envoy,
        Self::EnvoyExtAuthz,
        Self::Caddy,
        Self::CaddyForwardAuth,
        Self::Floor,
        Self::Before,
        Self::Usher,
    ];

    /// As it is asked for with `--contenders`, and as the results name it.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::NginxTuned => "nginx-tuned",
            Self::NginxAuthRequest => "nginx-auth_request",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
            Self::EnvoyExtAuthz => "envoy-ext_authz",
            Self::Caddy => "caddy",
            Self::CaddyForwardAuth => "caddy-forward_auth",
            Self::Floor => "floor",
            Self::Before => "before",
            Self::Usher => "usher",
        }
    }

    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::NginxTuned => "nginx, 64 KiB buffers",
            Self::NginxAuthRequest => "nginx + auth_request",
            Self::Haproxy => "HAProxy",
            Self::Envoy => "Envoy",
            Self::EnvoyExtAuthz => "Envoy + ext_authz",
            Self::Caddy => "Caddy",
            Self::CaddyForwardAuth => "Caddy + forward_auth",
            Self::Floor => "usher's libraries alone",
            Self::Before => "usher before",
            Self::Usher => "usher",
        }
    }

    /// Which of these it is; none of those who are not ours.
    pub fn ours<T>(self, today: Option<T>, before: Option<T>) -> Option<T> {
        match self == Self::Usher {
            true => today,
            false => before.filter(|_| self == Self::Before),
        }
    }

    /// Does a service decide each of its requests? Its CPU counts too.
    pub const fn asks(self) -> bool {
        matches!(self, Self::NginxAuthRequest | Self::EnvoyExtAuthz | Self::CaddyForwardAuth)
    }

    /// Whether it has anything to say there: a service that decides is asked about requests, not
    /// about bytes, and a film through small buffers is told apart from one through large ones.
    pub fn takes_part(self, scenario: Scenario) -> bool {
        match scenario {
            Scenario::Small1 | Scenario::Small2 | Scenario::Handshake => self != Self::Nginx,
            Scenario::Film1 | Scenario::Film2 => !self.asks() && self != Self::Floor,
            // by its own choice it would first write all of it to a file
            Scenario::Upload1 | Scenario::Upload2 => {
                !self.asks() && !matches!(self, Self::Floor | Self::Nginx)
            }
        }
    }

    /// Whose latency is compared: ours beside the two that do no more than forward.
    pub const fn is_paced(self) -> bool {
        matches!(self, Self::NginxTuned | Self::Haproxy | Self::Before | Self::Usher)
    }

    /// Whose memory is told: what is asked of a service, or how large buffers are, changes little.
    pub const fn is_weighed(self) -> bool {
        !self.asks() && !matches!(self, Self::Nginx | Self::Floor)
    }

    /// What usher may cost at most for each unit that this one costs.
    pub const fn aim(self, scenario: Scenario) -> Option<f64> {
        match (scenario, self) {
            (Scenario::Small1 | Scenario::Small2, Self::NginxTuned) => Some(0.95),
            (Scenario::Small1 | Scenario::Small2, Self::NginxAuthRequest) => Some(0.5),
            (Scenario::Small1 | Scenario::Small2, Self::EnvoyExtAuthz) => Some(1.0 / 7.0),
            (Scenario::Small1 | Scenario::Small2, Self::CaddyForwardAuth) => Some(1.0 / 9.0),
            (Scenario::Handshake, Self::NginxTuned | Self::Haproxy | Self::Caddy) => Some(0.42),
            (Scenario::Handshake, Self::Envoy) => Some(0.6),
            (Scenario::Film1, Self::NginxTuned) => Some(0.9),
            (Scenario::Film2, Self::NginxTuned) => Some(1.0),
            (Scenario::Film1 | Scenario::Film2, Self::Envoy) => Some(1.0),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_one_contender() {
        let slugs: std::collections::BTreeSet<_> =
            Contender::ALL.iter().map(|it| it.slug()).collect();
        assert_eq!(slugs.len(), Contender::ALL.len());
    }

    #[test]
    fn whoever_has_an_aim_takes_part() {
        for scenario in Scenario::ALL {
            for contender in Contender::ALL {
                let aimed = contender.aim(scenario).is_some();
                assert!(!aimed || contender.takes_part(scenario), "{contender:?} in {scenario:?}");
            }
        }
    }
}
