//! `kill -9` while an order is under way: a process, a real authority, and a wire between them that
//! kills at the n-th thing that passes. The next start reads what is left.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use usher_lab::{patience::PATIENCE, ports::free_port};

use crate::authority::TestAuthority;

const HOST: &str = "tv.example.com";

/// A process that is killed when the test is over.
struct Usher {
    child: Arc<Mutex<Child>>,
    lines: mpsc::Receiver<Value>,
}

impl Usher {
    fn start(folder: &Path) -> Self {
        let mut child = usher(folder)
            .args(["run", "--log-format", "json", "--config", "config.yaml"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                drop(send.send(serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"))));
            }
        });
        Self { child: Arc::new(Mutex::new(child)), lines }
    }

    /// Lines up to the first one that is `wanted`, or up to the end of the process.
    fn until(&self, wanted: impl Fn(&Value) -> bool) -> (Vec<Value>, bool) {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let is_wanted = wanted(&line);
                    seen.push(line);
                    if is_wanted {
                        return (seen, true);
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return (seen, false),
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("nothing for a minute: {seen:?}"),
            }
        }
    }
}

impl Drop for Usher {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        drop(child.kill());
        drop(child.wait());
    }
}

fn usher(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.current_dir(folder).env("USHER_DATA_DIR", folder.join("data"));
    command.stderr(Stdio::null());
    command
}

fn is_issued(line: &Value) -> bool {
    line["message"] == "certificate" && line["host"] == HOST && line["issuer"].is_string()
}

/// What passes between usher and its authority is counted, both ways.
#[derive(Default)]
struct Wire {
    passed: AtomicUsize,
    kills_at: AtomicUsize,
    victim: Mutex<Option<Arc<Mutex<Child>>>>,
}

impl Wire {
    async fn open(to: SocketAddr) -> (Arc<Self>, SocketAddr) {
        let address = free_port();
        let listener = TcpListener::bind(address).await.unwrap();
        let wire = Arc::new(Self::default());
        let own = Arc::clone(&wire);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(to).await.unwrap();
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.into_split();
                tokio::spawn(Arc::clone(&own).carry(near_in, far_out));
                tokio::spawn(Arc::clone(&own).carry(far_in, near_out));
            }
        });
        (wire, address)
    }

    async fn carry(
        self: Arc<Self>,
        mut from: tokio::net::tcp::OwnedReadHalf,
        mut to: tokio::net::tcp::OwnedWriteHalf,
    ) {
        let mut buffer = vec![0; 32 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let passed = self.passed.fetch_add(1, Ordering::SeqCst) + 1;
            if passed == self.kills_at.load(Ordering::SeqCst) {
                let victim = self.victim.lock().unwrap().take().unwrap();
                victim.lock().unwrap().kill().unwrap(); // SIGKILL
            }
            if to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    }

    fn kill_at(&self, n: usize, victim: &Usher) {
        *self.victim.lock().unwrap() = Some(Arc::clone(&victim.child));
        self.passed.store(0, Ordering::SeqCst);
        self.kills_at.store(n, Ordering::SeqCst);
    }

    fn kill_nobody(&self) {
        self.kills_at.store(0, Ordering::SeqCst);
    }
}

/// As many authorities at a time: each step waits for one most of the time.
const LANES: usize = 5;

#[tokio::test]
async fn kill_9_at_every_step_leaves_what_the_next_start_reads() {
    let lanes: Vec<_> = (1..=LANES).map(|first| tokio::spawn(lane(first))).collect();
    let mut killed = 0;
    for lane in lanes {
        killed += lane.await.unwrap();
    }
    assert!(killed > 10, "only {killed} steps");
}

/// Every `LANES`th step from the `first` on, until an order is done before it.
async fn lane(first: usize) -> usize {
    let authority = TestAuthority::open(|_| {}).await;
    let pebble: url::Url = authority.pebble.directory().parse().unwrap();
    let pebble = pebble.port().unwrap();
    let (wire, address) = Wire::open(SocketAddr::from(([127, 0, 0, 1], pebble))).await;
    let config = authority
        .config(&[HOST], "")
        .replace(&format!("localhost:{pebble}"), &format!("localhost:{}", address.port()));
    let mut killed = 0;
    for n in (first..).step_by(LANES) {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("config.yaml"), &config).unwrap();
        let at = folder.path().to_owned();
        let wire = Arc::clone(&wire);
        let step = tokio::task::spawn_blocking(move || step(n, &at, &wire));
        if !step.await.unwrap() {
            break;
        }
        killed += 1;
    }
    killed
}

/// Kills at the `n`-th thing that passes and starts again; false when the order was done before.
fn step(n: usize, folder: &Path, wire: &Wire) -> bool {
    let first = Usher::start(folder);
    wire.kill_at(n, &first);
    let (_, was_issued) = first.until(is_issued);
    drop(first);
    wire.kill_nobody();
    // A crash counts as a failure and the next order waits for minutes; by hand it does not.
    if !was_issued {
        let mut asks = usher(folder);
        let asked = asks.args(["certs", "renew", HOST, "--config", "config.yaml"]).output();
        assert!(asked.unwrap().status.success(), "killed at {n}");
    }
    let second = Usher::start(folder);
    let (mut lines, serves) = second.until(|line| line["message"] == "serving");
    assert!(serves, "killed at {n}: {lines:?}");
    if !was_issued {
        let (more, is_issued) = second.until(is_issued);
        lines.extend(more);
        assert!(is_issued, "killed at {n}: {lines:?}");
    }
    let damaged = lines.iter().any(|line| line.to_string().contains("set aside"));
    assert!(!damaged, "killed at {n}: {lines:?}");
    let status = usher(folder).args(["status", "--json", "--config", "config.yaml"]).output();
    let status = String::from_utf8(status.unwrap().stdout).unwrap();
    let mut all = status.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let status = all.find(|one| one["host"] == HOST).unwrap();
    assert_eq!(status["last_error"], "", "killed at {n}");
    assert!(status["issuer"].as_str().unwrap().contains("Pebble"), "killed at {n}: {status}");
    !was_issued
}
