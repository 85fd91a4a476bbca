//! roUrlTransfer: paths of its own case, and its field on the node that plays.

use super::{
    Duration, Model, Pairs,
    Shows::{Address, Both, Field, Nothing},
    Twelve,
    When::{Browse, First, Picture, Play, Report, Transcode},
};

pub const MODEL: Model = Model {
    name: "Jellyfin for Roku",
    user_agent: "Roku/DVP-14.5 (14.5.4.5934)",
    says: (
        "authorization",
        "MediaBrowser Client=\"Jellyfin Roku\", Device=\"Roku Ultra\", DeviceId=\"4c4d1dd1-9a37\", \
         Version=\"3.0.9\", UserId=\"{user}\", Token=\"{token}\"",
    ),
    always: &[],
    pairs: Pairs::Code { every: Duration::from_secs(3) },
    asks: &[
        (First, "GET /system/info/public", Nothing, 200),
        (First, "GET /QuickConnect/Enabled", Field, 200),
        (First, "GET /users/public", Field, 200),
        (First, "GET /Branding/Configuration", Field, 200),
        (Browse, "GET /users/me", Field, 200),
        (Browse, "POST /Sessions/Capabilities/Full", Field, 204),
        (Browse, "GET /Users/{user}/Views", Field, 200),
        (Browse, "GET /Users/{user}/Items/Latest?Limit=24", Field, 200),
        (
            Picture,
            "GET /Items/{film}/Images/Primary?maxHeight=384&maxWidth=196&quality=90",
            Nothing,
            200,
        ),
        (Browse, "GET /Users/{user}/Items/{film}", Field, 200),
        (Play, "POST /Items/{film}/PlaybackInfo?UserId={user}&StartTimeTicks=0", Field, 200),
        (
            Play,
            "GET /Videos/{film}/stream?static=true&Container=mp4&PlaySessionId={play}&MediaSourceId={film} range: bytes=0-",
            Field,
            206,
        ),
        (
            Play,
            "GET /Videos/{film}/stream?static=true&Container=mp4&PlaySessionId={play}&MediaSourceId={film} range: bytes=150000-",
            Field,
            206,
        ),
        (Play, "GET /Videos/{film}/Trickplay/320/0.jpg?ApiKey={token}", Address, 200),
        (Report, "POST /Sessions/Playing", Field, 204),
        (Report, "POST /Sessions/Playing/Progress", Field, 204),
        (Transcode, "POST /Items/{film}/PlaybackInfo?UserId={user}", Field, 200),
        (Transcode, "GET {transcoded}", Both, 200),
        (Transcode, "GET {next}", Both, 200),
        (Transcode, "GET {next}", Both, 200),
        (Report, "POST /Sessions/Playing/Stopped", Field, 204),
    ],
    socket: None,
    twelve: Twelve::Works,
};
