//! A window of the system that shows the web client, and an ExoPlayer beside it. The window has to
//! get the web client's own page at once: the app waits ten seconds for its script, and takes any
//! other page for none.

use super::{
    Duration, Model, Pairs,
    Shows::{Address, Both, Field, Nothing},
    Twelve,
    When::{Browse, First, Picture, Play, Report, Transcode},
};

pub const MODEL: Model = Model {
    name: "Jellyfin for Android",
    user_agent: "Mozilla/5.0 (Linux; Android 16; Pixel 9 Build/BP2A; wv) AppleWebKit/537.36 (KHTML, \
                 like Gecko) Version/4.0 Chrome/142.0.0.0 Mobile Safari/537.36",
    says: (
        "authorization",
        "MediaBrowser Client=\"Jellyfin Android\", Device=\"Pixel 9\", DeviceId=\"4f1c9a7be02d55aa\", \
         Version=\"2.6.3\", Token=\"{token}\"",
    ),
    always: &[("x-requested-with", "org.jellyfin.mobile")],
    pairs: Pairs::Code { every: Duration::from_secs(5) },
    asks: &[
        (First, "GET /System/Info/Public", Nothing, 200),
        (First, "GET / accept: text/html,application/xhtml+xml", Nothing, 302),
        (First, "GET /web/ accept: text/html,application/xhtml+xml", Nothing, 200),
        (First, "GET /web/cinema.js accept: */*", Nothing, 200),
        (First, "GET /System/Info/Public", Field, 200),
        (First, "GET /Users/Public", Field, 200),
        (First, "GET /QuickConnect/Enabled", Field, 200),
        (First, "GET /Branding/Configuration", Nothing, 200),
        (Browse, "GET /web/ accept: text/html,application/xhtml+xml", Nothing, 200),
        (Browse, "GET /System/Info", Field, 200),
        (Browse, "GET /Users/{user}", Field, 200),
        (Browse, "POST /Sessions/Capabilities/Full", Field, 204),
        (Browse, "GET /UserViews?userId={user}", Field, 200),
        (Browse, "GET /Users/{user}/Items/Resume?Limit=12&MediaTypes=Video", Field, 200),
        (Browse, "GET /Users/{user}/Items/Latest?Limit=16", Field, 200),
        (
            Picture,
            "GET /Items/{film}/Images/Primary?fillHeight=297&fillWidth=198&quality=96&tag=0a",
            Nothing,
            200,
        ),
        (Browse, "GET /Users/{user}/Items/{film}", Field, 200),
        (Play, "POST /Items/{film}/PlaybackInfo?userId={user}", Field, 200),
        (
            Play,
            "GET /Videos/{film}/stream?static=true&mediaSourceId={film} range: bytes=0-",
            Field,
            206,
        ),
        (
            Play,
            "GET /Videos/{film}/stream?static=true&mediaSourceId={film} range: bytes=200000-",
            Field,
            206,
        ),
        (
            Play,
            "GET /Videos/{film}/stream?static=true&ApiKey={token} range: bytes=0-",
            Address,
            206,
        ),
        (Report, "POST /Sessions/Playing", Field, 204),
        (Report, "POST /Sessions/Playing/Progress", Field, 204),
        (Transcode, "POST /Items/{film}/PlaybackInfo?userId={user}", Field, 200),
        (Transcode, "GET {transcoded}", Both, 200),
        (Transcode, "GET {next}", Both, 200),
        (Transcode, "GET {next}", Both, 200),
        (Report, "POST /Sessions/Playing/Stopped", Field, 204),
    ],
    socket: Some(("/socket?ApiKey={token}&deviceId=4f1c9a7be02d55aa", Address)),
    twelve: Twelve::Works,
};
