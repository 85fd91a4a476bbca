//! A seat in the library is for its own person: no name, token or device leads to another's.

use http::Method;
use serde_json::json;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use usher::{request::Remembered as _, store::Store};
use usher_cinema::CinemaUser;
use usher_lab::patience::within;

use crate::{
    app_passwords,
    seats::{
        BOB, DEVICE, KEY, TV, add, ann_s, api, asks, library, name, open, revoked_there, there,
        token, told, user, with, words,
    },
    test_server::{ANN, EVE, FRIENDS, TestServer},
};

#[tokio::test]
async fn nobody_gets_another_one_s_token() {
    let library = library(vec![ann_s()]).await;
    let server = open(&library).await;
    add(&server, BOB, "").await;
    let mut ann = server.signed_in(&format!("{TV}/link"), ANN).await;
    let hers = token(&mut ann).await;
    let mut bob = server.signed_in(&format!("{TV}/link"), BOB).await;
    // In the same browser, with all that she left there.
    let his = told(&mut bob, DEVICE, &hers).await;
    let (token, device) = (his["token"].as_str().unwrap(), his["device"].as_str().unwrap());
    assert_ne!((token, device), (&*hers, DEVICE), "another device, that ends apart");
    assert_eq!(name(&mut bob, token).await, json!(BOB.0), "his user was made");
    assert_eq!(name(&mut bob, &hers).await, json!(401), "hers is not his, beside his cookie");
    assert_eq!(name(&mut ann, &hers).await, json!(ANN.0), "and goes on");
    api(&mut bob, Method::POST, "/Sessions/Logout", token).await;
    revoked_there(&library, token).await;
    assert_eq!(name(&mut ann, &hers).await, json!(ANN.0), "he ends what is his");
    // Whom the policy denies, strangers, other sites' pages, programs and apps get nothing.
    let mut eve = server.signed_in(&format!("{TV}/link"), EVE).await;
    assert_eq!(asks(&mut eve, DEVICE, "").await.status, 403);
    assert_eq!(asks(&mut server.browser(), DEVICE, &hers).await.status, 401);
    for site in ["cross-site", "same-site"] {
        let fields =
            [("sec-fetch-site", site), ("content-type", "application/x-www-form-urlencoded")];
        let body = format!("device={DEVICE}");
        let answer = ann.send(Method::POST, &format!("{TV}/seat"), &fields, body).await;
        assert_eq!(answer.status, 403, "{site}");
    }
    let body = format!("device={DEVICE}");
    let app = format!("MediaBrowser Token=\"{hers}\"");
    let password = app_passwords::made(&server, &format!("{} tv.test", ANN.0)).await;
    let basic = app_passwords::basic("whoever", &password);
    within("the server knows the password", async {
        let fields = [("authorization", &*basic)];
        while server.browser().send(Method::GET, &format!("{TV}/x"), &fields, "").await.status
            == 401
        {}
    })
    .await;
    for credential in [&*app, &basic] {
        let fields = [
            ("authorization", credential),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let mut bare = server.browser();
        let answer = bare.send(Method::POST, &format!("{TV}/seat"), &fields, body.clone()).await;
        assert_eq!(answer.status, 403, "{credential}: {}", answer.body);
    }
    for device in ["", "a b", "ä", &"x".repeat(1025)] {
        assert_eq!(asks(&mut ann, device, "").await.status, 400, "{device}");
    }
}

#[tokio::test]
async fn a_name_is_no_proof_of_being_an_administrator_or_somebody_else() {
    let admin = CinemaUser::new("Ann@Example.com", "known to nobody").administrator();
    let library = library(vec![admin]).await;
    let mut server = open(&library).await;
    let mut ann = server.signed_in(&format!("{TV}/link"), ANN).await;
    assert!(words(&mut ann).await.contains("name is that of an administrator"));
    let log = server.log();
    assert!(log.contains("`admin_groups` names them not"), "the operator reads why");
    server.reload(&with(&library, ", admin_groups: [family]")).unwrap();
    assert!(words(&mut ann).await.contains("name is that of an administrator"));
    server.reload(&with(&library, &format!(", admin_groups: [{FRIENDS}]"))).unwrap();
    let hers = token(&mut ann).await;
    assert_eq!(name(&mut ann, &hers).await, json!("Ann@Example.com"));

    // By a claim that they choose themselves, two people may have one name.
    server.reload(&with(&library, ", user_claim: name")).unwrap();
    add(&server, BOB, "Robin").await;
    let rob = ("rob@example.com", BOB.1);
    add(&server, rob, "ROBIN").await;
    let mut bob = server.signed_in(&format!("{TV}/link"), BOB).await;
    let his = token(&mut bob).await;
    let mut rob = server.signed_in(&format!("{TV}/link"), rob).await;
    assert!(words(&mut rob).await.contains("somebody else's user"));
    assert_eq!(name(&mut bob, &his).await, json!("Robin"));
    // It is his when nothing of his is in use, after a restart, too, and until he is gone.
    server.directory().set_groups(BOB.0, &[FRIENDS.into()]).await.unwrap();
    within("he is signed out", async {
        loop {
            // What is under way is cut when it ends.
            let (mut bob, his) = (bob.clone(), his.clone());
            let asked = tokio::spawn(async move { name(&mut bob, &his).await });
            if asked.await.is_ok_and(|name| name == json!(401)) {
                break;
            }
        }
    })
    .await;
    assert!(words(&mut rob).await.contains("somebody else's user"));
    server.restart(&with(&library, ", user_claim: name")).await;
    let mut rob = rob.moved(server.address());
    assert!(words(&mut rob).await.contains("somebody else's user"));
    server.directory().remove(BOB.0).await.unwrap();
    let his = token(&mut rob).await;
    assert_eq!(name(&mut rob, &his).await, json!("Robin"), "as it is called there");
}

#[tokio::test]
async fn users_are_made_with_the_rights_of_their_groups() {
    let library = library(vec![]).await;
    let server = TestServer::open(&with(&library, ", create_users: false")).await;
    let mut ann = server.signed_in(&format!("{TV}/link"), ANN).await;
    assert!(words(&mut ann).await.contains("There is no user for you"));
    assert_eq!(user(&library, ANN.0).await, None);
    let rights = |admins: &str, group: &str| {
        let libraries = format!("libraries: [{{group: {group}, names: [Movies, Gone]}}]");
        with(&library, &format!(", admin_groups: [{admins}], {libraries}"))
    };
    server.reload(&rights("family", "friends")).unwrap();
    let token = token(&mut ann).await;
    let policy = async || user(&library, ANN.0).await.unwrap()["Policy"].clone();
    let made = policy().await;
    assert_eq!(made["AuthenticationProviderId"], json!("Usher.SignInOnly"), "no password opens it");
    assert_eq!(
        (&made["IsAdministrator"], &made["EnableAllFolders"]),
        (&json!(false), &json!(false))
    );
    let (_, libraries) = there(&library, "GET", "/Library/VirtualFolders", KEY).await;
    assert_eq!(made["EnabledFolders"], json!([libraries[0]["ItemId"]]));
    // What her groups say now is so when she opens it next.
    server.reload(&rights("family", "others")).unwrap();
    told(&mut ann, DEVICE, &token).await;
    assert_eq!(policy().await["EnabledFolders"], json!([]), "in none of the groups, none of them");
    server.reload(&rights("friends", "others")).unwrap();
    told(&mut ann, DEVICE, &token).await;
    let admin = policy().await;
    assert_eq!(
        (&admin["IsAdministrator"], &admin["EnableAllFolders"]),
        (&json!(true), &json!(true))
    );
    server.reload(&rights("family", "friends")).unwrap();
    told(&mut ann, DEVICE, &token).await;
    assert_eq!(policy().await["IsAdministrator"], json!(false), "it goes with the group");
}

/// Another address of the same.
async fn moved(to: std::net::SocketAddr) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut behind = TcpStream::connect(to).await.unwrap();
                let _ended = copy_bidirectional(&mut stream, &mut behind).await;
            });
        }
    });
    address
}

/// Nobody has an app there any more, so that what is written down is all that is known of it.
#[tokio::test]
async fn a_user_stays_its_first_owner_s_when_the_library_moves_and_when_nobody_can_tell() {
    let library = library(vec![]).await;
    let text = with(&library, ", user_claim: name");
    let mut server = TestServer::open(&text).await;
    add(&server, BOB, "Robin").await;
    let rob = ("rob@example.com", BOB.1);
    add(&server, rob, "ROBIN").await;
    let mut bob = server.signed_in(&format!("{TV}/link"), BOB).await;
    let his = token(&mut bob).await;
    api(&mut bob, Method::POST, "/Sessions/Logout", &his).await;
    revoked_there(&library, &his).await;

    let elsewhere = moved(library.addr).await.to_string();
    let there = text.replace(&library.addr.to_string(), &elsewhere);
    assert_ne!(there, text);
    server.restart(&there).await;
    let mut rob = server.signed_in(&format!("{TV}/link"), rob).await;
    assert!(words(&mut rob).await.contains("somebody else's user"), "it has moved");
    let db = rusqlite::Connection::open(server.data_dir().join("usher.sqlite3")).unwrap();
    let row = || {
        let query = "SELECT name, value FROM remembered WHERE name LIKE 'jellyfin-user:%'";
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        db.query_row(query, [], row).unwrap()
    };
    let (name, _): (String, Vec<u8>) = row();
    let store = Store::open(&server.data_dir()).unwrap();
    store.remember(&name, b"{}").await.unwrap(); // of another version
    for damage in ["", "UPDATE remembered SET value = x'7b'"] {
        if !damage.is_empty() {
            db.execute(damage, []).unwrap();
        }
        let (_, before) = row();
        let told = words(&mut rob).await;
        assert!(!told.contains("somebody else's user"), "nobody can tell: {told}");
        assert_eq!(row().1, before, "and nothing is written over it");
    }
}
