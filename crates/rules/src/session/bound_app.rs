use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::id::SessionId;

/// An app that somebody let in, and what it is known by. Its session is its own: it ends apart from
/// those of browsers, and no handle leads to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundApp {
    /// The SHA-256 of its token, in hexadecimal digits: the token itself is kept nowhere.
    pub token: Box<str>,
    /// The server that its token is for, as its routes write it.
    pub server: Box<str>,
    /// The library as its people know it: the host, and what is in front of its paths, where it was
    /// let in. The server may move behind it.
    #[serde(default)]
    pub host: Box<str>,
    /// The id of the user that it is there.
    pub user: Box<str>,
    /// Which app, as it said when it was let in: later it may say something else.
    pub client: Box<str>,
    /// What its device was called then.
    pub device: Box<str>,
    /// What the server knows its device by.
    pub device_id: Box<str>,
    /// How it was let in.
    pub by: LetInBy,
    /// The session of the browser in which it is the web client, and with which it ends; `None`:
    /// it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<SessionId>,
    /// What its owner calls it; `None`: what it was called when it was let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Box<str>>,
    /// The tag (RFC 5646) of the language in which it was let in: what it is told is in that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Box<str>>,
    /// When it asked last, as far as that is written down: see [`BoundApp::WRITTEN_EVERY`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<AppSeen>,
    /// Until when its token waits to be fetched, in seconds since 1970; `None`: it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfetched_until: Option<u64>,
}

/// When an app asked last, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppSeen {
    /// In seconds since 1970.
    pub at: u64,
    /// Its address.
    pub from: IpAddr,
}

/// How somebody let an app in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LetInBy {
    /// On the page for it, in a browser.
    Page,
    /// In another app of theirs.
    App,
    /// By an app password, typed into it: its session's id is that password's, and both end together.
    Password,
    /// On the page for it, while it waited with a name and a password.
    Held,
}

impl BoundApp {
    /// Characters of the longest name that its owner gives it.
    pub const LONGEST_LABEL: usize = 60;
    /// So many seconds apart it is written down that an app asks.
    pub const WRITTEN_EVERY: u64 = 600;

    /// As a person reads it: `TV (Jellyfin for Android TV)`.
    pub fn shown(&self) -> String {
        format!("{} ({})", self.device, self.client)
    }

    /// As its owner calls it: what they typed, or what its device was called.
    pub fn called(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.device)
    }
}
