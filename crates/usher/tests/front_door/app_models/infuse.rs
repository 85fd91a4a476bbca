//! Closed, and known by what servers see of it: small letters, `/emby` in front, the old field, and
//! its token in that field wherever it asks.

use super::{
    Model, Pairs,
    Shows::{Field, Nothing},
    Twelve,
    When::{Browse, First, Picture, Play, Report},
};

pub const MODEL: Model = Model {
    name: "Infuse",
    user_agent: "Infuse-Direct/8.2",
    says: (
        "x-emby-authorization",
        "MediaBrowser Client=\"Infuse-Direct\", Version=\"8.2\", Device=\"Apple TV\", \
         DeviceId=\"c4bb2b5e-2e0d\", Token=\"{token}\"",
    ),
    always: &[],
    pairs: Pairs::Password,
    asks: &[
        (First, "GET /system/info/public", Nothing, 200),
        (First, "GET /users/public", Nothing, 200),
        (First, "POST /Users/AuthenticateByName", Field, 401),
        (Browse, "GET /emby/users/{user}/views", Field, 200),
        (Browse, "GET /emby/users/{user}/items?recursive=true&includeitemtypes=Movie", Field, 200),
        (Browse, "GET /emby/users/{user}/items/{film}", Field, 200),
        (Picture, "GET /emby/items/{film}/images/Primary?maxwidth=600", Nothing, 200),
        (Play, "POST /emby/items/{film}/playbackinfo?userid={user}", Field, 200),
        (Play, "HEAD /emby/videos/{film}/stream?static=true", Field, 200),
        (Play, "GET /emby/videos/{film}/stream?static=true range: bytes=0-65535", Field, 206),
        (Play, "GET /emby/videos/{film}/stream?static=true range: bytes=400000-", Field, 206),
        (Report, "POST /emby/sessions/playing", Field, 204),
        (Report, "POST /emby/sessions/playing/progress", Field, 204),
        (Report, "POST /emby/sessions/playing/stopped", Field, 204),
    ],
    socket: None,
    twelve: Twelve::Translated,
};
