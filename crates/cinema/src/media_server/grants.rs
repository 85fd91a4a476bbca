//! Tokens that were given to devices. Nothing ties a token to the device that shows it.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{PersonId, State, random_id};
use crate::{clock::timestamp, credential::Claimed};

/// Activity is written down no more often than this.
const ACTIVITY_EVERY: Duration = Duration::from_secs(180);

/// One token: what a row of the real server's `Devices` table is.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub token: String,
    pub person: PersonId,
    pub client: String,
    pub device: String,
    pub device_id: String,
    pub version: String,
    pub last_activity: SystemTime,
}

impl State {
    pub(crate) fn grant(&self, token: &str) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.token == token)
    }

    /// Gives a new token. Earlier ones of the same person on the same device end.
    pub(crate) fn give(&mut self, person: &PersonId, to: &Claimed, now: SystemTime) -> String {
        self.grants.retain(|old| old.person != *person || old.device_id != to.device_id);
        let token = random_id();
        self.grants.push(Grant {
            token: token.clone(),
            person: person.clone(),
            client: to.client.clone(),
            device: to.device.clone(),
            device_id: to.device_id.clone(),
            version: to.version.clone(),
            last_activity: now,
        });
        token
    }

    /// What a token's request does to its row: `Device` and `Version` of the header replace what
    /// was stored, unless a Chromecast sends them. `DeviceId` is not even compared.
    pub(crate) fn seen(&mut self, token: &str, claimed: &Claimed, now: SystemTime) {
        let Some(grant) = self.grants.iter_mut().find(|grant| grant.token == token) else {
            return;
        };
        if now.duration_since(grant.last_activity).is_ok_and(|since| since >= ACTIVITY_EVERY) {
            grant.last_activity = now;
        }
        if !claimed.client.to_lowercase().contains("chromecast") {
            for (stored, given) in
                [(&mut grant.device, &claimed.device), (&mut grant.version, &claimed.version)]
            {
                if !given.is_empty() {
                    stored.clone_from(given);
                }
            }
        }
    }

    /// Ends the tokens that `ends` picks, and the sessions of their devices.
    pub(crate) fn end_grants(&mut self, ends: impl Fn(&Grant) -> bool) {
        let (ended, kept): (Vec<_>, Vec<_>) = self.grants.drain(..).partition(&ends);
        self.grants = kept;
        for grant in ended {
            self.end_sessions(|session| {
                session.person == grant.person && session.device_id == grant.device_id
            });
        }
    }

    /// The devices, the latest first, as `DeviceInfoDto`. The token is never in it.
    pub(crate) fn devices(&self) -> Vec<Value> {
        let mut grants: Vec<&Grant> = self.grants.iter().collect();
        grants.sort_by_key(|grant| std::cmp::Reverse(grant.last_activity));
        let dto = |grant: &&Grant| {
            json!({
                "Name": grant.device,
                "Id": grant.device_id,
                "LastUserName": self.person(&grant.person).map(|person| &person.name),
                "AppName": grant.client,
                "AppVersion": grant.version,
                "LastUserId": grant.person.0,
                "DateLastActivity": timestamp(grant.last_activity),
                "Capabilities": super::sessions::no_capabilities(),
            })
        };
        grants.iter().map(dto).collect()
    }
}
