//! Nonces, orders and validations that fail by chance, at a real authority: connections break on
//! the way to it and on its way to us. Whatever falls, every host ends with a certificate.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use usher_lab::ports::free_port;

use crate::{
    authority::{TestAuthority, told},
    test_server::{TestServer, eventually},
};

/// Numbers by chance, the same ones for a seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % n
    }
}

/// A way to `to`: of the first `stormy` connections every second one breaks, within so many
/// messages.
async fn rough(at: SocketAddr, to: SocketAddr, (stormy, within): (usize, u64), seed: u64) {
    let listener = TcpListener::bind(at).await.unwrap();
    let dice = Arc::new(Mutex::new(Dice(seed)));
    tokio::spawn(async move {
        let mut count = 0;
        while let Ok((mut near, _)) = listener.accept().await {
            count += 1;
            let left = if count > stormy {
                u64::MAX
            } else {
                let mut dice = dice.lock().unwrap();
                if dice.below(2) == 0 { dice.below(within) } else { u64::MAX }
            };
            tokio::spawn(async move {
                let Ok(mut far) = TcpStream::connect(to).await else { return };
                let (mut there, mut back) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
                for _ in 0..left {
                    let carried = tokio::select! {
                        read = near.read(&mut there) => match read {
                            Ok(read @ 1..) => far.write_all(&there[..read]).await,
                            Ok(0) | Err(_) => return,
                        },
                        read = far.read(&mut back) => match read {
                            Ok(read @ 1..) => near.write_all(&back[..read]).await,
                            Ok(0) | Err(_) => return,
                        },
                    };
                    if carried.is_err() {
                        return;
                    }
                }
            });
        }
    });
}

#[tokio::test]
async fn what_fails_by_chance_ends_well() {
    let mut causes = Vec::new();
    for seed in [3, 11] {
        let (checked_at, authority_at) = (free_port(), free_port());
        let authority = TestAuthority::open(|settings| {
            settings.refused_nonces = 20;
            settings.tls = checked_at;
        })
        .await;
        let own = free_port();
        let pebble: url::Url = authority.pebble.directory().parse().unwrap();
        let pebble = SocketAddr::from(([127, 0, 0, 1], pebble.port().unwrap()));
        rough(authority_at, pebble, (24, 10), seed).await;
        rough(checked_at, own, (9, 2), seed + 1).await;
        let hosts = ["a.example.com", "b.example.com", "c.example.com", "d.example.com"];
        let config = authority
            .config(&hosts, "")
            .replace(&authority.tls.to_string(), &own.to_string())
            .replace(
                &format!("localhost:{}", pebble.port()),
                &format!("localhost:{}", authority_at.port()),
            );
        let server = TestServer::open(&config).await;
        for host in hosts {
            eventually(&format!("a certificate for {host}"), || {
                // Nobody waits for the clock: the schedule's waits are turned away.
                server.clock.turn(Duration::from_secs(600));
                told(&server, host, "issuer").pop()
            })
            .await;
        }
        causes.extend(hosts.iter().flat_map(|host| told(&server, host, "cause")));
        let mut browser = authority.browser(&server).await;
        for host in hosts {
            let page = browser.fetch(&format!("https://{host}/")).await;
            assert_eq!(page.status, StatusCode::OK, "{host}");
        }
        assert!(!server.log().contains("set aside"), "nothing is damaged");
    }
    for kind in ["can't be reached", "did not find proof"] {
        assert!(causes.iter().any(|cause| cause.contains(kind)), "{kind}: {causes:?}");
    }
}
