//! The load: wrk for small requests on HTTP/1.1, h2load for everything else.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{FILM, LOAD_CORE, scenario::Scenario};
use crate::{client::Protocol, failure::Failure, front_door::HOST, process::Process};

/// Clients offer one cipher and one group, so that all servers do the same cryptography.
const OPENSSL: &str = "\
openssl_conf = conf
[conf]
ssl_conf = ssl
[ssl]
system_default = tls
[tls]
MinProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
";

/// What a browser says of itself.
pub const BROWSER: &[(&str, &str)] = &[
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"),
    ("accept", "application/json, text/plain, */*"),
    ("accept-language", "en-GB,en;q=0.9"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("referer", "https://tv.test/web/"),
    ("sec-fetch-dest", "empty"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-site", "same-origin"),
];

/// How long each load of small requests lasts, in seconds.
pub const SECONDS: u32 = 3;
/// How many handshakes are one load.
const HANDSHAKES: u32 = 3000;
/// Where the app takes as many octets as stand behind it, and answers when all of them have come.
pub const UPLOAD: &str = "/sink/";
/// How many small requests, that count for nothing, come before the first load.
const WARMING_UP: u32 = 5000;
/// How many films go down or up at once in one load.
const FILMS: u32 = 8;

/// What a load at a fixed pace found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paced {
    /// `[p50, p99, p99.9, p99 of a second]` in microseconds.
    pub micros: [f64; 4],
    /// How many percent of that time the load's core was idle, where the kernel tells.
    pub idle: Option<f64>,
}

impl Paced {
    /// As [`mod@super::paced`] says it.
    fn said(words: &str) -> Option<Self> {
        let figures: Option<Vec<f64>> =
            words.split_whitespace().map(|it| it.parse().ok()).collect();
        let figures = figures?;
        let (micros, rest) = figures.split_first_chunk()?;
        match rest {
            [] => Some(Self { micros: *micros, idle: None }),
            [idle] => Some(Self { micros: *micros, idle: Some(*idle) }),
            _ => None,
        }
    }
}

/// Who asks: the same headers whomever it asks.
#[derive(Debug)]
pub struct Load {
    openssl: PathBuf,
    /// The folder of the certificate that is trusted, and of the film.
    trust: PathBuf,
    cookie: String,
}

impl Load {
    /// A load that sends `session` beside two cookies of the app's own.
    pub fn new(folder: &Path, trust: &Path, session: &str) -> Result<Self, Failure> {
        let openssl = folder.join("openssl.cnf");
        fs::write(&openssl, OPENSSL).map_err(Failure::io("openssl.cnf"))?;
        let mut cookie = "theme=dark; jellyfin_last=7f3a19c4a5b04c55".to_owned();
        if !session.is_empty() {
            cookie.push_str("; ");
            cookie.push_str(session);
        }
        Ok(Self { openssl, trust: trust.into(), cookie })
    }

    /// Runs it, and returns how many units of work were done: requests, or GiB.
    pub fn run(&self, scenario: Scenario, address: SocketAddr) -> Result<f64, Failure> {
        let (small, seconds) = (format!("https://{HOST}/small"), SECONDS.to_string());
        match scenario {
            Scenario::Small1 => {
                let duration = format!("-d{seconds}s");
                let dialled = format!("https://{address}/small");
                let said = self.output("wrk", address, &["-t1", "-c64", &duration, &dialled])?;
                requests_of_wrk(&said).ok_or_else(|| unclear("wrk", &said))
            }
            Scenario::Small2 => {
                let said = self.output(
                    "h2load",
                    address,
                    &["-t1", "-c10", "-m32", "-D", &seconds, &small],
                )?;
                requests_of_h2load(&said).ok_or_else(|| unclear("h2load", &said))
            }
            Scenario::Handshake => self.handshakes(address, HANDSHAKES),
            Scenario::Film1 | Scenario::Upload1 => self.bodies(Protocol::Http1, scenario, address),
            Scenario::Film2 | Scenario::Upload2 => self.bodies(Protocol::Http2, scenario, address),
        }
    }

    /// So many films at once, down or up; returns GiB.
    fn bodies(
        &self,
        protocol: Protocol,
        scenario: Scenario,
        address: SocketAddr,
    ) -> Result<f64, Failure> {
        let (films, file) = (FILMS.to_string(), self.trust.join("film").display().to_string());
        let target = match scenario.is_upload() {
            true => format!("https://{HOST}{UPLOAD}{FILM}"),
            false => format!("https://{HOST}/film"),
        };
        let mut words = vec!["-t1", "-m1", "-w30", "-W30", "-c", &films, "-n", &films];
        words.extend((protocol == Protocol::Http1).then_some("--h1"));
        words.extend(scenario.is_upload().then_some(["-d", &file]).into_iter().flatten());
        words.push(&target);
        let said = self.output("h2load", address, &words)?;
        let done = all_of_h2load(&said, FILMS);
        #[expect(clippy::cast_precision_loss, reason = "a power of two")]
        let gib = FILM as f64 / (1_u64 << 30) as f64;
        done.map(|films| films * gib).ok_or_else(|| unclear("h2load", &said))
    }

    /// The same for a moment: what a start costs, and code that nothing has run through yet, is
    /// no part of a unit of work.
    pub fn warm_up(&self, scenario: Scenario, address: SocketAddr) -> Result<(), Failure> {
        match scenario {
            Scenario::Small1 => self.ask(Protocol::Http1, address, WARMING_UP),
            Scenario::Small2 => self.ask(Protocol::Http2, address, WARMING_UP),
            Scenario::Handshake => self.handshakes(address, WARMING_UP / 20).map(drop),
            Scenario::Film1 | Scenario::Film2 | Scenario::Upload1 | Scenario::Upload2 => {
                self.run(scenario, address).map(drop)
            }
        }
    }

    /// Asks for `count` small things on a few connections; fails where one comes to nothing.
    pub fn ask(&self, protocol: Protocol, address: SocketAddr, count: u32) -> Result<(), Failure> {
        let (small, words) = (format!("https://{HOST}/small"), count.to_string());
        let mut words = vec!["-t1", "-c10", "-m1", "-n", &words];
        if protocol == Protocol::Http1 {
            words.push("--h1");
        }
        words.push(&small);
        let said = self.output("h2load", address, &words)?;
        let done = all_of_h2load(&said, count);
        done.map(drop).ok_or_else(|| unclear("h2load", &said))
    }

    /// Asks once, and fails where what comes is not what the app answers.
    pub fn try_once(&self, address: SocketAddr) -> Result<(), Failure> {
        self.handshakes(address, 1).map(|_| ())
    }

    /// Asks for small things, so many a second, for so many seconds.
    pub fn paced(
        &self,
        protocol: Protocol,
        address: SocketAddr,
        (rate, seconds): (f64, u32),
    ) -> Result<Paced, Failure> {
        let this = std::env::current_exe().map_err(Failure::io("this program"))?;
        let mut command = Command::new("taskset");
        command.args(["-c", &LOAD_CORE.to_string()]).arg(this).arg("paced").arg(&self.trust);
        let protocol = if protocol == Protocol::Http1 { "h1" } else { "h2" };
        command.args([&address.to_string(), protocol, &rate.to_string(), &seconds.to_string()]);
        let output = command.arg(&self.cookie).output().map_err(Failure::io("paced"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        Paced::said(&said)
            .filter(|_| output.status.success())
            .ok_or_else(|| unclear("paced", &String::from_utf8_lossy(&output.stderr)))
    }

    /// Eight films as fast as they come, again and again, until this is dropped.
    pub fn films(&self, protocol: Protocol, address: SocketAddr) -> Result<Process, Failure> {
        let (films, film) = (FILMS.to_string(), format!("https://{HOST}/film"));
        let mut command = self.command("h2load", address);
        command.args(["-t1", "-m1", "-w30", "-W30", "-D", "600", "-c", &films]);
        command.args((protocol == Protocol::Http1).then_some("--h1")).arg(&film);
        Process::start(command.stdout(Stdio::null()))
    }

    /// By this very program, on the load's core.
    fn handshakes(&self, address: SocketAddr, count: u32) -> Result<f64, Failure> {
        let this = std::env::current_exe().map_err(Failure::io("this program"))?;
        let mut command = Command::new("taskset");
        command.args(["-c", &LOAD_CORE.to_string()]).arg(this).arg("handshakes").arg(&self.trust);
        command.args([&address.to_string(), &count.to_string(), &self.cookie]);
        let output = command.output().map_err(Failure::io("handshakes"))?;
        if !output.status.success() {
            return Err(unclear("handshakes", &String::from_utf8_lossy(&output.stderr)));
        }
        Ok(f64::from(count))
    }

    /// That program on the load's core, with the headers that it is to send.
    fn command(&self, program: &str, address: SocketAddr) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", &LOAD_CORE.to_string(), program]).env("OPENSSL_CONF", &self.openssl);
        for (name, value) in BROWSER {
            command.arg("-H").arg(format!("{name}: {value}"));
        }
        command.arg("-H").arg(format!("cookie: {}", self.cookie));
        // wrk has no way to name another host than the one it dials
        match program {
            "wrk" => command.arg("-H").arg(format!("Host: {HOST}")),
            _ => command.arg(format!("--connect-to={address}")),
        };
        command
    }

    fn output(
        &self,
        program: &str,
        address: SocketAddr,
        words: &[&str],
    ) -> Result<String, Failure> {
        let mut command = self.command(program, address);
        let output = command.args(words).output().map_err(Failure::io(program))?;
        if !output.status.success() {
            return Err(unclear(program, &String::from_utf8_lossy(&output.stderr)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// `None` where an answer was no 2xx, or there was none: a refusal is quick, and no work done.
fn requests_of_wrk(said: &str) -> Option<f64> {
    if said.contains("Non-2xx") {
        return None;
    }
    let done =
        said.lines().find_map(|line| line.split_once(" requests in ")?.0.trim().parse().ok());
    done.filter(|done| *done > 0.0)
}

/// `None` where an answer was no 2xx.
fn requests_of_h2load(said: &str) -> Option<f64> {
    let codes = said.lines().find_map(|line| line.strip_prefix("status codes: "))?;
    let succeeded: f64 = codes.split_once(" 2xx")?.0.parse().ok()?;
    let others = codes.split(", ").skip(1).all(|code| code.starts_with("0 "));
    (others && succeeded > 0.0).then_some(succeeded)
}

/// `None` where not each of so many was answered.
fn all_of_h2load(said: &str, count: u32) -> Option<f64> {
    requests_of_h2load(said).filter(|done| *done == f64::from(count))
}

fn unclear(program: &str, said: &str) -> Failure {
    Failure::Program { program: program.into(), what: said.into() }
}

#[cfg(test)]
mod tests {
    use super::{Paced, all_of_h2load, requests_of_h2load, requests_of_wrk};

    #[test]
    fn what_the_programs_say() {
        let wrk = "Running 3s test\n  1 threads and 64 connections\n  61234 requests in 3.00s, 9MB read\n";
        assert_eq!(requests_of_wrk(wrk), Some(61_234.0));
        assert_eq!(requests_of_wrk("  0 requests in 3.00s, 0B read\n"), None);
        assert_eq!(requests_of_wrk(&format!("{wrk}  Non-2xx or 3xx responses: 1\n")), None);
        let h2load = "requests: 9 total\nstatus codes: 8 2xx, 0 3xx, 0 4xx, 0 5xx\n";
        assert_eq!(requests_of_h2load(h2load), Some(8.0));
        assert_eq!(all_of_h2load(h2load, 8), Some(8.0));
        assert_eq!(all_of_h2load(h2load, 9), None, "one was lost");
        assert_eq!(requests_of_h2load(&h2load.replace("0 4xx", "1 4xx")), None);
        assert_eq!(requests_of_h2load("status codes: 0 2xx, 0 3xx, 0 4xx, 0 5xx"), None);
        let micros = [340.0, 700.0, 1200.0, 690.0];
        let (said, idle) = ("340 700 1200 690", Some(62.5));
        assert_eq!(Paced::said(&format!("{said}\n")), Some(Paced { micros, idle: None }));
        assert_eq!(Paced::said(&format!("{said} 62.5\n")), Some(Paced { micros, idle }));
        assert_eq!(Paced::said("340 700 1200\n"), None);
    }
}
