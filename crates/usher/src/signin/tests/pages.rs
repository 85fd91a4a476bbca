use usher_rules::plan::Provider;

use super::test_room::{ANN, TestRoom};
use crate::request::identify::{StoreError, memory::Place};

const PAGE: &str = "https://tv.example/web/";

/// Paths, methods and answers as the real server was seen to give them.
#[tokio::test]
async fn who_gets_what() {
    let room = TestRoom::new(Provider::Builtin);
    for (method, url, status, kind, text) in [
        ("GET", "https://tv.example/ping", 200, "text/plain", "OK\n"),
        ("HEAD", "https://tv.example/healthz", 200, "text/plain", "OK\n"),
        ("GET", "https://auth.example/healthz", 200, "text/plain", "OK\n"),
        ("POST", "https://tv.example/ping", 405, "text/plain", "Method Not Allowed\n"),
        ("OPTIONS", "https://tv.example/healthz", 405, "text/plain", "Method Not Allowed\n"),
        ("GET", "https://auth.example/robots.txt", 200, "text/plain", "User-agent: *\nDisallow: /"),
        (
            "GET",
            "https://tv.example/.well-known/pomerium/jwks.json",
            200,
            "application/json",
            "{\"keys\":[]}",
        ),
        ("POST", "https://tv.example/.well-known/pomerium/jwks.json", 404, "text/html", "<"),
        (
            "GET",
            "https://tv.example/.well-known/pomerium/",
            200,
            "application/json",
            "{\"authentication_callback_endpoint\":\"https://auth.example/oauth2/callback\",\"frontchannel_logout_uri\":\"https://tv.example/.pomerium/sign_out\",\"issuer\":\"https://tv.example/\",\"jwks_uri\":\"https://tv.example/.well-known/pomerium/jwks.json\"}",
        ),
        ("GET", "https://tv.example/.pomerium/", 200, "text/html", "<"),
        ("POST", "https://tv.example/.pomerium/", 404, "text/html", "<"),
        ("GET", "https://tv.example/.pomerium/nope", 404, "text/html", "<"),
        ("GET", "https://tv.example/.pomerium/api/v1/nope", 404, "text/plain", "Not Found\n"),
        (
            "POST",
            "https://tv.example/.pomerium/callback/",
            405,
            "text/plain",
            "Method Not Allowed\n",
        ),
        ("GET", "https://tv.example/.pomerium/callback/", 400, "text/html", "<"),
        ("GET", "https://auth.example/oauth2/callback", 400, "text/html", "<"),
        ("GET", "https://auth.example/.pomerium/signed_out", 200, "text/html", "<"),
        ("GET", "https://tv.example/.pomerium/assets/nope.css", 404, "text/html", "<"),
    ] {
        let seen = room.browser().send(method, url, String::new(), &[]).await;
        assert_eq!(seen.status, status, "{method} {url}");
        assert!(seen.field("content-type").starts_with(kind), "{method} {url}: {seen:?}");
        assert!(seen.text.starts_with(text), "{method} {url}: {}", seen.text);
    }
    for (url, status, location) in [
        ("https://tv.example/.pomerium", 301, "/.pomerium/"),
        ("https://tv.example/.pomerium/callback?x=1", 301, "/.pomerium/callback/?x=1"),
        ("https://auth.example/", 302, "/.pomerium/"),
        ("https://tv.example/.pomerium/sign_out", 302, "https://auth.example/.pomerium/sign_out"),
        (
            "https://auth.example/.pomerium/sign_out",
            302,
            "https://auth.example/.pomerium/signed_out",
        ),
    ] {
        let seen = room.browser().get(url).await;
        assert_eq!((seen.status, seen.location()), (status, location), "{url}");
    }
}

/// What changes nothing is asked for with GET; a form that another site posts finds no page.
#[tokio::test]
async fn each_page_has_its_methods() {
    let room = TestRoom::new(Provider::Builtin);
    let asset = usher_pages::assets()[0].path.clone();
    for (method, host, path, status) in [
        ("POST", "auth", "/", 404),
        ("POST", "tv", "/.well-known/pomerium", 404),
        ("POST", "tv", "/.well-known/pomerium/", 404),
        ("POST", "tv", "/.well-known/pomerium/hpke-public-key", 404),
        ("POST", "tv", "/.well-known/pomerium/jwks.json", 404),
        ("POST", "tv", "/.pomerium", 404),
        ("POST", "tv", "/.pomerium/", 404),
        ("POST", "tv", "/.pomerium/user", 404),
        ("POST", "tv", &*asset, 404),
        ("GET", "tv", "/.pomerium/asset", 404),
        ("POST", "tv", "/.pomerium/deep_link/x", 404),
        ("PUT", "tv", "/.pomerium/callback/", 405),
        ("POST", "tv", "/.pomerium/callback", 405),
        ("PUT", "tv", "/.pomerium/sign_out", 405),
        ("POST", "auth", "/.pomerium/signed_out", 404),
        ("POST", "tv", "/.pomerium/sign_in", 404),
        ("PUT", "auth", "/oauth2/callback", 404),
        ("GET", "tv", "/oauth2/callback", 404),
        ("POST", "tv", "/oauth2/callback", 404),
    ] {
        let url = format!("https://{host}.example{path}");
        let seen = room.browser().send(method, &url, String::new(), &[]).await;
        assert_eq!(seen.status, status, "{method} {url}");
    }
}

fn has_no_script_but_ours(page: &str) -> bool {
    let ours = page.replacen("<script src=\"/.pomerium/assets/usher.", "", 1);
    !ours.contains("<script")
}

#[tokio::test]
async fn the_identity_page_and_user() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    let nobody = browser.get("https://tv.example/.pomerium/user").await;
    assert!(nobody.location().starts_with("https://auth.example/.pomerium/sign_in?"));
    let program = [("accept", "application/json")];
    let nobody =
        browser.send("GET", "https://tv.example/.pomerium/user", String::new(), &program).await;
    assert_eq!((nobody.status, nobody.field("content-type")), (401, "application/problem+json"));
    assert!(nobody.text.contains("\"error\":\"Unauthenticated\""));

    browser.sign_in(PAGE, ANN).await;
    room.browser().sign_in(PAGE, ANN).await;
    let page = browser.get("https://tv.example/.pomerium/").await;
    // T20: names, groups and claims are text, whoever wrote them
    assert!(page.text.contains("&#60;b&#62;Ann") && !page.text.contains("<b>Ann"), "{}", page.text);
    assert!(page.text.contains("&#60;script&#62;") && has_no_script_but_ours(&page.text));
    assert!(
        page.text.contains("ann@example.com") && page.text.contains(">1 other session<"),
        "one other session"
    );
    let csp = page.field("content-security-policy");
    assert!(csp.contains("form-action 'self' https://auth.example"), "{csp}");
    for (host, cookie) in
        [("tv.example", "__Host-_pomerium"), ("auth.example", "__Host-_pomerium_authenticate")]
    {
        let handle = &browser.jar[&(host.to_owned(), cookie.to_owned())];
        assert!(!page.text.contains(handle), "no handle on a page");
    }
    let user = browser.get("https://tv.example/.pomerium/user").await;
    assert_eq!(user.text, "{\"email\":\"ann@example.com\",\"sub\":\"id-of-ann\"}");
    assert_eq!(user.field("cache-control"), "no-store");
    let at_authenticate = browser.get("https://auth.example/.pomerium/").await;
    assert!(at_authenticate.text.contains("ann@example.com"), "known there by its own cookie");
}

/// T20: what a stranger writes into an address does not come back as markup.
#[tokio::test]
async fn t20_reflection() {
    let room = TestRoom::new(Provider::Builtin);
    let evil = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    for url in [
        format!("https://tv.example/.pomerium/{evil}"),
        format!("https://auth.example/.pomerium/sign_in?pomerium_redirect_uri={evil}"),
        format!(
            "https://auth.example/oauth2/callback?error={evil}&error_description={evil}&state={evil}"
        ),
        format!("https://tv.example/.pomerium/callback/?pomerium_redirect_uri={evil}"),
        format!("https://auth.example/.pomerium/signed_out?state={evil}"),
    ] {
        let seen = room.browser().get(&url).await;
        assert!(has_no_script_but_ours(&seen.text) && !seen.text.contains("alert(1)"), "{url}");
    }
    let mut browser = room.browser();
    let form = browser.follow(PAGE).await;
    let seen = browser.fill(&form, "\"><script>alert(1)</script>", "x").await;
    assert!(has_no_script_but_ours(&seen.text), "{}", seen.text);
}

/// A credential that is no good is taken away.
#[tokio::test]
async fn bad_cookies_are_cleared() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    browser.jar.insert(("tv.example".into(), "__Host-_pomerium".into()), "garbage".into());
    let page = browser.get("https://tv.example/.pomerium/").await;
    assert_eq!(page.status, 200);
    assert!(page.cookies()[0].starts_with("__Host-_pomerium=; Path=/"), "{:?}", page.cookies());
    assert!(browser.jar.is_empty());
}

/// pomerium-cli asks here whether its token still works; a probe with an old cookie does not.
#[tokio::test]
async fn healthz_judges_bearers() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    browser.sign_in(PAGE, ANN).await;
    let handle = browser.jar[&("tv.example".to_owned(), "__Host-_pomerium".to_owned())].clone();
    for (name, value, status) in [
        ("authorization", format!("Pomerium {handle}"), 200),
        ("authorization", format!("Bearer Pomerium-{handle}"), 200),
        ("authorization", "Pomerium garbage".into(), 401),
        ("x-pomerium-authorization", "garbage".into(), 401),
        ("authorization", "Bearer for the app".into(), 200),
        ("cookie", "__Host-_pomerium=garbage".into(), 200),
    ] {
        let url = "https://tv.example/healthz";
        let seen = room.browser().send("GET", url, String::new(), &[(name, &value)]).await;
        assert_eq!(seen.status, status, "{name}: {value}");
    }
}

#[tokio::test]
async fn keys_and_assets_are_kept_for_a_while() {
    let room = TestRoom::new(Provider::Builtin);
    let asset = usher_pages::assets()[0].path.clone();
    for (path, control) in [
        ("/.well-known/pomerium/jwks.json", "max-age=60"),
        (&*asset, "public, max-age=31536000, immutable"),
    ] {
        let url = format!("https://tv.example{path}");
        let first = room.browser().get(&url).await;
        assert_eq!(first.field("cache-control"), control);
        let etag = [("if-none-match", first.field("etag"))];
        let again = room.browser().send("GET", &url, String::new(), &etag).await;
        assert_eq!((again.status, &*again.text), (304, ""), "{path}");
    }
}

/// `pomerium-protocols.md` §2.4.
#[tokio::test]
async fn programs_sign_in() {
    let room = TestRoom::new(Provider::Builtin);
    let api = "https://tv.example/.pomerium/api/v1/login";
    for (query, status) in [
        ("", 404),
        ("?pomerium_redirect_uri=", 400),
        ("?pomerium_redirect_uri=https://evil.example/", 400),
        ("?pomerium_redirect_uri=http://localhost@evil.example/", 400),
        ("?pomerium_redirect_uri=javascript://localhost/", 400),
        ("?pomerium_redirect_uri=http://localhost/&pomerium_redirect_uri=http://localhost/", 400),
        ("?pomerium_redirect_uri=http://127.0.0.1:9/", 200),
    ] {
        assert_eq!(room.browser().get(&format!("{api}{query}")).await.status, status, "{query}");
    }
    assert_eq!(room.browser().send("POST", api, String::new(), &[]).await.status, 405);

    let url = room
        .browser()
        .get(&format!("{api}?pomerium_redirect_uri=http://localhost:8080/cb?keep=1"))
        .await;
    assert_eq!(url.field("content-type"), "text/plain; charset=utf-8");
    let mut browser = room.browser();
    let form = browser.get(&url.text).await;
    assert!(
        form.field("content-security-policy").contains("form-action 'self' http://localhost:8080")
    );
    let posted = browser.fill(&form, ANN.0, ANN.1).await;
    assert_eq!(posted.status, 200, "she is asked first");
    assert!(posted.text.contains("http://localhost:8080/cb?keep=1"), "{}", posted.text);
    assert!(!posted.text.contains("pomerium_jwt"), "{}", posted.text);
    assert!(
        !browser.jar.contains_key(&("tv.example".to_owned(), "__Host-_pomerium".to_owned())),
        "the browser gets no cookie there"
    );
}

/// Another node keeps somebody's session and doesn't say: they are not signed out, and what waits
/// for their answer is neither shown nor done.
#[tokio::test]
async fn who_can_not_be_told_keeps_the_cookie_of_the_authenticate_host() {
    let room = TestRoom::new(Provider::Builtin);
    let mut browser = room.browser();
    browser.sign_in(PAGE, ANN).await;
    for (place, status, retry_after) in [
        (Place::Failing(StoreError::Unavailable("x".into())), 503, "5"),
        (Place::Failing(StoreError::Damaged("x".into())), 500, ""),
        (Place::Elsewhere, 200, ""),
    ] {
        *room.sessions.place.lock().unwrap() = place;
        let seen = browser.get("https://auth.example/.pomerium/").await;
        assert_eq!((seen.status, seen.field("retry-after")), (status, retry_after));
        assert!(seen.cookies().is_empty(), "{seen:?}");
        assert_eq!(seen.text.contains("ann@example.com"), status == 200, "{}", seen.text);
    }
    assert!(room.notes.all().contains("not possible now: x"));
}
