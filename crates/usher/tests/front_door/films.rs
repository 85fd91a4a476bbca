//! A film that plays on a Jellyfin's route, for an app and in a browser: what is taken away from its
//! owner ends it within seconds, and a session that merely runs out does not.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Semaphore,
};
use usher_lab::{
    browser::{Browser, Tls},
    clock::TurnedClock,
    patience::within,
    provider::FakeProvider,
    upstream::{Exchange, Upstream},
};
use usher_rules::time::Clock as _;

use crate::{
    jellyfin::{KEY, TV},
    jellyfin_kept::{let_in, tell},
    permits,
    rechecks::{self, Asked},
    seats,
    test_server::{ANN, FRIENDS, TestServer, config, friends},
};

/// The longest session that the config of these tests gives.
const LATER: Duration = Duration::from_secs(15 * 3600);
/// Of the app, and of the browser.
const FILMS: [&str; 2] =
    ["/Videos/11111111111111111111111111111111", "/Videos/22222222222222222222222222222222"];

/// A library whose films go on by as many pieces as there are permits.
struct Library {
    upstream: Upstream,
    pieces: [Arc<Semaphore>; 2],
}

impl Library {
    fn open() -> Self {
        let pieces = [(); 2].map(|()| Arc::new(Semaphore::new(1)));
        let (next, tokens) = (pieces.clone(), AtomicUsize::new(0));
        let upstream = Upstream::start(async move |exchange: &mut Exchange| {
            exchange.body().await?;
            let target = exchange.target().1.to_owned();
            if target == "/System/Info/Public" {
                let info =
                    json!({"Id": "3".repeat(32), "ServerName": "Films", "Version": "10.11.11"});
                let json = "content-type: application/json\r\n";
                return exchange.reply(200, json, info.to_string().as_bytes()).await;
            }
            let Some(at) = FILMS.iter().position(|film| target.starts_with(film)) else {
                return tell(exchange, &tokens).await;
            };
            exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n").await?;
            for _ in 0..3 {
                next[at].acquire().await.unwrap().forget();
                exchange.send("four").await?;
            }
            Ok(())
        });
        Self { upstream, pieces }
    }

    /// The rest of both films may come.
    fn goes_on(&self) {
        self.pieces.iter().for_each(|pieces| pieces.add_permits(2));
    }
}

/// A film of which the first piece has come.
async fn plays(browser: &Browser, film: &str, token: &str) -> Tls {
    let mut stream = browser.connect("tv.test").await;
    let cookies = browser.cookies("tv.test").map(|all| format!("cookie: {all}\r\n"));
    let head = format!(
        "GET {film}/stream?static=true&ApiKey={token} HTTP/1.1\r\nhost: tv.test\r\n\
         {}connection: close\r\n\r\n",
        cookies.unwrap_or_default(),
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut began = Vec::new();
    while !began.ends_with(b"four") {
        let octet = stream.read_u8().await;
        began.push(octet.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&began))));
    }
    stream
}

/// Ann's app and her browser play a film each.
async fn both_play(server: &TestServer, ann: &mut Browser) -> [Tls; 2] {
    let app = let_in(server, ann, "a television").await;
    let seat = seats::token(ann).await;
    [plays(&server.browser(), FILMS[0], &app).await, plays(ann, FILMS[1], &seat).await]
}

/// Both are cut while nothing more comes from the library: they are looked at, and not only read.
async fn both_are_cut(films: &mut [Tls; 2]) {
    for film in films {
        assert_eq!(within("it is cut", permits::rest(film)).await, "");
    }
}

async fn both_ended(server: &TestServer, details: &str) {
    for film in FILMS {
        permits::ended(server, &format!("{film}/stream"), details, 1).await;
    }
}

fn route(library: &Library) -> String {
    format!("{}  jellyfin: {{api_key: {KEY}}}\n", friends("tv.test", library.upstream.address))
}

#[tokio::test]
async fn films_stop_when_their_owner_is_taken_out_of_the_group() {
    let library = Library::open();
    let server = TestServer::open(&config(&[route(&library)])).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let mut films = both_play(&server, &mut ann).await;
    server.directory().set_groups(ANN.0, &[]).await.unwrap();
    both_are_cut(&mut films).await;
    both_ended(&server, "permit_ended_session").await;
}

#[tokio::test]
async fn films_stop_when_the_policy_names_their_owner_s_group_no_more() {
    let library = Library::open();
    let text = config(&[route(&library)]);
    let server = TestServer::open(&text).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let mut films = both_play(&server, &mut ann).await;
    server.reload(&text.replace(FRIENDS, "family")).unwrap();
    both_are_cut(&mut films).await;
    both_ended(&server, "permit_ended_policy").await;
}

fn claims(groups: &[&str]) -> Value {
    json!({"sub": "ann", "email": ANN.0, "email_verified": true, "groups": groups})
}

#[tokio::test]
async fn films_stop_when_the_provider_tells_the_group_no_more() {
    let library = Library::open();
    let provider = FakeProvider::start(TurnedClock::new().now().wall.seconds()).await.unwrap();
    provider.gives_refresh_tokens();
    let text = rechecks::config(&provider, &library.upstream, "");
    let text = format!("{text}  jellyfin: {{api_key: {KEY}}}\n");
    let at = Asked { server: TestServer::open(&text).await, provider };
    let mut ann = at.ann(&claims(&["family"])).await;
    let mut films = both_play(&at.server, &mut ann).await;
    // Asked again, it says the same: nothing ends.
    at.next_answer().await;
    for (film, pieces) in films.iter_mut().zip(&library.pieces) {
        pieces.add_permits(1);
        let mut piece = [0; 4];
        film.read_exact(&mut piece).await.unwrap();
        assert_eq!(&piece, b"four", "she is in the family still");
    }
    at.provider.says(claims(&["friends"]));
    at.turn(Duration::from_secs(300));
    both_are_cut(&mut films).await;
    both_ended(&at.server, "permit_ended_policy").await;
}

#[tokio::test]
async fn films_play_to_their_end_when_a_session_merely_runs_out() {
    let library = Library::open();
    let text = config(&[route(&library)]);
    let server = TestServer::open(&text).await;
    let mut ann = server.signed_in(&format!("{TV}/web/"), ANN).await;
    let films = both_play(&server, &mut ann).await;
    server.clock.turn(LATER);
    server.reload(&text).unwrap(); // so that they are decided again, in any case
    assert_eq!(ann.fetch(&format!("{TV}/Users/Me")).await.status, 401, "it is over indeed");
    // Looked at at least once more each: what comes next is judged again.
    library.goes_on();
    for mut film in films {
        assert_eq!(permits::rest(&mut film).await, "fourfour", "to its end");
    }
    both_ended(&server, "via_upstream").await;
}
