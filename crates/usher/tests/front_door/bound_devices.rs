//! `/.pomerium/devices`: the apps that somebody let in; their names, and what ends them.

use std::time::Duration;

use futures_util::StreamExt as _;
use http::{Method, StatusCode};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};
use usher::{request::identify::SessionStore as _, store::Store};
use usher_lab::browser::{Seen, Tls};

use crate::{
    apps_let_in::{APP, App, let_in, library, route},
    test_server::{ANN, EVE, FRIENDS, TestServer, config, eventually},
};

const LIST: &str = "https://auth.test/.pomerium/devices";
const PAGE: &str = "/.pomerium/devices";
const TV: &str = "https://tv.test";

async fn open(library: &usher_cinema::RunningCinema, more: &str) -> TestServer {
    let policy = format!("policy: [{{allow: {{or: [{{claim/groups: {FRIENDS}}}]}}}}]");
    let route = route(library).replace(&policy, "allow_any_authenticated_user: true");
    let text = config(&[route]);
    TestServer::open(&format!("authenticate_service_url: https://auth.test\n{more}{text}")).await
}

/// The ids in the buttons of a page that end one.
fn ids(page: &Seen) -> Vec<String> {
    let values = page.body.split("name=\"end\" value=\"").skip(1);
    let ids = values.filter_map(|rest| rest.split('"').next()).filter(|id| *id != "others");
    ids.map(str::to_owned).collect()
}

async fn socket(app: &mut App, token: &str) -> WebSocketStream<Tls> {
    let mut request = "wss://tv.test/socket".into_client_request().unwrap();
    let shown = format!("{APP}, Token=\"{token}\"");
    request.headers_mut().insert("authorization", shown.parse().unwrap());
    let stream = app.0.connect("tv.test").await;
    client_async(request, stream).await.unwrap().0
}

/// What a socket hears until it closes.
async fn heard(mut socket: WebSocketStream<Tls>) -> (Vec<serde_json::Value>, Duration) {
    let began = std::time::Instant::now();
    let mut all = Vec::new();
    let listening = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Text(text) = message {
                all.push(serde_json::from_str(&text).unwrap());
            }
        }
    };
    let closed = tokio::time::timeout(Duration::from_secs(60), listening).await;
    assert!(closed.is_ok(), "it never closed: {all:?}");
    (all, began.elapsed())
}

async fn me(app: &mut App, token: &str) -> u16 {
    app.get("/Users/Me", token).await.status.as_u16()
}

#[tokio::test]
async fn a_device_that_is_ended_reads_it_on_its_screen_and_its_socket_closes() {
    let library = library(&[]).await;
    let server = open(&library, "").await;
    let mut app = App::new(server.browser());
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let token = let_in(&mut ann, &mut app).await;
    assert_eq!(me(&mut app, &token).await, 200);
    let open = socket(&mut app, &token).await;
    let listens = tokio::spawn(heard(open));

    let page = ann.open(LIST).await;
    for shown in ["SHIELD", "Jellyfin TV for tv.test", "let in with its code", "from 127.0.0.1"] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
    let [id] = ids(&page).try_into().unwrap();
    let after = ann.post(&page, PAGE, &[("end", &id)]).await;
    assert!(after.body.contains("You have let no app in yet."), "{}", after.body);
    assert_eq!(me(&mut app, &token).await, 401, "refused before anybody was told");
    let (all, took) = listens.await.unwrap();
    let told = all.iter().find(|one| one["Data"]["Name"] == "DisplayMessage");
    let told = told.unwrap_or_else(|| panic!("{all:?}"));
    assert_eq!(told["Data"]["Arguments"]["Header"], "Access ended");
    let text = told["Data"]["Arguments"]["Text"].as_str().unwrap();
    assert!(text.starts_with("This app may not open tv.test any more."), "{text}");
    println!("closed after {took:?}");
}

/// A library that does not answer delays nothing: the socket closes all the same.
#[tokio::test]
async fn a_library_that_is_away_keeps_no_socket_open() {
    let library = library(&[]).await;
    let server = open(&library, "").await;
    let mut app = App::new(server.browser());
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let token = let_in(&mut ann, &mut app).await;
    let open = socket(&mut app, &token).await;
    // From now on its key is not taken: it can't be told anything.
    let wrong = route(&library).replace("0123456789abcdef0123456789abcdef", &"f".repeat(32));
    server.reload(&config(&[wrong])).unwrap();
    let listens = tokio::spawn(heard(open));
    server.directory().remove(ANN.0).await.unwrap();
    let (all, took) = listens.await.unwrap();
    assert!(all.iter().all(|one| one["Data"]["Name"] != "DisplayMessage"), "{all:?}");
    println!("closed after {took:?}");
}

#[tokio::test]
async fn a_device_is_renamed_and_ended_by_its_own_person_alone() {
    let library = library(&[]).await;
    let mut server = open(&library, "").await;
    let mut app = App::new(server.browser());
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let mut eve = server.signed_in(&format!("{TV}/web/"), EVE).await;
    let token = let_in(&mut ann, &mut app).await;
    let page = ann.open(LIST).await;
    let [id] = ids(&page).try_into().unwrap();

    // Somebody else's is as one that does not exist.
    let theirs = eve.open(LIST).await;
    assert!(!theirs.body.contains("SHIELD") && !theirs.body.contains(ANN.0), "{}", theirs.body);
    let nobodys = "A".repeat(id.len());
    let form =
        [("content-type", "application/x-www-form-urlencoded"), ("origin", "https://auth.test")];
    for (field, more) in [("end", ""), ("rename", "&name=mine")] {
        let mut answers = Vec::new();
        for which in [&id, &nobodys] {
            let body = format!("{field}={which}{more}");
            let answer = eve.send(Method::POST, LIST, &form, body).await;
            answers.push((answer.status, answer.field("location").to_owned(), answer.body));
        }
        assert_eq!(answers[0], answers[1], "{field}");
        assert_eq!(answers[0].0, StatusCode::SEE_OTHER);
    }
    assert_eq!(me(&mut app, &token).await, 200, "it goes on");
    assert!(!ann.open(LIST).await.body.contains("mine"));

    // No page of an app presses the buttons.
    for site in ["same-site", "cross-site"] {
        let fields = [("sec-fetch-site", site), ("origin", TV), form[0]];
        for body in [format!("end={id}"), "end=others".into(), format!("rename={id}&name=x")] {
            let refused = ann.send(Method::POST, LIST, &fields, body).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{site}");
        }
    }

    let long = "the TV in the living room ".repeat(5);
    let fields = [("rename", &*id), ("name", &*long)];
    let renamed = ann.post(&page, PAGE, &fields).await;
    let kept: String = long.chars().take(60).collect();
    assert!(renamed.body.contains(kept.trim()) && !renamed.body.contains(long.trim()), "bounded");
    assert!(renamed.body.contains("called SHIELD then"), "{}", renamed.body);
    let renamed = ann.post(&page, PAGE, &[("rename", &id), ("name", "<b>telly</b>")]).await;
    assert!(renamed.body.contains("&#60;b&#62;telly") || renamed.body.contains("&lt;b&gt;telly"));
    assert_eq!(me(&mut app, &token).await, 200, "a name changes nothing else");
    eventually("when it asked is written down", || {
        let all = Store::open(&server.data_dir()).unwrap().all();
        let mut apps = all.iter().filter_map(|one| one.session().app.as_ref());
        apps.any(|app| app.seen.is_some()).then_some(())
    })
    .await;
    let text =
        format!("authenticate_service_url: https://auth.test\n{}", config(&[route(&library)]));
    server.restart(&text).await;
    let mut ann = ann.moved(server.address());
    let page = ann.open(LIST).await;
    assert!(page.body.contains("telly") && page.body.contains("from 127.0.0.1"), "{}", page.body);
    let page = ann.post(&page, PAGE, &[("rename", &id), ("name", " ")]).await;
    assert!(!page.body.contains("telly") && page.body.contains("SHIELD"), "as it was");
    assert!(!page.body.contains("called SHIELD then"), "it has no other name: {}", page.body);
}

#[tokio::test]
async fn an_admin_sees_and_ends_everybody_s_devices_and_each_ends_all_of_their_own() {
    let library = library(&[]).await;
    let server = open(&library, &format!("admin_groups: [{FRIENDS}]\n")).await;
    let (mut tv, mut phone, mut hers) =
        (App::new(server.browser()), App::new(server.browser()), App::new(server.browser()));
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let mut eve = server.signed_in(&format!("{TV}/web/"), EVE).await;
    let of_ann = let_in(&mut ann, &mut tv).await;
    let of_eve = let_in(&mut eve, &mut hers).await;
    let page = ann.open(LIST).await;
    assert!(page.body.contains("Everybody else") && page.body.contains(EVE.0), "{}", page.body);
    let all = ids(&page);
    assert_eq!(all.len(), 2, "{}", page.body);
    let own = ids(&eve.open(LIST).await);
    let [of_eves] = &own[..] else { panic!("{own:?}") };
    assert!(all.contains(of_eves));
    ann.post(&page, PAGE, &[("end", of_eves)]).await;
    assert_eq!((me(&mut hers, &of_eve).await, me(&mut tv, &of_ann).await), (401, 200));
    let told = server.records("sign-out");
    let line = told.iter().find(|line| line["email"] == EVE.0).unwrap();
    assert_eq!(line["cause"], format!("ended by {}", ANN.0), "{line}");
    // All of her own, and nothing of others.
    let of_eve = let_in(&mut eve, &mut hers).await;
    let more = let_in(&mut ann, &mut phone).await;
    let page = ann.open(LIST).await;
    ann.post(&page, PAGE, &[("end", "others")]).await;
    assert_eq!(me(&mut phone, &more).await, 401);
    assert_eq!(me(&mut hers, &of_eve).await, 200);
    assert_eq!(ann.fetch(&format!("{TV}/web/index.html")).await.status, 200, "her browser stays");
}
