//! Does each contender do what its name says? Asked before anything is measured, since a proxy that
//! skips its work is a quick one.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
};

use super::{Contender, Peers, Ushers, peers::STATUS};
use crate::{client::Protocol, failure::Failure};

/// How many requests each is asked over each HTTP.
const ASKED: u32 = 200;
/// How many connections to the app that may take: the client's, once over, and the one that counts.
const CONNECTIONS: u64 = 41;

/// Asks each a few hundred things; the first that does otherwise than its name says is a failure.
pub fn all(
    contenders: &[Contender],
    folder: &Path,
    peers: &Peers,
    ushers: &Ushers,
) -> Result<(), Failure> {
    for contender in contenders {
        let Some((asked, load)) = ushers.find(*contender, peers) else { continue };
        let (app, service) = (Counted::at(peers.upstream)?, Counted::at(peers.service)?);
        let written = written(folder)?;
        for protocol in [Protocol::Http1, Protocol::Http2] {
            load.ask(protocol, asked.address, ASKED)?;
        }
        let seen = Seen {
            app: Counted::at(peers.upstream)?.since(app),
            service: Counted::at(peers.service)?.since(service),
            written: self::written(folder)?.saturating_sub(written),
        };
        if let Err(what) = seen.judge(*contender) {
            return Err(Failure::Program { program: contender.name().into(), what });
        }
    }
    println!(
        "each was asked {} things first: every answer was the app's, over kept connections; who \
         asks a service asked it each time, nobody else did\n",
        2 * ASKED
    );
    Ok(())
}

/// What came of the few hundred things.
#[derive(Debug, Clone, Copy)]
struct Seen {
    app: Counted,
    service: Counted,
    /// Octets that peers wrote to their logs.
    written: u64,
}

impl Seen {
    /// What is wrong, if anything.
    fn judge(self, contender: Contender) -> Result<(), String> {
        let asked = 2 * u64::from(ASKED);
        let decided = if contender.asks() { asked } else { 0 };
        let Self { app, service, written } = self;
        let complaint = if app.requests != asked {
            format!("the app was asked {} times about {asked} requests", app.requests)
        } else if service.requests != decided {
            let times = service.requests;
            format!("the service was asked {times} times about {asked} requests, not {decided}")
        } else if app.connections > CONNECTIONS {
            format!("{} connections to the app for {asked} requests", app.connections)
        } else if decided > 0 && service.connections > CONNECTIONS {
            format!("{} connections to the service for {asked} requests", service.connections)
        } else if written > asked {
            format!("{written} octets of log about {asked} requests")
        } else {
            return Ok(());
        };
        Err(complaint)
    }
}

/// What nginx's `stub_status` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counted {
    connections: u64,
    requests: u64,
}

impl Counted {
    fn at(address: SocketAddr) -> Result<Self, Failure> {
        let mut answer = String::new();
        TcpStream::connect(address)
            .and_then(|mut socket| {
                socket.write_all(format!("GET {STATUS} HTTP/1.0\r\n\r\n").as_bytes())?;
                socket.read_to_string(&mut answer)
            })
            .map_err(Failure::io(STATUS))?;
        Self::read(&answer)
            .ok_or_else(|| Failure::Program { program: STATUS.into(), what: answer.clone() })
    }

    /// `accepts handled requests` is a line, the figures the next.
    fn read(answer: &str) -> Option<Self> {
        let (_, figures) = answer.split_once("server accepts handled requests\n")?;
        let mut figures = figures.split_whitespace().map_while(|it| it.parse().ok());
        let (connections, _handled) = (figures.next()?, figures.next()?);
        Some(Self { connections, requests: figures.next()? })
    }

    /// Without the request that asked for the count.
    const fn since(self, before: Self) -> Self {
        Self {
            connections: self.connections.saturating_sub(before.connections + 1),
            requests: self.requests.saturating_sub(before.requests + 1),
        }
    }
}

/// Octets in the peers' logs; usher's records are its work and lie elsewhere.
fn written(folder: &Path) -> Result<u64, Failure> {
    let ours = ["today", "before"];
    let mut octets = 0;
    for entry in fs::read_dir(folder).map_err(Failure::io("logs"))?.flatten() {
        let is_ours = ours.iter().any(|name| entry.file_name() == *name);
        let path = entry.path();
        if path.is_dir() && !is_ours {
            octets += written(&path)?;
        } else if path.extension().is_some_and(|it| it == "log") {
            octets += entry.metadata().map_or(0, |it| it.len());
        }
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader},
        net::{Ipv4Addr, TcpListener},
        thread,
    };

    use super::*;

    #[test]
    fn what_nginx_counts() {
        let said = "HTTP/1.1 200 OK\r\n\r\nActive connections: 1 \nserver accepts handled requests\n \
                    12 12 340 \nReading: 0 Writing: 1 Waiting: 0 \n";
        assert_eq!(Counted::read(said), Some(Counted { connections: 12, requests: 340 }));
        assert_eq!(Counted::read("HTTP/1.1 404 Not Found\r\n\r\n"), None);
    }

    #[test]
    fn who_asks_for_the_count_is_not_in_it() {
        let before = Counted { connections: 12, requests: 340 };
        let after = Counted { connections: 23, requests: 741 };
        assert_eq!(after.since(before), Counted { connections: 10, requests: 400 });
    }

    #[test]
    fn a_count_that_cannot_be_had_is_a_failure() {
        let page = "HTTP/1.1 200 OK\r\n\r\nActive connections: 1 \nserver accepts handled requests\n \
                    12 12 340 \nReading: 0 Writing: 1 Waiting: 0 \n";
        assert_eq!(asked_of(page).unwrap(), Counted { connections: 12, requests: 340 });
        assert!(asked_of("HTTP/1.1 502 Bad Gateway\r\n\r\n").is_err());
        let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        assert!(Counted::at(nobody).is_err());
    }

    /// What is counted where a server answers `page`.
    fn asked_of(page: &'static str) -> Result<Counted, Failure> {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = server.local_addr().unwrap();
        let answering = thread::spawn(move || {
            let (mut socket, _) = server.accept().unwrap();
            let (mut asked, mut lines) = (String::new(), BufReader::new(&socket));
            while !asked.ends_with("\r\n\r\n") {
                assert_ne!(lines.read_line(&mut asked).unwrap(), 0, "{asked}");
            }
            socket.write_all(page.as_bytes()).unwrap();
            asked
        });
        let counted = Counted::at(address);
        assert!(answering.join().unwrap().starts_with(&format!("GET {STATUS} ")));
        counted
    }

    #[test]
    fn what_peers_log_counts_wherever_it_lies_and_what_usher_records_does_not() {
        let folder = tempfile::tempdir().unwrap();
        for (file, octets) in [
            ("caddy.log", 3),
            ("proxy/error.log", 20),
            ("envoy/deeper/access.log", 100),
            ("film", 4_000),
            ("proxy/nginx.conf", 4_000),
            ("today/usher.log", 4_000),
            ("before/usher.log", 4_000),
        ] {
            let file = folder.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "x".repeat(octets)).unwrap();
        }
        assert_eq!(written(folder.path()).unwrap(), 123);
    }

    #[test]
    fn who_does_otherwise_than_its_name_says_is_told() {
        use Contender::{Caddy, CaddyForwardAuth};
        let counted = |connections, requests| Counted { connections, requests };
        let mut missed = Vec::new();
        for (contender, app, service, written, told) in [
            (Caddy, counted(10, 400), counted(0, 0), 0, None),
            (CaddyForwardAuth, counted(10, 400), counted(10, 400), 0, None),
            (CaddyForwardAuth, counted(10, 400), counted(1, 1), 0, Some("asked 1 times")),
            (Caddy, counted(10, 400), counted(10, 400), 0, Some("not 0")),
            (Caddy, counted(10, 20), counted(0, 0), 0, Some("asked 20 times")),
            (Caddy, counted(400, 400), counted(0, 0), 0, Some("400 connections to the app")),
            (Caddy, counted(10, 400), counted(0, 0), 40_000, Some("40000 octets")),
            (CaddyForwardAuth, counted(1, 400), counted(400, 400), 0, Some("to the service")),
        ] {
            let said = Seen { app, service, written }.judge(contender).err();
            let is_told = match (told, &said) {
                (None, None) => true,
                (Some(told), Some(said)) => said.contains(told),
                (None, Some(_)) | (Some(_), None) => false,
            };
            if !is_told {
                missed.push((told, said));
            }
        }
        assert!(missed.is_empty(), "{missed:#?}");
    }
}
