//! Models of twelve stock apps: each asks what the real one asks, in its order, with its token where
//! the real one puts it, and none where that has none. Whatever one of them trips over is a fault of
//! ours.

mod android;
mod android_tv;
mod chromecast;
mod driver;
mod findroid;
mod infuse;
mod ios;
mod kodi;
mod mpv_shim;
mod roku;
mod streamyfin;
mod swiftfin;
mod webos;
mod windows;

use std::time::Duration;

use usher_cinema::JellyfinVersion;

pub const ALL: [&Model; 12] = [
    &android_tv::MODEL,
    &android::MODEL,
    &ios::MODEL,
    &swiftfin::MODEL,
    &roku::MODEL,
    &webos::MODEL,
    &kodi::MODEL,
    &infuse::MODEL,
    &findroid::MODEL,
    &chromecast::MODEL,
    &mpv_shim::MODEL,
    &streamyfin::MODEL,
];

/// An app.
pub struct Model {
    /// As its makers call it.
    pub name: &'static str,
    pub user_agent: &'static str,
    /// What it says of itself wherever it is asked for its token: field, and `{token}` in its value.
    pub says: (&'static str, &'static str),
    /// What else it sends with everything.
    pub always: &'static [(&'static str, &'static str)],
    pub pairs: Pairs,
    /// What it asks before it is anybody's, then as somebody's.
    pub asks: &'static [Asks],
    /// The address of its socket, and how it shows its token there.
    pub socket: Option<(&'static str, Shows)>,
    /// Can it do with a server of version 12 as it is?
    pub twelve: Twelve,
}

/// When, `METHOD PATH [FIELD: VALUE]`, how it shows its token, and the answer.
///
/// `{user}`, `{film}`, `{token}` and `{play}` (the session of its film) stand for what it learnt;
/// `{transcoded}` is the address that it was given, `{next}` the first one in the last playlist.
pub type Asks = (When, &'static str, Shows, u16);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It is nobody's yet.
    First,
    Browse,
    Picture,
    Play,
    Transcode,
    Report,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// In the field of [`Model::says`].
    Field,
    /// In the address, and nowhere else.
    Address,
    /// In the address and in its field.
    Both,
    /// Not at all.
    Nothing,
}

/// How it comes to be somebody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// It shows a code, and asks this often whether somebody typed it.
    Code { every: Duration },
    /// It asks for a name and a password, and knows nothing else.
    Password,
    /// A window in it shows our page to sign in, and then the web client.
    Page,
    /// The app that casts to it hands its own token over.
    Sender,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twelve {
    Works,
    /// With `legacy_clients: translate`.
    Translated,
}

impl Model {
    async fn works(&self) {
        for version in [JellyfinVersion::V10_11, JellyfinVersion::V12] {
            driver::live(self, version).await;
        }
    }

    /// How it asks for the first such thing.
    fn shows(&self, when: When, part: &str) -> Option<Shows> {
        let mut all = self.asks.iter();
        all.find(|(at, what, ..)| *at == when && what.contains(part)).map(|(_, _, shows, _)| *shows)
    }

    /// Its line in the table of the docs.
    fn row(&self) -> String {
        let shown = |shows: Option<Shows>| match shows {
            Some(Shows::Field | Shows::Both) => "with its token",
            Some(Shows::Address) => "token in the address",
            Some(Shows::Nothing) => "without a token",
            None => "–",
        };
        let bound = match self.pairs {
            Pairs::Code { .. } => "a code, at `/link`",
            Pairs::Password => "by name and an app password",
            Pairs::Page => "its window, where somebody signs in",
            Pairs::Sender => "by the app that casts",
        };
        let socket = if self.socket.is_some() { "yes" } else { "–" };
        let twelve = match self.twelve {
            Twelve::Works => "yes",
            Twelve::Translated => "`legacy_clients: translate`",
        };
        format!(
            "| {} | {bound} | {} | {} | {} | {socket} | {twelve} |",
            self.name,
            shown(self.shows(When::Play, "/stream")),
            shown(self.shows(When::Transcode, "{transcoded}")),
            shown(self.shows(When::Picture, "/Images/").or(self.shows(When::Picture, "/images/"))),
        )
    }
}

#[tokio::test]
async fn android_tv_works() {
    android_tv::MODEL.works().await;
}

#[tokio::test]
async fn android_works() {
    android::MODEL.works().await;
}

#[tokio::test]
async fn ios_works() {
    ios::MODEL.works().await;
}

#[tokio::test]
async fn swiftfin_works() {
    swiftfin::MODEL.works().await;
}

#[tokio::test]
async fn roku_works() {
    roku::MODEL.works().await;
}

#[tokio::test]
async fn webos_works() {
    webos::MODEL.works().await;
}

#[tokio::test]
async fn kodi_works() {
    kodi::MODEL.works().await;
}

#[tokio::test]
async fn infuse_works() {
    infuse::MODEL.works().await;
}

#[tokio::test]
async fn findroid_works() {
    findroid::MODEL.works().await;
}

#[tokio::test]
async fn chromecast_works() {
    chromecast::MODEL.works().await;
}

#[tokio::test]
async fn mpv_shim_works() {
    mpv_shim::MODEL.works().await;
}

#[tokio::test]
async fn streamyfin_works() {
    streamyfin::MODEL.works().await;
}

#[test]
fn the_table_of_apps_is_what_the_models_do() {
    let table = include_str!("../../../../../docs/reference/apps.md");
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    let rows: Vec<_> = rows.into_iter().map(str::to_owned).collect();
    let expected: Vec<_> = ALL.iter().map(|model| model.row()).collect();
    assert_eq!(rows, expected, "expected:\n{}", expected.join("\n"));
}
