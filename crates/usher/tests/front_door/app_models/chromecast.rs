//! A page of another origin on the television. It is given its sender's token, and shows pictures
//! without it.

use super::{
    Model, Pairs,
    Shows::{Address, Field, Nothing},
    Twelve,
    When::{Browse, Picture, Play, Report, Transcode},
};

pub const MODEL: Model = Model {
    name: "Chromecast receiver",
    user_agent: "Mozilla/5.0 (X11; Linux aarch64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/128.0.6613.127 Safari/537.36 CrKey/1.56.500000 DeviceType/Chromecast",
    says: (
        "authorization",
        "MediaBrowser Client=\"Chromecast\", Device=\"Living%20Room\", \
         DeviceId=\"TGl2aW5nIFJvb20=\", Version=\"3.1.0\", Token=\"{token}\"",
    ),
    always: &[
        ("origin", "https://apps.jellyfin.org"),
        ("accept", "application/json, text/plain, */*"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "empty"),
    ],
    pairs: Pairs::Sender,
    asks: &[
        (
            Browse,
            "OPTIONS /Items/0a/PlaybackInfo access-control-request-method: POST",
            Nothing,
            204,
        ),
        (Browse, "POST /Sessions/Capabilities/Full", Field, 204),
        (Browse, "GET /Users/{user}/Items?Recursive=true&IncludeItemTypes=Movie", Field, 200),
        (Picture, "GET /Items/{film}/Images/Primary?tag=0a", Nothing, 200),
        (Play, "POST /Items/{film}/PlaybackInfo?userId={user}", Field, 200),
        (
            Play,
            "GET /Videos/{film}/stream.mp4?mediaSourceId={film}&Static=true&ApiKey={token} range: bytes=0-",
            Address,
            206,
        ),
        (
            Play,
            "GET /Videos/{film}/stream.mp4?mediaSourceId={film}&Static=true&ApiKey={token} range: bytes=90000-",
            Address,
            206,
        ),
        (Report, "POST /Sessions/Playing", Field, 204),
        (Report, "POST /Sessions/Playing/Progress", Field, 204),
        (Transcode, "POST /Items/{film}/PlaybackInfo?userId={user}", Field, 200),
        (Transcode, "GET {transcoded}", Address, 200),
        (Transcode, "GET {next}", Address, 200),
        (Transcode, "GET {next}", Address, 200),
        (Report, "POST /Sessions/Playing/Ping?playSessionId={play}", Field, 204),
        (Report, "POST /Sessions/Playing/Stopped", Field, 204),
    ],
    socket: None,
    twelve: Twelve::Works,
};
