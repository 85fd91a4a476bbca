//! `usher run` as an operator has it: a process, a file, signals, lines of log.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Condvar, Mutex},
};

use http::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher_lab::{
    browser::Browser,
    patience::PATIENCE,
    ports::free_port,
    upstream::{Exchange, Upstream},
};

#[path = "run/jellyfins.rs"]
mod jellyfins;
#[path = "run/kept.rs"]
mod kept;
#[path = "run/pipe.rs"]
mod pipe;
#[path = "run/status.rs"]
mod status;

const USHER: &str = env!("CARGO_BIN_EXE_usher");
const PASSWORD: &str = "walruses in a box";

/// A folder with a config and a data directory, and the port to serve on.
struct Desk {
    dir: TempDir,
    port: u16,
}

/// A process that is ended when the test is over, however it is over.
struct Running {
    child: Child,
    lines: Arc<(Mutex<Vec<Value>>, Condvar)>,
}

impl Desk {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), port: free_port().port() }
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("config.yaml")
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Writes the config: these lines below `address`.
    fn write(&self, text: &str) {
        fs::write(self.config(), format!("address: 127.0.0.1:{}\n{text}", self.port)).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = Command::new(USHER);
        command.args(["run", "--log-format", "json", "--config"]).arg(self.config());
        command.arg("--data-dir").arg(self.data());
        command
    }

    /// Starts and waits until it serves.
    fn start(&self) -> Running {
        Self::wait(self.command())
    }

    fn wait(mut command: Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let lines: Arc<(Mutex<Vec<Value>>, Condvar)> = Arc::default();
        let (shared, output) = (Arc::clone(&lines), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
                shared.0.lock().unwrap().push(value);
                shared.1.notify_all();
            }
        });
        let running = Running { child, lines };
        running.line(|line| line["message"] == "serving");
        running
    }

    /// Starts what does not come up, and gives what it said.
    fn fails(&self) -> (Option<i32>, String) {
        let output = self.command().output().unwrap();
        assert!(output.stdout.is_empty(), "nothing is served: {output:?}");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    fn people(&self, args: &[&str]) -> Output {
        let mut child = Command::new(USHER)
            .arg("people")
            .args(args)
            .arg("--data-dir")
            .arg(self.data())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn browser(&self) -> Browser {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        Browser::new(address, &self.data().join("authority/ca.pem"))
    }

    fn url(&self, path: &str) -> String {
        format!("https://tv.test:{}{path}", self.port)
    }
}

impl Running {
    /// Waits for a line.
    fn line(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        let (lines, changed) = &*self.lines;
        let found = |lines: &mut Vec<Value>| !lines.iter().any(&is_it);
        let (lines, over) =
            changed.wait_timeout_while(lines.lock().unwrap(), PATIENCE, found).unwrap();
        assert!(!over.timed_out(), "no such line in {lines:#?}");
        lines.iter().find(|line| is_it(line)).unwrap().clone()
    }

    /// Waits for so many such lines.
    fn lines(&self, count: usize, is_it: impl Fn(&Value) -> bool) {
        let (lines, changed) = &*self.lines;
        let missing =
            |lines: &mut Vec<Value>| lines.iter().filter(|line| is_it(line)).count() < count;
        let (lines, over) =
            changed.wait_timeout_while(lines.lock().unwrap(), PATIENCE, missing).unwrap();
        assert!(!over.timed_out(), "not {count} such lines in {lines:#?}");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    fn end(mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }
}

fn route(port: u16, to: SocketAddr) -> String {
    format!(
        "routes:\n- from: https://tv.test:{port}\n  to: http://{to}\n  policy: [{{allow: {{or: [{{email: {{is: ann@example.com}}}}]}}}}]\n"
    )
}

/// Decision 0107: most of a huge page would lie idle.
#[test]
fn no_huge_pages_are_asked_for() {
    let desk = Desk::new();
    desk.write("routes: []\n");
    let running = desk.start();
    let status = fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
    let enabled = status.lines().find(|line| line.starts_with("THP_enabled:")).unwrap();
    assert_eq!(enabled.split_whitespace().nth(1), Some("0"));
}

#[tokio::test]
async fn kill_9_loses_no_session_and_no_person() {
    let (desk, upstream) = (Desk::new(), Upstream::echo());
    desk.write(&route(desk.port, upstream.address));
    let running = desk.start();
    // While it runs, as another process.
    assert!(desk.people(&["add", "ann@example.com", "--password-stdin"]).status.success());
    let mut ann = desk.browser();
    let seen = ann.sign_in(&desk.url("/"), "ann@example.com", PASSWORD).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(running.end("-KILL"), None, "killed");

    let running = desk.start();
    assert_eq!(ann.fetch(&desk.url("/")).await.status, StatusCode::OK, "still signed in");
    let again = desk.browser().sign_in(&desk.url("/"), "ann@example.com", PASSWORD).await;
    assert_eq!(again.status, StatusCode::OK, "and known");
    assert_eq!(running.end("-TERM"), Some(0), "a stop that was asked for is no failure");
}

#[tokio::test]
async fn a_reload_by_signal_or_by_file() {
    let (desk, upstream) = (Desk::new(), Upstream::echo());
    let public = route(desk.port, upstream.address).replace(
        "policy: [{allow: {or: [{email: {is: ann@example.com}}]}}]",
        "allow_public_unauthenticated_access: true",
    );
    desk.write(&public);
    let running = desk.start();
    let serves = async || desk.browser().fetch(&desk.url("/")).await.status;
    assert_eq!(serves().await, StatusCode::OK);

    for (text, word) in [
        (public.replace("routes", "ruotes"), "U110"),
        (String::new(), "no routes"),
        ("routes: [".into(), "U1"),
    ] {
        desk.write(&text);
        running.signal("-HUP");
        let refused = running.line(|line| {
            line["message"] == "reload"
                && line["cause"].as_str().is_some_and(|it| it.contains(word))
        });
        assert_eq!(refused["level"], "error", "{refused}");
        assert!(refused["effect"].as_str().unwrap().contains("nothing has changed"), "{refused}");
        assert_eq!(serves().await, StatusCode::OK, "the old one serves on: {word}");
    }
    desk.write(&route(desk.port, upstream.address)); // and no signal
    running.line(|line| line["message"] == "reload" && line["level"] == "info");
    assert_eq!(serves().await, StatusCode::UNAUTHORIZED);

    // A file that the config names is as good as the config.
    let roots = desk.dir.path().join("roots.pem");
    let root = || rcgen::generate_simple_self_signed(vec!["x.test".into()]).unwrap().cert.pem();
    fs::write(&roots, root()).unwrap();
    let is_reload = |line: &Value| line["message"] == "reload" && line["plan"].is_string();
    let named = format!("certificate_authority_file: {}\n", roots.display());
    desk.write(&format!("{named}{}", route(desk.port, upstream.address)));
    running.lines(2, is_reload);
    fs::write(&roots, root()).unwrap();
    running.lines(3, is_reload);
}

#[test]
fn what_can_not_start_says_what_to_do() {
    let desk = Desk::new();
    let to = SocketAddr::from(([127, 0, 0, 1], 1));
    let (code, said) = desk.fails();
    assert_eq!(code, Some(2));
    assert!(said.contains("can't read the config") && said.contains("hint: "), "{said}");

    desk.write("ruotes: [x]\n");
    let (code, said) = desk.fails();
    assert_eq!(code, Some(2));
    assert!(said.contains("error[U110]: unknown key `ruotes`"), "{said}");
    assert!(said.contains("did you mean `routes`?") && said.contains("1 error"), "{said}");

    desk.write(&route(desk.port, to));
    let taken = TcpListener::bind(("127.0.0.1", desk.port)).unwrap();
    let (code, said) = desk.fails();
    assert_eq!(code, Some(2));
    assert!(said.contains("error: can't listen on 127.0.0.1:"), "{said}");
    assert!(said.contains("hint: something else listens there"), "{said}");
    drop(taken);

    for (file, content) in [("usher.sqlite3", "garbage"), ("authority/ca.key", "garbage")] {
        let path = desk.data().join(file);
        let good = fs::read(&path).unwrap();
        fs::write(&path, content).unwrap();
        let (code, said) = desk.fails();
        assert_eq!(code, Some(2), "{file}");
        assert!(said.contains(&path.display().to_string()) && said.contains("hint: "), "{said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content, "{file} is left as it is");
        fs::write(&path, good).unwrap();
    }
    drop(desk.start()); // and with everything put back it does
}

#[tokio::test]
async fn a_bad_certificate_takes_only_its_own_hosts_down() {
    let (desk, upstream) = (Desk::new(), Upstream::echo());
    let at = |name: &str| desk.dir.path().join(name).display().to_string();
    let pair = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        rcgen::generate_simple_self_signed(names).unwrap()
    };
    let (one, other) = (pair(&["one.test"]), pair(&["other.test"]));
    fs::write(at("one.pem"), one.cert.pem()).unwrap();
    fs::write(at("other.key"), other.signing_key.serialize_pem()).unwrap();
    let public = route(desk.port, upstream.address).replace(
        "policy: [{allow: {or: [{email: {is: ann@example.com}}]}}]",
        "allow_public_unauthenticated_access: true",
    );
    desk.write(&format!(
        "certificates: [{{cert: {}, key: {}}}]\n{public}",
        at("one.pem"),
        at("other.key")
    ));
    let running = desk.start();
    let told = running.line(|line| line["message"] == "certificate" && line["level"] == "error");
    assert!(told["cause"].as_str().unwrap().contains("is not the key of"), "{told}");
    assert!(!told["hint"].as_str().unwrap().is_empty(), "{told}");
    assert_eq!(desk.browser().fetch(&desk.url("/")).await.status, StatusCode::OK);
    drop(running);

    // No pair at all, or none that is one, keeps no door shut either: after a power cut the
    // machine comes up without somebody.
    for broken in [Some("garbage"), None] {
        match broken {
            Some(text) => fs::write(at("one.pem"), text).unwrap(),
            None => fs::remove_file(at("one.pem")).unwrap(),
        }
        let running = desk.start();
        let told =
            running.line(|line| line["message"] == "certificate" && line["level"] == "error");
        assert!(told["cause"].as_str().unwrap().contains("one.pem"), "{told}");
        assert_eq!(desk.browser().fetch(&desk.url("/")).await.status, StatusCode::OK);
        let check = Command::new(USHER).args(["check", "--config"]).arg(desk.config()).output();
        let check = check.unwrap();
        assert_eq!(check.status.code(), Some(1), "it runs, and not as it should");
        assert!(String::from_utf8_lossy(&check.stdout).contains("`cert`"), "{check:?}");
    }
    // And it is served once it is there.
    let running = desk.start();
    running.line(|line| line["message"] == "certificate" && line["level"] == "error");
    fs::write(at("other.key"), one.signing_key.serialize_pem()).unwrap();
    fs::write(at("one.pem"), one.cert.pem()).unwrap();
    running.line(|line| line["message"] == "reload");
}

/// A local authority that is damaged takes down the hosts that it signs for, and no other.
#[tokio::test]
async fn a_damaged_authority_takes_only_its_own_hosts_down() {
    let (desk, upstream) = (Desk::new(), Upstream::echo());
    let at = |name: &str| desk.dir.path().join(name);
    let own = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    fs::write(at("own.pem"), own.cert.pem()).unwrap();
    fs::write(at("own.key"), own.signing_key.serialize_pem()).unwrap();
    let public = |host: &str| {
        format!(
            "- from: https://{host}:{}\n  to: http://{}\n  allow_public_unauthenticated_access: true\n",
            desk.port, upstream.address
        )
    };
    let pair = format!(
        "certificates: [{{cert: {}, key: {}}}]\n",
        at("own.pem").display(),
        at("own.key").display()
    );
    let routes = format!("routes:\n{}{}", public("localhost"), public("other.test"));
    desk.write(&format!("{pair}{routes}"));
    drop(desk.start());
    fs::write(desk.data().join("authority/ca.pem"), "damaged").unwrap();

    let running = desk.start();
    let told = running.line(|line| line["message"] == "certificate" && line["level"] == "error");
    assert!(told["cause"].as_str().unwrap().contains("ca.pem"), "{told}");
    let mut browser = Browser::new(SocketAddr::from(([127, 0, 0, 1], desk.port)), &at("own.pem"));
    assert_eq!(
        browser.fetch(&format!("https://localhost:{}/", desk.port)).await.status,
        StatusCode::OK
    );
    drop(running);

    // Where every host needs it, nothing is served by half a server.
    desk.write(&routes);
    let (code, said) = desk.fails();
    assert_eq!(code, Some(2));
    assert!(said.contains("ca.pem") && said.contains("hint: "), "{said}");
}

#[tokio::test]
async fn a_provider_out_of_reach_lets_nobody_in_and_ends_nobody() {
    let (desk, upstream) = (Desk::new(), Upstream::echo());
    let nowhere = Upstream::nobody();
    desk.write(&format!(
        "authenticate_service_url: https://auth.test:{}\nidp_provider: oidc\n\
         idp_provider_url: http://{nowhere}\nidp_client_id: usher\nidp_client_secret: x\n{}",
        desk.port,
        route(desk.port, upstream.address)
    ));
    let running = desk.start();
    let seen = desk.browser().open(&desk.url("/")).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(seen.body.contains(seen.field("x-request-id")), "a page with the request's id");
    let told = running.line(|line| line["message"] == "provider");
    assert!(!told["cause"].as_str().unwrap().is_empty(), "{told}");
    assert!(upstream.heads().is_empty());
}

#[tokio::test]
async fn the_guides_file_starts_before_its_certificate_is_there() {
    let desk = Desk::new();
    let case = include_str!("../../rules/tests/compile/guide.case");
    fs::write(desk.config(), case.split("\n----\n").next().unwrap()).unwrap();
    let mut command = desk.command();
    command.env("ADDRESS", format!("127.0.0.1:{}", desk.port));
    // An authority that nobody serves, in the place of the public one.
    command.env("AUTOCERT_CA", "https://127.0.0.1:9/directory");
    let running = Desk::wait(command);
    let serving = running.line(|line| line["message"] == "serving");
    assert_eq!(serving["provider"], "hosted");
    let told = running.line(|line| line["message"] == "certificate");
    assert_eq!(told["host"], "jellyfin.yourdomain.com");
    assert!(told["effect"].as_str().unwrap().contains("until a certificate is there"), "{told}");
    let told = running.line(|line| line["message"] == "certificate" && !line["cause"].is_null());
    assert!(told["cause"].as_str().unwrap().contains("127.0.0.1:9"), "{told}");
    assert!(told["effect"].as_str().unwrap().contains("local authority"), "{told}");
}

/// Whoever asks twice means it: a film that runs is not waited for.
#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let upstream = Upstream::start(async |exchange: &mut Exchange| {
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf").await?;
        exchange.hung_up().await;
        Ok(())
    });
    let desk = Desk::new();
    desk.write(&format!(
        "routes:\n- from: https://tv.test:{}\n  to: http://{}\n  allow_public_unauthenticated_access: true\n",
        desk.port, upstream.address
    ));
    let running = desk.start();
    running.line(|line| line["message"] == "serving");
    let mut stream = desk.browser().connect("tv.test").await;
    let head = format!("GET / HTTP/1.1\r\nhost: tv.test:{}\r\n\r\n", desk.port);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.read_u8().await.unwrap();
    running.signal("-TERM");
    running.line(|line| line["message"] == "stopping");
    assert_eq!(running.end("-INT"), Some(130), "as shells tell that Ctrl-C ended it");
}
