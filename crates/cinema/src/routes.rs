//! Which endpoint a path belongs to, and what it asks of its caller.

use http::Method;

use crate::caller::Access;

/// Every endpoint that is built.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Endpoint {
    AnonymousInfo,
    ApproveCode,
    Authenticate,
    AuthenticateById,
    BitrateTest,
    BrandingConfiguration,
    BrandingCss,
    Capabilities,
    ClientLog,
    ConnectPoll,
    CreateKey,
    DeleteDevice,
    DeleteKey,
    DeletePerson,
    Devices,
    Download,
    ElevatedNothing,
    EmptyResult,
    Exchange,
    ForgotPassword,
    ForgotPasswordPin,
    Health,
    Image,
    Info,
    InitiateCode,
    Item,
    Items,
    Keys,
    LatestItems,
    Libraries,
    Logout,
    Me,
    NetworkPosition,
    NewPerson,
    NothingFound,
    OpenApi,
    OriginalFile,
    Password,
    People,
    Person,
    Ping,
    PlaybackInfo,
    PlaybackStop,
    Playing,
    Playlist,
    PlaylistOfPlaylists,
    Policy,
    PublicPeople,
    QuickConnectEnabled,
    Redirect(&'static str),
    Restart,
    ResumeItems,
    Segment,
    SendCommand,
    SendMessage,
    SendPlay,
    SendPlaystate,
    Sessions,
    Settings,
    SettingsNamed,
    StartupConfiguration,
    StartupPerson,
    Stream,
    StoreSettings,
    StoreSettingsNamed,
    Subtitles,
    Tiles,
    Unchanged,
    UtcTime,
    Views,
}

/// What a target led to.
pub(crate) enum Found {
    Route {
        access: Access,
        endpoint: Endpoint,
        /// The values of the pattern's `{…}`, in order.
        captured: Vec<String>,
    },
    /// The path exists, the method does not: what may be used.
    OtherMethods(String),
    Nothing,
}

/// Methods, pattern, access, endpoint. The first pattern that fits wins, so that fixed segments
/// stand before `{…}`. `a|b` are two patterns.
const ROUTES: &[(&str, &str, Access, Endpoint)] = {
    use Access::{Anyone, Download, Elevated, LocalOrElevated, SignedIn};
    &[
        ("GET", "health", Anyone, Endpoint::Health),
        ("GET", "System/Info/Public", Anyone, Endpoint::AnonymousInfo),
        ("GET", "System/Info", SignedIn, Endpoint::Info),
        ("GET POST", "System/Ping", Anyone, Endpoint::Ping),
        ("GET", "System/Endpoint", SignedIn, Endpoint::NetworkPosition),
        ("POST", "System/Restart", LocalOrElevated, Endpoint::Restart),
        ("GET", "System/Configuration", SignedIn, Endpoint::Settings),
        ("POST", "System/Configuration", Elevated, Endpoint::StoreSettings),
        ("GET", "System/Configuration/{key}", SignedIn, Endpoint::SettingsNamed),
        ("POST", "System/Configuration/{key}", Elevated, Endpoint::StoreSettingsNamed),
        ("GET", "System/Logs", Elevated, Endpoint::ElevatedNothing),
        ("GET", "ScheduledTasks", Elevated, Endpoint::ElevatedNothing),
        ("GET", "Plugins", Elevated, Endpoint::ElevatedNothing),
        ("GET", "Packages", Elevated, Endpoint::ElevatedNothing),
        ("GET", "Library/VirtualFolders", Elevated, Endpoint::Libraries),
        ("GET", "Environment/Drives", Elevated, Endpoint::ElevatedNothing),
        ("GET", "Localization/Options", SignedIn, Endpoint::ElevatedNothing),
        ("GET", "Localization/Cultures", SignedIn, Endpoint::ElevatedNothing),
        ("GET", "Startup/User", Elevated, Endpoint::StartupPerson),
        ("GET", "Startup/Configuration", Elevated, Endpoint::StartupConfiguration),
        ("GET", "GetUtcTime", Anyone, Endpoint::UtcTime),
        ("GET", "Branding/Configuration", Anyone, Endpoint::BrandingConfiguration),
        ("GET", "Branding/Css|Branding/Css.css", Anyone, Endpoint::BrandingCss),
        ("GET", "Branding/Splashscreen", Anyone, Endpoint::NothingFound),
        ("GET", "web/ConfigurationPage", Anyone, Endpoint::NothingFound),
        ("GET", "api-docs/openapi.json", Anyone, Endpoint::OpenApi),
        ("GET", "api-docs/swagger", Anyone, Endpoint::Redirect("swagger/index.html")),
        ("POST", "ClientLog/Document", SignedIn, Endpoint::ClientLog),
        ("GET", "Playback/BitrateTest", SignedIn, Endpoint::BitrateTest),
        // people
        ("GET", "Users/Public", Anyone, Endpoint::PublicPeople),
        ("GET", "Users/Me", SignedIn, Endpoint::Me),
        ("POST", "Users/AuthenticateByName", Anyone, Endpoint::Authenticate),
        ("POST", "Users/AuthenticateWithQuickConnect", Anyone, Endpoint::Exchange),
        ("POST", "Users/ForgotPassword", Anyone, Endpoint::ForgotPassword),
        ("POST", "Users/ForgotPassword/Pin", Anyone, Endpoint::ForgotPasswordPin),
        ("POST", "Users/New", Elevated, Endpoint::NewPerson),
        ("POST", "Users/Password", SignedIn, Endpoint::Password),
        ("GET", "Users", SignedIn, Endpoint::People),
        ("POST", "Users/{userId}/Authenticate", Anyone, Endpoint::AuthenticateById),
        ("POST", "Users/{userId}/Password", SignedIn, Endpoint::Password),
        ("POST", "Users/{userId}/Policy", Elevated, Endpoint::Policy),
        ("GET", "Users/{userId}/Views|UserViews", SignedIn, Endpoint::Views),
        ("GET", "Users/{userId}/Items/Latest|Items/Latest", SignedIn, Endpoint::LatestItems),
        ("GET", "Users/{userId}/Items/Resume|UserItems/Resume", SignedIn, Endpoint::ResumeItems),
        ("GET", "Users/{userId}/Items/{itemId}", SignedIn, Endpoint::Item),
        ("GET", "Users/{userId}/Items|Items", SignedIn, Endpoint::Items),
        ("GET", "Users/{userId}", SignedIn, Endpoint::Person),
        ("DELETE", "Users/{userId}", Elevated, Endpoint::DeletePerson),
        // lists that are empty here
        ("GET", "Shows/NextUp|LiveTv/Programs/Recommended", SignedIn, Endpoint::EmptyResult),
        (
            "GET",
            "Items/{itemId}/Similar|Items/{itemId}/Collections",
            SignedIn,
            Endpoint::EmptyResult,
        ),
        ("GET", "Users/{userId}/Items/{itemId}/Intros", SignedIn, Endpoint::EmptyResult),
        ("GET", "SyncPlay/List", SignedIn, Endpoint::ElevatedNothing),
        // Quick Connect
        ("GET", "QuickConnect/Enabled", Anyone, Endpoint::QuickConnectEnabled),
        ("GET POST", "QuickConnect/Initiate", Anyone, Endpoint::InitiateCode),
        ("GET", "QuickConnect/Connect", Anyone, Endpoint::ConnectPoll),
        ("POST", "QuickConnect/Authorize", SignedIn, Endpoint::ApproveCode),
        // the film
        ("GET", "Items/{itemId}", SignedIn, Endpoint::Item),
        ("GET POST", "Items/{itemId}/PlaybackInfo", SignedIn, Endpoint::PlaybackInfo),
        ("GET", "Items/{itemId}/Download", Download, Endpoint::Download),
        ("GET", "Items/{itemId}/File", SignedIn, Endpoint::OriginalFile),
        ("GET HEAD", "Items/{itemId}/Images/{imageType}", Anyone, Endpoint::Image),
        ("GET HEAD", "Items/{itemId}/Images/{imageType}/{index}", Anyone, Endpoint::Image),
        ("DELETE", "Videos/ActiveEncodings", SignedIn, Endpoint::Unchanged),
        ("GET HEAD", "Videos/{itemId}/stream|Audio/{itemId}/stream", Anyone, Endpoint::Stream),
        ("GET HEAD", "Videos/{itemId}/stream.*|Audio/{itemId}/stream.*", Anyone, Endpoint::Stream),
        ("GET HEAD", "Audio/{itemId}/universal", SignedIn, Endpoint::OriginalFile),
        ("GET HEAD", "Videos/{itemId}/master.m3u8", SignedIn, Endpoint::PlaylistOfPlaylists),
        ("GET HEAD", "Videos/{itemId}/main.m3u8", SignedIn, Endpoint::Playlist),
        ("GET", "Videos/{itemId}/hls1/{playlist}/{segment}", SignedIn, Endpoint::Segment),
        ("GET", "Videos/{itemId}/Trickplay/{width}/{tile}", SignedIn, Endpoint::Tiles),
        (
            "GET",
            "Videos/{itemId}/{source}/Subtitles/{index}/{ticks}/Stream.*",
            Anyone,
            Endpoint::Subtitles,
        ),
        // sessions
        ("GET", "Sessions", SignedIn, Endpoint::Sessions),
        ("POST", "Sessions/Logout", SignedIn, Endpoint::Logout),
        ("POST", "Sessions/Capabilities", SignedIn, Endpoint::Capabilities),
        ("POST", "Sessions/Capabilities/Full", SignedIn, Endpoint::Capabilities),
        ("POST", "Sessions/Playing", SignedIn, Endpoint::Playing),
        ("POST", "Sessions/Playing/Progress", SignedIn, Endpoint::Playing),
        ("POST", "Sessions/Playing/Stopped", SignedIn, Endpoint::PlaybackStop),
        ("POST", "Sessions/Playing/Ping", SignedIn, Endpoint::Unchanged),
        ("POST", "Sessions/Viewing", SignedIn, Endpoint::Unchanged),
        ("POST", "Sessions/{sessionId}/Message", SignedIn, Endpoint::SendMessage),
        ("POST", "Sessions/{sessionId}/Command", SignedIn, Endpoint::SendCommand),
        ("POST", "Sessions/{sessionId}/Command/{command}", SignedIn, Endpoint::SendCommand),
        ("POST", "Sessions/{sessionId}/System/{command}", SignedIn, Endpoint::SendCommand),
        ("POST", "Sessions/{sessionId}/Playing", SignedIn, Endpoint::SendPlay),
        ("POST", "Sessions/{sessionId}/Playing/{command}", SignedIn, Endpoint::SendPlaystate),
        // devices and keys
        ("GET", "Devices", Elevated, Endpoint::Devices),
        ("DELETE", "Devices", Elevated, Endpoint::DeleteDevice),
        ("GET", "Auth/Keys", Elevated, Endpoint::Keys),
        ("POST", "Auth/Keys", Elevated, Endpoint::CreateKey),
        ("DELETE", "Auth/Keys/{key}", Elevated, Endpoint::DeleteKey),
    ]
};

/// Finds the route of a path. `initiate_by_get`: whether `GET /QuickConnect/Initiate` exists.
pub(crate) fn find(method: &Method, segments: &[String], initiate: InitiateMethods) -> Found {
    let mut others = Vec::new();
    for (methods, patterns, access, endpoint) in ROUTES {
        let methods = match (endpoint, initiate) {
            (Endpoint::InitiateCode, InitiateMethods::PostOnly) => "POST",
            _ => methods,
        };
        let Some(captured) = patterns.split('|').find_map(|pattern| fit(pattern, segments)) else {
            continue;
        };
        if methods.split(' ').any(|name| name == method.as_str()) {
            return Found::Route { access: *access, endpoint: *endpoint, captured };
        }
        others.extend(methods.split(' '));
    }
    if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others.join(", ")) }
}

/// How a Quick Connect request may begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum InitiateMethods {
    GetAndPost,
    PostOnly,
}

fn fit(pattern: &str, segments: &[String]) -> Option<Vec<String>> {
    let mut captured = Vec::new();
    let mut rest = segments.iter();
    for expected in pattern.split('/') {
        let segment = rest.next()?;
        let fits = if expected.starts_with('{') {
            captured.push(segment.clone());
            !segment.is_empty()
        } else if let Some(stem) = expected.strip_suffix('*') {
            segment.get(..stem.len()).is_some_and(|start| start.eq_ignore_ascii_case(stem))
                && segment.len() > stem.len()
        } else {
            segment.eq_ignore_ascii_case(expected)
        };
        if !fits {
            return None;
        }
    }
    rest.next().is_none().then_some(captured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        for (method, path, expected, why) in [
            ("GET", "system/INFO/public", Some(Endpoint::AnonymousInfo), "case does not count"),
            ("GET", "Users/Me", Some(Endpoint::Me), "before the id"),
            ("GET", "Users/abc", Some(Endpoint::Person), "an id"),
            ("GET", "Videos/1/stream.MP4", Some(Endpoint::Stream), "with a container"),
            ("GET", "Videos/1/stream.", None, "without one"),
            ("HEAD", "System/Info/Public", None, "HEAD is only where it was declared"),
            ("GET", "Users/", None, "an empty segment is no id"),
            ("GET", "Users/Me/x", None, "more than the pattern"),
        ] {
            let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let found = match find(&method, &segments, InitiateMethods::GetAndPost) {
                Found::Route { endpoint, .. } => Some(endpoint),
                Found::OtherMethods(_) | Found::Nothing => None,
            };
            assert_eq!(found, expected, "{path}: {why}");
        }
    }
}
