//! Tunnels for TCP: who gets one, what is carried, and when it ends.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use usher_lab::{
    browser::{Browser, Seen, Tls},
    patience::within,
    upstream::Upstream,
};

use crate::{
    test_server::{ANN, EVE, FRIENDS, TestServer, config, eventually, friends, public},
    wire::{say, status},
};

/// Sends everything back behind `echo:`, and says `bye` when the other side has said all.
pub async fn parrot() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(repeats(stream));
        }
    });
    address
}

async fn repeats(mut stream: TcpStream) {
    let mut piece = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut piece).await {
            Ok(0) => {
                let _closed = stream.write_all(b"bye").await;
                return;
            }
            Ok(n) => {
                let said = [b"echo:", piece.get(..n).unwrap()].concat();
                if stream.write_all(&said).await.is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

/// A tunnel for those in [`FRIENDS`].
pub fn tunnel(from: &str, to: &str) -> String {
    format!(
        "- from: tcp+https://{from}
  to: {to}
  policy: [{{allow: {{or: [{{claim/groups: {FRIENDS}}}]}}}}]
"
    )
}

pub fn ssh(to: SocketAddr) -> String {
    tunnel("ssh.test:22", &format!("tcp://{to}"))
}

/// What a program has that somebody signed in by `/.pomerium/api/v1/login` at `host`.
pub async fn handle(server: &TestServer, host: &str, who: (&str, &str)) -> String {
    let mut program = server.browser();
    let login = format!(
        "https://{host}/.pomerium/api/v1/login?pomerium_redirect_uri=http://127.0.0.1:4242"
    );
    let link = program.fetch(&login).await;
    assert_eq!(link.status, StatusCode::OK, "{}", link.body);
    let mut browser = server.browser();
    let page = browser.sign_in(&link.body, who.0, who.1).await;
    allowed(&mut browser, &page).await
}

/// Somebody says yes on the page that asks whether a program may have a handle.
pub async fn allowed(browser: &mut Browser, page: &Seen) -> String {
    let action = page.body.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
    let action = action.replace("&#38;", "&").replace("&amp;", "&");
    let seen = browser.post_once(page, &action, &[("program", "allow")]).await;
    let to = seen.location().unwrap_or_else(|| panic!("{} {}", seen.status, seen.body));
    to.query_pairs().find(|(name, _)| name == "pomerium_jwt").unwrap().1.into_owned()
}

/// Asks for a tunnel; what is answered, and the connection.
pub async fn ask(browser: &Browser, sni: &str, to: &str, fields: &str) -> (String, Tls) {
    let mut stream = browser.connect(sni).await;
    let head = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{fields}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within("an answer", async {
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
    })
    .await;
    (String::from_utf8(answer).unwrap(), stream)
}

/// An open tunnel.
pub async fn open(server: &TestServer, to: &str, handle: &str) -> Tls {
    let host = to.split(':').next().unwrap();
    let token = format!("Authorization: Pomerium {handle}\r\n");
    let (answer, stream) = ask(&server.browser(), host, to, &token).await;
    assert_eq!(status(&answer), 200, "{answer}");
    stream
}

pub async fn says_back(stream: &mut Tls, words: &str) {
    stream.write_all(words.as_bytes()).await.unwrap();
    let mut heard = vec![0; words.len() + 5];
    within("it answers", stream.read_exact(&mut heard)).await.unwrap();
    assert_eq!(heard, format!("echo:{words}").into_bytes());
}

pub async fn ends(mut stream: Tls) {
    let mut rest = Vec::new();
    let _cut = within("it ends", stream.read_to_end(&mut rest)).await;
    assert_eq!(rest, b"", "nothing more comes through");
}

/// The access line of the only tunnel that ended so.
pub async fn ended(server: &TestServer, details: &str) -> Value {
    eventually(&format!("a tunnel ends with {details}"), || {
        let lines = server.records("http-request").into_iter();
        let mut ended = lines
            .filter(|line| line["method"] == "CONNECT" && line["response-code-details"] == details);
        ended.next()
    })
    .await
}

/// Recorded of the real server with pomerium-cli: a token in any of its places opens, `Accept` says
/// who reads, and what no route names is 404.
#[tokio::test]
async fn who_asks_for_a_tunnel_is_answered_as_pomerium_cli_expects() {
    let to = parrot().await;
    let web = public("app.test", Upstream::echo().address);
    let dead = tunnel("dead.test:22", &format!("tcp://{}", Upstream::nobody()));
    let server = TestServer::open(&config(&[web, ssh(to), dead])).await;
    let ann = handle(&server, "ssh.test", ANN).await;
    let eve = handle(&server, "ssh.test", EVE).await;
    let dead = handle(&server, "dead.test", ANN).await;
    let browser = server.browser();
    let bearer = |handle: &str| format!("Authorization: Pomerium {handle}\r\n");
    for (to, fields, expected, why) in [
        ("ssh.test:22", bearer(&ann), 200, "pomerium-cli's own way"),
        ("ssh.test:22", format!("Authorization: Bearer Pomerium-{ann}\r\n"), 200, "another"),
        ("ssh.test:22", format!("X-Pomerium-Authorization: {ann}\r\n"), 200, "another"),
        ("ssh.test:22", format!("Proxy-Authorization: Pomerium {ann}\r\n"), 302, "none"),
        ("SSH.test:22", bearer(&ann), 200, "case"),
        ("ssh.test:22", String::new(), 302, "no token, no Accept"),
        ("ssh.test:22", "Accept: */*\r\n".into(), 302, "whatever"),
        ("ssh.test:22", "Accept: text/html\r\n".into(), 302, "a page"),
        ("ssh.test:22", "Accept: application/json\r\n".into(), 401, "a program's answer"),
        ("ssh.test:22", bearer(&eve), 403, "she is no friend"),
        ("ssh.test:22", "Authorization: Pomerium e30.e30.e30\r\n".into(), 302, "a forged one"),
        ("ssh.test:23", bearer(&ann), 404, "another port"),
        ("ssh.test:443", bearer(&ann), 404, "another port"),
        ("ssh.test", bearer(&ann), 400, "no port"),
        ("app.test:443", bearer(&ann), 404, "a route of HTTP is no tunnel"),
        ("127.0.0.1:22", bearer(&ann), 404, "nobody names it"),
        ("169.254.169.254:80", bearer(&ann), 404, "nobody names it"),
        ("dead.test:22", bearer(&dead), 503, "before any 200"),
        ("ssh.test:22", format!("{}Content-Length: 3\r\n", bearer(&ann)), 400, "a body"),
        ("ssh.test:22", format!("{}Transfer-Encoding: chunked\r\n", bearer(&ann)), 400, "a body"),
    ] {
        let (answer, _) = ask(&browser, "app.test", to, &fields).await;
        assert_eq!(status(&answer), expected, "{to} {why}: {answer}");
        let framed = ["content-length", "transfer-encoding", "content-type"];
        let is_framed = framed.iter().any(|name| answer.contains(&format!("\r\n{name}:")));
        assert_eq!(is_framed, expected != 200, "bytes follow a 200: {to} {why}: {answer}");
        let closes = answer.contains("\r\nconnection: close");
        assert_eq!(closes, expected != 200, "what follows is no request: {to} {why}: {answer}");
    }
    for upgrade in ["", "Connection: Upgrade\r\nUpgrade: websocket\r\n"] {
        let head = format!("GET / HTTP/1.1\r\nHost: ssh.test:22\r\n{}{upgrade}\r\n", bearer(&ann));
        let head = head.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
        let answer = say(&browser, "ssh.test", head.as_bytes()).await;
        assert_eq!(status(&answer), 404, "a tunnel is no route of HTTP: {answer}");
    }
}

/// Bytes behind the head, large ones, and both half-closes.
#[tokio::test]
async fn a_tunnel_carries_every_byte_and_closes_one_way_at_a_time() {
    let server = TestServer::open(&config(&[ssh(parrot().await)])).await;
    let ann = handle(&server, "ssh.test", ANN).await;
    let mut stream = server.browser().connect("ssh.test").await;
    let head = format!(
        "CONNECT ssh.test:22 HTTP/1.1\r\nHost: ssh.test:22\r\nAuthorization: Pomerium {ann}\r\n\r\n\
         early"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut heard = String::new();
    within("early bytes come back", async {
        while !heard.ends_with("echo:early") {
            heard.push(char::from(stream.read_u8().await.unwrap()));
        }
    })
    .await;
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    within("the other way stays open", stream.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"bye");
    let line = ended(&server, "closed").await;
    assert_eq!(line["received"], 5, "{line}");
    assert_eq!(line["size"], 13, "{line}");
    assert_eq!(line["response-code"], 200, "{line}");
    let opened = server.records("tunnel");
    assert_eq!(opened.len(), 1, "{opened:?}");
    assert_eq!(opened[0]["host"], "ssh.test:22");
    assert_eq!(opened[0]["request-id"], line["request-id"]);
}

/// RFC 9113 §8.5, which the real server takes as well.
#[tokio::test]
async fn a_tunnel_opens_on_a_stream_of_http2() {
    let server = TestServer::open(&config(&[ssh(parrot().await)])).await;
    let ann = handle(&server, "ssh.test", ANN).await;
    let io = TokioIo::new(server.browser().connect_http2("ssh.test").await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let connect = |to: &str, token: &str| {
        let request = Request::connect(to).header("authorization", format!("Pomerium {token}"));
        request.body(Empty::<Bytes>::new()).unwrap()
    };
    let refused = sender.send_request(connect("ssh.test:22", "x")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::FOUND);
    let nowhere = sender.send_request(connect("ssh.test:23", &ann)).await.unwrap();
    assert_eq!(nowhere.status(), StatusCode::NOT_FOUND);
    let opened = sender.send_request(connect("ssh.test:22", &ann)).await.unwrap();
    assert_eq!(opened.status(), StatusCode::OK);
    let mut stream = TokioIo::new(hyper::upgrade::on(opened).await.unwrap());
    stream.write_all(b"hi").await.unwrap();
    let mut heard = [0; 7];
    within("it answers", stream.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"echo:hi");
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    within("the other way stays open", stream.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"bye");
}

/// `tcp+https://PROXY/HOST:PORT`: asked for by names that the proxy alone knows, and signed in for
/// at the proxy. Of several addresses a dead one is passed over.
#[tokio::test]
async fn a_tunnel_behind_a_path_is_asked_for_by_its_own_name() {
    let several = format!("[tcp://{}, tcp://{}]", Upstream::nobody(), parrot().await);
    let route = tunnel("proxy.test/ssh.internal:22/db.internal:5432", &several);
    let server = TestServer::open(&config(&[route])).await;
    let ann = handle(&server, "proxy.test", ANN).await;
    let token = format!("Authorization: Pomerium {ann}\r\n");
    let browser = server.browser();
    for to in ["ssh.internal:22", "db.internal:5432"].repeat(2) {
        let (answer, mut stream) = ask(&browser, "proxy.test", to, &token).await;
        assert_eq!(status(&answer), 200, "{to}: {answer}");
        says_back(&mut stream, "hi").await;
    }
    for to in ["proxy.test:22", "proxy.test:443", "ssh.internal:5432"] {
        let (answer, _) = ask(&browser, "proxy.test", to, &token).await;
        assert_eq!(status(&answer), 404, "{to}: {answer}");
    }
    let (answer, _) = ask(&browser, "proxy.test", "ssh.internal:22", "").await;
    let page = "pomerium_redirect_uri=https%3A%2F%2Fproxy.test%2F.pomerium%2F";
    assert!(answer.contains(page), "the page to come back to is one: {answer}");
}

/// Nobody chooses what is dialled: a name that a pattern takes leads where its route says.
#[tokio::test]
async fn a_pattern_leads_where_its_route_says_and_nowhere_else() {
    let route = tunnel("'*.test:22'", &format!("tcp://{}", parrot().await))
        .replace("tcp+https://'*.test:22'", "'tcp+https://*.test:22'");
    let server = TestServer::open(&config(&[route])).await;
    let ann = handle(&server, "a.test", ANN).await;
    let mut stream = open(&server, "a.test:22", &ann).await;
    says_back(&mut stream, "hi").await;
    let token = format!("Authorization: Pomerium {ann}\r\n");
    for to in ["127.0.0.1:22", "169.254.169.254:22", "a.test:23", "[::1]:22", "localhost:22"] {
        let (answer, _) = ask(&server.browser(), "a.test", to, &token).await;
        assert_eq!(status(&answer), 404, "{to}: {answer}");
    }
}

#[tokio::test]
async fn a_tunnel_ends_by_sign_out_group_policy_and_route() {
    let text = config(&[ssh(parrot().await)]);
    let server = TestServer::open(&text).await;
    let ann = handle(&server, "ssh.test", ANN).await;
    let mut stream = open(&server, "ssh.test:22", &ann).await;
    says_back(&mut stream, "first").await;
    server.directory().set_groups(ANN.0, &[]).await.unwrap();
    ends(stream).await;
    ended(&server, "permit_ended_session").await;

    server.directory().set_groups(ANN.0, &[FRIENDS.into()]).await.unwrap();
    let ann = handle(&server, "ssh.test", ANN).await;
    let stream = open(&server, "ssh.test:22", &ann).await;
    server.reload(&text.replace(FRIENDS, "family")).unwrap();
    ends(stream).await;
    ended(&server, "permit_ended_policy").await;

    server.reload(&text).unwrap();
    let stream = open(&server, "ssh.test:22", &ann).await;
    server.reload(&text.replace(":22\n", ":2222\n")).unwrap();
    ends(stream).await;
    ended(&server, "permit_ended_route").await;
}

/// It goes on for as long as `tunnel_after_session` says, and is decided again all that time.
#[tokio::test]
async fn a_tunnel_outlives_its_session_as_long_as_its_route_says() {
    let long = Duration::from_secs(14 * 3600 + 1800); // half an hour after it
    let route = ssh(parrot().await);
    let at_once = format!("{route}  tunnel_after_session: 0s\n");
    for (route, details) in [(at_once, "permit_ended_expiry"), (route, "permit_ended_policy")] {
        let text = config(&[route]);
        let server = TestServer::open(&text).await;
        let ann = handle(&server, "ssh.test", ANN).await;
        let mut stream = open(&server, "ssh.test:22", &ann).await;
        says_back(&mut stream, "in time").await;
        server.clock.turn(long);
        if details == "permit_ended_policy" {
            says_back(&mut stream, "after it").await;
            server.reload(&text.replace(FRIENDS, "family")).unwrap();
        }
        ends(stream).await;
        ended(&server, details).await;
    }
}

/// `idle_timeout`: silence in both directions; without it there is no limit.
#[tokio::test]
async fn a_silent_tunnel_ends_where_its_route_says_so() {
    let route = format!("{}  idle_timeout: 1s\n", ssh(parrot().await));
    let server = TestServer::open(&config(&[route])).await;
    let ann = handle(&server, "ssh.test", ANN).await;
    ends(open(&server, "ssh.test:22", &ann).await).await;
    ended(&server, "stream_idle_timeout").await;
}

/// Who reads nothing stops the other side: what waits here is bounded.
#[tokio::test]
async fn a_tunnel_s_reader_that_stops_stops_its_writer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let server = TestServer::open(&config(&[ssh(to)])).await;
    let ann = handle(&server, "ssh.test", ANN).await;
    let _reads_nothing = open(&server, "ssh.test:22", &ann).await;
    let (mut far, _) = listener.accept().await.unwrap();
    let piece = vec![7; 64 * 1024];
    let mut written = 0;
    let stuck = async {
        loop {
            let more = tokio::time::timeout(Duration::from_secs(1), far.write(&piece)).await;
            match more {
                Ok(more) => written += more.unwrap(),
                Err(_) => return,
            }
        }
    };
    within("the writer is stopped", stuck).await;
    assert!(written < 32 * 1024 * 1024, "{written} octets were taken for nobody");
}

/// What somebody may open is listed with the command that opens it.
#[tokio::test]
async fn a_tunnel_is_listed_with_what_opens_it() {
    let to = parrot().await;
    let web = friends("tv.test", Upstream::echo().address);
    let path = tunnel("proxy.test/db.internal:5432", &format!("tcp://{to}"));
    let server = TestServer::open(&config(&[web, ssh(to), path])).await;
    let mut ann = server.signed_in("https://tv.test/", ANN).await;
    let listed = ann.send(Method::GET, "https://tv.test/.pomerium/api/v1/routes", &[], "").await;
    let listed = listed.json();
    let of = |n: usize, member: &str| listed["routes"][n][member].as_str().unwrap().to_owned();
    assert_eq!((of(1, "type"), of(1, "from")), ("tcp".into(), "tcp+https://ssh.test:22".into()));
    assert_eq!(of(1, "connect_command"), "pomerium-cli tcp ssh.test:22");
    assert_eq!(
        of(2, "connect_command"),
        "pomerium-cli tcp tcp+https://proxy.test/db.internal:5432"
    );
    assert_eq!(listed["routes"][0].get("connect_command"), None);
    let page = ann.open("https://tv.test/.pomerium/routes").await.body;
    assert!(page.contains("<code>usher tcp ssh.test:22</code>"), "{page}");
    assert_eq!(page.matches("<code>").count(), 2, "a page has none: {page}");
}
