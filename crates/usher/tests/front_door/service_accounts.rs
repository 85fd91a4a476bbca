//! Programs to which an operator gave a token.

use std::time::Duration;

use http::{Method, StatusCode};
use usher::{
    cli::service_account::{Args, run},
    request::identify::SessionStore as _,
};
use usher_lab::{browser::NAVIGATION, patience::within, upstream::Upstream};
use usher_rules::time::{Clock as _, UnixTime};

use crate::{
    app_passwords,
    test_server::{ANN, EVE, TestServer, config, eventually, friends, public},
};

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// What `usher service-account …` says, in a process of its own as far as the server can tell.
pub async fn command(server: &TestServer, line: &str) -> (bool, String) {
    let words = ["service-account"].into_iter().chain(line.split(' '));
    let args = <Line as clap::Parser>::parse_from(words).args;
    let (dir, now) = (server.data_dir(), server.clock.now().wall);
    let done = tokio::task::spawn_blocking(move || {
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let code = run(&args.command, (&dir, None), now, &mut output, &mut errors);
        output.extend(errors);
        (code == std::process::ExitCode::SUCCESS, String::from_utf8(output).unwrap())
    });
    done.await.unwrap()
}

/// The answer to a program with this field.
async fn status(server: &TestServer, host: &str, (name, value): (&str, &str)) -> StatusCode {
    let url = format!("https://{host}/");
    server.browser().send(Method::GET, &url, &[(name, value)], "").await.status
}

/// Waits until the token leads to this answer: the server looks once a second. By HEAD, since a body
/// is cut off whose permit ends meanwhile.
pub async fn answers(server: &TestServer, token: &str, expected: StatusCode) {
    let bearer = format!("Pomerium {token}");
    within("the server has seen what another process did", async {
        let (url, fields) = ("https://tv.test/", [("authorization", &*bearer)]);
        while server.browser().send(Method::HEAD, url, &fields, "").await.status != expected {}
    })
    .await;
}

#[tokio::test]
async fn t5_a_service_account_gets_where_policies_let_it_until_it_is_revoked() {
    let upstream = Upstream::echo();
    let ci = "- from: https://ci.test\n  to: http://UP\n  pass_identity_headers: true\n  \
              policy: [{allow: {or: [{user: {is: service-account:ci}}]}}]\n";
    let ci = ci.replace("UP", &upstream.address.to_string());
    let routes = [friends("tv.test", upstream.address), ci, friends("no.test", upstream.address)];
    let routes = [routes.as_slice(), &[public("open.test", upstream.address)]].concat();
    let server = TestServer::open(&config(&routes)).await;
    let (done, token) =
        command(&server, "create ci --group friends --email CI@example.com --until never").await;
    assert!(done, "{token}");
    let token = token.trim();
    answers(&server, token, StatusCode::OK).await;

    let [scheme, bearer] = [format!("Pomerium {token}"), format!("Bearer Pomerium-{token}")];
    for (name, value) in [
        ("authorization", &*scheme),
        ("authorization", &*bearer),
        ("x-pomerium-authorization", token),
    ] {
        for host in ["tv.test", "ci.test"] {
            let url = format!("https://{host}/");
            let seen = server.browser().send(Method::GET, &url, &[(name, value)], "").await;
            assert_eq!(seen.status, StatusCode::OK, "{name} at {host}");
            assert!(!seen.body.contains(token), "{name}: the app does not see it: {}", seen.body);
            let (decision, access) = server.recorded(seen.field("x-request-id")).await;
            assert_eq!(decision["user"], "service-account:ci");
            assert_eq!(access["user"], "service-account:ci", "{access}");
            assert_eq!(decision["email"], "ci@example.com");
            assert!(decision["service-account-id"].is_string() && decision["session-id"].is_null());
        }
    }
    // No browser carries it, and no link.
    let cookie = format!("__Host-_pomerium={token}");
    assert_ne!(status(&server, "tv.test", ("cookie", &cookie)).await, StatusCode::OK, "a cookie");
    let link = format!("https://tv.test/?pomerium_session={token}");
    let seen = server.browser().send(Method::GET, &link, &[], "").await;
    assert_ne!(seen.status, StatusCode::OK, "a parameter");

    let (done, said) = command(&server, "create ci --until never").await;
    assert!(!done && said.contains("already"), "{said}");
    let (_, listed) = command(&server, "list").await;
    assert!(listed.starts_with("ci  ci@example.com  friends  since "), "{listed}");
    assert!(!listed.contains(token), "shown once");
    assert!(command(&server, "revoke ci").await.0);
    answers(&server, token, StatusCode::UNAUTHORIZED).await;
    assert!(command(&server, "list").await.1.is_empty());
    assert!(!command(&server, "revoke ci").await.0);
}

#[tokio::test]
async fn t6_a_service_account_s_token_ends_when_it_was_said_and_a_person_s_is_for_its_host() {
    let upstream = Upstream::echo();
    let routes = [friends("tv.test", upstream.address), friends("photos.test", upstream.address)];
    let server = TestServer::open(&config(&routes)).await;
    let now = server.clock.now().wall.seconds();
    let day = UnixTime::from_seconds(now + 5 * 86_400);
    let day = usher::request::record::moment(day)[..10].to_owned();
    let (done, token) = command(&server, &format!("create ci --group friends --until {day}")).await;
    assert!(done, "{token}");
    answers(&server, token.trim(), StatusCode::OK).await;
    server.clock.turn(Duration::from_secs(7 * 86_400));
    answers(&server, token.trim(), StatusCode::UNAUTHORIZED).await;

    let ann = server.signed_in("https://tv.test/", ANN).await;
    let handle = format!("Pomerium {}", ann.jar["tv.test"]["__Host-_pomerium"]);
    assert_eq!(status(&server, "tv.test", ("authorization", &handle)).await, StatusCode::OK);
    let elsewhere = status(&server, "photos.test", ("authorization", &handle)).await;
    assert_eq!(elsewhere, StatusCode::UNAUTHORIZED, "no person's session is for every host");
}

/// A client that names a token wants an answer, whatever it says that it reads: a page to sign in on
/// is none.
#[tokio::test]
async fn a_token_that_is_no_good_is_sent_to_no_page() {
    let upstream = Upstream::echo();
    let server = TestServer::open(&config(&[friends("tv.test", upstream.address)])).await;
    for (name, value) in [
        ("authorization", "Pomerium x.y.z"),
        ("authorization", "Bearer Pomerium-x.y.z"),
        ("x-pomerium-authorization", "x.y.z"),
    ] {
        let fields: Vec<_> = NAVIGATION.iter().copied().chain([(name, value)]).collect();
        let seen = server.browser().send(Method::GET, "https://tv.test/", &fields, "").await;
        assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{name}: {value}");
        let challenge = seen.field("www-authenticate");
        assert!(challenge.contains("invalid_token"), "{challenge}");
    }
    let seen = server.browser().send(Method::GET, "https://tv.test/", NAVIGATION, "").await;
    assert_eq!(seen.status, StatusCode::FOUND, "who brings none is sent to sign in");
    let seen = eventually("it is logged", || server.records("authorize check").pop()).await;
    assert!(!seen.to_string().contains("x.y.z"));
}

/// Who uses a token once a week has one that is not idle: nor is it ended where everybody's sessions
/// are looked through, nor is the password of a client.
#[tokio::test]
async fn what_programs_bring_outlives_an_idle_timeout() {
    let upstream = Upstream::echo();
    let text = config(&[friends("tv.test", upstream.address)]);
    let server = TestServer::open(&format!("session_idle_timeout: 30m\n{text}")).await;
    let (done, token) = command(&server, "create ci --group friends --until never").await;
    assert!(done, "{token}");
    let token = token.trim();
    answers(&server, token, StatusCode::OK).await;
    let password = app_passwords::made(&server, &format!("{} tv.test", ANN.0)).await;
    let seen = app_passwords::asks(&server, "tv.test", &password, &[]).await;
    assert_eq!(seen.status, StatusCode::OK);
    let data = server.data_dir();
    for _ in 0..3 {
        // A person's session that is gone from the disk says that all were looked through.
        let _left = server.signed_in("https://tv.test/", EVE).await;
        server.clock.turn(Duration::from_secs(31 * 60));
        let dir = data.clone();
        eventually("what nobody uses is ended", || {
            let all = usher::store::Store::open(&dir).unwrap().all();
            all.iter().all(|live| *live.person().email != *EVE.0).then_some(())
        })
        .await;
    }
    answers(&server, token, StatusCode::OK).await;
    let seen = app_passwords::asks(&server, "tv.test", &password, &[]).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(app_passwords::command(&server, "list").await.1.contains("tv.test"), "it is kept");
}
