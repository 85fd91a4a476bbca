//! What each endpoint is to those who come from outside.

mod table;

use http::Method;

use self::table::{Kind, known};
use super::door::Door;
use crate::names::RequestPath;

/// What an endpoint is. The later, the stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// Apps ask it before they are anybody's.
    Strangers(Opening),
    /// The server asks for no token, though what it gives is somebody's.
    Anonymous(Door),
    /// Whoever is known may ask it.
    Person,
    /// It is the server's administration.
    Administration,
    /// It is shut, whoever asks.
    Shut(Door),
}

/// What strangers may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Opening {
    /// Which server it is.
    Info,
    /// Whether it is there.
    Ping,
    /// How its sign-in page looks.
    Branding,
    /// Who has an account: nobody, to strangers.
    UserNames,
    /// A code that somebody types elsewhere.
    QuickConnect,
    /// A name and a password.
    Password,
    /// The files of the web client.
    Web,
    /// Whether it is well.
    Health,
    /// What a page of another origin may ask (CORS).
    Preflight,
}

impl Opening {
    /// Every one of them.
    pub const ALL: [Self; 9] = [
        Self::Info,
        Self::Ping,
        Self::Branding,
        Self::UserNames,
        Self::QuickConnect,
        Self::Password,
        Self::Web,
        Self::Health,
        Self::Preflight,
    ];

    /// Why strangers may ask it, on records. Stable.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Info => "jellyfin-info",
            Self::Ping => "jellyfin-ping",
            Self::Branding => "jellyfin-branding",
            Self::UserNames => "jellyfin-user-names",
            Self::QuickConnect => "jellyfin-quick-connect",
            Self::Password => "jellyfin-password",
            Self::Web => "jellyfin-web",
            Self::Health => "jellyfin-health",
            Self::Preflight => "jellyfin-preflight",
        }
    }
}

/// What is asked for, by each reading of its path: the strictest counts. `base` is in front of all
/// paths of this server, folded ([`crate::names::fold_case`]).
pub fn endpoint(method: &Method, path: &RequestPath, base: &str) -> Endpoint {
    let others = path.other_readings().iter().map(|other| of_text(method, other.folded(), base));
    others.fold(of_text(method, path.folded(), base), Ord::max)
}

/// Is it where clients open their sockets? The server would take one on nearly every path. `base` as
/// in [`endpoint`].
pub fn takes_sockets(path: &RequestPath, base: &str) -> bool {
    let path = without_base(path.folded(), base).trim_end_matches('/');
    let path = ["/emby", "/mediabrowser"]
        .iter()
        .find_map(|old| path.strip_prefix(old).filter(|rest| rest.starts_with('/')))
        .unwrap_or(path);
    matches!(path, "/socket" | "/embywebsocket")
}

/// Kestrel compares paths without their case, and takes a slash at the end. What it would not take
/// is closed all the same; what is open has to be written plainly.
fn of_text(method: &Method, folded: &str, base: &str) -> Endpoint {
    let path = without_base(folded, base);
    let segments: Vec<&str> =
        path.split('/').map(str::trim).filter(|segment| !segment.is_empty()).collect();
    let is_old = |segment: &&&str| matches!(**segment, "emby" | "mediabrowser");
    let olds = segments.iter().take_while(is_old).count();
    let segments = segments.get(olds..).unwrap_or_default();
    let found = of_segments(method, segments);
    if matches!(found, Endpoint::Strangers(_)) && !is_plain(path) {
        return Endpoint::Person;
    }
    found
}

fn is_plain(path: &str) -> bool {
    path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

fn without_base<'a>(path: &'a str, base: &str) -> &'a str {
    match path.strip_prefix(base) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    }
}

fn of_segments(method: &Method, segments: &[&str]) -> Endpoint {
    let Some((first, rest)) = segments.split_first() else {
        return opened(method, Opening::Web);
    };
    let Some(entries) = known(first) else {
        // A name in front that nobody told us of: what is behind it may be a Jellyfin's.
        let behind = match rest {
            [] => Endpoint::Person,
            rest => of_segments(method, rest),
        };
        return behind.max(Endpoint::Person);
    };
    let taken = entries
        .iter()
        .find(|(methods, pattern, _)| methods.take(method) && matches_pattern(pattern, rest));
    match taken.map(|(_, _, kind)| *kind) {
        None => Endpoint::Person,
        Some(Kind::Strangers(opening)) => Endpoint::Strangers(opening),
        Some(Kind::Anonymous(door)) => Endpoint::Anonymous(door),
        Some(Kind::Shut(door)) => Endpoint::Shut(door),
        Some(Kind::Administration) => Endpoint::Administration,
        Some(Kind::Person) => Endpoint::Person,
    }
}

fn opened(method: &Method, opening: Opening) -> Endpoint {
    match *method == Method::GET || *method == Method::HEAD {
        true => Endpoint::Strangers(opening),
        false => Endpoint::Person,
    }
}

/// `*` is one segment, `**` at the end any number, and `stream.*` begins so.
fn matches_pattern(pattern: &[&str], segments: &[&str]) -> bool {
    match (pattern, segments) {
        (["**"], _) | ([], []) => true,
        ([first, pattern @ ..], [segment, segments @ ..]) => {
            let is_taken = match first.strip_suffix('*') {
                Some(beginning) => segment.starts_with(beginning),
                None => first == segment,
            };
            is_taken && matches_pattern(pattern, segments)
        }
        ([], _) | (_, []) => false,
    }
}

#[cfg(test)]
mod tests;
