//! Expo's fetch asks which server it is, then a WKWebView shows whatever the server shows. It keeps
//! cookies: somebody signs in on our own page.

use super::{
    Model, Pairs,
    Shows::{Address, Field, Nothing},
    Twelve,
    When::{Browse, First, Picture, Play, Report, Transcode},
};

pub const MODEL: Model = Model {
    name: "Jellyfin for iOS",
    user_agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, \
                 like Gecko) Mobile/15E148",
    says: (
        "authorization",
        "MediaBrowser Client=\"Jellyfin iOS\", Device=\"iPhone\", DeviceId=\"B1D7A1C2-7D1E\", \
         Version=\"1.7.1\", Token=\"{token}\"",
    ),
    always: &[],
    pairs: Pairs::Page,
    asks: &[
        (First, "GET /system/info/public accept: application/json", Nothing, 200),
        (First, "GET /web/ accept: text/html", Nothing, 302),
        (Browse, "GET /web/ accept: text/html", Nothing, 302), // to the page that seats its token
        (Browse, "GET /System/Info", Field, 200),
        (Browse, "GET /Users/{user}", Field, 200),
        (Browse, "POST /Sessions/Capabilities/Full", Field, 204),
        (Browse, "GET /UserViews?userId={user}", Field, 200),
        (Browse, "GET /Users/{user}/Items/Latest?Limit=16", Field, 200),
        (
            Picture,
            "GET /Items/{film}/Images/Primary?fillHeight=297&fillWidth=198&quality=96&tag=0a",
            Nothing,
            200,
        ),
        (Play, "POST /Items/{film}/PlaybackInfo?userId={user}", Field, 200),
        (
            Play,
            "GET /Videos/{film}/stream.mp4?Static=true&mediaSourceId={film}&ApiKey={token} range: bytes=0-1",
            Address,
            206,
        ),
        (
            Play,
            "GET /Videos/{film}/stream.mp4?Static=true&mediaSourceId={film}&ApiKey={token} range: bytes=300000-",
            Address,
            206,
        ),
        (Play, "GET /Items/{film}/Download?ApiKey={token}", Address, 200),
        (Report, "POST /Sessions/Playing", Field, 204),
        (Report, "POST /Sessions/Playing/Progress", Field, 204),
        (Transcode, "POST /Items/{film}/PlaybackInfo?userId={user}", Field, 200),
        (Transcode, "GET {transcoded}", Address, 200),
        (Transcode, "GET {next}", Address, 200),
        (Transcode, "GET {next}", Address, 200),
        (Report, "POST /Sessions/Playing/Stopped", Field, 204),
    ],
    socket: Some(("/socket?ApiKey={token}&deviceId=B1D7A1C2-7D1E", Address)),
    twelve: Twelve::Works,
};
