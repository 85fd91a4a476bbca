//! jellyfin-kodi over Python's requests: a name and a password alone, two fields with its token, and
//! a player that has it in the address.

use super::{
    Model, Pairs,
    Shows::{Address, Field, Nothing},
    Twelve,
    When::{Browse, First, Picture, Play, Report, Transcode},
};

pub const MODEL: Model = Model {
    name: "Jellyfin for Kodi",
    user_agent: "Jellyfin-Kodi/1.1.1",
    says: (
        "x-emby-authorization",
        "MediaBrowser Client=Kodi, Device=Kodi living room, DeviceId=0a1b2c3d4e5f, Version=1.1.1, \
         Token={token}",
    ),
    always: &[("accept", "application/json"), ("accept-charset", "UTF-8,*")],
    pairs: Pairs::Password,
    asks: &[
        (First, "GET /system/info/public", Nothing, 200),
        (First, "GET /users/public", Field, 200),
        (First, "POST /Users/AuthenticateByName", Field, 401),
        (Browse, "GET /Users/{user}", Field, 200),
        (Browse, "POST /Sessions/Capabilities/Full", Field, 204),
        (Browse, "GET /Users/{user}/Views x-mediabrowser-token: {token}", Field, 200),
        (
            Browse,
            "GET /Users/{user}/Items?Recursive=true&IncludeItemTypes=Movie x-mediabrowser-token: {token}",
            Field,
            200,
        ),
        (
            Picture,
            "GET /Items/{film}/Images/Primary/0?MaxWidth=400&Format=original&Tag=0a",
            Nothing,
            200,
        ),
        (Play, "POST /Items/{film}/PlaybackInfo?UserId={user}", Field, 200),
        (
            Play,
            "GET /Videos/{film}/stream?static=true&MediaSourceId={film}&api_key={token} range: bytes=0-",
            Address,
            206,
        ),
        (
            Play,
            "GET /Videos/{film}/stream?static=true&MediaSourceId={film}&api_key={token} range: bytes=180000-",
            Address,
            206,
        ),
        (
            Play,
            "HEAD /Videos/{film}/stream?static=true&MediaSourceId={film}&api_key={token}",
            Address,
            200,
        ),
        (Report, "POST /Sessions/Playing", Field, 204),
        (Report, "POST /Sessions/Playing/Progress", Field, 204),
        (Transcode, "POST /Items/{film}/PlaybackInfo?UserId={user}", Field, 200),
        (Transcode, "GET {transcoded}", Address, 200),
        (Transcode, "GET {next}", Address, 200),
        (Transcode, "GET {next}", Address, 200),
        (Report, "POST /Sessions/Playing/Stopped", Field, 204),
    ],
    socket: Some(("/socket?api_key={token}&device_id=0a1b2c3d4e5f", Address)),
    twelve: Twelve::Translated,
};
