//! Who asks: a person's token, an API key, or nobody; and whether that is enough.

use std::net::IpAddr;

use http::{HeaderMap, StatusCode};

use crate::{
    answer::{self, Answer},
    credential::Claimed,
    forwarded::Origin,
    media_server::{MediaServer, Person, PersonId},
    target::Query,
};

/// Whom a credential belongs to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Who {
    /// No credential, or one that is unknown, revoked or of a disabled person. Where none is
    /// needed all of these run alike.
    Nobody,
    /// An API key: an administrator without a person.
    Key,
    /// A person's token.
    Person(PersonId),
}

/// What an endpoint asks of its caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    /// Nothing. A bad token does not matter either.
    Anyone,
    /// Any token or key.
    SignedIn,
    /// An administrator or a key.
    Elevated,
    /// As [`Access::Elevated`], but anybody whose address is in the local network may as well.
    LocalOrElevated,
    /// Any token whose policy has `EnableContentDownloading`, or a key.
    Download,
}

/// The one who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub claimed: Claimed,
    pub who: Who,
    pub origin: Origin,
    /// The address that the connection came from, before any header was read.
    pub peer: IpAddr,
}

impl Caller {
    /// Judges the credential of a request, and notes that its device was seen.
    pub(crate) fn identify(
        server: &MediaServer,
        peer: IpAddr,
        origin: Origin,
        headers: &HeaderMap,
        query: &Query,
    ) -> Self {
        let now = server.now();
        let mut state = server.state();
        let legacy = state.legacy(server.version);
        let mut claimed = Claimed::read(headers, query, server.version, legacy);
        let key = state.keys.iter().find(|key| key.value == claimed.token);
        let grant = state.grant(&claimed.token).cloned();
        let who = match (key, grant) {
            (Some(key), _) => {
                // The key's name stands in for the client, whatever the header says.
                claimed.client.clone_from(&key.app);
                Who::Key
            }
            (None, Some(grant)) if state.person(&grant.person).is_some_and(is_enabled) => {
                state.seen(&claimed.token, &claimed, now);
                fill(&mut claimed.client, &grant.client);
                fill(&mut claimed.device, &grant.device);
                fill(&mut claimed.version, &grant.version);
                fill(&mut claimed.device_id, &grant.device_id);
                let moment = crate::clock::timestamp(now);
                if let Some(person) = state.person_mut(&grant.person) {
                    person.last_activity = Some(moment);
                }
                Who::Person(grant.person)
            }
            (None, Some(_) | None) => Who::Nobody,
        };
        Self { claimed, who, origin, peer }
    }

    pub(crate) fn person(&self) -> Option<&PersonId> {
        match &self.who {
            Who::Person(id) => Some(id),
            Who::Key | Who::Nobody => None,
        }
    }

    /// Whether the caller may do what only administrators may.
    pub(crate) fn is_elevated(&self, server: &MediaServer) -> bool {
        match &self.who {
            Who::Nobody => false,
            Who::Key => true,
            Who::Person(id) => server.state().person(id).is_some_and(Person::is_administrator),
        }
    }

    /// Refuses a caller who lacks what the endpoint asks: 401 for nobody, 403 for somebody.
    pub(crate) fn refusal(&self, server: &MediaServer, access: Access) -> Option<Answer> {
        let policy = |allows: &dyn Fn(&Person) -> bool| match &self.who {
            Who::Nobody => false,
            Who::Key => true,
            Who::Person(id) => server.state().person(id).is_some_and(allows),
        };
        let from_afar = !self.origin.is_in_network();
        let enough = match access {
            Access::Anyone => return None,
            Access::LocalOrElevated if !from_afar => return None,
            Access::SignedIn => policy(&|_| true),
            Access::Elevated | Access::LocalOrElevated => policy(&Person::is_administrator),
            Access::Download => policy(&|person| {
                crate::media_server::flag(&person.policy, "EnableContentDownloading")
            }),
        };
        let reachable = !from_afar || policy(&Person::may_connect_from_afar);
        match &self.who {
            Who::Nobody => Some(answer::empty(StatusCode::UNAUTHORIZED)),
            Who::Key | Who::Person(_) if enough && reachable => None,
            Who::Key | Who::Person(_) => Some(answer::empty(StatusCode::FORBIDDEN)),
        }
    }
}

fn is_enabled(person: &Person) -> bool {
    !person.is_disabled()
}

fn fill(claimed: &mut String, stored: &str) {
    if claimed.is_empty() {
        stored.clone_into(claimed);
    }
}
