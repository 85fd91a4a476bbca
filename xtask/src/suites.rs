//! Public suites of protocols: h2spec through a route and on a page of our own, and Autobahn's
//! cases, which have to end as they do without usher in between.
//!
//! What came of it stays in `suites/` of the target folder: `summary.txt`, h2spec's words, and a
//! page for each of Autobahn's cases.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    served::{Server, free_port},
    shell::{Failure, Log, Outcome, cache, cargo, found, output, root, run, target, write},
    tools,
};

const MODULE: &str = "github.com/summerwind/h2spec";
const VERSION: &str = "v2.2.1+incompatible";

/// Which stand for all of its 145 cases.
const ALL_OF_H2SPEC: &str = "145 tests, 145 passed, 0 skipped, 0 failed";

/// Cases of compression take minutes and never look at what a proxy does: these stand for them.
const SHORT: &[&str] = &["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", "12.1.1"];

/// Runs them; `--long` takes all of Autobahn's cases.
pub fn check(arguments: &[String], log: &mut Log) -> Outcome {
    let cases: &[&str] = if arguments.is_empty() { SHORT } else { &["*"] };
    let h2spec = log.step("h2spec's program", h2spec)?;
    let python = log.step("kosoku's program", kosoku)?;
    log.command("build", &mut cargo(["build", "--package", "usher", "--bin", "usher"]))?;
    let folder = target().join("suites");
    let stage = Stage::set(&folder, &python)?;
    let mut summary = String::new();
    for (title, path) in [("a route", "/"), ("a page of our own", "/.pomerium/")] {
        let title = format!("h2spec through {title}");
        let line = log.step(&title, || stage.h2spec(&h2spec, path))?;
        let _written = writeln!(summary, "{title}: {line}");
    }
    log.step("Autobahn's cases, direct", || stage.autobahn(&python, cases, "direct"))?;
    log.step("Autobahn's cases, through usher", || stage.autobahn(&python, cases, "through"))?;
    let compared = log.step("compared", || {
        let both = [folder.join("direct"), folder.join("through")];
        output(python.script().arg("compare").args(both))
    })?;
    let _written = write!(summary, "Autobahn: {compared}");
    print!("{summary}");
    write(&folder.join("summary.txt"), &summary)
}

/// Everything that has to run.
struct Stage {
    folder: PathBuf,
    https: u16,
    echo: u16,
    door: u16,
    _servers: [Server; 2],
}

impl Stage {
    fn set(folder: &Path, python: &Python) -> Result<Self, Failure> {
        let [https, echo, door] = [free_port()?, free_port()?, free_port()?];
        let config = format!(
            "address: 127.0.0.1:{https}
routes:
- from: https://localhost
  to: http://127.0.0.1:{echo}
  allow_public_unauthenticated_access: true
  allow_websockets: true
  timeout: 0s
"
        );
        let usher = Server::start(folder, https, &config)?;
        let ports = [echo, door, https].map(|port| port.to_string());
        let peers = Server::listening(python.script().arg("serve").args(ports), door)?;
        Ok(Self { folder: folder.to_owned(), https, echo, door, _servers: [usher, peers] })
    }

    fn h2spec(&self, program: &Path, path: &str) -> Result<String, Failure> {
        let port = self.https.to_string();
        let ran = Command::new(program)
            .args(["--host", "localhost", "--port", &port, "--tls", "--insecure", "--path", path])
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| Failure::new(format!("can't start h2spec: {error}")))?;
        let said = String::from_utf8_lossy(&ran.stdout);
        let file =
            self.folder.join(if path == "/" { "h2spec-route.txt" } else { "h2spec-own.txt" });
        write(&file, &said)?;
        match said.lines().last() {
            Some(line) if line == ALL_OF_H2SPEC => Ok(line.to_owned()),
            line => Err(Failure::new(format!(
                "{}\nread on in {}",
                line.unwrap_or("it said nothing"),
                file.display()
            ))),
        }
    }

    fn autobahn(&self, python: &Python, cases: &[&str], name: &str) -> Outcome {
        let port = if name == "direct" { self.echo } else { self.door };
        let report = self.folder.join(name);
        let _fresh = fs::remove_dir_all(&report);
        let mut kosoku = Command::new(python.0.join("bin/kosoku"));
        kosoku.args(["--parallelism", "4", "--outdir"]).arg(&report);
        cases.iter().for_each(|case| {
            kosoku.args(["--include", case]);
        });
        // Its status counts failures, of which the direct run has some too: the reports are compared.
        let _failures = run(kosoku.arg(format!("localhost:{port}")).stderr(Stdio::null()));
        match report.join("index.json").is_file() {
            true => Ok(()),
            false => Err(Failure::new("kosoku wrote no report")),
        }
    }
}

/// An environment with kosoku and a WebSocket server.
struct Python(PathBuf);

impl Python {
    fn script(&self) -> Command {
        let mut python = Command::new(self.0.join("bin/python"));
        python.arg(root().join("xtask/sockets.py"));
        python
    }
}

fn kosoku() -> Result<Python, Failure> {
    let environment = cache().join("kosoku");
    if !environment.join("bin/kosoku").is_file() {
        tools::debian(&[("python3", "python3-venv")])?;
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))
            .and_then(|()| {
                run(Command::new(environment.join("bin/pip"))
                    .args(["install", "--quiet", "--disable-pip-version-check"])
                    .args(["websockets==15.0.1", "kosoku==0.1.0"]))
            })
            .map_err(|failure| Failure::new(format!("{failure}\nhint: pip install kosoku")))?;
    }
    Ok(Python(environment))
}

fn h2spec() -> Result<PathBuf, Failure> {
    if found("h2spec") {
        return Ok("h2spec".into());
    }
    let folder = cache().join("go");
    let program = folder.join("h2spec");
    if !program.is_file() {
        tools::debian(&[("go", "golang-go")])?;
        // Not by `go install`, which asks for each longer path first: a mirror may refuse those.
        let own = folder.join("h2spec-module");
        let module = format!("module own\n\nrequire {MODULE} {VERSION}\n");
        fs::create_dir_all(&own)
            .and_then(|()| fs::write(own.join("go.mod"), module))
            .map_err(|error| Failure::new(format!("{}: {error}", own.display())))?;
        let package = format!("{MODULE}/cmd/h2spec");
        run(Command::new("go")
            .args(["build", "-mod=mod", "-o"])
            .arg(&program)
            .arg(&package)
            .current_dir(&own))
        .map_err(|failure| Failure::new(format!("{failure}\nhint: go install {package}@latest")))?;
    }
    Ok(program)
}
