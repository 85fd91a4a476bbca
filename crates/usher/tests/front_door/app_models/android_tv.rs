//! sdk-kotlin over OkHttp, and an ExoPlayer that knows nothing of the token.

use super::{
    Duration, Model, Pairs,
    Shows::{Address, Field, Nothing},
    Twelve,
    When::{Browse, First, Picture, Play, Report, Transcode},
};

pub const MODEL: Model = Model {
    name: "Jellyfin for Android TV",
    user_agent: "Jellyfin for Android TV/0.19.4 via jellyfin-sdk-kotlin (OkHttp/5.1.0)",
    says: (
        "authorization",
        "MediaBrowser Client=\"Jellyfin%20for%20Android%20TV\", Version=\"0.19.4\", \
         DeviceId=\"5ba93c9db0cff93f52b521d7420e43f6eda2784f\", Device=\"SHIELD\", Token=\"{token}\"",
    ),
    always: &[("accept", "application/json, application/octet-stream;q=0.9, */*;q=0.8")],
    pairs: Pairs::Code { every: Duration::from_secs(5) },
    asks: &[
        (First, "GET /System/Info/Public", Field, 200),
        (First, "GET /Branding/Configuration", Field, 200),
        (First, "GET /Users/Public", Field, 200),
        (First, "GET /QuickConnect/Enabled", Field, 200),
        (First, "GET /Branding/Splashscreen", Nothing, 404),
        (Browse, "GET /Users/Me", Field, 200),
        (Browse, "POST /Sessions/Capabilities/Full", Field, 204),
        (Browse, "GET /UserViews?userId={user}", Field, 200),
        (Browse, "GET /UserItems/Resume?userId={user}&limit=50&mediaTypes=Video", Field, 200),
        (Browse, "GET /Items/Latest?userId={user}&limit=50", Field, 200),
        (Picture, "GET /Items/{film}/Images/Primary?maxHeight=370&quality=90", Nothing, 200),
        (Browse, "GET /Items/{film}?userId={user}", Field, 200),
        (Play, "POST /Items/{film}/PlaybackInfo?userId={user}", Field, 200),
        (
            Play,
            "GET /Videos/{film}/stream?container=mp4&static=true&mediaSourceId={film}",
            Nothing,
            200,
        ),
        (
            Play,
            "GET /Videos/{film}/stream?container=mp4&static=true&mediaSourceId={film} range: bytes=100000-",
            Nothing,
            206,
        ),
        (Play, "GET /Videos/{film}/Trickplay/320/0.jpg?mediaSourceId={film}", Field, 200),
        (Play, "GET /Videos/{film}/{film}/Subtitles/2/0/Stream.vtt", Nothing, 200),
        (Report, "POST /Sessions/Playing", Field, 204),
        (Report, "POST /Sessions/Playing/Progress", Field, 204),
        (Transcode, "POST /Items/{film}/PlaybackInfo?userId={user}", Field, 200),
        (Transcode, "GET {transcoded}", Address, 200),
        (Transcode, "GET {next}", Address, 200),
        (Transcode, "GET {next}", Address, 200),
        (Report, "POST /Sessions/Playing/Stopped", Field, 204),
        (
            Report,
            "DELETE /Videos/ActiveEncodings?deviceId=5ba93c9d&playSessionId={play}",
            Field,
            204,
        ),
    ],
    socket: Some(("/socket", Field)),
    twelve: Twelve::Works,
};
