//! A route that is known to be a Jellyfin's. Behind it stands one that lets everybody do everything:
//! what must not reach it is told by what did.

use http::Method;
use serde_json::json;
use usher::{
    jellyfin,
    request::{
        Apps,
        inquiry::{Caller, Inquiry, foretell},
    },
};
use usher_lab::{
    browser::{Browser, FETCH, NAVIGATION, Seen},
    upstream::{Exchange, Upstream, field},
};
use usher_rules::{
    jellyfin::{Door, Opening},
    time::Clock as _,
};

use crate::{
    test_server::{ANN, EVE, TestServer, config, eventually, friends},
    wire::{say, status},
};

/// Where it is.
pub const TV: &str = "https://tv.test";
/// As tokens and API keys look.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Another one.
pub const KEY: &str = "fedcba9876543210fedcba9876543210";

/// Friends' route, with this under `jellyfin`.
pub fn route(to: &Upstream, says: &str) -> String {
    format!("{}  jellyfin: {{{says}}}\n", friends("tv.test", to.address))
}

/// A server with that route.
pub async fn open(to: &Upstream, says: &str) -> TestServer {
    TestServer::open(&config(&[route(to, says)])).await
}

/// As a script asks.
pub async fn ask(browser: &mut Browser, method: &str, path: &str, fields: &[(&str, &str)]) -> Seen {
    let fields = [FETCH, fields].concat();
    browser.send(method.parse::<Method>().unwrap(), &format!("{TV}{path}"), &fields, "").await
}

/// What reached the upstream, but for what usher asks of its own.
pub fn heads(upstream: &Upstream) -> Vec<String> {
    let is_ours = |head: &String| field(head, "user-agent").as_deref() == Some("usher-check");
    upstream.heads().into_iter().filter(|head| !is_ours(head)).collect()
}

/// What came last of it.
pub fn last(upstream: &Upstream) -> String {
    heads(upstream).pop().unwrap()
}

/// What a door's path is, how it is asked for, and whether somebody who is signed in meets it shut.
const DOORS: [(&str, &str, &str, u16); 7] = [
    ("POST", "/System/Restart", "restart", 403),
    ("POST", "/Startup/Complete", "wizard", 403),
    ("GET", "/startup/logger", "startup-log", 403),
    ("POST", "/Users/0a/Authenticate", "old-authenticate", 403),
    ("POST", "/Users/ForgotPassword/Pin", "forgot-password", 403),
    ("GET", "/api-docs/openapi.json", "api-documents", 403),
    ("GET", "/metrics", "metrics", 403),
];
const ANONYMOUS: [(&str, &str, &str, u16); 3] = [
    ("GET", "/Videos/0a/stream.mp4?static=true", "media", 401),
    ("GET", "/Items/0a/Images/Primary", "pictures", 401),
    ("GET", "/Videos/0a/0b/Attachments/1", "attachments", 401),
];

#[tokio::test]
async fn what_a_jellyfin_leaves_open_is_shut_and_says_why() {
    let upstream = Upstream::echo();
    let server = open(&upstream, "").await;
    let mut ann = server.signed_in(&format!("{TV}/"), ANN).await;
    let before = heads(&upstream).len();
    let shut = DOORS.map(|door| (door, ann.clone()));
    let strangers = ANONYMOUS.map(|door| (door, server.browser()));
    for ((method, path, word, expected), mut browser) in shut.into_iter().chain(strangers) {
        let answer = ask(&mut browser, method, path, &[]).await;
        assert_eq!(answer.status, expected, "{method} {path}");
        let (decided, access) = server.recorded(answer.field("x-request-id")).await;
        let rule = json!(format!("jellyfin-{word}"));
        assert_eq!((&decided["rule"], &access["rule"]), (&rule, &rule));
        assert_eq!(decided["verdict"], "deny");
    }
    assert_eq!(heads(&upstream).len(), before);
    for (method, path, ..) in ANONYMOUS {
        assert_eq!(ask(&mut ann, method, path, &[]).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_door_is_opened_by_its_name_alone() {
    let upstream = Upstream::echo();
    let mut server = TestServer::closed(1).await;
    for (method, path, word, shut) in DOORS.into_iter().chain(ANONYMOUS) {
        server.restart(&config(&[route(&upstream, &format!("open: [{word}]"))])).await;
        let mut browser = match shut {
            403 => server.signed_in(&format!("{TV}/"), ANN).await,
            _ => server.browser(),
        };
        assert_eq!(ask(&mut browser, method, path, &[]).await.status, 200, "{path}");
        let (method, path, ..) = DOORS.into_iter().find(|door| door.2 != word).unwrap();
        assert_eq!(ask(&mut browser, method, path, &[]).await.status, 403, "{path} and {word}");
    }
}

#[tokio::test]
async fn administration_needs_a_policy_of_its_own() {
    let upstream = Upstream::echo();
    let mut server = open(&upstream, "").await;
    const PATHS: [(&str, &str); 5] = [
        ("GET", "/System/Configuration/network"),
        ("GET", "/Auth/Keys"),
        ("POST", "/Plugins/0a/Configuration"),
        ("DELETE", "/Devices"),
        ("GET", "/web/ConfigurationPage?name=x"),
    ];
    let mut ann = server.signed_in(&format!("{TV}/"), ANN).await;
    for (method, path) in PATHS {
        let answer = ask(&mut ann, method, path, &[]).await;
        assert_eq!(answer.status, 403, "{path}");
        let (decided, _) = server.recorded(answer.field("x-request-id")).await;
        assert_eq!(decided["rule"], "jellyfin-administration");
    }
    let admin =
        |who: &str| format!("admin_policy: [{{allow: {{or: [{{email: {{is: {who}}}}}]}}}}]");
    for (who, expected) in [(ANN.0, 200), (EVE.0, 403)] {
        server.restart(&config(&[route(&upstream, &admin(who))])).await;
        ann = ann.moved(server.address());
        for (method, path) in PATHS {
            assert_eq!(ask(&mut ann, method, path, &[]).await.status, expected, "{path}: {who}");
        }
        // Without a token the server would do it for its own network.
        let restart = ask(&mut ann, "POST", "/System/Restart", &[]).await.status.as_u16();
        let token = [("x-emby-token", TOKEN)];
        let with_token = ask(&mut ann, "POST", "/System/Restart", &token).await.status.as_u16();
        assert_eq!((restart, with_token), (403, expected), "{who}");
    }
    // Whom the route's own policy does not let in, no administration does.
    server.restart(&config(&[route(&upstream, &admin(EVE.0))])).await;
    let mut eve = server.signed_in(&format!("{TV}/"), EVE).await;
    assert_eq!(ask(&mut eve, "GET", "/Auth/Keys", &[]).await.status, 403);
}

#[tokio::test]
async fn an_api_key_passes_as_a_service_alone() {
    let upstream = Upstream::echo();
    let hash: String = usher_rules::jellyfin::TokenHash::of(KEY.as_bytes())
        .0
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    let says = |address: &str| {
        format!(
            "api_key: {TOKEN}, services: [{{key_sha256: {hash}, paths: [/Items/*, \
             /System/Info], addresses: [{address}]}}]"
        )
    };
    let mut server = open(&upstream, &says("127.0.0.1")).await;
    let mut ann = server.signed_in(&format!("{TV}/"), ANN).await;
    let mut program = server.browser();
    let key = [("x-emby-token", KEY)];
    for (path, expected) in [
        ("/Items/0a", 200),
        ("/ITEMS/0a", 200),
        ("/System/Info", 200),
        ("/System/Info/Storage", 401),
        ("/Items", 401),
        ("/Users", 401),
        ("/Items/../Users", 401),
        ("/Items;x/0a", 401),
    ] {
        assert_eq!(ask(&mut program, "GET", path, &key).await.status, expected, "{path}");
    }
    let answer = ask(&mut program, "GET", "/Items/0a", &key).await;
    let (decided, _) = server.recorded(answer.field("x-request-id")).await;
    assert_eq!(
        (&decided["rule"], &decided["verdict"]),
        (&json!("jellyfin-service"), &json!("allow"))
    );
    // Neither a service's nor our own key is a browser's token, whoever is signed in there.
    for key in [KEY, TOKEN] {
        assert_eq!(ask(&mut ann, "GET", "/Users", &[("x-emby-token", key)]).await.status, 401);
    }
    server.restart(&config(&[route(&upstream, &says("192.0.2.0/24"))])).await;
    let mut program = program.moved(server.address());
    assert_eq!(ask(&mut program, "GET", "/Items/0a", &key).await.status, 401);
    assert!(!server.log().contains(KEY) && !server.log().contains(TOKEN), "a key is in the log");
}

#[tokio::test]
async fn a_token_that_nobody_knows_is_no_one_s_and_passes_beside_a_session() {
    let upstream = Upstream::echo();
    let server = open(&upstream, "").await;
    let places: [(&str, &[(&str, &str)]); 6] = [
        (
            "/Users/Me",
            &[("authorization", "MediaBrowser Token=\"0123456789abcdef0123456789abcdef\"")],
        ),
        (
            "/Users/Me",
            &[("x-emby-authorization", "Emby Token=\"0123456789abcdef0123456789abcdef\"")],
        ),
        ("/Users/Me", &[("x-emby-token", TOKEN)]),
        ("/Users/Me", &[("x-mediabrowser-token", TOKEN)]),
        ("/Users/Me?ApiKey=0123456789abcdef0123456789abcdef", &[]),
        ("/Users/Me?API_KEY=0123456789abcdef0123456789abcdef", &[]),
    ];
    let mut ann = server.signed_in(&format!("{TV}/"), ANN).await;
    let before = heads(&upstream).len();
    for (path, fields) in places {
        assert_eq!(ask(&mut server.browser(), "GET", path, fields).await.status, 401, "{path}");
    }
    assert_eq!(heads(&upstream).len(), before);
    for (path, fields) in places {
        assert_eq!(ask(&mut ann, "GET", path, fields).await.status, 200, "{path} {fields:?}");
        assert!(last(&upstream).contains(TOKEN), "it goes on as it came");
    }
    assert!(!server.log().contains(TOKEN), "a token is in the log");
}

/// A rule that names a path means it in each case that the server takes for the same.
#[tokio::test]
async fn rules_read_paths_without_their_case() {
    let upstream = Upstream::echo();
    let rules = "[{deny: {or: [{http_path: {starts_with: /LiveTv}}]}}, \
                 {allow: {or: [{claim/groups: friends}]}}]";
    let route = route(&upstream, "").replace("[{allow: {or: [{claim/groups: friends}]}}]", rules);
    let server = TestServer::open(&config(&[route])).await;
    let mut ann = server.signed_in(&format!("{TV}/"), ANN).await;
    for (path, expected) in
        [("/LiveTv/Info", 403), ("/LIVETV/Info", 403), ("/livetv", 403), ("/Items", 200)]
    {
        assert_eq!(ask(&mut ann, "GET", path, &[]).await.status, expected, "{path}");
    }
}

#[tokio::test]
async fn answers_name_us_and_pictures_are_kept_by_nobody_else() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        exchange.body().await?;
        match exchange.target().1 {
            "/System/Info/Public" => {
                let info = json!({"LocalAddress": "http://10.0.0.5:8096", "Version": "10.11.11"});
                let fields = "content-type: application/json\r\n";
                exchange.reply(200, fields, info.to_string().as_bytes()).await
            }
            "/web" => exchange.reply(301, "location: http://tv.test/web/\r\n", b"").await,
            "/away" => exchange.reply(302, "location: http://elsewhere.test/\r\n", b"").await,
            _ => exchange.reply(200, "cache-control: public, max-age=60\r\n", b"png").await,
        }
    });
    let server = open(&upstream, "").await;
    let info = ask(&mut server.browser(), "GET", "/System/Info/Public", &[]).await;
    assert_eq!(info.json()["LocalAddress"], "https://tv.test");
    let mut ann = server.signed_in(&format!("{TV}/x"), ANN).await;
    let picture = ask(&mut ann, "GET", "/Items/0a/Images/Primary", &[]).await;
    assert_eq!(picture.field("cache-control"), "private, max-age=60");
    assert_eq!(ask(&mut ann, "GET", "/web", &[]).await.field("location"), "https://tv.test/web/");
    assert_eq!(
        ask(&mut ann, "GET", "/away", &[]).await.field("location"),
        "http://elsewhere.test/"
    );
}

#[tokio::test]
async fn a_page_of_the_web_client_is_where_somebody_signs_in() {
    let upstream = Upstream::echo();
    let server = open(&upstream, "").await;
    let mut browser = server.browser();
    for path in ["/", "/web/", "/web/index.html"] {
        let url = format!("{TV}{path}");
        let answer = browser.send(Method::GET, &url, NAVIGATION, "").await;
        assert_eq!(answer.status, 302, "{path}");
    }
    assert_eq!(ask(&mut browser, "GET", "/web/main.bundle.js", &[]).await.status, 200);
    let preflight = [("origin", "https://cast.test"), ("access-control-request-method", "POST")];
    let answer = ask(&mut browser, "OPTIONS", "/Sessions/Playing", &preflight).await;
    assert_eq!((answer.status.as_u16(), answer.field("access-control-allow-origin")), (204, "*"));
    assert_eq!(heads(&upstream).len(), 1, "the preflight is answered here");
}

#[tokio::test]
async fn old_forms_are_translated_where_the_route_says_so() {
    let upstream = Upstream::echo();
    let server = open(&upstream, "legacy_clients: translate").await;
    let mut ann = server.signed_in(&format!("{TV}/"), ANN).await;
    let expected = format!("MediaBrowser Token=\"{TOKEN}\"");
    ask(&mut ann, "GET", "/Emby/Users/Me?x=1", &[("x-emby-token", TOKEN)]).await;
    assert!(last(&upstream).starts_with("GET /Users/Me?x=1 "), "{}", last(&upstream));
    assert_eq!(field(&last(&upstream), "authorization").as_deref(), Some(&*expected));
    assert_eq!(field(&last(&upstream), "x-emby-token"), None);
    ask(&mut ann, "GET", &format!("/Videos/0a/master.m3u8?api_key={TOKEN}"), &[]).await;
    let wanted = format!("GET /Videos/0a/master.m3u8?ApiKey={TOKEN} ");
    assert!(last(&upstream).starts_with(&wanted), "{}", last(&upstream));
}

/// What `usher explain` tells.
#[tokio::test]
async fn what_is_shut_is_foretold_with_its_reason() {
    let upstream = Upstream::echo();
    let server = open(&upstream, &format!("api_key: {KEY}")).await;
    let (plan, apps) = (
        server.running().plan(),
        jellyfin::beside(
            Apps::default(),
            std::sync::Arc::new(jellyfin::NoDevices),
            Default::default(),
        ),
    );
    for (method, path, rule, verdict) in [
        ("POST", "/SYSTEM/restart", "jellyfin-restart", "deny"),
        ("GET", "/metrics", "jellyfin-metrics", "deny"),
        ("GET", "/Auth/Keys", "jellyfin-administration", "deny"),
        ("GET", "/Items?ApiKey=a&api_key=b", "jellyfin-ambiguous", "deny"),
        ("GET", "/Items/0a/Images/Primary", "jellyfin-pictures", "deny"),
        ("GET", "/QuickConnect/Enabled", "jellyfin-quick-connect", "allow"),
        ("GET", "/system/info/public", "jellyfin-info", "allow"),
    ] {
        let head = http::Request::builder().method(method).uri(path).header("host", "tv.test");
        let inquiry = Inquiry {
            plan: &plan,
            head: head.body(()).unwrap().into_parts().0,
            who: Caller::Nobody,
            source: [203, 0, 113, 7].into(),
            presented: Default::default(),
            tool: None,
            now: server.clock.now(),
            apps: &apps,
        };
        foretell(inquiry, |foretold| {
            assert_eq!((foretold.rule(), foretold.verdict().word()), (rule, verdict), "{path}");
        });
    }
}

#[tokio::test]
async fn a_server_whose_setup_is_open_is_for_its_administrators() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        exchange.body().await?;
        let info = json!({
            "ProductName": "Jellyfin Server", "Version": "10.11.11", "StartupWizardCompleted": false
        });
        exchange.reply(200, "", info.to_string().as_bytes()).await
    });
    let admin = format!("admin_policy: [{{allow: {{or: [{{email: {{is: {}}}}}]}}}}]", ANN.0);
    let mut server = open(&upstream, &admin).await;
    let found = || server.records("upstream").into_iter().find(|line| line["route"] == "tv");
    let event = eventually("the server was asked", found).await;
    assert_eq!(event["what"], "the Jellyfin was never set up, or its setup is open again");
    let mut ann = server.signed_in(&format!("{TV}/"), ANN).await;
    for path in ["/Startup/User", "/System/Info", "/web/main.js"] {
        assert_eq!(ask(&mut ann, "GET", path, &[]).await.status, 200, "{path}");
    }
    assert_eq!(ask(&mut server.browser(), "GET", "/System/Info/Public", &[]).await.status, 401);
    server.restart(&config(&[route(&upstream, "")])).await;
    eventually("it was asked again", || (server.records("upstream").len() > 1).then_some(())).await;
    let mut ann = ann.moved(server.address());
    for path in ["/Startup/User", "/System/Info", "/System/Info/Public"] {
        let answer = ask(&mut ann, "GET", path, &[]).await;
        assert_eq!(answer.status, 403, "{path}");
        let (decided, _) = server.recorded(answer.field("x-request-id")).await;
        assert_eq!(decided["rule"], "jellyfin-wizard");
    }
}

/// The server takes a socket on nearly every path, those of strangers among them.
#[tokio::test]
async fn a_socket_is_opened_at_its_own_path_and_to_no_stranger() {
    let upstream = Upstream::echo();
    let server = open(&upstream, "").await;
    let ann = server.signed_in(&format!("{TV}/"), ANN).await;
    let cookie = ann.cookies("tv.test").unwrap();
    let before = heads(&upstream).len();
    let upgrade = |path: &str, more: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nhost: tv.test\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{more}\r\n"
        )
    };
    let cookie = format!("cookie: {cookie}\r\n");
    let token = format!("x-emby-token: {TOKEN}\r\n");
    for (path, more, expected) in [
        ("/System/Info/Public", &token, 403),
        ("/System/Ping", &token, 403),
        ("/socket", &token, 401),
        ("/System/Info/Public", &cookie, 403),
        ("/Items", &cookie, 403),
    ] {
        let answer = say(&ann, "tv.test", upgrade(path, more).as_bytes()).await;
        assert_eq!(status(&answer), expected, "{path} {more}");
    }
    assert_eq!(heads(&upstream).len(), before);
    for path in ["/socket", "/SOCKET?deviceId=x", "/emby/socket"] {
        say(&ann, "tv.test", upgrade(path, &cookie).as_bytes()).await;
        let head = last(&upstream);
        assert!(head.starts_with(&format!("GET {path} ")), "{head}");
    }
}

/// Each word that can stand on a record is on the page, and no other.
#[test]
fn every_reason_is_written_down() {
    let page = include_str!("../../../../docs/reference/jellyfin.md");
    let row = |line: &'static str| line.strip_prefix("| `")?.split('`').next();
    let written: Vec<_> = page.lines().filter_map(row).collect();
    let doors = Door::ALL.map(Door::reason).into_iter();
    let shut = doors.chain([
        "jellyfin-administration",
        "jellyfin-ambiguous",
        "jellyfin-socket",
        "jellyfin-api-key",
    ]);
    let open = Opening::ALL.map(Opening::reason).into_iter().chain(["jellyfin-service"]);
    assert_eq!(written, shut.chain(open).collect::<Vec<_>>());
}
