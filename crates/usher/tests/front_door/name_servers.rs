//! `dns_resolvers`, `dns_use_tcp`, `dns_query_tries`: upstreams are found by the name servers that
//! the config names.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use hickory_proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{RData, Record, RecordType},
};
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
};
use usher_lab::{
    browser::FETCH,
    upstream::{Exchange, Upstream},
};

use crate::test_server::{TestServer, config, public};

/// What one says to each question for an IPv4 address; the last is said for ever.
type Script = &'static [ResponseCode];

const OK: ResponseCode = ResponseCode::NoError;
const TROUBLE: ResponseCode = ResponseCode::ServFail;
const NOBODY: ResponseCode = ResponseCode::NXDomain;

/// A name server on loopback by UDP and TCP, which says where `tv.house.test` is.
struct NameServer {
    address: SocketAddr,
    /// How it was asked for an IPv4 address: `udp` or `tcp`.
    asked: Arc<Mutex<Vec<&'static str>>>,
}

impl NameServer {
    async fn start(script: Script) -> Self {
        let (address, udp, tcp) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = tcp.local_addr().unwrap();
            if let Ok(udp) = UdpSocket::bind(address).await {
                break (address, udp, tcp); // the port is free for both
            }
        };
        let asked = Arc::<Mutex<Vec<&str>>>::default();
        let heard = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut octets = [0; 512];
            loop {
                let (length, from) = udp.recv_from(&mut octets).await.unwrap();
                let answer = answer(&octets[..length], "udp", script, &heard);
                udp.send_to(&answer, from).await.unwrap();
            }
        });
        let heard = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = tcp.accept().await.unwrap();
                let heard = Arc::clone(&heard);
                tokio::spawn(async move {
                    while let Ok(length) = stream.read_u16().await {
                        let mut octets = vec![0; usize::from(length)];
                        stream.read_exact(&mut octets).await.unwrap();
                        let answer = answer(&octets, "tcp", script, &heard);
                        let length = u16::try_from(answer.len()).unwrap();
                        stream.write_u16(length).await.unwrap();
                        stream.write_all(&answer).await.unwrap();
                    }
                });
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<&'static str> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(
    octets: &[u8],
    by: &'static str,
    script: Script,
    asked: &Mutex<Vec<&'static str>>,
) -> Vec<u8> {
    let question = Message::from_vec(octets).unwrap();
    let query = question.queries[0].clone();
    let mut answer = Message::response(question.id, question.op_code);
    answer.metadata.message_type = MessageType::Response;
    answer.queries.push(query.clone());
    let is_for_it = query.name().to_ascii().eq_ignore_ascii_case("tv.house.test.");
    if query.query_type() == RecordType::A && is_for_it {
        let mut asked = asked.lock().unwrap();
        answer.metadata.response_code = script[asked.len().min(script.len() - 1)];
        asked.push(by);
        if answer.metadata.response_code == OK {
            let found = RData::A(Ipv4Addr::LOCALHOST.into());
            answer.answers.push(Record::from_rdata(query.name().clone(), 60, found));
        }
    } else if !is_for_it {
        answer.metadata.response_code = NOBODY; // the search domains of this machine
    }
    answer.to_vec().unwrap()
}

/// What an app gives that is at `tv.house.test`, of which the name servers alone know.
async fn status(keys: &str) -> StatusCode {
    let app = Upstream::echo();
    let route = public("tv.test", app.address).replace("127.0.0.1", "tv.house.test");
    let text = format!("{keys}\n{}", config(&[route]));
    let server = TestServer::open(&text).await;
    let mut browser = server.browser();
    browser.send(http::Method::GET, "https://tv.test/", FETCH, "").await.status
}

#[tokio::test]
async fn upstreams_are_found_by_the_name_servers_that_are_named() {
    for (first, second, rest, expected, asked, why) in [
        (&[OK][..], &[OK][..], "", StatusCode::OK, ["udp", ""], "the first one answers"),
        (&[TROUBLE], &[OK], "", StatusCode::OK, ["udp", "udp"], "its trouble is not the second's"),
        (&[NOBODY], &[OK], "", StatusCode::SERVICE_UNAVAILABLE, ["udp", ""], "what it says holds"),
        (&[OK], &[OK], "dns_use_tcp: true", StatusCode::OK, ["tcp", ""], "over TCP alone"),
        (
            &[TROUBLE, OK],
            &[TROUBLE],
            "dns_query_tries: 2",
            StatusCode::OK,
            ["udp udp", "udp"],
            "once more when all have failed",
        ),
        (
            &[TROUBLE, OK],
            &[TROUBLE],
            "dns_query_tries: 1",
            StatusCode::SERVICE_UNAVAILABLE,
            ["udp", "udp"],
            "and not more often than that",
        ),
    ] {
        let (first, second) = (NameServer::start(first).await, NameServer::start(second).await);
        let keys = format!(
            "dns_resolvers: ['udp://{}', 'udp://{}']\n{rest}",
            first.address, second.address
        );
        assert_eq!(status(&keys).await, expected, "{why}");
        assert_eq!([first, second].map(|one| one.asked().join(" ")), asked, "{why}");
    }
}

#[tokio::test]
async fn a_name_server_of_tcp_is_asked_over_tcp() {
    let server = NameServer::start(&[OK]).await;
    assert_eq!(status(&format!("dns_resolvers: tcp://{}", server.address)).await, StatusCode::OK);
    assert_eq!(server.asked(), ["tcp"]);
}

/// An app that is connected to anew for each request.
fn closing() -> Upstream {
    Upstream::start(async |exchange: &mut Exchange| {
        exchange.reply(200, "connection: close\r\n", b"").await
    })
}

fn by_name(app: &Upstream) -> String {
    config(&[public("tv.test", app.address).replace("127.0.0.1", "tv.house.test")])
}

/// `dns_refresh_rate`: for so long a name is not asked for again.
#[tokio::test]
async fn what_a_name_server_said_is_believed_for_the_time_of_its_key() {
    let app = closing();
    for (rate, is_asked_again) in [("1h", false), ("1ms", true)] {
        let one = NameServer::start(&[OK]).await;
        let keys = format!("dns_resolvers: 'udp://{}'\ndns_refresh_rate: {rate}\n", one.address);
        let server = TestServer::open(&format!("{keys}{}", by_name(&app))).await;
        let mut browser = server.browser();
        for n in 0.. {
            assert_eq!(browser.fetch("https://tv.test/").await.status, StatusCode::OK, "{rate}");
            let asked = one.asked().len();
            assert!(asked == 1 || is_asked_again, "{rate}: {asked}");
            // believed for a millisecond: it can't be for all of a thousand requests
            if asked > 1 || n > 3 && !is_asked_again {
                break;
            }
            assert!(n < 1000, "it is never asked again");
        }
    }
}

/// `dns_query_timeout`: how long a name server may be silent.
#[tokio::test]
async fn a_silent_name_server_is_given_the_time_of_its_key() {
    let app = Upstream::echo();
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let open = async |patience: &str| {
        let at = silent.local_addr().unwrap();
        let keys = format!("dns_resolvers: 'udp://{at}'\ndns_query_tries: 1\n");
        let text = format!("{keys}dns_query_timeout: {patience}\n{}", by_name(&app));
        let server = TestServer::open(&text).await;
        let browser = server.browser();
        (server, browser)
    };
    let ((_one, mut patient), (_other, mut hasty)) = (open("1h").await, open("50ms").await);
    tokio::select! {
        biased;
        seen = patient.fetch("https://tv.test/") => panic!("nobody answers: {}", seen.status),
        seen = hasty.fetch("https://tv.test/") => {
            assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
        }
    }
}
