//! sdk-kotlin and a player of its own, which plays the file as it is and says nothing of itself.

use super::{
    Duration, Model, Pairs,
    Shows::{Field, Nothing},
    Twelve,
    When::{Browse, First, Picture, Play, Report},
};

pub const MODEL: Model = Model {
    name: "Findroid",
    user_agent: "Findroid/0.16.1 via jellyfin-sdk-kotlin (OkHttp/5.1.0)",
    says: (
        "authorization",
        "MediaBrowser Client=\"Findroid\", Version=\"0.16.1\", DeviceId=\"9f2b6c\", \
         Device=\"Pixel%209\", Token=\"{token}\"",
    ),
    always: &[("accept", "application/json, */*;q=0.8")],
    pairs: Pairs::Code { every: Duration::from_secs(5) },
    asks: &[
        (First, "GET /System/Info/Public", Field, 200),
        (First, "GET /Users/Public", Field, 200),
        (First, "GET /QuickConnect/Enabled", Field, 200),
        (First, "GET /Branding/Configuration", Field, 200),
        (Browse, "GET /UserViews?userId={user}", Field, 200),
        (Browse, "GET /Items?userId={user}&recursive=true&includeItemTypes=Movie", Field, 200),
        (Picture, "GET /Items/{film}/Images/Primary?fillWidth=300", Nothing, 200),
        (Play, "POST /Items/{film}/PlaybackInfo", Field, 200),
        (Play, "GET /Videos/{film}/stream?static=true&mediaSourceId={film}", Nothing, 200),
        (
            Play,
            "GET /Videos/{film}/stream?static=true&mediaSourceId={film} range: bytes=210000-",
            Nothing,
            206,
        ),
        (Play, "GET /Videos/{film}/Trickplay/320/0.jpg?mediaSourceId={film}", Field, 200),
        (Play, "GET /Videos/{film}/{film}/Subtitles/2/0/Stream.vtt", Nothing, 200),
        (Report, "POST /Sessions/Playing", Field, 204),
        (Report, "POST /Sessions/Playing/Progress", Field, 204),
        (Report, "POST /Sessions/Playing/Stopped", Field, 204),
    ],
    socket: None,
    twelve: Twelve::Works,
};
