//! URLSession: what it says of itself is not quoted, and its player knows nothing of the token.

use super::{
    Duration, Model, Pairs,
    Shows::{Address, Field, Nothing},
    Twelve,
    When::{Browse, First, Picture, Play, Report, Transcode},
};

pub const MODEL: Model = Model {
    name: "Swiftfin",
    user_agent: "Swiftfin/1.3 CFNetwork/3826.600.41 Darwin/24.6.0",
    says: (
        "authorization",
        "MediaBrowser DeviceId=iOS_8A1B52F0-33C1, Device=iPhone, Client=Swiftfin iOS, \
         Version=1.3 (70), Token={token}",
    ),
    always: &[("accept", "application/json")],
    pairs: Pairs::Code { every: Duration::from_secs(5) },
    asks: &[
        (First, "GET /System/Info/Public", Field, 200),
        (First, "GET /QuickConnect/Enabled", Field, 200),
        (First, "GET /Users/Public", Field, 200),
        (First, "GET /Branding/Configuration", Field, 200),
        (Browse, "GET /Users/Me", Field, 200),
        (Browse, "GET /UserViews?userId={user}", Field, 200),
        (Browse, "GET /UserItems/Resume?userId={user}&limit=20", Field, 200),
        (Browse, "GET /Items/Latest?userId={user}&limit=20", Field, 200),
        (Picture, "GET /Items/{film}/Images/Primary?maxWidth=300&tag=0a", Nothing, 200),
        (Play, "POST /Items/{film}/PlaybackInfo?userId={user}&mediaSourceId={film}", Field, 200),
        (
            Play,
            "GET /Videos/{film}/stream?static=true&tag=0a&playSessionId={play}&mediaSourceId={film} range: bytes=0-1",
            Nothing,
            206,
        ),
        (
            Play,
            "GET /Videos/{film}/stream?static=true&tag=0a&playSessionId={play}&mediaSourceId={film} range: bytes=250000-",
            Nothing,
            206,
        ),
        (Play, "GET /Videos/{film}/Trickplay/320/0.jpg?mediaSourceId={film}", Field, 200),
        (Report, "POST /Sessions/Playing", Field, 204),
        (Report, "POST /Sessions/Playing/Progress", Field, 204),
        (Transcode, "POST /Items/{film}/PlaybackInfo?userId={user}", Field, 200),
        (Transcode, "GET {transcoded}", Address, 200),
        (Transcode, "GET {next}", Address, 200),
        (Transcode, "GET {next}", Address, 200),
        (Report, "POST /Sessions/Playing/Stopped", Field, 204),
    ],
    socket: None,
    twelve: Twelve::Works,
};
