//! apiclient-python over requests, and an mpv that is given the field, too.

use super::{
    Model, Pairs,
    Shows::{Both, Field},
    Twelve,
    When::{Browse, First, Picture, Play, Report, Transcode},
};

pub const MODEL: Model = Model {
    name: "Jellyfin MPV Shim",
    user_agent: "Jellyfin-MPV-Shim/2.10.0",
    says: (
        "authorization",
        "MediaBrowser Client=\"Jellyfin MPV Shim\", Device=\"desktop\", DeviceId=\"0f7d90bd\", \
         Version=\"2.10.0\", Token=\"{token}\"",
    ),
    always: &[("accept", "application/json"), ("accept-encoding", "gzip")],
    pairs: Pairs::Password,
    asks: &[
        (First, "GET /system/info/public", Field, 200),
        (First, "POST /Users/AuthenticateByName", Field, 401),
        (Browse, "GET /Users/Me", Field, 200),
        (Browse, "POST /Sessions/Capabilities/Full", Field, 204),
        (Browse, "GET /Users/{user}/Views", Field, 200),
        (Browse, "GET /Users/{user}/Items?Recursive=true&IncludeItemTypes=Movie", Field, 200),
        (Picture, "GET /Items/{film}/Images/Primary?quality=90", Field, 200),
        (Play, "POST /Items/{film}/PlaybackInfo?UserId={user}", Field, 200),
        (
            Play,
            "GET /Videos/{film}/stream?static=true&MediaSourceId={film} range: bytes=0-",
            Field,
            206,
        ),
        (
            Play,
            "GET /Videos/{film}/stream?static=true&MediaSourceId={film} range: bytes=350000-",
            Field,
            206,
        ),
        (Play, "GET /Videos/{film}/Trickplay/320/0.jpg", Field, 200),
        (Report, "POST /Sessions/Playing", Field, 204),
        (Report, "POST /Sessions/Playing/Progress", Field, 204),
        (Transcode, "POST /Items/{film}/PlaybackInfo?UserId={user}", Field, 200),
        (Transcode, "GET {transcoded}", Both, 200),
        (Transcode, "GET {next}", Both, 200),
        (Transcode, "GET {next}", Both, 200),
        (Report, "POST /Sessions/Playing/Stopped", Field, 204),
    ],
    socket: Some(("/socket?deviceId=0f7d90bd", Field)),
    twelve: Twelve::Works,
};
