//! Clients that know only a name and a password.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{Method, StatusCode};
use usher::cli::app_password::{Args, run};
use usher_lab::{
    browser::{Browser, NAVIGATION, Seen},
    patience::within,
    upstream::{Upstream, field},
};
use usher_rules::time::Clock as _;

use crate::test_server::{ANN, EVE, TestServer, config, friends};

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// What `usher app-password …` says, in a process of its own as far as the server can tell.
pub async fn command(server: &TestServer, line: &str) -> (bool, String) {
    let words = ["app-password"].into_iter().chain(line.split(' '));
    let args = <Line as clap::Parser>::parse_from(words).args;
    let (dir, now) = (server.data_dir(), server.clock.now().wall);
    let done = tokio::task::spawn_blocking(move || {
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let code = run(&args.command, &dir, now, &mut output, &mut errors);
        output.extend(errors);
        (code == std::process::ExitCode::SUCCESS, String::from_utf8(output).unwrap())
    });
    done.await.unwrap()
}

pub async fn made(server: &TestServer, line: &str) -> String {
    let (done, said) = command(server, &format!("create {line} --until never")).await;
    assert!(done, "{said}");
    said.trim().to_owned()
}

pub fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")))
}

pub async fn asks(server: &TestServer, host: &str, password: &str, more: &[(&str, &str)]) -> Seen {
    let basic = basic("whoever", password);
    let fields: Vec<_> = more.iter().copied().chain([("authorization", &*basic)]).collect();
    server.browser().send(Method::GET, &format!("https://{host}/"), &fields, "").await
}

/// Asks until this is the answer: the server looks at the store once a second. By HEAD, since a body
/// is cut off whose permit ends meanwhile.
async fn answers(server: &TestServer, host: &str, password: &str, expected: StatusCode) {
    let (url, basic) = (format!("https://{host}/"), basic("whoever", password));
    within("the server has seen what another process did", async {
        let fields = [("authorization", &*basic)];
        while server.browser().send(Method::HEAD, &url, &fields, "").await.status != expected {}
    })
    .await;
}

async fn tv_and_files() -> TestServer {
    let upstream = Box::leak(Box::new(Upstream::echo()));
    let routes = [friends("tv.test", upstream.address), friends("files.test", upstream.address)];
    TestServer::open(&config(&routes)).await
}

#[tokio::test]
async fn t5_an_app_password_is_its_person_on_one_host_until_it_is_revoked() {
    let server = tv_and_files().await;
    let anns = made(&server, &format!("{} files.test --label rclone", ANN.0)).await;
    let eves = made(&server, &format!("{} files.test", EVE.0)).await;

    for _ in 0..2 {
        let seen = asks(&server, "files.test", &anns, &[]).await;
        assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
        assert_eq!(field(&seen.body, "authorization"), None, "the app does not see it");
        let (decision, _) = server.recorded(seen.field("x-request-id")).await;
        assert_eq!(decision["email"], ANN.0);
    }
    assert_eq!(asks(&server, "files.test", &eves, &[]).await.status, StatusCode::FORBIDDEN);
    let elsewhere = asks(&server, "tv.test", &anns, &[]).await;
    assert_eq!(elsewhere.status, StatusCode::UNAUTHORIZED, "it is for files.test");
    let page = format!("{}/.pomerium/user", "https://files.test");
    let fields = [("authorization", &*basic("x", &anns)), ("accept", "application/json")];
    let seen = server.browser().send(Method::GET, &page, &fields, "").await;
    assert_ne!(seen.status, StatusCode::OK, "no page of ours knows it");

    let wrong = format!("usher_{}", "0".repeat(32));
    let seen = asks(&server, "files.test", &wrong, NAVIGATION).await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "never a page to sign in on");
    let challenges: Vec<_> = seen.fields.get_all("www-authenticate").iter().collect();
    assert!(challenges.iter().any(|one| one.to_str().unwrap().contains("invalid_token")));
    assert!(!server.log().contains(&anns), "no line holds it");

    let (_, listed) = command(&server, "list").await;
    assert!(listed.contains("  ann@example.com  files.test  rclone  never ends"), "{listed}");
    let id = listed.lines().find(|line| line.contains("rclone")).unwrap()[..8].to_owned();
    assert!(command(&server, &format!("revoke {id}")).await.0);
    answers(&server, "files.test", &anns, StatusCode::UNAUTHORIZED).await;
    assert_eq!(asks(&server, "files.test", &eves, &[]).await.status, StatusCode::FORBIDDEN);
    assert!(!command(&server, &format!("revoke {id}")).await.0, "it is gone");
}

#[tokio::test]
async fn t15_an_app_password_has_its_person_s_groups_of_now_and_ends_with_them() {
    let server = tv_and_files().await;
    let anns = made(&server, &format!("{} files.test", ANN.0)).await;
    assert_eq!(asks(&server, "files.test", &anns, &[]).await.status, StatusCode::OK);
    let people = server.directory();
    people.set_groups(ANN.0, &[]).await.unwrap();
    answers(&server, "files.test", &anns, StatusCode::FORBIDDEN).await;
    people.set_groups(ANN.0, &["friends".into()]).await.unwrap();
    answers(&server, "files.test", &anns, StatusCode::OK).await;
    people.remove(ANN.0).await.unwrap();
    answers(&server, "files.test", &anns, StatusCode::UNAUTHORIZED).await;
    assert!(command(&server, "list").await.1.is_empty());
}

#[tokio::test]
async fn t6_an_app_password_beside_another_credential_is_nobody_s() {
    let server = tv_and_files().await;
    let anns = made(&server, &format!("{} files.test", ANN.0)).await;
    let ann = server.signed_in("https://files.test/", ANN).await;
    let handle = &ann.jar["files.test"]["__Host-_pomerium"];
    let cookie = format!("__Host-_pomerium={handle}");
    for more in [("cookie", &*cookie), ("x-pomerium-authorization", &**handle)] {
        let seen = asks(&server, "files.test", &anns, &[more]).await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{}", more.0);
    }
    let seen = asks(&server, "files.test", "the app's own", &[("cookie", &*cookie)]).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(field(&seen.body, "authorization"), Some(basic("whoever", "the app's own")));
}

/// A client that says nothing of itself is asked for name and password only where browsers are not.
#[tokio::test]
async fn who_speaks_webdav_is_asked_for_a_password_and_a_browser_is_not() {
    let server = tv_and_files().await;
    let asked = async |method: &str, fields: &[(&str, &str)]| {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let seen = server.browser().send(method, "https://files.test/", fields, "").await;
        let all = seen.fields.get_all("www-authenticate");
        (seen.status, all.iter().any(|one| one.to_str().unwrap().starts_with("Basic ")))
    };
    assert_eq!(asked("PROPFIND", &[]).await, (StatusCode::UNAUTHORIZED, true));
    let fetch = [("sec-fetch-mode", "cors"), ("accept", "application/json")];
    assert_eq!(asked("PROPFIND", &fetch).await, (StatusCode::UNAUTHORIZED, false));
    assert_eq!(asked("GET", &fetch).await, (StatusCode::UNAUTHORIZED, false));
}

#[tokio::test]
async fn t29_wrong_app_passwords_are_looked_up_no_more_after_a_while() {
    let server = tv_and_files().await;
    let anns = made(&server, &format!("{} files.test", ANN.0)).await;
    for n in 0..20 {
        let wrong = format!("usher_{n:032x}");
        let seen = asks(&server, "files.test", &wrong, &[]).await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
    }
    let seen = asks(&server, "files.test", &anns, &[]).await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "this address has tried too often");
    server.clock.turn(std::time::Duration::from_secs(61));
    assert_eq!(asks(&server, "files.test", &anns, &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn somebody_makes_an_app_password_on_their_page_and_revokes_it() {
    let server = tv_and_files().await;
    let mut ann = server.signed_in("https://files.test/", ANN).await;
    let page = ann.open("https://files.test/.pomerium/account").await;
    assert!(page.body.contains("<option value=\"tv.test\">"), "{}", page.body);
    let wanted = async |ann: &mut Browser, page: &Seen, host: &str, label: &str| {
        let form = [("action", "app-password"), ("host", host), ("label", label)];
        let url = page.url.clone();
        let flow = flow_of(page);
        let form: Vec<_> = form.into_iter().chain([("flow", &*flow)]).collect();
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let fields = [("content-type", "application/x-www-form-urlencoded")];
        ann.send(Method::POST, url.as_str(), &fields, form).await
    };
    let page = wanted(&mut ann, &page, "elsewhere.test", "rclone").await;
    assert!(page.body.contains("No such site is here."), "{}", page.body);
    let page = wanted(&mut ann, &page, "files.test", "").await;
    assert!(page.body.contains("what it is for"), "{}", page.body);
    let page = wanted(&mut ann, &page, "files.test", "rclone <laptop>").await;
    let at = page.body.find("usher_").unwrap_or_else(|| panic!("{}", page.body));
    let secret = page.body[at..].split('<').next().unwrap().to_owned();
    assert_eq!(asks(&server, "files.test", &secret, &[]).await.status, StatusCode::OK);
    let page = ann.open("https://files.test/.pomerium/account").await;
    assert!(!page.body.contains(&secret), "it was shown that once");
    assert!(page.body.contains("Revoke rclone &#60;laptop&#62;"), "{}", page.body);
    assert!(!server.log().contains(&secret), "no line holds it");

    let id = command(&server, "list").await.1[..8].to_owned();
    let id = page
        .body
        .split(&format!("name=\"id\" value=\"{id}"))
        .nth(1)
        .map(|rest| format!("{id}{}", rest.split('"').next().unwrap()));
    let form = format!("action=revoke&id={}&flow={}", id.unwrap(), flow_of(&page));
    let fields = [("content-type", "application/x-www-form-urlencoded")];
    let seen = ann.send(Method::POST, page.url.as_str(), &fields, form).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER);
    let seen = asks(&server, "files.test", &secret, &[]).await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "at once");
}

fn flow_of(page: &Seen) -> String {
    let rest = page.body.split("name=\"flow\" value=\"").nth(1).unwrap();
    rest.split('"').next().unwrap().to_owned()
}
