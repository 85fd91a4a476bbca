//! React Native with Jellyfin's own SDK, and an mpv that has the token in the address.

use super::{
    Duration, Model, Pairs,
    Shows::{Address, Field, Nothing},
    Twelve,
    When::{Browse, First, Picture, Play, Report, Transcode},
};

pub const MODEL: Model = Model {
    name: "Streamyfin",
    user_agent: "okhttp/4.12.0",
    says: (
        "authorization",
        "MediaBrowser Client=\"Streamyfin\", Device=\"Pixel%209\", DeviceId=\"6a0d7c1e-9b55\", \
         Version=\"0.47.1\", Token=\"{token}\"",
    ),
    always: &[("accept", "application/json, text/plain, */*")],
    pairs: Pairs::Code { every: Duration::from_secs(2) },
    asks: &[
        (First, "GET /System/Info/Public", Nothing, 200),
        (First, "GET /QuickConnect/Enabled", Field, 200),
        (Browse, "GET /Users/Me", Field, 200),
        (Browse, "POST /Sessions/Capabilities/Full", Field, 204),
        (Browse, "GET /UserViews?userId={user}", Field, 200),
        (Browse, "GET /UserItems/Resume?userId={user}", Field, 200),
        (Browse, "GET /Items/Latest?userId={user}&limit=20", Field, 200),
        (Picture, "GET /Items/{film}/Images/Primary?fillHeight=267&quality=75", Nothing, 200),
        (Play, "POST /Items/{film}/PlaybackInfo?userId={user}", Field, 200),
        (
            Play,
            "GET /Videos/{film}/stream?playSessionId={play}&mediaSourceId={film}&static=true&ApiKey={token} range: bytes=0-",
            Address,
            206,
        ),
        (
            Play,
            "GET /Videos/{film}/stream?playSessionId={play}&mediaSourceId={film}&static=true&ApiKey={token} range: bytes=280000-",
            Address,
            206,
        ),
        (Report, "POST /Sessions/Playing", Field, 204),
        (Report, "POST /Sessions/Playing/Progress", Field, 204),
        (Transcode, "POST /Items/{film}/PlaybackInfo?userId={user}", Field, 200),
        (Transcode, "GET {transcoded}", Address, 200),
        (Transcode, "GET {next}", Address, 200),
        (Transcode, "GET {next}", Address, 200),
        (Report, "POST /Sessions/Playing/Stopped", Field, 204),
    ],
    socket: Some(("/socket?ApiKey={token}", Address)),
    twelve: Twelve::Works,
};
