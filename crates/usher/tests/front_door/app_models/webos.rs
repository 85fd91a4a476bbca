//! A page of the television's own disk that shows the web client in a frame: a browser of long ago,
//! which sends no Fetch Metadata, and in a frame keeps no cookies of ours.

use super::{
    Duration, Model, Pairs,
    Shows::{Address, Field, Nothing},
    Twelve,
    When::{Browse, First, Picture, Play, Report, Transcode},
};

pub const MODEL: Model = Model {
    name: "Jellyfin for webOS",
    user_agent: "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/68.0.3440.106 Safari/537.36 WebAppManager",
    says: (
        "x-emby-authorization",
        "MediaBrowser Client=\"Jellyfin for WebOS\", Device=\"LG Smart TV\", \
         DeviceId=\"TW96aWxsYS81LjAgKFdlYjBT\", Version=\"1.2.2\", Token=\"{token}\"",
    ),
    always: &[],
    pairs: Pairs::Code { every: Duration::from_secs(5) },
    asks: &[
        (First, "GET /System/Info/Public", Nothing, 200),
        (First, "GET /web/robots.txt accept: */*", Nothing, 200),
        (First, "GET /web/ accept: text/html,application/xhtml+xml", Nothing, 200),
        (First, "GET /web/cinema.js accept: */*", Nothing, 200),
        (First, "GET /Users/Public", Field, 200),
        (First, "GET /QuickConnect/Enabled", Field, 200),
        (Browse, "GET /web/index.html accept: text/html,application/xhtml+xml", Nothing, 200),
        (Browse, "GET /System/Info", Field, 200),
        (Browse, "GET /Users/{user}", Field, 200),
        (Browse, "POST /Sessions/Capabilities/Full", Field, 204),
        (Browse, "GET /Users/{user}/Views", Field, 200),
        (Browse, "GET /Users/{user}/Items/Latest?Limit=16", Field, 200),
        (
            Picture,
            "GET /Items/{film}/Images/Primary?fillHeight=297&quality=96&tag=0a",
            Nothing,
            200,
        ),
        (Play, "POST /Items/{film}/PlaybackInfo?UserId={user}", Field, 200),
        (
            Play,
            "GET /Videos/{film}/stream.mp4?Static=true&mediaSourceId={film}&api_key={token} range: bytes=0-",
            Address,
            206,
        ),
        (
            Play,
            "GET /Videos/{film}/stream.mp4?Static=true&mediaSourceId={film}&api_key={token} range: bytes=120000-",
            Address,
            206,
        ),
        (Report, "POST /Sessions/Playing", Field, 204),
        (Report, "POST /Sessions/Playing/Progress", Field, 204),
        (Transcode, "POST /Items/{film}/PlaybackInfo?UserId={user}", Field, 200),
        (Transcode, "GET {transcoded}", Address, 200),
        (Transcode, "GET {next}", Address, 200),
        (Transcode, "GET {next}", Address, 200),
        (Report, "POST /Sessions/Playing/Stopped", Field, 204),
    ],
    socket: Some(("/socket?api_key={token}&deviceId=TW96aWxsYS81LjAgKFdlYjBT", Address)),
    twelve: Twelve::Translated,
};
