//! Keys of a route's `jellyfin`.

use super::{AnyCase::Yes, Fate::Own, form::*, keys};

keys! {
    /// Keys of an item of `jellyfin: services`.
    JELLYFIN_SERVICE:
    /// The SHA-256 of its API key, in hexadecimal: `printf %s KEY | sha256sum`.
    SERVICE_KEY_SHA256: Text = text("key_sha256", Own).guards();
    /// What it may ask: paths, and with `/*` at the end all that is below.
    SERVICE_PATHS: List = list("paths", Own).guards();
    /// From where: addresses and ranges.
    SERVICE_ADDRESSES: List = list("addresses", Own).guards();
}

keys! {
    /// Keys of an item of `jellyfin: libraries`.
    JELLYFIN_LIBRARY:
    /// Who may see these: people in this group.
    LIBRARY_GROUP: Text = text("group", Own).guards();
    /// What they may see: libraries as the server calls them.
    LIBRARY_NAMES: List = list("names", Own).guards();
}

keys! {
    /// Keys of a route's `jellyfin`.
    JELLYFIN_KEYS:
    /// An API key of the server, of its dashboard's page "API Keys".
    JELLYFIN_API_KEY: Secret = secret("api_key", Own);
    /// The same in a file.
    JELLYFIN_API_KEY_FILE: Text = text("api_key_file", Own);
    /// Apps that show pictures and play films without their token may do so where a request with it came from; `false`: they may not.
    JELLYFIN_GRANTS: Bool = bool("grants", Own).or("true");
    /// The claim that holds the name of somebody's user at the server; their address where it is not set.
    JELLYFIN_USER_CLAIM: Text = text("user_claim", Own);
    /// Whoever is signed in opens the web client without a second sign-in; `false`: it asks as ever.
    JELLYFIN_SIGN_IN: Bool = bool("sign_in", Own).or("true");
    /// Whoever has no user at the server gets one, which no password opens; `false`: they are told so.
    JELLYFIN_CREATE_USERS: Bool = bool("create_users", Own).or("true");
    /// People in one of these groups may have an administrator's user at the server, and users that usher made for them are administrators; nobody else has one.
    JELLYFIN_ADMIN_GROUPS: List = list("admin_groups", Own).guards();
    /// Which libraries people in a group see, of those for whom usher made a user; the server's own setting where none is named.
    JELLYFIN_LIBRARIES: Objects = objects("libraries", JELLYFIN_LIBRARY, Own).guards();
    /// The server's own "Base URL", where it has one: `/jellyfin`.
    JELLYFIN_BASE_PATH: Text = text("base_path", Own);
    /// Doors that the server leaves open and usher closes, by name, which stay open here.
    JELLYFIN_OPEN: List = list("open", Own);
    /// Rules for its administration, beside those of the route; without them it is closed.
    JELLYFIN_ADMIN_POLICY: AnyKind = any("admin_policy", Own).guards();
    /// Programs that may use an API key through usher.
    JELLYFIN_SERVICES: Objects = objects("services", JELLYFIN_SERVICE, Own);
    /// How apps are let in that know no Quick Connect, such as Kodi and Infuse: not at all, or by holding their sign-in while somebody in the same network says yes to it at `/link`.
    JELLYFIN_PAIRING: Word = word("pairing", &["", "codes", "hold"], Yes, Own).or("codes");
    /// What becomes of old forms of credentials and of `/emby` in front of a path: they go on as they are, or as every server reads them.
    JELLYFIN_LEGACY_CLIENTS: Word =
        word("legacy_clients", &["", "keep", "translate"], Yes, Own).or("keep");
}
