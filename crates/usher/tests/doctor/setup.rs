//! A Jellyfin, a route to it, and the doctor.

use std::{fs, net::IpAddr, path::PathBuf};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use usher::{
    doctor::{Place, Slowly, Tried, examine},
    reload::{Loaded, Source, load},
    server::SystemClock,
};
use usher_cinema::{Cinema, CinemaOptions, CinemaUser, RunningCinema};
use usher_rules::{config::Environment, plan::Plan, time::Clock as _};

/// An API key.
pub const KEY: &str = "0123456789abcdef0123456789abcdef";

/// What a route to a Jellyfin says where all is well.
pub const GOOD: &str = "  preserve_host_header: true\n  allow_websockets: true\n  timeout: 0s\n  \
                        idle_timeout: 600s\n";

/// And who has its key.
pub const WITH_KEY: &str = "  jellyfin: {api_key: 0123456789abcdef0123456789abcdef}\n";

pub struct Setup {
    pub cinema: RunningCinema,
    pub dir: TempDir,
    pub addresses: Vec<IpAddr>,
    pub slow: Option<Slowly>,
}

impl Setup {
    /// This server, and a route that says `says`.
    pub async fn with(options: CinemaOptions, says: &str) -> Self {
        let cinema = Cinema::start(options).await.unwrap();
        let dir = TempDir::new().unwrap();
        let text = format!(
            "address: {}\nroutes:\n- from: https://tv.test\n  to: {}\n  policy: \
             [{{allow: {{or: [{{email: {{is: ann@example.com}}}}]}}}}]\n{says}",
            usher_lab::ports::free_port(),
            cinema.base_url()
        );
        fs::write(dir.path().join("config.yaml"), text).unwrap();
        Self { cinema, dir, addresses: Vec::new(), slow: None }
    }

    /// Nothing is wrong with it.
    pub async fn healthy() -> Self {
        Self::with(healthy(), &format!("{GOOD}{WITH_KEY}")).await
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("config.yaml")
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn plan(&self) -> Plan {
        let (path, environment) = (self.config(), Environment::new());
        let Loaded { plan, .. } =
            load(Source::File { path: &path, environment: &environment }).unwrap();
        plan
    }

    /// What is found of the route and the server.
    pub async fn examined(&self) -> Vec<Tried> {
        let place = Place {
            data_dir: None,
            now: SystemClock.now(),
            addresses: &self.addresses,
            door: None,
            slow: self.slow,
        };
        let all = examine(&self.plan(), place).await;
        all.into_iter().filter(|one| ["route", "jellyfin"].contains(&one.code.about)).collect()
    }

    /// What the server answers to who has its key, without its head.
    pub async fn get(&self, path: &str) -> Vec<u8> {
        let answer = self.ask(&format!("GET {path}"), "").await;
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        let at = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        answer[at..].to_vec()
    }

    /// Changes something there.
    pub async fn post(&self, path: &str, body: &str) {
        let answer = self.ask(&format!("POST {path}"), body).await;
        assert!(answer.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&answer));
    }

    async fn ask(&self, line: &str, body: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.cinema.addr).await.unwrap();
        let asked = format!(
            "{line} HTTP/1.1\r\nHost: tv\r\nAuthorization: MediaBrowser Token=\"{KEY}\"\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    }

    /// What is wrong, in words.
    pub async fn told(&self) -> Vec<String> {
        let all = self.examined().await;
        all.iter().filter(|one| one.severity.is_some()).map(ToString::to_string).collect()
    }

    /// The codes of what is wrong, in order.
    pub async fn wrong(&self) -> Vec<&'static str> {
        let all = self.examined().await;
        let mut codes: Vec<_> =
            all.iter().filter(|one| one.severity.is_some()).map(|one| one.code.id).collect();
        codes.sort_unstable();
        codes
    }
}

/// A server of which there is nothing to say.
pub fn healthy() -> CinemaOptions {
    CinemaOptions {
        users: vec![CinemaUser::new("ann", "long and secret").administrator()],
        admin_key: Some(KEY.to_owned()),
        known_proxies: vec![[127, 0, 0, 1].into()],
        restart_time: std::time::Duration::from_millis(300),
        ..CinemaOptions::default()
    }
}
