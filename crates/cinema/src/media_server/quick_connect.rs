//! Quick Connect: a device shows six digits, somebody who is signed in types them.
//!
//! The weaknesses are the real server's: the token is made when the code is approved, not when it
//! is fetched; the secret stays good for ten minutes however often it is used; two devices that
//! draw the same code get in each other's way; nothing limits how many codes are asked for.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{PersonId, State};
use crate::{clock::timestamp, credential::Claimed};

/// How long a request waits, and how long an approved secret can be exchanged.
const LIFETIME: Duration = Duration::from_secs(600);

/// A device that waits to be let in.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub secret: String,
    pub code: String,
    pub device: Claimed,
    pub added: SystemTime,
    /// Set at approval.
    pub approved: Option<Approved>,
}

/// Who approved a device for whom, and the token that came of it.
#[derive(Clone, Debug)]
pub(crate) struct Approved {
    pub person: PersonId,
    pub token: String,
    pub at: SystemTime,
}

/// Why a code could not be approved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ConnectError {
    UnknownCode,
    AlreadyApproved,
    UnknownPerson,
    DeviceNotAllowed,
}

impl Pending {
    /// The request as `QuickConnectResult`.
    pub(crate) fn dto(&self) -> Value {
        json!({
            "Authenticated": self.approved.is_some(),
            "Secret": self.secret,
            "Code": self.code,
            "DeviceId": self.device.device_id,
            "DeviceName": self.device.device,
            "AppName": self.device.client,
            "AppVersion": self.device.version,
            "DateAdded": timestamp(self.added),
        })
    }
}

impl State {
    /// Begins a request. A code that is already in use changes hands without a word: the device
    /// that showed it first waits for nothing from then on.
    pub(crate) fn initiate(
        &mut self,
        device: Claimed,
        code: String,
        secret: String,
        now: SystemTime,
    ) -> Value {
        self.sweep(now);
        self.pending.retain(|other| other.code != code);
        let pending = Pending { secret, code, device, added: now, approved: None };
        let dto = pending.dto();
        self.pending.push(pending);
        dto
    }

    /// What a device that polls with its secret gets.
    pub(crate) fn connect(&mut self, secret: &str, now: SystemTime) -> Option<Value> {
        self.sweep(now);
        self.pending.iter().find(|pending| pending.secret == secret).map(Pending::dto)
    }

    /// Approves a code for a person, and makes the token.
    ///
    /// Neither password nor `IsDisabled` is looked at: a disabled person's device gets a token
    /// that fails on its first use.
    pub(crate) fn approve(
        &mut self,
        code: &str,
        person: &PersonId,
        now: SystemTime,
    ) -> Result<(), ConnectError> {
        self.sweep(now);
        let found = self.pending.iter().find(|pending| pending.code == code);
        let pending = found.ok_or(ConnectError::UnknownCode)?;
        if pending.approved.is_some() {
            return Err(ConnectError::AlreadyApproved);
        }
        let device = pending.device.clone();
        let allowed = self.person(person).ok_or(ConnectError::UnknownPerson)?;
        if !allowed.may_use_device(&device.device_id) {
            return Err(ConnectError::DeviceNotAllowed);
        }
        let token = self.give(person, &device, now);
        self.open_session(person, &device, None, now);
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.code == code) {
            pending.added = now + Duration::from_secs(60);
            pending.approved = Some(Approved { person: person.clone(), token, at: now });
        }
        Ok(())
    }

    /// The person and token of an approved secret; the same ones each time.
    pub(crate) fn exchange(
        &mut self,
        secret: &str,
        now: SystemTime,
    ) -> Option<(Approved, Claimed)> {
        self.sweep(now);
        let pending = self.pending.iter().find(|pending| pending.secret == secret)?;
        let approved = pending.approved.clone().filter(|approved| now <= approved.at + LIFETIME)?;
        Some((approved, pending.device.clone()))
    }

    fn sweep(&mut self, now: SystemTime) {
        self.pending.retain(|pending| now <= pending.added + LIFETIME);
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::{
        film::{Film, OpenFilm},
        media_server::MediaServer,
        options::CinemaOptions,
    };

    fn tv() -> Claimed {
        let text = |text: &str| text.to_owned();
        Claimed {
            client: text("TV"),
            device: text("Shield"),
            device_id: text("shield-1"),
            version: text("1"),
            token: String::new(),
        }
    }

    #[test]
    fn a_code_from_begin_to_end() {
        let server =
            MediaServer::new(CinemaOptions::default(), OpenFilm::open(Film::Small).unwrap());
        let mut state = server.state();
        let person = state.people[0].id.clone();
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let begin = |state: &mut State, code: &str, secret: &str, seconds| {
            state.initiate(tv(), code.to_owned(), secret.to_owned(), at(seconds));
        };
        begin(&mut state, "111111", "A", 0);
        begin(&mut state, "222222", "B", 0);
        begin(&mut state, "111111", "C", 0);
        assert_eq!(state.connect("A", at(1)), None, "the second device took the first one's code");
        assert!(state.exchange("C", at(1)).is_none(), "not approved yet");
        assert_eq!(state.approve("333333", &person, at(2)), Err(ConnectError::UnknownCode));
        assert_eq!(state.approve("111111", &person, at(2)), Ok(()));
        assert_eq!(state.approve("111111", &person, at(2)), Err(ConnectError::AlreadyApproved));
        let (first, _) = state.exchange("C", at(3)).unwrap();
        let (again, _) = state.exchange("C", at(602)).unwrap();
        assert_eq!(first.token, again.token, "one secret, one token");
        assert!(state.grant(&first.token).is_some(), "it was made at approval");
        assert!(state.exchange("C", at(603)).is_none(), "ten minutes are over");
        assert!(state.connect("C", at(662)).is_some(), "the request itself lives a minute longer");
        assert_eq!(state.connect("B", at(601)), None, "and an unanswered one ten minutes");
    }

    #[test]
    fn a_new_token_ends_the_old_one_of_that_device() {
        let server =
            MediaServer::new(CinemaOptions::default(), OpenFilm::open(Film::Small).unwrap());
        let mut state = server.state();
        let person = state.people[0].id.clone();
        let old = state.give(&person, &tv(), UNIX_EPOCH);
        let other =
            state.give(&person, &Claimed { device_id: "phone".to_owned(), ..tv() }, UNIX_EPOCH);
        let new = state.give(&person, &tv(), UNIX_EPOCH);
        assert!(state.grant(&old).is_none());
        assert!(state.grant(&other).is_some() && state.grant(&new).is_some());
    }
}
