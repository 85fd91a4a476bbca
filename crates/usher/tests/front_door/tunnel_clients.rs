//! `usher tcp`, the program, through a server of ours.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use data_encoding::BASE64;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStderr, Command},
};
use usher_lab::{
    browser::{Browser, Seen},
    client_ca::{ClientCa, ClientIdentity},
    patience::within,
    upstream::Upstream,
};

use crate::{
    client_certificates::{Folder, mtls},
    test_server::{ANN, EVE, TestServer, config},
    tunnels::{handle, parrot, ssh, tunnel},
};

/// A laptop, with a cache of its own and no screen.
pub struct Laptop(pub TempDir);

impl Laptop {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn starts(&self, server: &TestServer, more: &[&str]) -> Child {
        let ca = server.data_dir().join("authority/ca.pem");
        let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
        command.env_clear().env("HOME", self.0.path()).args(more);
        command.arg("--proxy").arg(server.address().to_string()).arg("--ca").arg(ca);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true).spawn().unwrap()
    }
}

pub fn told(child: &mut Child) -> Lines<BufReader<ChildStderr>> {
    BufReader::new(child.stderr.take().unwrap()).lines()
}

pub async fn line(told: &mut Lines<BufReader<ChildStderr>>) -> String {
    within("it says something", told.next_line()).await.unwrap().unwrap()
}

/// Somebody opens the page that the program names, says yes, and their browser brings the token.
pub async fn signs_in(server: &TestServer, link: &str, who: (&str, &str)) {
    let mut browser = server.browser();
    let page = browser.sign_in(link, who.0, who.1).await;
    says_yes(&mut browser, &page).await;
}

/// On the page that asks whether a program may have a token, which its browser then brings.
async fn says_yes(browser: &mut Browser, page: &Seen) {
    let action = page.body.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
    let action = action.replace("&#38;", "&").replace("&amp;", "&");
    let seen = browser.post_once(page, &action, &[("program", "allow")]).await;
    let to = seen.location().unwrap();
    let port = to.port().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let target = format!("{}?{}", to.path(), to.query().unwrap());
    let head = format!("GET {target} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("the browser is told", stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

/// Types something, and hears all that comes until the program ends.
async fn types(mut child: Child, words: &str) -> (Option<i32>, String) {
    let mut typed = child.stdin.take().unwrap();
    typed.write_all(words.as_bytes()).await.unwrap();
    drop(typed);
    let output = within("it ends", child.wait_with_output()).await.unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// One sign-in, of which nothing is on standard output; the next time none is needed.
#[tokio::test]
async fn a_tunnel_between_pipes_signs_in_once_and_shows_nothing_else() {
    let server = TestServer::open(&config(&[ssh(parrot().await)])).await;
    let laptop = Laptop::new();
    let mut first = laptop.starts(&server, &["tcp", "ssh.test:22", "--listen", "-"]);
    let mut told = told(&mut first);
    assert_eq!(line(&mut told).await, "to sign in open");
    signs_in(&server, &line(&mut told).await, ANN).await;
    assert_eq!(types(first, "hello").await, (Some(0), "echo:hellobye".into()));
    let second = laptop.starts(&server, &["tcp", "tcp+https://ssh.test:22", "--listen", "-"]);
    assert_eq!(types(second, "again").await, (Some(0), "echo:againbye".into()));
}

/// The session that their browser knows is as old as the token that opens nothing any more.
#[tokio::test]
async fn a_sign_in_that_is_too_old_for_a_tunnel_is_made_again() {
    let anybody_s = "{or: [{claim/groups: friends}]}";
    let wants = "{and: [{claim/groups: friends}, {signed_in_within: 10m}]}";
    let strict = ssh(parrot().await).replace(anybody_s, wants);
    let server = TestServer::open(&config(&[strict])).await;
    let (laptop, mut ann) = (Laptop::new(), server.browser());
    for (later, words) in [(0, "first"), (601, "later")] {
        server.clock.turn(Duration::from_secs(later));
        let mut child = laptop.starts(&server, &["tcp", "ssh.test:22", "--listen", "-"]);
        let mut told = told(&mut child);
        assert_eq!(line(&mut told).await, "to sign in open");
        let form = ann.open(&line(&mut told).await).await;
        assert!(form.body.contains("type=\"password\""), "{words}: {}", form.body);
        let page = ann.post(&form, "", &[("email", ANN.0), ("password", ANN.1)]).await;
        says_yes(&mut ann, &page).await;
        assert_eq!(types(child, words).await, (Some(0), format!("echo:{words}bye")));
    }
    // One that was given is nobody's to make again.
    let token = laptop.0.path().join("token");
    std::fs::write(&token, handle(&server, "ssh.test", ANN).await).unwrap();
    server.clock.turn(Duration::from_secs(601));
    let given = ["tcp", "ssh.test:22", "--listen", "-", "--token-file", token.to_str().unwrap()];
    let (code, _) = types(laptop.starts(&server, &given), "").await;
    assert_eq!(code, Some(4));
}

/// What waits for the same sign-in waits together.
#[tokio::test]
async fn two_first_connections_wait_for_one_sign_in() {
    let server = TestServer::open(&config(&[ssh(parrot().await)])).await;
    let laptop = Laptop::new();
    let mut child = laptop.starts(&server, &["tcp", "ssh.test:22"]);
    let mut told = told(&mut child);
    let first = line(&mut told).await;
    let at: SocketAddr = first.strip_suffix(" leads to ssh.test:22").unwrap().parse().unwrap();
    let mut one = TcpStream::connect(at).await.unwrap();
    let mut other = TcpStream::connect(at).await.unwrap();
    one.write_all(b"one").await.unwrap();
    other.write_all(b"other").await.unwrap();
    assert_eq!(line(&mut told).await, "to sign in open");
    signs_in(&server, &line(&mut told).await, ANN).await;
    for (stream, expected) in [(&mut one, "echo:onebye"), (&mut other, "echo:otherbye")] {
        stream.shutdown().await.unwrap();
        let mut heard = String::new();
        within("all of it comes", stream.read_to_string(&mut heard)).await.unwrap();
        assert_eq!(heard, expected);
    }
    child.kill().await.unwrap();
    assert_eq!(told.next_line().await.unwrap(), None, "nobody was asked twice");
}

/// Each way to fail has its status, and one line that says what to do.
#[tokio::test]
async fn what_goes_wrong_is_said_in_one_line_with_a_status() {
    let dead = tunnel("dead.test:22", &format!("tcp://{}", Upstream::nobody()));
    let server = TestServer::open(&config(&[ssh(parrot().await), dead])).await;
    let laptop = Laptop::new();
    let file = |name: &str, token: &str| {
        let file = laptop.0.path().join(name);
        std::fs::write(&file, token).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let ann = file("ann", &handle(&server, "ssh.test", ANN).await);
    let eve = file("eve", &handle(&server, "ssh.test", EVE).await);
    let other = file("other", &handle(&server, "dead.test", ANN).await);
    for (to, token, code, words) in [
        ("ssh.test:22", &ann, 0, ""),
        ("ssh.test:22", &eve, 1, "error: ssh.test:22 is not open to you: "),
        ("ssh.test:23", &ann, 1, "error: no route leads to ssh.test:23: "),
        ("ssh.test", &ann, 2, "error: `ssh.test` is nothing that a tunnel leads to: "),
        ("dead.test:22", &other, 3, "error: dead.test:22 can't be reached from the proxy, "),
        ("unknown.example:22", &ann, 3, "error: https://unknown.example can't be reached: "),
        ("ssh.test:22", &other, 4, "error: the token does not count: "),
    ] {
        let mut child =
            laptop.starts(&server, &["tcp", to, "--listen", "-", "--token-file", token.as_str()]);
        drop(child.stdin.take());
        let output = within("it ends", child.wait_with_output()).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{to}: {said}");
        assert!(said.starts_with(words), "{to}: {said}");
        assert_eq!(said.lines().count(), usize::from(code != 0), "{to}: {said}");
    }
}

fn pem_of_key(identity: &ClientIdentity) -> String {
    let octets = BASE64.encode(identity.key.secret_der());
    format!("-----BEGIN PRIVATE KEY-----\n{octets}\n-----END PRIVATE KEY-----\n")
}

/// `--client-cert`, where `downstream_mtls` asks for one: what is not taken, and what can't be used,
/// is said in one line before anybody has to sign in.
#[tokio::test]
async fn a_tunnel_s_client_shows_its_certificate_and_says_what_is_wrong_with_it() {
    let (folder, ca) = (Folder::new(), ClientCa::new("Clients"));
    let text = mtls(&folder, &ca, "") + &config(&[ssh(parrot().await)]);
    let server = TestServer::open(&text).await;
    let token = folder.put("token", &handle(&server, "ssh.test", ANN).await);
    let own = ca.issue(1, |_| {});
    let over = ca.issue(2, |params| params.not_after = rcgen::date_time_ymd(2021, 1, 1));
    let foreign = ClientCa::new("Clients of others").issue(3, |_| {});
    let files = |name: &str, identity: &ClientIdentity| {
        let cert = folder.put(&format!("{name}.pem"), &identity.pem);
        (cert, folder.put(&format!("{name}.key"), &pem_of_key(identity)))
    };
    let (own, over) = (files("own", &own), files("over", &over));
    let foreign = files("foreign", &foreign);
    let pkcs8 =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let openssl = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END EC PRIVATE KEY-----\n";
    let (pkcs8, openssl) = (folder.put("8.key", pkcs8), folder.put("o.key", openssl));
    let nothing = folder.put("nothing.pem", "nothing");
    let refused = "error: https://ssh.test does not take your certificate: ";
    let unused = |file: &str, why: &str| format!("error: {file} can't be read: {why}");
    for (shown, code, words) in [
        (Some((&own.0, &own.1)), 0, String::new()),
        (None, 1, "error: https://ssh.test wants a certificate of yours: ".into()),
        (Some((&foreign.0, &foreign.1)), 1, refused.into()),
        (Some((&over.0, &over.1)), 1, refused.into()),
        (Some((&own.0, &pkcs8)), 2, unused(&pkcs8, "it takes a passphrase; ")),
        (Some((&own.0, &openssl)), 2, unused(&openssl, "it takes a passphrase; ")),
        (Some((&own.0, &over.1)), 2, unused(&own.0, "it does not belong to the key of ")),
        (Some((&own.0, &nothing)), 2, unused(&nothing, "it holds no private key")),
        (Some((&nothing, &own.1)), 2, unused(&nothing, "it holds no certificate")),
    ] {
        let mut more = vec!["tcp", "ssh.test:22", "--listen", "-", "--token-file", &token];
        if let Some((cert, key)) = shown {
            more.extend(["--client-cert", cert.as_str(), "--client-key", key.as_str()]);
        }
        let mut child = Laptop::new().starts(&server, &more);
        drop(child.stdin.take());
        let output = within("it ends", child.wait_with_output()).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{shown:?}: {said}");
        assert!(said.starts_with(&words), "{shown:?}: {said}");
        assert_eq!(said.lines().count(), usize::from(code != 0), "{shown:?}: {said}");
    }
}

/// Where `reject_connection` ends the handshake it is told so, and not as a network that is away, for
/// which a client would wait.
#[tokio::test]
async fn a_handshake_that_ends_for_a_certificate_is_told_as_a_refusal() {
    let (folder, ca) = (Folder::new(), ClientCa::new("Clients"));
    let text = config(&[ssh(parrot().await)]);
    let server = TestServer::open(&text).await;
    let token = folder.put("token", &handle(&server, "ssh.test", ANN).await);
    server.reload(&(mtls(&folder, &ca, "  enforcement: reject_connection\n") + &text)).unwrap();
    let foreign = ClientCa::new("Clients of others").issue(3, |_| {});
    let [cert, key] = [("f.pem", foreign.pem.clone()), ("f.key", pem_of_key(&foreign))]
        .map(|(name, text)| folder.put(name, &text));
    let own: &[&str] = &["--client-cert", &cert, "--client-key", &key];
    for (more, words) in
        [(&[][..], "wants a certificate of yours"), (own, "does not take your certificate")]
    {
        let given = ["tcp", "ssh.test:22", "--listen", "-", "--token-file", &token];
        let mut child = Laptop::new().starts(&server, &[&given[..], more].concat());
        drop(child.stdin.take());
        let output = within("it ends", child.wait_with_output()).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words), "{said}");
    }
}
