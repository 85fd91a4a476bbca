//! Who is connected with what, and the sockets that hear of it.

use std::{net::IpAddr, time::SystemTime};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Person, PersonId, State, stable_id};
use crate::{clock::timestamp, credential::Claimed, options::JellyfinVersion};

/// A session's id: 32 lower-case hex digits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SessionId(pub String);

/// What is pushed to a socket.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// `MessageType`.
    pub kind: &'static str,
    /// `Data`.
    pub payload: Value,
}

/// A socket's place in its session.
#[derive(Clone, Debug)]
pub(crate) struct SocketSeat {
    pub sender: mpsc::Sender<Heard>,
}

/// One client on one device, as `SessionInfo`.
#[derive(Debug)]
pub(crate) struct Session {
    pub id: SessionId,
    pub person: PersonId,
    pub client: String,
    pub device_id: String,
    pub device: String,
    pub version: String,
    pub remote: Option<IpAddr>,
    pub last_activity: SystemTime,
    pub capabilities: Value,
    /// The item that plays, as `BaseItemDto`.
    pub playing: Option<Value>,
    pub play_state: Value,
    pub seats: Vec<SocketSeat>,
    /// Cancelled when the session ends; its sockets close then.
    pub ended: CancellationToken,
}

impl State {
    /// The session of a client on a device, made if there is none. Two tabs of one browser share
    /// one, as they share the device id.
    pub(crate) fn open_session(
        &mut self,
        person: &PersonId,
        from: &Claimed,
        remote: Option<IpAddr>,
        now: SystemTime,
    ) -> SessionId {
        let id = SessionId(stable_id(&format!("session/{}/{}", from.client, from.device_id)));
        let other_person = |session: &Session| session.id == id && session.person != *person;
        self.end_sessions(other_person);
        if let Some(person) = self.person_mut(person) {
            person.last_activity = Some(timestamp(now));
        }
        match self.sessions.iter_mut().find(|session| session.id == id) {
            Some(session) => {
                session.device.clone_from(&from.device);
                session.version.clone_from(&from.version);
                session.remote = remote.or(session.remote);
                session.last_activity = now;
            }
            None => self.sessions.push(Session {
                id: id.clone(),
                person: person.clone(),
                client: from.client.clone(),
                device_id: from.device_id.clone(),
                device: from.device.clone(),
                version: from.version.clone(),
                remote,
                last_activity: now,
                capabilities: no_capabilities(),
                playing: None,
                play_state: nothing_plays(),
                seats: Vec::new(),
                ended: CancellationToken::new(),
            }),
        }
        id
    }

    pub(crate) fn session(&self, id: &SessionId) -> Option<&Session> {
        self.sessions.iter().find(|session| session.id == *id)
    }

    pub(crate) fn session_mut(&mut self, id: &SessionId) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.id == *id)
    }

    /// Ends sessions, and with them their sockets.
    pub(crate) fn end_sessions(&mut self, ends: impl Fn(&Session) -> bool) {
        self.sessions.retain(|session| {
            let ends = ends(session);
            if ends {
                session.ended.cancel();
            }
            !ends
        });
    }

    /// Pushes a message to every socket of the sessions that `to` picks. A socket that has fallen
    /// sixty messages behind misses it.
    pub(crate) fn tell(&mut self, heard: &Heard, to: impl Fn(&Session) -> bool) {
        for session in self.sessions.iter_mut().filter(|session| to(session)) {
            session.seats.retain(|seat| !seat.sender.is_closed());
            for seat in &session.seats {
                let _missed = seat.sender.try_send(heard.clone());
            }
        }
    }

    /// The sessions that somebody may see: an administrator all of them, others their own.
    pub(crate) fn sessions_seen_by(
        &self,
        person: Option<&PersonId>,
        server_id: &str,
        version: JellyfinVersion,
    ) -> Value {
        let sees_all =
            person.is_none_or(|id| self.person(id).is_some_and(Person::is_administrator));
        let mut seen: Vec<&Session> = self
            .sessions
            .iter()
            .filter(|session| sees_all || Some(&session.person) == person)
            .collect();
        seen.sort_by_key(|session| std::cmp::Reverse(session.last_activity));
        seen.iter().map(|session| self.session_dto(session, server_id, version)).collect()
    }

    /// A session as `SessionInfoDto`.
    pub(crate) fn session_dto(
        &self,
        session: &Session,
        server_id: &str,
        version: JellyfinVersion,
    ) -> Value {
        let remote_control = session.seats.iter().any(|seat| !seat.sender.is_closed());
        let mut dto = json!({
            "PlayState": session.play_state,
            "AdditionalUsers": [],
            "Capabilities": session.capabilities,
            "PlayableMediaTypes": session.capabilities.get("PlayableMediaTypes"),
            "Id": session.id.0,
            "UserId": session.person.0,
            "UserName": self.person(&session.person).map(|person| &person.name),
            "Client": session.client,
            "LastActivityDate": timestamp(session.last_activity),
            "LastPlaybackCheckIn": "0001-01-01T00:00:00.0000000Z",
            "DeviceName": session.device,
            "DeviceId": session.device_id,
            "ApplicationVersion": session.version,
            "IsActive": true,
            "SupportsMediaControl": session.capabilities.get("SupportsMediaControl"),
            "SupportsRemoteControl": remote_control,
            "NowPlayingQueue": [],
            "HasCustomDeviceName": false,
            "ServerId": server_id,
            "SupportedCommands": session.capabilities.get("SupportedCommands"),
        });
        let mut more = serde_json::Map::new();
        match version {
            JellyfinVersion::V10_10 | JellyfinVersion::V10_11 => {
                more.insert("NowPlayingQueueFullItems".to_owned(), json!([]));
            }
            JellyfinVersion::V12 => {}
        }
        if let Some(remote) = session.remote {
            more.insert("RemoteEndPoint".to_owned(), json!(remote.to_string()));
        }
        if let Some(item) = &session.playing {
            more.insert("NowPlayingItem".to_owned(), item.clone());
        }
        super::lay_over(&mut dto, &more.into());
        dto
    }
}

/// `ClientCapabilities` of a client that has not told any.
pub(crate) fn no_capabilities() -> Value {
    json!({
        "PlayableMediaTypes": [],
        "SupportedCommands": [],
        "SupportsMediaControl": false,
        "SupportsPersistentIdentifier": true,
    })
}

/// `PlayState` when nothing plays.
pub(crate) fn nothing_plays() -> Value {
    json!({
        "CanSeek": false,
        "IsPaused": false,
        "IsMuted": false,
        "RepeatMode": "RepeatNone",
        "PlaybackOrder": "Default",
    })
}
