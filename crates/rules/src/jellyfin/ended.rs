//! Apps that were ended. Their server may take their tokens for a while yet: it was away, or has
//! somebody else's app on the same device.

use super::TokenHash;
use crate::{
    people::{BoxFuture, PeopleError},
    session::BoundApp,
};

/// An app that was ended, until its server has dropped what it had.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndedApp {
    /// Of its token.
    pub token: TokenHash,
    /// Where it was.
    pub at: DeviceAt,
}

/// What a server knows a device by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeviceAt {
    /// As `BoundApp::server`.
    pub server: Box<str>,
    /// As `BoundApp::host`.
    pub host: Box<str>,
    /// As `BoundApp::device_id`.
    pub device_id: Box<str>,
}

impl DeviceAt {
    /// That of an app.
    pub fn of(app: &BoundApp) -> Self {
        let BoundApp { server, host, device_id, .. } = app;
        Self { server: server.clone(), host: host.clone(), device_id: device_id.clone() }
    }

    /// Does what ends it at its server end that app? Two hosts may lead to one server, and servers
    /// move.
    pub fn is_of(&self, app: &BoundApp) -> bool {
        self.device_id == app.device_id && (self.server == app.server || self.host == app.host)
    }

    /// The same of what was another app's.
    pub fn is_one_with(&self, other: &Self) -> bool {
        self.device_id == other.device_id
            && (self.server == other.server || self.host == other.host)
    }
}

/// What is kept of ended apps. Implemented in `store/`: whatever ends the session of an app there
/// makes it one, in the same commit.
pub trait EndedApps: Send + Sync {
    /// Those that were there when the store was opened.
    fn ended_before(&self) -> Vec<EndedApp>;
    /// Their server has dropped them.
    fn forget_ended(&self, tokens: Vec<TokenHash>) -> BoxFuture<'_, Result<(), PeopleError>>;
}
