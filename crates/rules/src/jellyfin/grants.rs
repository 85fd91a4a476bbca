//! Requests that apps send without a token, and whose they are taken for.
//!
//! Several apps play a film, and nearly all of them show pictures, without saying who they are. A
//! request that did say so opens this to its own network: pictures for a day, and the one film for
//! as long as it plays. Whoever shares an address with an app that somebody let in can get pictures,
//! and a film whose id they know while it plays there; `grants: false` closes that.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use http::Method;

use super::{Door, pairing::Network};
use crate::{names::RequestPath, session::SessionId};

/// How long pictures are shown after the last request that said whose it is.
const PICTURES_FOR: Duration = Duration::from_secs(24 * 3600);
/// How long a film goes on after the last request of it.
const PLAYBACK_FOR: Duration = Duration::from_secs(12 * 3600);
/// So many of each are remembered: the oldest gives way.
const MOST: usize = 10_000;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemId([u8; 16]);

impl ItemId {
    /// With dashes or without, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        uuid::Uuid::try_parse(text).ok().map(|id| Self(id.into_bytes()))
    }
}

/// A path that servers take to be about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// It will be played: its streams are asked for.
    ToPlay(ItemId),
    /// It is played.
    Played(ItemId),
    /// A picture.
    Picture,
}

/// What a request is about that brings no token, or that opens what such requests may. `query` is
/// what comes with it; `base` is in front of all paths, in small letters of ASCII.
pub fn about(method: &Method, path: &RequestPath, query: &str, base: &str) -> Option<About> {
    let path = path.small();
    let path = path.strip_prefix(base).unwrap_or(&path);
    let mut segments = path.split('/').filter(|segment| !segment.is_empty()).peekable();
    if matches!(segments.peek(), Some(&"emby" | &"mediabrowser")) {
        segments.next();
    }
    let segments: Vec<&str> = segments.collect();
    let reads = *method == Method::GET || *method == Method::HEAD;
    match *segments.as_slice() {
        ["items", id, "playbackinfo"] => ItemId::parse(id).map(About::ToPlay),
        // Without `static` the server would transcode it, for whoever asks.
        ["videos" | "audio", id, last] if reads && is_stream(last) && is_static(query) => {
            ItemId::parse(id).map(About::Played)
        }
        ["videos" | "audio", id, "hls", _, _] if reads => ItemId::parse(id).map(About::Played),
        ["videos", id, _, "subtitles" | "attachments", ..] if reads => {
            ItemId::parse(id).map(About::Played)
        }
        ["userimage"] | [_, _, "images", _, ..] if reads => Some(About::Picture),
        _ => None,
    }
}

fn is_stream(last: &str) -> bool {
    last == "stream" || last.starts_with("stream.")
}

fn is_static(query: &str) -> bool {
    query.split('&').any(|pair| {
        pair.split_once('=').is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("static") && value.eq_ignore_ascii_case("true")
        })
    })
}

impl About {
    /// Is it what that door is for?
    pub const fn is_behind(self, door: Door) -> bool {
        match self {
            Self::ToPlay(_) => false,
            Self::Played(_) => matches!(door, Door::Media | Door::Attachments),
            Self::Picture => matches!(door, Door::Pictures),
        }
    }
}

/// What is open, to whom, and by whose request.
#[derive(Debug, Default)]
pub struct Grants {
    pictures: BTreeMap<Network, Grant>,
    playback: BTreeMap<(Network, ItemId), Grant>,
}

#[derive(Clone, Debug)]
struct Grant {
    by: SessionId,
    at: Instant,
}

impl Grants {
    /// A request with a token came from there, and was let in.
    pub fn opened(&mut self, at: Network, by: &SessionId, about: Option<About>, now: Instant) {
        put(&mut self.pictures, at, Grant { by: by.clone(), at: now }, PICTURES_FOR);
        if let Some(About::ToPlay(item) | About::Played(item)) = about {
            put(&mut self.playback, (at, item), Grant { by: by.clone(), at: now }, PLAYBACK_FOR);
        }
    }

    /// Whose a request from there without a token is. A film goes on while it is asked for.
    pub fn used(&mut self, at: Network, about: About, now: Instant) -> Option<SessionId> {
        match about {
            About::ToPlay(_) => None,
            About::Picture => {
                let grant = self.pictures.get(&at)?;
                is_within(grant, PICTURES_FOR, now).then(|| grant.by.clone())
            }
            About::Played(item) => {
                let grant = self.playback.get_mut(&(at, item))?;
                if !is_within(grant, PLAYBACK_FOR, now) {
                    return None;
                }
                grant.at = now;
                Some(grant.by.clone())
            }
        }
    }
}

fn is_within(grant: &Grant, life: Duration, now: Instant) -> bool {
    now.duration_since(grant.at) < life
}

fn put<K: Ord + Clone>(all: &mut BTreeMap<K, Grant>, key: K, grant: Grant, life: Duration) {
    if all.len() >= MOST && !all.contains_key(&key) {
        let now = grant.at;
        all.retain(|_, one| is_within(one, life, now));
    }
    if all.len() >= MOST && !all.contains_key(&key) {
        let oldest = all.iter().min_by_key(|(_, one)| one.at).map(|(key, _)| key.clone());
        oldest.map(|oldest| all.remove(&oldest));
    }
    all.insert(key, grant);
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const FILM: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "11111111-2222-3333-4444-555555555555";

    #[expect(clippy::disallowed_methods, reason = "some moment, from which all others are told")]
    fn begin_of_time() -> Instant {
        Instant::now()
    }

    fn network(n: u32) -> Network {
        Network::of(IpAddr::from(Ipv4Addr::from_bits(n)))
    }

    fn session(n: u8) -> SessionId {
        SessionId::from_random([n; 16])
    }

    #[test]
    fn what_a_path_is_about() {
        let film = ItemId::parse(FILM).unwrap();
        for (method, path, query, expected, why) in [
            (
                "POST",
                "/Items/0123456789ABCDEF0123456789abcdef/PlaybackInfo",
                "",
                Some(About::ToPlay(film)),
                "any case",
            ),
            (
                "GET",
                "/emby/items/01234567-89ab-cdef-0123-456789abcdef/playbackinfo",
                "",
                Some(About::ToPlay(film)),
                "any spelling",
            ),
            (
                "GET",
                "/Videos/0123456789abcdef0123456789abcdef/stream",
                "static=true",
                Some(About::Played(film)),
                "as it is",
            ),
            (
                "HEAD",
                "/Videos/0123456789abcdef0123456789abcdef/stream.mkv",
                "a=b&Static=True",
                Some(About::Played(film)),
                "by its end",
            ),
            ("GET", "/Videos/0123456789abcdef0123456789abcdef/stream", "", None, "transcoded"),
            (
                "GET",
                "/Videos/0123456789abcdef0123456789abcdef/stream",
                "static=false",
                None,
                "transcoded",
            ),
            (
                "POST",
                "/Videos/0123456789abcdef0123456789abcdef/stream",
                "static=true",
                None,
                "no reading",
            ),
            (
                "GET",
                "/Videos/0123456789abcdef0123456789abcdef/x/Subtitles/1/Stream.srt",
                "",
                Some(About::Played(film)),
                "its words",
            ),
            ("GET", "/Videos/not-an-item/stream", "static=true", None, "no item"),
            ("GET", "/Items/x/Images/Primary", "", Some(About::Picture), "a poster"),
            ("GET", "/Users/Me", "", None, "another thing"),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let read = RequestPath::parse(path).unwrap();
            assert_eq!(about(&method, &read, query, ""), expected, "{path}?{query}: {why}");
        }
    }

    #[test]
    fn a_grant_is_for_its_network_its_item_and_a_time() {
        let (mut grants, start) = (Grants::default(), begin_of_time());
        let [film, other] = [FILM, OTHER].map(|id| About::Played(ItemId::parse(id).unwrap()));
        assert_eq!(grants.used(network(1), About::Picture, start), None, "nobody has asked");
        grants.opened(network(1), &session(1), None, start);
        assert_eq!(grants.used(network(1), About::Picture, start), Some(session(1)));
        assert_eq!(grants.used(network(1), film, start), None, "it was not to be played");
        let to_play = About::ToPlay(ItemId::parse(FILM).unwrap());
        grants.opened(network(1), &session(2), Some(to_play), start);
        assert_eq!(grants.used(network(1), film, start), Some(session(2)));
        assert_eq!(grants.used(network(1), other, start), None, "another film");
        assert_eq!(grants.used(network(2), film, start), None, "elsewhere");
        assert_eq!(grants.used(network(2), About::Picture, start), None, "elsewhere");
        assert_eq!(grants.used(network(1), to_play, start), None, "that needs a token");
        let later = start + PLAYBACK_FOR - Duration::from_secs(1);
        assert_eq!(grants.used(network(1), film, later), Some(session(2)), "it plays");
        let later = later + PLAYBACK_FOR;
        assert_eq!(grants.used(network(1), film, later), None, "it does not play any more");
        assert_eq!(grants.used(network(1), About::Picture, start + PICTURES_FOR), None);
    }

    #[test]
    fn grants_are_bounded() {
        let (mut grants, start) = (Grants::default(), begin_of_time());
        for n in 0..=u32::try_from(MOST).unwrap() {
            let now = start + Duration::from_millis(n.into());
            grants.opened(network(n), &session(1), None, now);
        }
        assert_eq!(grants.pictures.len(), MOST);
        assert_eq!(grants.used(network(0), About::Picture, start), None, "the oldest gave way");
        assert!(grants.used(network(1), About::Picture, start).is_some());
    }
}
