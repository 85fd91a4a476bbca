//! The endpoints of versions 10.9 to 12 that are not everybody's who is known, by their first
//! segment. All is in lower case.

use http::Method;

use super::Opening::{self, *};
use crate::jellyfin::door::Door::{self, *};

/// What an entry says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Strangers(Opening),
    Anonymous(Door),
    Shut(Door),
    Administration,
    Person,
}
use Kind::{Administration as Admin, Anonymous, Person, Shut, Strangers};

/// Which methods an entry is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Methods {
    Any,
    Read,
    Post,
    ReadOrPost,
    Delete,
    /// All that change something.
    Write,
}
use Methods::{Any, Delete, Post, Read, ReadOrPost, Write};

impl Methods {
    pub(super) fn take(self, method: &Method) -> bool {
        let reads = *method == Method::GET || *method == Method::HEAD;
        match self {
            Any => true,
            Read => reads,
            Post => *method == Method::POST,
            ReadOrPost => reads || *method == Method::POST,
            Delete => *method == Method::DELETE,
            // What a page may ask elsewhere (CORS) changes nothing.
            Write => !reads && *method != Method::OPTIONS,
        }
    }
}

/// The first that takes a request says what it is.
type Entry = (Methods, &'static [&'static str], Kind);

/// What is said of the paths that begin so; `None` for a name that no Jellyfin has.
pub(super) fn known(first: &str) -> Option<&'static [Entry]> {
    Some(match first {
        "system" => SYSTEM,
        "branding" => BRANDING,
        "users" => USERS,
        "quickconnect" => QUICK_CONNECT,
        "items" => ITEMS,
        "artists" | "genres" | "musicgenres" | "persons" | "studios" => PICTURES,
        "userimage" => USER_IMAGE,
        "videos" => VIDEOS,
        "audio" => AUDIO,
        "livetv" => LIVE_TV,
        "library" => LIBRARY,
        "startup" => STARTUP,
        "web" => WEB,
        "robots.txt" => &[(Read, &[], Strangers(Web))],
        "health" => &[(Read, &[], Strangers(Health))],
        "api-docs" => &[(Any, &["**"], Shut(ApiDocuments))],
        "metrics" => &[(Any, &["**"], Shut(Metrics))],
        "auth" | "backup" | "devices" | "environment" | "packages" | "plugins" | "repositories"
        | "scheduledtasks" => &[(Any, &["**"], Admin)],
        "albums" | "channels" | "clientlog" | "collections" | "displaypreferences"
        | "embywebsocket" | "fallbackfont" | "getutctime" | "libraries" | "livestreams"
        | "localization" | "mediasegments" | "movies" | "playback" | "playingitems"
        | "playlists" | "providers" | "search" | "sessions" | "shows" | "socket" | "songs"
        | "syncplay" | "trailers" | "userfavoriteitems" | "useritems" | "userplayeditems"
        | "userviews" | "years" => &[],
        _ => return None,
    })
}

const SYSTEM: &[Entry] = &[
    (Read, &["info", "public"], Strangers(Info)),
    (ReadOrPost, &["ping"], Strangers(Ping)),
    (Any, &["restart", "**"], Shut(Restart)),
    (Any, &["shutdown", "**"], Admin),
    // For a person the server gives the password of its certificate, too.
    (Any, &["configuration", "**"], Admin),
    (Any, &["logs", "**"], Admin),
    (Any, &["activitylog", "**"], Admin),
    (Any, &["info", "storage"], Admin),
    (Any, &["mediaencoder", "**"], Admin),
];

const BRANDING: &[Entry] = &[
    (Read, &["configuration"], Strangers(Branding)),
    (Read, &["css"], Strangers(Branding)),
    (Read, &["css.css"], Strangers(Branding)),
    (Read, &["splashscreen"], Strangers(Branding)),
    (Write, &["splashscreen"], Admin),
];

const USERS: &[Entry] = &[
    (Read, &["public"], Strangers(UserNames)),
    (Post, &["authenticatewithquickconnect"], Strangers(QuickConnect)),
    (Post, &["authenticatebyname"], Strangers(Password)),
    (Any, &["forgotpassword", "**"], Shut(ForgotPassword)),
    (Any, &["*", "authenticate"], Shut(OldAuthenticate)),
    (Any, &["new"], Admin),
    (Any, &["*", "policy"], Admin),
    (Delete, &["*"], Admin),
    (Read, &["*", "images", "*", "**"], Anonymous(Pictures)),
];

const QUICK_CONNECT: &[Entry] = &[
    (Read, &["enabled"], Strangers(QuickConnect)),
    (ReadOrPost, &["initiate"], Strangers(QuickConnect)),
    (Read, &["connect"], Strangers(QuickConnect)),
];

const ITEMS: &[Entry] = &[
    (Read, &["*", "images", "*", "**"], Anonymous(Pictures)),
    (Write, &["*", "images", "**"], Admin),
    (Post, &["*", "contenttype"], Admin),
    (Post, &["*", "refresh"], Admin),
    (Read, &["*", "metadataeditor"], Admin),
    (Read, &["*", "externalidinfos"], Admin),
    (Post, &["*", "remoteimages", "download"], Admin),
    (Post, &["remotesearch", "apply", "*"], Admin),
    (Post, &["remotesearch", "person"], Admin),
    (Post, &["*"], Admin),
];

const PICTURES: &[Entry] = &[(Read, &["*", "images", "*", "**"], Anonymous(Door::Pictures))];

const USER_IMAGE: &[Entry] = &[(Read, &[], Anonymous(Door::Pictures))];

const VIDEOS: &[Entry] = &[
    (Read, &["*", "stream"], Anonymous(Media)),
    (Read, &["*", "stream.*"], Anonymous(Media)),
    (Read, &["*", "hls", "*", "stream.m3u8"], Person),
    (Read, &["*", "hls", "*", "*"], Anonymous(Media)),
    (Read, &["*", "*", "subtitles", "*", "stream.*"], Anonymous(Attachments)),
    (Read, &["*", "*", "subtitles", "*", "*", "stream.*"], Anonymous(Attachments)),
    (Read, &["*", "*", "attachments", "*"], Anonymous(Attachments)),
    (Post, &["mergeversions"], Admin),
    (Delete, &["*", "alternatesources"], Admin),
    (Delete, &["*", "subtitles", "*"], Admin),
];

const AUDIO: &[Entry] = &[
    (Read, &["*", "stream"], Anonymous(Media)),
    (Read, &["*", "stream.*"], Anonymous(Media)),
    (Read, &["*", "hls", "*", "*"], Anonymous(Media)),
];

const LIVE_TV: &[Entry] = &[
    (Read, &["livestreamfiles", "**"], Anonymous(Media)),
    (Read, &["liverecordings", "**"], Anonymous(Media)),
    (Any, &["channelmappingoptions"], Admin),
    (Any, &["channelmappings"], Admin),
    (Any, &["listingproviders", "schedulesdirect", "**"], Admin),
    (Write, &["listingproviders", "**"], Admin),
    (Write, &["tunerhosts", "**"], Admin),
    (Any, &["tuners", "**"], Admin),
];

const LIBRARY: &[Entry] = &[
    (Any, &["virtualfolders", "**"], Admin),
    (Any, &["mediafolders"], Admin),
    (Any, &["physicalpaths"], Admin),
    (Any, &["refresh"], Admin),
];

const STARTUP: &[Entry] =
    &[(Any, &["logger", "**"], Shut(StartupLog)), (Any, &["**"], Shut(Wizard))];

const WEB: &[Entry] = &[
    (Any, &["configurationpage", "**"], Admin),
    (Any, &["configurationpages", "**"], Admin),
    (Read, &["**"], Strangers(Web)),
];
