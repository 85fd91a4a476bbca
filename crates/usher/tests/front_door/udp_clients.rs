//! `usher udp` and `usher routes`, the program, through a server of ours.

use std::net::SocketAddr;

use tokio::net::UdpSocket;
use usher_lab::{patience::within, upstream::Upstream};

use crate::{
    test_server::{ANN, EVE, TestServer, config, eventually, friends},
    tunnel_clients::{Laptop, line, signs_in, told},
    tunnels::{handle, parrot as bytes, ssh},
    udp_tunnels::{parrot, udp},
};

/// A program that uses the port.
async fn program(at: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(at).await.unwrap();
    socket
}

async fn hears(socket: &UdpSocket) -> Vec<u8> {
    let mut heard = vec![0; 65_536];
    let length = within("a datagram comes", socket.recv(&mut heard)).await.unwrap();
    heard.truncate(length);
    heard
}

fn port(first: &str, to: &str) -> SocketAddr {
    first.strip_suffix(&format!(" leads to {to}")).unwrap().parse().unwrap()
}

/// One sign-in, and what waits for it is not lost; each program hears its own answers, in their
/// order, and what its network can't carry is counted.
#[tokio::test]
async fn each_program_has_a_flow_of_its_own_behind_one_sign_in() {
    let server = TestServer::open(&config(&[udp("dns.test:53", parrot().await)])).await;
    let laptop = Laptop::new();
    let mut child = laptop.starts(&server, &["udp", "dns.test:53"]);
    let mut told = told(&mut child);
    let at = port(&line(&mut told).await, "dns.test:53");
    let (one, other) = (program(at).await, program(at).await);
    one.send(b"one").await.unwrap();
    one.send(b"").await.unwrap();
    other.send(b"other").await.unwrap();
    assert_eq!(line(&mut told).await, "to sign in open");
    signs_in(&server, &line(&mut told).await, ANN).await;
    for (socket, expected) in [(&one, "echo:one"), (&one, "echo:"), (&other, "echo:other")] {
        assert_eq!(hears(socket).await, expected.as_bytes());
    }
    for size in [0, 1, 58, 59, 1200, 1472, 9000, 16_382, 40_000, 65_502] {
        let said = vec![u8::try_from(size % 251).unwrap(); size];
        one.send(&said).await.unwrap();
        assert_eq!(hears(&one).await, [b"echo:", &*said].concat(), "{size}");
    }
    eventually("each has a tunnel", || {
        Some(server.records("tunnel")).filter(|opened| opened.len() == 2)
    })
    .await;
    child.kill().await.unwrap();
    assert_eq!(
        told.next_line().await.unwrap(),
        None,
        "nobody was asked twice, and nothing was lost"
    );
}

/// What a file names as UDP is carried as that, beside the rest, by one sign-in each host.
#[tokio::test]
async fn a_file_of_tunnels_carries_udp_beside_tcp() {
    let server = TestServer::open(&config(&[udp("dns.test:53", parrot().await)])).await;
    let laptop = Laptop::new();
    let [file, token] = ["tunnels", "token"].map(|name| laptop.0.path().join(name));
    std::fs::write(&token, handle(&server, "dns.test", ANN).await).unwrap();
    std::fs::write(&file, "127.0.0.1:0 udp+https://dns.test:53\n127.0.0.1:0 dns.test:53\n")
        .unwrap();
    let [file, token] = [&file, &token].map(|file| file.to_str().unwrap());
    let mut child = laptop.starts(&server, &["tunnels", file, "--token-file", token]);
    let mut told = told(&mut child);
    let at = port(&line(&mut told).await, "dns.test:53");
    let of_tcp = port(&line(&mut told).await, "dns.test:53");
    assert_eq!(line(&mut told).await, "tunnels kept open: 2");
    let program = program(at).await;
    program.send(b"query").await.unwrap();
    assert_eq!(hears(&program).await, b"echo:query");
    let _closed = tokio::net::TcpStream::connect(of_tcp).await.unwrap();
    let said = line(&mut told).await;
    assert!(said.starts_with("error: no route leads to dns.test:53: "), "{said}");
}

/// A refusal is said once however often a program asks, and what came is counted as lost.
#[tokio::test]
async fn who_may_not_is_told_and_what_they_send_is_counted() {
    let server = TestServer::open(&config(&[udp("dns.test:53", parrot().await)])).await;
    let laptop = Laptop::new();
    let token = laptop.0.path().join("eve");
    std::fs::write(&token, handle(&server, "dns.test", EVE).await).unwrap();
    let token = token.to_str().unwrap();
    let mut child = laptop.starts(&server, &["udp", "dns.test:53", "--token-file", token]);
    let mut told = told(&mut child);
    let program = program(port(&line(&mut told).await, "dns.test:53")).await;
    for _ in 0..3 {
        program.send(b"query").await.unwrap();
    }
    let said = line(&mut told).await;
    assert!(said.starts_with("error: dns.test:53 is not open to you: "), "{said}");
    let said = line(&mut told).await;
    assert!(said.ends_with(" 0 faster than the proxy takes them, 3 without a tunnel"), "{said}");
    program.send(b"again").await.unwrap();
    let said = line(&mut told).await;
    assert!(said.ends_with(", 4 without a tunnel"), "the proxy is not asked as often: {said}");
    let mut child = laptop.starts(&server, &["udp", "tcp+https://dns.test:53"]);
    let code = within("it ends", child.wait()).await.unwrap().code();
    assert_eq!(code, Some(2), "a tunnel for TCP is none for UDP");
}

/// What the page lists, to a program's user: by the command of ours that opens it.
#[tokio::test]
async fn what_somebody_may_reach_is_listed_in_a_terminal() {
    let web = friends("tv.test", Upstream::echo().address);
    let routes = [web, ssh(bytes().await), udp("dns.test:53", parrot().await)];
    let server = TestServer::open(&config(&routes)).await;
    let laptop = Laptop::new();
    let mut first = laptop.starts(&server, &["routes", "tv.test"]);
    let mut told = told(&mut first);
    assert_eq!(line(&mut told).await, "to sign in open");
    signs_in(&server, &line(&mut told).await, ANN).await;
    let shown = within("it ends", first.wait_with_output()).await.unwrap();
    assert_eq!(shown.status.code(), Some(0));
    let shown = String::from_utf8(shown.stdout).unwrap();
    let mut lines = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    for expected in [
        "https://tv.test ",
        "tcp+https://ssh.test:22 usher tcp ssh.test:22",
        "udp+https://dns.test:53 usher udp dns.test:53",
    ] {
        assert!(lines.next().unwrap().starts_with(expected), "{expected}: {shown}");
    }
    assert_eq!(lines.next(), None, "{shown}");
    let second = laptop.starts(&server, &["routes", "https://tv.test", "--json"]);
    let shown = within("it ends", second.wait_with_output()).await.unwrap();
    let listed: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(listed["routes"].as_array().unwrap().len(), 3);
    let token = laptop.0.path().join("eve");
    std::fs::write(&token, handle(&server, "tv.test", EVE).await).unwrap();
    for (token, code, words) in [
        (token.to_str().unwrap(), 1, "error: no route is open to you there"),
        ("/nowhere", 2, "error: /nowhere can't be read: "),
    ] {
        let child = laptop.starts(&server, &["routes", "tv.test", "--token-file", token]);
        let output = within("it ends", child.wait_with_output()).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.starts_with(words), "{said}");
        assert_eq!(output.stdout, b"");
    }
}
