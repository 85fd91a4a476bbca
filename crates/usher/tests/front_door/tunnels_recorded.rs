//! Exchanges of the real server with pomerium-cli, and with hands, replayed: what it answered where that
//! is sound. What differs, and why:
//!
//! - A token counts at its own host (decision 0066): where another's was sent, its own is sent here.
//! - The session cookie has the prefix `__Host-`.
//! - A program gets its token from the authenticate host, after a page that asks for a yes: the
//!   callback on the tunnel's host has no part in it, and that host gets no cookie. A link alone would
//!   hand a session to whoever made it.
//! - Errors for programs are JSON of RFC 9457. Pages are our own; a redirect has none, and no field that
//!   marks it as one.
//! - A token is brought to `http://127.0.0.1:PORT/?…`, with the slash that URLs have where nothing is
//!   their path (RFC 3986 §6.2.3).

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher_lab::{patience::within, upstream::Upstream};

use crate::{
    test_server::{ANN, FRIENDS, TestServer, config, corpus, public},
    tunnels::{handle, parrot, tunnel},
    wire::status,
};

async fn house() -> TestServer {
    let to = parrot().await;
    TestServer::open(&config(&[
        public("app.example.com", Upstream::echo().address),
        tunnel("ssh.example.com:22", &format!("tcp://{to}")),
        tunnel("dead.example.com:22", &format!("tcp://{}", Upstream::nobody())),
        tunnel("proxy.example.com/ssh.internal:22", &format!("tcp://{to}")),
        tunnel("denied.example.com:22", &format!("tcp://{to}")).replace(FRIENDS, "bob"),
    ]))
    .await
}

fn recorded(name: &str) -> Vec<Value> {
    serde_json::from_str(&corpus(name).concat()).unwrap()
}

/// Each by its status, by the fields that a client acts on, and by what came back through it.
#[tokio::test]
async fn recorded_requests_for_tunnels_are_answered_as_recorded() {
    let server = house().await;
    let recorded = recorded("tunnels.json");
    let mut handles = BTreeMap::new();
    for host in ["ssh", "dead", "proxy", "denied"] {
        let host = format!("{host}.example.com");
        handles.insert(host.clone(), handle(&server, &host, ANN).await);
    }
    assert!(recorded.len() > 25, "only {}", recorded.len());
    for one in &recorded {
        let (sent, name) = (one["sent"].as_str().unwrap(), &one["run"]);
        let asked = sent.split("Host: ").nth(1).unwrap().split([':', '\r']).next().unwrap();
        let host = asked.to_ascii_lowercase().replace("ssh.internal", "proxy.example.com");
        let token = handles.get(&host).unwrap_or(&handles["ssh.example.com"]);
        let mut stream = server.browser().connect("ssh.example.com").await;
        let mut sent = sent.replace("{handle}", token);
        sent = sent.replace("Cookie: _pomerium", "Cookie: __Host-_pomerium");
        if sent.starts_with("GET") {
            sent = sent.replacen("\r\n", "\r\nconnection: close\r\n", 1);
        }
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        within("an answer", async {
            while !answer.ends_with(b"\r\n\r\n") {
                answer.push(stream.read_u8().await.unwrap());
            }
        })
        .await;
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(u64::from(status(&answer)), one["status"].as_u64().unwrap(), "{name}: {answer}");
        let fields = answer.to_ascii_lowercase();
        for field in one["fields"].as_array().unwrap() {
            let field = field.as_str().unwrap();
            let expected = match field {
                "content-type: application/json" => "content-type: application/problem+json",
                field if field.starts_with("content-type: text/") => continue,
                "x-pomerium-intercepted-response: true" if one["status"] == 302 => continue,
                field => field,
            };
            let is_there = fields.contains(&format!("\r\n{expected}"));
            assert!(is_there, "{name}: {field:?} is not in {answer}");
        }
        let early = one["heard"].as_str().unwrap_or_default();
        let mut expected = early.to_owned();
        if one["status"] == 200 && early.is_empty() {
            stream.write_all(b"hello\n").await.unwrap();
            expected = "echo:hello\n".into();
        }
        let mut heard = vec![0; expected.len()];
        within("it is heard", stream.read_exact(&mut heard)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&heard), expected, "{name}");
    }
}

/// The rest of a first use: it looks for HTTP/3, asks for a page, and is brought its token there.
#[tokio::test]
async fn the_steps_around_a_tunnel_are_answered_as_recorded() {
    let server = house().await;
    for host in ["ssh", "dead", "proxy", "denied"] {
        let host = format!("{host}.example.com");
        let mut probe = server.browser().over_http2();
        let seen = probe.send(Method::GET, &format!("https://{host}/"), &[], "").await;
        assert_eq!(seen.status, StatusCode::NOT_FOUND, "{host}");
        assert_eq!(seen.field("alt-svc"), "", "{host}: HTTP/3 is none of ours");
        let login = format!(
            "https://{host}/.pomerium/api/v1/login?pomerium_redirect_uri=http%3A%2F%2F127.0.0.1%3A45079"
        );
        let link = probe.send(Method::GET, &login, &[], "").await;
        assert_eq!(link.status, StatusCode::OK, "{host}");
        assert_eq!(link.field("content-type"), "text/plain; charset=utf-8", "{host}");
        assert!(
            link.body.starts_with("https://") && !link.body.ends_with('\n'),
            "{host}: {link:?}"
        );
        let mut browser = server.browser();
        let page = browser.sign_in(&link.body, ANN.0, ANN.1).await;
        let action = page.body.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
        let action = action.replace("&#38;", "&").replace("&amp;", "&");
        let seen = browser.post_once(&page, &action, &[("program", "allow")]).await;
        let to = seen.field("location").to_owned();
        assert!(to.starts_with("http://127.0.0.1:45079/?pomerium_jwt="), "{host}: {to}");
        assert_eq!(to.matches('.').count(), 3 + 2, "{host}: three parts of a token: {to}");
        assert_eq!(browser.cookies(&host), None, "{host}: it gets no cookie");
    }
}

/// What pomerium-cli makes of a status: who has to sign in is told by one that each version takes for
/// that, and who is refused, or is to try again, by one that keeps their token.
#[tokio::test]
async fn statuses_are_those_that_pomerium_cli_reads_as_they_are_meant() {
    let server = house().await;
    let known = recorded("cli_statuses.json");
    let read = |status: u16| known.iter().find(|one| one["status"] == status).unwrap();
    for (to, token, meant) in [
        ("ssh.example.com:22", None, "sign in"),
        ("denied.example.com:22", Some("denied.example.com"), "unauthorized"),
        ("dead.example.com:22", Some("dead.example.com"), "unavailable"),
    ] {
        let token = match token {
            Some(host) => {
                format!("Authorization: Pomerium {}\r\n", handle(&server, host, ANN).await)
            }
            None => String::new(),
        };
        let (answer, _) =
            crate::tunnels::ask(&server.browser(), "ssh.example.com", to, &token).await;
        let one = read(status(&answer));
        match meant {
            "sign in" => assert_eq!(one["signs_in_0.32.2"], true, "{to}"),
            said => assert_eq!(one["says"], said, "{to}: its token is kept"),
        }
    }
}
