//! What strangers get of a Jellyfin: the list of what apps ask first, in every spelling, and nothing
//! beside it.

use usher_lab::upstream::Upstream;

use crate::jellyfin::{KEY, TOKEN, ask, heads, open};

/// `METHOD PATH WHO…`, one a line.
const ENDPOINTS: &str = include_str!("../../../rules/tests/data/jellyfin-endpoints.txt");

/// Method and path of what reached the upstream.
fn reached(upstream: &Upstream) -> Vec<String> {
    let first = |head: String| head.lines().next().unwrap().replace(" HTTP/1.1", "");
    heads(upstream).into_iter().map(first).collect()
}

/// Method, and path with something in each of its places.
fn endpoints() -> impl Iterator<Item = (&'static str, String)> {
    ENDPOINTS.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut parts = line.split(' ');
        let (method, path) = (parts.next().unwrap(), parts.next().unwrap());
        let parts = path.split('{').map(|part| match part.split_once('}') {
            Some((_, rest)) => format!("0a1b2c{rest}"),
            None => part.to_owned(),
        });
        (method, parts.collect())
    })
}

/// Show 4: the whole of the list, three spellings each, with a token that nobody knows.
#[tokio::test]
async fn a_stranger_gets_what_apps_ask_first_and_nothing_else() {
    let upstream = Upstream::echo();
    let server = open(&upstream, "").await;
    let mut browser = server.browser();
    let (mut asked, mut here) = (0, Vec::new());
    for (method, path) in endpoints() {
        for spelling in [path.clone(), path.to_uppercase(), format!("/emby{}", path.to_lowercase())]
        {
            let before = heads(&upstream).len();
            let fields: &[_] = if asked % 2 == 0 { &[] } else { &[("x-emby-token", TOKEN)] };
            let answer = ask(&mut browser, method, &spelling, fields).await;
            asked += 1;
            match (answer.status.as_u16(), heads(&upstream).len() - before) {
                (401 | 403, 0) => {}
                (200, 0) => here.push(format!("{method} {}", path.to_lowercase())),
                (200, 1) => {}
                (status, reached) => panic!("{method} {spelling}: {status}, {reached} reached"),
            }
        }
    }
    here.dedup();
    assert_eq!(here, ["GET /system/ping", "POST /system/ping", "GET /users/public"]);
    let mut reached: Vec<_> = reached(&upstream)
        .into_iter()
        .map(|line| line.to_lowercase().replace("/emby/", "/"))
        .collect();
    reached.dedup();
    let expected = [
        "get /branding/configuration",
        "get /branding/css",
        "get /branding/css.css",
        "get /branding/splashscreen",
        "get /system/info/public",
    ];
    assert_eq!(reached, expected);
    assert!(asked > 1200, "{asked} were asked");
}

#[tokio::test]
async fn nothing_is_smuggled_beside_what_strangers_may_ask() {
    let upstream = Upstream::echo();
    let server = open(&upstream, "").await;
    let mut browser = server.browser();
    const INFO: &str = "/System/Info/Public";
    let token = format!("MediaBrowser Token=\"{TOKEN}\"");
    for (path, fields, expected) in [
        ("/System/Info/Public/../../Logs", &[][..], 403),
        ("/System/Info/Public/..%2f../Logs", &[], 400),
        ("/System/Info/Public/..;/Logs", &[], 400),
        ("/System/Info/Public%2e%2e", &[], 401),
        ("/System/Info/Public;x=/../../Logs", &[], 403),
        ("/System\\Logs", &[], 403),
        ("/System/Info/Public%00", &[], 400),
        ("/System/Info/Public%3F/x", &[], 401),
        ("/System/Info/Public%20", &[], 401),
        ("//System/Logs", &[], 403),
        ("/emby/EMBY/System/Logs", &[], 403),
        ("/mediabrowser/System/Restart", &[], 403),
        ("/System/Re%C5%BFtart", &[], 403),
        ("/Branding/Css/../../Items", &[], 401),
        ("/web/../Users/Me", &[], 401),
        ("/System/Info/Public?api_key%3Dx%26y%3Dz", &[], 400),
        ("/System/Info/Public?ApiKey=a&apikey=b", &[], 400),
        ("/System/Info/Public?ApiKey=a&api_key=b", &[], 400),
        ("/System/Info/Public?static=true&STATIC=false", &[], 400),
        (INFO, &[("authorization", &*token), ("x-emby-token", KEY)], 400),
        (INFO, &[("x-emby-token", TOKEN), ("x-emby-token", TOKEN)], 400),
        (INFO, &[("authorization", &*token), ("authorization", &*token)], 400),
    ] {
        let answer = ask(&mut browser, "GET", path, fields).await;
        assert_eq!(answer.status, expected, "{path} {fields:?}");
    }
    assert_eq!(heads(&upstream), <[String; 0]>::default());
}
