//! The register of what can be found: each has a code that stays, and says for whom it matters.

/// One kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// `D` and three digits. Stable.
    pub id: &'static str,
    /// What it is about, in a word.
    pub about: &'static str,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// What it means, and for whom.
    pub means: &'static str,
}

macro_rules! register {
    ($($name:ident = $id:literal $about:literal $title:literal $means:literal;)+) => {
        $(#[doc = $title] pub const $name: &Code =
            &Code { id: $id, about: $about, title: $title, means: $means };)+
        /// Every one of them, by its code.
        pub const ALL: &[&Code] = &[$($name),+];
    };
}

register! {
    DNS = "D001" "dns"
        "A host is not found, or leads to the wrong place"
        "nobody gets to the address, or nobody but this machine";
    PORT = "D002" "port"
        "An address can't be listened on"
        "usher does not start, or another program answers in its place";
    CERTIFICATE = "D003" "certificate"
        "Browsers and apps refuse the certificate"
        "browsers warn; TVs and phones say that they can't connect, and not why";
    UPSTREAM = "D004" "upstream"
        "An app does not answer usher"
        "everybody gets an error page in place of the app";
    PROVIDER = "D005" "provider"
        "The identity provider does not answer, or does not know us"
        "nobody new can sign in";
    PLAIN_HTTP = "D006" "redirect"
        "http:// does not lead to https://"
        "who types the bare name gets nothing; Swiftfin, Kodi, webOS and mpv try http:// first";
    COOKIES = "D007" "cookies"
        "The session cookie is open to more than it should be"
        "whoever runs a script or a site in its reach can act as the person who is signed in";
    SIGN_IN = "D008" "sign-in"
        "Sign-in does not begin"
        "nobody new gets in by a browser";
    MAIL = "D009" "mail"
        "Mail to people does not go out"
        "who forgot what signs them in gets no link, and invitations reach nobody";
    WEBSOCKETS_OFF = "D101" "route"
        "The route lets no WebSocket through"
        "the web client loads, but playback state and remote control never update";
    TOTAL_TIME = "D102" "route"
        "The route limits how long an answer may take"
        "films and downloads stop in the middle";
    IDLE_TIME = "D103" "route"
        "The route cuts what is silent too soon"
        "sockets and paused films are cut; apps lose remote control after a while";
    HOST_FIELD = "D104" "route"
        "Jellyfin does not see the name that visitors type"
        "redirects and absolute links lead to the container's name";
    APPS_BARRED = "D105" "route"
        "TVs, phones and Chromecast can't get in"
        "their apps never complete a browser's sign-in, and get its page in place of an answer";
    UNSHIELDED = "D106" "route"
        "What Jellyfin leaves open stands open to strangers"
        "without a token they get media, the path of its pin file, or its restart";
    NO_KEY = "D107" "route"
        "usher has no API key of this Jellyfin"
        "apps can't be let in at /link, and half of this examination was left out";
    UNDECLARED = "D108" "route"
        "The route leads to a Jellyfin and does not say so"
        "its apps are not let in, what Jellyfin leaves open is not shut, and nobody is let in \
         without a second sign-in";
    STARTING = "D201" "jellyfin"
        "Jellyfin is still starting"
        "visitors see its loading page; the rest was not looked at";
    SETUP_OPEN = "D202" "jellyfin"
        "Jellyfin's setup is open"
        "whoever reaches it first makes themselves its administrator";
    TOO_OLD = "D203" "jellyfin"
        "This Jellyfin is older than 10.9"
        "usher does not know what it leaves open; its own holes are known and stay";
    NO_JELLYFIN = "D204" "jellyfin"
        "What answers is no Jellyfin"
        "apps don't find their server";
    PROXY_UNKNOWN = "D205" "jellyfin"
        "Jellyfin does not believe what usher says of visitors"
        "everybody looks as if at home: no limit for visitors from outside counts, and without \
         usher's shield any stranger may restart the server; links begin with http://";
    EVERYBODY_REMOTE = "D206" "jellyfin"
        "Jellyfin takes everybody for a visitor from outside"
        "at home too, films are shrunk to the limit for remote visitors, and who may not \
         connect from afar gets 403";
    PROXY_ANYBODY = "D207" "jellyfin"
        "Jellyfin believes anybody what they say of visitors"
        "who reaches it around usher chooses their own address, and is at home if they like";
    RESTART_DUE = "D208" "jellyfin"
        "Jellyfin waits for a restart"
        "what was changed in its settings does not count yet";
    REMOTE_OFF = "D209" "jellyfin"
        "Jellyfin turns away everybody from outside"
        "visitors from outside get an empty error 503, whoever they are";
    ADDRESS_FILTER = "D210" "jellyfin"
        "Jellyfin filters addresses"
        "visitors whose address is not on its list, or is, get an empty error 503";
    PUBLISHED_ADDRESS = "D211" "jellyfin"
        "Jellyfin tells apps another address than the public one"
        "redirects, casting and links point at the container or at the wrong host";
    DISCOVERY = "D212" "jellyfin"
        "Jellyfin sends apps at home around usher"
        "apps that look for a server learn its direct address: no policy, no record, no way \
         back in from outside";
    BYPASS = "D213" "jellyfin"
        "Jellyfin answers around usher"
        "who knows the port needs no sign-in at usher; its policy and record count for nothing";
    UPNP = "D214" "jellyfin"
        "Jellyfin opens a port on the router"
        "the whole internet may reach it around usher";
    SOCKET = "D215" "jellyfin"
        "No WebSocket can be opened at Jellyfin"
        "playback state and remote control never update, in the web client and in every app";
    RANGE = "D216" "jellyfin"
        "Jellyfin's answer to a part of a film is not a part"
        "nobody can seek, and players load the whole film first";
    LONG_ANSWER = "D217" "jellyfin"
        "A long answer does not arrive whole"
        "films and downloads stop in the middle";
    UPLOAD = "D218" "jellyfin"
        "A large upload is not answered by Jellyfin"
        "pictures, subtitles and logs that people send fail without a reason";
    LEGACY = "D219" "jellyfin"
        "Jellyfin no longer takes the credentials of old apps"
        "Infuse, Kodi and other apps of before 12 get 401 with a good token";
    QUICK_CONNECT = "D220" "jellyfin"
        "Quick Connect is switched off"
        "apps show no six digits, and none can be let in at /link";
    NO_PASSWORD = "D221" "jellyfin"
        "Somebody has no password at Jellyfin"
        "who reaches its sign-in page is them by name alone, an administrator too";
    CORS = "D222" "jellyfin"
        "Jellyfin refuses pages of other origins"
        "Chromecast and the apps of Samsung TVs load nothing";
    KEY_REFUSED = "D223" "jellyfin"
        "Jellyfin does not take usher's API key"
        "no app can be let in at /link, nobody's end reaches Jellyfin";
    OTHER_KEYS = "D224" "jellyfin"
        "Other programs hold API keys of this Jellyfin"
        "each of them is an administrator without a name; through usher a key passes as one of \
         `services` alone";
    OWN_HTTPS = "D225" "jellyfin"
        "Jellyfin wants to speak HTTPS itself"
        "it redirects what usher asks of it, and visitors go in circles";
    SLOW_ANSWER = "D226" "jellyfin"
        "An answer that takes its time is cut"
        "films stop after half a minute or a minute, and downloads over slow links never end";
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::ALL;

    /// Codes are an API, like those of problems.
    #[test]
    fn the_page_has_every_code_of_the_doctor() {
        let mut table =
            String::from("| code | about | what is wrong | what it means |\n|---|---|---|---|\n");
        for code in ALL {
            let _never = writeln!(
                table,
                "| {} | {} | {} | {} |",
                code.id, code.about, code.title, code.means
            );
        }
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/doctor.md");
        let page = std::fs::read_to_string(page).unwrap();
        assert!(page.contains(&table), "docs/reference/doctor.md has to hold:\n{table}");
        assert!(ALL.is_sorted_by(|one, next| one.id < next.id));
    }
}
