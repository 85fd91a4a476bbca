//! A whole server in this process: real sockets, real TLS, a clock that is turned by hand.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use usher::{
    certs::acme::{AcmeTimeouts, BeforeWrite},
    idp::{Cost, Directory, NewMember, Passwords},
    request::{
        Apps,
        record::{Format, Log, Recorder},
    },
    server::{self, ReloadRefused, RunningServer, StartError, StartOptions},
    store::{DecisionFile, KEY_FILE, KeySet, Store, read_keys},
};
pub use usher_lab::patience::eventually;
use usher_lab::{browser::Browser, clock::TurnedClock, lines::Lines, patience::PATIENCE};
use usher_rego::Regorus;
use usher_rules::{
    config::{Environment, Files, Input, read},
    plan::{Plan, compile_with},
    problem::Problem,
    secret::Secret,
    time::Clock,
};

/// May enter what `FRIENDS` may enter.
pub const ANN: (&str, &str) = ("ann@example.com", "canary-ann-pass-7Qx2");
/// Is somebody, and in no group.
pub const EVE: (&str, &str) = ("eve@example.com", "canary-eve-pass-4Tz9");
/// The group of those who may enter.
pub const FRIENDS: &str = "friends";

/// A server that answers, and what it wrote.
pub struct TestServer {
    server: Option<RunningServer>,
    dir: Arc<TempDir>,
    lines: Lines,
    recorder: Recorder,
    /// Turned by hand.
    pub clock: Arc<TurnedClock>,
    cores: usize,
    /// Apps that are known from inside, from the next start on.
    pub apps: Apps,
    /// Hears of writes of certificates, from the next start on.
    pub before_write: Option<BeforeWrite>,
}

struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(path).map_err(|error| error.to_string())
    }
}

/// Compiles a config that has no errors, to be served on a free port of loopback.
pub fn plan(text: &str) -> Plan {
    let input = Input { name: Some("config.yaml"), text };
    match compile_with(read(input, &Environment::new()), &Disk, Some(&Regorus)) {
        Ok((mut plan, _)) => {
            let here = |address: Box<str>| match address.starts_with("127.0.0.1:") {
                true => address, // somebody has to find it
                false => "127.0.0.1:0".into(),
            };
            plan.listen.http_redirect = plan.listen.http_redirect.map(here);
            plan.listen.address = here(plan.listen.address);
            if plan.listen.probes.is_some() {
                plan.listen.probes = Some("127.0.0.1:0".into());
            }
            if let Some(metrics) = &mut plan.listen.metrics {
                metrics.address = "127.0.0.1:0".into();
            }
            plan
        }
        Err(problems) => panic!("{problems:?}\n{text}"),
    }
}

/// Does a config compile?
pub fn compiles(text: &str) -> bool {
    problems(text).is_empty()
}

/// What keeps a config from compiling.
pub fn problems(text: &str) -> Vec<Problem> {
    let input = Input { name: Some("config.yaml"), text };
    compile_with(read(input, &Environment::new()), &Disk, Some(&Regorus)).err().unwrap_or_default()
}

/// A route as the guide has it, for those in [`FRIENDS`].
pub fn friends(host: &str, to: SocketAddr) -> String {
    format!(
        "- from: https://{host}
  to: http://{to}
  allow_websockets: true
  preserve_host_header: true
  pass_identity_headers: true
  timeout: 0s
  idle_timeout: 600s
  policy: [{{allow: {{or: [{{claim/groups: {FRIENDS}}}]}}}}]
"
    )
}

/// A route that is open to all.
pub fn public(host: &str, to: SocketAddr) -> String {
    format!(
        "- from: https://{host}
  to: http://{to}
  allow_websockets: true
  allow_public_unauthenticated_access: true
"
    )
}

/// A config with these routes.
pub fn config(routes: &[String]) -> String {
    format!("routes:\n{}", routes.concat())
}

impl TestServer {
    /// Opens with a config, and with Ann and Eve as people.
    pub async fn open(text: &str) -> Self {
        Self::with_cores(text, 1).await
    }

    /// The same on several cores.
    pub async fn with_cores(text: &str, cores: usize) -> Self {
        let mut server = Self::closed(cores).await;
        server.server = Some(server.start(plan(text)).unwrap());
        server
    }

    /// With its people, and not yet open: `restart` opens it.
    pub async fn closed(cores: usize) -> Self {
        let dir = Arc::new(TempDir::new().unwrap());
        let lines = Lines::default();
        let kept = DecisionFile::in_dir(&dir.path().join("data"));
        let logs = [Log::new(lines.clone(), Format::Json), Log::new(kept, Format::Kept)];
        let recorder = Recorder::new(logs);
        let clock = TurnedClock::new();
        let (server, apps, before_write) = (None, Apps::default(), None);
        let server = Self { server, dir, lines, recorder, clock, cores, apps, before_write };
        server.people().await;
        server
    }

    async fn people(&self) {
        let directory = self.directory();
        for ((email, password), groups) in [(ANN, &[FRIENDS.to_owned()][..]), (EVE, &[])] {
            let new = NewMember { email, name: "", groups };
            let password = Secret::new(password.as_bytes());
            directory.add(new, password, self.clock.now().wall).await.unwrap();
        }
    }

    /// The people, as `usher people` reaches them from another process.
    pub fn directory(&self) -> Directory {
        let store = Arc::new(Store::open(&self.data_dir()).unwrap());
        Directory::new(store, Passwords::new(CHEAP, 1).unwrap())
    }

    /// Starts, and gives what came of it.
    pub fn start(&self, plan: Plan) -> Result<RunningServer, StartError> {
        server::start(StartOptions {
            plan,
            data_dir: self.data_dir(),
            recorder: self.recorder.clone(),
            clock: Arc::<TurnedClock>::clone(&self.clock),
            apps: self.apps.clone(),
            cores: self.cores,
            password_cost: CHEAP,
            acme_timeouts: QUICK,
            before_write: self.before_write.clone(),
        })
    }

    /// The keys that it made, the newest first.
    pub fn keys(&self) -> Vec<KeySet> {
        read_keys(&self.data_dir().join(KEY_FILE)).unwrap().unwrap()
    }

    /// Where it keeps its data.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The server.
    pub fn running(&self) -> &RunningServer {
        self.server.as_ref().unwrap()
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.running().address()
    }

    /// A browser without cookies.
    pub fn browser(&self) -> Browser {
        Browser::new(self.address(), self.running().ca_file())
    }

    /// A browser in which somebody has signed in at `url`.
    pub async fn signed_in(&self, url: &str, (email, password): (&str, &str)) -> Browser {
        let mut browser = self.browser();
        browser.sign_in(url, email, password).await;
        browser
    }

    /// Puts another config in force.
    pub fn reload(&self, text: &str) -> Result<(), ReloadRefused> {
        self.running().reload(plan(text))
    }

    /// Stops and waits, away from the test's own runtime.
    pub async fn stop(&mut self, patience: Duration) {
        let server = self.server.take().unwrap();
        tokio::task::spawn_blocking(move || server.stop(patience)).await.unwrap();
    }

    /// Stops, and starts anew on the same data.
    pub async fn restart(&mut self, text: &str) {
        if self.server.is_some() {
            self.stop(PATIENCE).await;
        }
        self.server = Some(self.start(plan(text)).unwrap());
    }

    /// Ends it without a word, as `kill -9` would; its ports are free then, as after one.
    pub async fn crash(&mut self) {
        let server = self.server.take().unwrap();
        let ports = [Some(server.address()), server.redirect_address(), server.metrics_address()];
        drop(server);
        for port in ports.into_iter().flatten() {
            let is_free = || TcpListener::bind(port).ok();
            drop(eventually("the system has closed it", is_free).await);
        }
    }

    /// Everything that was written so far.
    pub fn log(&self) -> String {
        self.recorder.flush();
        self.lines.text()
    }

    /// The lines with this message.
    pub fn records(&self, message: &str) -> Vec<Value> {
        let log = self.log();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["message"] == message).collect()
    }

    /// The decision and the access line of a request, by the id that its answer had.
    pub async fn recorded(&self, id: &str) -> (Value, Value) {
        let find =
            |message: &str| self.records(message).into_iter().find(|line| line["request-id"] == id);
        eventually("both lines are written", || {
            Some((find("authorize check")?, find("http-request")?))
        })
        .await
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // Ended, not drained: what a test leaves running is the test's own.
        drop(self.server.take());
    }
}

/// For authorities on loopback.
pub const QUICK: AcmeTimeouts = AcmeTimeouts {
    look: Duration::from_millis(20),
    answer: PATIENCE,
    validation: PATIENCE,
    first_poll: Duration::from_millis(50),
};

/// As cheap as argon2id can be.
pub const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

/// Reads a file of hostile lines: one a line, `#` begins a comment.
pub fn corpus(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/front_door/corpus").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    assert!(!lines.is_empty(), "{name} has no lines");
    lines
}
